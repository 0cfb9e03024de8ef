#!/usr/bin/env bash
# Plans, and keeps the plan for the review and for `apply.sh`.
#
#   ci/plan.sh [PIPELINE.YAML]
#
# Environment:
#   RUNNER   the program (default: runner)
#   TARGET   an entry of `targets:` in the pipeline file (default: prod)
#   OUT      folder for plan.json, plan.txt and plan.md (default: plan)
#
# The exit code is that of `runner plan --detailed-exitcode`: 0 without changes, 2 with changes, another on failure.
# On GitHub, plan.md also goes to the step summary, and `changes` to the step's outputs.
set -euo pipefail
readonly file=${1:-pipeline.yaml} runner=${RUNNER:-runner} target=${TARGET:-prod} out=${OUT:-plan}
# Longer than any run of tildes in a plan.
readonly fence='~~~~~~~~~~~~'

mkdir -p "$out"
rm -f "$out/plan.json"
code=0
"$runner" plan "$file" --target "$target" --detailed-exitcode --output "$out/plan.json" \
    >"$out/plan.txt" 2>"$out/errors.txt" || code=$?
cat "$out/plan.txt"
cat "$out/errors.txt" >&2

case $code in
    0) changes=false heading='no changes' text=$out/plan.txt ;;
    2) changes=true heading=$(tail -n 1 "$out/plan.txt") text=$out/plan.txt ;;
    *) changes=false heading="failed with exit code $code" text=$out/errors.txt ;;
esac
# A plan that is blocked is printed, and so is what blocks it.
if [[ $code -ne 0 && $code -ne 2 && -s $out/plan.txt ]]; then
    cat "$out/plan.txt" "$out/errors.txt" >"$out/both.txt"
    text=$out/both.txt
fi
{
    # shellcheck disable=SC2016 # backticks of Markdown
    printf '#### Plan of `%s` for `%s`: %s\n\n' "$file" "$target" "$heading"
    printf '%stext\n' "$fence"
    cat "$text"
    printf '%s\n' "$fence"
} >"$out/plan.md"
rm -f "$out/both.txt"

if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then cat "$out/plan.md" >>"$GITHUB_STEP_SUMMARY"; fi
if [[ -n ${GITHUB_OUTPUT:-} ]]; then printf 'changes=%s\n' "$changes" >>"$GITHUB_OUTPUT"; fi
exit "$code"
