"""Tokens that say which system or officer of a party is calling (JWT, RFC 7519).

A token is signed by the party's own key, names this node as its audience, lives an hour at most
and is bound to the client certificate (``cnf``, RFC 8705 §3.1), so a stolen one is worth nothing
alone. The key decides the algorithm, never the token. The time is passed in.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from xbgateway.identity.keyfiles import check_ed25519_public
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, Reason, Refused

Algorithm = Literal["EdDSA", "ES256"]
_REQUIRED = ("iss", "sub", "aud", "exp", "cnf")
_SUBJECT_CHARS_MAX = 128
_THUMBPRINT_CHARS = 43
# Times are checked here against the time passed in; the library would ask the machine's clock.
_SIGNATURE_ONLY: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "require": list(_REQUIRED),
}


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One public key of a party, by ``kid``. Sound once made: raises ``Refused(KEY_WEAK)``."""

    kid: str
    public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

    def __post_init__(self) -> None:
        if isinstance(self.public, ed25519.Ed25519PublicKey):
            check_ed25519_public(self.public.public_bytes_raw())
        elif not isinstance(self.public.curve, ec.SECP256R1):
            raise Refused(Reason.KEY_WEAK, "A token key is Ed25519 or P-256.", kid=self.kid)

    @property
    def algorithm(self) -> Algorithm:
        """The one algorithm this key verifies."""
        return "EdDSA" if isinstance(self.public, ed25519.Ed25519PublicKey) else "ES256"

    @classmethod
    def from_jwk(cls, fields: Mapping[str, object]) -> "TokenKey":
        """A public JWK (RFC 7517) with ``kid``.

        Raises ``Fatal(CONFIG_INVALID)``, also for one with a private part, and
        ``Refused(KEY_WEAK)``.
        """
        kid = fields.get("kid")
        if not isinstance(kid, str) or not kid or "d" in fields:
            raise Fatal(Reason.CONFIG_INVALID, "A token key needs a kid and no private part.")
        try:
            key = jwt.PyJWK(dict(fields)).key
        except (jwt.PyJWTError, ValueError) as error:
            raise Fatal(Reason.CONFIG_INVALID, f"A token key is no usable JWK: {error}.") from error
        return cls._of(kid, key)

    @classmethod
    def from_pem(cls, kid: str, pem: bytes) -> "TokenKey":
        """A public key in PEM. Raises ``Fatal(CONFIG_INVALID)`` or ``Refused(KEY_WEAK)``."""
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise Fatal(Reason.CONFIG_INVALID, "A token key is no usable public PEM.") from error
        return cls._of(kid, key)

    @classmethod
    def _of(cls, kid: str, key: object) -> "TokenKey":
        if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
            raise Refused(Reason.KEY_WEAK, "A token key is Ed25519 or P-256.", kid=kid)
        return cls(kid, key)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the party, its system's or officer's opaque id, and until when (aware UTC).

    ``roles`` are the offices that the party says this person holds; whether the party may give
    them away is the register's to say.
    """

    party: str
    subject: str
    expires_at: datetime
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    thumbprint: str
    not_before_s: float
    expires_s: float


class TokenVerifier:
    """Verifies the tokens of the parties this node knows.

    ``issuers`` maps a party id to its keys, as :class:`TokenKey` or as JWK; ``audience`` is this
    node's SPIFFE id. With ``certificate_required`` (the default) a call without client certificate
    is refused, since a bound token proves nothing without it; without, a certificate that is
    there must still match.
    """

    def __init__(
        self,
        issuers: Mapping[str, Sequence[TokenKey | Mapping[str, object]]],
        audience: str,
        *,
        certificate_required: bool = True,
    ) -> None:
        self._audience = audience
        self._certificate_required = certificate_required
        self._keys: dict[tuple[str, str], TokenKey] = {}
        for party, keys in issuers.items():
            for one in keys:
                key = one if isinstance(one, TokenKey) else TokenKey.from_jwk(one)
                if self._keys.setdefault((party, key.kid), key) is not key:
                    raise Fatal(Reason.CONFIG_INVALID, "A party has two keys of one kid.")
        self._verified: dict[bytes, _Verified] = {}

    @classmethod
    def of_files(cls, files: Mapping[str, Sequence[Path]], audience: str) -> "TokenVerifier":
        """The keys that sign tokens, by party. A file is PEM; its key id is the file's stem."""
        issuers = {
            party: [TokenKey.from_pem(path.stem, path.read_bytes()) for path in paths]
            for party, paths in files.items()
        }
        return cls(issuers, audience)

    def verify(self, token: str | None, thumbprint: str | None, now: datetime) -> Caller:
        """Who the token speaks for, at ``now`` (aware UTC), over a channel of that thumbprint.

        A verified token is remembered by its hash until it expires; time and binding are checked
        every time. Raises ``Refused(TOKEN_MISSING | TOKEN_REJECTED | TOKEN_EXPIRED |
        TOKEN_AUDIENCE | TOKEN_UNBOUND)``.
        """
        if not token:
            raise Refused(Reason.TOKEN_MISSING, "The call carries no token.")
        if len(token) > limits.TOKEN_BYTES_MAX or not token.isascii():
            raise _rejected("is too long or not ASCII")
        name = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(name)
        verified = known or self._read(token, now)
        _check_time(verified, now)
        self._check_binding(verified, thumbprint)
        if known is None:
            while len(self._verified) >= limits.TOKENS_CACHED_MAX:
                self._verified.pop(next(iter(self._verified)), None)
            self._verified[name] = verified
        return verified.caller

    def _read(self, token: str, now: datetime) -> _Verified:
        """Signature, issuer, audience and form; what cannot change for these bytes."""
        claims = self._signed_claims(token)
        if claims["aud"] != self._audience:
            raise Refused(Reason.TOKEN_AUDIENCE, "The token is meant for another node.")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
            raise _rejected("has no usable subject")
        expires_s, issued_s = _instant(claims, "exp"), _instant(claims, "iat", now.timestamp())
        not_before_s = max(issued_s, _instant(claims, "nbf", issued_s)) - limits.TOKEN_SKEW_S_MAX
        lifetime_s = expires_s - min(issued_s, now.timestamp())
        if lifetime_s > limits.TOKEN_LIFETIME_S_MAX:
            raise _rejected("lives longer than tokens may")
        confirmation = claims["cnf"]
        thumbprint = confirmation.get("x5t#S256") if isinstance(confirmation, dict) else None
        if not isinstance(thumbprint, str) or len(thumbprint) != _THUMBPRINT_CHARS:
            raise Refused(Reason.TOKEN_UNBOUND, "The token is bound to no certificate.")
        expires_at = datetime.fromtimestamp(expires_s, UTC)
        caller = Caller(claims["iss"], subject, expires_at, _roles(claims))
        return _Verified(caller, thumbprint, not_before_s, expires_s)

    def _signed_claims(self, token: str) -> dict[str, Any]:
        """The claims, under a key that issuer and kid name together."""
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            issuer, kid = unverified["payload"].get("iss"), unverified["header"].get("kid")
            if not isinstance(issuer, str) or not isinstance(kid, str):
                raise _rejected("names no issuer or no key")
            key = self._keys.get((issuer, kid))
            if key is None:
                raise _rejected("is of an issuer and key that this node does not know")
            return jwt.decode(
                token, key.public, algorithms=[key.algorithm], options=_SIGNATURE_ONLY
            )
        except jwt.MissingRequiredClaimError as error:
            if error.claim == "cnf":
                raise Refused(
                    Reason.TOKEN_UNBOUND, "The token is bound to no certificate."
                ) from error
            raise _rejected(f"has no claim {error.claim}") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise _rejected("does not verify under its issuer's key") from error

    def _check_binding(self, verified: _Verified, thumbprint: str | None) -> None:
        if thumbprint is None and not self._certificate_required:
            return
        if thumbprint is None or not hmac.compare_digest(
            verified.thumbprint.encode(), thumbprint.encode()
        ):
            raise Refused(
                Reason.TOKEN_UNBOUND, "The token is bound to another certificate than the call's."
            )


