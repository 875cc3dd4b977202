"""Numbered migrations of the SQLite store, run forward at start inside one transaction each.

A row of ``entries`` and ``beside`` is found by ``pos = log << 40 | index``: one integer key keeps
each log's rows together and in order, and appends touch the end of each log only.
"""

from functools import lru_cache
from uuid import UUID

import apsw

from xbgateway.model.errors import Fatal, Reason

INDEX_BITS = 40


# A dozen rows of each exchange are found by it, all within moments.
@lru_cache(maxsize=4096)
def exchange_key(exchange: str) -> bytes:
    """The 16 bytes under which rows of an exchange are kept. Raises ``ValueError``."""
    return UUID(exchange).bytes


MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL CHECK (role IN ('own', 'mirror')),
        size INTEGER NOT NULL DEFAULT 0,
        checkpoint BLOB,              -- signed note; for a mirror the peer's
        held_size INTEGER NOT NULL DEFAULT 0,
        held BLOB,                    -- own: checkpoint with the peer's cosignature line
        stopped TEXT                  -- why a person has to look
    ) STRICT;
    CREATE TABLE entries (
        pos INTEGER PRIMARY KEY,
        exchange BLOB,
        entry BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entries_exchange ON entries (exchange) WHERE exchange IS NOT NULL;
    CREATE TABLE tiles (
        log INTEGER NOT NULL,
        level INTEGER NOT NULL,
        n INTEGER NOT NULL,
        hashes BLOB NOT NULL,
        root BLOB NOT NULL,           -- of the whole tile: a hash of the level above
        PRIMARY KEY (log, level, n)
    ) STRICT;
    CREATE TABLE beside (
        pos INTEGER PRIMARY KEY,
        exchange BLOB,
        declaration BLOB NOT NULL,
        sealed BLOB NOT NULL,
        wrap BLOB                     -- SHA-256 of the wrap, own logs only
    ) STRICT;
    CREATE INDEX beside_exchange ON beside (exchange);
    CREATE TABLE wraps (
        n INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, wrap BLOB NOT NULL
    ) STRICT;
    CREATE TABLE bundles (
        origin TEXT NOT NULL, n INTEGER NOT NULL, entry BLOB NOT NULL, PRIMARY KEY (origin, n)
    ) STRICT;
    CREATE TABLE exchanges (
        id BLOB PRIMARY KEY,
        party TEXT,                   -- the caller; NULL where this node only receives
        request_id TEXT,
        fingerprint BLOB,
        key BLOB,                     -- wrapped; NULL once erased
        at TEXT NOT NULL,
        evidence_until TEXT,          -- local day; facts stay until then (log_keep)
        payload_until TEXT            -- local day; payload goes after it (data_keep)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX exchanges_request ON exchanges (party, request_id)
        WHERE party IS NOT NULL;
    CREATE INDEX exchanges_party ON exchanges (party, at, id) WHERE party IS NOT NULL;
    CREATE INDEX exchanges_payload ON exchanges (payload_until) WHERE payload_until IS NOT NULL;
    CREATE TABLE parts (
        exchange BLOB NOT NULL,
        part TEXT NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (exchange, part)
    ) STRICT;
    CREATE TABLE pending (
        pos INTEGER PRIMARY KEY,
        step TEXT NOT NULL
    ) STRICT;
    CREATE TABLE facts (
        digest BLOB PRIMARY KEY, exchange BLOB NOT NULL, sealed BLOB NOT NULL
    ) STRICT;
    CREATE TABLE standings (digest BLOB PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE decisions (
        revision BLOB NOT NULL, input_digest BLOB NOT NULL,
        input BLOB NOT NULL, decision BLOB NOT NULL,
        PRIMARY KEY (revision, input_digest)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counters (
        kind TEXT NOT NULL, key BLOB NOT NULL, "window" TEXT NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (kind, key, "window")
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE revisions (id BLOB PRIMARY KEY, files BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE registers (
        n INTEGER PRIMARY KEY, version TEXT NOT NULL, document BLOB NOT NULL
    ) STRICT;
    """,
    # The root that each own log was committed at: a start signs nothing else.
    """
    CREATE TABLE roots (log INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) STRICT;
    """,
    # Facts by exchange: new rows go to the end of the table, and erasing finds them.
    """
    ALTER TABLE facts RENAME TO facts_by_digest;
    CREATE TABLE facts (
        exchange BLOB NOT NULL, digest BLOB NOT NULL, sealed BLOB NOT NULL,
        PRIMARY KEY (exchange, digest)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO facts SELECT exchange, digest, sealed FROM facts_by_digest;
    DROP TABLE facts_by_digest;
    """,
    # Duties of decisions that people carry out; they outlive the payload of their exchange.
    """
    CREATE TABLE duties (
        id BLOB PRIMARY KEY,          -- exchange (zeros: owed once for a paper) and digest
        verb TEXT NOT NULL,
        who TEXT,
        about TEXT,
        paper TEXT,
        rules TEXT NOT NULL,          -- parted by spaces
        party TEXT NOT NULL,          -- that owes it
        roles TEXT NOT NULL,          -- whose officers may confirm it, parted by spaces
        at TEXT NOT NULL,
        due TEXT NOT NULL,            -- the last instant inside
        confirmed_at TEXT,
        role TEXT,
        officer TEXT,                 -- opaque; stays at this node
        note TEXT,
        evidence TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX duties_open ON duties (due, id, verb, party, confirmed_at)
        WHERE confirmed_at IS NULL;
    CREATE INDEX duties_confirmed ON duties (due, id) WHERE confirmed_at IS NOT NULL;
    """,
    # Sets of distinct subjects, and how many of a set were last counted on each day.
    """
    CREATE TABLE subjects (
        kind TEXT NOT NULL,
        scope BLOB NOT NULL,          -- keyed hash of whose set it is
        subject BLOB NOT NULL,        -- keyed hash
        day TEXT NOT NULL,            -- local day on which it was last counted
        PRIMARY KEY (kind, scope, subject)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE subject_days (
        kind TEXT NOT NULL, scope BLOB NOT NULL, day TEXT NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (kind, scope, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER subjects_inserted AFTER INSERT ON subjects BEGIN
        INSERT INTO subject_days VALUES (new.kind, new.scope, new.day, 1)
            ON CONFLICT DO UPDATE SET n = n + 1;
    END;
    CREATE TRIGGER subjects_deleted AFTER DELETE ON subjects BEGIN
        UPDATE subject_days SET n = n - 1
            WHERE kind = old.kind AND scope = old.scope AND day = old.day;
        DELETE FROM subject_days
            WHERE kind = old.kind AND scope = old.scope AND day = old.day AND n = 0;
    END;
    CREATE TRIGGER subjects_moved AFTER UPDATE OF day ON subjects BEGIN
        INSERT INTO subject_days VALUES (new.kind, new.scope, new.day, 1)
            ON CONFLICT DO UPDATE SET n = n + 1;
        UPDATE subject_days SET n = n - 1
            WHERE kind = old.kind AND scope = old.scope AND day = old.day;
        DELETE FROM subject_days
            WHERE kind = old.kind AND scope = old.scope AND day = old.day AND n = 0;
    END;
    """,
    # Registers change while nodes run: each change on its own, layered upon the base document.
    """
    ALTER TABLE registers ADD COLUMN at TEXT NOT NULL DEFAULT '';
    CREATE TABLE register_changes (
        n INTEGER PRIMARY KEY,
        version TEXT NOT NULL,
        at TEXT NOT NULL,             -- when this node took it into use
        node TEXT NOT NULL,           -- whose officers made it
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        event TEXT NOT NULL,
        change BLOB NOT NULL,
        officer TEXT,                 -- of this node's own only
        request TEXT UNIQUE,
        refused TEXT                  -- a peer's change that is not in use, and why
    ) STRICT;
    CREATE INDEX register_changes_record ON register_changes (kind, id, n);
    """,
    # Holds: who decides, until when, and whether somebody has.
    """
    CREATE TABLE holds (
        leaf BLOB PRIMARY KEY,        -- of the entry that asks
        exchange BLOB NOT NULL,
        at TEXT NOT NULL,
        role TEXT NOT NULL,
        deadline TEXT NOT NULL,
        here INTEGER NOT NULL,        -- 1: officers of this node decide
        state TEXT NOT NULL,          -- open; approved, rejected: to be acted on; done
        decision BLOB                 -- who and why, sealed under the exchange's key
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX holds_state ON holds (state, at) WHERE state <> 'done';
    CREATE INDEX holds_exchange ON holds (exchange);
    """,
    # Revisions of the policies: what officers proposed and decided, and what came into use when.
    """
    CREATE TABLE activations (
        n INTEGER PRIMARY KEY, revision BLOB NOT NULL, at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE proposals (
        id BLOB PRIMARY KEY,
        revision BLOB NOT NULL,
        previous BLOB NOT NULL,       -- in use when it was proposed
        officer TEXT NOT NULL,        -- opaque; stays at this node, as decided_by
        note TEXT NOT NULL,
        at TEXT NOT NULL,
        checked TEXT NOT NULL,        -- one a line
        skipped TEXT NOT NULL,
        state TEXT NOT NULL,          -- open, approved, rejected
        decided_by TEXT NOT NULL,
        reason TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        files BLOB NOT NULL           -- the deciding ones, packed
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX proposals_at ON proposals (at, id);
    """,
    # Deliveries that wait for their time, for whoever pulls them, or for a person.
    """
    CREATE TABLE deliveries (
        exchange BLOB PRIMARY KEY,
        origin TEXT,                  -- where its request stands; NULL at the node that asked
        n INTEGER,
        party TEXT NOT NULL,          -- of this node
        service TEXT NOT NULL,
        method TEXT NOT NULL,
        state TEXT NOT NULL,          -- waiting, calling; dead, unknown: for a person; closed, done
        at TEXT NOT NULL,
        last TEXT NOT NULL,
        due TEXT NOT NULL,            -- next attempt, or end of the lease
        until TEXT NOT NULL,          -- end of the horizon
        attempts INTEGER NOT NULL,
        most INTEGER NOT NULL,        -- attempts before it is parked
        unsure INTEGER NOT NULL,      -- 1: the service may have acted
        wait_s REAL NOT NULL,
        lease TEXT NOT NULL,
        reason TEXT NOT NULL,
        answer BLOB,                  -- keyed hash of what was acknowledged
        remark BLOB,                  -- who looked, sealed under the exchange's key
        version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_due ON deliveries (service, due) WHERE state = 'waiting';
    CREATE INDEX deliveries_pull ON deliveries (party, due) WHERE state = 'waiting';
    CREATE INDEX deliveries_until ON deliveries (until) WHERE state = 'waiting';
    CREATE INDEX deliveries_poison ON deliveries (due) WHERE state = 'waiting' AND attempts >= most;
    CREATE INDEX deliveries_people ON deliveries (at, exchange) WHERE state IN ('dead', 'unknown');
    CREATE INDEX deliveries_done ON deliveries (last) WHERE state = 'done';
    CREATE INDEX deliveries_count ON deliveries (service, state, at)
        WHERE state IN ('waiting', 'calling', 'dead', 'unknown');
    """,
    # Attachments whose sealed segments rest in files beside the store.
    """
    CREATE TABLE streams (
        id BLOB PRIMARY KEY,          -- of the upload; where it came in, of the exchange
        party TEXT NOT NULL,          -- of this node: whose it is
        size_bytes INTEGER NOT NULL,
        at TEXT NOT NULL,
        until TEXT NOT NULL,          -- an upload that no exchange took along until then goes
        key BLOB NOT NULL,            -- its own, wrapped; empty where it came in
        exchange BLOB,                -- that took it along
        root BLOB,                    -- of the tree over the sealed segments, once all are here
        segments INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX streams_exchange ON streams (exchange) WHERE exchange IS NOT NULL;
    CREATE INDEX streams_party ON streams (party);
    """,
    # Which keys sign a log from which size on; those of a log that never changed them are the
    # register's, and stand there from the next start on.
    """
    CREATE TABLE turns (
        log INTEGER NOT NULL,
        size INTEGER NOT NULL,
        log_key BLOB NOT NULL,
        cosign_key BLOB NOT NULL,
        compromised BLOB NOT NULL,    -- keys of 32 bytes one after the other
        PRIMARY KEY (log, size)
    ) STRICT, WITHOUT ROWID;
    """,
    # In which order deliveries that wait come: by priority, and nobody waits for ever.
    """
    ALTER TABLE deliveries ADD COLUMN rank TEXT NOT NULL DEFAULT '';
    UPDATE deliveries SET rank = at;
    DROP INDEX deliveries_due;
    DROP INDEX deliveries_pull;
    CREATE INDEX deliveries_due ON deliveries (service, rank) WHERE state = 'waiting';
    CREATE INDEX deliveries_pull ON deliveries (party, rank) WHERE state = 'waiting';
    """,
    # One-stop cases: an index over their entries, and what only this node knows of them.
    """
    CREATE TABLE case_types (digest BLOB PRIMARY KEY, document BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE cases (
        id BLOB PRIMARY KEY,
        number TEXT NOT NULL,
        type TEXT NOT NULL,
        own INTEGER NOT NULL,         -- 1: this node opened it, and alone writes its entries
        peer TEXT NOT NULL,
        lane INTEGER NOT NULL,
        step INTEGER NOT NULL,
        state TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        moved_at TEXT NOT NULL,
        parties TEXT NOT NULL,        -- parted by spaces
        ended TEXT NOT NULL,          -- outcome; empty while it goes on
        due TEXT NOT NULL,            -- next reminder or end of a term; empty: none
        erase_on TEXT NOT NULL,       -- local day; empty while it goes on
        key BLOB,                     -- wrapped; NULL at the other node, and once erased
        subject BLOB,                 -- keyed hash
        request TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        late INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX cases_request ON cases (request) WHERE own = 1;
    CREATE UNIQUE INDEX cases_subject ON cases (subject) WHERE subject IS NOT NULL AND ended = '';
    CREATE INDEX cases_number ON cases (number) WHERE number <> '';
    CREATE INDEX cases_open ON cases (opened_at, id) WHERE own = 1 AND ended = '';
    CREATE INDEX cases_due ON cases (due) WHERE own = 1 AND ended = '' AND due <> '';
    CREATE INDEX cases_erase ON cases (erase_on) WHERE key IS NOT NULL AND erase_on <> '';
    CREATE TABLE case_parties (
        party TEXT NOT NULL, opened_at TEXT NOT NULL, id BLOB NOT NULL,
        PRIMARY KEY (party, opened_at, id)
    ) STRICT, WITHOUT ROWID;
    """,
)


def migrate(connection: apsw.Connection) -> int:
    """Bring the store to this release's version; returns it.

    Raises ``Fatal(STORE_VERSION)`` for a store of a later release.
    """
    version = int(connection.pragma("user_version"))
    if version > len(MIGRATIONS):
        raise Fatal(
            Reason.STORE_VERSION,
            f"the store is of version {version}, this release knows {len(MIGRATIONS)}",
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with connection:
            connection.execute(script)
            connection.execute(f"PRAGMA user_version = {number}")
    return len(MIGRATIONS)
