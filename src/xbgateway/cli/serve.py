"""The node itself: run it, check what it would run with, say what it is made of."""

import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated, NoReturn

import apsw
import typer

from xbgateway import __version__
from xbgateway.cli.ending import Ending, ended, tell
from xbgateway.cli.output import Format, Output, listed, shown
from xbgateway.identity import CertificateFiles, SpiffeId, TrustStore
from xbgateway.identity.issuing import pem_of
from xbgateway.identity.pem import certificates_of
from xbgateway.identity.trust import TLS_VERSION
from xbgateway.model.clock import SystemClock
from xbgateway.model.entry import VERSION
from xbgateway.model.errors import GatewayError, Reason, Refused
from xbgateway.node_keys import NodeKeys
from xbgateway.policy.engine import OPA_VERSION, EmbeddedEngine, OpaCheck
from xbgateway.policy.revision import load_directory
from xbgateway.register import Register, build_catalogue, load_register
from xbgateway.settings import Settings, load_settings
from xbgateway.settings_check import check

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The node's TOML file.")]


def serve(
    config: Config,
    clock_corrected: Annotated[
        bool,
        typer.Option(
            "--clock-corrected",
            help="Start although entries on record are dated ahead of the clock: it was wrong, "
            "and is right now.",
        ),
    ] = False,
) -> NoReturn:
    """Run the node that CONFIG describes, until SIGTERM; then drain and end with 0."""
    # Only this command needs the whole node; every other one starts faster without.
    from xbgateway.app import ready  # noqa: PLC0415
    from xbgateway.app import serve as run  # noqa: PLC0415
    from xbgateway.server import leave  # noqa: PLC0415

    settings = ready(config)
    leave(ended(lambda: run(settings, clock_corrected=clock_corrected)))


def check_config(config: Config, output: Output = Format.TABLE) -> int:
    """Check settings, files, certificates, keys, register and policies, without starting.

    Every setting in force is shown with where it came from: env, file or default. Ends with 5
    where something is wrong; all problems are told, not only the first.
    """
    settings = load_settings(config)
    problems = check(settings) or list(_deeper(settings))
    effective = [
        {"key": one.key, "value": one.value, "origin": one.origin} for one in settings.describe()
    ]
    if output is Format.JSON:
        shown({"settings": effective, "problems": problems, "ok": not problems}, output)
    else:
        listed(effective, ("key", "origin", "value"), output)
    for problem in problems:
        tell(f"error: CONFIG_INVALID: {problem}")
    if problems:
        return Ending.CONFIGURATION
    if output is Format.TABLE:
        print(f"{config}: node {settings.node} can start")
    return Ending.OK


def version(output: Output = Format.TABLE) -> None:
    """Versions of the gateway, of what it decides and stores with, and of its formats."""
    shown(
        {
            "xbgateway": __version__,
            "opa": OPA_VERSION,
            "sqlite": apsw.sqlite_lib_version(),
            "python": platform.python_version(),
            "grpc": installed("grpcio"),
            "protocols": [
                "xbgateway.api.exchange.v1",
                "xbgateway.api.link.v1",
                "xbgateway.api.log.v1",
                "xbgateway.api.catalogue.v1",
            ],
            "entry": f"v{VERSION}",
            "log": ["c2sp.org/tlog-tiles@v1.0.0", "c2sp.org/tlog-proof@v1"],
        },
        output,
    )


def _deeper(settings: Settings) -> Iterator[str]:
    """What only reading the files shows: each part that fails is one sentence."""
    file = settings.files.register_file
    try:
        register = load_register(file.read_bytes(), file.parent)
        build_catalogue(register)
    except (GatewayError, OSError) as error:
        yield f"files.register_file: {_said(error)}"
        return
    steps: dict[str, Callable[[Settings, Register], None]] = {
        "files.keys": _keys,
        "tls": _certificates,
        "files.policies": _policies,
        "backends": _backends,
    }
    for key, step in steps.items():
        try:
            step(settings, register)
        except (GatewayError, OSError) as error:
            yield f"{key}: {_said(error)}"


def _said(error: GatewayError | OSError) -> str:
    return error.sentence if isinstance(error, GatewayError) else str(error)


def _keys(settings: Settings, register: Register) -> None:
    me = register.node(settings.node)
    keys = NodeKeys.load(settings.files.keys, me.trust_domain, settings.node)
    # Of keys that were rolled the store knows more; that is looked at by the start itself.
    for name, there in (
        ("log.key", bytes.fromhex(me.log_key) in keys.logs),
        ("cosign.key", bytes.fromhex(me.cosign_key) in keys.cosigners),
    ):
        if not there:
            raise _wrong(f"{name} is not the key that the register has for node {settings.node}")


def _certificates(settings: Settings, register: Register) -> None:
    me = register.node(settings.node)
    domains = {n.trust_domain for n in register.nodes} | set(settings.clients.trust_domains)
    lists = {d: settings.files.crls / f"{d}.pem" for d in domains} if settings.files.crls else {}
    found = CertificateFiles(
        settings.tls.cert,
        settings.tls.key,
        {domain: settings.files.roots / f"{domain}.pem" for domain in domains},
        {domain: [path] for domain, path in lists.items() if path.exists()},
    ).current
    leaf, *above = (pem_of(one) for one in certificates_of(found.chain, "certificate chain"))
    identity = TrustStore(found.roots, found.crls).identify(
        leaf, above, TLS_VERSION, SystemClock().now()
    )
    wanted = str(SpiffeId(me.trust_domain, "node", settings.node))
    if identity.spiffe_id != wanted:
        raise _wrong(f"the certificate is of {identity.spiffe_id}, the node is {wanted}")


def _policies(settings: Settings, _register: Register) -> None:
    bundle = load_directory(settings.files.policies).bundle()
    if settings.engine.kind == "embedded":
        EmbeddedEngine().load(bundle).close()
    else:
        OpaCheck(Path(shutil.which("opa") or "opa"))(bundle)


def _backends(settings: Settings, register: Register) -> None:
    here = {party.id for party in register.parties_of(settings.node)}
    provided = {o.service for o in register.document.services if o.provider in here}
    for service in sorted(provided - settings.backends.keys()):
        raise _wrong(f"{service} is provided at this node and has no address")


def _wrong(sentence: str) -> Refused:
    return Refused(Reason.CONFIG_INVALID, sentence)