def mint_token(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    kid: str,
    *,
    party: str,
    subject: str,
    audience: str,
    thumbprint: str,
    now: datetime,
    lifetime_s: int = 300,
    roles: Sequence[str] = (),
) -> str:
    """A token as ``TokenVerifier`` accepts it: for the SDK and the development CLI."""
    issued_at = int(now.timestamp())
    claims = {
        "iss": party,
        "sub": subject,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + lifetime_s,
        "cnf": {"x5t#S256": thumbprint},
        **({"roles": list(roles)} if roles else {}),
    }
    algorithm = "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "ES256"
    return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def _check_time(verified: _Verified, now: datetime) -> None:
    now_s = now.timestamp()
    if now_s >= verified.expires_s:
        raise Refused(Reason.TOKEN_EXPIRED, "The token has expired.")
    if now_s < verified.not_before_s:
        raise _rejected("is not valid yet")


def _instant(claims: Mapping[str, Any], name: str, otherwise: float | None = None) -> float:
    """A NumericDate in Unix seconds, within what a datetime can say."""
    value = claims.get(name, otherwise)
    last = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= last.timestamp():
        raise _rejected(f"has no usable time in {name}")
    return float(value)


def _roles(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The claim ``roles`` (RFC 9068 §2.2.3.1): a short list of different words, or nothing."""
    found = claims.get("roles", [])
    sound = isinstance(found, list) and all(
        isinstance(role, str) and 0 < len(role) <= _SUBJECT_CHARS_MAX for role in found
    )
    if not sound or len(set(found)) != len(found) or len(found) > limits.TOKEN_ROLES_MAX:
        raise _rejected("has no usable list of roles")
    return tuple(found)


def _rejected(what: str) -> Refused:
    return Refused(Reason.TOKEN_REJECTED, f"The token {what}.")
