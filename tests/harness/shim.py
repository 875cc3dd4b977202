"""The preloaded shim (``shim.c``) as tests use it: one per node whose syncs are watched."""

import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SOURCE = Path(__file__).with_name("shim.c")


@functools.cache
def library() -> Path:
    """The shim, compiled once per test run."""
    compiler = shutil.which("cc")
    assert compiler is not None, "tests that use the shim are marked tool('cc')"
    made = Path(tempfile.mkdtemp(prefix="xb-shim-")) / "shim.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
    subprocess.run([compiler, *flags, "-o", made, SOURCE, "-ldl"], check=True)
    return made


@dataclass(frozen=True, slots=True)
class Shim:
    """One node's syncs, held by a gate, deadly or failing; its writes; and its time of day."""

    store: Path
    folder: Path

    @classmethod
    def of(cls, store: Path) -> "Shim":
        made = cls(store, store.parent / "shim")
        made.shadow.mkdir(parents=True, exist_ok=True)
        if not made.clock.exists():
            made.clock.write_bytes(bytes(8))
        return made

    @property
    def shadow(self) -> Path:
        return self.folder / "shadow"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def order(self) -> Path:
        return self.folder / "kill"

    @property
    def counted(self) -> Path:
        return self.folder / "count"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def failure(self) -> Path:
        return self.folder / "fail"

    def environment(self, *, shadow: bool = True) -> dict[str, str]:
        """Of the node; without ``shadow`` no bytes are copied, and no power can be cut."""
        copies = {"XB_SHIM_SHADOW": str(self.shadow.absolute())} if shadow else {}
        return copies | {
            "LD_PRELOAD": str(library()),
            "XB_SHIM_WATCH": str(self.store.absolute()),
            "XB_SHIM_GATE": str(self.gate.absolute()),
            "XB_SHIM_KILL": str(self.order.absolute()),
            "XB_SHIM_COUNT": str(self.counted.absolute()),
            "XB_SHIM_FAIL": str(self.failure.absolute()),
            "XB_SHIM_CLOCK": str(self.clock.absolute()),
        }

    def syncs(self) -> int:
        """Syncs of the store and its WAL so far."""
        return self.counted.stat().st_size if self.counted.exists() else 0

    def kill_at(self, when: Literal["before", "after"], number: int) -> None:
        """The node kills itself around its ``number``-th sync from now on."""
        part = self.order.with_suffix(".part")
        part.write_text(f"{when} {number}\n")
        part.rename(self.order)

    def wrong_by(self, seconds: float) -> None:
        """The node's time of day is wrong by as much from now on, also after a restart."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1000)))

    @contextmanager
    def failing(self, what: Literal["write", "sync"]) -> Iterator[None]:
        """For as long as the block runs, the store cannot write (no room) or sync (I/O error)."""
        part = self.failure.with_suffix(".part")
        part.write_text(what)
        part.rename(self.failure)
        try:
            yield
        finally:
            self.failure.unlink()

    def power_cut(self) -> None:
        """Leave of a killed node's store only what a sync had reached."""
        for path in self.store.parent.glob(f"{self.store.name}*"):
            if not path.name.endswith(".lock"):
                path.unlink()
        for path in self.shadow.glob(f"{self.store.name}*"):
            shutil.copyfile(path, self.store.with_name(path.name))
