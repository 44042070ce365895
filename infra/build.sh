#!/usr/bin/env bash
# Builds every function as `sam deploy` wants it, into .aws-sam/build, for the processor that
# samconfig.toml names for a deployment.
#
#   infra/build.sh [dev|prod]     dev unless said otherwise; then: sam deploy --config-env dev
#
# What was built can be deployed as nothing else: the built template refuses another Architecture.
# Needs Rust and Python 3.11 with venv; `sam` and cargo-lambda come into target/venv/build. For
# another processor than this machine's cargo-lambda adds the target, if Rust came by rustup.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment=${1:-dev}
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/venv/build

# `sam build` would fall back to the template's defaults without a word.
if ! grep -qF "[$environment.global.parameters]" samconfig.toml; then
  echo "infra/build.sh: samconfig.toml has no deployment \"$environment\"" >&2
  exit 1
fi

infra/venv.sh "$venv" infra/requirements-build.txt
export PATH="$venv/bin:$PATH" SAM_CLI_TELEMETRY=0 CARGO_TARGET_DIR="$target"

sam build --config-env "$environment"
python infra/pin_build.py .aws-sam/build
echo "Next: sam deploy --config-env $environment (sam is in $venv/bin)"
