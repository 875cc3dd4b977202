"""Known pains of gRPC and SQLite for Python that are answered by what the code never does.

Numbers are those of the design; what can be shown by running something is in ``unit/server``,
``unit/link`` and ``contract``. Each test lists every place that breaks its rule.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from google.protobuf import runtime_version
from tests.test_tidy import SOURCE, modules, none, text, tree, where

from xbgateway.store.opening import connect
from xbgateway.store.reader import Reader

LOOPS = {"run", "Runner", "new_event_loop", "run_until_complete", "set_event_loop", "Loop"}
# Each starts a process's one loop: the node, the demo, an agency, a command that calls a node.
ENTRIES = {"app.py", "demo/__main__.py", "demo/agencies/__main__.py", "cli/connection.py"}
FORKS = {"fork", "forkpty", "multiprocessing", "ProcessPoolExecutor"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def names(path: Path) -> Iterator[tuple[str, int]]:
    """Every name and attribute that is used or imported."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            for alias in node.names:
                yield from ((part, node.lineno) for part in (*module.split("."), alias.name))


def written() -> list[Path]:
    found = modules(SOURCE)
    assert len(found) > 100
    return found


def test_pitfall_2_nothing_forks() -> None:
    none(
        f"{where(path, line)}: {name}"
        for path in written()
        for name, line in names(path)
        if name in FORKS
    )


def test_pitfall_4_no_server_is_given_a_pool_of_threads() -> None:
    """And there is no server of threads at all."""
    servers = [
        (path, name, call)
        for path in written()
        for name, call in calls(path)
        if name.endswith(("grpc.server", "aio.server")) or name == "server"
    ]
    assert {path.relative_to(SOURCE).as_posix() for path, _, _ in servers} == {
        "server/start.py",
        "demo/agencies/__main__.py",
    }
    none(
        where(path, call.lineno)
        for path, name, call in servers
        if name != "grpc.aio.server"
        or call.args
        or not {keyword.arg for keyword in call.keywords} <= {"interceptors", "options"}
    )
    none(
        where(path, line)
        for path in written()
        for name, line in names(path)
        if name == "ThreadPoolExecutor"
        # Threads that wait for the disk, or check policies; no server's, and no handler runs there.
        and path.relative_to(SOURCE).as_posix() not in {"store/writer.py", "policy/check.py"}
    )


def test_pitfall_5_the_bound_on_calls_is_ours() -> None:
    none(where(path) for path in written() if "maximum_concurrent_rpcs=" in text(path))


def test_pitfall_6_a_loop_is_made_at_the_entry_of_a_process_only() -> None:
    made = {
        path.relative_to(SOURCE).as_posix()
        for path in written()
        for name, _ in calls(path)
        if name.startswith(("asyncio.", "uvloop.")) and name.partition(".")[2] in LOOPS
    }
    assert made == ENTRIES
    none(  # and none in a thread
        where(path, call.lineno)
        for path in written()
        for name, call in calls(path)
        if name.endswith("Thread") and any("loop" in ast.unparse(k.value) for k in call.keywords)
    )


def test_pitfall_8_no_message_is_unbounded() -> None:
    none(
        where(path, node.lineno)
        for path in written()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Tuple)
        and len(node.elts) == 2
        and "message_length" in ast.unparse(node.elts[0])
        and not ast.unparse(node.elts[1]).endswith(("BYTES_MAX", "receive_bytes"))
    )


def test_pitfall_15_one_place_aborts_calls_and_16_every_method_is_a_coroutine() -> None:
    aborting = {
        path.relative_to(SOURCE).as_posix()
        for path in modules(SOURCE / "server", SOURCE / "link")
        for name, _ in calls(path)
        if name.endswith((".abort", ".abort_with_status"))
    }
    assert aborting == {"server/interceptors.py"}
    none(
        where(path, method.lineno)
        for path in modules(SOURCE / "server", SOURCE / "link")
        for kind in ast.walk(tree(path))
        if isinstance(kind, ast.ClassDef)
        and any(ast.unparse(base).endswith("Servicer") for base in kind.bases)
        for method in kind.body
        if isinstance(method, ast.FunctionDef)
        and not method.name.startswith("_")
        and method.name[0].isupper()
    )


def test_pitfall_20_and_21_generated_code_loads_under_its_package_and_is_not_newer() -> None:
    api = SOURCE / "api"
    generated = sorted(api.rglob("*_pb2.py"))
    assert len(generated) > 5
    for path in generated:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("from ") and "_pb2" in line:
                assert line.startswith(("from xbgateway.api.", "from google.")), line
            if line.startswith("# Protobuf Python Version: "):
                made_by = tuple(map(int, line.rpartition(" ")[2].split(".")))
                have = (runtime_version.MAJOR, runtime_version.MINOR, runtime_version.PATCH)
                assert made_by <= have, path


def test_pitfall_25_readers_cannot_write_and_the_writer_begins_immediately(tmp_path: Path) -> None:
    writer = connect(tmp_path / "store.db", "FULL")
    writer.execute("BEGIN IMMEDIATE")
    reader = Reader(tmp_path / "store.db")
    assert reader.log_rows() == []  # nobody waits for the writer
    with pytest.raises(apsw.ReadOnlyError):
        reader.connection().execute("DELETE FROM logs")
    writer.execute("ROLLBACK")
    writer.close()
    begins = {
        node.value
        for path in modules(SOURCE / "store")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("BEGIN")
    }
    assert begins == {"BEGIN IMMEDIATE"}
