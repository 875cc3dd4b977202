"""A real ``opa run --server`` of our own: on a socket, TCP or mutual TLS, watching its bundle."""

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from xbgateway.policy.engine import Address, Bundle, OpaCheck, Tls, bundle_tar


def opa_binary() -> Path:
    found = shutil.which("opa")
    assert found is not None, "guarded by the tool mark"
    return Path(found)


def opa_check() -> OpaCheck:
    return OpaCheck(opa_binary())


@dataclass(frozen=True, slots=True)
class Pki:
    """A root, a server's and a client's certificate; ``other_root`` vouches for nobody."""

    root: Path
    other_root: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


def make_pki(folder: Path) -> Pki:
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root", root_key, "root", root_key, authority=True)
    other_key = ec.generate_private_key(ec.SECP256R1())
    other = _certificate("root", other_key, "root", other_key, authority=True)
    written = {}
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, "root", root_key, authority=False)
        written[name] = (folder / f"{name}.pem", folder / f"{name}.key")
        written[name][0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        written[name][1].write_bytes(private_pem(key))
    for path, certificate in ((folder / "root.pem", root), (folder / "other.pem", other)):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Pki(folder / "root.pem", folder / "other.pem", written["server"], written["client"])


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("localhost"),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OwnOpa:
    """The server starts with the first bundle and watches for the next, as operators run it."""

    def __init__(self, folder: Path, pki: Pki | None = None, *, unix: bool = False) -> None:
        self._socket = folder / "sock" if unix else None
        self._bundle = folder / "bundle.tar.gz"
        self._port = free_port()
        self._pki = pki
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        tls = None
        if self._socket is not None:
            return Address(unix_socket=self._socket)
        if self._pki is not None:
            tls = Tls(self._pki.root, *self._pki.client)
        return Address("127.0.0.1", self._port, tls=tls)

    def publish(self, bundle: Bundle) -> None:
        pending = self._bundle.with_suffix(".new")
        pending.write_bytes(bundle_tar(bundle))
        pending.replace(self._bundle)
        if self._process is None:
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        listen = f"unix://{self._socket}" if self._socket else f"127.0.0.1:{self._port}"
        command = [
            *(str(opa_binary()), "run", "--server", "--addr", listen),
            *("--bundle", "--watch", "--skip-version-check", "--log-level", "error"),
        ]
        if self._pki is not None:
            certificate, key = self._pki.server
            command += ["--tls-cert-file", str(certificate), "--tls-private-key-file", str(key)]
            command += ["--authentication", "tls", "--tls-ca-cert-file", str(self._pki.root)]
            command += ["--min-tls-version", "1.3"]
        process = subprocess.Popen(
            [*command, str(self._bundle)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._listens():
                return process
            time.sleep(0.02)
        process.kill()
        raise TimeoutError("opa did not start listening")

    def _listens(self) -> bool:
        if self._socket is not None:
            return self._socket.exists()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
