"""The shared library's own edges: fork, a missing library, Go's settings, freed handles."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xbgateway.model.errors import Fatal, Reason
from xbgateway.policy.engine import Bundle, EmbeddedEngine
from xbgateway.policy.engine.embedded import LIBRARY, Library

BUNDLE = 'Bundle({\'p.rego\': \'package xb\\ndecision := {"decision": "allow", '
BUNDLE += "\"revision\": data.revision}'}, {}, '0' * 64)"


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(part for part in sys.path if part)
    return subprocess.run(
        [sys.executable, "-c", f"from xbgateway.policy.engine import *\n{script}"],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_use_after_fork_is_fatal_not_a_hang() -> None:
    done = run(
        "import os\n"
        f"snapshot = EmbeddedEngine().load({BUNDLE})\n"
        "assert snapshot.decide(b'{}', 1000)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n"
        "        snapshot.decide(b'{}', 1000)\n"
        "    except Exception as error:\n"
        "        snapshot.close()\n"
        "        os.write(1, f'{type(error).__name__} {error}'.encode())\n"
        "    os._exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
        "assert snapshot.decide(b'{}', 1000)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Fatal POLICY_UNAVAILABLE: ")
    assert "spawn" in done.stdout


def test_the_library_is_loaded_late_and_leaves_the_environment_alone() -> None:
    done = run(
        "import os\n"
        "engine = EmbeddedEngine()\n"
        "mapped = lambda: 'libxbopa' in open('/proc/self/maps').read()\n"
        "before, was = mapped(), dict(os.environ)\n"
        f"engine.load({BUNDLE})\n"
        "print(before, mapped(), dict(os.environ) == was)\n"
    )
    assert done.stdout == "False True True\n", done.stderr


@pytest.mark.parametrize(("gogc", "collects"), [("off", False), (None, True)])
def test_go_sees_the_settings_at_its_start(gogc: str | None, collects: bool) -> None:
    environment = {"GODEBUG": "gctrace=1"} | ({"GOGC": gogc} if gogc else {})
    done = run(
        f"snapshot = EmbeddedEngine().load({BUNDLE})\n"
        "for n in range(400):\n"
        "    snapshot.decide(b'{\"a\":\"' + b'x' * 60000 + b'\"}', 1000)\n",
        **environment,
    )
    assert done.returncode == 0, done.stderr
    assert ("gc 1 @" in done.stderr) == collects


def test_a_missing_or_broken_library_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"native/build\.py") as caught:
        EmbeddedEngine(tmp_path / "none.so").load(Bundle({}, {}, "0" * 64))
    assert caught.value.reason is Reason.POLICY_UNAVAILABLE
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(Fatal, match="does not load"):
        Library(broken)


def test_a_closed_snapshot_frees_its_handle() -> None:
    library = Library(LIBRARY)
    specification = {"modules": {}, "data": {"x": 1}, "query": "data.x"}
    handle = library.prepare(specification)["handle"]
    assert json.loads(library.evaluate(handle, None, 0)) == {"result": 1}
    library.release(handle)
    assert json.loads(library.evaluate(handle, None, 0))["error"]["code"] == "no_handle"


def test_a_specification_the_library_does_not_know_is_an_error() -> None:
    answer = Library(LIBRARY).prepare({"modules": {}, "query": "1", "surprise": True})
    assert answer["error"]["code"] == "bad_spec"


def test_handles_do_not_leak_under_concurrent_close(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EmbeddedEngine()
    bundle = Bundle(
        {"p.rego": 'package xb\ndecision := {"decision": "deny", "revision": data.revision}'},
        {},
        "0" * 64,
    )
    snapshot = engine.load(bundle)
    released: list[int] = []
    library = snapshot._library
    original = library.release

    def release(handle: int) -> None:
        released.append(handle)
        original(handle)

    monkeypatch.setattr(library, "release", release)
    barrier = threading.Barrier(5)

    def close() -> None:
        barrier.wait()
        snapshot.close()

    threads = [threading.Thread(target=close) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert released == [snapshot._handle]
