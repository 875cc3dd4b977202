"""One node without its sockets: registers, policy, keys, store and both paths, joined.

``app.py`` puts the gRPC edge and the link around a core; the tests' simulator puts a link in
memory and an evil peer around two of them. Nothing here listens or dials.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from xbgateway.cases import CaseType
from xbgateway.casework import CaseBook, Cases, join
from xbgateway.exchange import (
    Admission,
    Approvals,
    Attachments,
    Attention,
    Calls,
    Cancelling,
    Counting,
    Crossing,
    Delivery,
    Desk,
    Duties,
    Flights,
    Gateway,
    Holds,
    Inbound,
    Inbox,
    Legs,
    Lives,
    Outbound,
    Peer,
    Queue,
    Quotas,
    RegisterBook,
    Registrar,
    Replies,
    Responses,
    Revisions,
    Revoking,
    Room,
    StreamLaw,
    Topology,
    Unsent,
    Uploads,
)
from xbgateway.exchange.ports import Meter, NoMeter, Peers, Services
from xbgateway.model.clock import Clock, SystemClock, instant, parse_instant
from xbgateway.model.entry import decode
from xbgateway.model.errors import Fatal, Reason
from xbgateway.model.quota import Quota
from xbgateway.node_keys import NodeKeys, Signing, specs
from xbgateway.policy.active import Active
from xbgateway.policy.engine import Engine, Snapshot
from xbgateway.policy.memo import Memo
from xbgateway.policy.rehearsal import rehearse
from xbgateway.policy.revision import Revision, load_revision, unpack
from xbgateway.policy.tables import Tables
from xbgateway.register import Catalogue, Register, build_catalogue
from xbgateway.register.changes import Change, layered
from xbgateway.register.current import Current
from xbgateway.register.life import Terms
from xbgateway.seal import RestKey
from xbgateway.store import (
    CaseRows,
    DeliveryRows,
    DutyRows,
    Logbook,
    LogSpec,
    ProposalRows,
    SegmentFiles,
    SqliteStore,
    Store,
    StreamRows,
)

_log = structlog.get_logger("register")
_policy_log = structlog.get_logger("policy")


@dataclass(slots=True)
class Core:
    """The joined rooms of one node."""

    node: str
    base: Register  # the document, without the changes since
    current: Current
    catalogue: Catalogue
    active: Active
    memo: Memo
    topology: Topology
    keys: NodeKeys
    store: Store
    logbook: Logbook
    gateway: Gateway
    registrar: Registrar
    book: RegisterBook
    revisions: Revisions
    inbox: Inbox
    attention: Attention
    attachments: Attachments
    signing: Signing
    cases: Cases

    @property
    def register(self) -> Register:
        """The register in use."""
        return self.current.register

    @property
    def revision(self) -> Revision:
        """The policies in use."""
        return self.active.now.revision

    @property
    def snapshot(self) -> Snapshot:
        """The engine's hold of them."""
        return self.active.now.snapshot

    def compare_clock(self, clock: SystemClock, *, corrected: bool) -> None:
        """Give ``clock`` no time before that of the newest entry: what is on record counts.

        Raises ``Unavailable(CLOCK_BACK)`` where it is behind, unless a person said that entries
        are dated ahead and it is right (``corrected``).
        """
        ends = (
            self.store.reader.entries(head.origin, head.size - 1, head.size)
            for head in self.store.heads.values()
            if head.own and head.size
        )
        newest = max((decode(entry).at for (entry,) in ends), default="")
        if newest and not corrected:
            clock.not_before(parse_instant(newest))
        if newest > (now := instant(clock.now())):
            _log.warning("clock_behind_record", newest=newest, now=now)

    async def recover(self) -> None:
        """What a start does once the store writes: see :meth:`Gateway.recover`."""
        await self.revisions.start()
        document = self.base.document.model_dump_json(by_alias=True).encode()
        await self.gateway.recover((self.base.version, document), self.register.version)
        await self.signing.announce()
        await self.cases.runner.recover()


def in_use(folder: Revision, active: tuple[str, bytes, str] | None) -> Revision:
    """What a start decides by: what came into use last, and at the very first the folder's."""
    if active is None or active[0] == folder.id:
        return folder
    _policy_log.warning("policy_folder_differs", folder=folder.id, active=active[0])
    return load_revision(unpack(active[1]))


def terms_of(tables: Tables, day: date) -> Terms:
    """The terms of register records on a day: the numbers and calendars of officers' tables."""
    cuts = tables.cuts[tables.edition(day)]
    return Terms(cuts.thresholds, lambda start, days, side: cuts.calendars[side].due(start, days))


def topology_of(register: Register, node: str, lanes: int) -> Topology:
    """One node and every other node of the register as its peers."""
    me = register.node(node)
    return Topology(
        node=node,
        trust_domain=me.trust_domain,
        peers={n.id: n.trust_domain for n in register.nodes if n.id != node},
        lanes=lanes,
    )


def segment_folder(store: Path) -> Path:
    """Where the segments of attachments rest, where nothing else is said: beside the store."""
    return store.with_name(f"{store.name}-streams")


class Place(NamedTuple):
    """Where a node keeps what is durable: its store and the folder of attachments."""

    store: Path | str  # a file, or the URL of a database
    segments: Path

    @classmethod
    def file(cls, store: Path, segments: Path | None = None) -> Self:
        """A store in a file, with its attachments beside it or where one says."""
        return cls(store, segments or segment_folder(store))


