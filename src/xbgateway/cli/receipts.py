"""Receipts as files: ``<n>-<kind>.entry`` and ``<n>-<kind>.tlog-proof`` side by side."""

from pathlib import Path

from xbgateway.client import Receipt
from xbgateway.identity.keyfiles import PUBLIC_MODE, write_file
from xbgateway.model.entry import decode
from xbgateway.model.errors import Refused

ENTRY = ".entry"
PROOF = ".tlog-proof"


def write_receipt(directory: Path, receipt: Receipt) -> list[Path]:
    """Write both files of every proven entry; their paths."""
    written = []
    for number, one in enumerate(receipt.entries, start=1):
        try:
            kind = str(decode(one.entry).kind)
        except Refused:  # of a release to come; its proof holds all the same
            kind = "entry"
        stem = directory / f"{number}-{kind}"
        for suffix, content in ((ENTRY, one.entry), (PROOF, one.proof)):
            path = stem.with_name(stem.name + suffix)
            write_file(path, content, PUBLIC_MODE)
            written.append(path)
    return written
