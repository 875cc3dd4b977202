"""An evil peer on the wire, log-level: the group is dropped whole, the log stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from tests.faults.evil import carried, checkpoint, id_in_lane, once, resigned, signer, until
from tests.harness.corridors import fund, proof_of_life, query
from tests.harness.simulator import World, world

from xbgateway.exchange import Submission
from xbgateway.model.entry import Register
from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.model.limits import ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import MirrorGroup, MirrorItem
from xbgateway.store import Store
from xbgateway.tlog import Checkpoint, sign_checkpoint

JUNK = MirrorItem(Register(at="2026-03-16T02:00:00.000Z", version="0" * 64).encode(), b"", b"")


@dataclass(frozen=True)
class Scene:
    """What an attack may use: the world, the group as it was, and what the mirror holds."""

    w: World
    group: MirrorGroup

    def mirrored(self) -> list[bytes]:
        store = self.w.nodes["macao"].core.store
        return store.reader.entries(self.group.origin, 0, self.group.start)

    def resigned(self, group: MirrorGroup) -> MirrorGroup:
        return resigned(self.w.nodes["zhuhai"], self.w.nodes["macao"].core, group)

    def signed(self, entries: list[bytes]) -> bytes:
        return checkpoint(self.w.nodes["zhuhai"], self.group.origin, entries)


def forged_signature(s: Scene) -> MirrorGroup:
    text, _, line = s.group.checkpoint.partition(b"\n\n")
    flipped = line[:-4] + (b"A" if line[-4:-3] != b"A" else b"B") + line[-3:]
    return replace(s.group, checkpoint=text + b"\n\n" + flipped)


def signature_of_another_key(s: Scene) -> MirrorGroup:
    text = Checkpoint.parse(s.group.checkpoint.partition(b"\n\n")[0] + b"\n")
    other = signer(s.w.nodes["hengqin"], s.group.origin)
    return replace(s.group, checkpoint=sign_checkpoint(text, other))


def another_origin(s: Scene) -> MirrorGroup:
    """Rightly signed by the same node, but of its lane to somebody else, under this log's name."""
    text = Checkpoint.parse(s.group.checkpoint.partition(b"\n\n")[0] + b"\n")
    theirs = replace(text, origin=s.group.origin.replace("macao", "hengqin"))
    line = signer(s.w.nodes["zhuhai"], s.group.origin).sign(theirs.text())
    return replace(s.group, checkpoint=theirs.text() + b"\n" + line)


def garbage_checkpoint(s: Scene) -> MirrorGroup:
    return replace(s.group, checkpoint=b"\x00\xff no note")


def no_checkpoint(s: Scene) -> MirrorGroup:
    return replace(s.group, checkpoint=b"")


def size_goes_back(s: Scene) -> MirrorGroup:
    return replace(s.group, checkpoint=s.signed(s.mirrored()[:-1]))


def older_state(s: Scene) -> MirrorGroup:
    """A restored backup: the group starts again in the middle of what the mirror has."""
    entries = s.mirrored()[:-1]
    return MirrorGroup(
        s.group.origin, len(entries) - 1, (MirrorItem(entries[-1], b"", b""),),
        s.signed(entries), (),
    )  # fmt: skip


def fork_at_the_same_size(s: Scene) -> MirrorGroup:
    entries = [*s.mirrored()[:-1], JUNK.entry]
    return replace(s.group, items=(), checkpoint=s.signed(entries))


def fork_of_the_past(s: Scene) -> MirrorGroup:
    entries = [JUNK.entry, *s.mirrored()[1:], *(i.entry for i in s.group.items)]
    return replace(s.group, checkpoint=s.signed(entries))


def other_entries_under_the_same_signature(s: Scene) -> MirrorGroup:
    return replace(s.group, items=tuple(replace(i, entry=JUNK.entry) for i in s.group.items))


def one_byte_of_an_entry(s: Scene) -> MirrorGroup:
    first, *rest = s.group.items
    altered = first.entry.replace(b"mo.fss", b"mo.ias", 1)
    assert altered != first.entry
    return replace(s.group, items=(replace(first, entry=altered), *rest))


def missing_entry(s: Scene) -> MirrorGroup:
    return replace(s.group, items=s.group.items[:-1])


def extra_entry(s: Scene) -> MirrorGroup:
    return replace(s.group, items=(*s.group.items, JUNK))


def replayed(s: Scene) -> MirrorGroup:
    entries = s.mirrored()
    items = tuple(MirrorItem(entry, b"", b"") for entry in entries)
    return MirrorGroup(s.group.origin, 0, items, s.signed(entries), ())


def reordered(s: Scene) -> MirrorGroup:
    assert len(s.group.items) > 1
    return replace(s.group, items=tuple(reversed(s.group.items)))


def too_many_entries(s: Scene) -> MirrorGroup:
    return s.resigned(replace(s.group, items=(JUNK,) * (GROUP_ENTRIES_MAX + 1)))


def too_large_an_entry(s: Scene) -> MirrorGroup:
    large = MirrorItem(b"x" * (ENTRY_BYTES_MAX + 1), b"", b"")
    return s.resigned(replace(s.group, items=(large,)))


