"""Who calls: certificate and token of one call, read together into one value.

Both say the same party, or there is no caller. Permission comes before existence: what a party may
call and whether a thing exists are asked only after this has given a :class:`Caller`. It keeps no
session; the verdicts on certificates and tokens are remembered by ``identity`` for a minute.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from xbgateway.identity import PeerIdentity, TokenVerifier, TrustStore
from xbgateway.model.clock import Clock
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import Register

Context = grpc.aio.ServicerContext[Any, Any]

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. ``subject`` is opaque and never leaves this node."""

    party: str
    subject: str
    tls: str  # "TLSv1.3"
    auditor: bool
    roles: frozenset[str] = frozenset()  # offices that the token claims and the party may give

    def officer(self, role: str) -> str:
        """Who acts in this office: the person's opaque id. Raises ``Refused(ROLE_REQUIRED)``."""
        if role not in self.roles:
            raise Refused(Reason.ROLE_REQUIRED, "Only an officer of this role may.", role=role)
        return self.subject


class Identities:
    """Reads callers and peer nodes from the contexts of their calls.

    ``trust_domains`` are those whose authorities may vouch for callers of this node. ``register``
    gives the register in use, so that a change of it bites at the next call.
    """

    def __init__(
        self,
        *,
        node: str,
        trust_domains: Collection[str],
        trust: TrustStore,
        tokens: TokenVerifier,
        register: Callable[[], Register],
        clock: Clock,
        token_required: bool = True,
    ) -> None:
        self._node = node
        self._trust_domains = frozenset(trust_domains)
        self._trust = trust
        self._tokens = tokens
        self._register = register
        self._clock = clock
        self._token_required = token_required

    def caller(self, context: Context) -> Caller:
        """The party that calls. Raises ``Refused`` with a reason for each thing that is wrong."""
        peer, tls = self._peer(context)
        if peer.kind != "party":
            raise Refused(
                Reason.IDENTITY_AMBIGUOUS,
                "Only a party's certificate may call here.",
                kind=peer.kind,
            )
        # Another side's authority could vouch for a party name of ours: it may not.
        if peer.trust_domain not in self._trust_domains:
            raise Refused(
                Reason.IDENTITY_FOREIGN,
                "The certificate is of another side's authority.",
                trust_domain=peer.trust_domain,
            )
        subject, claimed = self._subject(context, peer)
        party = self._register().party(peer.name)
        if party.node != self._node:
            raise Refused(
                Reason.PARTY_NOT_HERE, "The party belongs to another node.", party=party.id
            )
        roles = frozenset(claimed) & frozenset(party.officer_roles)
        return Caller(party.id, subject, tls, party.auditor, roles)

    def node(self, context: Context) -> str:
        """The id of the node at the other end of a peer link. Raises ``Refused``."""
        peer, _tls = self._peer(context)
        if peer.kind != "node":
            raise Refused(
                Reason.PEER_UNKNOWN, "Only a node's certificate may link.", kind=peer.kind
            )
        found = self._register().node(peer.name)
        if found.trust_domain != peer.trust_domain:
            raise Refused(
                Reason.IDENTITY_FOREIGN,
                "The node belongs to another trust domain.",
                trust_domain=peer.trust_domain,
            )
        return peer.name

    def _peer(self, context: Context) -> tuple[PeerIdentity, str]:
        """Who is at the other end, and what the connection speaks."""
        properties = context.auth_context()  # made anew by gRPC at each call: ask once
        tls = _tls_of(properties)
        leaf = _one(properties, "x509_pem_cert")
        # gRPC leaves ``peer_spiffe_id`` out when a certificate has two URIs (crypto.md §5).
        spiffe = _one(properties, "peer_spiffe_id")
        peer = self._trust.identify(
            leaf,
            tuple(properties.get("x509_pem_cert_chain") or ()),
            tls,
            self._clock.now(),
        )
        if peer.spiffe_id.encode() != spiffe:
            raise Refused(
                Reason.IDENTITY_AMBIGUOUS, "Two readings of the certificate's identity differ."
            )
        return peer, tls

    def _subject(self, context: Context, peer: PeerIdentity) -> tuple[str, tuple[str, ...]]:
        """The person or system that calls, and the offices claimed. A certificate names none."""
        token = bearer(context)
        if token is None and not self._token_required:
            return peer.spiffe_id, ()
        who = self._tokens.verify(token, peer.thumbprint_b64url, self._clock.now())
        if who.party != peer.name:
            raise Refused(
                Reason.IDENTITY_AMBIGUOUS, "Certificate and token name different parties."
            )
        return who.subject, who.roles


def bearer(context: Context) -> str | None:
    """The bearer token of a call, or None; ``Refused(TOKEN_REJECTED)`` for any other form."""
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not found:
        return None
    value = found[0]
    if len(found) != 1 or not isinstance(value, str) or not value.lower().startswith(_BEARER):
        raise Refused(Reason.TOKEN_REJECTED, "There is not exactly one bearer token.")
    return value[len(_BEARER) :].strip()


def tls_version(context: Context) -> str:
    """``TLSv1.3`` or what else the connection speaks; empty where it speaks no TLS."""
    return _tls_of(context.auth_context())


def _tls_of(properties: Mapping[str, Any]) -> str:
    found = tuple(properties.get("ssl_tls_version") or ())
    return found[0].decode("ascii", "replace") if len(found) == 1 else ""


def source(context: Context) -> str:
    """The network source of a call without its port: what refusals are summed by."""
    address, _, _port = context.peer().rpartition(":")
    return address or "unknown"


def _one(properties: Mapping[str, Any], name: str) -> bytes:
    found = tuple(properties.get(name) or ())
    if len(found) != 1 or not isinstance(found[0], bytes):
        raise Refused(
            Reason.IDENTITY_AMBIGUOUS,
            "The connection does not show exactly one certificate with one SPIFFE id.",
            missing=name,
        )
    return found[0]
