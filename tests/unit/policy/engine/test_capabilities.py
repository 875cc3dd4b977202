"""Which built-ins a policy may use."""

import json

import pytest

from xbgateway.model.errors import Reason, Refused
from xbgateway.policy.engine.capabilities import UNMARKED, permitted
from xbgateway.policy.engine.embedded import LIBRARY, Library

FULL = Library(LIBRARY).capabilities


def names(capabilities: bytes) -> set[str]:
    return {builtin["name"] for builtin in json.loads(capabilities)["builtins"]}


def test_what_is_left_depends_on_its_operands_only() -> None:
    left = names(permitted(FULL, None))
    taken = names(FULL) - left
    assert taken >= {"http.send", "time.now_ns", "rand.intn", "uuid.rfc4122", "opa.runtime"}
    assert taken >= UNMARKED
    assert left >= {"time.parse_rfc3339_ns", "count", "crypto.sha256", "net.cidr_contains"}
    assert json.loads(permitted(FULL, None))["allow_net"] == []


def test_every_unmarked_name_exists() -> None:
    assert names(FULL) >= UNMARKED


def test_a_wish_takes_away_and_never_gives() -> None:
    wish = b'{"builtins":[{"name":"count"},{"name":"time.now_ns"},{"name":"none.such"}]}'
    assert names(permitted(FULL, wish)) == {"count"}


@pytest.mark.parametrize("wish", [b"", b"[]", b"{}", b'{"builtins":1}', b'{"builtins":[{}]}'])
def test_a_malformed_wish_is_refused(wish: bytes) -> None:
    with pytest.raises(Refused) as caught:
        permitted(FULL, wish)
    assert caught.value.reason is Reason.POLICY_INVALID
