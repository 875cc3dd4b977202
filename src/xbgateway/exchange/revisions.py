"""Officers put another revision of the policies into use while the node runs.

One officer proposes a folder: it is checked in a process of its own, and what is unsound changes
nothing. A second one approves: the revision is loaded beside the one in use, the activation is
recorded for this node's home log and every peer in one transaction, and then the two are swapped.
What is being decided by the old one meanwhile is stale when it is recorded, and decided again.

Each side activates for its own decisions only, and every transfer is decided by both sides: so
neither a person nor a side alone can allow what the other one's revision forbids (ADR 10).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from xbgateway.model import limits
from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Activation
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.proposal import (
    DecideProposal,
    KeepProposal,
    Proposal,
    ProposalState,
    UseRevision,
)
from xbgateway.model.record import Append, Record, Stale
from xbgateway.policy.active import Active
from xbgateway.policy.rehearsal import Rehearsed
from xbgateway.policy.revision import Revision, content_hash, load_revision, pack, unpack

from .desk import Officer
from .ports import Ledger
from .topology import Topology

_log = structlog.get_logger("policy")
# Offices that may propose and decide: who answers for the rules on either side.
OFFICES = ("compliance", "cdo", "mo_data_controller")


class RevisionRecords(Protocol):
    """What the store knows of proposals and revisions."""

    def active(self) -> tuple[str, bytes, str] | None:
        """``(revision, packed files, since)`` of what came into use last."""

    def was_active(self, revision: str, before: str) -> bool:
        """Whether a revision came into use here before an instant."""

    def get(self, proposal: str) -> Proposal | None:
        """One proposal."""

    def files(self, proposal: str) -> bytes | None:
        """The packed files of a proposal."""

    def list(self, before: tuple[str, str] | None, limit: int) -> list[Proposal]:
        """Proposals, newest first."""

    def open(self) -> int:
        """How many wait for a second officer."""


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A proposal, and how its files differ from the revision in use."""

    proposal: Proposal
    rollback: bool
    changes: tuple[str, ...]
    files: Mapping[str, bytes]


