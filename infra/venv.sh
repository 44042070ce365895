#!/usr/bin/env bash
# infra/venv.sh DIRECTORY REQUIREMENTS: a Python environment with exactly those packages.
# Does nothing when it is there already; safe to be interrupted and to run twice at once.
set -euo pipefail

directory=$1
requirements=$2
stamp=$directory/requirements.txt

mkdir -p "$(dirname "$directory")"
exec 9>"$directory.lock"
flock 9
if cmp -s "$requirements" "$stamp" && [ -x "$directory/bin/python" ] && "$directory/bin/python" -c ''; then
  exit 0
fi

echo "Installing $requirements into $directory" >&2
rm -rf "$directory"
if ! python3 -m venv "$directory"; then
  echo "Python 3.11 or later with venv is needed (Debian: apt-get install python3-venv)" >&2
  exit 1
fi
"$directory/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$requirements"
cp "$requirements" "$stamp"
