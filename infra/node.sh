#!/usr/bin/env bash
# infra/node.sh DIRECTORY FOLDER: a folder with exactly the npm packages that FOLDER's
# package-lock.json names. Does nothing when it is there already; safe to be interrupted and to
# run twice at once.
set -euo pipefail

directory=$1
folder=$2
stamp=$directory/installed-package-lock.json

mkdir -p "$(dirname "$directory")"
exec 9>"$directory.lock"
flock 9
if cmp -s "$folder/package-lock.json" "$stamp"; then
  exit 0
fi

if ! command -v npm >/dev/null; then
  echo "infra/node.sh: Node.js 20 or later with npm is needed" >&2
  exit 1
fi
echo "Installing $folder/package-lock.json into $directory" >&2
rm -rf "$directory"
mkdir -p "$directory"
cp "$folder/package.json" "$folder/package-lock.json" "$directory"
(cd "$directory" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
cp "$folder/package-lock.json" "$stamp"
