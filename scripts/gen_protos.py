"""Generates ``src/xbgateway/api`` from ``proto/``. The only place that runs protoc.

``--check`` generates into a temporary folder and fails on any difference from the checked-in
files, so that generated code cannot drift from its source.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TARGET = ROOT / "src" / "xbgateway" / "api"
INIT = '"""Generated from ``proto/`` by ``scripts/gen_protos.py``; never edited."""\n'


def generate(out: Path) -> None:
    """Write messages, stubs, type stubs and the descriptor set below ``out``."""
    protos = sorted(str(p) for p in (PROTO / "xbgateway").rglob("*.proto"))
    # Plugins are found beside this interpreter, whether or not its venv is activated.
    plugins = Path(sys.executable).parent
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{PROTO}", f"-I{PROTO / 'vendor'}", f"-I{_well_known()}"),
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            *(f"--python_out={out}", f"--grpc_python_out={out}"),
            *(f"--mypy_out={out}", f"--mypy_grpc_out={out}"),
            f"--descriptor_set_out={out / 'xbgateway' / 'api' / 'descriptors.binpb'}",
            *("--include_imports", *protos),
        ],
        check=True,
    )
    for folder in {p.parent for p in (out / "xbgateway").rglob("*.py")}:
        for place in [folder, *folder.parents]:
            if place == out / "xbgateway":
                break
            (place / "__init__.py").write_text(INIT)


def _well_known() -> Path:
    # A development dependency, needed here only.
    import grpc_tools  # type: ignore[import-untyped]  # noqa: PLC0415

    return Path(grpc_tools.__file__).parent / "_proto"


def _listing(folder: Path) -> set[str]:
    return {
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }


def main() -> int:
    """Generate, or with ``--check`` compare; exit status 1 on drift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if generated code would change")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / "xbgateway" / "api").mkdir(parents=True)
        generate(out)
        fresh = out / "xbgateway" / "api"
        names = _listing(fresh)
        if not check:
            shutil.rmtree(TARGET, ignore_errors=True)
            shutil.copytree(fresh, TARGET)
            print(f"generated {len(names)} files in {TARGET.relative_to(ROOT)}")
            return 0
        old = _listing(TARGET)
        drift = sorted(names ^ old) + sorted(
            n for n in names & old if not filecmp.cmp(fresh / n, TARGET / n, shallow=False)
        )
        for name in drift:
            print(f"drift: src/xbgateway/api/{name}", file=sys.stderr)
        return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
