"""Real authorities, leaves and revocation lists made on the fly, for the tests of this room."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from xbgateway.identity import TrustStore
from xbgateway.identity.issuing import (
    BOTH_USES,
    Authority,
    Hosts,
    issue_intermediate,
    issue_leaf,
    issue_revocation_list,
    issue_root,
    new_key,
)
from xbgateway.model.errors import GatewayError, Reason

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TLS13 = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Side:
    """One jurisdiction's authorities."""

    domain: str
    root: Authority
    issuer: Authority

    @classmethod
    def make(cls, name: str) -> "Side":
        root = issue_root(f"{name} root", NOW, 100 * DAY)
        return cls(f"{name}.xbg.test", root, issue_intermediate(root, name, NOW, 50 * DAY))

    def uri(self, kind: str = "node", name: str = "one") -> str:
        return f"spiffe://{self.domain}/{kind}/{name}"

    def leaf(
        self,
        *uris: str,
        now: datetime = NOW,
        uses: Sequence[x509.ObjectIdentifier] = BOTH_USES,
        public: CertificatePublicKeyTypes | None = None,
    ) -> x509.Certificate:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris or (self.uri(),)]
        key = public or new_key().public_key()
        return issue_leaf(
            self.issuer, key, [*names, *Hosts().general_names()], now, 7 * DAY, uses=uses
        )

    def crls(
        self,
        *revoked: x509.Certificate,
        now: datetime = NOW,
        lifetime: timedelta = DAY,
        signer: Authority | None = None,
    ) -> list[bytes]:
        """The lists of root and intermediate; ``signer`` signs the intermediate's in its name."""
        entries = [
            x509.RevokedCertificateBuilder()
            .serial_number(one.serial_number)
            .revocation_date(now)
            .build()
            for one in revoked
        ]
        issuer = self.issuer if signer is None else replace(self.issuer, key=signer.key)
        return [
            issue_revocation_list(one, entries, 1, now, lifetime).public_bytes(Encoding.PEM)
            for one in (self.root, issuer)
        ]


ZHUHAI = Side.make("zhuhai")
MACAO = Side.make("macao")
ROOTS = {side.domain: side.root.pem for side in (ZHUHAI, MACAO)}


def trust() -> TrustStore:
    return TrustStore(ROOTS)


def intermediate_with_use(root: Authority, use: x509.ObjectIdentifier) -> Authority:
    """An intermediate whose own extended use narrows what its leaves may do."""
    key = new_key()
    plain = issue_intermediate(root, "narrow", NOW, 50 * DAY).certificate
    builder = x509.CertificateBuilder(
        issuer_name=plain.issuer,
        subject_name=plain.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW - DAY,
        not_valid_after=NOW + DAY,
    )
    for extension in plain.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return Authority(builder.sign(root.key, hashes.SHA256()), key)


def reason_of(error: BaseException) -> Reason:
    assert isinstance(error, GatewayError)
    return error.reason
