"""How far the design carries: 10,000 exchanges/s, 50 peers, 10 billion entries. Simulated."""

from bench.plan import Costs, Shape, World
from bench.result import Figures, number, say, table

FED_BY = ("exchange", "steps", "flat", "sync")
PEERS = 50
PER_SECOND = 10_000
ENTRIES = 10_000_000_000
_ENTRIES_PER_EXCHANGE = 4
_KEPT_UP = 0.98  # of what is offered, done in the time that is looked at
_LINE_S = 0.002  # one way between two sites of a region
_EMBEDDED_PER_SECOND = (25, 50, 100, 150, 200)
_SHAPES = {
    "50 processes, 1 lane for each peer": Shape(50, 1, 1, 16),
    "64 processes, 2 lanes": Shape(64, 2, 1, 16),
    "80 processes, 2 lanes": Shape(80, 2, 1, 16),
    "100 processes, 2 lanes": Shape(100, 2, 1, 16),
    "100 processes, 2 lanes, 2 databases": Shape(100, 2, 2, 16),
    "150 processes, 3 lanes": Shape(150, 3, 1, 16),
    "100 processes, statements cost 4, not 2": Shape(100, 2, 1, 16, statements=4.0),
    "the same with 2 databases": Shape(100, 2, 2, 16, statements=4.0),
    "100 processes, 10 times the bytes, not 3": Shape(100, 2, 1, 16, written=10.0),
    "the same with 3 databases": Shape(100, 2, 3, 16, written=10.0),
}


def run(kept: dict[str, Figures]) -> Figures:
    """The model's figures. ``kept`` has those of the sections ``FED_BY``."""
    costs = Costs.of(kept)
    say(f"scale: {PEERS} peers, up to {PER_SECOND:,} exchanges/s, simulated")
    figures: Figures = {
        "costs": {name: getattr(costs, name) for name in Costs.__slots__},
        "model": compared(costs, kept["exchange"]),
        "embedded": embedded(costs),
        "shapes": {
            name: World(costs, shape, PEERS, line_s=_LINE_S).open(PER_SECOND, 1.5)
            for name, shape in _SHAPES.items()
        },
    }
    rows = [(name, of["per_second"], of["p99_ms"] or "-") for name, of in figures["shapes"].items()]
    table(f"{PER_SECOND:,} exchanges/s offered", ("shape", "done/s", "p99 ms"), rows)
    return figures


def compared(costs: Costs, exchange: Figures) -> Figures:
    """The model of two nodes beside what was measured, by how many call at a time."""
    return {
        at: World(costs, Shape(), 1, line_s=0.0).closed(int(at), 20)
        | {"measured": of["product"]["per_second"]["median"]}
        for at, of in exchange["concurrency"].items()
    }


def embedded(costs: Costs) -> Figures:
    """A node as it is today, by exchanges offered per second."""
    return {
        str(per_second): World(costs, Shape(), PEERS, line_s=_LINE_S).open(per_second, 12)
        for per_second in _EMBEDDED_PER_SECOND
    }


def _load(of: Figures, kind: str) -> str:
    return f"{of['loads'][kind]:.2f}" if kind in of["loads"] else "-"


def _row(name: str, of: Figures, *kinds: str) -> str:
    values = (of[each] for each in ("per_second", "p50_ms", "p99_ms"))
    shown = ("-" if value is None else number(value) for value in values)
    groups = number(of["commits_per_exchange"])
    return "| " + " | ".join((name, *shown, groups, *(_load(of, kind) for kind in kinds))) + " |"


def page(figures: Figures) -> str:
    """``docs/scale.md``."""
    return _fed(figures) + _reached(figures) + _breaks(figures["costs"])


