"""Settings: a file, the environment over it, and what both may not say."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from xbgateway.model.errors import Reason, Refused
from xbgateway.settings import Settings, load_settings
from xbgateway.settings_check import check

ROOT = Path(__file__).resolve().parents[2]

TOML = """
node = "zhuhai"
lanes = 2

[files]
store = "state/node.db"
keys = "keys"
register_file = "register.yaml"
roots = "roots"

[tls]
cert = "tls/cert.pem"
key = "tls/key.pem"

[clients]
trust_domains = ["zhuhai.xbg.test"]

[tokens]
"cn.window" = ["tokens/window.pem"]

[backends."xbgateway.api.socialsecurity.v1.ContributionService"]
address = "localhost:18001"
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("XBGATEWAY_"):
            monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which all that the settings name is there and in order."""
    for name in ("state", "keys", "roots", "tls", "tokens"):
        (tmp_path / name).mkdir()
    for name in ("register.yaml", "tls/cert.pem", "tokens/window.pem", "roots/zhuhai.xbg.test.pem"):
        (tmp_path / name).write_text("x")
    for name in ("tls/key.pem", "keys/log.key"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "node.toml").write_text(TOML)
    return tmp_path


def _load(folder: Path, more: str = "") -> Settings:
    (folder / "node.toml").write_text(more + TOML if more else TOML)
    return load_settings(folder / "node.toml")


def _shown(settings: Settings) -> dict[str, tuple[str, str]]:
    return {e.key: (e.value, e.origin) for e in settings.describe()}


def test_a_whole_file_is_loaded_and_in_order(folder: Path) -> None:
    settings = _load(folder)
    assert settings.files.store == folder / "state/node.db"
    assert settings.files.policies is None
    assert settings.tokens == {"cn.window": (folder / "tokens/window.pem",)}
    assert settings.backends["xbgateway.api.socialsecurity.v1.ContributionService"].address == (
        "localhost:18001"
    )
    assert settings.listen.peer.startswith("127.0.0.1:")
    assert check(settings) == []


def test_the_environment_wins_and_every_value_tells_its_origin(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XBGATEWAY_LANES", "4")
    monkeypatch.setenv("XBGATEWAY_ENGINE__TIMEOUT_MS", "90")
    monkeypatch.setenv("XBGATEWAY_FILES__STORE", "elsewhere/node.db")
    monkeypatch.setenv("XBGATEWAY_BACKENDS", json.dumps({"a.B": {"address": "localhost:1"}}))
    monkeypatch.setenv("XBGATEWAY_CONFIG", "/not/a/setting")
    settings = _load(folder)
    assert (settings.lanes, settings.engine.timeout_ms) == (4, 90)
    assert settings.files.store == folder / "elsewhere/node.db"
    assert settings.files.keys == folder / "keys"
    shown = _shown(settings)
    assert shown["lanes"] == ("4", "env")
    assert shown["files.store"] == (str(folder / "elsewhere/node.db"), "env")
    assert shown["files.keys"] == (str(folder / "keys"), "file")
    assert shown["listen.client"][1] == "default"
    assert shown["node"] == ("zhuhai", "file")
    assert "a.B=localhost:1" in shown["backends"][0]


def test_credentials_in_addresses_are_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XBGATEWAY_ENGINE__KIND", "server")
    monkeypatch.setenv("XBGATEWAY_ENGINE__URL", "https://user:s3cret@opa:8181/v1?token=s3cret")
    settings = _load(folder)
    assert _shown(settings)["engine.url"] == ("https://opa:8181/v1", "env")
    assert settings.engine.url is not None
    assert "s3cret" in settings.engine.url
    assert not any("s3cret" in entry.value for entry in settings.describe())


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("surprise = 1\n", "surprise"),
        ("listen.client = 'no port'\n", "listen.client"),
        ("listen.other = 'localhost:1'\n", "listen.other"),
        ("drain_s = -1\n", "drain_s"),
        ("limits.exchanges_in_flight = 0\n", "limits.exchanges_in_flight"),
        ("engine.kind = 'server'\n", "engine"),
        ("engine.url = 'https://opa'\n", "engine"),
        ("engine.key = 'k'\n", "engine"),
        ("log.level = 'loud'\n", "log.level"),
    ],
)
def test_a_wrong_file_is_refused_by_key(folder: Path, more: str, key: str) -> None:
    with pytest.raises(Refused) as refused:
        _load(folder, more)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.metadata["key"] == key
    assert key in refused.value.sentence


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("XBGATEWAY_LANES", "17", "lanes"),
        ("XBGATEWAY_LANE", "1", "XBGATEWAY_LANE"),
        ("XBGATEWAY_ENGINE__TIMEOUT", "1", "engine.timeout"),
        ("XBGATEWAY_BACKENDS", "{", "XBGATEWAY_*"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, key: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Refused) as refused:
        _load(folder)
    assert refused.value.metadata["key"] == key


def test_what_is_not_a_file_or_not_toml_is_refused(folder: Path) -> None:
    with pytest.raises(Refused, match="cannot read"):
        load_settings(folder / "nobody.toml")
    (folder / "node.toml").write_text("node = ")
    with pytest.raises(Refused, match="not TOML"):
        load_settings(folder / "node.toml")
    with pytest.raises(Refused, match="node"):
        load_settings(None)


def test_without_a_file_the_environment_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("store", "keys", "register_file", "roots"):
        monkeypatch.setenv(f"XBGATEWAY_FILES__{name.upper()}", name)
    monkeypatch.setenv("XBGATEWAY_NODE", "macao")
    monkeypatch.setenv("XBGATEWAY_TLS__CERT", "cert.pem")
    monkeypatch.setenv("XBGATEWAY_TLS__KEY", "/absolute/key.pem")
    settings = load_settings(None, folder=tmp_path)
    assert settings.tls.cert == tmp_path / "cert.pem"
    assert settings.tls.key == Path("/absolute/key.pem")


def test_a_store_is_a_file_or_a_url_without_a_secret(folder: Path) -> None:
    file = (folder / "node.toml").read_text()
    line = next(one for one in file.splitlines() if one.startswith("store ="))
    url = "postgresql://node@db.example/xb?options=-csearch_path%3Dnode"
    elsewhere = file.replace(line, 'segments = "state/attachments"')
    for text, said in (
        (file.replace(line, ""), "files.store or store.url"),
        (f"{file}\n[store]\nurl = '{url}'\n", "files.store or store.url"),
        (f"{file.replace(line, '')}\n[store]\nurl = '{url}'\n", "files.segments"),
        (f"{elsewhere}\n[store]\nurl = '{url}&password=x'\n", "pgpass"),
        (f"{elsewhere}\n[store]\nurl = 'postgresql://a:b@db/xb'\n", "pgpass"),
    ):
        (folder / "node.toml").write_text(text)
        with pytest.raises(Refused, match=said):
            load_settings(folder / "node.toml")
    (folder / "node.toml").write_text(f"{elsewhere}\n[store]\nurl = '{url}'\n")
    settings = load_settings(folder / "node.toml")
    assert (settings.files.store, settings.store.url) == (None, url)
    assert settings.files.segments == folder / "state/attachments"
    assert check(settings) == []


def test_missing_files_are_named_by_key(folder: Path) -> None:
    settings = _load(folder)
    (folder / "register.yaml").unlink()
    (folder / "tls/cert.pem").unlink()
    (folder / "tls/cert.pem").mkdir()
    (folder / "tokens/window.pem").unlink()
    (folder / "roots/zhuhai.xbg.test.pem").unlink()
    (folder / "state").rmdir()
    (folder / "state").write_text("in the way")
    assert [p.split(": ")[0] for p in check(settings)] == [
        *("files.store", "files.register_file", "tls.cert", "tokens.cn.window"),
        "clients.trust_domains",
    ]


@pytest.mark.parametrize(
    ("file", "key"), [("tls/key.pem", "tls.key"), ("keys/log.key", "files.keys")]
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_private_key_open_to_others_is_a_problem(
    folder: Path, file: str, key: str, mode: int
) -> None:
    settings = _load(folder)
    (folder / file).chmod(mode)
    (problem,) = check(settings)
    assert problem.startswith(f"{key}: {folder / file}: open to others (mode {mode:04o}")


def test_a_server_behind_a_socket_is_looked_for(folder: Path) -> None:
    settings = _load(folder, "engine.kind = 'server'\nengine.socket = 'opa.sock'\n")
    (problem,) = check(settings)
    assert problem.startswith("engine.socket: ")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "opa.sock"))
        assert check(settings) == []


def test_the_page_says_what_the_model_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_settings_doc.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for name in ("files.store", "engine.timeout_ms", "lanes", "limits.group_wait_ms"):
        assert f"`{name}`" in page
