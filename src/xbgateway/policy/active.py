"""The revision in use: one value that is swapped whole, so that nothing is decided by halves.

Whoever decides reads :attr:`Active.now` once and goes on with it. What was decided by another
revision than the one in use when it is recorded is stale (``store/transaction.py``), and decided
again; so no record ever mixes two.
"""

from collections.abc import Callable
from dataclasses import dataclass

from xbgateway.policy.duties import DutyBook
from xbgateway.policy.engine.port import Engine, Snapshot
from xbgateway.policy.memo import Decider, Memo
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import Revision
from xbgateway.policy.tables import Tables


@dataclass(frozen=True, slots=True)
class InForce:
    """One revision with all that follows from it."""

    revision: Revision
    snapshot: Snapshot
    decider: Decider
    duties: DutyBook


class Active:
    """Which revision is in use. ``now`` is replaced on the event loop only; any thread may read."""

    def __init__(
        self,
        engine: Engine,
        memo: Memo | None,
        timeout_ms: int,
        own: Callable[[str], bool],
        revision: Revision,
    ) -> None:
        self._engine = engine
        self._memo = memo
        self._timeout_ms = timeout_ms
        self._own = own
        self.now = self.loaded(revision)

    @property
    def tables(self) -> Tables:
        """The officers' tables in use."""
        return self.now.revision.tables

    def loaded(self, revision: Revision) -> InForce:
        """A revision ready to decide. Blocks. Raises as :meth:`Engine.load` does."""
        snapshot = self._engine.load(revision.bundle())
        decider = Decider(snapshot, Projector(revision), revision, self._memo, self._timeout_ms)
        return InForce(revision, snapshot, decider, DutyBook(revision.tables, self._own))
