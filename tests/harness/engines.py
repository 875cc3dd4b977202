"""The embedded engine, compiling each revision once for the whole test run.

Compiling takes most of a start in memory, and tests start nodes by the hundred. Each load still is
a snapshot of its own, closed on its own; only what was compiled stays. ``tests/contract`` and
``tests/unit/policy/engine`` load for real.
"""

from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.engine.embedded import EmbeddedSnapshot, Library
from xbgateway.policy.engine.port import Bundle


class _Kept(Library):
    """A loaded library that keeps what was compiled."""

    def __init__(self, of: Library) -> None:
        self.__dict__ = of.__dict__

    def release(self, handle: int) -> None:
        """The next start wants it again."""


class CompilingOnce(EmbeddedEngine):
    """As the product's engine, with a memory by revision."""

    def __init__(self) -> None:
        super().__init__()
        self._compiled: dict[str, EmbeddedSnapshot] = {}

    def load(self, bundle: Bundle) -> EmbeddedSnapshot:
        first = self._compiled.get(bundle.revision)
        if first is None:
            first = self._compiled[bundle.revision] = super().load(bundle)
        return EmbeddedSnapshot(_Kept(self._loaded()), first._handle, bundle.revision)
