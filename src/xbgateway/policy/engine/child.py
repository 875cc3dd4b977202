"""An OPA server as a child process per revision: a memory limit, a private socket, no orphan.

For policies not yet trusted (a revision's rehearsal) and for installations that want the engine out
of the process. Each loaded revision has a child of its own, which ends when the snapshot is
closed: ``opa run --watch`` is not used, since OPA 1.22.2 verifies a bundle's signature at its start
only and takes a replaced file unverified. A child that dies, for instance of its memory limit, is
started again; until then decisions are POLICY_UNAVAILABLE.
"""

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from xbgateway.model.errors import Fatal, Reason
from xbgateway.policy.engine.address import Address
from xbgateway.policy.engine.bundle import SIGNING_ALGORITHM, BundleSigner, bundle_tar
from xbgateway.policy.engine.check import OpaCheck
from xbgateway.policy.engine.launch import bounded
from xbgateway.policy.engine.port import Bundle
from xbgateway.policy.engine.server import ServerEngine, ServerSnapshot

# OPA idles at 50 to 85 MB; half a gigabyte is room for tables and for evaluations side by side.
MEMORY_BYTES_MAX = 512 * 1024 * 1024
# sockaddr_un.sun_path, with its terminating zero.
_SOCKET_PATH_BYTES_MAX = 107
_RESTART_DELAY_S = (0.05, 0.2, 1.0, 5.0)
_STOP_TIMEOUT_S = 3.0


class ChildEngine:
    """Run every revision in an ``opa run`` of its own.

    ``binary`` is OPA of the pinned release; ``folder`` (short enough for a unix socket) holds a
    private folder per child. With ``signer`` and ``verification_key`` (its public half, a PEM file)
    a child starts on a bundle that was signed here and on no other.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        *,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        signer: BundleSigner | None = None,
        verification_key: Path | None = None,
    ) -> None:
        self._check = OpaCheck(binary)
        self._command = bounded(memory_bytes_max, str(binary), "run")
        if verification_key is not None:
            self._command += ["--verification-key", str(verification_key)]
            self._command += ["--signing-alg", SIGNING_ALGORITHM]
            self._command += ["--verification-key-id", signer.key_id if signer else "default"]
        # Collect hard before the hard limit is met.
        self._memory_soft = str(memory_bytes_max * 3 // 4)
        self._folder = folder
        self._signer = signer

    def load(self, bundle: Bundle) -> "ChildSnapshot":
        """Start a child for the bundle.

        Raises Refused(POLICY_INVALID); Unavailable when the child does not come up with the
        revision; Fatal(CONFIG_INVALID) when the folder's name is too long for a socket.
        """
        self._check(bundle)
        raw = bundle_tar(bundle, self._signer)
        child = _Child(self._command, self._memory_soft, self._folder, raw)
        try:
            snapshot = ServerEngine(child.address, _already_checked).load(bundle)
        except BaseException:
            child.close()
            raise
        return ChildSnapshot(snapshot, child)


class ChildSnapshot:
    """A revision and the process that decides it."""

    def __init__(self, snapshot: ServerSnapshot, child: "_Child") -> None:
        self.revision = snapshot.revision
        self.opa_version = snapshot.opa_version
        self._snapshot = snapshot
        self._child = child
        self._lock = threading.Condition()
        self._in_flight = 0

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid

    def decide(self, input_bytes: bytes, timeout_ms: int) -> bytes:
        """See :class:`~xbgateway.policy.engine.port.Snapshot`."""
        with self._lock:
            self._in_flight += 1
        try:
            return self._snapshot.decide(input_bytes, timeout_ms)
        finally:
            with self._lock:
                self._in_flight -= 1
                self._lock.notify_all()

    def close(self) -> None:
        """Wait for the evaluations in flight, each bounded by its timeout, then end the child."""
        self._snapshot.close()
        with self._lock:
            self._lock.wait_for(lambda: self._in_flight == 0)
        self._child.close()


class _Child:
    """One process, kept running until closed, in a folder that goes with it."""

    def __init__(self, command: list[str], memory_soft: str, folder: Path, bundle: bytes) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="opa-", dir=folder))
        self._socket = self._folder / "sock"
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_BYTES_MAX:
            self._folder.rmdir()
            raise Fatal(Reason.CONFIG_INVALID, f"{folder} is too long a name for a unix socket")
        path = self._folder / "bundle.tar.gz"
        path.write_bytes(bundle)
        self._command = [
            *command,
            *("--server", "--addr", f"unix://{self._socket}", "--unix-socket-perm", "600"),
            *("--skip-version-check", "--optimize-store-for-read-speed"),
            *("--log-level", "error", "--shutdown-grace-period", "1", "--bundle", str(path)),
        ]
        self._environment = {"PATH": os.defpath, "GOGC": "400", "GOMEMLIMIT": memory_soft}
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="opa-child", daemon=True)
        self._keeper.start()

    @property
    def address(self) -> Address:
        return Address(unix_socket=self._socket)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def close(self) -> None:
        """Stop the child and wait for its end. Harmless twice."""
        self._stop.set()
        self._keeper.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _keep(self) -> None:
        """Run the child until told to stop.

        The parent-death signal follows the *thread* that started the child, so this thread both
        starts it and outlives it.
        """
        deaths = 0
        while not self._stop.is_set():
            self._socket.unlink(missing_ok=True)
            self._process = process = subprocess.Popen(  # noqa: S603  our binary, our arguments
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._folder,
            )
            while process.poll() is None and not self._stop.wait(0.05):
                pass
            if self._stop.is_set():
                _end(process)
                return
            self._stop.wait(_RESTART_DELAY_S[min(deaths, len(_RESTART_DELAY_S) - 1)])
            deaths += 1


def _already_checked(bundle: Bundle) -> None:
    """The engine compiled it before the child was started."""
    del bundle


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait, insist."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
