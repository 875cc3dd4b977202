"""Sealing keys change while exchanges run, and a destroyed key opens nothing more."""

import asyncio
from pathlib import Path

from tests.harness.corridors import fund, query
from tests.harness.simulator import World, world

from xbgateway.model.entry import Request
from xbgateway.model.outcome import Outcome
from xbgateway.seal import SealingKey


async def rotate(w: World, name: str, *, keep_s: float) -> str:
    """A new sealing key at a node, announced; the id of the older one."""
    core = w.nodes[name].core
    older = core.keys.ring.newest.key_id
    core.keys.ring.add(SealingKey.generate())
    core.keys.ring.retire(older, w.clock.now().timestamp() + keep_s)
    await core.gateway.announce_key()
    return older


async def test_sealing_keys_rotate_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        done = []

        async def clerk() -> None:
            done.extend([await w.submit("zhuhai", query()) for _ in range(12)])

        async def operator() -> None:
            for _ in range(3):
                await asyncio.sleep(0.03)
                await rotate(w, "macao", keep_s=3600)
                await rotate(w, "zhuhai", keep_s=3600)

        await asyncio.gather(clerk(), clerk(), clerk(), operator())
        assert [f.outcome for f in done] == [Outcome.EXECUTED] * 36
        await w.settle()
        w.agree()
        reader = w.nodes["macao"].core.store.reader
        keys = {
            p.entry.sealed.key_id
            for f in done
            for p in reader.placed(f.exchange)
            if isinstance(p.entry, Request)
        }
        assert len(keys) > 1  # it did change under them


async def test_what_was_sealed_for_a_destroyed_key_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        # The announcement does not arrive, so the sender goes on sealing for the older key.
        w.wire("macao", "zhuhai", None).open.clear()
        older = await rotate(w, "macao", keep_s=3600)
        still = await w.submit("zhuhai", query())
        assert still.outcome is Outcome.EXECUTED
        w.nodes["macao"].core.keys.ring.destroy(older)
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.NOT_EXECUTED
        assert finished.reason == "KEY_RETIRED"
        # Once the new key is known, exchanges go on.
        w.wire("macao", "zhuhai", None).open.set()
        w.wire("macao", "zhuhai", None).grown.set()
        await w.settle()
        assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        report = w.agree()
        assert report.outcomes[finished.exchange].reason == "KEY_RETIRED"


async def test_a_restarted_node_goes_on_with_its_newest_key(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        node = w.nodes["macao"]
        await w.crash("macao")
        node.secrets.seals.append(SealingKey.generate())
        core = await w.start("macao")
        await w.settle()
        assert core.keys.ring.newest is node.secrets.seals[-1]
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED
        await w.settle()
        requests = [
            p.entry
            for p in core.store.reader.placed(finished.exchange)
            if isinstance(p.entry, Request)
        ]
        assert [r.sealed.key_id for r in requests] == [node.secrets.seals[-1].key_id]
        w.agree()
