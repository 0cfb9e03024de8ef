#!/usr/bin/env bash
# Applies the plan that was reviewed, and nothing else.
#
#   ci/apply.sh [PIPELINE.YAML]
#
# Environment:
#   RUNNER   the program (default: runner)
#   TARGET   an entry of `targets:` in the pipeline file (default: prod)
#   PLAN     the reviewed plan (default: plan/plan.json); `any` applies without a review, for previews
#
# The exit code is that of `runner apply`: 0 when it answers, 6 when the plan is no longer the reviewed one, and so on.
set -euo pipefail
readonly file=${1:-pipeline.yaml} runner=${RUNNER:-runner} target=${TARGET:-prod} plan=${PLAN:-plan/plan.json}

if [[ $plan == any ]]; then agreed=(--yes); else agreed=(--expect "$plan"); fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
# `tee -i` outlives an interrupt, so that the runner can say what it leaves undone.
"$runner" apply "$file" --target "$target" "${agreed[@]}" 2>&1 | tee -i "$log" || code=${PIPESTATUS[0]}

case $code in
    0) heading='applied' ;;
    4) heading='rolled back: the version before serves' ;;
    6) heading='refused, nothing was changed: the plan is blocked, or is not the reviewed one. Plan and review again' ;;
    *) heading="failed with exit code $code. What was finished is kept; the errors say how to go on" ;;
esac
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
    {
        # shellcheck disable=SC2016 # backticks of Markdown
        printf '#### `%s` on `%s`: %s\n\n~~~~~~~~~~~~text\n' "$file" "$target" "$heading"
        tail -n 40 "$log"
        printf '~~~~~~~~~~~~\n'
    } >>"$GITHUB_STEP_SUMMARY"
fi
printf '%s\n' "$heading" >&2
exit "$code"
