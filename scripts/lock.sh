#!/bin/sh
# Write requirements/lock.txt anew from pyproject.toml: the newest versions that fit, dev tools
# included. One file for all: pip takes from a constraints file only what it is to install anyway.
# Names and versions only, so the lock is the same whatever index they come from.
set -eu
cd "$(dirname "$0")/.."

lock=requirements/lock.txt
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
{
    echo "# Made by \`make lock\` from pyproject.toml, dev extra included; do not edit."
    .venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
        --upgrade --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links
} >"$fresh"
cat "$fresh" >"$lock"
echo "lock: $(grep -c == "$lock") packages in $lock"
