"""Attachments end to end: uploaded, taken along, crossed, checked, delivered, fetched, gone."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.harness.corridors import fund, query
from tests.harness.registers import open_incident
from tests.harness.simulator import World, world

from xbgateway.core import segment_folder
from xbgateway.model.entry import Request
from xbgateway.model.errors import GatewayError, Reason
from xbgateway.model.limits import SEGMENT_BYTES
from xbgateway.model.origins import exchange_id
from xbgateway.model.outcome import Outcome
from xbgateway.model.quota import Quota

WINDOW, FUND = "cn.hengqin.window", "mo.fss"
CONTENT = os.urandom(20 * SEGMENT_BYTES + 12_345)


async def cut(content: bytes, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """Segments of a content, from one on; the line breaks before ``end``."""
    for index in range(start, max(1, -(-len(content) // SEGMENT_BYTES))):
        if index == end:
            raise ConnectionError
        yield content[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]


async def upload(
    w: World,
    content: bytes,
    stream_id: str | None = None,
    *,
    start: int = 0,
    end: int | None = None,
    party: str = WINDOW,
) -> str:
    """The id of an upload, whole or broken off."""
    stream_id = stream_id or str(uuid4())
    uploads = w.nodes["zhuhai" if party == WINDOW else "macao"].core.attachments.uploads
    with suppress(ConnectionError):
        async for _held in uploads.upload(party, stream_id, len(content), cut(content, start, end)):
            pass
    return stream_id


async def fetched(w: World, exchange: str, start: int = 0) -> bytes:
    crossing = w.nodes["macao"].core.attachments.crossing
    return b"".join([one async for one in crossing.download(FUND, exchange, start)])


def files(w: World, node: str) -> set[str]:
    """Attachments that have files at a node."""
    folder = segment_folder(w.nodes[node].folder / "store.db")
    return {path.stem for path in folder.iterdir()} if folder.exists() else set()


async def refused(finishing: "asyncio.Future[Any]") -> Reason:
    with pytest.raises(GatewayError) as told:
        await finishing
    return told.value.reason


async def test_an_attachment_arrives_byte_for_byte_before_its_service_is_asked(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        seen: list[bytes] = []

        async def before() -> None:
            seen.append(await fetched(w, w.nodes["macao"].service.asked[-1]))

        w.nodes["macao"].service.before = before
        for content in (CONTENT, b"", CONTENT[: 2 * SEGMENT_BYTES]):
            stream_id = await upload(w, content)
            finished = await w.submit("zhuhai", query(attachment=stream_id))
            assert finished.outcome is Outcome.EXECUTED, finished
            assert hashlib.sha256(seen.pop()).digest() == hashlib.sha256(content).digest()
            assert await fetched(w, finished.exchange, 1) == content[SEGMENT_BYTES:]
            [request] = [
                p.entry
                for p in w.nodes["macao"].core.store.reader.placed(finished.exchange)
                if isinstance(p.entry, Request)
            ]
            assert request.stream is not None
            assert request.stream.stream_bytes == len(content)
        await w.settle()
        w.agree()


async def test_segments_rest_sealed_and_go_with_their_exchange(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        there, here = w.nodes["macao"].core, w.nodes["zhuhai"].core
        stream_id = await upload(w, CONTENT)
        finished = await w.submit("zhuhai", query(attachment=stream_id))
        await w.settle()
        for node in ("zhuhai", "macao"):
            folder = segment_folder(w.nodes[node].folder / "store.db")
            rest = b"".join(path.read_bytes() for path in folder.iterdir())
            assert CONTENT[:64] not in rest
            assert CONTENT[-64:] not in rest
        assert await here.attachments.tidy() == 1  # its exchange is over
        assert await there.attachments.tidy() == 0  # its party may fetch it yet
        assert (files(w, "zhuhai"), files(w, "macao")) == (set(), {finished.exchange})
        await there.gateway.erase(finished.exchange, "data_keep")
        reading = asyncio.ensure_future(fetched(w, finished.exchange))
        assert await refused(reading) is Reason.STREAM_INCOMPLETE
        assert await there.attachments.tidy() == 1
        assert files(w, "macao") == set()


async def test_an_upload_goes_along_once_whole_and_of_its_own_party(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        here = w.nodes["zhuhai"].core.attachments
        part = await upload(w, CONTENT, end=11)
        assert here.get(WINDOW, part).segments_held == 8
        asked: list[tuple[str, Reason]] = [
            (part, Reason.STREAM_INCOMPLETE),
            (str(uuid4()), Reason.STREAM_UNKNOWN),
        ]
        for attachment, why in asked:
            calling = asyncio.ensure_future(w.submit("zhuhai", query(attachment=attachment)))
            assert await refused(calling) is why
        await here.delete(WINDOW, part)
        assert files(w, "zhuhai") == set()
        whole = await upload(w, b"small")
        first = await w.submit("zhuhai", query(attachment=whole))
        assert first.outcome is Outcome.EXECUTED
        calling = asyncio.ensure_future(w.submit("zhuhai", query(attachment=whole)))
        assert await refused(calling) is Reason.STREAM_TAKEN
        with pytest.raises(GatewayError) as told:
            here.get("cn.zhuhai.hrss", whole)
        assert told.value.reason is Reason.STREAM_UNKNOWN
        await w.settle()
        w.agree()


async def test_an_upload_goes_on_after_its_node_was_killed(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        stream_id = await upload(w, CONTENT, end=18)
        await w.crash("zhuhai")
        folder = segment_folder(w.nodes["zhuhai"].folder / "store.db")
        with (folder / f"{stream_id}.segments").open("ab") as torn:
            torn.write(b"half a segment")  # written and never synced
        await w.start("zhuhai")
        assert w.nodes["zhuhai"].core.attachments.get(WINDOW, stream_id).segments_held == 16
        await upload(w, CONTENT, stream_id, start=16)
        finished = await w.submit("zhuhai", query(attachment=stream_id))
        assert await fetched(w, finished.exchange) == CONTENT
        await w.settle()
        w.agree()


@pytest.mark.parametrize("killed", ["nobody", "macao", "zhuhai"])
async def test_a_crossing_goes_on_from_the_last_durable_segment(
    tmp_path: Path, killed: str
) -> None:
    broken = asyncio.Event()

    async def breaking(segments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        count = 0
        async for one in segments:
            count += 1
            if count == 18 and not broken.is_set():
                broken.set()
                if killed == "nobody":
                    return  # a line that ends too soon
                await asyncio.sleep(0.5)
            yield one

    async with world(tmp_path, {"macao": fund}) as w:
        w.segments = breaking
        stream_id = await upload(w, CONTENT)
        asked = query(attachment=stream_id)
        calling = asyncio.create_task(w.submit("zhuhai", asked))
        await broken.wait()
        if killed != "nobody":
            await w.crash(killed)
            await w.start(killed)
        if killed == "zhuhai":
            await asyncio.gather(calling, return_exceptions=True)
            calling = asyncio.create_task(w.submit("zhuhai", asked))
        finished = await asyncio.wait_for(calling, 20)
        assert finished.outcome is Outcome.EXECUTED
        assert w.fetches[0] == 0
        assert w.fetches[-1] in (16, 17)
        assert await fetched(w, finished.exchange) == CONTENT
        await w.settle()
        w.agree()


@pytest.mark.parametrize("who", ["zhuhai", "macao"])
async def test_what_was_revoked_stops_midway(tmp_path: Path, who: str) -> None:
    moving = asyncio.Event()

    async def slowly(segments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for one in segments:
            moving.set()
            await asyncio.sleep(0.3)
            yield one

    async with world(tmp_path, {"macao": fund}) as w:
        w.segments = slowly
        stream_id = await upload(w, CONTENT)
        calling = asyncio.create_task(w.submit("zhuhai", query(attachment=stream_id)))
        await moving.wait()
        core = w.nodes[who].core
        dataset = core.register.scenario("SC-CQ").datasets[0]
        await core.registrar.apply(open_incident(core, dataset))
        finished = await asyncio.wait_for(calling, 3)  # of six that all of it would take
        assert finished.outcome is Outcome.NOT_EXECUTED
        assert finished.reason in (Reason.POLICY_DENIED, Reason.STREAM_STOPPED)
        assert not w.nodes["macao"].service.asked
        await w.settle()
        for node in ("zhuhai", "macao"):
            assert await w.nodes[node].core.attachments.tidy() == 1
            assert files(w, node) == set()
        w.agree()


async def test_a_party_has_so_much_waiting_and_no_more(tmp_path: Path) -> None:
    size = 4 * SEGMENT_BYTES
    async with world(
        tmp_path, {"macao": fund}, quota=Quota(party_attachment_bytes=5 * SEGMENT_BYTES)
    ) as w:
        here = w.nodes["zhuhai"].core.attachments
        first = await upload(w, CONTENT[:size])
        assert await refused(asyncio.ensure_future(upload(w, CONTENT[:size]))) is Reason.STREAM_ROOM
        done = await w.submit("zhuhai", query(attachment=first))
        await w.settle()
        await here.tidy()  # its exchange is over: there is room here, and none over there
        second = await upload(w, CONTENT[:size])
        calling = asyncio.create_task(w.submit("zhuhai", query(attachment=second)))
        await asyncio.sleep(0.5)
        assert not calling.done()
        await w.nodes["macao"].core.attachments.delete(FUND, done.exchange)
        assert (await asyncio.wait_for(calling, 10)).outcome is Outcome.EXECUTED


async def test_an_exchange_under_the_id_of_an_upload_over_there_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        ours = await upload(w, CONTENT[: 2 * SEGMENT_BYTES])
        theirs = exchange_id(datetime.now(UTC), b"0" * 10, 0)
        await upload(w, CONTENT, theirs, end=3, party=FUND)
        monkeypatch.setattr("xbgateway.exchange.admission.exchange_id", lambda *_words: theirs)
        finished = await w.submit("zhuhai", query(attachment=ours))
        assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, Reason.ENTRY_INVALID)
        monkeypatch.undo()
        there = w.nodes["macao"].core.attachments
        begun = there.get(FUND, theirs).segments_held
        await upload(w, CONTENT, theirs, start=begun, party=FUND)
        assert there.get(FUND, theirs).complete
        await w.settle()
        w.agree()


Evil = Callable[[list[bytes]], list[bytes]]
EVIL: dict[str, tuple[Evil, Reason | None]] = {
    "swapped": (lambda s: [s[1], s[0], *s[2:]], Reason.SEAL_BROKEN),
    "doubled": (lambda s: [s[0], s[0], *s[2:]], Reason.SEAL_BROKEN),
    "altered": (lambda s: [s[0][:-1] + bytes((s[0][-1] ^ 1,)), *s[1:]], Reason.SEAL_BROKEN),
    "cut": (lambda s: [*s[:-2], s[-1]], Reason.SEAL_BROKEN),
    "empty": (lambda s: [b"", *s[1:]], Reason.SUITE_UNKNOWN),
    "longer": (lambda s: [*s, b"one more", s[0]], None),  # never read
}


async def test_an_evil_sender_gets_nothing_accepted(tmp_path: Path) -> None:
    content = CONTENT[: 3 * SEGMENT_BYTES + 5]
    async with world(tmp_path, {"macao": fund}) as w:
        for name, (evil, why) in EVIL.items():

            async def altered(
                segments: AsyncIterator[bytes], evil: Evil = evil
            ) -> AsyncIterator[bytes]:
                for one in evil([one async for one in segments]):
                    yield one

            w.segments = altered
            stream_id = await upload(w, content)
            finished = await w.submit("zhuhai", query(attachment=stream_id))
            if why is None:
                assert await fetched(w, finished.exchange) == content, name
            else:
                assert (finished.outcome, finished.reason) == (Outcome.NOT_EXECUTED, why), name
        assert len(w.nodes["macao"].service.asked) == 1
        await w.settle()
        w.agree()
