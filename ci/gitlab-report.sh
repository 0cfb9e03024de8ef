#!/usr/bin/env bash
# Prints how many resources a plan creates, updates and deletes, as GitLab shows it in a merge request.
#
#   ci/gitlab-report.sh PLAN.JSON
set -euo pipefail
jq '[.changes[].action] | {
    create: (map(select(. == "create")) | length),
    update: (map(select(. == "update" or . == "replace")) | length),
    delete: (map(select(. == "delete")) | length)
}' "$1"
