"""Making certificates for development and tests: root, intermediate, leaf, revocation list.

A production node gets its certificates from its jurisdiction's own authority; nothing here runs
there. Keys are P-256, because gRPC's TLS speaks no Ed25519 certificate and path validation takes no
Ed25519 authority. No name constraints: the validator refuses any chain that has a URI constraint,
which is one more reason why each trust domain has its own root.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Machines' clocks differ a little; a certificate is good a few minutes before it was made.
BACKDATED = timedelta(minutes=5)
BOTH_USES = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return pem_of(self.certificate)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a leaf may be served: names and addresses that TLS checks besides the SPIFFE id."""

    names: tuple[str, ...] = ("localhost",)
    addresses: tuple[str, ...] = ("127.0.0.1",)

    def general_names(self) -> list[x509.GeneralName]:
        """As subject alternative names."""
        return [
            *(x509.DNSName(name) for name in self.names),
            *(x509.IPAddress(ipaddress.ip_address(one)) for one in self.addresses),
        ]


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(certificate: x509.Certificate) -> bytes:
    """One certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM)


def issue_root(name: str, now: datetime, lifetime: timedelta) -> Authority:
    """A self-signed root that allows one intermediate level."""
    key = new_key()
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), now, lifetime)
    return Authority(_authority_extensions(builder, 1).sign(key, hashes.SHA256()), key)


def issue_intermediate(root: Authority, name: str, now: datetime, lifetime: timedelta) -> Authority:
    """An intermediate under ``root`` that may sign leaves only."""
    key = new_key()
    issuer = root.certificate.subject
    builder = _builder(_name(name), issuer, key.public_key(), now, lifetime)
    signed = _authority_extensions(_issued_by(builder, root), 0).sign(root.key, hashes.SHA256())
    return Authority(signed, key)


def issue_leaf(
    authority: Authority,
    public: CertificatePublicKeyTypes,
    names: Sequence[x509.GeneralName],
    now: datetime,
    lifetime: timedelta,
    *,
    uses: Sequence[x509.ObjectIdentifier] = BOTH_USES,
) -> x509.Certificate:
    """A leaf for ``names``, valid from ``now`` for ``lifetime``, for the given extended uses."""
    subject = _name("xbgateway leaf")
    builder = _builder(subject, authority.certificate.subject, public, now, lifetime)
    builder = _issued_by(builder, authority)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return builder.sign(authority.key, hashes.SHA256())


def issue_revocation_list(
    authority: Authority,
    revoked: Iterable[x509.RevokedCertificate],
    number: int,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateRevocationList:
    """The authority's list number ``number``, good until ``now + lifetime``."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - BACKDATED)
        .next_update(now + lifetime)
        .add_extension(x509.CRLNumber(number), False)
        .add_extension(_authority_key_id(authority), False)
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(one)
    return builder.sign(authority.key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: CertificatePublicKeyTypes,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    )


def _issued_by(builder: x509.CertificateBuilder, issuer: Authority) -> x509.CertificateBuilder:
    return builder.add_extension(_authority_key_id(issuer), False)


def _authority_key_id(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _authority_extensions(
    builder: x509.CertificateBuilder, path_length: int
) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    builder = builder.add_extension(constraints, True)
    return builder.add_extension(_key_usage(signs_certificates=True), True)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