def _fed(figures: Figures) -> str:
    costs = figures["costs"]
    model = "\n".join(
        f"| {at} | {number(of['measured'])} | {number(of['per_second'])} "
        f"| {number(of['per_second'] / of['measured'])} |"
        for at, of in figures["model"].items()
    )
    return f"""# How far it carries

<!-- Written by `python -m bench --write-docs` from the figures of a run; do not edit. -->

A plan beyond what is built: {PER_SECOND:,} exchanges/s, {PEERS} peers,
{ENTRIES / 1e9:.0f} billion entries. **Several processes per node are not built yet**; what is built
is one process, with its embedded store or with PostgreSQL. So this page says what a node can do
today, what breaks first on the way, and what the lanes that every log already has are for.
`python -m bench scale` simulates it again, in seconds: a queueing model (`bench/plan.py`) fed by
the measured figures of [benchmarks.md](benchmarks.md), the same digits at every run.

## What the model is fed with

| constant | value | from |
|---|---|---|
| processor time per exchange, sender's node | {number(costs["sender_s"] * 1e3)} ms \
| exchange, at 64 |
| the same, receiver's node | {number(costs["receiver_s"] * 1e3)} ms | exchange, at 64 |
| processor time per group (commit, signature, link message) | {number(costs["group_s"] * 1e3)} ms \
| exchange, 1 against 64 |
| a durable write of 64 KiB, median | {number(costs["sync_s"] * 1e3)} ms | sync |
| each MiB more | {number(costs["byte_s"] * 2**20 * 1e3)} ms | sync |
| bytes of the store per entry | {number(costs["entry_bytes"])} | flat |
| processor time of the store's statements, per exchange and node | \
{number(costs["rows_s"] * 1e3)} ms | steps |

Not measured, so assumed: a log more in a group costs half a group; a statement in PostgreSQL costs
twice what it does in the process; three bytes are made durable there for one of the store; a
database has 16 cores; 2 ms one way between the sites; every exchange begins here, which costs more
than to receive it, and law is found in the memo.

Against what was measured here, on one machine that all processes share:

| concurrent | measured per second | the model | ratio |
|---|---|---|---|
{model}

It errs to the slow side under load, where the measured cost of an exchange still falls.
"""


def _reached(figures: Figures) -> str:
    shapes = figures["shapes"]
    kept_up = [name for name, of in shapes.items() if of["per_second"] > _KEPT_UP * PER_SECOND]
    return f"""
## Today: one process, embedded store, {PEERS} peers

| offered per second | done | p50 ms | p99 ms | commits per exchange | busy: process | disk |
|---|---|---|---|---|---|---|
{_lines(figures["embedded"], "worker", "disk")}

The process is what fills up; the disk idles. With {PEERS} peers an entry finds few others to share
a group with, until the process is busy enough that they queue: groups then carry more, and the cost
per exchange falls by itself. That is why more is done at a higher load, and p50 pays for it.

## {PER_SECOND:,} exchanges/s

{PER_SECOND:,} offered per second. Each lane belongs to one process.

| shape | done | p50 ms | p99 ms | commits per exchange | busy: process | disk | database |
|---|---|---|---|---|---|---|---|
{_lines(shapes, "worker", "disk", "database")}

The first of them that keeps up: **{next(iter(kept_up), "none")}**.
Busy is the share of time of the busiest of its kind. A disk is always busy there and no limit:
each flush carries whatever committed meanwhile.
"""


def _breaks(costs: Figures) -> str:
    per_entry, days = costs["entry_bytes"], ENTRIES / _ENTRIES_PER_EXCHANGE / 86_400
    return f"""
## What breaks first, and what is done about it

1. **The process of a lane.** An exchange costs {number(costs["sender_s"] * 1e3)} ms of one core, a
   group {number(costs["group_s"] * 1e3)} ms. More processes, each owner of whole lanes (a lane has
   its own log and mirror, so nothing is shared between owners); at least as many lanes as
   processes. A lane for each process keeps up above; more lanes make smaller groups, which cost
   processor time, and let load move in smaller parts when a process fails.
2. **The database's cores**, if statements cost more than assumed (rows 7 and 8). Lanes share no
   rows, so a database for each half of the peers is a cut along lines that are there. What all
   lanes share, register, revisions and request ids, is small or follows its caller.
3. **Its durable writes**, if whole pages are written (rows 9 and 10): the same cut, or a faster
   disk for the log of the database alone.
4. **Room.** {ENTRIES / 1e9:.0f} billion entries are {number(ENTRIES * per_entry / 1e12)} TB
   in each node at {number(per_entry)} bytes an entry, own and mirrored; four for an exchange are
   {number(days / PER_SECOND)} days at {PER_SECOND:,} exchanges/s without a pause,
   or {number(days / 100)} days at a mean of 100. Partitions by log and range of
   indexes: payloads and their keys go when their term is over, which empties old partitions to
   entries and hashes; full tiles never change, so a closed range is copied once to object storage
   in the layout that auditors' tools read already, checked against a signed checkpoint, and
   detached. Reading an old receipt then costs a fetch.
5. **The tree** does not: an append hashes once for each entry and a proof log₂ of the size, 20
   levels at a million entries and 34 at {ENTRIES / 1e9:.0f} billion; docs/benchmarks.md shows that
   a full store costs what an empty one does.
"""


def _lines(figures: dict[str, Figures], *kinds: str) -> str:
    return "\n".join(_row(name, of, *kinds) for name, of in figures.items())
