"""The settings of one node: a TOML file, over it the environment, below both the defaults.

``load_settings`` is the only way in. It checks form and types; ``settings_check.py`` then looks at
the files that the settings name. Secrets are never values here: keys are files, named by path.
``docs/settings.md`` is generated from the descriptions below.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from xbgateway.model import limits
from xbgateway.model.addresses import without_password, without_user
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.quota import Quota

ENV_PREFIX = "XBGATEWAY_"
# Names with the prefix that are not settings but say where the settings are.
_NOT_SETTINGS = frozenset({"CONFIG"})

Origin = Literal["env", "file", "default"]
Address = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):\d{1,5}$")]
TrustDomain = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,254}$")]

_S = TypeVar("_S", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Files(_Section):
    """Where the node's files are."""

    store: Path | None = Field(default=None, description="The node's SQLite file, or `store.url`.")
    segments: Path | None = Field(
        default=None,
        description="Folder of attachments, by default the name of `store` with `-streams` after "
        "it; needed with `store.url`. It is part of the store: kept and copied with it.",
    )
    keys: Path = Field(description="Folder of the node's private keys, readable by it alone.")
    register_file: Path = Field(description="The register document (YAML), the same on all nodes.")
    policies: Path | None = Field(
        default=None, description="Folder of the policies; the packaged ones where not set."
    )
    cases: Path | None = Field(
        default=None, description="Folder of case types; the packaged ones where not set."
    )
    roots: Path = Field(description="Folder of root certificates, `<trust-domain>.pem` each.")
    crls: Path | None = Field(default=None, description="Folder of certificate revocation lists.")


class StorePlace(_Section):
    """A store that is no file: PostgreSQL, with the extra `postgres` installed."""

    url: str | None = Field(
        default=None,
        pattern=r"^postgres(ql)?://",
        description="`postgresql://user@host/database?options=-csearch_path%3Dschema`, as libpq "
        "reads it; the schema must exist. A password goes into `~/.pgpass` or `PGPASSWORD`.",
    )


class Listen(_Section):
    """Addresses that the node listens on. Loopback unless said otherwise."""

    client: Address = Field(default="127.0.0.1:17440", description="Service systems call here.")
    peer: Address = Field(default="127.0.0.1:17443", description="Other nodes connect here.")
    metrics: Address = Field(
        default="127.0.0.1:17449", description="`/metrics`, `/healthz` and `/readyz`, without TLS."
    )


class Tls(_Section):
    """The node's own transport identity."""

    cert: Path = Field(description="Certificate chain, PEM, leaf first.")
    key: Path = Field(description="Private key of the leaf, PEM, readable by the node alone.")


class Engine(_Section):
    """Where policy is evaluated."""

    kind: Literal["embedded", "server"] = Field(
        default="embedded", description="OPA inside the process, or an OPA server."
    )
    url: str | None = Field(
        default=None, description="Address of the OPA server, `https://…`; `server` only."
    )
    socket: Path | None = Field(
        default=None, description="Unix socket of the OPA server; `server` only."
    )
    ca: Path | None = Field(default=None, description="Root that the server's certificate has.")
    cert: Path | None = Field(default=None, description="Client certificate for the server.")
    key: Path | None = Field(default=None, description="Its private key.")
    timeout_ms: int = Field(
        default=limits.POLICY_DEADLINE_MS,
        ge=1,
        le=10_000,
        description="A decision that takes longer is no decision, and nothing moves.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.kind == "server" and (self.url is None) == (self.socket is None):
            raise ValueError("a server is reached by url or by socket: set one of them")
        if self.kind == "embedded" and (self.url or self.socket):
            raise ValueError("url and socket are for kind 'server'")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        return self


class Backend(_Section):
    """Where a service behind this node is called."""

    address: Address = Field(description="Host and port of the service.")
    server_name: str | None = Field(
        default=None, description="Name in its certificate, where it is not the host."
    )


class Clients(_Section):
    """Who may connect to the client port."""

    trust_domains: tuple[TrustDomain, ...] = Field(
        default=(), description="Trust domains of service systems' certificates."
    )


class Bounds(_Section):
    """Limits that an operator may tighten or tune; all others are fixed in `model/limits.py`."""

    exchanges_in_flight: int = Field(
        default=limits.EXCHANGES_IN_FLIGHT_MAX,
        ge=1,
        le=65_536,
        description="Exchanges under way before callers are told to come back later.",
    )
    group_wait_ms: float = Field(
        default=1.0,
        ge=0.0,
        le=50.0,
        description="How long a group of entries waits for company at least while the log is busy.",
    )


class Log(_Section):
    """The node's own messages, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe message that is written."
    )
    format: Literal["json", "console"] = Field(
        default="json", description="`json` for machines, `console` for people."
    )


class Effective(NamedTuple):
    """One setting in force."""

    key: str
    value: str
    origin: Origin


class Settings(BaseSettings):
    """Everything that an operator sets. Frozen; paths are absolute."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    node: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="Id of this node in the register.",
    )
    files: Files
    store: StorePlace = StorePlace()
    listen: Listen = Listen()
    tls: Tls
    lanes: int = Field(
        default=1, ge=1, le=16, description="Data lanes per peer and direction; same on both sides."
    )
    engine: Engine = Engine()
    backends: dict[str, Backend] = Field(
        default={}, description="By full name of the service: where this node calls it."
    )
    tokens: dict[str, tuple[Path, ...]] = Field(
        default={},
        description="By party id: files with the public keys (PEM) that sign its callers' tokens.",
    )
    clients: Clients = Clients()
    limits: Bounds = Bounds()
    quota: Quota = Quota()
    drain_s: float = Field(
        default=20.0, ge=0.0, le=600.0, description="How long a stopping node finishes its work."
    )
    log: Log = Log()

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _one_store(self) -> Self:
        if (self.files.store is None) == (self.store.url is None):
            raise ValueError("the store is files.store or store.url: set one of them")
        if self.store.url is not None and self.files.segments is None:
            raise ValueError("with store.url, set files.segments: where attachments rest")
        without_password(self.store.url or "")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file; no .env file and no secrets folder."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def describe(self) -> tuple[Effective, ...]:
        """Every setting in force with where it came from; credentials in addresses are hidden."""
        return tuple(
            Effective(key, _shown(value), self._origins.get(key, "default"))
            for key, value in _leaves(self, "")
        )


