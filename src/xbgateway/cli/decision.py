"""Decisions made again from what was recorded: the same bytes, or why not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from xbgateway.cli.audit_store import Store
from xbgateway.cli.ending import Ending, tell
from xbgateway.cli.output import Format, Output, listed
from xbgateway.exchange.archive import read_facts, standing_digest
from xbgateway.identity import load_rest_key
from xbgateway.model.entry import Verdict
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.model.facts import Facts
from xbgateway.model.outcome import Placed
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.memo import Decider
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import Revision, load_directory, load_revision, unpack
from xbgateway.seal import RestKey, open_at_rest
from xbgateway.seal.rest import WRAPPED_BYTES

# A person waits, not a caller: a cold engine on a busy machine may take its time.
_TIMEOUT_MS = 10_000

app = typer.Typer(help="Recorded decisions, made again.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `recompute` a command of its own."""


@app.command()
def recompute(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="A node's store file.")],
    keys: Annotated[Path, typer.Option(metavar="DIR", help="The node's folder of keys.")],
    exchange: Annotated[str, typer.Option(metavar="ID", help="The exchange.")],
    policies: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Policies of the revision, if not ours; repeatable."),
    ] = None,
    output: Output = Format.TABLE,
) -> int:
    """Derive every decision of an exchange again, from recorded facts, and compare the bytes.

    States: same; differs (ends with 3); erased, where the facts were destroyed by rule; elsewhere,
    where the other node decided; no revision, where the store's policy archive lacks it and its
    policies are not given (ends with 5).
    """
    if not store.is_file():
        raise Refused(Reason.CONFIG_INVALID, f"{store} is no store")
    archive = Archive(Store.open(store), RestKey(load_rest_key(keys / "rest.key")))
    try:
        placed = archive.store.reader.placed(exchange)
    except ValueError:
        raise Refused(Reason.EXCHANGE_UNKNOWN, f"{exchange} is no exchange id") from None
    if not placed:
        raise Refused(Reason.EXCHANGE_UNKNOWN, f"the store has no exchange {exchange}")
    revisions = {one.id: one for one in map(load_directory, policies or [])}
    records = [
        _recomputed(archive, revisions, one)
        for one in placed
        if isinstance(getattr(one.entry, "verdict", None), Verdict)
    ]
    listed(records, ("kind", "origin", "index", "state", "verdict", "detail"), output)
    states = {record["state"] for record in records}
    if "differs" in states:
        tell("error: POLICY_INVALID: a recorded decision cannot be derived from its facts")
        tell("hint: Keep store and policies as they are; operators of both sides look.")
        return Ending.VERIFICATION
    if "no revision" in states:
        tell("error: POLICY_INVALID: the policies of a recorded revision are not given")
        tell("hint: Name their folder with --policies; the revision is in the listing.")
        return Ending.CONFIGURATION
    return Ending.OK


class Erased(Exception):
    """What the decision was made on was destroyed by rule."""


class Elsewhere(Exception):
    """The other node decided, and keeps the facts."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The facts that a node recorded, and the key that opens them."""

    store: Store
    rest: RestKey

    def revision(self, revision: str) -> Revision | None:
        """A revision of the node's own policy archive.

        Raises ``Refused(POLICY_INVALID)`` where what is kept is not that revision any more.
        """
        packed = self.store.reader.revision(revision)
        if packed is None:
            return None
        found = load_revision(unpack(packed))
        if found.id != revision:
            raise Refused(Reason.POLICY_INVALID, "the archived revision was altered")
        return found

    def facts(self, exchange: str, verdict: Verdict, *, own: bool) -> Facts:
        """The recorded facts of a decision.

        Raises ``Erased``, ``Elsewhere``, and ``Refused(SEAL_BROKEN | KEY_UNKNOWN)`` where they are
        there and do not open or are not those of the entry.
        """
        reader = self.store.reader
        if not own:
            raise Elsewhere
        row, found = reader.exchange_row(exchange), reader.facts(exchange, verdict.facts)
        if found is None or row is None or row[2] is None:
            raise Erased
        raw = open_at_rest(self.rest.unwrap(row[2]), b"facts", found)
        kept = reader.standing(standing_digest(raw))
        if hashlib.sha256(raw).hexdigest() != verdict.facts or kept is None:
            raise Refused(Reason.SEAL_BROKEN, "the recorded facts are not those of the entry")
        key = self.rest.unwrap(kept[:WRAPPED_BYTES])
        standing = open_at_rest(key, b"standing", kept[WRAPPED_BYTES:])
        try:
            return read_facts(raw, standing)
        except ValueError as error:
            raise Refused(Reason.SEAL_BROKEN, str(error)) from error


def _recomputed(
    archive: Archive, revisions: Mapping[str, Revision], placed: Placed
) -> dict[str, Any]:
    entry: Any = placed.entry
    verdict: Verdict = entry.verdict
    record: dict[str, Any] = {
        "kind": str(entry.kind),
        "origin": placed.position.origin,
        "index": placed.position.index,
        "state": "differs",
        "verdict": "",
        "revision": verdict.revision,
        "input": verdict.input,
        "decision": verdict.decision,
        "detail": "",
    }
    try:
        own = archive.store.log(placed.position.origin).role == "own"
        facts = archive.facts(entry.exchange, verdict, own=own)
        revision = revisions.get(verdict.revision) or archive.revision(verdict.revision)
        if revision is None:
            return record | {"state": "no revision", "detail": verdict.revision}
        return record | _compared(archive, revision, facts, verdict)
    except Erased:
        return record | {"state": "erased", "detail": "the facts were destroyed; proofs stay valid"}
    except Elsewhere:
        return record | {"state": "elsewhere", "detail": "its node keeps the facts"}
    except GatewayError as error:
        return record | {"detail": str(error)}


def _compared(
    archive: Archive, revision: Revision, facts: Facts, verdict: Verdict
) -> dict[str, Any]:
    snapshot = EmbeddedEngine().load(revision.bundle())
    try:
        decider = Decider(snapshot, Projector(revision), revision, timeout_ms=_TIMEOUT_MS)
        made = decider.decide(facts)
    finally:
        snapshot.close()
    said: dict[str, Any] = {"verdict": made.decision.verdict}
    if made.decision.input_digest != verdict.input:
        return said | {"detail": "the facts lead to another input than the entry names"}
    if made.decision.decision_digest != verdict.decision:
        return said | {"detail": "the input leads to another decision than the entry names"}
    kept = archive.store.reader.decision(verdict.revision, verdict.input)
    if kept is not None and kept != (made.input_bytes, made.decision_bytes):
        return said | {"detail": "the documents on record are not those of the decision"}
    return said | {"state": "same", "detail": "equal to the byte"}
