"""An evil peer's entries, rightly signed: the mirror advances, each bad entry is refused by name.

Zhuhai sends, Macao receives. Whichever is evil runs the real code with a hand in what it records
or in what travels beside; the honest side and its log must come out right, and go on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.evil import SEALED, id_in_lane, now, once, until, write
from tests.harness.corridors import fund, query
from tests.harness.simulator import World, world
from xbgateway.core import Core
from xbgateway.exchange.stages import Declaration
from xbgateway.model.clock import instant
from xbgateway.model.entry import (
    Accepted,
    Answer,
    Expired,
    Final,
    Refused_,
    Request,
    Verdict,
    decode,
    leaf_hex,
)
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Beside, MirrorGroup, Record
from xbgateway.seal import KeyBundle, SealingKey

VERDICT = Verdict("0" * 64, "0" * 64, "0" * 64, "0" * 64)
STRANGE = "01890000-0000-7000-8000-000000000000"


@asynccontextmanager
async def two(folder: Path, **options: Any) -> AsyncIterator[World]:
    async with world(folder, {"macao": fund}, **options) as w:
        yield w


def meddle(core: Core, change: Callable[[Append], Append], kind: type = Request) -> None:
    """Change the next entry of a kind that a node records, with what goes beside it."""
    store = core.store
    record = store.record

    async def meddling(wanted: Record) -> Any:
        found = [isinstance(decode(a.entry), kind) for a in wanted.appends]
        if any(found):
            del store.record  # type: ignore[attr-defined] # the class's own again
            appends = tuple(
                change(a) if f else a for a, f in zip(wanted.appends, found, strict=True)
            )
            return await record(replace(wanted, appends=appends))
        return await record(wanted)

    store.record = meddling  # type: ignore[method-assign]


async def honest_goes_on(w: World, *strange: str) -> None:
    """Good exchanges go through in both lanes' order, and the oracle has nothing to say."""
    for _ in range(2):
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
    await w.settle()
    assert not [p for n in w.nodes.values() for p in n.core.store.reader.pending()]
    for wire in w.wires.values():
        assert wire.error is None
    w.agree(strange)


def refusals(w: World, node: str, leaf: str) -> list[str]:
    """Reasons under which a node refused an entry in its own logs."""
    store = w.nodes[node].core.store
    found = []
    for origin, head in store.heads.items():
        if head.role == "own":
            entries = [decode(raw) for raw in store.reader.entries(origin, 0, head.size)]
            found += [e.reason for e in entries if isinstance(e, Refused_) and e.request == leaf]
    return found


def entries(w: World, node: str, origin: str) -> list[bytes]:
    store = w.nodes[node].core.store
    return store.reader.entries(origin, 0, store.size(origin))


# ---- what travels beside, changed on the way ----------------------------------------------------


def flip(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


BESIDE: dict[str, tuple[Callable[[MirrorGroup], MirrorGroup], str]] = {
    "payload missing": (
        lambda g: replace(g, items=tuple(replace(i, sealed=b"") for i in g.items)),
        "PAYLOAD_MISSING",
    ),
    "everything missing": (
        lambda g: replace(
            g, wraps=(), items=tuple(replace(i, sealed=b"", declaration=b"") for i in g.items)
        ),
        "PAYLOAD_MISSING",
    ),
    "wrap missing": (lambda g: replace(g, wraps=()), "PAYLOAD_MISSING"),
    "another wrap": (lambda g: replace(g, wraps=tuple(map(flip, g.wraps))), "PAYLOAD_MISSING"),
    "sealed bytes altered": (
        lambda g: replace(g, items=tuple(replace(i, sealed=flip(i.sealed)) for i in g.items)),
        "PAYLOAD_ALTERED",
    ),
    "sealed bytes longer": (
        lambda g: replace(g, items=tuple(replace(i, sealed=i.sealed + b"x") for i in g.items)),
        "PAYLOAD_ALTERED",
    ),
    "declaration altered": (
        lambda g: replace(
            g, items=tuple(replace(i, declaration=flip(i.declaration)) for i in g.items)
        ),
        "PAYLOAD_ALTERED",
    ),
}


@pytest.mark.parametrize("lost", [False, True], ids=["had again", "lost for good"])
@pytest.mark.parametrize("leg", ["request", "answer"])
async def test_what_came_beside_is_asked_for_once_more_and_then_refused(
    tmp_path: Path, leg: str, lost: bool
) -> None:
    async with two(tmp_path) as w:
        await w.submit("zhuhai", query())  # the epochs' wraps of this one are known already
        writer, reader = ("zhuhai", "macao") if leg == "request" else ("macao", "zhuhai")
        w.lost_for_good = lost
        for what, (change, reason) in BESIDE.items():
            # A new sealing key each time, so that the wrap is one that was never seen.
            core = w.nodes[reader].core
            core.keys.ring.add(SealingKey.generate())
            await core.gateway.announce_key()
            await w.settle()
            w.wanted = 0
            wire = w.wire(writer, reader)

            def with_payload(
                group: MirrorGroup, change: Any = change, wire: Any = wire
            ) -> MirrorGroup:
                if not any(item.sealed for item in group.items):
                    return group
                wire.tamper = None
                changed: MirrorGroup = change(group)
                return changed

            wire.tamper = with_payload
            finished = await w.submit("zhuhai", query())
            assert wire.tamper is None, what
            assert w.wanted == 1, what
            if not lost:
                assert finished.outcome is Outcome.EXECUTED, (what, finished)
            elif leg == "request":
                assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, reason), what
            else:
                withheld = Outcome.EXECUTED_ANSWER_WITHHELD
                assert (finished.outcome, finished.reason) == (withheld, reason), what
        w.lost_for_good = False
        await honest_goes_on(w)