def load_settings(file: Path | None, *, folder: Path | None = None) -> Settings:
    """Settings from ``file`` (TOML, may be ``None``) and the environment.

    Relative paths, wherever they stand, are relative to the folder of the file; without a file to
    ``folder`` or the working directory. Raises ``Refused(CONFIG_INVALID)`` naming the ``key``.
    """
    written = _toml(file)
    environment = _environment()
    try:
        # The environment is read by the model itself and wins over what is passed in.
        settings = Settings(**written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _invalid(key, first["msg"], file) from error
    base = file.parent if file else folder or Path.cwd()
    settings = _anchored(settings, base.absolute())
    origins = settings._origins  # noqa: SLF001 - filled here, once, before anybody sees it
    for key, _ in _leaves(settings, ""):
        if _stands_in(environment, key):
            origins[key] = "env"
        elif _stands_in(written, key):
            origins[key] = "file"
    return settings


def _toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        with file.open("rb") as content:
            return tomllib.load(content)
    except OSError as error:
        raise _invalid("", f"cannot read: {error.strerror}", file) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid("", f"not TOML: {error}", file) from error


def _environment() -> dict[str, Any]:
    """What the environment sets. A name that sets nothing is a spelling mistake, and refused."""
    for name in os.environ:
        first, _, _ = name.removeprefix(ENV_PREFIX).partition("__")
        if not name.startswith(ENV_PREFIX) or first in _NOT_SETTINGS:
            continue
        if first.lower() not in Settings.model_fields:
            raise _invalid(name, "no setting has this name", None)
    try:
        return EnvSettingsSource(Settings)()
    except ValueError as error:  # a mapping that is not JSON
        raise _invalid(ENV_PREFIX + "*", str(error), None) from error


def _invalid(key: str, why: str, file: Path | None) -> Refused:
    where = f"{file}: " if file else ""
    named = f"{key}: " if key else ""
    return Refused(Reason.CONFIG_INVALID, f"settings: {where}{named}{why}", key=key, why=why)


def _anchored(section: _S, base: Path) -> _S:
    changed: dict[str, object] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            changed[name] = _anchored(value, base)
        elif isinstance(value, Path):
            changed[name] = base / value
        elif name == "tokens":
            changed[name] = {p: tuple(base / f for f in files) for p, files in value.items()}
    return section.model_copy(update=changed)


def _leaves(section: BaseModel, prefix: str) -> Iterator[tuple[str, object]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _stands_in(source: Mapping[str, Any], key: str) -> bool:
    found: Any = source
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_shown(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return " ".join(_shown(item) for item in value)
    if isinstance(value, Backend):
        return value.address + (f" ({value.server_name})" if value.server_name else "")
    text = str(value)
    return without_user(text) if "://" in text else text
