"""``docs/benchmarks.md`` and the ratios, from the figures that were kept. Nothing here measures."""

import textwrap
from collections.abc import Callable, Iterable, Sequence

from bench import scale
from bench.flat import FLAT_WITHIN
from bench.memory import BOUNDED_WITHIN
from bench.messages import PATH, PAYLOAD_BYTES
from bench.result import Figures, Spread, number
from bench.stream import WAYS

Kept = dict[str, Figures | None]


def ratios(kept: Kept) -> Figures:
    """What a run comes down to; a section without figures is named, not left out."""
    found: Figures = {"missing": [name for name, figures in kept.items() if figures is None]}
    for name, part in _PARTS.items():
        figures = kept.get(name)
        if figures is not None:
            found |= part(figures)
    return found


def _stream_ratios(figures: Figures) -> Figures:
    return {
        "stream_to_bare_stream": {
            size: {way: round(_median(one, way) / _median(one, WAYS[1]), 2) for way in WAYS[2:]}
            for size, one in figures["sizes"].items()
        }
    }


_PARTS: dict[str, Callable[[Figures], Figures]] = {
    "exchange": lambda figures: {
        f"exchange_{concurrency}_concurrent": of["ratio"]
        for concurrency, of in figures["concurrency"].items()
    },
    "async": lambda figures: {
        "async": {name: figures[f"{name}_ratio"] for name in ("accepted", "delivered")}
    },
    "flat": lambda figures: {
        "flat": {
            "entries": figures["entries"],
            "ratio": figures["ratio"],
            "time_ratio": figures["time_ratio"],
            "grown_by_more_than_10_percent": figures["grown"],
        }
    },
    "memory": lambda figures: {
        "memory_bounded": {name: one["bounded"] for name, one in figures["nodes"].items()}
    },
    "log": lambda figures: {
        "log_per_second": {
            name.removesuffix("_per_second"): figures[name]["median"]
            for name in ("append_per_second", "mirror_per_second")
        }
    },
    "policy": lambda figures: {
        "policy_miss_to_hit": round(
            figures["us"]["embedded: evaluated"]["median"] / figures["us"]["memo: hit"]["median"], 1
        )
    },
    "registers": lambda figures: {
        "registers": {
            "hit_rate": figures["day"]["hit rate"],
            "ten_times_as_large": figures["cpu_ms"]["10 times the registers, ratio"],
        }
    },
    "revoking": lambda figures: {
        "revoking_p99_s": {node: one["p99_s"] for node, one in figures["changed_at"].items()}
    },
    "stream": _stream_ratios,
}


def _median(one: Figures, way: str) -> float:
    found: float = one["mb_per_s"][way]["median"]
    return found


def pages(kept: dict[str, Figures]) -> dict[str, str]:
    """The pages by their names in ``docs``, from the figures of every section."""
    return {"benchmarks.md": _benchmarks(kept), "scale.md": scale.page(kept["scale"])}


def _benchmarks(kept: dict[str, Figures]) -> str:
    parts = [
        _HEAD,
        _machines(kept),
        _exchange(kept["exchange"]),
        _submitted(kept["async"]),
        _steps(kept["steps"], kept["exchange"]),
        _log(kept["log"]),
        _sync(kept["sync"]),
        _flat(kept["flat"]),
        _memory(kept["memory"]),
        _policy(kept["policy"]),
        _registers(kept["registers"]),
        _revoking(kept["revoking"]),
        _stream(kept["stream"]),
    ]
    lines = "\n".join(parts).splitlines()
    return "\n".join(_wrapped(line) for line in lines) + "\n"


def _wrapped(line: str) -> str:
    """Paragraphs at the width of the house; tables and headings as they are."""
    return line if line.startswith(("|", "#", "<")) else textwrap.fill(line, 100)


_CHOSEN = (
    "\n"
    "How long a busy log's group waits (`store/pace.py`) and how many groups one cosignature "
    "speaks for (REQ-LINK-8) were chosen by pairs on 2026-11-26: the nodes before and after ran "
    "at the same time under the same load, since others used the machine's 2 processors too and "
    "absolute values say little. At 64 concurrent, 3 rounds of 6 s each, both nodes together "
    "took 14,343 (14,000..14,550) µs per exchange against 16,425 (16,353..17,975) before, an "
    "eighth less; commits per exchange went to 0.386 and 0.598 from 0.533 and 0.89, p50 to "
    "2,326 ms from 3,036. At 8 concurrent, 2 rounds of 5 s, neither throughput nor p50 differed "
    "by more than the rounds among themselves.\n"
)

