"""The SDK's tokens are what a node's own verifier accepts, and are renewed before they end."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.unit.client.authority import Authority

from xbgateway.client.tokens import TokenMint, certificate_thumbprint
from xbgateway.identity.tokens import TokenKey, TokenVerifier
from xbgateway.model.errors import Reason, Refused

NODE = "spiffe://zhuhai.xbg.test/node/zhuhai"
NOW = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)
PAIR = Authority().issue("spiffe://zhuhai.xbg.test/party/cn.hengqin.window")


def private_pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


def mint(
    key: PrivateKeyTypes, clock: Clock, lifetime_s: int = 600, certificate: bytes = PAIR.certificate
) -> TokenMint:
    return TokenMint(
        key=private_pem(key),
        certificate=certificate,
        party="cn.hengqin.window",
        system="counter-3",
        node=NODE,
        kid="k1",
        lifetime_s=lifetime_s,
        clock=clock,
    )


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())]
)
def test_a_node_accepts_the_token_for_this_certificate_only(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    token = mint(key, Clock())()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    verifier = TokenVerifier({"cn.hengqin.window": [TokenKey.from_pem("k1", public)]}, NODE)
    thumbprint = certificate_thumbprint(PAIR.certificate)
    caller = verifier.verify(token, thumbprint, NOW)
    assert (caller.party, caller.subject) == ("cn.hengqin.window", "counter-3")
    assert caller.expires_at == NOW + timedelta(seconds=600)
    other = certificate_thumbprint(Authority().issue("spiffe://x/party/y").certificate)
    with pytest.raises(Refused) as refused:
        verifier.verify(token, other, NOW)
    assert refused.value.reason is Reason.TOKEN_UNBOUND


def test_a_token_is_kept_while_it_has_life_and_renewed_before_it_ends() -> None:
    clock = Clock()
    source = mint(ed25519.Ed25519PrivateKey.generate(), clock)
    first = source()
    clock.now += 479
    assert source() == first
    clock.now += 2
    second = source()
    assert second != first
    claims = jwt.decode(second, options={"verify_signature": False})
    assert claims["exp"] - clock.now == pytest.approx(600, abs=1)
    assert claims["jti"] != jwt.decode(first, options={"verify_signature": False})["jti"]


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
)
def test_a_key_that_no_node_accepts_is_refused_at_once(key: PrivateKeyTypes) -> None:
    with pytest.raises(ValueError, match="Ed25519 or P-256"):
        mint(key, Clock())


@pytest.mark.parametrize("lifetime_s", [0, -1, 3601])
def test_a_lifetime_that_no_node_accepts_is_refused_at_once(lifetime_s: int) -> None:
    with pytest.raises(ValueError, match="lives"):
        mint(ed25519.Ed25519PrivateKey.generate(), Clock(), lifetime_s)
