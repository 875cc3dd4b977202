#!/bin/sh
# Make .venv and install xbgateway into it, editable: `sh scripts/setup.sh run`, or `dev` with the
# development tools. Needs Python 3.11 or later and nothing else: where Go or a C compiler is
# missing, the build takes both from wheels. Versions are those of requirements/lock.txt.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
run) what=. ;;
dev) what='.[dev]' ;;
*) echo "usage: sh scripts/setup.sh run|dev" >&2 && exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if ! new_enough .venv/bin/python; then
    found=
    for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
        if new_enough "$python"; then found=$python && break; fi
    done
    if [ -z "$found" ]; then
        say "no Python 3.11 or later among: ${PYTHON:-python3.11 to python3.14, python3}" >&2
        say "install one, or name it: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    say "1/2 virtual environment .venv with $("$found" --version)"
    if ! "$found" -m venv --clear .venv; then
        say "this Python cannot make virtual environments; on Debian and Ubuntu its parts" >&2
        say "come as a package of their own: python3-venv" >&2
        exit 1
    fi
fi

say "2/2 packages at the locked versions, then OPA as a library, which is compiled the first time"
say "    (all together one to five minutes; pip says what it is doing)"
.venv/bin/python -m pip install --disable-pip-version-check \
    --constraint requirements/lock.txt --editable "$what"
touch .venv/ready-run
if [ "$1" = dev ]; then touch .venv/ready-dev; fi
say "done"