def compose(  # noqa: PLR0917 - the one place where everything meets
    base: Register,  # the document
    node: str,
    revision: Revision,  # of a very first start
    engine: Engine,
    keys: NodeKeys,
    place: Place,
    services: Services,
    peers: Peers,
    clock: Clock,
    *,
    lanes: int = 1,
    group_wait_s: float = 0.001,
    timeout_ms: int = 250,
    memo: bool = True,
    meter: Meter | None = None,
    quota: Quota | None = None,
    case_types: Sequence[CaseType] = (),
) -> Core:
    """Join the rooms of one node. Raises ``Fatal`` or ``Refused`` where it cannot start."""
    topology = topology_of(base, node, lanes)
    catalogue, remembered, counted = build_catalogue(base), Memo(), meter or NoMeter()
    store = _opened(place.store, specs(base, topology, keys), group_wait_s)
    with _closed_if_it_fails(store):
        current, proposals = _current(base, store), ProposalRows(store.reader)
        deciding = (engine, remembered if memo else None, timeout_ms)
        active = _active(deciding, current, node, in_use(revision, proposals.active()), store)
        signing = Signing(base, store, topology, keys, clock)
        lives = Lives(lambda day: terms_of(active.tables, day))
        legs = Legs(active, keys.rest, keys.ring, _peering(topology), counted, store.reader)
        counting = Counting(active, store.reader, keys.counting)
        admission = Admission(node, current, catalogue, active, legs, counting, keys.counting)
        flights = Flights(Quotas(quota := quota or Quota()))
        unsent = Unsent(legs, store, topology, clock, counted, flights, admission)
        joined = (admission, legs, store, peers, topology, clock)
        att = _attachments(*joined, keys.rest, quota, place.segments)
        crossing = att.crossing
        outbound = Outbound(admission, legs, store, topology, clock, flights, unsent, att.uploads)
        responses = Responses(legs, store, topology, counted)
        told = (responses, approvals := Approvals(admission, legs, store, clock))
        queue = Queue(DeliveryRows(store.reader), store, catalogue, clock, counted)
        calls = Calls(admission, services, clock, counted, queue)
        delivery = Delivery(admission, legs, store, topology, clock, *told, calls)
        queue.revoking = Revoking(delivery, lambda: admission.in_use).look
        replies = Replies(*joined, counted, flights)
        logbook, room = Logbook(store, signing.cosigner), Room(store)
        law = CaseBook.of_types(case_types, CaseRows(store.reader), store, topology, keys.rest)
        registrar = Registrar(current, lives, store, peers, topology, clock, counted)
        inbound = Inbound(*joined, responses, delivery, approvals, registrar, room, crossing, law)
        book = RegisterBook(current, lives, store.reader, clock)
        revisions = Revisions(active, proposals, store, topology, clock, rehearse)
        holds = Holds(admission, legs, store, topology, clock, outbound, unsent, room)
        inbox = Inbox(delivery, holds, store, catalogue, clock, counted)
        desk = Desk(admission, legs, store, topology, clock, unsent, holds)
        cancelling = Cancelling(holds, store, clock, responses, queue, flights)
        gateway = Gateway(
            outbound, replies, inbound, holds, desk, legs, counting, store, topology, keys.ring,
            clock, lambda p: logbook.prove_now(p.position.origin, p.position.index)[1],
            Duties(DutyRows(store.reader), store, clock, counted), registrar, queue, flights,
            cancelling,
        )  # fmt: skip
        cases = join(law, gateway, store, keys, active, catalogue, current, topology, clock)
    return Core(
        node, base, current, catalogue, active, remembered, topology, keys, store, logbook, gateway,
        registrar, book, revisions, inbox, Attention(delivery, holds, store, clock), att, signing,
        cases,
    )  # fmt: skip


def _is_of(current: Current, node: str, party: str) -> bool:
    return current.register.party(party).node == node


def _peering(topology: Topology) -> dict[str, Peer]:
    return {peer: Peer(topology.node, peer) for peer in topology.peers}


def _active(
    deciding: tuple[Engine, Memo | None, int],
    current: Current,
    node: str,
    first: Revision,
    store: Store,
) -> Active:
    active = Active(*deciding, partial(_is_of, current, node), first)
    store.revision = active.now.revision.id
    return active


@contextmanager
def _closed_if_it_fails(store: Store) -> Iterator[None]:
    try:
        yield
    except BaseException:
        store.close()
        raise


def _attachments(  # noqa: PLR0917 - composed once, above
    admission: Admission,
    legs: Legs,
    store: Store,
    peers: Peers,
    topology: Topology,
    clock: Clock,
    rest: RestKey,
    quota: Quota,
    segments: Path,
) -> Attachments:
    rows, files = StreamRows(store.reader), SegmentFiles(segments)
    law, most_bytes = StreamLaw(admission, legs, clock), quota.party_attachment_bytes
    uploads = Uploads(store, rows, files, rest, law, clock, most_bytes)
    crossing = Crossing(store, rows, files, peers, legs, law, clock, most_bytes)
    return Attachments(uploads, crossing, store, rows, files, topology.node, clock)


def _opened(store: Path | str, logs: Sequence[LogSpec], group_wait_s: float) -> Store:
    if isinstance(store, Path):
        return SqliteStore(store, logs, group_wait_s=group_wait_s)
    try:
        from xbgateway.store.postgres import PostgresStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Fatal(
            Reason.CONFIG_INVALID, f"store.url needs the extra xbgateway[postgres]: {error}"
        ) from error
    return PostgresStore(store, logs, group_wait_s=group_wait_s)


def _current(base: Register, store: Store) -> Current:
    """The document under the changes of the store; where both changed a record, the store wins."""
    changes = (Change.decode(raw) for raw in store.reader.changes_in_use())
    register, astray = layered(base, changes)
    for kind, record_id in astray:
        _log.warning("register_document_overruled", kind=kind, id=record_id)
    store.register_version = register.version
    return Current(register)
