"""The transparency log, pure: tree, tiles, notes, checkpoints, proofs, mirror rules, audit.

Formats are C2SP's to the byte (``docs/spec/log.md``). Nothing here opens a file, a socket or a
store: readers are passed in.
"""

from xbgateway.tlog.audit import AuditReport, Finding, PathReader, audit_history, audit_log
from xbgateway.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from xbgateway.tlog.cosignature import (
    Cosigner,
    add_signatures,
    verify_cosignature,
    verify_cosignature_line,
)
from xbgateway.tlog.export import EntryReader, export_files
from xbgateway.tlog.frontier import Frontier
from xbgateway.tlog.keys import Keys, Turn, Turns
from xbgateway.tlog.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from xbgateway.tlog.mirror import MirrorStep, extend_mirror
from xbgateway.tlog.note import (
    Note,
    NoteSigner,
    NoteVerifier,
    Signature,
    SignatureType,
    Verified,
)
from xbgateway.tlog.proof_file import Proof, verify_proof
from xbgateway.tlog.prover import consistency_proof, inclusion_proof
from xbgateway.tlog.tiles import (
    EntryTooLarge,
    Tile,
    TileReader,
    bundle_path,
    check_entry_bytes,
    decode_bundle,
    encode_bundle,
    tile_path,
    tile_reader_of,
    tile_width,
)

__all__ = [
    "EMPTY_ROOT",
    "AuditReport",
    "Checkpoint",
    "Cosigner",
    "EntryReader",
    "EntryTooLarge",
    "Finding",
    "Frontier",
    "Keys",
    "MirrorStep",
    "Note",
    "NoteSigner",
    "NoteVerifier",
    "PathReader",
    "Proof",
    "Signature",
    "SignatureType",
    "Tile",
    "TileReader",
    "Turn",
    "Turns",
    "Verified",
    "add_signatures",
    "audit_history",
    "audit_log",
    "bundle_path",
    "check_entry_bytes",
    "consistency_proof",
    "decode_bundle",
    "encode_bundle",
    "export_files",
    "extend_mirror",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "root_of",
    "sign_checkpoint",
    "tile_path",
    "tile_reader_of",
    "tile_width",
    "verify_consistency",
    "verify_cosignature",
    "verify_cosignature_line",
    "verify_inclusion",
    "verify_proof",
]
