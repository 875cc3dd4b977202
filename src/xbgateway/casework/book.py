"""What this node knows of cases: read from entries, rows and documents at rest. Writes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from xbgateway.cases import CaseType, Send, Standing, at, load_type, read, wanted
from xbgateway.exchange import Topology
from xbgateway.exchange.ports import Ledger
from xbgateway.model.case import NUMBER, CaseRow
from xbgateway.model.entry import Request
from xbgateway.model.errors import Reason, Refused
from xbgateway.seal import RestKey, open_at_rest

from .ports import Rows


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as somebody who takes part sees it."""

    row: CaseRow
    standing: Standing
    acts: tuple[str, ...] = ()  # that the caller's role has now
    application: Mapping[str, Any] | None = None  # at the node that opened it, until erased
    preview: Mapping[str, Any] | None = None  # the message that comes next, before it is sent
    answers: Mapping[str, Any] | None = None  # by state, as far as they are kept
    notes: Mapping[int, Mapping[str, Any]] | None = None  # by step: who, why


class Types:
    """Declarations by digest, old ones too, and those that new cases follow, by name."""

    def __init__(self, current: Iterable[CaseType], kept: Iterable[bytes]) -> None:
        self.current = {one.name: one for one in current}
        self.known: dict[str, CaseType] = {}
        for raw in kept:
            one = load_type("store", raw)
            self.known[one.digest] = one
        self.known |= {one.digest: one for one in self.current.values()}

    def of(self, name: str) -> CaseType:
        """The type that a new case follows. Raises ``Refused(CASE_TYPE_UNKNOWN)``."""
        found = self.current.get(name)
        if found is None:
            raise Refused(
                Reason.CASE_TYPE_UNKNOWN,
                f"there is no case type {name[:64]}",
                known=", ".join(sorted(self.current)),
            )
        return found


class CaseBook:
    """Questions about cases."""

    def __init__(
        self, types: Types, rows: Rows, ledger: Ledger, topology: Topology, rest: RestKey
    ) -> None:
        self.types = types
        self.rows = rows
        self._ledger = ledger
        self._topology = topology
        self._rest = rest

    @classmethod
    def of_types(
        cls,
        current: Iterable[CaseType],
        rows: Rows,
        ledger: Ledger,
        topology: Topology,
        rest: RestKey,
    ) -> Self:
        """The book of a node that opens cases of these types."""
        return cls(Types(current, rows.types()), rows, ledger, topology, rest)

    def origin(self, row: CaseRow) -> str:
        """The log that tells of a case."""
        lane = self._topology.data_out if row.own else self._topology.data_in
        return lane(row.peer, row.lane)

    def standing(self, row: CaseRow) -> Standing:
        """Where a case stands, from its entries alone (REQ-CASE-2)."""
        found = self.told(row.id, self.origin(row))
        if found is None:
            raise Refused(
                Reason.CASE_TYPE_UNKNOWN, "the declaration that this case follows is not here"
            )
        return found

    def told(self, case: str, origin: str) -> Standing | None:
        """The case that one log tells."""
        return read(self._ledger.reader.placed(case), origin, self.types.known)

    def of(self, party: str, named: str) -> tuple[CaseRow, Standing]:
        """A case by id or number, of somebody who takes part.

        Raises ``Refused(CASE_UNKNOWN)``, also where it is others'.
        """
        try:
            row = self.rows.numbered(named) if NUMBER.fullmatch(named) else self.rows.row(named)
        except ValueError:
            row = None
        if row is None or party not in row.parties:
            raise Refused(Reason.CASE_UNKNOWN, "no such case of this party")
        return row, self.standing(row)

    def check(self, request: Request, origin: str) -> None:
        """A peer's request that names a case is what that case wants now (REQ-CASE-4).

        Raises ``Refused(CASE_NOT_WANTED)``.
        """
        if request.case is None:
            return
        case = self.told(request.case, origin)
        send = wanted(case) if case is not None else None
        if case is None or send is None or not _is(request, send, case.parties):
            raise Refused(Reason.CASE_NOT_WANTED, "the case does not want this exchange now")

    # ---- documents -----------------------------------------------------------------------------

    def document(self, row: CaseRow, part: str) -> dict[str, Any] | None:
        """What rests of a case at the node that opened it; ``None`` where it is not or no more."""
        sealed = self._ledger.reader.part(row.id, part)
        if sealed is None or row.key is None:
            return None
        raw = open_at_rest(self._rest.unwrap(row.key), part.encode(), sealed)
        found: dict[str, Any] = orjson.loads(raw)
        return found

    def application(self, row: CaseRow) -> dict[str, Any]:
        """What was applied for, as it stands now. Raises ``Refused(PAYLOAD_ERASED)``."""
        found = self.document(row, "application")
        if found is None:
            raise Refused(Reason.PAYLOAD_ERASED, "the documents of this case were erased")
        application: dict[str, Any] = found["application"]
        return application


def _is(request: Request, send: Send, parties: Mapping[str, str]) -> bool:
    asked = (request.service, request.method, request.purpose, request.sender, request.recipient)
    sides = (parties[send.sender], parties[send.recipient])
    return asked == (send.service, send.method, send.purpose, *sides)


def subject_of(kind: CaseType, application: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What a case is about, where only one may go on for it."""
    if not kind.one_for:
        return None
    return (kind.name, *(str(at(application, path)) for path in kind.one_for))
