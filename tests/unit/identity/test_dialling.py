"""gRPC's words of a connection that failed, as release 1.85 says them."""

import pytest

from xbgateway.identity.dialling import dialling_reason
from xbgateway.model.errors import Reason

FIRST = "failed to connect to all addresses; last error: "
EACH = "connections to all backends failing; last error: "
AT = "ipv4:127.0.0.1:1"
TLS = f"{FIRST}UNKNOWN: {AT}: Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:"
HOST = "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            f"{TLS}CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK",
            Reason.NODE_UNTRUSTED,
        ),
        (f"{EACH}UNKNOWN: {AT}: {HOST} Check failed.", Reason.NODE_UNTRUSTED),
        (f"{FIRST}UNAVAILABLE: {AT}: Socket closed", Reason.HANDSHAKE_FAILED),
        (f"{EACH}UNAVAILABLE: ipv6:%5B::1%5D:1: Socket closed", Reason.HANDSHAKE_FAILED),
        (
            f"{TLS}WRONG_VERSION_NUMBER: Invalid certificate verification context",
            Reason.HANDSHAKE_FAILED,
        ),
        (f"{FIRST}UNKNOWN: {AT}: recvmsg:Connection reset by peer", Reason.HANDSHAKE_FAILED),
        # The way, not the certificates; and a connection that was open.
        (f"{FIRST}UNKNOWN: {AT}: Failed to connect to remote host: refused", None),
        ("Socket closed", None),
        ("DNS resolution failed for node.test:1", None),
        ("The node is stopping.", None),
        ("", None),
    ],
)
def test_only_what_is_clear_has_a_reason(said: str, reason: Reason | None) -> None:
    assert dialling_reason(said) is reason
