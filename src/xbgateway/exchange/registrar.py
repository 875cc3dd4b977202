"""Register changes: an officer's of this node, and those that peers bring in their control lanes.

    own       authorised → advance → layered upon the register in use → one transaction: the change,
              a `register` entry in the home log and in the control lane of every peer, with the
              change itself beside it → swap
    a peer's  its bytes are those that the entry names → its node keeps the record → our own machine
              makes the same of it → one transaction: the change, an entry in the home log → swap

Every change goes to every peer: both sides decide on both legs, so each record is read on both. One
change at a time; a peer's come in the order of its lane. What a peer's change lacks is refused by
name and told to operators; it stops neither its lane nor any other.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import orjson
import structlog

from xbgateway.model.clock import LOCAL, Clock, instant, parse_instant
from xbgateway.model.entry import Register as RegisterEntry
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import DECLARATION_BYTES_MAX, SUBMISSION_SKEW_S_MAX
from xbgateway.model.outcome import Position
from xbgateway.model.record import (
    DONE,
    Append,
    Beside,
    KeepChange,
    MovePending,
    Pending,
    Record,
)
from xbgateway.register import Register
from xbgateway.register.changes import Change, changed, made_change
from xbgateway.register.current import Current
from xbgateway.register.document import etag_of
from xbgateway.register.values import Record as RegisterRecord

from .ports import Ledger, Meter, Peers
from .topology import Topology

_log = structlog.get_logger("register")


class Machines(Protocol):
    """The lives of records: ``register/life`` bound to the terms of the tables in force."""

    def roles(self, kind: str, event: str) -> tuple[str, ...]:
        """The offices of which one may cause an event; none: there is no such event."""

    def advance(
        self,
        kind: str,
        record: RegisterRecord | None,
        event: str,
        given: Mapping[str, Any],
        day: date,
    ) -> RegisterRecord:
        """The record after an event. Raises ``Refused``: ``TRANSITION_ILLEGAL``, ``_REFUSED``."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an officer asks for."""

    party: str
    request_id: str
    kind: str
    id: str
    event: str
    given: Mapping[str, Any]
    etag: str  # of the record as the officer saw it; empty: the event makes the record
    officer: str  # opaque id of the person
    roles: frozenset[str]  # offices that the person acts in
    validate_only: bool = False


