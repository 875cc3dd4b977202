"""Sealed segments of attachments, in files beside the store: durable in order, then named.

Two files for each attachment: the sealed segments one after the other, and their leaf hashes. The
hashes are written and synced only after the segments they are of, so what has a hash is there; what
a crash left beyond is cut off when the file is opened again, and there the attachment goes on. All
of it blocks: callers run it on a thread. One caller at a time has a file open for appending.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from xbgateway.model.errors import Fatal, Reason, Unavailable
from xbgateway.seal import SEALED_SEGMENT_BYTES
from xbgateway.tlog import Frontier, leaf_hash

_HASH_BYTES = 32
_SEGMENTS, _LEAVES = ".segments", ".leaves"


class SegmentFile:
    """The segments of one attachment, open for appending."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = os.open(path.with_suffix(_SEGMENTS), os.O_RDWR | os.O_CREAT, 0o600)
        self._leaves = os.open(path.with_suffix(_LEAVES), os.O_RDWR | os.O_CREAT, 0o600)
        self._tree = Frontier()
        self._take_up()

    def _take_up(self) -> None:
        """Go on from the last segment that is whole."""
        hashes = os.pread(self._leaves, os.fstat(self._leaves).st_size, 0)
        size = os.fstat(self._data).st_size
        most = min(len(hashes) // _HASH_BYTES, -(-size // SEALED_SEGMENT_BYTES))
        leaves = [hashes[i * _HASH_BYTES : (i + 1) * _HASH_BYTES] for i in range(most)]
        while leaves and leaf_hash(self.read(len(leaves) - 1)) != leaves[-1]:
            leaves.pop()
        self._tree.extend(leaves)
        os.ftruncate(self._leaves, self.count * _HASH_BYTES)
        os.ftruncate(self._data, min(size, self.count * SEALED_SEGMENT_BYTES))

    @property
    def count(self) -> int:
        """Segments that are durable."""
        return self._tree.size

    def root(self) -> str:
        """Root of the tree over them, hex."""
        return self._tree.root().hex()

    def append(self, sealed: Sequence[bytes]) -> None:
        """Make segments durable, in order. Only the last of an attachment may be shorter.

        Raises ``Unavailable(STORE_UNAVAILABLE)`` where the disk does not take them.
        """
        hashes = [leaf_hash(one) for one in sealed]
        try:
            _write(self._data, sealed, self.count * SEALED_SEGMENT_BYTES)
            _write(self._leaves, hashes, self.count * _HASH_BYTES)
        except OSError as error:
            raise Unavailable(
                Reason.STORE_UNAVAILABLE, f"segments cannot be written: {error.strerror}"
            ) from error
        self._tree.extend(hashes)

    def read(self, index: int) -> bytes:
        """One segment; whoever opens it sees whether it is what it was."""
        return os.pread(self._data, SEALED_SEGMENT_BYTES, index * SEALED_SEGMENT_BYTES)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._data)
        os.close(self._leaves)


class SegmentFiles:
    """The attachments of one node, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> SegmentFile:
        """The segments of an attachment, from the first one on where there are none yet."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(name)
        new = not path.with_suffix(_SEGMENTS).exists()
        try:
            opened = SegmentFile(path)
        except OSError as error:
            raise Unavailable(
                Reason.STORE_UNAVAILABLE, f"segments cannot be opened: {error.strerror}"
            ) from error
        if new:
            _sync_folder(self._folder)
        return opened

    def held(self, name: str) -> int:
        """How many segments of it are durable."""
        with suppress(FileNotFoundError):
            return self._path(name).with_suffix(_LEAVES).stat().st_size // _HASH_BYTES
        return 0

    def segments(self, name: str, start: int, count: int) -> Iterable[bytes]:
        """So many segments from one on. Raises ``Fatal(STORE_CORRUPT)`` where one is missing."""
        try:
            with self._path(name).with_suffix(_SEGMENTS).open("rb") as data:
                data.seek(start * SEALED_SEGMENT_BYTES)
                found = [data.read(SEALED_SEGMENT_BYTES) for _ in range(count)]
        except OSError as error:
            raise Fatal(Reason.STORE_CORRUPT, f"segments of {name} cannot be read") from error
        if not all(found):
            raise Fatal(Reason.STORE_CORRUPT, f"segments of {name} are missing")
        return found

    def erase(self, name: str) -> None:
        """Take away what is there of it."""
        for suffix in (_SEGMENTS, _LEAVES):
            self._path(name).with_suffix(suffix).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Of what there are files."""
        if not self._folder.is_dir():
            return set()
        return {path.stem for path in self._folder.iterdir()}

    def _path(self, name: str) -> Path:
        return self._folder / name


def _write(descriptor: int, parts: Sequence[bytes], offset: int) -> None:
    for part in parts:
        view = memoryview(part)
        while view:
            written = os.pwrite(descriptor, view, offset)
            offset, view = offset + written, view[written:]
    os.fdatasync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
