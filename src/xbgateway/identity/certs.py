"""The development certificates and keys of a few jurisdictions, in one directory.

``make_dev_certificates`` may be run as often as one likes: what is there and good stays, what is
about to end is renewed, and a log, cosigning, sealing, rest or token key is never replaced, since
logs and stored payloads hang on it. Keys lie in the open, mode 0600: nothing here is for
production, where certificates come from each jurisdiction's own authority.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

from xbgateway.identity import issuing
from xbgateway.identity.issuing import Authority, Hosts
from xbgateway.identity.keyfiles import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    REST_KEY_BYTES,
    REST_LABEL,
    SEAL_LABEL,
    SEAL_SEED_BYTES,
    labelled,
    load_ed25519,
    load_rest_key,
    load_seal_seed,
    load_transport_key,
    private_pem,
    write_file,
)
from xbgateway.identity.pem import revocation_lists_of, same_public_key
from xbgateway.identity.spiffe import Kind, SpiffeId
from xbgateway.model.errors import Fatal, GatewayError, Reason

_DIRECTORY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# Renewed when less than this part of the lifetime is left.
RENEW_BELOW = 1 / 3
CRL_LIFETIME = timedelta(days=7)
PUBLIC_FILE = "public.json"


@dataclass(frozen=True, slots=True)
class DevJurisdiction:
    """One side: its directory name, its trust domain, its nodes and parties."""

    name: str
    trust_domain: str
    nodes: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _DIRECTORY_NAME.fullmatch(self.name):
            raise Fatal(Reason.CONFIG_INVALID, "A jurisdiction needs a plain lower-case name.")


@dataclass(frozen=True, slots=True)
class DevPlan:
    """What to make, where it is served and how long it lasts."""

    jurisdictions: tuple[DevJurisdiction, ...]
    hosts: Hosts = field(default_factory=Hosts)
    leaf_lifetime: timedelta = timedelta(days=7)
    crl_lifetime: timedelta = CRL_LIFETIME
    authority_lifetime: timedelta = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did: files written, files found good, and when the first leaf ends."""

    directory: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    earliest_end: datetime | None


def dev_plan(parties: Mapping[str, tuple[str, ...]] | None = None) -> DevPlan:
    """The three jurisdictions of the demo, one node each, with ``parties`` by jurisdiction."""
    names = ("zhuhai", "macao", "hengqin")
    by_name = dict(parties or {})
    if not by_name.keys() <= set(names):
        raise Fatal(Reason.CONFIG_INVALID, "Parties are given for an unknown jurisdiction.")
    return DevPlan(
        tuple(
            DevJurisdiction(name, f"{name}.xbg.test", (name,), by_name.get(name, ()))
            for name in names
        )
    )


def make_dev_certificates(directory: Path, plan: DevPlan, clock: Callable[[], datetime]) -> Summary:
    """Make or renew everything of ``plan`` under ``directory``; ``clock`` gives aware UTC.

    Raises ``Fatal(CONFIG_INVALID)`` when a key that must not be replaced is there and unreadable.
    """
    work = _Work(directory, plan, clock().replace(microsecond=0))
    nodes: dict[str, object] = {}
    parties: dict[str, object] = {}
    for side in plan.jurisdictions:
        work.jurisdiction(side, nodes, parties)
    public = {"nodes": nodes, "parties": parties}
    text = json.dumps(public, indent=2, sort_keys=True) + "\n"
    work.public(directory / PUBLIC_FILE, text.encode())
    return Summary(directory, tuple(work.written), tuple(work.kept), min(work.ends, default=None))


def revoke(
    directory: Path, leaf: Path, now: datetime, crl_lifetime: timedelta = CRL_LIFETIME
) -> None:
    """Revoke the certificate in ``leaf`` (a ``tls.crt`` of the layout) in its side's CRL.

    The next ``make_dev_certificates`` makes a new leaf in its place.
    Raises ``Fatal(CONFIG_INVALID)`` when no side under ``directory`` issued it.
    """
    certificate = _certificate(leaf)
    if certificate is None:
        raise Fatal(Reason.CONFIG_INVALID, f"There is no certificate in {leaf}.")
    for side in sorted(one.parent for one in directory.glob("*/intermediate.crt")):
        issuer = _authority(side / "intermediate.crt", side / "intermediate.key")
        root = _authority(side / "ca.crt", side / "ca.key")
        if issuer and root and _issued(certificate, issuer):
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(now.replace(microsecond=0))
                .build()
            )
            content = _lists(side / "crl.pem", (root, issuer), now, crl_lifetime, entry)
            write_file(side / "crl.pem", content, PUBLIC_MODE)
            return
    raise Fatal(Reason.CONFIG_INVALID, f"No authority under {directory} issued {leaf}.")


