"""Who a certificate is: each trust domain verified against its own root and nothing else.

gRPC's channel accepts any certificate under any root it was given, and it must be given the union
of all jurisdictions' roots: there, a Macao authority could mint a Zhuhai identity. This room closes
that: the domain written in the certificate chooses the one root that may vouch for it. It opens no
connection and asks no clock; the server's interceptor and the peer link hand it PEM and the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from xbgateway.identity.pem import (
    MALFORMED,
    certificates_of,
    revocation_lists_of,
    thumbprint_of,
)
from xbgateway.identity.spiffe import Kind, SpiffeId
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused

TLS_VERSION = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """A verified peer. ``thumbprint_b64url`` is ``x5t#S256``; ``not_after`` is aware UTC."""

    trust_domain: str
    kind: Kind
    name: str
    thumbprint_b64url: str
    not_after: datetime

    @property
    def spiffe_id(self) -> str:
        """The identity as its URI."""
        return str(SpiffeId(self.trust_domain, self.kind, self.name))


@dataclass(frozen=True, slots=True)
class _Believed:
    identity: PeerIdentity
    since: datetime
    until: datetime


class TrustStore:
    """The roots and revocation lists of every trust domain this node talks to.

    ``roots`` maps a trust domain to its root bundle (PEM), ``crls`` to its revocation lists (PEM).
    A domain that stands in ``crls`` is checked for revocation, at every link of the chain, and
    refused when a list is missing or stale; a domain that does not is not checked at all.
    Raises ``Fatal(CONFIG_INVALID)`` for material that cannot be used.
    """

    def __init__(
        self,
        roots: Mapping[str, bytes],
        crls: Mapping[str, Sequence[bytes]] | None = None,
    ) -> None:
        self.reload(roots, crls)

    def reload(
        self,
        roots: Mapping[str, bytes],
        crls: Mapping[str, Sequence[bytes]] | None = None,
    ) -> None:
        """Take new material whole, and forget every earlier verdict; on error nothing changes."""
        stores = {
            domain: Store(_roots(certificates_of(pem, f"root bundle of {domain}")))
            for domain, pem in roots.items()
        }
        revocation = {
            domain: Revocation(
                [one for pem in pems for one in revocation_lists_of(pem, f"CRL of {domain}")]
            )
            for domain, pems in (crls or {}).items()
        }
        if not revocation.keys() <= stores.keys():
            raise Fatal(Reason.CONFIG_INVALID, "A CRL is configured for an unknown trust domain.")
        self._stores = stores
        self._revocation = revocation
        self._believed: dict[bytes, _Believed] = {}

    @property
    def trust_domains(self) -> frozenset[str]:
        """The domains this store has a root for."""
        return frozenset(self._stores)

    def identify(
        self,
        leaf_pem: bytes,
        intermediates_pem: Sequence[bytes],
        tls_version: str,
        now: datetime,
    ) -> PeerIdentity:
        """Who presents ``leaf_pem``, at ``now`` (aware UTC).

        A verdict is believed for ``IDENTITY_CACHE_S_MAX`` seconds, never beyond the chain's or the
        lists' own end. Raises ``Refused``: ``TLS_TOO_OLD``, ``IDENTITY_AMBIGUOUS`` (not exactly one
        SPIFFE URI), ``IDENTITY_FOREIGN`` (another domain's authority, or a domain without root),
        ``CERTIFICATE_REVOKED``, ``CERTIFICATE_REJECTED`` (all else, also a stale list).
        """
        if tls_version != TLS_VERSION:
            raise Refused(
                Reason.TLS_TOO_OLD, "Only TLS 1.3 is spoken here.", tls_version=tls_version[:16]
            )
        # The leaf alone is the key: once verified it is the same leaf whatever came beside it.
        known = self._believed.get(leaf_pem)
        if known is not None and known.since <= now < known.until:
            return known.identity
        fresh = self._verify(leaf_pem, intermediates_pem, now)
        while len(self._believed) >= limits.IDENTITIES_CACHED_MAX:
            self._believed.pop(next(iter(self._believed)), None)
        self._believed[leaf_pem] = fresh
        return fresh.identity

    def _verify(
        self, leaf_pem: bytes, intermediates_pem: Sequence[bytes], now: datetime
    ) -> _Believed:
        leaf, intermediates = _parse(leaf_pem, intermediates_pem)
        named = _spiffe_id_of(leaf)
        if named.trust_domain not in self._stores:
            raise Refused(
                Reason.IDENTITY_FOREIGN,
                "This node has no root for the certificate's trust domain.",
                trust_domain=named.trust_domain,
            )
        chain = self._chain(named, leaf, intermediates, now)
        until = min(now + timedelta(seconds=limits.IDENTITY_CACHE_S_MAX), *_ends(chain))
        revocation = self._revocation.get(named.trust_domain)
        if revocation is not None:
            until = min(until, revocation.check(chain, now))
        identity = PeerIdentity(
            named.trust_domain,
            named.kind,
            named.name,
            thumbprint_of(leaf),
            leaf.not_valid_after_utc,
        )
        return _Believed(identity, now, until)

    def _chain(
        self,
        named: SpiffeId,
        leaf: x509.Certificate,
        intermediates: list[x509.Certificate],
        now: datetime,
    ) -> list[x509.Certificate]:
        try:
            return _chain_to(self._stores[named.trust_domain], leaf, intermediates, now)
        except VerificationError as error:
            for domain, store in self._stores.items():
                if domain != named.trust_domain and _leads_to(store, leaf, intermediates, now):
                    raise Refused(
                        Reason.IDENTITY_FOREIGN,
                        "The certificate names one trust domain and another's authority made it.",
                        trust_domain=named.trust_domain,
                        issued_under=domain,
                    ) from error
            raise Refused(
                Reason.CERTIFICATE_REJECTED,
                "The certificate does not verify against the root of its trust domain.",
                trust_domain=named.trust_domain,
                detail=str(error)[:256],
            ) from error


