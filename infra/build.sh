#!/usr/bin/env bash
# Builds every function as `sam deploy` wants it, into .aws-sam/build.
#
#   infra/build.sh                      for x86_64
#   ARCHITECTURE=arm64 infra/build.sh   for arm64 (needs: rustup target add aarch64-unknown-linux-gnu)
#
# Then: sam deploy --config-env dev --parameter-overrides Architecture=x86_64 ...
# with the architecture that was built. Needs Rust and Python 3 with venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

architecture=${ARCHITECTURE:-x86_64}
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/venv/build
# The C library of the provided.al2023 runtime.
newest_glibc=2.34

infra/venv.sh "$venv" infra/requirements-build.txt
export PATH="$venv/bin:$PATH" SAM_CLI_TELEMETRY=0 CARGO_TARGET_DIR="$target"

sam build --parameter-overrides "Architecture=$architecture"

found=0
for bootstrap in .aws-sam/build/*/bootstrap; do
  found=$((found + 1))
  needs=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+(\.[0-9]+)?' "$bootstrap" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
  if [ "$(printf '%s\n' "${needs:-0}" "$newest_glibc" | sort -V | tail -n 1)" != "$newest_glibc" ]; then
    echo "infra/build.sh: $bootstrap needs glibc $needs; the runtime has $newest_glibc" >&2
    exit 1
  fi
  echo "$bootstrap: $(($(stat -c %s "$bootstrap") / 1024)) KiB, glibc ${needs:-none}"
done
if [ "$found" -eq 0 ]; then
  echo "infra/build.sh: nothing was built" >&2
  exit 1
fi
