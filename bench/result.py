"""How figures are put together, shown and kept: medians with their spread, never a best run."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "var" / "bench"
PUBLISHED = ROOT / "docs" / "benchmarks.json"
Figures = dict[str, Any]
_console = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the lowest and highest value it comes from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def figures(self) -> Figures:
        """As JSON."""
        return {name: round(getattr(self, name), 4) for name in ("median", "low", "high")}

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)}..{number(self.high)})"


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 of at least two values."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def number(value: float) -> str:
    """Three significant figures for small values, whole numbers for large ones."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - digits


def say(text: str) -> None:
    """Tell the person who waits what is going on."""
    _console.print(text)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Show figures."""
    shown = Table(title=title, title_justify="left")
    for position, name in enumerate(head):
        shown.add_column(name, justify="right" if position else "left")
    for row in rows:
        shown.add_row(*(number(v) if isinstance(v, float) else str(v) for v in row))
    _console.print(shown)


def machine() -> Figures:
    """What the figures were made on. Names no host and no person."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": model,
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "commit": _commit(),
    }


def _commit() -> str:
    """The commit that was measured, marked where the tree had changes beyond it."""
    asked = ("git", "describe", "--always", "--dirty")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return done.stdout.strip() or "unknown"


def keep(name: str, figures: Figures) -> None:
    """Write a section's raw figures."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def read(name: str) -> Figures | None:
    """The figures of a section's last run here; else those that are published, if any are."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return published().get(name)
    found: Figures = json.loads(path.read_text(encoding="utf-8"))
    return found


def have(kept: dict[str, Figures | None]) -> dict[str, Figures]:
    """The same, all of it. Raises ``ValueError`` where a section has no figures yet."""
    missing = [name for name, figures in kept.items() if figures is None]
    if missing:
        raise ValueError(f"no figures yet of {', '.join(missing)}: run `python -m bench` first")
    return {name: figures for name, figures in kept.items() if figures is not None}


def publish(kept: dict[str, Figures | None]) -> None:
    """Put the figures behind the pages where a clone finds them."""
    PUBLISHED.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def published() -> dict[str, Figures]:
    """The figures behind the pages, by section."""
    found: dict[str, Figures] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return found


def show(ratios: Figures) -> None:
    """The end of a run: JSON on standard output."""
    sys.stdout.write(json.dumps(ratios, indent=1) + "\n")
