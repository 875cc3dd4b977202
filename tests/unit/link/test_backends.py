"""What the node makes of its own services: their answers, their absence, their silence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from xbgateway.exchange.ports import EffectUnknown, NotReached
from xbgateway.link import Backends, PeerChannels, channels
from xbgateway.link.channels import Target
from xbgateway.model import limits
from xbgateway.model.errors import Reason, Refused

SERVICE = "test.v1.Agency"
PATH = f"/{SERVICE}/Do"
Do = Callable[[bytes, Any], Awaitable[bytes]]


class Plain:
    """The node's own channels, without TLS."""

    def __init__(self) -> None:
        self._channels: dict[Target, grpc.aio.Channel] = {}

    def get(self, target: Target) -> grpc.aio.Channel:
        if target not in self._channels:
            made = grpc.aio.insecure_channel(target.address, options=channels._OPTIONS)
            self._channels[target] = made
        return self._channels[target]

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


@asynccontextmanager
async def agency(do: Do) -> AsyncIterator[Backends]:
    server, plain = grpc.aio.server(), Plain()
    handlers: Any = {"Do": grpc.unary_unary_rpc_method_handler(do)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    known = {
        SERVICE: Target(f"127.0.0.1:{port}", "z.test", "agency"),
        "test.v1.Gone": Target("127.0.0.1:1", "z.test", "gone"),
    }
    try:
        yield Backends(cast("PeerChannels", plain), known)
    finally:
        await plain.close()
        await server.stop(0)


@pytest.mark.parametrize("size", [1, limits.MESSAGE_BYTES_MAX + 1, limits.RECEIVE_BYTES_MAX])
async def test_an_answer_over_our_limit_comes_in_so_that_our_check_can_withhold_it(
    size: int,
) -> None:
    async def large(_payload: bytes, _context: Any) -> bytes:
        return b"x" * size

    async with agency(large) as backends:
        answered = await backends.call(PATH, b"", (), 10)
    assert (len(answered.payload), answered.code) == (size, 0)


async def test_what_grpc_does_not_take_in_is_told_as_the_services_failure() -> None:
    async def huge(_payload: bytes, _context: Any) -> bytes:
        return bytes(limits.RECEIVE_BYTES_MAX + 1)

    async with agency(huge) as backends:
        answered = await backends.call(PATH, b"", (), 10)
    assert answered.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert "larger than max" in answered.message


async def test_the_services_own_error_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(_payload: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "nobody of that number")
        raise AssertionError

    async with agency(refuse) as backends:
        answered = await backends.call(PATH, b"", (), 10)
    assert (answered.code, answered.message) == (5, "nobody of that number")
    assert not caplog.records


async def test_never_called_is_told_apart_from_perhaps_called() -> None:
    async def hang(_payload: bytes, _context: Any) -> bytes:
        await asyncio.sleep(60)
        raise AssertionError

    async with agency(hang) as backends:
        with pytest.raises(NotReached):
            await backends.call("/test.v1.Gone/Do", b"", (), 0.3)
        with pytest.raises(EffectUnknown):
            await backends.call(PATH, b"", (), 0.3)
        with pytest.raises(Refused) as error:
            await backends.call("/test.v1.Nowhere/Do", b"", (), 0.3)
    assert error.value.reason is Reason.SERVICE_UNKNOWN
