"""Server reflection over two pools: the node's own services, and the registered catalogue.

So grpcurl, pointed at a node, can list and call the providers' methods as if they were here. The
pools never mix: what a provider registers cannot stand for one of our own types.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from xbgateway.register import Catalogue

_OWN = ("xbgateway.api.exchange.", "xbgateway.api.log.", "xbgateway.api.link.", "grpc.")


class _Pools:
    """What the reflection servicer asks of a descriptor pool, answered from the right one."""

    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        self._catalogue = catalogue

    def FindFileByName(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        own = name.startswith(tuple(prefix.replace(".", "/") for prefix in _OWN))
        return self._first(own, lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        own = symbol.startswith(_OWN)
        return self._first(own, lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        return self._first(name.startswith(_OWN), lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:  # noqa: N802
        return message.file.pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Any) -> Any:  # noqa: N802
        return message.file.pool.FindAllExtensions(message)

    def _first(self, own: bool, find: Callable[[Any], Any]) -> Any:
        """The find in the pool that the name belongs to, else in the other; ``KeyError``."""
        pools: Sequence[Any] = (descriptor_pool.Default(), self._catalogue().pool)
        first, second = pools if own else reversed(pools)
        try:
            return find(first)
        except KeyError:
            return find(second)


class Reflection(reflection.aio.ReflectionServicer):
    """Lists the node's services and those of the register in use."""

    def __init__(self, own: Iterable[str], catalogue: Callable[[], Catalogue]) -> None:
        super().__init__(own, _Pools(catalogue))
        self._own = tuple(own)
        self._registered = catalogue

    def _list_services(self, request: Any) -> Any:
        # The register may have changed since the server started.
        names = sorted({*self._own, *self._registered().services})
        return reflection_pb2.ServerReflectionResponse(
            list_services_response=reflection_pb2.ListServiceResponse(
                service=[reflection_pb2.ServiceResponse(name=name) for name in names]
            ),
            original_request=request,
        )
