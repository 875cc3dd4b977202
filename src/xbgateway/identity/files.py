"""Certificates, keys, roots and revocation lists on disk, taken anew when they change.

A poll costs a ``stat`` per file. New content is checked as a whole before it replaces the old: a
half-written or mismatched set is reported and the last good one stays in use. It never watches,
sleeps or logs; the server's credential fetcher and the link's loop call ``poll`` at their own pace.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xbgateway.identity.keyfiles import load_transport_key, private_pem
from xbgateway.identity.pem import certificates_of, same_public_key
from xbgateway.identity.trust import TrustStore
from xbgateway.model import limits
from xbgateway.model.errors import Fatal, GatewayError, Reason


class ReloadingFile:
    """One file's content, read again when its stat differs; ``content`` is the last one read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = b""
        self._stamp: tuple[int, ...] | None = None
        self._digest = b""

    def poll(self) -> bool:
        """Whether the content is another than at the last poll; the first poll says yes.

        Size, both times and the inode decide whether to read, the content's hash decides whether
        it changed. Raises ``Fatal(CONFIG_INVALID)`` when the file cannot be read or is too large;
        the content stays what it was.
        """
        try:
            with self.path.open("rb") as file:
                seen = os.fstat(file.fileno())
                stamp = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino)
                if stamp == self._stamp:
                    return False
                content = file.read(limits.CREDENTIAL_FILE_BYTES_MAX + 1)
        except OSError as error:
            self._stamp = None
            raise Fatal(
                Reason.CONFIG_INVALID,
                f"The file {self.path} cannot be read ({error.strerror}).",
                path=str(self.path),
            ) from error
        if len(content) > limits.CREDENTIAL_FILE_BYTES_MAX:
            raise Fatal(Reason.CONFIG_INVALID, f"The file {self.path} is too large.")
        digest = hashlib.sha256(content).digest()
        self._stamp = stamp
        changed = digest != self._digest
        self.content, self._digest = content, digest
        return changed


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """One consistent set, all PEM; ``chain`` is the leaf and its intermediates."""

    chain: bytes
    key: bytes = field(repr=False)
    roots: Mapping[str, bytes]
    crls: Mapping[str, Sequence[bytes]]

    @property
    def root_union(self) -> bytes:
        """Every root, for gRPC's own list, which knows no trust domains."""
        return b"\n".join(self.roots[domain] for domain in sorted(self.roots))


class CertificateFiles:
    """A node's transport identity on disk, and what it trusts.

    The constructor reads everything and raises ``Fatal(CONFIG_INVALID)``; afterwards ``current``
    is always a good set, and ``error`` is what the latest poll found wrong, or None.
    """

    def __init__(
        self,
        cert: Path,
        key: Path,
        roots: Mapping[str, Path],
        crls: Mapping[str, Sequence[Path]] | None = None,
        *,
        passphrase_file: Path | None = None,
        dev: bool = False,
    ) -> None:
        self._cert = ReloadingFile(cert)
        self._key = ReloadingFile(key)
        self._roots = {domain: ReloadingFile(path) for domain, path in roots.items()}
        self._crls = {
            domain: [ReloadingFile(path) for path in paths]
            for domain, paths in (crls or {}).items()
        }
        self._passphrase_file = passphrase_file
        self._dev = dev
        self.error: GatewayError | None = None
        self._unread = True
        for file in self._files():
            file.poll()
        self.current = self._load()
        self._unread = False

    def poll(self) -> bool:
        """Whether ``current`` is another set than before this call. Raises nothing."""
        try:
            # Every file is asked, so that one change is not seen twice.
            changed = [file.poll() for file in self._files()]
            self._unread = self._unread or any(changed)
            if not self._unread:
                self.error = None
                return False
            loaded = self._load()
        except GatewayError as error:
            # What a poll has seen before it failed counts as seen: try again until it is good.
            self._unread = True
            self.error = error
            return False
        self._unread = False
        self.error = None
        different = loaded != self.current
        self.current = loaded
        return different

    def _files(self) -> list[ReloadingFile]:
        lists = [file for files in self._crls.values() for file in files]
        return [self._cert, self._key, *self._roots.values(), *lists]

    def _load(self) -> CertificateSet:
        """Check the files' content together; raises ``Fatal(CONFIG_INVALID)``."""
        chain = certificates_of(self._cert.content, f"certificate {self._cert.path}")
        key = load_transport_key(self._key.path, self._passphrase_file, dev=self._dev)
        if not same_public_key(chain[0], key):
            raise Fatal(
                Reason.CONFIG_INVALID,
                f"The key {self._key.path} does not belong to {self._cert.path}.",
            )
        roots = {domain: file.content for domain, file in self._roots.items()}
        crls = {domain: [one.content for one in files] for domain, files in self._crls.items()}
        TrustStore(roots, crls)
        return CertificateSet(self._cert.content, private_pem(key), roots, crls)
