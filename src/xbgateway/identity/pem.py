"""Reading PEM into certificates and revocation lists, with one kind of error for bad input."""

import base64
import hashlib
import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason

# What the library raises for bytes that are no sound certificate; not all of them ValueErrors. The
# warning is what it gives for serial numbers below one where warnings are errors.
MALFORMED = (
    ValueError,
    CryptographyDeprecationWarning,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\s*", re.DOTALL)


def certificates_of(pem: bytes, what: str) -> list[x509.Certificate]:
    """All certificates of a configured PEM bundle; raises ``Fatal(CONFIG_INVALID)``."""
    check_size(pem, what)
    try:
        return x509.load_pem_x509_certificates(pem)
    except MALFORMED as error:
        raise Fatal(Reason.CONFIG_INVALID, f"The {what} cannot be read: {error}.") from error


def revocation_lists_of(pem: bytes, what: str) -> list[x509.CertificateRevocationList]:
    """All revocation lists of a configured PEM bundle, at least one; ``Fatal(CONFIG_INVALID)``."""
    check_size(pem, what)
    blocks = _LIST.findall(pem)
    try:
        lists = [x509.load_pem_x509_crl(block) for block in blocks]
    except MALFORMED as error:
        raise Fatal(Reason.CONFIG_INVALID, f"The {what} cannot be read: {error}.") from error
    if not lists or len(lists) != pem.count(b"-----BEGIN"):
        raise Fatal(Reason.CONFIG_INVALID, f"The {what} holds something else than CRLs.")
    return lists


def check_size(content: bytes, what: str) -> None:
    """Refuse a credential file larger than any of ours; raises ``Fatal(CONFIG_INVALID)``."""
    if len(content) > limits.CREDENTIAL_FILE_BYTES_MAX:
        raise Fatal(Reason.CONFIG_INVALID, f"The {what} is larger than a credential can be.")


def thumbprint_of(certificate: x509.Certificate) -> str:
    """``x5t#S256`` (RFC 8705): SHA-256 of the DER, base64url without padding, 43 characters."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def same_public_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether ``key`` is the private half of the certificate's key."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