ATTACKS: dict[Callable[[Scene], MirrorGroup], Reason] = {
    forged_signature: Reason.CHECKPOINT_SIGNATURE,
    signature_of_another_key: Reason.CHECKPOINT_SIGNATURE,
    another_origin: Reason.CHECKPOINT_ORIGIN,
    garbage_checkpoint: Reason.CHECKPOINT_MALFORMED,
    no_checkpoint: Reason.CHECKPOINT_MALFORMED,
    size_goes_back: Reason.LOG_ROLLBACK,
    older_state: Reason.LOG_ROLLBACK,
    fork_at_the_same_size: Reason.LOG_FORK,
    fork_of_the_past: Reason.LOG_FORK,
    other_entries_under_the_same_signature: Reason.LOG_FORK,
    one_byte_of_an_entry: Reason.LOG_FORK,
    reordered: Reason.LOG_FORK,
    missing_entry: Reason.LOG_SIZE,
    extra_entry: Reason.LOG_SIZE,
    replayed: Reason.LOG_SIZE,
    too_many_entries: Reason.GROUP_TOO_LARGE,
    too_large_an_entry: Reason.GROUP_TOO_LARGE,
}


async def attacked(w: World, lane: int, attack: Callable[[Scene], MirrorGroup]) -> None:
    """One attack by Zhuhai on one lane towards Macao."""
    reason = ATTACKS[attack]
    wire, store = w.wire("zhuhai", "macao", lane), w.nodes["macao"].core.store
    theirs = w.nodes["zhuhai"].core.store
    head = store.heads[wire.origin]

    def asked() -> Submission:
        return proof_of_life(request_id=id_in_lane(w, "zhuhai", "cn.zhuhai.hrss", lane))

    assert (await w.submit("zhuhai", asked())).outcome is Outcome.EXECUTED
    await w.settle()
    before = (head.size, head.checkpoint, head.frontier.root(), head.last)
    count = "SELECT count(*) FROM entries"
    rows = store.reader.connection().execute(count).fetchone()
    wire.open.clear()
    victims = [asyncio.create_task(w.submit("zhuhai", asked())) for _ in range(2)]
    await until(lambda: theirs.size(wire.origin) == head.size + 2)
    theirs._tails._groups[wire.origin].clear()  # one group of both, so that there is an order in it
    once(wire, lambda group: attack(Scene(w, group)))
    wire.open.set()
    wire.grown.set()
    await until(lambda: wire.error is not None)
    assert isinstance(wire.error, Fatal), attack
    assert wire.error.reason is reason, attack
    # Dropped whole: nothing of it is here; the log has stopped for good, and says why.
    assert (head.size, head.checkpoint, head.frontier.root(), head.last) == before, attack
    assert store.reader.connection().execute(count).fetchone() == rows
    assert store.stopped(wire.origin) == reason, attack
    honest = theirs.read_group(wire.origin, head.size)
    assert honest is not None
    with pytest.raises(Unavailable, match="has stopped"):
        await store.extend(carried(honest))
    for victim in victims:
        assert not victim.done()
        victim.cancel()


async def test_a_log_that_does_not_add_up_stops_and_the_others_go_on(tmp_path: Path) -> None:
    """Each attack stops its own lane and no other; Hengqin and Macao have nothing to do with it."""
    names = ("zhuhai", "macao", "hengqin")
    async with world(tmp_path, {"macao": fund}, names, lanes=len(ATTACKS) + 1) as w:
        for lane, attack in enumerate(ATTACKS):
            await attacked(w, lane, attack)
        whole = id_in_lane(w, "zhuhai", "cn.zhuhai.hrss", len(ATTACKS))
        finished = await w.submit("zhuhai", proof_of_life(request_id=whole))
        assert finished.outcome is Outcome.EXECUTED
        assert (await w.submit("hengqin", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


async def test_a_stopped_log_stays_stopped_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}, ("zhuhai", "macao", "hengqin")) as w:
        wire = w.wire("zhuhai", "macao")
        once(wire, lambda group: garbage_checkpoint(Scene(w, group)))
        victim = asyncio.create_task(w.submit("zhuhai", proof_of_life()))
        await until(lambda: wire.error is not None)
        await w.crash("macao")
        core = await w.start("macao")
        assert core.store.stopped(wire.origin) == Reason.CHECKPOINT_MALFORMED
        assert not victim.done()
        victim.cancel()
        assert (await w.submit("hengqin", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree()


def _reaches(store: Store, origin: str, size: int) -> bool:
    return store.size(origin) >= size


async def test_a_bad_group_between_two_good_ones_stops_the_log_at_once(tmp_path: Path) -> None:
    """All three are in the writer's queue at once: what comes after the bad one is not taken."""
    async with world(tmp_path, {"macao": fund}) as w:
        zhuhai, macao = w.nodes["zhuhai"].core.store, w.nodes["macao"].core.store
        wire = w.wire("zhuhai", "macao")
        wire.open.clear()
        callers = []
        for size in (1, 2):
            callers.append(asyncio.create_task(w.submit("zhuhai", query())))
            await until(partial(_reaches, zhuhai, wire.origin, size))
        groups = [carried(group) for group in tuple(zhuhai._tails._groups[wire.origin])]
        assert len(groups) == 2
        first, last = groups
        bad = replace(last, checkpoint=b"garbage")
        taken = await asyncio.gather(
            macao.extend(first), macao.extend(bad), macao.extend(last), return_exceptions=True
        )
        assert not isinstance(taken[0], BaseException)
        assert isinstance(taken[1], Fatal)
        assert isinstance(taken[2], Unavailable)
        assert macao.size(wire.origin) == first.start + 1
        for caller in callers:
            caller.cancel()
