"""Certificates: development ones made and revoked, any one shown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from xbgateway.cli.ending import UsageError
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.identity import thumbprint_of
from xbgateway.identity.certs import dev_plan, make_dev_certificates
from xbgateway.identity.certs import revoke as revoke_leaf
from xbgateway.model.errors import Reason, Refused

app = typer.Typer(help="Certificates: made for development, shown, revoked.", rich_markup_mode=None)

Parties = Annotated[
    list[str] | None,
    typer.Option(
        "--party",
        metavar="JURISDICTION=PARTY",
        help="A party to make a certificate and a token key for, e.g. macao=mo.fss; repeatable.",
    ),
]


def _now() -> datetime:
    return datetime.now(UTC)


@app.command()
def dev(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where they are kept.")],
    party: Parties = None,
    output: Output = Format.TABLE,
) -> None:
    """Make or renew the development certificates and keys of Zhuhai, Macao and Hengqin in DIR.

    May be run as often as one likes: what is good stays, what is about to end is renewed, and
    keys that logs and stored payloads hang on are never replaced. Not for production.
    """
    sides: dict[str, tuple[str, ...]] = {}
    for one in party or []:
        side, separator, name = one.partition("=")
        if not separator or not name:
            raise UsageError(f"--party is JURISDICTION=PARTY, not {one!r}")
        sides[side] = (*sides.get(side, ()), name)
    made = make_dev_certificates(directory, dev_plan(sides), _now)
    written = [str(path.relative_to(directory)) for path in made.written]
    kept = [str(path.relative_to(directory)) for path in made.kept]
    if output is Format.JSON:
        end = made.earliest_end.isoformat() if made.earliest_end else None
        record = {"directory": str(directory), "written": written, "kept": kept}
        shown({**record, "earliest_end": end}, output)
        return
    for path in written:
        print(f"written  {path}")
    for path in kept:
        print(f"kept     {path}")
    if made.earliest_end:
        print(f"the first certificate ends {made.earliest_end:%Y-%m-%dT%H:%M:%SZ}")


@app.command()
def revoke(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="As given to certs dev.")],
    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE", help="The tls.crt to revoke.")
    ],
) -> None:
    """Revoke a development certificate in its jurisdiction's revocation list.

    Nodes that read the list refuse it within seconds; the next `certs dev` makes a new one.
    """
    revoke_leaf(directory, certificate, _now())
    print(f"revoked  {certificate}")


@app.command()
def show(
    file: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PEM certificates.")],
    output: Output = Format.TABLE,
) -> None:
    """Show whom certificates name, who issued them and until when they are good."""
    records = [record for path in file for record in _certificates(path)]
    columns = ("file", "identity", "issuer", "not_after", "state", "serial")
    listed(records, columns, output)


def _certificates(path: Path) -> list[dict[str, Any]]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise Refused(Reason.CONFIG_INVALID, f"{path} holds no certificate: {error}") from error
    return [_described(path, one) for one in found]


def _described(path: Path, one: x509.Certificate) -> dict[str, Any]:
    now = _now()
    ended, begun = one.not_valid_after_utc <= now, one.not_valid_before_utc <= now
    names: list[str] = []
    try:
        alternatives = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.UniformResourceIdentifier)
        hosts = alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        hosts = []
    return {
        "file": str(path),
        "identity": " ".join(names) or one.subject.rfc4514_string(),
        "issuer": one.issuer.rfc4514_string(),
        "not_before": f"{one.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "state": "ended" if ended else "valid" if begun else "not yet valid",
        "serial": f"{one.serial_number:x}",
        "hosts": hosts,
        "thumbprint": thumbprint_of(one),
    }