_HEAD = f"""# Benchmarks

<!-- Written by `python -m bench --write-docs` from the figures of a run; do not edit. -->

`make bench` makes these figures; `python -m bench exchange` (or `async`, `steps`, `log`, `flat`,
`memory`, `policy`, `registers`, `revoking`, `stream`, `sync`) makes some of them again. Raw figures
are kept in `var/bench/`, those behind this page in [benchmarks.json](benchmarks.json); ratios go to
standard output as JSON. Everything is a median with the lowest and highest value behind it, on
loopback. Absolute rates are the machine's; the ratios are what to compare. What they mean for a
larger node is simulated in [scale.md](scale.md).

What is compared: **product** is load → node A → peer link → node B → service, **peer** is load →
relay → relay → the same service process. A relay (`bench/relay.py`) is grpc.aio on uvloop that
passes raw bytes on and does nothing else. Every hop of both sides is mutual TLS. The load generator
(ghz), its metadata and its connections are the same for both. Calls are
`{PATH}` with {PAYLOAD_BYTES} bytes
each way; the request's pseudonym is padded to get there, and the answer has dates that the purpose
may not see and that the nodes take out. On in the product: mutual TLS on both hops, bearer tokens,
the decisions of both sides on both legs, sealing, signed checkpoints, two durable logs with their
mirrors, and a receipt, which is fetched and looked at once before the load.
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _machines(have: dict[str, Figures]) -> str:
    rows = [
        (
            name,
            f"{m['at']}",
            m["commit"],
            f"{m['cores']} × {m['processor']}",
            m["python"],
            m["load_before"],
            f"{figures['took_s']} s",
        )
        for name, figures in have.items()
        for m in (figures["machine"],)
    ]
    head = ("section", "when", "commit", "machine", "Python", "load before", "took")
    return "## Where and when\n\n" + _table(head, rows)


def _exchange(figures: Figures) -> str:
    rows: list[Sequence[object]] = []
    cpu: list[Sequence[object]] = []
    for concurrency, of in figures["concurrency"].items():
        for side in ("peer", "product"):
            one = of[side]
            spreads = [Spread(**one[name]) for name in ("per_second", "p50_ms", "p99_ms")]
            rows.append((concurrency, side, *spreads, _counted(one["fsyncs_per_exchange"])))
            shown = ", ".join(f"{name} {us}" for name, us in one["cpu_us"].items())
            cpu.append((concurrency, side, sum(one["cpu_us"].values()), shown))
        rows.append((concurrency, "**ratio**", f"**{Spread(**of['ratio'])}**", "", "", ""))
    groups = [
        (c, node, one["commits_per_exchange"], one["entries_per_commit"])
        for c, nodes in figures["groups"].items()
        for node, one in nodes.items()
    ]
    return (
        "## Governed exchange against the bare relay\n\n"
        f"{figures['rounds']} rounds of {figures['seconds']:g} s, sides in turns; the ratio is the"
        " median of the rounds' own ratios.\n\n"
        + _table(
            ("concurrent", "side", "per second", "p50 ms", "p99 ms", "fsyncs per exchange"), rows
        )
        + "\nProcessor time per exchange in µs (both cores are full, so this is what decides the"
        " ratio). `macao-agency` is the service behind both sides, `load` the generator:\n\n"
        + _table(("concurrent", "side", "all", "by process"), cpu)
        + "\nGroups: an entry of an own log or of a mirror, and the durable commits they share.\n\n"
        + _table(("concurrent", "node", "commits per exchange", "entries per commit"), groups)
        + _CHOSEN
    )


def _counted(value: float | None) -> str:
    return "not counted (needs perf)" if value is None else number(value)


def _submitted(figures: Figures) -> str:
    rows = [
        (name, Spread(**figures[f"{name}_per_second"]), Spread(**figures[f"{name}_ratio"]))
        for name in ("accepted", "delivered")
    ]
    relayed = ("relayed", Spread(**figures["relayed_per_second"]), 1)
    head = ("what", "per second", "ratio to the relay")
    return (
        "## Submitted, and nobody waits\n\n"
        f"{figures['rounds']} rounds of {figures['calls']} submissions at"
        f" {figures['concurrency']} concurrent, in turns with as many calls through the relay."
        " Accepted: Submit has returned. Delivered: from the first submission to the end of the"
        " last exchange.\n\n" + _table(head, [*rows, relayed])
    )


def _steps(figures: Figures, exchange: Figures) -> str:
    rows: list[Sequence[object]] = [
        (name, one["us"], one["calls"]) for name, one in figures["steps"].items()
    ]
    rows += [
        ("event loop, tasks and the rest", figures["rest_of_loop_us"], ""),
        ("**both nodes without sockets**", figures["process_us"], ""),
    ]
    whole = exchange["concurrency"].get(str(figures["concurrency"]))
    if whole is not None:
        nodes = sum(whole["product"]["cpu_us"][name] for name in ("zhuhai", "macao"))
        rows.append(("**both nodes as processes** (gRPC, TLS, tokens, link)", float(nodes), ""))
    return (
        "## Processor time by step\n\n"
        f"{figures['calls']} exchanges at {figures['concurrency']} concurrent between two nodes in"
        " memory, thread time of each step without what other steps in it take.\n\n"
        + _table(("step", "µs per exchange", "calls"), rows)
    )


def _log(figures: Figures) -> str:
    rows = [
        (
            name.replace("_", " "),
            Spread(**one) if name.endswith("second") or "groups_of" in name
            else number(one["median"]),
        )
        for name, one in figures.items()
        if isinstance(one, dict) and "median" in one
    ]  # fmt: skip
    return (
        "## The log alone\n\n"
        f"{figures['entries']} entries, each a record of its own, 64 waiting at a time; the mirror"
        " takes the groups that came of it, eight in flight. `tree` has no store under it.\n\n"
        + _table(("entries", "median (low..high)"), rows)
    )


def _sync(figures: Figures) -> str:
    rows = [
        (f"{int(size):,}", Spread(**of["p50_ms"]), Spread(**of["p99_ms"]))
        for size, of in figures["bytes"].items()
    ]
    return (
        "## The disk alone\n\n"
        f"{figures['writes']} writes of each size, each followed by `fsync`, in each of three"
        " rounds.\n\n" + _table(("bytes", "p50 ms", "p99 ms"), rows)
    )


def _flat(figures: Figures) -> str:
    per = figures["per_exchange"]
    rows: list[Sequence[object]] = [
        (what, float(per["small"].get(what, 0)), float(per["full"][what]), ratio)
        for what, ratio in figures["ratio"].items()
    ]
    for concurrency, of in figures["ms_per_exchange"].items():
        rows.append(
            (
                f"wall ms at {concurrency} concurrent",
                *(Spread(**of[name]) for name in ("small", "full")),
                Spread(**figures["time_ratio"][concurrency]),
            )
        )
    rows.append(("instructions", figures["instructions"], "", ""))
    sizes = figures["entries"]
    return (
        "## Flat as the log grows\n\n"
        f"Per exchange, both nodes together, one after the other: a node with {sizes['full']:,}"
        f" entries against one with {sizes['small']:,}. Counts are SQLite's own and the tree's;"
        " they do not depend on the machine. Wall times are higher than above, since files are"
        f" counted from Python. Grown by more than {FLAT_WITHIN:.0%}:"
        f" {', '.join(figures['grown']) or 'nothing'}. Node hashes have to grow with the logarithm"
        " of the size: the head of a tree of n leaves costs one for each bit set in n, once per"
        " group, so at 64 concurrent a group's exchanges share it.\n\n"
        + _table(("per exchange", "small", "full", "ratio"), rows)
    )


def _memory(figures: Figures) -> str:
    rows = [(node, *one.values()) for node, one in figures["nodes"].items()]
    count = figures["points"][-1]["exchanges"]
    return (
        "## Resident memory\n\n"
        f"After {count:,} exchanges at 64 concurrent. Bounded: growth over the second half of the"
        f" run is at most {BOUNDED_WITHIN:.0%}.\n\n"
        + _table(
            ("node", "start MB", "end MB", "most MB", "late growth, bytes per exchange", "bounded"),
            rows,
        )
    )


def _policy(figures: Figures) -> str:
    rows = [(name, Spread(**one)) for name, one in figures["us"].items()]
    return (
        "## One decision\n\n"
        "The two legs of the benchmark's own exchange in turns, one at a time, in µs. Every way"
        " gave the same bytes.\n\n" + _table(("way", "median (low..high)"), rows)
    )


def _registers(figures: Figures) -> str:
    sizes, day = figures["sizes"], figures["day"]
    rows: list[Sequence[object]] = [
        (name, Spread(**one)) for name, one in figures["cpu_ms"].items()
    ]
    return (
        "## Large registers and a day's memo\n\n"
        f"All rules on, {sizes['agreements']} agreements, {sizes['parties']:,} parties and"
        f" {sizes['fields']} labelled fields against {sizes['times']} times as many: a corridor"
        " that nobody asked about before is gathered from the register, projected and evaluated;"
        " both sizes in turns. Processor time of all threads, in ms.\n\n"
        + _table(("what", "median (low..high)"), rows)
        + "\nThe aim for a miss is 3 ms. Where the usual miss spends its time (`opa eval"
        " --profile`, 40 runs): joining, sorting and combining what fifteen packages say"
        " 27 %, the check that the input is complete 13 %, Macao's transfer rules 8 %,"
        " PIPL 8 %, export rules 6 %, no other file above 5 %; some 8,100 allocations, and"
        " a seventh of the time collects them. So it is spread over the 118 rules, not in"
        " one of them; a wide message costs with its fields, since each is looked at by"
        " every rule on fields. Misses are one decision in some two hundred. The library sets"
        " Go's pace of collecting to 400 with a soft limit of 1 GiB; `GOGC` and `GOMEMLIMIT` in a"
        " node's environment win.\n"
        + "\nA day of exchanges at the mix of the one-stop cases, drawn from a seed: which of the"
        " optional fields a person's file holds, when it comes, how often the person is asked"
        " about. Both nodes decide each leg. What makes inputs differ is which fields are there"
        " (`fields`) and how often and how freshly a person is asked about (`t`); who asks does"
        " not, since names never reach the input.\n\n"
        + _table(("of a day", "figure"), list(day.items()))
    )


def _revoking(figures: Figures) -> str:
    rows = [
        (f"at {node}", one["p50_s"], one["p99_s"], one["last_s"])
        for node, one in figures["changed_at"].items()
    ]
    return (
        "## From a change to the end of what it forbids\n\n"
        f"{figures['waiting']} requests of a Zhuhai party wait at Macao's node to be pulled;"
        " an officer of one side suspends a party, and the clock runs from the moment the change is"
        f" on record until each caller is told of the denial. {figures['rounds']} changes on each"
        " side, real processes. The aim is 1 s on the node that changes and 2 s across; what waits"
        " is at Macao's node, so its change is the first and Zhuhai's the second.\n\n"
        + _table(("suspended by an officer", "p50, s", "p99, s", "last, s"), rows)
    )


def _stream(figures: Figures) -> str:
    sizes = figures["sizes"]
    rows: list[Sequence[object]] = [
        (f"{way}, MB/s", *(Spread(**one["mb_per_s"][way]) for one in sizes.values()))
        for way in WAYS
    ]
    rows += [
        (f"{node}, most resident MB", *(one["most_mb"][node] for one in sizes.values()))
        for node in next(iter(sizes.values()))["most_mb"]
    ]
    return (
        "## Attachments\n\n"
        f"{figures['rounds']} rounds at each size, every way once in a round. The bare stream is"
        " grpc.aio over mutual TLS into a process that only counts (`bench/sink.py`), one hop;"
        " upload and download are one hop each with sealing or opening, and a disk behind them."
        " The crossing is a call with the attachment, from its beginning to its answer: one hop,"
        " every segment opened, hashed and synced, and the exchange itself.\n\n"
        + _table(("way", *sizes), rows)
    )
