"""What a node has counted, and what its own logs say that it sent."""

from typing import Any

from tests.harness.simulator import World

from xbgateway.model.entry import Request, decode


def persons(w: World, node: str, kind: str) -> int:
    """Persons counted in all sets of a kind; the numbers by day are those of the rows."""
    connection = w.nodes[node].core.store.reader.connection()
    by_rows: list[Any] = connection.execute(
        "SELECT scope, day, count(*) FROM subjects WHERE kind = ? GROUP BY 1, 2 ORDER BY 1, 2",
        (kind,),
    ).fetchall()
    by_days: list[Any] = connection.execute(
        "SELECT scope, day, n FROM subject_days WHERE kind = ? ORDER BY 1, 2", (kind,)
    ).fetchall()
    assert by_rows == by_days
    return sum(n for _scope, _day, n in by_rows)


def sent(w: World, node: str) -> int:
    """Entries by which a node sent content to a peer: requests, and answers of its services."""
    core = w.nodes[node].core
    entries = (
        decode(raw)
        for origin in core.topology.own()
        for raw in core.store.reader.entries(origin, 0, core.store.size(origin))
    )
    return sum(
        1 for e in entries if isinstance(e, Request) or getattr(e, "status", "") == "answered"
    )
