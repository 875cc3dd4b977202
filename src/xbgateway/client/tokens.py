"""Bearer tokens of a party's system: minted here, bound to its certificate, renewed in time.

A token says which system of which party speaks (``iss``, ``sub``), to which node (``aud``), for at
most an hour, and over which certificate (``cnf``, RFC 8705 §3.1). Keys stay in this process.
"""

import base64
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# What an own identity provider fits into: called before each RPC, so it should remember its token.
TokenSource = Callable[[], str | Awaitable[str]]

LIFETIME_S = 600
LIFETIME_S_MAX = 3600
# A token is renewed when this share of its life is left: slow calls and clock skew fit into it.
RENEWED_BELOW = 0.2


class TokenMint:
    """A :data:`TokenSource` that signs its own tokens with the party's key.

    ``key`` and ``certificate`` are PEM; the key is Ed25519 or P-256 and its public half is known
    to the node under ``kid``. ``roles`` are the offices of the person who acts. Raises
    ``ValueError`` for another kind of key or a lifetime that a node would refuse.
    """

    def __init__(
        self,
        *,
        key: bytes,
        certificate: bytes,
        party: str,
        system: str,
        node: str,
        kid: str = "1",
        lifetime_s: int = LIFETIME_S,
        roles: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < lifetime_s <= LIFETIME_S_MAX:
            raise ValueError(f"a token lives 1 to {LIFETIME_S_MAX} seconds")
        private = load_pem_private_key(key, password=None)
        if isinstance(private, ed25519.Ed25519PrivateKey):
            self._algorithm = "EdDSA"
        elif isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(
            private.curve, ec.SECP256R1
        ):
            self._algorithm = "ES256"
        else:
            raise ValueError("a token key is Ed25519 or P-256")  # noqa: TRY004 - a PEM's content
        self._key = private
        self._claims = {
            "iss": party,
            "sub": system,
            "aud": node,
            "cnf": {"x5t#S256": certificate_thumbprint(certificate)},
            **({"roles": list(roles)} if roles else {}),
        }
        self._kid = kid
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    def __call__(self) -> str:
        """The current token, or a new one when little of its life is left."""
        now = self._clock()
        if now >= self._renew_at:
            issued = int(now)
            claims = {
                **self._claims,
                "iat": issued,
                "exp": issued + self._lifetime_s,
                "jti": str(uuid.uuid4()),
            }
            self._token = jwt.encode(
                claims, self._key, algorithm=self._algorithm, headers={"kid": self._kid}
            )
            self._renew_at = issued + self._lifetime_s * (1 - RENEWED_BELOW)
        return self._token


def certificate_thumbprint(pem: bytes) -> str:
    """``x5t#S256`` of the first certificate in ``pem`` (RFC 8705 §3.1)."""
    digest = x509.load_pem_x509_certificate(pem).fingerprint(SHA256())
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
