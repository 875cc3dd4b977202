"""The store cannot, may not or must not write: nothing moves, nothing is signed, each says why."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from tests.faults.evil import carried, meddle, until
from tests.harness.corridors import fund, query
from tests.harness.simulator import World, revision, world
from tests.harness.whole import at_rest, embedded

from xbgateway.model.clock import SystemClock
from xbgateway.model.entry import Accepted
from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append
from xbgateway.node_keys import specs
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.engine.port import Bundle, Snapshot
from xbgateway.store import SqliteStore


def sizes(w: World) -> dict[str, int]:
    return {
        f"{name} {origin}": head.size
        for name, node in w.nodes.items()
        for origin, head in node.core.store.heads.items()
    }


def pragma(w: World, name: str, text: str) -> None:
    """On the writer's own connection, while it is idle."""
    w.nodes[name].core.store._connection.execute(f"PRAGMA {text}").fetchall()


def full(w: World, name: str) -> Callable[[], None]:
    """No page more for a node's store; gives what makes room again."""
    connection = embedded(w.nodes[name].core.store)._connection
    free = connection.pragma("freelist_count")
    connection.execute("CREATE TABLE filler (x)")
    for _ in range(free + 64):  # use up free pages, and those that the last ones have room in
        connection.execute("INSERT INTO filler VALUES (zeroblob(4000))")
    pages = connection.pragma("page_count")
    pragma(w, name, f"max_page_count = {pages}")

    def room() -> None:
        pragma(w, name, "max_page_count = 1000000")

    return room


def read_only(w: World, name: str) -> Callable[[], None]:
    pragma(w, name, "query_only = ON")
    return lambda: pragma(w, name, "query_only = OFF")


