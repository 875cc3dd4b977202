"""A token is its issuer's, for this node, of this hour, over this certificate, or it is nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm
from tests.harness.scale import scaled
from tests.unit.identity.authorities import reason_of

from xbgateway.identity import TokenKey, TokenVerifier, check_ed25519_public, mint_token
from xbgateway.identity.certs import kid_of, token_jwk
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
NODE = "spiffe://macao.xbg.test/node/macao"
THUMB = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
OTHER_THUMB = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
EDWARDS = ed25519.Ed25519PrivateKey.generate()
CURVE = ec.generate_private_key(ec.SECP256R1())
KID = kid_of(EDWARDS.public_key())
ISSUERS: dict[str, list[TokenKey | Mapping[str, object]]] = {
    "fss": [token_jwk(EDWARDS.public_key()), TokenKey("curve", CURVE.public_key())],
    "health": [TokenKey("h", ed25519.Ed25519PrivateKey.generate().public_key())],
}
CLAIMS: dict[str, Any] = {
    "iss": "fss",
    "sub": "system-3",
    "aud": NODE,
    "iat": NOW_S,
    "exp": NOW_S + 300,
    "cnf": {"x5t#S256": THUMB},
}


def verifier(*, certificate_required: bool = True) -> TokenVerifier:
    return TokenVerifier(ISSUERS, NODE, certificate_required=certificate_required)


def signed(kid: str = KID, key: Any = EDWARDS, algorithm: str = "EdDSA", **changes: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def refusal(
    token: str | None,
    thumbprint: str | None = THUMB,
    now: datetime = NOW,
    at: TokenVerifier | None = None,
) -> Reason:
    with pytest.raises(Refused) as caught:
        (at or verifier()).verify(token, thumbprint, now)
    return reason_of(caught.value)


@pytest.mark.parametrize(
    ("kid", "key"), [(KID, EDWARDS), ("curve", CURVE)], ids=["edwards", "curve"]
)
def test_a_minted_token_says_who_calls(kid: str, key: Any) -> None:
    token = mint_token(
        key, kid, party="fss", subject="officer-9", audience=NODE, thumbprint=THUMB, now=NOW
    )
    caller = verifier().verify(token, THUMB, NOW)
    assert (caller.party, caller.subject) == ("fss", "officer-9")
    assert caller.expires_at == NOW + timedelta(seconds=300)
    assert caller.roles == ()


def test_the_offices_of_a_person_come_with_the_token() -> None:
    token = mint_token(
        *(EDWARDS, KID),
        party="fss",
        subject="officer-9",
        audience=NODE,
        thumbprint=THUMB,
        now=NOW,
        roles=("cdo", "compliance"),
    )
    assert verifier().verify(token, THUMB, NOW).roles == ("cdo", "compliance")


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_missing(token: str | None) -> None:
    assert refusal(token) is Reason.TOKEN_MISSING


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "health"},
        {"iss": "nobody"},
        {"iss": None},
        {"iss": None, "sub": "fss"},
        {"kid": "h"},
        {"kid": ""},
        {"kid": "curve"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"roles": "cdo"},
        {"roles": ["cdo", "cdo"]},
        {"roles": [""]},
        {"roles": [7]},
        {"roles": [f"role-{n}" for n in range(17)]},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": -1},
        {"exp": NOW_S + 3601},
        {"iat": NOW_S - 3600, "exp": NOW_S + 10},
        {"iat": None, "exp": NOW_S + 3601},
        {"iat": NOW_S + limits.TOKEN_SKEW_S_MAX + 1},
        {"iat": "now"},
        {"nbf": NOW_S + limits.TOKEN_SKEW_S_MAX + 1},
    ],
)
def test_claims_out_of_form_or_bounds_are_rejected(changes: dict[str, Any]) -> None:
    assert refusal(signed(**changes)) is Reason.TOKEN_REJECTED


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": None},
        {"iat": NOW_S + limits.TOKEN_SKEW_S_MAX},
        {"nbf": NOW_S},
        {"jti": "one"},
        {"exp": NOW_S + 3600},
        {"exp": NOW_S + 0.5},
    ],
)
def test_optional_claims_and_edges_are_accepted(changes: dict[str, Any]) -> None:
    assert verifier().verify(signed(**changes), THUMB, NOW).party == "fss"


def test_another_keys_signature_is_rejected() -> None:
    foreign = ed25519.Ed25519PrivateKey.generate()
    assert refusal(signed(key=foreign)) is Reason.TOKEN_REJECTED


def test_no_kid_is_rejected() -> None:
    assert refusal(jwt.encode(CLAIMS, EDWARDS, "EdDSA")) is Reason.TOKEN_REJECTED


def _segment(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_algorithm_none_is_rejected() -> None:
    for algorithm in ("none", "None", ""):
        head = _segment({"alg": algorithm, "kid": KID})
        assert refusal(f"{head}.{_segment(CLAIMS)}.") is Reason.TOKEN_REJECTED


def test_hs256_keyed_with_the_public_key_is_rejected() -> None:
    public = EDWARDS.public_key()
    spki = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (public.public_bytes_raw(), spki):
        signing = f"{_segment({'alg': 'HS256', 'kid': KID})}.{_segment(CLAIMS)}"
        mac = hmac.digest(secret, signing.encode(), hashlib.sha256)
        assert refusal(f"{signing}.{_segment(mac)}") is Reason.TOKEN_REJECTED


def test_rs256_is_rejected_whatever_kid_it_names() -> None:
    key = rsa.generate_private_key(65537, 2048)
    for kid in (KID, "curve"):
        assert refusal(signed(kid, key, "RS256")) is Reason.TOKEN_REJECTED


def test_the_key_decides_the_algorithm() -> None:
    assert refusal(signed(KID, CURVE, "ES256")) is Reason.TOKEN_REJECTED
    assert refusal(signed("curve", EDWARDS, "EdDSA")) is Reason.TOKEN_REJECTED


@pytest.mark.parametrize("audience", ["spiffe://zhuhai.xbg.test/node/zhuhai", [NODE], NODE + "/"])
def test_another_audience_is_refused(audience: object) -> None:
    assert refusal(signed(aud=audience)) is Reason.TOKEN_AUDIENCE


@pytest.mark.parametrize(
    "binding", [None, {}, {"jkt": THUMB}, {"x5t#S256": 7}, {"x5t#S256": ""}, THUMB, []]
)
def test_a_token_bound_to_nothing_is_refused(binding: object) -> None:
    assert refusal(signed(cnf=binding)) is Reason.TOKEN_UNBOUND
    loose = verifier(certificate_required=False)
    assert refusal(signed(cnf=binding), None, at=loose) is Reason.TOKEN_UNBOUND


def test_a_stolen_token_over_another_certificate_is_refused() -> None:
    at = verifier()
    assert refusal(signed(), OTHER_THUMB, at=at) is Reason.TOKEN_UNBOUND
    at.verify(signed(), THUMB, NOW)
    assert refusal(signed(), OTHER_THUMB, at=at) is Reason.TOKEN_UNBOUND
    assert refusal(signed(), None, at=at) is Reason.TOKEN_UNBOUND


def test_where_certificates_are_optional_one_that_is_there_must_match() -> None:
    loose = verifier(certificate_required=False)
    assert loose.verify(signed(), None, NOW).party == "fss"
    assert refusal(signed(), OTHER_THUMB, at=loose) is Reason.TOKEN_UNBOUND


def test_an_expired_token_is_refused_also_when_remembered() -> None:
    at, end = verifier(), NOW + timedelta(seconds=300)
    assert refusal(signed(), now=end, at=at) is Reason.TOKEN_EXPIRED
    at.verify(signed(), THUMB, end - timedelta(milliseconds=1))
    assert refusal(signed(), now=end, at=at) is Reason.TOKEN_EXPIRED
    assert refusal(signed(), now=NOW - timedelta(hours=1), at=at) is Reason.TOKEN_REJECTED


@pytest.mark.parametrize("token", ["a", "a.b", "a.b.c", "..", "a.b.c.d", "é.é.é", "x" * 5000])
def test_what_is_no_token_is_rejected(token: str) -> None:
    assert refusal(token) is Reason.TOKEN_REJECTED


TOKEN = signed()


@settings(max_examples=scaled(100), deadline=None)
@given(place=st.integers(min_value=0, max_value=len(TOKEN) - 1), symbol=st.sampled_from("aZ9-_.="))
def test_a_token_with_one_character_changed_is_refused(place: int, symbol: str) -> None:
    changed = TOKEN[:place] + symbol + TOKEN[place + 1 :]
    at = verifier()
    at.verify(TOKEN, THUMB, NOW)
    if changed == TOKEN:
        return
    with pytest.raises(Refused):
        at.verify(changed, THUMB, NOW)


def test_tokens_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOKENS_CACHED_MAX", 3)
    at = verifier()
    for number in range(10):
        assert at.verify(signed(jti=str(number)), THUMB, NOW).party == "fss"
    assert len(at._verified) == 3


def test_a_second_look_does_not_verify_again(monkeypatch: pytest.MonkeyPatch) -> None:
    at = verifier()
    first = at.verify(signed(), THUMB, NOW)
    monkeypatch.setattr(jwt, "decode", None)
    assert at.verify(signed(), THUMB, NOW) is first


LOW_ORDER = [
    bytes.fromhex(one)
    for one in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
]


@pytest.mark.parametrize("raw", LOW_ORDER)
def test_low_order_keys_are_weak_for_a_reason(raw: bytes) -> None:
    """The fixed signature (identity, 0) fits one message in eight or more under such a key."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    universal = b"\x01" + bytes(63)
    fitting = 0
    for number in range(200):
        try:
            key.verify(universal, b"message %d" % number)
        except InvalidSignature:
            continue
        fitting += 1
    assert fitting > 5
    for load in (
        lambda: check_ed25519_public(raw),
        lambda: TokenKey("weak", key),
        lambda: TokenVerifier({"fss": [{**token_jwk(key), "kid": "weak"}]}, NODE),
    ):
        with pytest.raises(Refused) as caught:
            load()
        assert reason_of(caught.value) is Reason.KEY_WEAK


