"""Log and cosigning keys change while exchanges go on, and what the old ones signed still holds."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.faults.evil import until
from tests.harness.corridors import fund, query
from tests.harness.simulator import World, world
from tests.harness.verify import signing_keys

from xbgateway.model.entry import SigningKeys
from xbgateway.model.errors import Fatal, Reason, Refused
from xbgateway.model.origins import is_data
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import Append, MirrorGroup, Record
from xbgateway.node_keys import cosigner_name
from xbgateway.tlog import Cosigner, Note, NoteSigner

ZHUHAI = "zhuhai.xbg.test/zhuhai"
LANE = f"{ZHUHAI}/macao/lane/0"


def roll(w: World, node: str, *, log: bool = True, cosign: bool = True) -> None:
    """New keys are in the node's folder; the old ones stay there."""
    domain, secrets = f"{node}.xbg.test", w.nodes[node].secrets
    keys = w.nodes[node].core.keys
    if log:
        secrets.logs.append(Ed25519PrivateKey.generate())
        keys.logs.add(NoteSigner(f"{domain}/{node}", secrets.logs[-1]))
    if cosign:
        secrets.cosigns.append(Ed25519PrivateKey.generate())
        keys.cosigners.add(Cosigner(cosigner_name(domain, node), secrets.cosigns[-1]))


async def asked(w: World) -> None:
    finished = await w.submit("zhuhai", query())
    assert finished.outcome is Outcome.EXECUTED


def signers(note: bytes | None) -> int:
    assert note is not None
    return len(Note.parse(note).signatures)


@pytest.mark.parametrize("node", ["zhuhai", "macao"])
async def test_both_sides_go_on_with_new_keys(tmp_path: Path, node: str) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        for _ in range(2):
            roll(w, node)
            assert await w.nodes[node].core.signing.announce()
            assert not await w.nodes[node].core.signing.announce()
            await asked(w)
            await w.settle()
            w.agree()
            for each in w.nodes:
                await w.crash(each)
                await w.start(each)
            await asked(w)
            await w.settle()
        w.agree()
        core = w.nodes[node].core
        for origin in core.topology.own():
            head = core.store.heads[origin]
            named = signing_keys(core.store.reader.entries(origin, 0, 1 << 20), node)
            assert len(named) == 2
            if is_data(origin):  # once something followed, the new key signs alone
                assert head.size > max(named)
                assert signers(head.checkpoint) == 1
                assert signers(head.held) == 2  # its own, and the peer's


