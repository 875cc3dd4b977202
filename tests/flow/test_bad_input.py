"""What is not well formed is refused with its own reason, and changes nothing anywhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from tests.harness.corridors import fund, query
from tests.harness.simulator import API, World, world
from tests.harness.whole import at_rest

from xbgateway.exchange import Submission
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.limits import INLINE_PAYLOAD_BYTES_MAX
from xbgateway.model.outcome import Outcome
from xbgateway.register._labels import FieldLabel, Labels
from xbgateway.store import Store

Alter = Callable[[Submission], Submission]

BAD: dict[str, tuple[Alter, Reason]] = {
    "over-size": (
        lambda s: replace(s, payload=b"\x0a" * (INLINE_PAYLOAD_BYTES_MAX + 1)),
        Reason.PAYLOAD_TOO_LARGE,
    ),
    "undecodable": (lambda s: replace(s, payload=b"\xff\xff\xff"), Reason.MESSAGE_UNDECODABLE),
    "unknown field": (
        lambda s: replace(s, payload=s.payload + b"\xfa\x3f\x01x"),
        Reason.FIELD_UNKNOWN,
    ),
    "no purpose": (lambda s: replace(s, purpose=""), Reason.REFERENCE_MISSING),
    "no scenario": (lambda s: replace(s, scenario=""), Reason.REFERENCE_MISSING),
    "no time": (lambda s: replace(s, sent_at=""), Reason.REFERENCE_MISSING),
    "a time without offset": (
        lambda s: replace(s, sent_at="2026-03-16T02:00:00"),
        Reason.REFERENCE_MALFORMED,
    ),
    "unknown scenario": (lambda s: replace(s, scenario="SC-NONE"), Reason.REFERENCE_UNKNOWN),
    "unknown instrument": (lambda s: replace(s, references=("X-1",)), Reason.REFERENCE_UNKNOWN),
    "instrument of the wrong kind": (
        lambda s: replace(s, references=("GBA-2026-001",)),
        Reason.REFERENCE_MALFORMED,
    ),
    "unknown service": (
        lambda s: replace(s, service=f"{API}.NoSuchService"),
        Reason.SERVICE_UNKNOWN,
    ),
    "unknown method": (lambda s: replace(s, method="NoSuchMethod"), Reason.METHOD_UNKNOWN),
    "recipient that does not provide it": (
        lambda s: replace(s, recipient="mo.ias"),
        Reason.PARTY_UNKNOWN,
    ),
    "service of our own side": (
        lambda s: replace(s, service=f"{API}.OverpaymentService", method="RecordNotice"),
        Reason.REFERENCE_MISSING,
    ),
    "no request id": (lambda s: replace(s, request_id=""), Reason.REQUEST_ID_MISSING),
    "request id that is none": (
        lambda s: replace(s, request_id="first"),
        Reason.REFERENCE_MALFORMED,
    ),
}


def stores(w: World) -> list[Store]:
    return [node.core.store for node in w.nodes.values()]


async def test_each_gets_its_own_reason_and_nothing_is_changed(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        before = await at_rest(*stores(w))
        for what, (alter, reason) in BAD.items():
            for dry in (False, True):
                with pytest.raises(Refused) as caught:
                    await w.submit("zhuhai", replace(alter(query()), validate_only=dry))
                assert caught.value.reason is reason, what
        await w.settle()
        assert await at_rest(*stores(w)) == before  # not a row of any table
        assert not w.nodes["macao"].service.asked
        # The good one goes through all the same.
        assert (await w.submit("zhuhai", query())).payload is not None
        await w.settle()
        w.agree()


@pytest.mark.parametrize(("path", "leg"), [("fss_no", "request"), ("pid_token", "answer")])
async def test_a_field_that_nobody_labelled_does_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, leg: str
) -> None:
    """Law refuses the message by name; what is left of it is the record that it was refused."""
    read = Labels.of_field

    def without(self: Labels, field: FieldDescriptor, at: str) -> FieldLabel:
        found = read(self, field, at)
        kind = field.containing_type.name if field.containing_type else ""
        if at != path or not kind.endswith("Request" if leg == "request" else "Response"):
            return found
        facts = replace(found.facts, labelled=False, level=None)
        return replace(found, given=False, facts=facts)

    monkeypatch.setattr(Labels, "of_field", without)
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        macao = w.nodes["macao"]
        (before,) = await at_rest(macao.core.store)
        home = w.nodes["zhuhai"].core.topology.home
        refused = w.nodes["zhuhai"].core.store.size(home)
        finished = await w.submit("zhuhai", query())
        rules = [(one.rule, one.article[:3]) for one in finished.findings]
        assert (finished.reason, rules) == (Reason.POLICY_DENIED, [("CN-DSL-21-2", "DSL")])
        assert finished.payload is None
        if leg == "request":
            assert finished.outcome is Outcome.REFUSED
            assert w.nodes["zhuhai"].core.store.size(home) == refused + 1
            assert await at_rest(macao.core.store) == [before]
        else:
            assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        assert macao.service.asked == ([] if leg == "request" else [finished.exchange])
        await w.settle()
        w.agree()


async def test_an_answer_of_the_wrong_type_or_size_is_withheld(tmp_path: Path) -> None:
    for what, bad, reason in (
        ("undecodable", b"\xff\xff\xff", "MESSAGE_UNDECODABLE"),
        ("unknown field", b"\xfa\x3f\x01x", "FIELD_UNKNOWN"),
        ("over-size", b"\x0a\x80\x80\x50" + b"a" * 80 * 2**14, "PAYLOAD_TOO_LARGE"),
    ):

        def wrong(_path: str, _payload: bytes, bad: bytes = bad) -> bytes:
            return bad

        async with world(tmp_path / reason, {"macao": wrong}) as w:
            finished = await w.submit("zhuhai", query())
            assert (finished.outcome.value, finished.reason) == (
                "executed_answer_withheld",
                reason,
            ), what
            await w.settle()
            w.agree()