@pytest.mark.parametrize("lost", [False, True], ids=["had again", "lost for good"])
async def test_payloads_swapped_between_two_entries(tmp_path: Path, lost: bool) -> None:
    async with two(tmp_path) as w:
        await w.settle()
        w.lost_for_good = lost
        wire, theirs = w.wire("zhuhai", "macao"), w.nodes["zhuhai"].core.store
        wire.open.clear()
        callers = [asyncio.create_task(w.submit("zhuhai", query())) for _ in range(2)]
        await until(lambda: theirs.size(wire.origin) == 2)
        theirs._tails[wire.origin].clear()

        def swapped(group: MirrorGroup) -> MirrorGroup:
            one, two = group.items
            return replace(
                group,
                items=(
                    replace(one, declaration=two.declaration, sealed=two.sealed),
                    replace(two, declaration=one.declaration, sealed=one.sealed),
                ),
            )

        once(wire, swapped)
        wire.open.set()
        wire.grown.set()
        ended = await asyncio.gather(*callers)
        if lost:
            assert [f.reason for f in ended] == ["PAYLOAD_ALTERED"] * 2
            assert {f.outcome for f in ended} == {Outcome.NOT_EXECUTED}
        else:
            assert {f.outcome for f in ended} == {Outcome.EXECUTED}
        w.lost_for_good = False
        await honest_goes_on(w)


# ---- requests that are not right -----------------------------------------------------------------


def changed(**fields: Any) -> Callable[[Append], Append]:
    def change(append: Append) -> Append:
        return replace(append, entry=replace(decode(append.entry), **fields).encode())

    return change


def resealed(**parts: Any) -> Callable[[Append], Append]:
    def change(append: Append) -> Append:
        entry = decode(append.entry)
        assert isinstance(entry, Request | Answer)
        assert entry.sealed is not None
        return replace(append, entry=replace(entry, sealed=replace(entry.sealed, **parts)).encode())

    return change


def other_declaration(**fields: Any) -> Callable[[Append], Append]:
    """Another declaration, rightly named by the entry's digest: the seal no longer fits it."""

    def change(append: Append) -> Append:
        import hashlib

        assert append.beside is not None
        raw = append.beside.declaration
        made = (
            fields["raw"]
            if "raw" in fields
            else replace(Declaration.decode(raw), **fields).encode()
        )
        digest = hashlib.sha256(made).hexdigest()
        beside = replace(append.beside, declaration=made)
        return replace(resealed(declaration=digest)(append), beside=beside)

    return change


def not_sealed(append: Append) -> Append:
    import hashlib

    assert append.beside is not None
    junk = b"\x01" + b"0" * 60
    digest = hashlib.sha256(junk).hexdigest()
    made = resealed(sealed=digest, sealed_bytes=len(junk))(append)
    return replace(made, beside=replace(append.beside, sealed=junk))


