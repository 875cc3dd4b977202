"""What people do with cases: open one, look at it, act in it, give it up.

Permission before existence: a case of others is unknown. Every act names the step that was seen
(``etag``), so nobody decides on what has changed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from xbgateway.cases import CaseType, Standing, checked, filled
from xbgateway.exchange import Topology
from xbgateway.model.case import CaseRow, CaseTaken, case_id, case_number
from xbgateway.model.clock import Clock, instant
from xbgateway.model.entry import Case
from xbgateway.model.errors import Reason, Refused
from xbgateway.register import Register
from xbgateway.seal import RestKey, keyed_hash, random_bytes

from .book import CaseBook, CaseView, subject_of
from .runner import Runner
from .steps import Step, Steps


@dataclass(frozen=True, slots=True)
class Opening:
    """What somebody asks for who opens a case."""

    party: str
    subject: str  # the person or system, opaque; never leaves this node
    request_id: str
    type: str
    parties: Mapping[str, str]  # role → party, of the other roles
    application: Mapping[str, Any]
    tls: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Acting:
    """What somebody does who takes part."""

    party: str
    subject: str
    offices: frozenset[str]
    case: str  # id or number
    act: str
    etag: str
    application: Mapping[str, Any] | None = None
    note: str = ""


class CaseDesk:
    """Serves the parties of this node."""

    def __init__(  # noqa: PLR0917 - composed once, in core.py
        self,
        book: CaseBook,
        steps: Steps,
        runner: Runner,
        register: Callable[[], Register],
        topology: Topology,
        rest: RestKey,
        clock: Clock,
        hashing_key: bytes,
    ) -> None:
        self.book = book
        self._steps = steps
        self._runner = runner
        self._register = register
        self._topology = topology
        self._rest = rest
        self._clock = clock
        self._hashing_key = hashing_key

    async def open(self, asked: Opening) -> CaseView:
        """Open a case, or the same one again for the same request id.

        Raises ``Refused``: ``CASE_TYPE_UNKNOWN``, ``CASE_ROLE``, ``PARTY_UNKNOWN``,
        ``CASE_DOCUMENT_INVALID``, ``CASE_DUPLICATE``, ``REQUEST_ID_REUSED``.
        """
        kind = self.book.types.of(asked.type)
        parties = self._parties(kind, asked)
        fingerprint = self._hashed(asked.type, repr(sorted(parties.items())), asked.application)
        _check(kind, asked.application)
        now = self._clock.now()
        case, random = case_id(now, random_bytes(10)), random_bytes(4)
        wrapped, key = self._rest.new_exchange_key()
        peer = self._register().party(self._others(kind, parties)[0]).node
        subject = subject_of(kind, asked.application)
        row = CaseRow(
            id=case,
            number=case_number(self._register().party(asked.party).jurisdiction, now, random),
            type=kind.name,
            own=True,
            peer=peer,
            lane=self._topology.lane("case", case),
            step=0,
            state=kind.start,
            opened_at=instant(now),
            moved_at=instant(now),
            parties=tuple(sorted(set(parties.values()))),
            ended="",
            due="",
            erase_on="",
            key=wrapped,
            subject=self._hashed(*subject) if subject else None,
            request=f"{asked.party}\n{asked.request_id}",
            fingerprint=fingerprint,
        )
        entry = Case(
            at=row.opened_at,
            case=case,
            step=0,
            event="open",
            party=asked.party,
            case_type=kind.digest,
            parties=tuple(f"{role}={party}" for role, party in sorted(parties.items())),
        )
        step = Step(
            *("open", asked.party, None, _document(asked.subject, asked.note)),
            application=asked.application,
            tls=asked.tls,
        )
        try:
            await asyncio.shield(self._opened(row, key, entry, step))
        except CaseTaken as taken:
            return self._again(asked.party, fingerprint, taken)
        return self.view(asked.party, frozenset(), case)

    async def _opened(self, row: CaseRow, key: bytes, entry: Case, step: Step) -> None:
        await self._steps.open(row, key, entry, step)
        self._runner.look(row.id)

    def _again(self, party: str, fingerprint: bytes, taken: CaseTaken) -> CaseView:
        if not taken.same_request:
            row = self.book.rows.row(taken.case)
            number = row.number if row and party in row.parties else ""
            raise Refused(
                Reason.CASE_DUPLICATE,
                "A case of this type about the same matter is still open.",
                **({"case": taken.case, "number": number} if number else {}),
            )
        if taken.fingerprint != fingerprint:
            raise Refused(
                Reason.REQUEST_ID_REUSED, "this request_id opened another case; take a new one"
            )
        return self.view(party, frozenset(), taken.case)

    def _parties(self, kind: CaseType, asked: Opening) -> dict[str, str]:
        """Who takes part, checked: every role once, each on its side, all others at one node."""
        parties = {**asked.parties, kind.opens: asked.party}
        if asked.parties.get(kind.opens, asked.party) != asked.party:
            raise Refused(
                Reason.CASE_ROLE, f"Who opens a {kind.name} is its {kind.opens}.", role=kind.opens
            )
        wrong = parties.keys() ^ kind.roles.keys()
        if wrong:
            raise Refused(
                Reason.CASE_DOCUMENT_INVALID,
                f"a {kind.name} has the roles {', '.join(sorted(kind.roles))}",
                field=f"parties.{min(wrong)[:64]}",
            )
        register, me = self._register(), self._topology.node
        nodes = {role: register.party(party).node for role, party in parties.items()}
        for role, side in kind.roles.items():
            if (nodes[role] == me) != (side == "owner"):
                raise Refused(
                    Reason.CASE_DOCUMENT_INVALID,
                    f"the {role} of a {kind.name} is a party of the {side} side",
                    field=f"parties.{role}",
                )
        if len({nodes[role] for role, side in kind.roles.items() if side == "other"}) != 1:
            raise Refused(
                Reason.CASE_DOCUMENT_INVALID, "a case is between two nodes", field="parties"
            )
        return parties

    @staticmethod
    def _others(kind: CaseType, parties: Mapping[str, str]) -> list[str]:
        return [parties[role] for role, side in kind.roles.items() if side == "other"]

    def _hashed(self, *parts: Any) -> bytes:
        """Keyed, so that nobody guesses who a case is about."""
        return keyed_hash(
            self._hashing_key,
            *(p.encode() if isinstance(p, str) else _canonical(p) for p in parts),
        )

    # ---- acting --------------------------------------------------------------------------------

    async def act(self, asked: Acting) -> CaseView:
        """Do what the state allows, in the caller's role.

        Raises ``Refused``: ``CASE_UNKNOWN``, ``NOT_OWNER`` at the other node, ``CASE_ILLEGAL``,
        ``CASE_ROLE``, ``ETAG_MISMATCH``, ``CASE_DOCUMENT_INVALID``.
        """
        row, _standing = self.book.of(asked.party, asked.case)
        if not row.own:
            raise Refused(Reason.NOT_OWNER, f"this case is led at node {row.peer}")

        def decide(_row: CaseRow, standing: Standing) -> Step:
            act = checked(standing, asked.act, asked.party, asked.offices)
            if asked.etag and asked.etag != str(standing.step):
                raise Refused(
                    Reason.ETAG_MISMATCH,
                    "The case is not where it was when this was decided.",
                    kind="case",
                    id=standing.id,
                    etag=str(standing.step),
                )
            if act.reason and not asked.note:
                raise Refused(
                    Reason.CASE_DOCUMENT_INVALID, f"{act.name} needs a note: why", field="note"
                )
            if act.replaces != (asked.application is not None):
                raise Refused(
                    Reason.CASE_DOCUMENT_INVALID,
                    f"{act.name} brings {'a new' if act.replaces else 'no'} application",
                    field="application",
                )
            if asked.application is not None:
                _check(standing.type, asked.application)
                self._check_same(_row, standing.type, asked.application)
            document = _document(asked.subject, asked.note)
            tls = (self.book.document(_row, "application") or {}).get("tls", "")
            return Step(act.name, asked.party, None, document, asked.application, tls)

        await asyncio.shield(self._acted(row, decide))
        return self.view(asked.party, asked.offices, row.id)

    async def _acted(self, row: CaseRow, decide: Callable[[CaseRow, Standing], Step]) -> None:
        await self._steps.take(row.id, decide)
        self._runner.look(row.id)

    def _check_same(self, row: CaseRow, kind: CaseType, application: Mapping[str, Any]) -> None:
        """A correction is about the same matter: another matter is another case."""
        subject = subject_of(kind, application)
        if subject is not None and row.subject != self._hashed(*subject):
            raise Refused(
                Reason.CASE_DOCUMENT_INVALID,
                "a correction is about the same matter",
                field=", ".join(kind.one_for),
            )

    def watched(self, case: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set at each step of a case; the watcher clears it."""
        return self._steps.watched(case)

    # ---- looking -------------------------------------------------------------------------------

    def view(self, party: str, offices: frozenset[str], named: str) -> CaseView:
        """One case, with what this caller may see of it. Raises ``Refused(CASE_UNKNOWN)``."""
        row, case = self.book.of(party, named)
        if not row.own or self._register().party(party).node != self._topology.node:
            return CaseView(row, case)
        acts = tuple(
            act.name
            for act in case.state.acts
            if case.parties[act.role] == party and (act.office is None or act.office in offices)
        )
        notes: dict[int, Mapping[str, Any]] = {}
        for moved in case.history:
            found = self.book.document(row, f"step:{moved.step}")
            if found is not None:
                notes[moved.step] = {k: found[k] for k in ("who", "note", "reason") if k in found}
        applied = self.book.document(row, "application")
        given = self._runner.given(row, case) if applied else {}
        shown = case.type.states[case.state.shows].send if case.state.shows else None
        return CaseView(
            row,
            case,
            acts,
            applied["application"] if applied else None,
            filled(shown.message, given) if shown and applied else None,
            given.get("answers", {}),
            notes,
        )

    def listed(
        self,
        party: str,
        case_type: str,
        state: str,
        before: tuple[str, str] | None,
        limit: int,
    ) -> list[CaseRow]:
        """Cases that a party takes part in, newest first."""
        return self.book.rows.of(party, case_type, state, before, limit)


def _check(kind: CaseType, application: Mapping[str, Any]) -> None:
    """Hold an application to its type. Raises ``Refused(CASE_DOCUMENT_INVALID)``."""
    fault = best_match(Draft202012Validator(kind.application).iter_errors(dict(application)))
    if fault is not None:
        # Not the fault's own message: it quotes what was given, and that may be about a person.
        place = ".".join(map(str, fault.absolute_path)) or "application"
        raise Refused(
            Reason.CASE_DOCUMENT_INVALID,
            f"{place} does not fit: {fault.validator} {_rule(fault.validator_value)}",
            field=place,
        )


def _rule(value: object) -> str:
    return orjson.dumps(value).decode()[:200] if not isinstance(value, dict) else ""


def _document(subject: str, note: str) -> dict[str, Any]:
    return {"who": subject, "note": note}


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
