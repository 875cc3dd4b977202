"""An evil peer's entries, rightly signed: the mirror advances, each bad entry is refused by name.

Zhuhai sends, Macao receives. Whichever is evil runs the real code with a hand in what it records
or in what travels beside; the honest side and its log must come out right, and go on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.faults.evil import (
    SEALED,
    STRANGE,
    VERDICT,
    changed,
    entries,
    honest_goes_on,
    meddle,
    not_sealed,
    now,
    once,
    other_declaration,
    refusals,
    resealed,
    two,
    until,
    write,
)
from tests.harness.corridors import TOKEN, query
from tests.harness.wire import Wire

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.core import Core
from xbgateway.exchange.stages import Declaration
from xbgateway.model.clock import instant
from xbgateway.model.entry import (
    Request,
    decode,
    leaf_hex,
)
from xbgateway.model.facts import Counts
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, MirrorGroup
from xbgateway.seal import KeyBundle, SealingKey

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


def tampering(wire: Wire) -> bool:
    return wire.tamper is not None


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
            assert not tampering(wire), what
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
        theirs._tails._groups[wire.origin].clear()

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
    "a number below nothing": (other_declaration(counts=Counts(pi_year=-1)), "ENTRY_INVALID"),
    "a number that is none": (other_declaration(counts=Counts(pi_year=True)), "ENTRY_INVALID"),
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
            legs: Any = w.nodes["zhuhai"].core.gateway._legs
            seal = legs.seal

            def sealing(
                draft: Any, peer: str, raw: bytes, *rest: Any, less: Any = less, seal: Any = seal
            ) -> Any:
                return seal(draft, peer, replace(Declaration.decode(raw), **less).encode(), *rest)

            legs.seal = sealing
            finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.NOT_EXECUTED
            assert finished.reason == "CONTENT_UNDECLARED"
            del legs.seal
        assert not w.nodes["macao"].service.asked
        await honest_goes_on(w)


def lying(core: Core, word: str) -> None:
    """The evil node asks its law about what it declares, and takes nothing out of what it sends."""
    legs: Any = core.gateway._legs
    moment, minimise = type(legs).moment, type(legs).minimise

    def whole(decided: Any, content: Any) -> Any:
        decision = replace(decided.decision, fields=())
        return minimise(
            legs, replace(decided, made=replace(decided.made, decision=decision)), content
        )

    def said(*values: Any, **more: Any) -> Any:
        return moment(legs, *values[:4], word, *values[5:], **more)

    legs.moment, legs.minimise = said, whole


async def test_real_people_declared_as_made_up(tmp_path: Path) -> None:
    """GW-SYN-1 is judged on what the other side declares; its content says otherwise."""

    def person(_path: str, _payload: bytes) -> bytes:
        real = c.InsuredPerson(fss_no="REAL99")
        return c.QueryContributionsResponse(pid_token=TOKEN, person=real).SerializeToString()

    asked = c.QueryContributionsRequest(pid_token=TOKEN, fss_no="REAL99").SerializeToString()
    async with two(tmp_path) as w:
        for word in ("synthetic", "none"):
            lying(w.nodes["zhuhai"].core, word)
            finished = await w.submit("zhuhai", replace(query(), payload=asked))
            assert finished.outcome is Outcome.NOT_EXECUTED
            assert finished.reason == "CONTENT_UNDECLARED"
        honest = cast("Any", w.nodes["zhuhai"].core.gateway._legs)
        del honest.moment, honest.minimise
        assert not w.nodes["macao"].service.asked
        w.nodes["macao"].service.answer = person
        for word in ("synthetic", "none"):
            lying(w.nodes["macao"].core, word)
            finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD
            assert finished.reason == "CONTENT_UNDECLARED"
            assert finished.payload is None
        await w.settle()
        w.agree()


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
        sent = decode(seen[0].entry)
        assert isinstance(sent, Request)
        again = replace(sent, exchange=STRANGE)
        await write(core, core.topology.control_out("macao"), again, beside)
        await write(core, core.topology.control_out("macao"), b"garbage")
        await w.settle()
        assert w.nodes["macao"].service.asked == [finished.exchange]
        await honest_goes_on(w, STRANGE)
