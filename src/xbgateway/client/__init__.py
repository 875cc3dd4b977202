"""The SDK for service systems: call the other side through the own node, and keep the receipt.

    async with Gateway.connect(address, certificate=…, key=…, roots=…, party=…, node=…) as gateway:
        fss = ContributionServiceStub(gateway.channel())
        answer, receipt = await gateway.call(fss.QueryContributions, request, purpose=…, scenario=…)

It knows the wire contract and nothing of a node's inside: it imports ``model`` and ``api`` only.
"""

from xbgateway.client.errors import GatewayCallError
from xbgateway.client.gateway import Gateway, ProvenEntry, Receipt
from xbgateway.client.tokens import TokenMint, TokenSource

__all__ = ["Gateway", "GatewayCallError", "ProvenEntry", "Receipt", "TokenMint", "TokenSource"]
