"""Sets of distinct subjects: who was counted last on which day, and how many that makes.

One row says when a subject last counted in a set. So the persons since any day are the rows of that
day or a later one, whether the law counts since 1 January, since an assessment, or over the last
thirty days; no period has rows of its own. The numbers by day are kept by the table itself
(``schema.py``), so rows and numbers cannot part. Sets and subjects are keyed hashes.
"""

from collections.abc import Iterable

import orjson

from xbgateway.model.record import CountSubjects, ForgetSubjects

from .connection import Connection

_AFTER = (
    "SELECT (SELECT coalesce(sum(n), 0) FROM subject_days"
    " WHERE kind = ?1 AND scope = ?2 AND day >= ?3)"
    " + (SELECT count(*) FROM json_each(?4) WHERE NOT EXISTS (SELECT 1 FROM subjects"
    " WHERE kind = ?1 AND scope = ?2 AND subject = unhex(value) AND day >= ?3))"
)
_ADD = (
    "INSERT INTO subjects SELECT ?1, ?2, unhex(value), ?3 FROM json_each(?4) WHERE true"
    " ON CONFLICT (kind, scope, subject) DO UPDATE SET day = excluded.day"
    " WHERE subjects.day < excluded.day"
)
_FORGET = (
    "DELETE FROM subjects WHERE (kind, scope, subject) IN"
    " (SELECT kind, scope, subject FROM subjects WHERE kind = ? AND day < ? LIMIT ?)"
)


def after(
    connection: Connection, kind: str, scope: bytes, since: str, subjects: Iterable[bytes]
) -> int:
    """Distinct subjects of a set since a day, together with ``subjects`` (distinct)."""
    found = connection.execute(_AFTER, (kind, scope, since, _listed(subjects))).fetchone()
    assert found is not None
    return int(found[0])


def add(connection: Connection, effect: CountSubjects) -> None:
    """Count subjects on their day; one that is counted on a later day stays there."""
    if effect.subjects:
        values = (effect.kind, effect.scope, effect.day, _listed(effect.subjects))
        connection.execute(_ADD, values)


def forget(connection: Connection, effect: ForgetSubjects) -> None:
    """Take away some of the subjects that were last counted too long ago to matter."""
    connection.execute(_FORGET, (effect.kind, effect.before, effect.most))


def due(connection: Connection, kind: str, before: str) -> bool:
    """Whether a kind has subjects that were last counted before a day."""
    sql = "SELECT 1 FROM subject_days WHERE kind = ? AND day < ? LIMIT 1"
    return connection.execute(sql, (kind, before)).fetchone() is not None


def _listed(subjects: Iterable[bytes]) -> str:
    return orjson.dumps([subject.hex() for subject in subjects]).decode()
