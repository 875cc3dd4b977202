"""The store under random records, mirror groups and restarts: its heads are its rows, re-hashed."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.logs import mirrored_logs, own_logs
from tests.harness.scale import scaled

from xbgateway.model.entry import Register
from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.model.record import (
    Append,
    Beside,
    MirrorGroup,
    MirrorItem,
    MovePending,
    Record,
)
from xbgateway.store import LogSpec, SqliteStore, Store
from xbgateway.store.postgres import PostgresStore
from xbgateway.tlog import (
    Checkpoint,
    Frontier,
    NoteSigner,
    NoteVerifier,
    SignatureType,
    leaf_hash,
    open_checkpoint,
    sign_checkpoint,
)

OWN = ("z.test/zhuhai/macao/lane/0", "z.test/zhuhai/macao/lane/1", "z.test/zhuhai/home")
MIRRORS = ("m.test/macao/zhuhai/lane/0", "m.test/macao/zhuhai/control")
EXCHANGE = "01890000-0000-7000-8000-000000000000"
KEY, PEER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def verifier(origin: str, key: Ed25519PrivateKey) -> NoteVerifier:
    return NoteVerifier(origin, key.public_key().public_bytes_raw(), SignatureType.ED25519)


def specs() -> list[LogSpec]:
    return [*own_logs(KEY, *OWN), *mirrored_logs(PEER, *MIRRORS)]


def open_store(path: Path) -> SqliteStore:
    return SqliteStore(path, specs(), group_wait_s=0)


# Opens one and the same store, again and again.
Opener = Callable[[], Store]


@pytest.fixture(scope="module", params=["sqlite", "postgres"], name="fresh")
def _fresh(request: pytest.FixtureRequest) -> Callable[[Path], Opener]:
    """Makes a new, empty store of one kind."""
    if request.param == "sqlite":
        return lambda folder: lambda: open_store(folder / "store.db")
    server = request.getfixturevalue("postgres")

    def opener(_folder: Path) -> Opener:
        url = server.fresh()
        return lambda: PostgresStore(url, specs(), group_wait_s=0)

    return opener


@dataclass
class Model:
    """What the store should hold: entries by log."""

    entries: dict[str, list[bytes]] = field(default_factory=dict)
    written: int = 0

    def next(self, junk: bool) -> bytes:
        self.written += 1
        if junk:
            return b"no entry %d" % self.written
        return Register(at="2026-03-16T02:00:00.000Z", version=f"{self.written:064x}").encode()

    def of(self, origin: str) -> list[bytes]:
        return self.entries.setdefault(origin, [])


def group(origin: str, model: Model, count: int, *, junk: bool) -> MirrorGroup:
    before = model.of(origin)
    items = tuple(MirrorItem(model.next(junk), b"d", b"s") for _ in range(count))
    entries = [*before, *(item.entry for item in items)]
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in entries])
    note = sign_checkpoint(
        Checkpoint(origin, frontier.size, frontier.root()), NoteSigner(origin, PEER)
    )
    return MirrorGroup(origin, len(before), items, note, (b"wrap %d" % model.written,))


def check(store: Store, model: Model) -> None:
    for origin, head in store.heads.items():
        entries = model.of(origin)
        assert store.reader.entries(origin, 0, head.size + 9) == entries
        frontier = Frontier()
        frontier.extend([leaf_hash(entry) for entry in entries])
        assert (head.size, head.frontier.root()) == (len(entries), frontier.root())
        if head.checkpoint is not None:
            key = KEY if origin in OWN else PEER
            found = open_checkpoint(head.checkpoint, verifier(origin, key), origin)
            assert (found.size, found.root) == (len(entries), frontier.root())
        if head.role == "own" and entries:
            middle = len(entries) // 2
            read = store.read_group(origin, middle)
            assert read is not None
            assert [i.entry for i in read.items] == entries[middle : read.end]
            passed = Frontier()
            passed.extend([leaf_hash(entry) for entry in entries[: read.end]])
            found = open_checkpoint(read.checkpoint, verifier(origin, KEY), origin)
            assert (found.size, found.root) == (read.end, passed.root())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 90)),
        st.tuples(st.just("mirror"), st.integers(0, 1), st.integers(1, 90)),
        st.tuples(st.just("junk"), st.integers(0, 1), st.integers(1, 5)),
        st.tuples(st.just("forged"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.booleans(), st.just(0)),
        st.tuples(st.just("act"), st.just(0), st.integers(1, 4)),
    ),
    max_size=9,
)


@given(plan=steps)
@settings(max_examples=scaled(12), deadline=None)
def test_heads_are_the_rows_hashed_again(
    fresh: Callable[[Path], Opener], plan: list[tuple[str, int, int]]
) -> None:
    asyncio.run(_run(fresh, plan))


async def _run(fresh: Callable[[Path], Opener], plan: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        again, model = fresh(Path(folder)), Model()
        store = again()
        store.start(lambda _group: None)
        stopped: set[str] = set()
        try:
            for what, which, count in plan:
                if what == "restart":
                    if which:  # killed: nothing is put down on the way out
                        store._broken = Fatal(Reason.INTERNAL, "killed")
                    await store.stop()
                    store = again()
                    store.start(lambda _group: None)
                else:
                    await _step(store, model, what, which, count, stopped)
                check(store, model)
                for origin in MIRRORS:
                    assert bool(store.stopped(origin)) == (origin in stopped)
        finally:
            await store.stop()


async def _step(  # noqa: PLR0917 - one plan line
    store: Store, model: Model, what: str, which: int, count: int, stopped: set[str]
) -> None:
    if what == "append":
        raws = [model.next(junk=False) for _ in range(count)]
        beside = Beside(b"declared", b"sealed", b"a wrap")
        records = [
            Record(
                (Append(OWN[which], raw, EXCHANGE if which else None, beside if which else None),)
            )
            for raw in raws
        ]
        places = await asyncio.gather(*(store.record(record) for record in records))
        assert [p.index for (p,) in places] == list(
            range(len(model.of(OWN[which])), len(model.of(OWN[which])) + count)
        )
        model.of(OWN[which]).extend(raws)
    elif what in {"mirror", "junk"}:
        origin = MIRRORS[which]
        made = group(origin, model, count, junk=what == "junk")
        if origin in stopped:
            with pytest.raises(Unavailable, match="has stopped"):
                await store.extend(made)
            return
        mirrored = await store.extend(made)
        assert mirrored.size == made.start + count
        model.of(origin).extend(item.entry for item in made.items)
    elif what == "forged" and MIRRORS[which] not in stopped and count == 1:
        made = group(MIRRORS[which], model, count, junk=False)
        bad = MirrorGroup(made.origin, made.start, made.items, made.checkpoint[:-3], ())
        with pytest.raises(Fatal):
            await store.extend(bad)
        stopped.add(MIRRORS[which])
    elif what == "act":
        waiting = list(store.reader.pending())[:count]
        before = len(list(store.reader.pending()))
        for pending in waiting:
            await store.record(Record((), (MovePending(pending.position, None),)))
        assert len(list(store.reader.pending())) == before - len(waiting)
