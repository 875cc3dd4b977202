"""What has to be true once a storm is over: of callers, services, both logs, and counters."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from tests.harness.cluster import NOTICE, QUERY, Asked, Callers, Processes, check_effects
from tests.harness.officers import HELD, rejected
from tests.harness.verify import Report, examine

from xbgateway.model.outcome import Outcome, State


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
        wanted = Outcome.REFUSED if rejected(one) else wanted
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
