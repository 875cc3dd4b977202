"""Methods of the other side, called on this node with the provider's own stubs."""

from tests.unit.server.edge import Edge
from tests.unit.server.fakes import WINDOW
from tests.unit.server.told import failure

from xbgateway.model.errors import Reason


async def test_who_asked_before_the_method_was_registered_no_more_is_answered(edge: Edge) -> None:
    words = edge.words()
    known = next(value for key, value in words if key == "xb-request-id")
    async with edge.channel() as channel:
        call = channel.unary_unary("/no.such.Service/Method")
        assert (await failure(call(b"ask", metadata=words))).reason == Reason.SERVICE_UNKNOWN
        edge.path.accepted[WINDOW, str(known)] = "an exchange"
        assert await call(b"ask", metadata=words) == b"echo:ask"
        assert edge.path.seen[-1].service == "no.such.Service"
        again = await failure(call(b"ask", metadata=edge.words(authorization=None)))
        assert again.reason == Reason.TOKEN_MISSING
