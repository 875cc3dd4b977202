"""A revision as OPA's own bundle file, byte for byte the same each time, signed if asked.

Format: openpolicyagent.org/docs/management-bundles, "Bundle File Format" and "Signing". This never
reads bundles: what an OPA server loads is verified by that server and proven by its answers.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.engine.port import Bundle

SIGNING_ALGORITHM = "ES256"

_PACKAGE = re.compile(r"package\s+([A-Za-z_][A-Za-z0-9_]*)")
# Go's encoder escapes these two in every string, and OPA hashes what Go's encoder writes.
_GO_ESCAPES = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})


@dataclass(frozen=True, slots=True)
class BundleSigner:
    """The P-256 key that signs bundles, and the name under which a server knows its public half.

    ``key_id`` is what ``opa run --verification-key-id`` says; OPA's own default is ``default``.
    """

    key: EllipticCurvePrivateKey
    key_id: str = "default"


def bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """The bundle's files by relative path: manifest, data and modules."""
    manifest = {"revision": bundle.revision, "roots": _roots(bundle), "rego_version": 1}
    files = {path: text.encode("utf-8") for path, text in bundle.modules.items()}
    return {".manifest": _json(manifest), "data.json": _json(bundle.document()), **files}


def bundle_tar(bundle: Bundle, signer: BundleSigner | None = None) -> bytes:
    """The ``.tar.gz`` for ``opa run -b``. Equal bundles give equal bytes, but for the signature.

    Raises Refused(POLICY_INVALID) where a module names no plain package or data have no JSON form.
    """
    files = bundle_files(bundle)
    if signer is not None:
        files[".signatures.json"] = _signatures(files, signer)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(raw.getvalue(), compresslevel=6, mtime=0)


def _roots(bundle: Bundle) -> list[str]:
    """The parts of ``data`` that are the bundle's alone: its packages' and tables' first names."""
    roots = set(bundle.document())
    for path, text in bundle.modules.items():
        lines = (line.strip() for line in text.splitlines())
        first = next((line for line in lines if line and not line.startswith("#")), "")
        package = _PACKAGE.match(first)
        if package is None:
            raise Refused(Reason.POLICY_INVALID, f"{path} does not start with a package", path=path)
        roots.add(package[1])
    return sorted(roots)


def _json(value: object) -> bytes:
    """JSON as OPA hashes it: keys sorted, no spaces, UTF-8."""
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.translate(_GO_ESCAPES).encode("utf-8")
    except (TypeError, ValueError) as problem:
        raise Refused(
            Reason.POLICY_INVALID, f"the bundle's data have no JSON form: {problem}"
        ) from None


def _signatures(files: dict[str, bytes], signer: BundleSigner) -> bytes:
    listed = [
        {"name": path, "hash": hashlib.sha256(raw).hexdigest(), "algorithm": "SHA-256"}
        for path, raw in sorted(files.items())
    ]
    token = jwt.encode(
        {"files": listed}, signer.key, SIGNING_ALGORITHM, headers={"kid": signer.key_id}
    )
    return _json({"signatures": [token]})