class Revisions:
    """The revision in use at one node, and what is proposed to take its place."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        active: Active,
        rows: RevisionRecords,
        ledger: Ledger,
        topology: Topology,
        clock: Clock,
        rehearse: Callable[[Mapping[str, bytes]], Rehearsed],
    ) -> None:
        self._active = active
        self._rows = rows
        self._ledger = ledger
        self._topology = topology
        self._clock = clock
        self._rehearse = rehearse
        self._one = asyncio.Lock()  # one rehearsal, one activation at a time
        self._approving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """At the very first start: the revision of the folder comes into use, and that is told."""
        if self._rows.active() is None:
            revision = self._active.now.revision
            await self._record(revision.id, pack(revision.files), None, self._now())

    def active(self) -> tuple[Revision, str]:
        """What is in use, and since when."""
        found = self._rows.active()
        return self._active.now.revision, found[2] if found else ""

    async def propose(
        self, officer: Officer, proposal: str, files: Mapping[str, bytes], note: str
    ) -> ProposalView:
        """Check a folder and keep it for a second officer. Takes seconds.

        The same id again gives the same proposal. Raises ``Refused``: ``ROLE_REQUIRED``,
        ``POLICY_INVALID`` with file, line and reason, ``REQUEST_ID_REUSED``, ``DESK_FULL``,
        ``ARGUMENT_INVALID`` where it is the revision in use.
        """
        _may(officer)
        async with self._one:
            known = await asyncio.to_thread(self._rows.get, proposal)
            if known is not None:
                return await self._again(officer, known, files)
            if await asyncio.to_thread(self._rows.open) >= limits.PROPOSALS_OPEN_MAX:
                raise Refused(Reason.DESK_FULL, "too many proposals wait for a second officer")
            rehearsed = await asyncio.to_thread(self._rehearse, files)
            revision, previous = content_hash(files), self._active.now.revision.id
            if revision == previous:
                raise Refused(
                    Reason.ARGUMENT_INVALID, "This revision is in use already.", field="files"
                )
            made = Proposal(
                proposal,
                revision,
                previous,
                officer.id,
                note,
                self._now(),
                rehearsed.checked,
                rehearsed.skipped,
            )
            await self._ledger.record(Record((), (KeepProposal(made, pack(files)),)))
        return await self.get(officer, proposal)

    async def list(
        self, officer: Officer, before: tuple[str, str] | None, limit: int
    ) -> list[Proposal]:
        """Proposals, newest first."""
        _may(officer)
        return await asyncio.to_thread(self._rows.list, before, limit)

    async def get(self, officer: Officer, proposal: str) -> ProposalView:
        """One proposal with its files. Raises ``Refused(PROPOSAL_UNKNOWN)``."""
        _may(officer)

        def read() -> ProposalView:
            found, packed = self._rows.get(proposal), self._rows.files(proposal)
            if found is None or packed is None:
                raise _unknown()
            files = unpack(packed)
            return ProposalView(
                found,
                self._rows.was_active(found.revision, found.at),
                differences(self._active.now.revision.files, files),
                files,
            )

        return await asyncio.to_thread(read)

    async def reject(self, officer: Officer, proposal: str, reason: str) -> ProposalView:
        """End a proposal; its proposer may too. Raises ``Refused`` as :meth:`approve` does."""
        await self._open(officer, proposal)
        try:
            said = self._said(officer, proposal, "rejected", reason)
            await self._ledger.record(Record((), (said,)))
        except Stale:
            raise _answered() from None
        return await self.get(officer, proposal)

    async def approve(self, officer: Officer, proposal: str, reason: str) -> ProposalView:
        """Put a proposed revision into use.

        Raises ``Refused``: ``ROLE_REQUIRED``, ``PROPOSAL_UNKNOWN``, ``PROPOSAL_ANSWERED``,
        ``SELF_APPROVAL``, ``PROPOSAL_STALE`` where another revision came into use since it was
        proposed; ``POLICY_INVALID`` or ``Unavailable`` where the engine cannot load it. In each
        case the running revision stays. A caller who hangs up cannot leave it half done.
        """
        task = asyncio.get_running_loop().create_task(self._approve(officer, proposal, reason))
        self._approving.add(task)
        task.add_done_callback(self._approved)
        await asyncio.shield(task)
        return await self.get(officer, proposal)

    def _approved(self, done: "asyncio.Task[None]") -> None:
        self._approving.discard(done)
        if not done.cancelled():
            done.exception()  # whoever still waits has it

    async def _approve(self, officer: Officer, proposal: str, reason: str) -> None:
        async with self._one:
            found = await self._open(officer, proposal)
            if found.officer == officer.id:
                raise Refused(
                    Reason.SELF_APPROVAL, "Whoever proposed a revision does not put it into use."
                )
            if found.previous != self._active.now.revision.id:
                raise Refused(
                    Reason.PROPOSAL_STALE,
                    "Another revision came into use since this one was proposed.",
                    revision=self._active.now.revision.id,
                )
            files = await asyncio.to_thread(self._rows.files, proposal)
            assert files is not None
            await self._swap(files, self._said(officer, proposal, "approved", reason))

    async def _swap(self, files: bytes, said: DecideProposal) -> None:
        """Load a revision beside the one in use, record that it takes its place, and swap."""
        old = self._active.now
        revision = await asyncio.to_thread(lambda: load_revision(unpack(files)))
        again = await asyncio.to_thread(self._rows.was_active, revision.id, said.at)
        new = await asyncio.to_thread(self._active.loaded, revision)
        try:
            await self._record(revision.id, files, old.revision.id, said.at, said)
        except BaseException as error:
            await asyncio.to_thread(new.snapshot.close)
            if isinstance(error, Stale):
                raise _answered() from None
            raise
        self._active.now = new
        event = "policy_rolled_back" if again else "policy_replaced"
        _log.warning(event, revision=revision.id, previous=old.revision.id)
        await asyncio.to_thread(old.snapshot.close)

    async def _record(
        self, revision: str, files: bytes, previous: str | None, at: str, *said: DecideProposal
    ) -> None:
        """That a revision comes into use, for the home log and every peer, in one transaction."""
        entry = Activation(at=at, revision=revision, previous=previous).encode()
        lanes = [self._topology.control_out(peer) for peer in self._topology.peers]
        appends = tuple(Append(origin, entry) for origin in (*lanes, self._topology.home))
        use = UseRevision(revision, files, at, previous)
        await self._ledger.record(Record(appends, (*said, use)))

    async def _again(
        self, officer: Officer, known: Proposal, files: Mapping[str, bytes]
    ) -> ProposalView:
        if (known.officer, known.revision) != (officer.id, content_hash(files)):
            raise Refused(
                Reason.REQUEST_ID_REUSED, "This request_id was used for another proposal."
            )
        return await self.get(officer, known.id)

    async def _open(self, officer: Officer, proposal: str) -> Proposal:
        _may(officer)
        found = await asyncio.to_thread(self._rows.get, proposal)
        if found is None:
            raise _unknown()
        if found.state != "open":
            raise _answered()
        return found

    def _said(
        self, officer: Officer, proposal: str, state: ProposalState, reason: str
    ) -> DecideProposal:
        return DecideProposal(proposal, state, officer.id, reason, self._now())

    def _now(self) -> str:
        return instant(self._clock.now())


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, ...]:
    """Files that differ, by path: ``+ path`` new, ``~ path`` changed, ``- path`` gone."""
    return tuple(
        f"{'+' if path not in before else '-' if path not in after else '~'} {path}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _may(officer: Officer) -> None:
    if officer.roles.isdisjoint(OFFICES):
        raise Refused(Reason.ROLE_REQUIRED, "Only these officers may.", role=",".join(OFFICES))


def _unknown() -> Refused:
    return Refused(Reason.PROPOSAL_UNKNOWN, "There is no such proposal.")


def _answered() -> Refused:
    return Refused(Reason.PROPOSAL_ANSWERED, "The proposal is decided already.")
