"""Identity: who is at the other end of a channel, who signed a token, and where keys lie on disk.

It stands before *admit* and below the peer link: it takes PEM, tokens, paths and the time, and
gives verified identities or raises. It knows no gRPC, opens no socket and decides nothing about
what an identity may do. ``certs`` makes development material and is used by nothing at run time.
"""

from xbgateway.identity.files import CertificateFiles, CertificateSet, ReloadingFile
from xbgateway.identity.keyfiles import (
    check_ed25519_public,
    load_ed25519,
    load_rest_key,
    load_seal_seed,
    load_transport_key,
)
from xbgateway.identity.pem import thumbprint_of
from xbgateway.identity.spiffe import SpiffeId
from xbgateway.identity.tokens import Caller, TokenKey, TokenVerifier, mint_token
from xbgateway.identity.trust import PeerIdentity, TrustStore

__all__ = [
    "Caller",
    "CertificateFiles",
    "CertificateSet",
    "PeerIdentity",
    "ReloadingFile",
    "SpiffeId",
    "TokenKey",
    "TokenVerifier",
    "TrustStore",
    "check_ed25519_public",
    "load_ed25519",
    "load_rest_key",
    "load_seal_seed",
    "load_transport_key",
    "mint_token",
    "thumbprint_of",
]
