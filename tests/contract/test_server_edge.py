"""Hostile callers, and what goes wrong inside, against a real server over mutual TLS.

``pitfall`` numbers are those of the known pains of gRPC for Python that the server's design
answers; those of load, stopping and certificates are in ``tests/unit/server``.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.server.asking import Gate, leaf, query, until
from tests.unit.server.edge import NODE, QUERY, WATCH, Edge, Material, serving
from tests.unit.server.fakes import AUDITOR, FUND, WINDOW, state
from tests.unit.server.told import failure

from xbgateway.api.exchange.v1 import exchange_pb2, exchange_pb2_grpc
from xbgateway.client import GatewayCallError
from xbgateway.exchange.stages import Finished, Submission
from xbgateway.identity.certs import revoke
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.model.outcome import Outcome
from xbgateway.server.inflight import Work

Code = grpc.StatusCode


@pytest.fixture(scope="module", name="material")
def _material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="edge")
async def _edge(material: Material) -> AsyncIterator[Edge]:
    async with serving(material) as running:
        yield running


# ---- who calls -------------------------------------------------------------------------------


def tokens(made: Material) -> dict[Reason, list[str | None]]:
    """Tokens that must be refused, by the reason."""
    now = datetime.now(UTC)
    good = made.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    confused = jwt.encode(claims, "k" * 64, "HS256", headers={"kid": kid})
    unsigned = jwt.encode(claims, "", "none", headers={"kid": kid})
    cut = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
    return {
        Reason.TOKEN_MISSING: [None],
        Reason.TOKEN_EXPIRED: [made.token(now=now - timedelta(hours=1))],
        Reason.TOKEN_AUDIENCE: [made.token(audience=NODE.replace("zhuhai", "macao"))],
        Reason.TOKEN_REJECTED: [
            made.token(key=Ed25519PrivateKey.generate()),
            made.token(now=now + timedelta(hours=1)),
            *(confused, unsigned, cut, "not-a-token", "x" * 5000),
        ],
        Reason.TOKEN_UNBOUND: [made.token(bound_to=made.of("parties", AUDITOR))],
    }


async def test_every_bad_token_has_its_own_reason_and_reaches_nothing(edge: Edge) -> None:
    count = 0
    async with edge.channel() as channel:
        for reason, bad in tokens(edge.material).items():
            for token in bad:
                bearer = f"Bearer {token}" if token else None
                told = await failure(query(edge, channel, authorization=bearer))
                assert (told.code, told.reason) == (Code.UNAUTHENTICATED, reason), token
                count += 1
        assert await query(edge, channel) == b"echo:ask"
    assert len(edge.path.seen) == 1
    taken = edge.refusals.take()
    assert sum(one[2] for one in taken) == count
    assert {one[0] for one in taken} <= {"ipv4:127.0.0.1", "ipv6:[::1]", "ipv6:%5B::1%5D"}
    assert edge.refusals.take() == []


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", ""])
async def test_another_scheme_is_no_token(edge: Edge, value: str) -> None:
    async with edge.channel() as channel:
        told = await failure(query(edge, channel, authorization=value))
    assert told.reason in {Reason.TOKEN_REJECTED, Reason.TOKEN_MISSING}


async def test_two_tokens_are_none(edge: Edge) -> None:
    words = edge.words()
    words.add("authorization", f"Bearer {edge.material.token()}")
    async with edge.channel() as channel:
        told = await failure(channel.unary_unary(QUERY)(b"", metadata=words))
    assert told.reason == Reason.TOKEN_REJECTED


async def test_certificates_that_tls_lets_in_and_we_do_not(edge: Edge, tmp_path: Path) -> None:
    made = edge.material
    party = "spiffe://zhuhai.xbg.test/party/"
    ghost = leaf(made, tmp_path / "ghost", party + "cn.ghost")
    twice = leaf(made, tmp_path / "twice", party + WINDOW, party + AUDITOR)
    liar = leaf(made, tmp_path / "liar", f"spiffe://macao.xbg.test/party/{WINDOW}")
    bad: list[tuple[Path, str, Reason]] = [
        (made.of("parties", WINDOW, "macao"), WINDOW, Reason.IDENTITY_FOREIGN),
        (made.of("nodes", "zhuhai"), WINDOW, Reason.IDENTITY_AMBIGUOUS),
        (made.of("parties", AUDITOR), WINDOW, Reason.IDENTITY_AMBIGUOUS),
        (made.of("parties", FUND), FUND, Reason.PARTY_NOT_HERE),
        (ghost, WINDOW, Reason.IDENTITY_AMBIGUOUS),
        (twice, WINDOW, Reason.IDENTITY_AMBIGUOUS),
        (liar, WINDOW, Reason.IDENTITY_FOREIGN),
    ]
    for home, party_of_token, reason in bad:
        token = made.token(party_of_token, bound_to=home)
        async with edge.channel(home=home) as channel:
            told = await failure(query(edge, channel, token))
        assert told.reason == reason, home
    assert edge.path.seen == []


async def test_a_party_that_is_not_registered(material: Material, tmp_path: Path) -> None:
    ghost = leaf(material, tmp_path / "ghost", "spiffe://zhuhai.xbg.test/party/cn.ghost")
    async with serving(material, token_required=False) as open_edge:
        async with open_edge.channel(home=ghost) as channel:
            told = await failure(query(open_edge, channel, authorization=None))
        async with open_edge.channel() as channel:
            assert await query(open_edge, channel, authorization=None) == b"echo:ask"
            bad = await failure(query(open_edge, channel, "rubbish"))
    assert (told.code, told.reason) == (Code.PERMISSION_DENIED, Reason.PARTY_UNKNOWN)
    assert bad.reason == Reason.TOKEN_REJECTED  # not required, but never ignored
    assert [one.subject for one in open_edge.path.seen] == [
        f"spiffe://zhuhai.xbg.test/party/{WINDOW}"
    ]


async def test_tls_itself_refuses_expired_strange_and_absent_certificates(
    edge: Edge, tmp_path: Path
) -> None:
    made = edge.material
    expired = leaf(
        made, tmp_path / "old", f"spiffe://zhuhai.xbg.test/party/{WINDOW}", days=1, age_days=2
    )
    stranger = Material.make(tmp_path / "elsewhere").of("parties", WINDOW)
    for home in (expired, stranger):
        async with edge.channel(home=home) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await query(edge, channel)
        assert error.value.code() is Code.UNAVAILABLE
        assert GatewayCallError.of(error.value).reason == Reason.HANDSHAKE_FAILED
    roots = (made.folder / "trust" / "zhuhai.xbg.test.pem").read_bytes()
    nobody = grpc.ssl_channel_credentials(roots)
    async with grpc.aio.secure_channel(f"127.0.0.1:{edge.ports.clients}", nobody) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await query(edge, channel)
    assert GatewayCallError.of(error.value).reason == Reason.HANDSHAKE_FAILED
    assert edge.path.seen == []
    assert edge.refusals.take() == []  # TLS tells nobody but standard error: see test_transport


async def test_pitfall_19_a_revocation_bites_on_an_open_connection(tmp_path: Path) -> None:
    made = Material.make(tmp_path)
    async with serving(made, credentials_poll_s=0.05) as running, running.channel() as channel:
        assert await query(running, channel) == b"echo:ask"
        revoke(tmp_path, made.of("parties", WINDOW) / "tls.crt", datetime.now(UTC))
        for _ in range(100):
            await asyncio.sleep(0.05)
            try:
                await query(running, channel)
            except grpc.aio.AioRpcError:
                break
        told = await failure(query(running, channel))
    assert told.reason == Reason.CERTIFICATE_REVOKED


# ---- what is asked ---------------------------------------------------------------------------

BAD_WORDS: list[tuple[dict[str, str | None], Reason]] = [
    ({"request_id": None}, Reason.REQUEST_ID_MISSING),
    ({"request_id": "17"}, Reason.REFERENCE_MALFORMED),
    ({"purpose": None}, Reason.REFERENCE_MISSING),
    ({"scenario": None}, Reason.REFERENCE_MISSING),
    ({"sent_at": None}, Reason.REFERENCE_MISSING),
    ({"sent_at": "yesterday"}, Reason.REFERENCE_MALFORMED),
    ({"sent_at": "2026-02-30T00:00:00Z"}, Reason.REFERENCE_MALFORMED),
    ({"sent_at": "2026-11-22T08:00:00+08:00"}, Reason.REFERENCE_MALFORMED),
    ({"purpose": "A B"}, Reason.REFERENCE_MALFORMED),
    ({"recipient": "x" * 257}, Reason.REFERENCE_MALFORMED),
    ({"references": "A,,B"}, Reason.REFERENCE_MALFORMED),
    ({"references": "A,A"}, Reason.REFERENCE_MALFORMED),
    ({"references": ",".join(map(str, range(33)))}, Reason.REFERENCE_MALFORMED),
    ({"validate_only": "perhaps"}, Reason.REFERENCE_MALFORMED),
    ({"purposes": "CONTRIB_QUERY"}, Reason.REFERENCE_MALFORMED),
]


@pytest.mark.parametrize(("words", "reason"), BAD_WORDS)
async def test_missing_and_malformed_words(
    edge: Edge, words: dict[str, str | None], reason: Reason
) -> None:
    async with edge.channel() as channel:
        told = await failure(query(edge, channel, **words))
    assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, reason)
    assert edge.path.seen == []


async def test_a_word_said_twice_is_refused(edge: Edge) -> None:
    words = edge.words()
    words.add("xb-purpose", "PROOF_OF_LIFE")
    async with edge.channel() as channel:
        told = await failure(channel.unary_unary(QUERY)(b"", metadata=words))
    assert told.reason == Reason.REFERENCE_MALFORMED
    assert told.metadata["field"] == "purpose"


async def test_unknown_and_streaming_methods_once_the_caller_is_known(edge: Edge) -> None:
    unknown = {
        "/no.such.Service/Method": Reason.SERVICE_UNKNOWN,
        QUERY.replace("Query", "Quary"): Reason.METHOD_UNKNOWN,
        "/nothing": Reason.SERVICE_UNKNOWN,
        WATCH: Reason.METHOD_NOT_UNARY,
    }
    async with edge.channel() as channel:
        for path, reason in unknown.items():
            told = await failure(channel.unary_unary(path)(b"", metadata=edge.words()))
            assert (told.code, told.reason) == (Code.UNIMPLEMENTED, reason)
            hidden = await failure(
                channel.unary_unary(path)(b"", metadata=edge.words(authorization=None))
            )
            assert hidden.reason == Reason.TOKEN_MISSING  # permission before existence
            assert edge.path.seen == []
        streamed = channel.unary_stream(WATCH)(b"", metadata=edge.words())
        assert (await failure(streamed.read())).reason == Reason.METHOD_NOT_UNARY
        never_ends = channel.stream_stream(WATCH)(metadata=edge.words())
        assert (await failure(never_ends.read())).reason == Reason.METHOD_NOT_UNARY


# ---- time ------------------------------------------------------------------------------------


async def test_a_deadline_that_cannot_be_kept_is_refused(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEADLINE_MS_MIN", 20_000)
    async with edge.channel() as channel:
        told = await failure(query(edge, channel))
    assert (told.code, told.reason) == (Code.INVALID_ARGUMENT, Reason.DEADLINE_TOO_SHORT)
    assert told.metadata["least_ms"] == "20000"
    assert edge.path.seen == []


async def test_pitfall_14_no_deadline_means_the_servers(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEADLINE_S_MAX", 0.3)
    gate = Gate(edge)
    edge.path.work = gate.waiting
    async with edge.channel() as channel:
        told = await failure(channel.unary_unary(QUERY)(b"", metadata=edge.words()))
    assert (told.code, told.reason) == (Code.DEADLINE_EXCEEDED, Reason.DEADLINE_PASSED)
    assert told.retry_s is None
    gate.opened.set()


@pytest.mark.parametrize("so_far", [Outcome.PENDING, Outcome.HELD])
async def test_pitfall_14_a_caller_whose_time_ends_learns_the_exchange(
    edge: Edge, so_far: Outcome
) -> None:
    gate = Gate(edge)
    edge.path.work = gate.accepting
    view = next(iter(edge.path.views.values()))
    edge.path.views[gate.exchange] = type(view)(gate.exchange, state(so_far))
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)(b"", metadata=edge.words(), timeout=0.6)
        told = await failure(call)
    ends = {
        Outcome.PENDING: (Code.UNAVAILABLE, Reason.EXCHANGE_PENDING),
        Outcome.HELD: (Code.FAILED_PRECONDITION, Reason.POLICY_HOLD),
    }
    assert (told.code, told.reason) == ends[so_far]
    assert told.metadata["exchange_id"] == told.trailers["xb-exchange-id"] == gate.exchange
    assert told.metadata["outcome"] == told.trailers["xb-outcome"] == so_far
    gate.opened.set()


async def test_pitfall_13_a_caller_who_hangs_up_undoes_nothing(edge: Edge) -> None:
    gate = Gate(edge)
    edge.path.work = gate.accepting
    async with edge.channel() as channel:
        call = channel.unary_unary(QUERY)(b"", metadata=edge.words())
        await asyncio.wait_for(gate.begun.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert edge.path.finished == []
    gate.opened.set()
    await until(lambda: len(edge.path.finished) == 1)
    # Its place is free again.
    assert edge.server._in_flight.running(Work.EXCHANGE) == 0


# ---- what goes wrong inside ------------------------------------------------------------------


async def test_pitfall_11_no_text_of_an_accident_leaves_the_node(edge: Edge) -> None:
    async def fails(_: Submission) -> Finished:
        raise ValueError("the secret of 440402199001011234")

    edge.path.work = fails
    async with edge.channel() as channel:
        told = await failure(query(edge, channel))
    assert (told.code, told.reason) == (Code.INTERNAL, Reason.INTERNAL)
    assert len(told.metadata["incident"]) == 16
    assert "secret" not in repr(told)
    assert "ValueError" not in repr(told)


async def test_pitfall_11_a_fatal_error_is_told_in_the_catalogues_words(edge: Edge) -> None:
    async def fails(submission: Submission) -> Finished:
        edge.path.accepted[submission.party, submission.request_id] = "0193-id"
        raise Fatal(Reason.STORE_CORRUPT, "row 17 of /var/lib/store", path="/var/lib/store")

    edge.path.work = fails
    async with edge.channel() as channel:
        told = await failure(query(edge, channel))
    assert (told.code, told.reason) == (Code.DATA_LOSS, Reason.STORE_CORRUPT)
    assert "/var" not in repr(told)
    assert told.metadata["exchange_id"] == "0193-id"


@pytest.mark.parametrize("accepted", [False, True])
async def test_pitfall_12_a_foreign_cancellation_does_not_leave_the_caller_hanging(
    edge: Edge, accepted: bool
) -> None:
    async def broken(submission: Submission) -> Finished:
        if accepted:
            edge.path.accepted[submission.party, submission.request_id] = "0193-id"
        waiting: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        waiting.cancel()
        return await waiting

    edge.path.work = broken
    async with edge.channel() as channel, asyncio.timeout(5):
        told = await failure(query(edge, channel))
    assert told.code is Code.UNAVAILABLE
    assert told.reason == (Reason.EXCHANGE_PENDING if accepted else Reason.INTERRUPTED)
    assert told.metadata.get("exchange_id") == ("0193-id" if accepted else None)
    assert told.retry_s


async def test_pitfall_12_also_where_no_exchange_is_asked_for(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.cancel()
        await waiting

    monkeypatch.setattr(edge.path, "list", broken)
    async with edge.channel() as channel, asyncio.timeout(5):
        listing = exchange_pb2_grpc.ExchangeServiceStub(channel).ListExchanges(
            exchange_pb2.ListExchangesRequest(), metadata=edge.bearer()
        )
        told = await failure(listing)
    assert (told.code, told.reason) == (Code.UNAVAILABLE, Reason.INTERRUPTED)


async def test_pitfall_15_what_is_not_ready_is_told_once_and_precisely(edge: Edge) -> None:
    async def away(_: Submission) -> Finished:
        raise Unavailable(Reason.PEER_UNREACHABLE, "Macao does not answer.", peer="macao")

    edge.path.work = away
    async with edge.channel() as channel:
        told = await failure(query(edge, channel, language="zh-Hant"))
    assert (told.code, told.reason, told.message) == (
        Code.UNAVAILABLE,
        Reason.PEER_UNREACHABLE,
        "Macao does not answer.",
    )
    assert told.metadata["peer"] == "macao"
    assert (told.locale, told.retry_s) == ("zh-Hant", 5.0)
    assert told.help_url == "docs/errors.md#peer_unreachable"
