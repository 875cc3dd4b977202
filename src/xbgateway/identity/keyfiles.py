"""Key files: written atomically with mode 0600, read only when nobody else can read them.

Ed25519 and P-256 keys are PKCS#8 PEM, in the open for development, encrypted with a passphrase
file elsewhere. Sealing seeds and rest keys have no PKCS#8 form: they are one line, a label that
says what it is and the bytes in hexadecimal.
"""

import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from xbgateway.identity.pem import check_size
from xbgateway.model.errors import Fatal, Reason, Refused

SEAL_LABEL = "xbg-seal-seed-1"
REST_LABEL = "xbg-rest-key-1"
SEAL_SEED_BYTES = 96
REST_KEY_BYTES = 32
PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644

_FIELD = 2**255 - 19
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_LOW_ORDER_Y = frozenset({0, 1, _FIELD - 1, _ORDER_8_Y, _FIELD - _ORDER_8_Y})


def check_ed25519_public(raw: bytes) -> None:
    """Refuse an Ed25519 public key (32 bytes) of low order or not in canonical form.

    OpenSSL takes the identity point as a key, and one fixed signature then fits every message.
    Raises ``Refused(KEY_WEAK)``.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _FIELD or y in _LOW_ORDER_Y:
        raise Refused(Reason.KEY_WEAK, "The Ed25519 public key is of low order or not canonical.")


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Write whole or not at all: a new file in the same directory, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_private(path: Path, *, dev: bool = False) -> bytes:
    """The bytes of a private file; raises ``Fatal(CONFIG_INVALID)``.

    Refuses a file that group or others may read or write, unless ``dev`` (bind mounts of a
    developer's machine often cannot keep modes).
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    if stat.S_IMODE(mode) & 0o077 and not dev:
        raise _unusable(path, f"is open to others (mode {stat.S_IMODE(mode):04o}); chmod 600 it")
    check_size(content, f"file {path}")
    return content


def load_private_key(
    path: Path, passphrase_file: Path | None = None, *, dev: bool = False
) -> PrivateKeyTypes:
    """A PKCS#8 PEM key; the passphrase is the first line of ``passphrase_file``.

    Raises ``Fatal(CONFIG_INVALID)``.
    """
    passphrase = None
    if passphrase_file is not None:
        passphrase = read_private(passphrase_file, dev=dev).split(b"\n", 1)[0]
    try:
        return load_pem_private_key(read_private(path, dev=dev), passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's own sentence says which: no PEM, wrong passphrase, none given, not needed.
        raise _unusable(path, f"is no usable private key ({error})") from error


def load_ed25519(
    path: Path, passphrase_file: Path | None = None, *, dev: bool = False
) -> ed25519.Ed25519PrivateKey:
    """A log, cosigning or token key. Raises ``Fatal(CONFIG_INVALID)``."""
    key = load_private_key(path, passphrase_file, dev=dev)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _unusable(path, "is not an Ed25519 key")
    return key


def load_transport_key(
    path: Path, passphrase_file: Path | None = None, *, dev: bool = False
) -> ec.EllipticCurvePrivateKey:
    """A TLS key, P-256 or P-384. Raises ``Fatal(CONFIG_INVALID)``."""
    key = load_private_key(path, passphrase_file, dev=dev)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path, "is not an elliptic-curve key")
    if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        raise _unusable(path, "is not on P-256 or P-384")
    return key


def load_seal_seed(path: Path, *, dev: bool = False) -> bytes:
    """A sealing seed, 96 bytes, for ``SealingKey.from_seed``. ``Fatal(CONFIG_INVALID)``."""
    return _load_labelled(path, SEAL_LABEL, SEAL_SEED_BYTES, dev=dev)


def load_rest_key(path: Path, *, dev: bool = False) -> bytes:
    """A rest key, 32 bytes, for ``RestKey``. Raises ``Fatal(CONFIG_INVALID)``."""
    return _load_labelled(path, REST_LABEL, REST_KEY_BYTES, dev=dev)


def labelled(label: str, secret: bytes) -> bytes:
    """The one line that ``load_seal_seed`` and ``load_rest_key`` read."""
    return f"{label} {secret.hex()}\n".encode()


def private_pem(key: PrivateKeyTypes) -> bytes:
    """``key`` as PKCS#8 PEM in the open: for development files and for gRPC, in memory."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_labelled(path: Path, label: str, length: int, *, dev: bool) -> bytes:
    found, _, digits = read_private(path, dev=dev).decode("ascii", "replace").partition(" ")
    try:
        secret = bytes.fromhex(digits.strip())
    except ValueError:
        secret = b""
    if found != label or len(secret) != length:
        raise _unusable(path, f'is not one line "{label} " and {length} bytes in hexadecimal')
    return secret


def _unusable(path: Path, what: str) -> Fatal:
    return Fatal(Reason.CONFIG_INVALID, f"The file {path} {what}.", path=str(path))
