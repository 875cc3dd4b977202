"""What has to be true once a storm is over: of callers, services, both logs, and counters."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from tests.harness.callers import NOTICE, QUERY, Asked, Callers
from tests.harness.cluster import Processes
from tests.harness.officers import HELD, rejected
from tests.harness.verify import Report, examine

from xbgateway.demo.cluster import PARTIES
from xbgateway.model.outcome import Outcome, State


def check_effects(cluster: Processes, asked: Sequence[Asked]) -> dict[str, int]:
    """Promise 2 at the services: each request has one exchange; each exchange its effect once.

    A method that does not know exchange ids acts once at most, and where nobody can know whether
    it did, the caller was told so. Returns how often each end came.
    """
    ends: dict[str, int] = {}
    effects = {node: cluster.effects(node) for node in PARTIES}
    seen: set[str] = set()
    for one in asked:
        said = one.error.reason if one.error else "answered"
        ends[said] = ends.get(said, 0) + 1
        assert one.exchange, f"{one.kind.name} {one.request_id} has no exchange: {one.error}"
        assert one.exchange not in seen, "two requests share an exchange"
        seen.add(one.exchange)
        _method, _asked, acted = effects[one.kind.agency].get(one.exchange, ("", 0, 0))
        if one.answer is not None:
            assert acted == 1, f"{one.kind.name} {one.exchange} was answered and acted {acted}x"
        elif one.unreached:
            assert acted == 0, f"{one.exchange} acted {acted}x; its caller heard that it did not"
        else:
            assert not one.kind.honours, f"{one.kind.name} ended with {one.error}"
            assert one.error is not None
            assert one.error.reason == "EXCHANGE_UNKNOWN_EFFECT", str(one.error)
            assert acted <= 1, f"{one.exchange} acted {acted}x"
    for found in effects.values():
        strange = found.keys() - seen
        assert not strange, f"effects nobody asked for: {strange}"
    return ends


async def agree(nodes: Processes, people: Callers) -> tuple[Report, dict[str, int]]:
    """Settle and stop the nodes and look at everything; what was found, and how often which end.

    Raises ``AssertionError`` naming the first thing that is wrong.
    """
    await nodes.settle()
    await nodes.stop()
    # What an officer rejected must be strange to every service.
    ends = check_effects(nodes, [one for one in people.asked if not rejected(one)])
    report = examine(nodes.stores(), nodes.register)
    _explained(people.asked, report.outcomes)
    _counted(nodes, people.asked)
    return report, ends


async def asked_again(people: Callers, some: Sequence[Asked]) -> None:
    """The same request id gives the stored result; ``once`` compares."""
    for one in some:
        before = one.error.reason if one.error else None
        await people.done(one)
        assert (one.error.reason if one.error else None) == before


def _explained(asked: Sequence[Asked], outcomes: Mapping[str, State]) -> None:
    """Both logs say of each request what its caller was told, and know of no other."""
    for one in asked:
        said = outcomes[one.exchange].outcome
        wanted = Outcome.EXECUTED if one.answer is not None else Outcome.UNKNOWN
        wanted = Outcome.REFUSED if rejected(one) or one.unreached else wanted
        assert said is wanted, f"{one.kind.name} {one.exchange}: {said}"
    assert outcomes.keys() == {one.exchange for one in asked}


def _counted(nodes: Processes, asked: Sequence[Asked]) -> None:
    """Zhuhai has counted, once each, the persons of its parties' requests and of its answers."""
    persons = {
        (one.kind.party, _named(one))
        for one in asked
        if one.kind not in {NOTICE, HELD} or one.answer is not None
    }
    with closing(sqlite3.connect(nodes.store("zhuhai"))) as store:
        kept = "SELECT count(*) FROM subjects WHERE kind = 'pi_year'"
        number = "SELECT sum(n) FROM subject_days WHERE kind = 'pi_year'"
        found = store.execute(f"SELECT ({kept}), ({number})").fetchone()
    assert found == (len(persons), len(persons))


def _named(one: Asked) -> str:
    asked: Any = one.request
    if one.kind is NOTICE:
        return str(asked.pid_token)
    return str(asked.fss_no if one.kind is QUERY else asked.attestation.bir_no)
