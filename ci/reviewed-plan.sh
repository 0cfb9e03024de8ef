#!/usr/bin/env bash
# Fetches the plan that was reviewed in the pull request whose merge made this commit, from the artifacts on GitHub.
#
#   ci/reviewed-plan.sh
#
# Environment:
#   GITHUB_TOKEN        needs `actions: read` and `pull-requests: read`
#   GITHUB_REPOSITORY, GITHUB_SHA, GITHUB_API_URL   as GitHub sets them
#   ARTIFACT            name of the artifact (default: plan)
#   OUT                 folder that the artifact is unpacked into (default: reviewed)
#
# Without such a pull request or artifact it says so, and ends with 0 and without OUT/plan.json.
set -euo pipefail
readonly artifact=${ARTIFACT:-plan} out=${OUT:-reviewed} api=${GITHUB_API_URL:-https://api.github.com}
readonly repository=$api/repos/$GITHUB_REPOSITORY

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'authorization: Bearer %s\naccept: application/vnd.github+json\nx-github-api-version: 2022-11-28\n' \
    "$GITHUB_TOKEN" >"$scratch/headers"
call() { curl --fail-with-body --silent --show-error --max-time 120 --retry 3 --header "@$scratch/headers" "$@"; }

pull=$(call "$repository/commits/$GITHUB_SHA/pulls" | jq -c '[.[] | select(.merged_at != null)][0] // empty')
if [[ -z $pull ]]; then
    printf 'no pull request was merged as %s: nothing was reviewed there\n' "$GITHUB_SHA" >&2
    exit 0
fi
number=$(jq -r .number <<<"$pull")
head=$(jq -r .head.sha <<<"$pull")
# The newest artifact of a run for the head of the pull request, as it was merged.
url=$(call "$repository/actions/artifacts?name=$artifact&per_page=100" | jq -r --arg head "$head" '
    [.artifacts[] | select(.workflow_run.head_sha == $head and (.expired | not))]
    | sort_by(.created_at) | last | .archive_download_url // ""')
if [[ -z $url ]]; then
    # shellcheck disable=SC2016 # backticks of the message
    printf 'pull request %s has no artifact `%s` of %s\n' "$number" "$artifact" "$head" >&2
    exit 0
fi
call --location --output "$scratch/artifact.zip" "$url"
mkdir -p "$out"
unzip -q -o "$scratch/artifact.zip" plan.json -d "$out"
printf 'the plan that was reviewed in pull request %s is %s/plan.json\n' "$number" "$out"