@pytest.mark.parametrize("fault", [full, read_only])
async def test_a_caller_whose_node_cannot_write_hears_so_and_nothing_moves(
    tmp_path: Path, fault: Callable[[World, str], Callable[[], None]]
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        stores = [node.core.store for node in w.nodes.values()]
        await at_rest(*stores)
        undo = fault(w, "zhuhai")
        before = await at_rest(*stores)
        asked = query()
        with pytest.raises(Unavailable) as caught:
            await w.submit("zhuhai", asked)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE
        assert await at_rest(*stores) == before  # not a row of any table
        assert not w.nodes["macao"].service.asked
        undo()
        assert (await w.submit("zhuhai", asked)).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


@pytest.mark.parametrize("fault", [full, read_only])
async def test_a_receiver_that_cannot_write_takes_it_later(
    tmp_path: Path, fault: Callable[[World, str], Callable[[], None]]
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        undo = fault(w, "macao")
        caller = asyncio.create_task(w.submit("zhuhai", query()))
        await asyncio.sleep(0.15)
        assert not caller.done()
        assert not w.nodes["macao"].service.asked
        undo()
        assert (await caller).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_group_behind_one_that_could_not_be_kept_is_no_fault_of_its_log(
    tmp_path: Path,
) -> None:
    """Groups come several at a time: a moment without a disk must not stop the peer's log."""
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        wire, mirror = w.wire("zhuhai", "macao"), w.nodes["macao"].core.store
        theirs, size = w.nodes["zhuhai"].core.store, mirror.size(wire.origin)
        wire.open.clear()
        callers = [asyncio.create_task(w.submit("zhuhai", query()))]
        await until(lambda: theirs.size(wire.origin) > size)
        first = theirs.read_group(wire.origin, size)
        callers.append(asyncio.create_task(w.submit("zhuhai", query())))
        await until(lambda: theirs.size(wire.origin) > size + 1)
        second = theirs.read_group(wire.origin, size + 1)
        assert first is not None
        assert second is not None
        undo = read_only(w, "macao")
        with pytest.raises(Unavailable):
            await mirror.extend(carried(first))
        undo()
        with pytest.raises(Unavailable):
            await mirror.extend(carried(second))
        assert mirror.stopped(wire.origin) is None
        assert mirror.size(wire.origin) == size
        wire.open.set()
        wire.grown.set()
        assert {(await each).outcome for each in callers} == {Outcome.EXECUTED}
        await w.settle()
        w.agree()


def rewrite(path: Path, origin: str, index: int) -> None:
    """Change one byte of one row behind the node's back."""
    connection = apsw.Connection(str(path))
    row = connection.execute("SELECT id FROM logs WHERE origin = ?", (origin,)).fetchone()
    assert row is not None
    pos = row[0] << 40 | index
    found = connection.execute("SELECT entry FROM entries WHERE pos = ?", (pos,)).fetchone()
    assert found is not None
    entry = bytearray(found[0])
    entry[-3] ^= 1
    connection.execute("UPDATE entries SET entry = ? WHERE pos = ?", (bytes(entry), pos))
    connection.close()


@pytest.mark.parametrize("log", ["own", "own, last row", "mirror", "mirror, last row", "home"])
async def test_a_node_does_not_start_over_a_damaged_row(tmp_path: Path, log: str) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        for _ in range(3):
            await w.submit("zhuhai", query())
        await w.settle()
        core = w.nodes["zhuhai"].core
        origin = {
            "own": core.topology.data_out("macao", 0),
            "mirr": core.topology.data_in("macao", 0),
            "home": core.topology.home,
        }[log[:4].rstrip(",")]
        index = core.store.size(origin) - 1 if "last" in log else 0
        path = embedded(core.store).path
        await w.crash("zhuhai")
        rewrite(path, origin, index)
        for _ in range(2):  # it goes on refusing, and it leaves no lock behind
            with pytest.raises(Fatal) as caught:
                await w.start("zhuhai")
            assert caught.value.reason is Reason.STORE_CORRUPT
            assert caught.value.metadata["origin"] == origin
        rewrite(path, origin, index)  # the bit is put back
        await w.start("zhuhai")
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_nothing_is_signed_over_rows_that_are_not_what_was_written(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        core = w.nodes["zhuhai"].core
        head = core.store.heads[core.topology.data_out("macao", 0)]
        signed, size = head.checkpoint, head.size
        # A disk that does not keep what it is given: the row changes as it is written.
        core.store._connection.execute(
            "CREATE TRIGGER rot AFTER INSERT ON entries BEGIN"
            " UPDATE entries SET entry = CAST(NEW.entry || ' ' AS BLOB) WHERE pos = NEW.pos; END"
        )
        with pytest.raises(Fatal) as caught:
            await w.submit("zhuhai", query())
        assert caught.value.reason is Reason.STORE_CORRUPT
        assert (head.checkpoint, head.size) == (signed, size)
        assert w.nodes["macao"].core.store.size(head.origin) == size
        with pytest.raises(Fatal):  # and so it stays
            await w.submit("zhuhai", query())
        assert not w.nodes["macao"].service.asked


async def test_a_row_that_rots_before_it_is_sent_again_is_not_sent(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.submit("zhuhai", query())
        await w.settle()
        core, wire = w.nodes["zhuhai"].core, w.wire("zhuhai", "macao")
        held = w.nodes["macao"].core.store.size(wire.origin)
        wire.open.clear()
        callers = [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(3)]
        async with asyncio.timeout(5):
            while core.store.size(wire.origin) < held + 3:  # noqa: ASYNC110 - tests only
                await asyncio.sleep(0.01)
        core.store._tails._groups[
            wire.origin
        ].clear()  # as after a restart: read back from the rows
        rewrite(embedded(core.store).path, wire.origin, held + 1)
        wire.open.set()
        wire.grown.set()
        async with asyncio.timeout(5):
            while wire.error is None:  # noqa: ASYNC110 - tests only
                await asyncio.sleep(0.01)
        assert isinstance(wire.error, Fatal)
        assert wire.error.reason is Reason.STORE_CORRUPT
        assert w.nodes["macao"].core.store.size(wire.origin) == held
        assert w.nodes["macao"].core.store.stopped(wire.origin) is None
        for caller in callers:
            caller.cancel()


async def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        core = w.nodes["zhuhai"].core
        before = await at_rest(core.store)
        with pytest.raises(Fatal) as caught:
            SqliteStore(embedded(core.store).path, specs(core.register, core.topology, core.keys))
        assert caught.value.reason is Reason.STORE_LOCKED
        assert await at_rest(core.store) == before
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_clock_that_goes_back_stops_everything_until_it_has_caught_up(
    tmp_path: Path,
) -> None:
    shift = [timedelta()]
    clock = SystemClock(lambda: datetime.now(UTC) + shift[0])
    async with world(tmp_path, {"macao": fund}, clock=clock) as w:
        await w.settle()
        before = sizes(w)
        shift[0] = -timedelta(hours=1)
        asked = query()
        with pytest.raises(Unavailable) as caught:
            await w.submit("zhuhai", asked)
        assert caught.value.reason is Reason.CLOCK_BACK
        await asyncio.sleep(0.05)
        assert sizes(w) == before
        shift[0] = timedelta()
        # Now it goes back while the request is on its way: the receiver waits too.
        w.wire("zhuhai", "macao").open.clear()
        caller = asyncio.create_task(w.submit("zhuhai", asked))
        await asyncio.sleep(0.1)
        shift[0] = -timedelta(hours=1)
        w.wire("zhuhai", "macao").open.set()
        w.wire("zhuhai", "macao").grown.set()
        await asyncio.sleep(0.2)
        assert not w.nodes["macao"].service.asked
        shift[0] = timedelta()
        assert (await caller).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_clock_that_goes_back_after_acceptance_goes_on_from_there(
    tmp_path: Path,
) -> None:
    """What was recorded stands: the request is not accepted a second time."""
    shift = [timedelta()]
    clock = SystemClock(lambda: datetime.now(UTC) + shift[0])
    async with world(tmp_path, {"macao": fund}, clock=clock) as w:
        await w.settle()

        def back(append: Append) -> Append:
            shift[0] = -timedelta(hours=1)
            return append

        meddle(w.nodes["macao"].core, back, Accepted)
        caller = asyncio.create_task(w.submit("zhuhai", query()))
        await asyncio.sleep(0.2)
        assert shift[0]
        assert not w.nodes["macao"].service.asked
        shift[0] = timedelta()
        finished = await caller
        assert finished.outcome is Outcome.EXECUTED
        assert w.nodes["macao"].service.asked == [finished.exchange]
        await w.settle()
        kinds = [p.entry.kind for p in w.agree().outcomes[finished.exchange].evidence]
        assert kinds == ["request", "accepted", "answer", "final"]


@dataclass
class Shaky:
    """OPA in the process, with a switch that makes it fail."""

    problem: Unavailable | None = None
    asked: int = 0
    loaded: list[Snapshot] = field(default_factory=list)

    def load(self, bundle: Bundle) -> Snapshot:
        inner = EmbeddedEngine().load(bundle)
        outer = self

        class Loaded:
            revision = inner.revision
            opa_version = inner.opa_version

            def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
                outer.asked += 1
                if outer.problem is not None:
                    raise outer.problem
                return inner.decide(input_bytes, timeout_ms)

            def close(self) -> None:
                inner.close()

        return Loaded()


async def test_no_decision_is_a_denial_with_its_own_reason(tmp_path: Path) -> None:
    engine = Shaky()
    reasons = (
        *(Reason.POLICY_UNAVAILABLE, Reason.POLICY_UNDEFINED, Reason.POLICY_TIMEOUT),
        *(Reason.POLICY_ERROR, Reason.POLICY_STALE),
    )
    async with world(tmp_path, {"macao": fund}, engine=engine, memo=False) as w:
        wire, served = w.wire("zhuhai", "macao"), w.nodes["macao"].service.asked
        stores = [node.core.store for node in w.nodes.values()]
        theirs = stores[0]
        for reason in reasons:
            await w.settle()
            rows = await at_rest(*stores)
            before, asked, calls = sizes(w), engine.asked, len(served)
            engine.problem = Unavailable(reason, "the engine gives no decision")
            wanted = query()
            with pytest.raises(Unavailable) as caught:
                await w.submit("zhuhai", wanted)
            assert caught.value.reason is reason
            assert engine.asked == asked + 1
            assert await at_rest(*stores) == rows
            # And on the receiving side: nothing is opened, nothing called, nothing lost.
            engine.problem = None
            wire.open.clear()
            caller = asyncio.create_task(w.submit("zhuhai", wanted))
            had = before[f"zhuhai {wire.origin}"]
            await until(lambda had=had: theirs.size(wire.origin) > had)  # type: ignore[misc]
            engine.problem = Unavailable(reason, "the engine gives no decision")
            wire.open.set()
            wire.grown.set()
            await asyncio.sleep(0.06)
            assert len(served) == calls
            assert not caller.done()
            engine.problem = None
            assert (await caller).outcome is Outcome.EXECUTED
            assert len(served) == calls + 1
        await w.settle()
        w.agree()


async def test_an_engine_that_is_given_no_time_says_timeout(tmp_path: Path) -> None:
    """The real engine's own deadline, not a switch."""
    async with world(tmp_path, {"macao": fund}, memo=False) as w:
        before = sizes(w)
        decider = w.nodes["zhuhai"].core.active.now.decider
        assert decider.revision.id == revision().id
        decider._timeout_ms = 0
        with pytest.raises(Unavailable) as caught:
            await w.submit("zhuhai", query())
        assert caught.value.reason is Reason.POLICY_TIMEOUT
        assert sizes(w) == before