class Revocation:
    """The revocation lists of one trust domain (RFC 5280 §5): full lists, no deltas.

    Raises ``Fatal(CONFIG_INVALID)`` for a list with a critical extension, since those change what
    the list means (delta, partial, indirect), or without an end.
    """

    def __init__(self, lists: Sequence[x509.CertificateRevocationList]) -> None:
        self._by_issuer: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
        for one in lists:
            if one.next_update_utc is None or any(e.critical for e in one.extensions):
                raise Fatal(
                    Reason.CONFIG_INVALID,
                    "A CRL must be a full one with a next update and no critical extension.",
                )
            self._by_issuer.setdefault(one.issuer, []).append(one)

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> datetime:
        """Check every certificate but the root; gives when the first list in use ends.

        Raises ``Refused(CERTIFICATE_REVOKED)``, or ``Refused(CERTIFICATE_REJECTED)`` when no
        current list of the issuer is at hand.
        """
        ends: list[datetime] = []
        for certificate, issuer in pairwise(chain):
            key = issuer.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            signed = [
                one
                for one in self._by_issuer.get(certificate.issuer, ())
                if one.is_signature_valid(key)
            ]
            for one in signed:
                # Also a stale list is believed in what it revokes.
                if one.get_revoked_certificate_by_serial_number(certificate.serial_number):
                    raise Refused(Reason.CERTIFICATE_REVOKED, "The certificate was revoked.")
            current = [
                one.next_update_utc
                for one in signed
                if one.next_update_utc and one.last_update_utc <= now < one.next_update_utc
            ]
            if not current:
                raise Refused(
                    Reason.CERTIFICATE_REJECTED,
                    "No current revocation list of the certificate's issuer is at hand.",
                )
            ends.append(max(current))
        return min(ends)


def _roots(roots: list[x509.Certificate]) -> list[x509.Certificate]:
    for root in roots:
        if not isinstance(root.public_key(), ec.EllipticCurvePublicKey):
            raise Fatal(Reason.CONFIG_INVALID, "A root certificate must have a P-256 or P-384 key.")
    return roots


def _parse(
    leaf_pem: bytes, intermediates_pem: Sequence[bytes]
) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """Leaf and intermediates, within bounds; raises ``Refused(CERTIFICATE_REJECTED)``."""
    pems = (leaf_pem, *intermediates_pem)
    if sum(map(len, pems)) > limits.CREDENTIAL_FILE_BYTES_MAX:
        raise _rejected("The certificate chain is too large.")
    try:
        leaves = x509.load_pem_x509_certificates(leaf_pem)
        rest = [c for pem in intermediates_pem for c in x509.load_pem_x509_certificates(pem)]
        keys = [one.public_key() for one in (*leaves, *rest)]
        positive = all(one.serial_number > 0 for one in (*leaves, *rest))
    except MALFORMED as error:
        raise _rejected("The certificate chain cannot be read.") from error
    if len(leaves) != 1 or len(rest) > limits.CERTIFICATE_INTERMEDIATES_MAX:
        raise _rejected("The certificate chain has too many certificates.")
    if not positive:
        raise _rejected("A certificate's serial number must be positive (RFC 5280 §4.1.2.2).")
    # gRPC's TLS speaks no Ed25519 or ML-DSA certificate, and RSA ones would reopen TLS 1.2 suites.
    if not all(
        isinstance(key, ec.EllipticCurvePublicKey)
        and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
        for key in keys
    ):
        raise _rejected("Transport certificates have P-256 or P-384 keys.")
    return leaves[0], rest


def _spiffe_id_of(leaf: x509.Certificate) -> SpiffeId:
    """The one URI of the certificate; raises ``Refused(IDENTITY_AMBIGUOUS)`` unless exactly one."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    except MALFORMED as error:
        raise _rejected("The certificate's extensions cannot be read.") from error
    if len(uris) != 1:
        raise Refused(
            Reason.IDENTITY_AMBIGUOUS,
            "A certificate must carry exactly one URI, its SPIFFE id.",
            uris=str(len(uris)),
        )
    return SpiffeId.parse(uris[0])


def _chain_to(
    store: Store, leaf: x509.Certificate, intermediates: list[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """Leaf to root. Checks signatures, times, client EKU, path length; ``VerificationError``."""
    builder = PolicyBuilder().store(store).time(now.replace(tzinfo=None))
    verifier = builder.max_chain_depth(limits.CERTIFICATE_INTERMEDIATES_MAX).build_client_verifier()
    try:
        return verifier.verify(leaf, intermediates).chain
    except MALFORMED as error:
        raise VerificationError(str(error)) from error


def _leads_to(
    store: Store, leaf: x509.Certificate, intermediates: list[x509.Certificate], now: datetime
) -> bool:
    try:
        _chain_to(store, leaf, intermediates, now)
    except VerificationError:
        return False
    return True


def _ends(chain: Sequence[x509.Certificate]) -> list[datetime]:
    return [one.not_valid_after_utc for one in chain]


def _rejected(sentence: str) -> Refused:
    return Refused(Reason.CERTIFICATE_REJECTED, sentence)
