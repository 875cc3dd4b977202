"""A policy revision: modules, tables and texts under one content hash.

Two installations with equal files have equal revisions, so a decision can be recomputed anywhere.
It never evaluates anything and never reads a clock.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbgateway import strict_yaml
from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.engine.port import Bundle
from xbgateway.policy.source import Files, default_policy_directory, read_policy_directory
from xbgateway.policy.tables import Tables
from xbgateway.policy.tables import load as load_tables
from xbgateway.policy.texts import load_texts

CAPABILITIES = "capabilities.json"
ENTRY = "decision.rego"
# Fixtures and Rego tests say what a revision should decide; they do not decide.
_NOT_DECIDING = ("fixtures/",)
_TEST = "_test.rego"
_HASH_DOMAIN = b"xbgateway policy revision v1\n"


@dataclass(frozen=True, slots=True)
class Revision:
    """One loaded revision. ``id`` is its content hash, hex SHA-256."""

    id: str
    modules: Mapping[str, str]  # path -> Rego text, without tests
    tables: Tables
    texts: Mapping[str, Mapping[str, Any]]  # rule id -> article, text in four languages
    readings: Mapping[str, str]  # rule id -> how a doubtful point is read
    capabilities: bytes
    files: Mapping[str, bytes]  # the deciding files, as they were hashed

    def bundle(self) -> Bundle:
        """What an engine loads: ``data.tables`` by edition, ``data.texts``, ``data.revision``."""
        return Bundle(
            modules=self.modules,
            data={"tables": list(self.tables.editions), "texts": self.texts},
            revision=self.id,
            capabilities=self.capabilities,
        )


def content_hash(files: Files) -> str:
    """Hex SHA-256 over the deciding files: for each, sorted by path, its path, length and bytes."""
    digest = hashlib.sha256(_HASH_DOMAIN)
    for path in sorted(files):
        if not decides(path):
            continue
        digest.update(f"{path}\n{len(files[path])}\n".encode())
        digest.update(files[path])
    return digest.hexdigest()


def decides(path: str) -> bool:
    """Whether a file's content can change a decision."""
    return not path.startswith(_NOT_DECIDING) and not path.endswith(_TEST)


def deciding(files: Files) -> dict[str, bytes]:
    """The files whose content can change a decision."""
    return {path: raw for path, raw in files.items() if decides(path)}


def load_revision(files: Files) -> Revision:
    """Validate files and make them a revision.

    Raises Refused(POLICY_INVALID) naming file, line and reason. Rego itself is compiled by the
    engine that loads the bundle.
    """
    for wanted in (ENTRY, CAPABILITIES):
        if wanted not in files:
            raise strict_yaml.invalid(wanted, 1, "the file is missing")
    texts = load_texts(files)
    modules: dict[str, str] = {}
    for path, raw in files.items():
        if path.endswith(".rego") and decides(path):
            try:
                modules[path] = raw.decode("utf-8")
            except UnicodeDecodeError as problem:
                raise strict_yaml.invalid(path, 1, f"not UTF-8: {problem}") from None
    return Revision(
        id=content_hash(files),
        modules=modules,
        tables=load_tables(files),
        texts={rule: {"article": one.article, "text": one.text} for rule, one in texts.items()},
        readings={rule: one.reading for rule, one in texts.items() if one.reading},
        capabilities=files[CAPABILITIES],
        files=deciding(files),
    )


def pack(files: Files) -> bytes:
    """The deciding files in one piece, for the policy archive of a node."""
    texts = {path: base64.b64encode(raw).decode() for path, raw in deciding(files).items()}
    return zlib.compress(json.dumps(texts, sort_keys=True).encode(), level=9)


def unpack(packed: bytes) -> dict[str, bytes]:
    """The files that were packed. Raises Refused(POLICY_INVALID) where the archive is damaged."""
    try:
        texts = json.loads(zlib.decompress(packed))
        return {path: base64.b64decode(text) for path, text in texts.items()}
    except (zlib.error, ValueError, AttributeError) as problem:
        raise Refused(Reason.POLICY_INVALID, "the archived revision is damaged") from problem


def load_directory(directory: Path | None = None) -> Revision:
    """The revision in ``directory``, by default the one that came with this installation."""
    return load_revision(read_policy_directory(directory or default_policy_directory()))