REQUESTS: dict[str, tuple[Callable[[Append], Append], str]] = {
    "another suite": (resealed(suite="XBG-9"), "SUITE_UNKNOWN"),
    "another commitment": (resealed(commitment="0" * 64), "SEAL_BROKEN"),
    "not sealed at all": (not_sealed, "SEAL_BROKEN"),
    "another purpose in the entry": (changed(purpose="CONTRIB_CERT"), "ENTRY_INVALID"),
    "another sender in the entry": (changed(sender="cn.zhuhai.hrss"), "ENTRY_INVALID"),
    "a decision that was not sealed with it": (changed(verdict=VERDICT), "SEAL_BROKEN"),
    "a declaration that is none": (other_declaration(raw=b"{}"), "ENTRY_INVALID"),
    "a declaration nested without end": (other_declaration(raw=b"[" * 50_000), "ENTRY_INVALID"),
    "a declaration of the other leg": (other_declaration(leg="answer"), "ENTRY_INVALID"),
    "fields that the type does not have": (
        other_declaration(fields=("nonsense",)),
        "CONTENT_UNDECLARED",
    ),
    "no field declared": (other_declaration(fields=()), "SEAL_BROKEN"),
    "another word for synthetic": (
        other_declaration(synthetic="perhaps"),
        "POLICY_DENIED",
    ),
    "an old TLS": (other_declaration(tls="TLSv1.0"), "POLICY_DENIED"),
    "a scenario that is not registered": (
        other_declaration(scenario="SC-NONE"),
        "REFERENCE_UNKNOWN",
    ),
    "an instrument that is not registered": (
        other_declaration(references=("X-1",)),
        "REFERENCE_UNKNOWN",
    ),
    "more subjects than can be": (other_declaration(subjects=10**12), "SEAL_BROKEN"),
}


async def test_a_request_that_is_not_right_is_refused_before_anything_happens(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as w:
        strange = []
        for what, (change, reason) in REQUESTS.items():
            meddle(w.nodes["zhuhai"].core, change)
            async with asyncio.timeout(5):
                finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.NOT_EXECUTED, (what, finished)
            assert finished.reason == reason, (what, finished.reason)
            assert finished.exchange not in w.nodes["macao"].service.asked, what
            strange.append(finished.exchange)
        await honest_goes_on(w, *strange)


async def test_content_that_was_not_declared(tmp_path: Path) -> None:
    """Rightly sealed under a declaration that leaves out a field, or a person."""
    async with two(tmp_path) as w:
        for less in ({"fields": ("pid_token",)}, {"subjects": 0}):
            legs = w.nodes["zhuhai"].core.gateway._legs
            seal = legs.seal

            def sealing(
                draft: Any, peer: str, raw: bytes, *rest: Any, less: Any = less, seal: Any = seal
            ) -> Any:
                return seal(draft, peer, replace(Declaration.decode(raw), **less).encode(), *rest)

            legs.seal = sealing  # type: ignore[method-assign]
            finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.NOT_EXECUTED
            assert finished.reason == "CONTENT_UNDECLARED"
            del legs.seal  # type: ignore[attr-defined]
        assert not w.nodes["macao"].service.asked
        await honest_goes_on(w)


async def test_both_declaration_and_entry_for_a_party_of_another_node(tmp_path: Path) -> None:
    async with two(tmp_path) as w:

        def as_fund(append: Append) -> Append:
            return other_declaration(sender="mo.ias")(changed(sender="mo.ias")(append))

        def for_nobody(append: Append) -> Append:
            return other_declaration(recipient="mo.ias")(changed(recipient="mo.ias")(append))

        for change, reason in ((as_fund, "PARTY_NOT_HERE"), (for_nobody, "SERVICE_UNKNOWN")):
            meddle(w.nodes["zhuhai"].core, change)
            finished = await w.submit("zhuhai", query())
            assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, reason)
        await honest_goes_on(w)


async def test_sealed_for_a_key_that_macao_never_had(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        peer = w.nodes["zhuhai"].core.gateway._legs.peers["macao"]
        right, key_id = peer.sending()
        at = w.clock.now().replace(microsecond=0)
        bundle = right._bundle
        peer.announced(
            KeyBundle.announce("macao", SealingKey.generate(), bundle.not_before, bundle.not_after)
        )
        finished = await w.submit("zhuhai", query())
        assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, "KEY_UNKNOWN")
        peer.announced(bundle)
        assert peer.sending()[1] == key_id
        assert at < bundle.not_after
        await honest_goes_on(w)


