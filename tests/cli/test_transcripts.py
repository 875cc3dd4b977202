"""What a person sees, as text: each file of ``transcripts/`` is a session and its output.

``$ command`` is run (by ``xbgateway``), the lines below are what it prints, standard error among
them; ``[3]`` after them is the exit code where it is not 0. ``<any>``, ``<n>``, ``<hex>`` and
``<time>`` stand for what differs from run to run; ``{name}`` is put in before the run. Runs of
spaces count as one, ``...`` is any number of lines.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.pair import BACK, HOME, LANE, Pair
from typer.testing import Result

Run = Callable[..., Result]
FOLDER = Path(__file__).parent / "transcripts"
PLACES = {
    "any": r".+",
    "n": r"\d+",
    "hex": r"[0-9a-f]+",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "stamp": r"\d{8}T\d{6}Z",
}


def sessions(text: str) -> list[tuple[str, list[str], int]]:
    found: list[tuple[str, list[str], int]] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), [], 0))
        elif code := re.fullmatch(r"\[(\d)\]", line):
            found[-1] = (*found[-1][:2], int(code[1]))
        else:
            found[-1][1].append(line)
    return found


def pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*"
    escaped = re.escape(" ".join(line.split()))
    return re.sub(r"<(\w+)>", lambda m: PLACES[m[1]], escaped) + r"\n"


def said(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_a_session_reads_as_written(file: Path, pair: Pair, tmp_path: Path, run: Run) -> None:
    names = {
        "tmp": tmp_path, "register": pair.register, "exchange": pair.exchange,
        "zhuhai": pair.store("zhuhai"), "macao": pair.store("macao"),
        "keys": pair.keys("zhuhai"), "lane": LANE, "back": BACK, "home": HOME,
    }  # fmt: skip
    known = sessions(file.read_text())
    assert known
    for command, expected, code in known:
        words = shlex.split(command.format(**names))
        assert words[0] == "xbgateway"
        result = run(*words[1:], input="y\n")
        assert result.exit_code == code, (command, result.output)
        wanted = "".join(pattern(line.format(**names)) for line in expected)
        lines = "".join(f"{line}\n" for line in said(result.output))
        assert re.fullmatch(wanted, lines), f"{command}\n{result.output}"


def test_every_listing_is_valid_json(pair: Pair, tmp_path: Path, run: Run) -> None:
    store, keys, register = pair.store("zhuhai"), pair.keys("zhuhai"), pair.register
    kinds = {}
    for command in (
        ("version",),
        ("certs", "dev", tmp_path / "certs"),
        ("certs", "show", tmp_path / "certs/trust/macao.xbg.test.pem"),
        ("keys", "show", keys, "--register", register),
        ("register", "check", register),
        ("party", "list", register),
        ("party", "show", register, "mo.fss"),
        ("policy", "test", "--rule", "GW-DIR-1"),
        ("policy", "explain", "proof_of_life_request"),
        ("policy", "show-revision"),
        ("log", "verify", store, "--register", register),
        ("log", "export", store, LANE, tmp_path / "export"),
        ("decision", "recompute", store, "--keys", keys, "--exchange", pair.exchange),
    ):
        result = run(*command, "--output", "json")
        assert result.exit_code == 0, (command, result.output)
        kinds[" ".join(str(w) for w in command[:2])] = type(json.loads(result.stdout))
    assert kinds["party list"] is list
    assert kinds["party show"] is dict
    assert kinds["decision recompute"] is list
    assert len(kinds) == 13


def test_a_check_without_the_opa_binary_names_what_it_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    result = run("policy", "check", "-o", "json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"] is True
    assert "opa" in told["skipped"][0]
    assert "fixtures by the engine" in told["done"]