class _Work:
    """One run: what it writes and what it keeps."""

    def __init__(self, directory: Path, plan: DevPlan, now: datetime) -> None:
        self.directory = directory
        self.plan = plan
        self.now = now
        self.written: list[Path] = []
        self.kept: list[Path] = []
        self.ends: list[datetime] = []

    def jurisdiction(
        self, side: DevJurisdiction, nodes: dict[str, object], parties: dict[str, object]
    ) -> None:
        """Everything of one side; adds its public facts to ``nodes`` and ``parties``."""
        home = self.directory / side.name
        issuer, crl = self._authorities(side, home)
        for name in side.nodes:
            where = home / "nodes" / name
            self._leaf(where, SpiffeId(side.trust_domain, "node", name), issuer, crl)
            log, cosign = self._ed25519(where / "log.key"), self._ed25519(where / "cosign.key")
            self._secret(where / "seal.key", SEAL_LABEL, SEAL_SEED_BYTES, load_seal_seed)
            self._secret(where / "rest.key", REST_LABEL, REST_KEY_BYTES, load_rest_key)
            nodes[name] = {
                **_described(side, "node", name),
                "log_public_key": log.public_key().public_bytes_raw().hex(),
                "cosign_public_key": cosign.public_key().public_bytes_raw().hex(),
            }
        for name in side.parties:
            where = home / "parties" / name
            self._leaf(where, SpiffeId(side.trust_domain, "party", name), issuer, crl)
            key = self._ed25519(where / "token.key").public_key()
            pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            self.public(where / "token.pub", pem)
            parties[name] = {**_described(side, "party", name), "token_keys": [token_jwk(key)]}

    def public(self, path: Path, content: bytes) -> None:
        """A public file, written when it differs."""
        if path.is_file() and path.read_bytes() == content:
            self.kept.append(path)
        else:
            self._write(path, content, PUBLIC_MODE)

    def _authorities(
        self, side: DevJurisdiction, home: Path
    ) -> tuple[Authority, list[x509.CertificateRevocationList]]:
        lifetime = self.plan.authority_lifetime
        root = self._authority(
            home / "ca",
            None,
            lambda: issuing.issue_root(f"{side.name} dev root", self.now, lifetime),
        )
        issuer = self._authority(
            home / "intermediate",
            root,
            lambda: issuing.issue_intermediate(
                root, f"{side.name} dev intermediate", self.now, lifetime
            ),
        )
        self.public(self.directory / "trust" / f"{side.trust_domain}.pem", root.pem)
        path = home / "crl.pem"
        if self._lists_good(path, (root, issuer)):
            self.kept.append(path)
        else:
            content = _lists(path, (root, issuer), self.now, self.plan.crl_lifetime, None)
            self._write(path, content, PUBLIC_MODE)
        return issuer, revocation_lists_of(path.read_bytes(), str(path))

    def _authority(
        self, stem: Path, issuer: Authority | None, make: Callable[[], Authority]
    ) -> Authority:
        crt, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        found = _authority(crt, key)
        if found and self._fresh(found.certificate) and _issued(found.certificate, issuer or found):
            self.kept += [crt, key]
            return found
        made = make()
        self._write(key, private_pem(made.key), PRIVATE_MODE)
        self._write(crt, made.pem, PUBLIC_MODE)
        return made

    def _leaf(
        self,
        where: Path,
        identity: SpiffeId,
        issuer: Authority,
        crl: list[x509.CertificateRevocationList],
    ) -> None:
        crt, key_path = where / "tls.crt", where / "tls.key"
        names = [
            x509.UniformResourceIdentifier(str(identity)),
            # Peers pin this name: TLS alone would accept any leaf of the trust domain.
            x509.DNSName(f"{identity.name}.{identity.kind}.{identity.trust_domain}"),
            *self.plan.hosts.general_names(),
        ]
        found = _authority(crt, key_path)
        if found and self._leaf_good(found.certificate, names, issuer, crl):
            self.kept += [crt, key_path]
            self.ends.append(found.certificate.not_valid_after_utc)
            return
        key = issuing.new_key()
        leaf = issuing.issue_leaf(
            issuer, key.public_key(), names, self.now, self.plan.leaf_lifetime
        )
        self._write(key_path, private_pem(key), PRIVATE_MODE)
        self._write(crt, issuing.pem_of(leaf) + issuer.pem, PUBLIC_MODE)
        self.ends.append(leaf.not_valid_after_utc)

    def _leaf_good(
        self,
        leaf: x509.Certificate,
        names: list[x509.GeneralName],
        issuer: Authority,
        crl: list[x509.CertificateRevocationList],
    ) -> bool:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        revoked = any(
            one.get_revoked_certificate_by_serial_number(leaf.serial_number) for one in crl
        )
        return self._fresh(leaf) and list(found) == names and _issued(leaf, issuer) and not revoked

    def _ed25519(self, path: Path) -> ed25519.Ed25519PrivateKey:
        if path.exists():
            self.kept.append(path)
            return load_ed25519(path)
        key = ed25519.Ed25519PrivateKey.generate()
        self._write(path, private_pem(key), PRIVATE_MODE)
        return key

    def _secret(self, path: Path, label: str, length: int, load: Callable[[Path], bytes]) -> None:
        if path.exists():
            load(path)
            self.kept.append(path)
        else:
            self._write(path, labelled(label, secrets.token_bytes(length)), PRIVATE_MODE)

    def _lists_good(self, path: Path, issuers: tuple[Authority, ...]) -> bool:
        try:
            lists = revocation_lists_of(path.read_bytes(), str(path))
        except (OSError, GatewayError):
            return False
        return len(lists) == len(issuers) and all(
            one.is_signature_valid(issuer.key.public_key())
            and one.next_update_utc is not None
            and self._remaining(one.last_update_utc, one.next_update_utc)
            for one, issuer in zip(lists, issuers, strict=True)
        )

    def _fresh(self, certificate: x509.Certificate) -> bool:
        return self._remaining(certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def _remaining(self, start: datetime, end: datetime) -> bool:
        return start <= self.now and (end - self.now) >= (end - start) * RENEW_BELOW

    def _write(self, path: Path, content: bytes, mode: int) -> None:
        write_file(path, content, mode)
        self.written.append(path)


def token_jwk(key: ed25519.Ed25519PublicKey) -> dict[str, object]:
    """The public JWK of a token key, with its ``kid``."""
    fields = OKPAlgorithm.to_jwk(key, as_dict=True)
    return {**fields, "kid": kid_of(key), "alg": "EdDSA", "use": "sig"}


def kid_of(key: ed25519.Ed25519PublicKey) -> str:
    """The ``kid`` of a development token key: the first 16 hex characters of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _described(side: DevJurisdiction, kind: Kind, name: str) -> dict[str, str]:
    spiffe_id = str(SpiffeId(side.trust_domain, kind, name))
    return {
        "jurisdiction": side.name,
        "trust_domain": side.trust_domain,
        "spiffe_id": spiffe_id,
    }


def _certificate(path: Path) -> x509.Certificate | None:
    """The first certificate of a file, or None when there is none to read."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _authority(crt: Path, key: Path) -> Authority | None:
    """A certificate and its key when both are there and belong together."""
    certificate = _certificate(crt)
    if certificate is None or not key.is_file():
        return None
    try:
        loaded = load_transport_key(key)
    except Fatal:
        return None
    return Authority(certificate, loaded) if same_public_key(certificate, loaded) else None


def _issued(certificate: x509.Certificate, issuer: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _lists(
    path: Path,
    issuers: tuple[Authority, Authority],
    now: datetime,
    lifetime: timedelta,
    entry: x509.RevokedCertificate | None,
) -> bytes:
    """New lists of root and intermediate with what the old ones revoked, and ``entry``."""
    try:
        old = revocation_lists_of(path.read_bytes(), str(path))
    except (OSError, GatewayError):
        old = []
    made = []
    for issuer in issuers:
        mine = [one for one in old if one.issuer == issuer.certificate.subject]
        revoked = {revoked.serial_number: revoked for one in mine for revoked in one}
        if entry is not None and issuer is issuers[1]:
            revoked[entry.serial_number] = entry
        numbers = [
            one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in mine
        ]
        number = max(numbers, default=0) + 1
        made.append(issuing.issue_revocation_list(issuer, revoked.values(), number, now, lifetime))
    return b"".join(one.public_bytes(Encoding.PEM) for one in made)
