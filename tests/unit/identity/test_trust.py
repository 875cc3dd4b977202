"""Each way a certificate may fail to be somebody, one test each."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.harness.scale import scaled
from tests.unit.identity.authorities import (
    DAY,
    MACAO,
    NOW,
    ROOTS,
    TLS13,
    ZHUHAI,
    Side,
    intermediate_with_use,
    reason_of,
    trust,
)

from xbgateway.identity import SpiffeId, TrustStore, thumbprint_of
from xbgateway.identity.issuing import issue_intermediate, pem_of
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def refusal(
    leaf: x509.Certificate | bytes,
    store: TrustStore | None = None,
    intermediates: Sequence[bytes] = (ZHUHAI.issuer.pem,),
    tls: str = TLS13,
    now: datetime = NOW,
) -> Reason:
    pem = leaf if isinstance(leaf, bytes) else pem_of(leaf)
    with pytest.raises(Refused) as caught:
        (store or trust()).identify(pem, intermediates, tls, now)
    return reason_of(caught.value)


@pytest.mark.parametrize("kind", ["node", "party"])
def test_a_good_certificate_is_its_spiffe_id(kind: str) -> None:
    leaf = ZHUHAI.leaf(ZHUHAI.uri(kind, "health-7"))
    found = trust().identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW)
    assert (found.trust_domain, found.kind, found.name) == (ZHUHAI.domain, kind, "health-7")
    assert found.spiffe_id == ZHUHAI.uri(kind, "health-7")
    assert found.thumbprint_b64url == thumbprint_of(leaf)
    assert found.not_after == leaf.not_valid_after_utc


def test_a_macao_authority_cannot_mint_a_zhuhai_identity() -> None:
    """With the union of roots, which is all that gRPC knows, the forgery verifies."""
    forged = MACAO.leaf(ZHUHAI.uri())
    union = Store([ZHUHAI.root.certificate, MACAO.root.certificate])
    verifier = PolicyBuilder().store(union).time(NOW.replace(tzinfo=None)).build_client_verifier()
    accepted = verifier.verify(forged, [MACAO.issuer.certificate]).subjects
    assert accepted is not None
    assert ZHUHAI.uri() in [name.value for name in accepted]
    assert refusal(forged, intermediates=[MACAO.issuer.pem]) is Reason.IDENTITY_FOREIGN
    both = [MACAO.issuer.pem, ZHUHAI.issuer.pem]
    assert refusal(forged, intermediates=both) is Reason.IDENTITY_FOREIGN


def test_a_trust_domain_without_root_is_foreign() -> None:
    stranger = Side.make("elsewhere")
    leaf = stranger.leaf()
    assert refusal(leaf, intermediates=[stranger.issuer.pem]) is Reason.IDENTITY_FOREIGN


def test_an_unknown_authority_that_uses_our_name_is_rejected() -> None:
    impostor = Side.make("zhuhai")
    leaf = impostor.leaf()
    assert refusal(leaf, intermediates=[impostor.issuer.pem]) is Reason.CERTIFICATE_REJECTED


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.1", "", "TLSv1.3 "])
def test_anything_but_tls_13_is_refused(version: str) -> None:
    store, leaf = trust(), ZHUHAI.leaf()
    assert refusal(leaf, store, tls=version) is Reason.TLS_TOO_OLD
    store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW)
    assert refusal(leaf, store, tls=version) is Reason.TLS_TOO_OLD


def test_expired_is_rejected() -> None:
    assert refusal(ZHUHAI.leaf(), now=NOW + 8 * DAY) is Reason.CERTIFICATE_REJECTED


def test_not_yet_valid_is_rejected() -> None:
    assert refusal(ZHUHAI.leaf(now=NOW + DAY)) is Reason.CERTIFICATE_REJECTED


def test_an_expired_intermediate_is_rejected() -> None:
    leaf = ZHUHAI.leaf(now=NOW + 49 * DAY)
    assert refusal(leaf, now=NOW + 51 * DAY) is Reason.CERTIFICATE_REJECTED


def test_a_missing_intermediate_is_rejected() -> None:
    assert refusal(ZHUHAI.leaf(), intermediates=[]) is Reason.CERTIFICATE_REJECTED


@pytest.mark.parametrize(
    "uris",
    [
        (ZHUHAI.uri(), ZHUHAI.uri("party")),
        (ZHUHAI.uri(), MACAO.uri()),
        (ZHUHAI.uri(), "https://example.org/"),
        ("https://example.org/",),
        (f"spiffe://{ZHUHAI.domain}/admin/one",),
        (f"spiffe://{ZHUHAI.domain}/node/one/two",),
        (f"spiffe://{ZHUHAI.domain}/node/",),
        (f"spiffe://{ZHUHAI.domain}:443/node/one",),
        (f"SPIFFE://{ZHUHAI.domain}/node/one",),
    ],
)
def test_anything_but_one_spiffe_uri_is_ambiguous(uris: tuple[str, ...]) -> None:
    assert refusal(ZHUHAI.leaf(*uris)) is Reason.IDENTITY_AMBIGUOUS


def test_no_uri_at_all_is_ambiguous() -> None:
    plain = ZHUHAI.leaf()
    builder = x509.CertificateBuilder(
        issuer_name=plain.issuer,
        subject_name=plain.subject,
        public_key=ZHUHAI.issuer.key.public_key(),
        serial_number=1,
        not_valid_before=NOW - DAY,
        not_valid_after=NOW + DAY,
    )
    bare = builder.sign(ZHUHAI.issuer.key, hashes.SHA256())
    assert refusal(bare) is Reason.IDENTITY_AMBIGUOUS
    dns = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    named = builder.add_extension(dns, critical=False).sign(ZHUHAI.issuer.key, hashes.SHA256())
    assert refusal(named) is Reason.IDENTITY_AMBIGUOUS


def test_a_leaf_for_servers_only_is_rejected() -> None:
    assert refusal(ZHUHAI.leaf(uses=[SERVER])) is Reason.CERTIFICATE_REJECTED
    client_only = ZHUHAI.leaf(uses=[CLIENT])
    found = trust().identify(pem_of(client_only), [ZHUHAI.issuer.pem], TLS13, NOW)
    assert found.name == "one"


def test_an_authority_for_servers_only_vouches_for_no_client() -> None:
    narrow = intermediate_with_use(ZHUHAI.root, SERVER)
    leaf = replace(ZHUHAI, issuer=narrow).leaf()
    assert refusal(leaf, intermediates=[narrow.pem]) is Reason.CERTIFICATE_REJECTED
    fitting = intermediate_with_use(ZHUHAI.root, CLIENT)
    leaf = replace(ZHUHAI, issuer=fitting).leaf()
    assert trust().identify(pem_of(leaf), [fitting.pem], TLS13, NOW).name == "one"


def test_an_intermediate_cannot_make_another_authority() -> None:
    second = issue_intermediate(ZHUHAI.issuer, "second", NOW, 20 * DAY)
    leaf = replace(ZHUHAI, issuer=second).leaf()
    chain = [second.pem, ZHUHAI.issuer.pem]
    assert refusal(leaf, intermediates=chain) is Reason.CERTIFICATE_REJECTED


def test_ed25519_and_rsa_leaves_are_not_for_transport() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    assert refusal(ZHUHAI.leaf(public=edwards)) is Reason.CERTIFICATE_REJECTED
    big = rsa.generate_private_key(65537, 2048).public_key()
    assert refusal(ZHUHAI.leaf(public=big)) is Reason.CERTIFICATE_REJECTED


def test_what_is_no_certificate_is_rejected() -> None:
    good = pem_of(ZHUHAI.leaf())
    broken = good.replace(b"M", b"N", 3)
    for pem in (b"", b"hello", broken, good + good, good[: len(good) // 2]):
        assert refusal(pem) is Reason.CERTIFICATE_REJECTED
    assert refusal(good, intermediates=[b"junk"]) is Reason.CERTIFICATE_REJECTED
    assert refusal(good, intermediates=[ZHUHAI.issuer.pem] * 3) is Reason.CERTIFICATE_REJECTED
    huge = b"#" * (limits.CREDENTIAL_FILE_BYTES_MAX + 1)
    assert refusal(good, intermediates=[huge]) is Reason.CERTIFICATE_REJECTED


@settings(max_examples=scaled(60), deadline=None)
@example(place=264, bit=1)
@given(place=st.integers(min_value=0, max_value=10_000), bit=st.integers(min_value=0, max_value=7))
def test_a_leaf_with_one_bit_flipped_is_nobody(place: int, bit: int) -> None:
    """But for one byte: how many bits of the signature's last byte count is under no signature.

    It changes nothing that is verified. Like ECDSA's second signature (r, n-s) it gives the same
    certificate another thumbprint, so tokens bound to the first do not fit; no identity changes.
    """
    der = bytearray(GOOD_LEAF.public_bytes(Encoding.DER))
    unsigned = len(der) - len(GOOD_LEAF.signature) - 1
    assert der[unsigned] == 0
    place %= len(der)
    assume(place != unsigned)
    der[place] ^= 1 << bit
    with pytest.raises(Refused):
        trust().identify(x509_pem(bytes(der)), [ZHUHAI.issuer.pem], TLS13, NOW)


def x509_pem(der: bytes) -> bytes:
    lines = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"


GOOD_LEAF = ZHUHAI.leaf()


def test_a_revoked_leaf_is_refused_and_its_neighbour_is_not() -> None:
    bad, good = ZHUHAI.leaf(), ZHUHAI.leaf(ZHUHAI.uri(name="two"))
    store = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(bad)})
    assert refusal(bad, store) is Reason.CERTIFICATE_REVOKED
    assert store.identify(pem_of(good), [ZHUHAI.issuer.pem], TLS13, NOW).name == "two"


def test_a_revoked_intermediate_takes_its_leaves_along() -> None:
    store = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(ZHUHAI.issuer.certificate)})
    assert refusal(ZHUHAI.leaf(), store) is Reason.CERTIFICATE_REVOKED


def test_a_stale_list_refuses_but_what_it_revokes_stays_revoked() -> None:
    bad, good = ZHUHAI.leaf(), ZHUHAI.leaf()
    store = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(bad)})
    later = NOW + 2 * DAY
    assert refusal(good, store, now=later) is Reason.CERTIFICATE_REJECTED
    assert refusal(bad, store, now=later) is Reason.CERTIFICATE_REVOKED


def test_a_list_from_the_future_or_missing_or_forged_is_no_list() -> None:
    leaf = ZHUHAI.leaf()
    future = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(now=NOW + DAY)})
    assert refusal(leaf, future) is Reason.CERTIFICATE_REJECTED
    only_root = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls()[:1]})
    assert refusal(leaf, only_root) is Reason.CERTIFICATE_REJECTED
    forged = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(signer=MACAO.issuer)})
    assert refusal(leaf, forged) is Reason.CERTIFICATE_REJECTED
    empty = TrustStore(ROOTS, {ZHUHAI.domain: []})
    assert refusal(leaf, empty) is Reason.CERTIFICATE_REJECTED


def test_a_forged_list_revokes_nobody() -> None:
    leaf = ZHUHAI.leaf()
    lists = [*ZHUHAI.crls(), ZHUHAI.crls(leaf, signer=MACAO.issuer)[1]]
    store = TrustStore(ROOTS, {ZHUHAI.domain: lists})
    assert store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW).name == "one"


def test_a_verdict_is_believed_for_a_minute_and_no_longer() -> None:
    store, leaf = trust(), ZHUHAI.leaf()
    end = timedelta(seconds=limits.IDENTITY_CACHE_S_MAX)
    store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW)
    # Without its intermediate only a remembered verdict can accept it.
    store.identify(pem_of(leaf), [], TLS13, NOW + end - timedelta(milliseconds=1))
    assert refusal(leaf, store, [], now=NOW + end) is Reason.CERTIFICATE_REJECTED
    assert refusal(leaf, store, [], now=NOW - end) is Reason.CERTIFICATE_REJECTED


def test_a_verdict_does_not_outlive_certificate_or_list() -> None:
    leaf = ZHUHAI.leaf()
    just_before = leaf.not_valid_after_utc - timedelta(seconds=10)
    store = trust()
    store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, just_before)
    end = just_before + timedelta(seconds=11)
    assert refusal(leaf, store, now=end) is Reason.CERTIFICATE_REJECTED
    short = ZHUHAI.crls(lifetime=timedelta(seconds=10))
    store = TrustStore(ROOTS, {ZHUHAI.domain: short})
    store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW)
    assert refusal(leaf, store, now=NOW + timedelta(seconds=10)) is Reason.CERTIFICATE_REJECTED


def test_reloading_lists_revokes_at_once() -> None:
    store, leaf = TrustStore(ROOTS, {ZHUHAI.domain: ZHUHAI.crls()}), ZHUHAI.leaf()
    store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW)
    store.reload(ROOTS, {ZHUHAI.domain: ZHUHAI.crls(leaf)})
    assert refusal(leaf, store) is Reason.CERTIFICATE_REVOKED


def test_verdicts_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDENTITIES_CACHED_MAX", 2)
    store = trust()
    leaves = [pem_of(ZHUHAI.leaf()) for _ in range(3)]
    for pem in leaves:
        store.identify(pem, [ZHUHAI.issuer.pem], TLS13, NOW)
    assert refusal(leaves[0], store, []) is Reason.CERTIFICATE_REJECTED
    for pem in leaves[1:]:
        assert store.identify(pem, [], TLS13, NOW).name == "one"


def test_material_that_cannot_be_used_is_fatal_and_changes_nothing() -> None:
    store, leaf = trust(), ZHUHAI.leaf()
    delta = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ZHUHAI.issuer.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_extension(x509.DeltaCRLIndicator(1), critical=True)
        .sign(ZHUHAI.issuer.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    for roots, crls in (
        ({ZHUHAI.domain: b"junk"}, {}),
        (ROOTS, {ZHUHAI.domain: [b"junk"]}),
        (ROOTS, {ZHUHAI.domain: [ZHUHAI.root.pem]}),
        (ROOTS, {ZHUHAI.domain: [delta]}),
        (ROOTS, {"unknown.xbg.test": ZHUHAI.crls()}),
    ):
        with pytest.raises(Fatal) as caught:
            store.reload(roots, crls)
        assert reason_of(caught.value) is Reason.CONFIG_INVALID
    assert store.trust_domains == frozenset(ROOTS)
    assert store.identify(pem_of(leaf), [ZHUHAI.issuer.pem], TLS13, NOW).name == "one"


@settings(max_examples=scaled(100), deadline=None)
@given(text=st.text(max_size=80) | st.from_regex(r"spiffe://[a-z.]{1,9}/(node|party)/\S{0,9}"))
def test_a_parsed_id_writes_itself_back(text: str) -> None:
    try:
        found = SpiffeId.parse(text)
    except Refused:
        return
    assert str(found) == text


def test_ids_cannot_be_made_malformed() -> None:
    with pytest.raises(Refused):
        SpiffeId("zhuhai.xbg.test", "node", "a/b")
    with pytest.raises(Refused):
        SpiffeId("Zhuhai", "node", "a")
