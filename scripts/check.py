"""The one door before a commit: everything that can be said about the tree without running tests.

Steps run two at a time and each prints one line; what a failing step said follows at the end. A
step whose tool is missing is skipped visibly, and fails where ``CI=true``. Names of steps as
arguments run only these.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
WORKERS = 2
CI = os.environ.get("CI") == "true"
# Tools of this environment first, then those of scripts/tools.sh: fsck is also a system program.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(PYTHON).parent), str(Path.home() / "go" / "bin"), os.environ.get("PATH", "")]
)


@dataclass(frozen=True, slots=True)
class Step:
    """One check: ``command`` passes with exit status 0 and, where ``silent``, no output."""

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT
    needs: str = ""  # an outside tool; everything else comes with the dev extra
    silent: bool = False
    skip: str = ""  # why there is nothing to do


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step: ``state`` is ok, FAIL or skip; ``said`` is its output."""

    step: Step
    state: str
    seconds: float
    said: str


def steps() -> Iterator[Step]:
    """All checks, the slow ones first."""
    yield Step("types", ("mypy",))
    yield Step("policies", (PYTHON, "-m", "xbgateway", "policy", "check", "policies"), needs="opa")
    yield Step("native vet", ("go", "vet", "./..."), ROOT / "native", needs="go")
    yield Step("native format", ("gofmt", "-l", "native", "tests"), needs="gofmt", silent=True)
    yield Step("format", ("ruff", "format", "--check", "--quiet"))
    yield Step("lint", ("ruff", "check", "--quiet"))
    yield Step("imports", ("lint-imports", "--no-logo"))
    yield Step("tidy", ("pytest", "-q", "--tb=line", "tests/test_tidy.py"))
    yield Step("house", ("pytest", "-q", "--tb=line", "tests/test_house.py"))
    yield Step("proto lint", ("buf", "lint"))
    yield Step("proto format", ("buf", "format", "--diff", "--exit-code"))
    yield _breaking()
    yield Step("proto generated", (PYTHON, "scripts/gen_protos.py", "--check"))
    for script in sorted((ROOT / "scripts").glob("gen_*_doc.py")):
        name = script.stem.removeprefix("gen_").removesuffix("_doc")
        yield Step(f"docs {name}", (PYTHON, str(script.relative_to(ROOT)), "--check"))


def _breaking() -> Step:
    """Compare the protos with main; on main itself, where that says nothing, with its parent."""
    head, main = _git("rev-parse", "HEAD"), _git("rev-parse", "--verify", "--quiet", "main")
    earlier = main if main and main != head else _git("rev-parse", "--verify", "--quiet", "HEAD~1")
    held = earlier and _git("ls-tree", "-r", "--name-only", earlier, "proto/xbgateway")
    command = ("buf", "breaking", "--against", f".git#ref={earlier}")
    return Step("proto breaking", command, skip="" if held else "no earlier commit has protos here")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def run(step: Step) -> Outcome:
    """Run one step."""
    if step.skip:
        return Outcome(step, "skip", 0.0, step.skip)
    if step.needs and shutil.which(step.needs) is None:
        missing = f"{step.needs} is not installed (sh scripts/tools.sh)"
        return Outcome(step, "FAIL" if CI else "skip", 0.0, missing)
    began = time.monotonic()
    done = subprocess.run(
        step.command,
        cwd=step.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    failed = done.returncode != 0 or (step.silent and done.stdout.strip() != "")
    state = "FAIL" if failed else "ok"
    return Outcome(step, state, time.monotonic() - began, done.stdout.strip())


def main() -> int:
    """Run all steps, or those named; exit status 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STEP", help="only steps of this name")
    names = parser.parse_args().names
    known = list(steps())
    unknown = sorted(set(names) - {step.name for step in known})
    if unknown:
        parser.error(f"no step {unknown}; there are {[step.name for step in known]}")
    wanted = [step for step in known if not names or step.name in names]
    began = time.monotonic()
    failed: list[Outcome] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for running in as_completed([pool.submit(run, step) for step in wanted]):
            one = running.result()
            note = f"  {one.said}" if one.state == "skip" else ""
            print(f"{one.state:4} {one.seconds:6.1f} s  {one.step.name}{note}", flush=True)
            if one.state == "FAIL":
                failed.append(one)
    for one in failed:
        print(f"\n--- {one.step.name}: {' '.join(one.step.command)}\n{one.said}")
    print(f"\ncheck: {len(wanted)} steps, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
