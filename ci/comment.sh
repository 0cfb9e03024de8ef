#!/usr/bin/env bash
# Puts the plan into one comment of a pull request on GitHub, and updates that comment from then on.
#
#   ci/comment.sh PLAN.MD
#
# Environment:
#   GITHUB_TOKEN        needs `pull-requests: write`
#   PULL_REQUEST        number of the pull request
#   GITHUB_REPOSITORY, GITHUB_API_URL   as GitHub sets them
#   COMMENT_KEY         tells comments apart where there are several plans (default: prod)
set -euo pipefail
readonly plan=$1 key=${COMMENT_KEY:-prod} api=${GITHUB_API_URL:-https://api.github.com}
readonly comments=$api/repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments
readonly marker="<!-- runner plan: $key -->"
# Characters of a plan. GitHub takes 65,536 in a comment.
readonly limit=60000
readonly most_pages=30

headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
printf 'authorization: Bearer %s\naccept: application/vnd.github+json\nx-github-api-version: 2022-11-28\n' \
    "$GITHUB_TOKEN" >"$headers"
call() { curl --fail-with-body --silent --show-error --max-time 60 --retry 3 --header "@$headers" "$@"; }

body=$(jq -n --rawfile plan "$plan" --arg marker "$marker" --argjson limit "$limit" '
    {body: ($marker + "\n" + if ($plan | length) > $limit
        then $plan[:$limit] + "\n~~~~~~~~~~~~\n\nThe plan is longer than a comment can be. The step summary has all of it.\n"
        else $plan end)}')

id=
for ((page = 1; page <= most_pages; page++)); do
    found=$(call "$comments?per_page=100&page=$page")
    id=$(jq -r --arg marker "$marker" '[.[] | select(.body | startswith($marker)) | .id][0] // ""' <<<"$found")
    if [[ -n $id || $(jq length <<<"$found") -lt 100 ]]; then break; fi
done

if [[ -n $id ]]; then
    call --request PATCH --data @- "$api/repos/$GITHUB_REPOSITORY/issues/comments/$id" <<<"$body" >/dev/null
    printf 'updated comment %s\n' "$id"
else
    call --request POST --data @- "$comments" <<<"$body" | jq -r '"wrote comment \(.id)"'
fi