@pytest.mark.parametrize("above", [0, 1, 2, 18])
def test_keys_that_are_not_canonical_are_weak(above: int) -> None:
    raw = (2**255 - 19 + above).to_bytes(32, "little")
    with pytest.raises(Refused) as caught:
        check_ed25519_public(raw)
    assert reason_of(caught.value) is Reason.KEY_WEAK
    check_ed25519_public(EDWARDS.public_key().public_bytes_raw())


def _pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


TWICE = ISSUERS["fss"][:1] * 2
BAD_KEYS: dict[str, tuple[Callable[[], object], Reason]] = {
    "no PEM": (lambda: TokenKey.from_pem("k", b"junk"), Reason.CONFIG_INVALID),
    "P-384": (
        lambda: TokenKey.from_pem("k", _pem(ec.generate_private_key(ec.SECP384R1()))),
        Reason.KEY_WEAK,
    ),
    "RSA": (
        lambda: TokenKey.from_pem("k", _pem(rsa.generate_private_key(65537, 2048))),
        Reason.KEY_WEAK,
    ),
    "no kid": (lambda: TokenKey.from_jwk({"kty": "OKP"}), Reason.CONFIG_INVALID),
    "no key": (lambda: TokenKey.from_jwk({"kty": "OKP", "kid": "k"}), Reason.CONFIG_INVALID),
    "symmetric": (
        lambda: TokenKey.from_jwk({"kty": "oct", "kid": "k", "k": "c2VjcmV0"}),
        Reason.KEY_WEAK,
    ),
    "private": (
        lambda: TokenKey.from_jwk({**ECAlgorithm.to_jwk(CURVE, as_dict=True), "kid": "k"}),
        Reason.CONFIG_INVALID,
    ),
    "kid twice": (lambda: TokenVerifier({"fss": TWICE}, NODE), Reason.CONFIG_INVALID),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_keys_that_cannot_be_used_are_refused_at_load(name: str) -> None:
    load, reason = BAD_KEYS[name]
    with pytest.raises((Refused, Fatal)) as caught:
        load()
    assert reason_of(caught.value) is reason


def test_pem_and_jwk_give_the_same_key() -> None:
    assert TokenKey.from_pem("k", _pem(CURVE)).algorithm == "ES256"
    fields = {**ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), "kid": "k"}
    at = TokenVerifier({"fss": [fields]}, NODE)
    assert at.verify(signed("k", CURVE, "ES256"), THUMB, NOW).party == "fss"
    at = TokenVerifier({"fss": [TokenKey.from_pem(KID, _pem(EDWARDS))]}, NODE)
    assert at.verify(signed(), THUMB, NOW).party == "fss"
