#!/usr/bin/env bash
# Prints the name of a pipeline.
#
#   ci/name.sh PIPELINE.YAML
set -euo pipefail
name=$(sed -nE 's/^name:[[:space:]]*"?([A-Za-z0-9-]+)"?[[:space:]]*(#.*)?$/\1/p' "$1")
if [[ -z $name || $name == *$'\n'* ]]; then
    # shellcheck disable=SC2016 # backticks of the message
    printf '`%s` needs one line `name: NAME`\n' "$1" >&2
    exit 64
fi
printf '%s\n' "$name"