class Registrar:
    """Changes the register in use."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        current: Current,
        machines: Machines,
        ledger: Ledger,
        peers: Peers,
        topology: Topology,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._current = current
        self._machines = machines
        self._ledger = ledger
        self._peers = peers
        self._topology = topology
        self._clock = clock
        self._meter = meter
        self._one = asyncio.Lock()
        self._applying: set[asyncio.Task[Change]] = set()
        self._waiting: dict[str, set[int]] = {}  # by control lane: changes not yet taken up
        self._taking: dict[str, asyncio.Task[None]] = {}

    # ---- this node's officers ----------------------------------------------------------------

    async def apply(self, asked: Asked) -> Change:
        """Apply an event to a record; the change, or for a dry run what it would be.

        Runs on a task of its own: a caller who hangs up cannot leave it half done. The same request
        id again gives the same change. Raises ``Refused``.
        """
        task = asyncio.get_running_loop().create_task(self._apply(asked))
        self._applying.add(task)
        task.add_done_callback(self._applying.discard)
        return await asyncio.shield(task)

    async def _apply(self, asked: Asked) -> Change:
        async with self._one:
            request = f"{asked.party}\n{asked.request_id}"
            known = self._ledger.reader.change_asked(request)
            if known is not None and not asked.validate_only:
                return _again(asked, Change.decode(known.change))
            now, register = self._clock.now(), self._current.register
            self._check_office(asked)
            change = self._made(asked, register, now)
            after = changed(register, change)
            if asked.validate_only:
                return change
            lanes = [self._topology.control_out(peer) for peer in self._topology.peers]
            entry, beside = _entry(change, register, after), Beside(change.encode(), b"", b"")
            kept = replace(
                _kept(change, beside.declaration, after.version, change.at),
                officer=asked.officer,
                request=request,
            )
            # REQ-CHG-5
            appends = (
                Append(self._topology.home, entry),
                *(Append(lane, entry, beside=beside) for lane in lanes),
            )
            await self._use(Record(appends, (kept,), register.version), after)
        self._meter.register_change(change.kind, "own")
        return change

    def _check_office(self, asked: Asked) -> None:
        roles = self._machines.roles(asked.kind, asked.event)
        if roles and asked.roles.isdisjoint(roles):
            raise Refused(
                Reason.ROLE_REQUIRED, "Only an officer of this role may.", role=", ".join(roles)
            )

    def _made(self, asked: Asked, register: Register, now: datetime) -> Change:
        """The change that an event makes, on our own machine. Raises ``Refused``."""
        before = register.record(asked.kind, asked.id)
        etag = register.etags.get((asked.kind, asked.id), "")
        if asked.etag != etag:
            raise Refused(
                Reason.ETAG_MISMATCH,
                "The record is not what the change was made for.",
                kind=asked.kind,
                id=asked.id,
                etag=etag,
            )
        given = {"id": asked.id, **asked.given} if before is None else asked.given
        after = self._machines.advance(asked.kind, before, asked.event, given, _day(now))
        made = made_change(register, self._topology.node, instant(now), asked.event, given, after)
        if len(made.encode()) > DECLARATION_BYTES_MAX:
            raise Refused(Reason.CHANGE_INVALID, "The record is larger than one may be.")
        return made

    async def _use(self, record: Record, register: Register) -> None:
        """Durable first; then everybody reads the new one."""
        await self._ledger.record(record)
        self._current.register = register
        _log.info("register_changed", version=register.version)

    # ---- peers -------------------------------------------------------------------------------

    def waits(self, position: Position) -> None:
        """A peer's change is mirrored here: whoever decides at its control size waits for it."""
        self._waiting.setdefault(position.origin, set()).add(position.index)

    async def take_up(self, pending: Pending) -> None:
        """Take up a mirrored change, and before it all that stand before it in its lane."""
        position = pending.position
        self.waits(position)
        while position.index in self._waiting[position.origin]:
            await self._taken(position.origin)

    async def reached(self, node: str, size: int, timeout_s: float) -> bool:
        """Wait until a peer's control lane is mirrored up to ``size`` and its changes are in use.

        REQ-CHG-8. A change that was refused counts as dealt with. Raises ``Unavailable`` where the
        store does not write.
        """
        if not await self._peers.control_reached(node, size, timeout_s):
            return False
        origin = self._topology.control_in(node)
        waiting = self._waiting.get(origin)
        try:
            async with asyncio.timeout(timeout_s):
                while waiting and min(waiting) < size:
                    await self._taken(origin)
        except TimeoutError:
            return False
        return True

    async def _taken(self, origin: str) -> None:
        """One task takes up a lane's changes, whoever waits for it and for however long."""
        task = self._taking.get(origin)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take_all(origin))
            self._taking[origin] = task
            task.add_done_callback(lambda _done: self._taking.pop(origin))
        await asyncio.shield(task)

    async def _take_all(self, origin: str) -> None:
        for index in self._ledger.reader.waiting_in(origin):
            position = Position(origin, self._topology.peer_of(origin), index)
            pending = self._ledger.reader.pending_at(position)
            if pending is not None:
                await self._take(pending)
            self._waiting[origin].discard(index)
        # A row that is gone has been dealt with, whoever named it.
        self._waiting[origin] &= set(self._ledger.reader.waiting_in(origin))

    async def _take(self, pending: Pending) -> None:
        """One change of a peer: in use, or refused by name. Raises what is this node's trouble."""
        entry = pending.decoded
        assert isinstance(entry, RegisterEntry)  # the store let nothing else wait in a control lane
        try:
            raw = await self._bytes(entry, pending)
        except Refused as refused:
            await self._refuse(pending, b"", refused)
            return
        async with self._one:
            register, now = self._current.register, self._clock.now()
            try:
                change, after = self._checked(entry, pending.position.writer, raw, register, now)
            except Refused as refused:
                await self._refuse(pending, raw, refused)
                return
            kept = _kept(change, raw, after.version, instant(now))
            append = Append(self._topology.home, _entry(change, register, after, instant(now)))
            effects = (kept, MovePending(pending.position, DONE))
            await self._use(Record((append,), effects, register.version), after)
        self._meter.register_change(change.kind, "peer")

    async def _bytes(self, entry: RegisterEntry, pending: Pending) -> bytes:
        """The change that the entry names, asked for once more where it is not what came.

        Raises ``Refused``: ``PAYLOAD_MISSING`` or ``PAYLOAD_ALTERED``.
        """
        found = pending.declaration
        if _sha256(found) != entry.change:
            again = await self._peers.want(pending)
            found = again.declaration if again is not None else found
        if not found:
            raise Refused(Reason.PAYLOAD_MISSING, "the change did not come beside its entry")
        if _sha256(found) != entry.change:
            raise Refused(Reason.PAYLOAD_ALTERED, "the change is not what its entry names")
        return found

    def _checked(
        self, entry: RegisterEntry, peer: str, raw: bytes, register: Register, now: datetime
    ) -> tuple[Change, Register]:
        """A peer's change that our own machine bears out, and the register with it (REQ-CHG-6).

        Raises ``Refused``.
        """
        change = Change.decode(raw)
        if change.node != peer:
            raise Refused(Reason.NOT_OWNER, "the change is of another node than its log")
        if change.at != entry.at or change.kind != entry.record:
            raise Refused(Reason.CHANGE_INVALID, "change and entry differ")
        at = parse_instant(entry.at)
        if at - now > timedelta(seconds=SUBMISSION_SKEW_S_MAX):
            raise Refused(Reason.CHANGE_INVALID, "the change is of a time to come")
        after, before = changed(register, change), register.record(change.kind, change.id)
        ours = self._machines.advance(change.kind, before, change.event, change.given, _day(at))
        if etag_of(ours) != etag_of(change.record):
            raise Refused(
                Reason.CHANGE_INVALID, "the event does not make the record what the change says"
            )
        return change, after

    async def _refuse(self, pending: Pending, raw: bytes, refused: Refused) -> None:
        """A row that `register history` shows, a count and a line of the log (REQ-CHG-7)."""
        peer, kind, record_id, event = pending.position.writer, "", "", ""
        try:
            change = Change.decode(raw)
            kind, record_id, event = change.kind[:64], change.id[:128], change.event[:64]
        except Refused:
            pass  # what it says of itself cannot be read
        kept = KeepChange(
            version=self._current.register.version,
            at=instant(self._clock.now()),
            node=peer,
            kind=kind,
            id=record_id,
            event=event,
            change=raw[:DECLARATION_BYTES_MAX],
            refused=f"{refused.reason}: {refused.sentence}"[:500],
        )
        await self._ledger.record(Record((), (kept, MovePending(pending.position, DONE))))
        self._meter.register_change("", "refused")
        _log.error(
            "register_change_refused",
            peer=peer,
            index=pending.position.index,
            reason=str(refused.reason),
        )


def _again(asked: Asked, change: Change) -> Change:
    """What the request id stands for already. Raises ``Refused(REQUEST_ID_REUSED)``."""
    given = {"id": asked.id, **asked.given} if change.before is None else dict(asked.given)
    same = orjson.dumps(given, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        change.given, option=orjson.OPT_SORT_KEYS
    )
    if (change.kind, change.id, change.event) != (asked.kind, asked.id, asked.event) or not same:
        raise Refused(
            Reason.REQUEST_ID_REUSED, "this request_id was used for another change; take a new one"
        )
    return change


def _kept(change: Change, raw: bytes, version: str, at: str) -> KeepChange:
    return KeepChange(
        version=version,
        at=at,
        node=change.node,
        kind=change.kind,
        id=change.id,
        event=change.event,
        change=raw,
    )


def _entry(change: Change, before: Register, after: Register, at: str | None = None) -> bytes:
    return RegisterEntry(
        at=at or change.at,
        version=after.version,
        previous=before.version,
        record=change.kind,
        change=change.digest(),
    ).encode()


def _day(at: datetime) -> date:
    return at.astimezone(LOCAL).date()


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
