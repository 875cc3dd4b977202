"""An evil peer answers what nobody asked, says two things, or what is no answer: one counts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faults.evil import (
    SEALED,
    STRANGE,
    VERDICT,
    entries,
    honest_goes_on,
    id_in_lane,
    meddle,
    not_sealed,
    now,
    other_declaration,
    resealed,
    two,
    until,
    write,
)
from tests.harness.corridors import fund, query
from tests.harness.simulator import World, world

from xbgateway.model.entry import (
    Accepted,
    Answer,
    Expired,
    Final,
    Held,
    Refused_,
    Request,
    decode,
    leaf_hex,
)
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, Record

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
    "accepted while it is held": (
        lambda x, leaf: [
            Held(
                at=now(), exchange=x, request=leaf, role="officer", rules=(), deadline=now(),
                verdict=VERDICT,
            ),
            Accepted(at=now(), exchange=x, request=leaf, control=0, verdict=VERDICT),
            ending(x, leaf),
        ],
        Outcome.HELD,  # as its caller is told at once; nothing else follows
    ),
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


ERRORS = {
    "no code": b"x",
    "nothing": b"",
    "no line": b"5",
    "code OK": b"0\nfine",
    "a code that gRPC does not have": b"17\nno",
    "a code in other digits": "\u0665\nno".encode(),
    "a code with a blank": b" 5\nno",
    "a longer text than a service may say": b"5\n" + b"x" * 513,
    "a text that is none": b"5\n\xff\xfe",
}


async def test_an_error_that_is_none_is_kept_from_the_caller(tmp_path: Path) -> None:
    """Rightly sealed, and not what an error of a service looks like."""
    async with two(tmp_path) as w:
        w.nodes["macao"].service.error = (5, "no such person")
        legs: Any = w.nodes["macao"].core.gateway._legs
        seal = legs.seal
        for what, payload in ERRORS.items():

            def sealing(
                draft: Any, peer: str, raw: bytes, _told: bytes, at: Any, payload: bytes = payload
            ) -> Any:
                return seal(draft, peer, raw, payload, at)

            legs.seal = sealing
            async with asyncio.timeout(5):
                finished = await w.submit("zhuhai", query())
            assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD, what
            assert finished.reason == "MESSAGE_UNDECODABLE", what
            assert finished.service_code is None, what
        del legs.seal
        w.nodes["macao"].service.error = None
        await honest_goes_on(w)


async def test_a_confirmation_of_somebody_elses_exchange_takes_no_answer_away(
    tmp_path: Path,
) -> None:
    """Neither a third node's, nor the receiver's own, before the answer has even left."""
    names = ("zhuhai", "macao", "hengqin")
    async with world(tmp_path, {"macao": fund}, names) as w:
        wire = w.wire("macao", "hengqin")
        wire.tamper = lambda _group: None
        caller = asyncio.create_task(w.submit("hengqin", query()))
        macao, zhuhai, hengqin = (w.nodes[n].core for n in ("macao", "zhuhai", "hengqin"))
        await until(lambda: macao.store.size(wire.origin) == 2)  # accepted and answered
        exchange = w.nodes["macao"].service.asked[0]
        final = Final(at=now(), exchange=exchange, answer="0" * 64, status="released")
        await write(zhuhai, zhuhai.topology.data_out("macao", 0), final)
        await until(lambda: macao.store.size(macao.topology.data_in("zhuhai", 0)) == 1)
        assert macao.store.reader.open_exchanges() == [exchange]
        # A confirmation by Macao is none: it releases nothing of Hengqin's request.
        await write(zhuhai, zhuhai.topology.data_out("hengqin", 0), final)
        await until(lambda: hengqin.store.size(hengqin.topology.data_in("zhuhai", 0)) == 1)
        assert hengqin.store.reader.open_exchanges() == [exchange]
        macao.store._tails._groups[wire.origin].clear()
        wire.tamper = None
        assert (await caller).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree({exchange})


async def test_a_receiver_that_confirms_itself_takes_no_request_away(tmp_path: Path) -> None:
    async with two(tmp_path) as w:
        wire, zhuhai, macao = w.wire("zhuhai", "macao"), *(w.nodes[n].core for n in w.nodes)
        wire.tamper = lambda _group: None
        caller = asyncio.create_task(w.submit("zhuhai", query()))
        await until(lambda: zhuhai.store.size(wire.origin) == 1)
        [exchange] = zhuhai.store.reader.open_exchanges()
        final = Final(at=now(), exchange=exchange, answer="0" * 64, status="released")
        await write(macao, macao.topology.data_out("zhuhai", 0), final)
        await until(lambda: zhuhai.store.size(zhuhai.topology.data_in("macao", 0)) == 1)
        assert zhuhai.store.reader.open_exchanges() == [exchange]
        wire.tamper = None
        assert (await caller).outcome is Outcome.EXECUTED
        await w.settle()
        w.agree({exchange})
