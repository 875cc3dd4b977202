"""Log lines: a closed list of keys, and no way for a person's data onto them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from xbgateway.model.errors import Reason, Refused
from xbgateway.observe import ALLOWED_KEYS, configure_logging
from xbgateway.observe.logs import Format, Level, keep_allowed

PERMIT = "829900195803120018"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def _set_up(level: Level = "info", fmt: Format = "json") -> io.StringIO:
    out = io.StringIO()
    configure_logging(level, fmt, node="zhuhai", stream=out)
    return out


def _lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_the_promised_keys() -> None:
    out = _set_up()
    structlog.get_logger().warning("lane stopped", exchange="0199", reason="LOG_FORK", size=7)
    (line,) = _lines(out)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "lane stopped",
        "node": "zhuhai",
        "exchange": "0199",
        "reason": "LOG_FORK",
        "size": 7,
    }


def test_keys_off_the_list_are_dropped_and_only_named() -> None:
    out = _set_up()
    structlog.contextvars.bind_contextvars(permit_no=PERMIT, lane=1)
    structlog.get_logger().info("asked", name="CHAN Ka Ian", body={"bir": "9000001(8)"})
    (line,) = _lines(out)
    assert (line["dropped"], line["lane"]) == ("body name permit_no", 1)
    assert set(line) <= ALLOWED_KEYS
    for secret in (PERMIT, "CHAN", "9000001"):
        assert secret not in out.getvalue()


def test_identifiers_in_text_are_blotted_out_and_names_are_not() -> None:
    out = _set_up()
    structlog.get_logger().info(
        f"asked for {PERMIT}", party=PERMIT, count=int(PERMIT), exchange="0199-123456789012"
    )
    (line,) = _lines(out)
    assert PERMIT not in out.getvalue()
    assert (line["event"], line["party"], line["count"]) == ("asked for •", "•", "•")
    assert line["exchange"] == "0199-123456789012"


def test_a_uuid_or_digest_alone_is_no_identifier() -> None:
    out = _set_up()
    for value in ("01990000-1234-7123-8123-123456789012", "1234567890" * 4):
        structlog.get_logger().error("call failed", key=value)
        structlog.get_logger().error("call failed", key=f"{value} {PERMIT}")
        alone, beside = _lines(out)[-2:]
        assert alone["key"] == value
        assert PERMIT not in beside["key"]


@given(
    event=st.dictionaries(
        st.sampled_from([*sorted(ALLOWED_KEYS), "name", PERMIT, "exc_info"]),
        st.one_of(st.just(PERMIT), st.just([PERMIT]), st.integers(), st.none(), st.booleans()),
    )
)
def test_no_event_whatever_carries_an_identifier_but_as_a_name(event: dict[str, Any]) -> None:
    kept = keep_allowed(None, "info", dict(event))
    assert set(kept) <= ALLOWED_KEYS
    for key in ("time", "exchange", "revision", "origin", "version", "node"):
        kept.pop(key, None)
    assert PERMIT not in repr(kept)


def _fail() -> None:
    raise ValueError(f"cannot read {PERMIT}")


def test_an_exception_is_told_without_its_text() -> None:
    out = _set_up()
    try:
        _fail()
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = _lines(out)
    assert line["error"] == "ValueError"
    assert line["raised_at"].endswith(":_fail")
    assert PERMIT not in out.getvalue()
    assert "cannot read" not in out.getvalue()


def test_an_error_of_ours_brings_its_reason() -> None:
    out = _set_up()
    error = Refused(Reason.TOKEN_EXPIRED, "the token ended", party=PERMIT)
    structlog.get_logger().error("refused", exc_info=error)
    (line,) = _lines(out)
    assert (line["error"], line["reason"]) == ("Refused", "TOKEN_EXPIRED")
    assert PERMIT not in out.getvalue()


def test_libraries_go_the_same_way() -> None:
    out = _set_up("debug")
    library = logging.getLogger("some.library")
    library.debug("payload %s", PERMIT)
    try:
        _fail()
    except ValueError:
        library.exception("choked on %s", PERMIT, extra={"body": PERMIT})
    (line,) = _lines(out)
    assert (line["logger"], line["event"]) == ("some.library", "choked on •")
    assert (line["error"], line["node"], line["level"]) == ("ValueError", "zhuhai", "error")
    assert PERMIT not in out.getvalue()


def test_levels_and_a_second_set_up_take_hold() -> None:
    first = _set_up("warning")
    logger = structlog.get_logger()
    logger.info("not said")
    logger.warning("said")
    logging.getLogger("some.library").info("not said")
    second = _set_up("info")
    logger.info("said here")
    logging.getLogger("some.library").info("said here too")
    assert [line["event"] for line in _lines(first)] == ["said"]
    assert [line["event"] for line in _lines(second)] == ["said here", "said here too"]


def test_people_get_lines_for_people() -> None:
    out = _set_up(fmt="console")
    structlog.get_logger().info("ready", address="127.0.0.1:17440", name="CHAN")
    assert "ready" in out.getvalue()
    assert "address=127.0.0.1:17440" in out.getvalue()
    assert "CHAN" not in out.getvalue()