async def test_a_request_that_is_found_after_its_last_moment(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        meddle(w.nodes["zhuhai"].core, changed(not_after=instant(w.clock.now())))
        finished = await w.submit("zhuhai", query())
        assert (finished.outcome, finished.reason) == (Outcome.EXPIRED, "EXCHANGE_EXPIRED")
        assert not w.nodes["macao"].service.asked
        await honest_goes_on(w)


async def test_a_control_size_that_is_never_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xbgateway.exchange.inbound.CONTROL_WAIT_S", 0.05)
    async with two(tmp_path) as w:
        meddle(w.nodes["zhuhai"].core, changed(control=10**6))
        finished = await w.submit("zhuhai", query())
        assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, "CONTROL_BEHIND")
        await honest_goes_on(w)


# ---- entries that are none ---------------------------------------------------------------------


async def test_entries_that_cannot_be_read(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        core, topology = w.nodes["zhuhai"].core, w.nodes["zhuhai"].core.topology
        good = Request(
            at=now(), exchange=STRANGE, sender="a", recipient="b", service="s", method="m",
            purpose="p", control=0, not_after=now(), sealed=SEALED, verdict=VERDICT,
        ).encode()  # fmt: skip
        bad = {
            good.replace(b'"v":1', b'"v":2'): "ENTRY_VERSION",
            good.replace(b'"v":1', b'"v":1.0'): "ENTRY_VERSION",
            good.replace(b'"kind":"request"', b'"kind":"present"'): "ENTRY_INVALID",
            good.replace(b'"purpose":"p"', b'"purpose":["p"]'): "ENTRY_INVALID",
            good.replace(b'{"at"', b'{ "at"'): "ENTRY_INVALID",
            good.replace(b'"control":0', b'"control":-1'): "ENTRY_INVALID",
            good.replace(b'"not_after":"2', b'"not_after":"9999-99-99'): "ENTRY_INVALID",
            good[:-1] + b',"why":"because"}': "ENTRY_INVALID",
            b'{"at":"2026-01-01T00:00:00.000Z","exchange":"%s","kind":"answer","status":[],"v":1}'
            % STRANGE.encode(): "ENTRY_INVALID",
        }
        nameless = [b"", b"\xff\xfe garbage", b"null", b"[" * 40_000, b'{"v":1}', good[:40]]
        for raw in (*bad, *nameless):
            await write(core, topology.data_out("macao", 0), raw)
        await w.settle()
        for raw, reason in bad.items():
            assert refusals(w, "macao", leaf_hex(raw)) == [reason], raw
        for raw in nameless:
            assert refusals(w, "macao", leaf_hex(raw)) == []
        # The mirror holds every one of them, to the byte.
        origin = topology.data_out("macao", 0)
        assert entries(w, "macao", origin) == [*bad, *nameless]
        await honest_goes_on(w, STRANGE)


async def test_exchange_entries_in_a_control_lane_mean_nothing(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        seen: list[Append] = []

        def listen(append: Append) -> Append:
            seen.append(append)
            return append

        meddle(w.nodes["zhuhai"].core, listen)
        finished = await w.submit("zhuhai", query())
        core = w.nodes["zhuhai"].core
        beside = seen[0].beside
        again = replace(decode(seen[0].entry), exchange=STRANGE)
        await write(core, core.topology.control_out("macao"), again, beside)
        await write(core, core.topology.control_out("macao"), b"garbage")
        await w.settle()
        assert w.nodes["macao"].service.asked == [finished.exchange]
        await honest_goes_on(w, STRANGE)


# ---- an exchange id that was used before --------------------------------------------------------


@pytest.mark.parametrize("lane", [0, 1])
async def test_a_request_sent_twice_is_done_once(tmp_path: Path, lane: int) -> None:
    async with two(tmp_path, lanes=2) as w:
        core = w.nodes["zhuhai"].core
        seen: list[Append] = []

        def listen(append: Append) -> Append:
            seen.append(append)
            return append

        meddle(core, listen)
        party = "cn.hengqin.window"
        asked = query(request_id=id_in_lane(w, "zhuhai", party, 1))
        first = await w.submit("zhuhai", asked)
        await w.settle()
        origin = core.topology.data_out("macao", lane)
        for entry in (
            seen[0].entry,  # to the byte
            replace(decode(seen[0].entry), at=now()).encode(),  # not quite
        ):
            await write_as(core, origin, first.exchange, entry, seen[0].beside)
        await w.settle()
        assert w.nodes["macao"].service.asked == [first.exchange]
        state = w.agree({first.exchange}).outcomes[first.exchange]
        assert state.outcome is Outcome.EXECUTED
        assert len(state.anomalies) == 4  # both, and a refusal of each
        assert await w.submit("zhuhai", asked) == first
        await honest_goes_on(w, first.exchange)


async def write_as(
    core: Core, origin: str, exchange: str, raw: bytes, beside: Beside | None
) -> None:
    await core.store.record(Record((Append(origin, raw, exchange, beside),)))


async def test_a_peer_cannot_take_over_an_exchange_of_ours(tmp_path: Path) -> None:
    """Macao answers a request of Zhuhai with a request of its own under the same exchange id."""
    async with two(tmp_path) as w:
        wire = w.wire("zhuhai", "macao")
        wire.open.clear()
        caller = asyncio.create_task(w.submit("zhuhai", query()))
        store = w.nodes["zhuhai"].core.store
        await until(lambda: store.size(wire.origin) == 1)
        mine = decode(store.reader.entries(wire.origin, 0, 1)[0])
        assert isinstance(mine, Request)
        macao = w.nodes["macao"].core
        theirs = replace(mine, sender="mo.fss", recipient="cn.zhuhai.hrss")
        await write(macao, macao.topology.data_out("zhuhai", 0), theirs)
        await until(lambda: refusals(w, "zhuhai", leaf_hex(theirs.encode())) == ["ENTRY_INVALID"])
        wire.open.set()
        wire.grown.set()
        finished = await caller
        # Macao itself now sees its own id in use and refuses; Zhuhai's caller hears just that.
        assert finished.outcome is Outcome.NOT_EXECUTED
        await honest_goes_on(w, mine.exchange)


async def test_a_third_node_cannot_use_an_exchange_id_of_another(tmp_path: Path) -> None:
    names = ("zhuhai", "macao", "hengqin")
    async with world(tmp_path, {"macao": fund}, names) as w:
        first = await w.submit("hengqin", query())
        await w.settle()
        core = w.nodes["zhuhai"].core
        stolen = Request(
            at=now(), exchange=first.exchange, sender="cn.zhuhai.hrss", recipient="mo.fss",
            service="s", method="m", purpose="p", control=0,
            not_after="2999-01-01T00:00:00.000Z", sealed=SEALED, verdict=VERDICT,
        )  # fmt: skip
        await write(core, core.topology.data_out("macao", 0), stolen)
        await w.settle()
        assert refusals(w, "macao", leaf_hex(stolen.encode())) == ["ENTRY_INVALID"]
        state = w.agree({first.exchange}).outcomes[first.exchange]
        assert state.outcome is Outcome.EXECUTED
        assert (await w.submit("hengqin", query())).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree({first.exchange})


# ---- answers that are not right ----------------------------------------------------------------


def ending(exchange: str, request: str, **more: Any) -> Answer:
    return Answer(
        at=now(), exchange=exchange, request=request, status="not_called", control=0, **more
    )


async def test_answers_to_what_was_never_asked(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        macao = w.nodes["macao"].core
        back = macao.topology.data_out("zhuhai", 0)
        sealed = Answer(
            at=now(), exchange=STRANGE, request="0" * 64, status="answered", control=0,
            sealed=SEALED, verdict=VERDICT,
        )  # fmt: skip
        for entry in (
            sealed,
            ending(STRANGE, "0" * 64),
            Refused_(at=now(), exchange=STRANGE, reason="X", rules=(), request="0" * 64),
            Expired(at=now(), exchange=STRANGE, request="0" * 64),
            Accepted(at=now(), exchange=STRANGE, request="0" * 64, control=0, verdict=VERDICT),
            Final(at=now(), exchange=STRANGE, answer="0" * 64, status="released"),
        ):
            await write(macao, back, entry)
        await w.settle()
        assert w.nodes["zhuhai"].core.store.reader.exchange_row(STRANGE) is None
        await honest_goes_on(w, STRANGE)


EARLIER: dict[str, tuple[Callable[[str, str], list[Any]], Outcome | None]] = {
    # What Macao writes of its own accord before the honest request has even arrived there.
    "accepted after refused": (
        lambda x, leaf: [
            Refused_(at=now(), exchange=x, reason="NO", rules=(), request=leaf),
            Accepted(at=now(), exchange=x, request=leaf, control=0, verdict=VERDICT),
            ending(x, leaf),
        ],
        Outcome.NOT_EXECUTED,
    ),
    "two answers": (
        lambda x, leaf: [
            Accepted(at=now(), exchange=x, request=leaf, control=0, verdict=VERDICT),
            Answer(at=now(), exchange=x, request=leaf, status="unknown", control=0),
            ending(x, leaf),
        ],
        Outcome.UNKNOWN,
    ),
    "an answer without acceptance": (lambda x, leaf: [ending(x, leaf)], None),
    "an answer before its acceptance": (
        lambda x, leaf: [
            Answer(at=now(), exchange=x, request=leaf, status="unknown", control=0),
            Accepted(at=now(), exchange=x, request=leaf, control=0, verdict=VERDICT),
            ending(x, leaf),
        ],
        Outcome.NOT_EXECUTED,
    ),
    "an entry that names another request": (
        lambda x, _leaf: [
            Accepted(at=now(), exchange=x, request="1" * 64, control=0, verdict=VERDICT),
            ending(x, "1" * 64),
        ],
        None,
    ),
    "an answer with a payload that is none": (
        lambda x, leaf: [
            Accepted(at=now(), exchange=x, request=leaf, control=0, verdict=VERDICT),
            Answer(
                at=now(), exchange=x, request=leaf, status="answered", control=0,
                sealed=SEALED, verdict=VERDICT,
            ),
            ending(x, leaf),
        ],
        Outcome.EXECUTED_ANSWER_WITHHELD,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EARLIER)
async def test_the_first_word_that_is_in_place_counts_and_no_other(
    tmp_path: Path, what: str
) -> None:
    make, expected = EARLIER[what]
    async with two(tmp_path, lanes=2) as w:
        party = "cn.hengqin.window"
        wire = w.wire("zhuhai", "macao", 0)
        wire.open.clear()  # so that honest code at Macao says nothing of its own
        caller = asyncio.create_task(
            w.submit("zhuhai", query(request_id=id_in_lane(w, "zhuhai", party, 0)))
        )
        store = w.nodes["zhuhai"].core.store
        await until(lambda: store.size(wire.origin) == 1)
        raw = store.reader.entries(wire.origin, 0, 1)[0]
        request = decode(raw)
        assert isinstance(request, Request)
        macao = w.nodes["macao"].core
        # The same in the wrong lane first: nothing there counts.
        for entry in make(request.exchange, leaf_hex(raw)):
            await write(macao, macao.topology.data_out("zhuhai", 1), entry)
        await settled(w)
        assert not caller.done()
        wanted = [e.encode() for e in make(request.exchange, leaf_hex(raw))]
        back = macao.topology.data_out("zhuhai", 0)
        await macao.store.record(
            Record(tuple(Append(back, raw, request.exchange) for raw in wanted))
        )
        await settled(w)
        if expected is None:
            assert not caller.done()
            caller.cancel()
        else:
            finished = await caller
            assert finished.outcome is expected
            finals = [
                e
                for e in map(decode, entries(w, "zhuhai", wire.origin))
                if isinstance(e, Final) and e.exchange == request.exchange
            ]
            assert len(finals) <= 1
        other = query(request_id=id_in_lane(w, "zhuhai", party, 1))
        assert (await w.submit("zhuhai", other)).outcome is Outcome.EXECUTED
        await settled(w)
        w.agree({request.exchange})


async def settled(w: World) -> None:
    """Everything but the lane that is cut has arrived and was acted on."""

    def quiet() -> bool:
        for wire in w.wires.values():
            writer, reader = w.nodes[wire.writer].core, w.nodes[wire.reader].core
            behind = writer.store.size(wire.origin) != reader.store.size(wire.origin)
            if behind and wire.open.is_set():
                return False
        return not any(list(n.core.store.reader.pending()) for n in w.nodes.values())

    await until(quiet)


async def test_an_answer_that_is_altered_is_kept_from_the_caller(tmp_path: Path) -> None:
    changes: list[tuple[Callable[[Append], Append], str]] = [
        (not_sealed, "SEAL_BROKEN"),
        (resealed(suite="XBG-9"), "SUITE_UNKNOWN"),
        (resealed(commitment="0" * 64), "SEAL_BROKEN"),
        (other_declaration(case_id="another"), "ENTRY_INVALID"),
        (other_declaration(leg="request"), "ENTRY_INVALID"),
        (other_declaration(raw=b"no declaration"), "ENTRY_INVALID"),
        (other_declaration(fields=()), "SEAL_BROKEN"),
    ]
    async with two(tmp_path) as w:
        for change, reason in changes:
            meddle(w.nodes["macao"].core, change, Answer)
            finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD, reason
            assert finished.reason == reason
            assert finished.payload is None
        await honest_goes_on(w)