async def test_a_peer_that_was_away_hears_it_from_both_keys(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        await w.settle()
        await w.crash("macao")
        roll(w, "zhuhai")
        core = w.nodes["zhuhai"].core
        await core.signing.announce()
        roll(w, "zhuhai")
        await core.signing.announce()
        await w.crash("zhuhai")
        await w.start("zhuhai")
        await w.start("macao")
        await asked(w)
        await w.settle()
        w.agree()
        # By now Macao knows of both, and is cosigned for with the last.
        core = w.nodes["zhuhai"].core
        assert core.signing.cosigner("macao") is core.keys.cosigners.newest


# REQ-LOG-22, REQ-LOG-23, REQ-LOG-24, REQ-LINK-14


async def test_the_old_key_alone_or_the_new_key_alone_is_not_enough(tmp_path: Path) -> None:
    for alone in ("old", "new"):
        async with world(tmp_path / alone, {"macao": fund}) as w:
            await asked(w)
            await w.settle()
            core, peer = w.nodes["zhuhai"].core, w.nodes["macao"].core
            old = core.keys.logs.newest
            roll(w, "zhuhai")
            w.wire("zhuhai", "macao").tamper = lambda _group: None
            await core.signing.announce()
            start = peer.store.size(LANE)
            group = core.store.read_group(LANE, start)
            assert group is not None
            assert signers(group.checkpoint) == 2
            text = Note.parse(group.checkpoint).text
            signer = old if alone == "old" else core.keys.logs.newest
            forged = text + b"\n" + signer.named(LANE).sign(text)
            carried = MirrorGroup(LANE, start, group.items, forged, group.wraps)
            with pytest.raises(Fatal) as caught:
                await peer.store.extend(carried)
            assert caught.value.reason is Reason.CHECKPOINT_SIGNATURE
            assert peer.store.size(LANE) == start


async def test_after_the_change_the_old_key_signs_nothing_more(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        core, peer = w.nodes["zhuhai"].core, w.nodes["macao"].core
        old = core.keys.logs.newest
        roll(w, "zhuhai")
        await core.signing.announce()
        await w.settle()
        stolen: list[MirrorGroup] = []

        def with_the_old_key(group: MirrorGroup) -> MirrorGroup:
            text = Note.parse(group.checkpoint).text
            stolen.append(group)
            return replace(group, checkpoint=text + b"\n" + old.named(LANE).sign(text))

        w.wire("zhuhai", "macao").tamper = with_the_old_key
        size = peer.store.size(LANE)
        asking = asyncio.create_task(w.submit("zhuhai", query()))
        await until(lambda: peer.store.heads[LANE].stopped is not None)
        assert peer.store.heads[LANE].stopped == Reason.CHECKPOINT_SIGNATURE
        assert stolen
        assert peer.store.size(LANE) == size
        asking.cancel()


async def test_a_compromised_key_is_called_so_and_its_cosignatures_end(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        await w.settle()
        core, peer = w.nodes["macao"].core, w.nodes["zhuhai"].core
        log, cosign = core.keys.logs.newest, core.keys.cosigners.newest
        core.keys.compromised.update((log.verifier.public_key, cosign.verifier.public_key))
        assert len(peer.signing.cosigned_by("macao")) == 1
        roll(w, "macao")
        await core.signing.announce()
        await w.settle()
        home = core.store.reader.entries(core.topology.home, 0, 99)
        (entry,) = signing_keys(home, "macao").values()
        assert entry.compromised == "both"
        assert cosign.verifier not in peer.signing.cosigned_by("macao")
        await asked(w)
        await w.settle()
        w.agree()


async def test_another_nodes_word_about_keys_is_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        core = w.nodes["zhuhai"].core
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
        entry = SigningKeys("2026-03-16T02:00:00.000Z", "macao", key, key, "no")
        await core.store.record(Record((Append(LANE, entry.encode()),)))
        await asked(w)
        await w.settle()
        w.agree()


async def test_a_key_that_is_in_force_and_gone_is_not_started_with(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        await w.settle()
        await w.crash("zhuhai")
        w.nodes["zhuhai"].secrets.logs[:] = [Ed25519PrivateKey.generate()]
        with pytest.raises(Fatal) as caught:
            await w.start("zhuhai")
        assert caught.value.reason is Reason.CONFIG_INVALID


async def test_a_log_that_has_stopped_holds_up_no_other(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        await w.settle()
        core = w.nodes["zhuhai"].core
        await core.store.stop_log(LANE, Reason.LOG_FORK)
        size, before = core.store.size(LANE), core.store.size(core.topology.home)
        roll(w, "zhuhai")
        assert await core.signing.announce()
        assert not await core.signing.announce()
        assert core.store.size(LANE) == size
        assert core.store.size(core.topology.home) == before + 1


@pytest.mark.parametrize("case", ["one key for two uses", "a stolen key once more"])
async def test_a_key_that_may_not_sign_stops_the_mirror(tmp_path: Path, case: str) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await asked(w)
        await w.settle()
        core, peer = w.nodes["zhuhai"].core, w.nodes["macao"].core
        old, cosign = core.keys.logs.newest, core.keys.cosigners.newest
        if case == "one key for two uses":
            again = Ed25519PrivateKey.generate()
            core.keys.logs.add(NoteSigner(ZHUHAI, again))
            core.keys.cosigners.add(Cosigner(cosign.name, again))
        else:
            core.keys.compromised.add(old.verifier.public_key)
            roll(w, "zhuhai", cosign=False)
            await core.signing.announce()
            await w.settle()
            core.keys.logs.add(old)
            with pytest.raises(Refused):
                await core.signing.announce()
            core.keys.compromised.clear()  # an evil node forgets
        await core.signing.announce()
        await until(lambda: peer.store.heads[LANE].stopped is not None)
        assert peer.store.heads[LANE].stopped == Reason.CHECKPOINT_SIGNATURE
