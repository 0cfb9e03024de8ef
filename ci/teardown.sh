#!/usr/bin/env bash
# Deletes what the pipeline owns. Deleting what is not there is no error, so this can be run again.
#
#   ci/teardown.sh [PIPELINE.YAML]
#
# Environment:
#   RUNNER    the program (default: runner)
#   TARGET    an entry of `targets:` in the pipeline file (default: prod)
#   CONFIRM   where it is set, the pipeline's name must be equal to it
#
# The exit code is that of `runner teardown`; 64 when CONFIRM is another name.
set -euo pipefail
readonly file=${1:-pipeline.yaml} runner=${RUNNER:-runner} target=${TARGET:-prod}
here=$(dirname "${BASH_SOURCE[0]}")

if [[ -n ${CONFIRM+set} ]]; then
    name=$("$here/name.sh" "$file")
    if [[ $CONFIRM != "$name" ]]; then
        # shellcheck disable=SC2016 # backticks of the message
        printf 'nothing was deleted: the pipeline is `%s`, but `%s` was confirmed\n' "$name" "$CONFIRM" >&2
        exit 64
    fi
fi
exec "$runner" teardown "$file" --target "$target" --yes
