"""``docs/benchmarks.json``: the measured figures that the simulation of docs/scale.md reads."""

import json

from bench.result import ROOT, Figures

PATH = ROOT / "docs" / "benchmarks.json"


def of(kept: dict[str, Figures | None]) -> Figures:
    """The constants in the sections' figures. Raises ``ValueError`` where a section has none."""
    exchange, registers, policy, sync = (
        _have(kept, name) for name in ("exchange", "registers", "policy", "sync")
    )
    at = exchange["concurrency"]["64"]
    cpu = at["product"]["cpu_us"]
    return {
        "made": {
            name: {key: one["machine"][key] for key in ("at", "commit", "processor", "cores")}
            for name, one in (
                ("exchange", exchange),
                ("registers", registers),
                ("policy", policy),
                ("sync", sync),
            )
        },
        "cpu_us_per_exchange_at_64": {
            name: round(cpu[name]) for name in ("zhuhai", "macao", "macao-agency", "load")
        },
        "exchanges_per_second_at_64": at["product"]["per_second"]["median"],
        "memo_hit_rate": registers["day"]["hit rate"],
        "decision_miss_us": policy["us"]["embedded: evaluated"]["median"],
        "sync_ms": {
            size: {name: one[name]["median"] for name in ("p50_ms", "p99_ms")}
            for size, one in sync["bytes"].items()
        },
    }


def _have(kept: dict[str, Figures | None], name: str) -> Figures:
    figures = kept.get(name)
    if figures is None:
        raise ValueError(f"no figures yet of {name}: run `python -m bench {name}` first")
    return figures


def write(figures: Figures) -> None:
    """Keep them where the simulation reads them."""
    PATH.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def read() -> Figures:
    """What is kept."""
    found: Figures = json.loads(PATH.read_text(encoding="utf-8"))
    return found
