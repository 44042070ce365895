#!/usr/bin/env bash
# Prints the variables by which the `crossfold` command finds the tables, the bucket and the secret
# of a deployed stack, as lines for a shell:
#
#   eval "$(infra/stack_variables.sh crossfold-dev)"
#   crossfold find-person --stack --domain knowledge --user u-17
#
# Needs the AWS CLI, and credentials that may describe the stack and read a function's configuration.
# No secret is printed: the variables hold its ARN.
set -euo pipefail

stack=${1:?infra/stack_variables.sh STACK: the name of a deployed stack}

# The function that has all of them: tables and bucket as every function, and the secret.
function=$(aws cloudformation describe-stack-resource --stack-name "$stack" \
  --logical-resource-id RecommendFunction \
  --query StackResourceDetail.PhysicalResourceId --output text)
variables=$(aws lambda get-function-configuration --function-name "$function" \
  --query Environment.Variables --output json)

# Names of tables and buckets, ARNs, and numbers: nothing that a shell would take for more.
lines=$(sed -n -E 's/^ *"(CROSSFOLD_[A-Z_]+)": "([A-Za-z0-9_.:/+=@-]*)",?$/export \1="\2"/p' <<<"$variables")
if ! grep -q '^export CROSSFOLD_BUCKET=' <<<"$lines"; then
  echo "infra/stack_variables.sh: $function has no variables of Crossfold" >&2
  exit 1
fi
echo "$lines"
