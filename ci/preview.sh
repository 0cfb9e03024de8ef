#!/usr/bin/env bash
# Writes a pipeline file for a preview: the same pipeline under a name of its own, so that it owns its own resources.
#
#   ci/preview.sh SUFFIX [PIPELINE.YAML]
#
# `ci/preview.sh pr-12` writes pipeline.preview.yaml with `name: NAME-pr-12`, and prints the path of that file. It lies
# beside the pipeline file, because paths in the file are relative to it.
set -euo pipefail
readonly suffix=$1 file=${2:-pipeline.yaml}
readonly preview=${file%.*}.preview.yaml
here=$(dirname "${BASH_SOURCE[0]}")

if [[ ! $suffix =~ ^[a-z0-9-]+$ ]]; then
    # shellcheck disable=SC2016 # backticks of the message
    printf '`%s` is not a suffix: use lower-case letters, digits and `-`\n' "$suffix" >&2
    exit 64
fi
name=$("$here/name.sh" "$file")
sed -E "s/^name:.*/name: $name-$suffix/" "$file" >"$preview"
printf '%s\n' "$preview"
