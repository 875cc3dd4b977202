"""One-stop cases between two nodes: every end of C01 and C09, and what must not happen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.harness.cases import (
    FUND,
    acting,
    agree,
    life_application,
    opening,
    record_application,
    seen,
    until,
)
from tests.harness.corridors import BIR, TOKEN, fund, query
from tests.harness.parts import Later
from tests.harness.simulator import World, world

from xbgateway.api.socialsecurity.v1 import identity_pb2 as identity
from xbgateway.api.socialsecurity.v1 import rights_pb2 as rights
from xbgateway.api.socialsecurity.v1 import terms_pb2 as terms
from xbgateway.exchange.inbox import Handed
from xbgateway.exchange.ports import Answered
from xbgateway.model.errors import Reason, Refused
from xbgateway.model.outcome import Outcome


def answering(match: terms.Verdict.ValueType) -> Callable[[str, bytes], bytes]:
    def answer(path: str, payload: bytes) -> bytes:
        if path.endswith("/MatchBeneficiary"):
            return identity.MatchBeneficiaryResponse(match=match).SerializeToString()
        return fund(path, payload)

    return answer


async def opened(w: World, case_type: str = "C01", **more: object) -> str:
    application = life_application(**more) if case_type == "C01" else record_application(**more)
    return (await w.nodes["zhuhai"].core.cases.desk.open(opening(case_type, application))).row.id


async def act(w: World, case: str, name: str, **more: object) -> None:
    await w.nodes["zhuhai"].core.cases.desk.act(acting(case, name, **more))


async def refused(w: World, case: str, name: str, **more: object) -> Refused:
    before = seen(w, case)
    with pytest.raises(Refused) as caught:
        await act(w, case, name, **more)
    assert seen(w, case) == before
    return caught.value


async def test_a_proof_of_life_from_the_counter_to_the_receipt(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        case = await opened(w)
        await until(w, case, "looking")
        view = seen(w, case)
        assert view.preview is not None
        assert view.preview["attestation"]["bir_no"] == BIR
        assert set(view.acts) == {"confirm", "correct", "not_seen", "deceased", "withdraw"}
        await act(w, case, "confirm", etag=str(view.standing.step))
        standing = await until(w, case, "confirmed")
        assert [m.event for m in standing.history] == ["open", "known", "confirm", "receipt"]
        await w.settle()
        assert (await until(w, case, "confirmed", "macao")).history == standing.history
        assert agree(w) == 1
        assert w.agree().count(Outcome.EXECUTED) == 2
        answers = seen(w, case).answers
        assert answers is not None
        assert answers["attesting"]["receipt_no"]
        other = seen(w, case, FUND, "macao")
        assert (other.application, other.preview, other.answers) == (None, None, None)
        assert other.acts == ()


async def test_logs_hold_no_number_and_nothing_that_was_applied_for(tmp_path: Path) -> None:
    """REQ-CASE-5."""
    async with world(tmp_path, {"macao": fund}) as w:
        case = await opened(w)
        await until(w, case, "looking")
        await act(w, case, "withdraw", note="CANARY: the person went home")
        await until(w, case, "withdrawn")
        await w.settle()
        number = seen(w, case).row.number
        for node in w.nodes.values():
            reader = node.core.store.reader
            for origin, head in node.core.store.heads.items():
                logged = b"".join(reader.entries(origin, 0, head.size))
                for canary in (number, BIR, TOKEN, "CANARY", "clerk-7", "ZH000412"):
                    assert canary.encode() not in logged
        assert agree(w) == 1


@pytest.mark.parametrize(
    ("match", "state"),
    [(terms.VERDICT_NO, "not_beneficiary"), (terms.VERDICT_UNKNOWN, "unclear")],
)
async def test_who_is_not_known_for_sure_is_a_persons_step(
    tmp_path: Path, match: terms.Verdict.ValueType, state: str
) -> None:
    async with world(tmp_path, {"macao": answering(match)}) as w:
        case = await opened(w)
        await until(w, case, state)
        if state == "unclear":
            again = {**life_application(), "alive_on": "2026-01-05"}
            await act(w, case, "correct", application=again)
            assert (await until(w, case, "unclear")).step == 3
            await act(w, case, "give_up", note="papers of two persons")
            await until(w, case, "not_identified")
        await w.settle()
        assert agree(w) == 1


async def test_a_death_on_record_ends_it_and_names_what_follows(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        case = await opened(w)
        await until(w, case, "looking")
        await act(w, case, "deceased", note="certificate seen")
        ending = (await until(w, case, "death_record")).ending
        assert ending is not None
        assert (ending.outcome, ending.follow) == ("death_record", "C08")


async def test_what_law_refuses_ends_the_case_and_says_why(tmp_path: Path) -> None:
    def strict(document: dict[str, object]) -> None:
        for scenario in document["scenarios"]:  # type: ignore[attr-defined]
            if scenario["id"] == "SC-POL":
                scenario["request"]["state_assessment"] = "SA-ZH-02"

    async with world(tmp_path, {"macao": fund}, registers={"zhuhai": strict}) as w:
        case = await opened(w)
        await until(w, case, "looking")
        await act(w, case, "confirm")
        standing = await until(w, case, "refused")
        notes = seen(w, case).notes
        assert notes is not None
        assert "POLICY_DENIED" in str(notes[standing.step]["reason"])
        await w.settle()
        assert agree(w) == 1


async def test_a_record_is_shown_certified_checked_and_contested(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        case = await opened(w, "C09")
        await until(w, case, "shown")
        await act(w, case, "certify")
        await until(w, case, "certified")
        await act(w, case, "check")
        await until(w, case, "checking")
        await until(w, case, "certified")
        await act(w, case, "finish")
        await until(w, case, "certificate")
        contested = await opened(w, "C09")
        await until(w, contested, "shown")
        said = record_application(contested="CONTESTED_RECORD_PERIODS")
        await act(w, contested, "contest", application=said)
        await until(w, contested, "correcting")
        inbox = w.nodes["macao"].core.inbox
        handed: list[Handed] = []
        while not handed:
            handed = await inbox.pull(FUND, 10, 1.0)
        answer = rights.RequestCorrectionResponse(
            correction_outcome=rights.CORRECTION_OUTCOME_NOTHING_WRONG
        )
        await inbox.acknowledge(
            FUND, handed[0].row.exchange, handed[0].row.lease, Answered(answer.SerializeToString())
        )
        await until(w, contested, "not_corrected")
        await w.settle()
        assert agree(w) == 2


async def test_bad_input_is_refused_by_name_and_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        desk, of_2025 = w.nodes["zhuhai"].core.cases.desk, life_application(year=2025)
        asked = opening("C01", life_application())
        case = (await desk.open(asked)).row.id
        assert (await desk.open(asked)).row.id == case
        await until(w, case, "looking")
        for wrong, reason in (
            (opening("C77", {}), Reason.CASE_TYPE_UNKNOWN),
            (opening("C01", life_application()), Reason.CASE_DUPLICATE),
            (opening("C01", {**life_application(), "surplus": 1}), Reason.CASE_DOCUMENT_INVALID),
            (opening("C01", of_2025, asked.request_id), Reason.REQUEST_ID_REUSED),
        ):
            with pytest.raises(Refused) as caught:
                await desk.open(wrong)
            assert caught.value.reason is reason
        assert (await refused(w, case, "certify")).reason is Reason.CASE_ILLEGAL
        assert (await refused(w, case, "confirm", etag="0")).reason is Reason.ETAG_MISMATCH
        assert (await refused(w, case, "withdraw")).reason is Reason.CASE_DOCUMENT_INVALID
        wrong_year = await refused(w, case, "correct", application=of_2025)
        assert wrong_year.metadata["field"] == "person.bir_no, year"
        with pytest.raises(Refused) as caught:
            desk.view("cn.zhuhai.hrss", frozenset(), case)
        assert caught.value.reason is Reason.CASE_UNKNOWN
        theirs = w.nodes["macao"].core.cases.desk
        await until(w, case, "looking", "macao")
        with pytest.raises(Refused) as caught:
            await theirs.act(acting(case, "confirm"))
        assert caught.value.reason is Reason.NOT_OWNER


async def test_the_other_node_refuses_what_a_case_does_not_want(tmp_path: Path) -> None:
    """REQ-CASE-4."""
    async with world(tmp_path, {"macao": fund}) as w:
        case = await opened(w)
        await until(w, case, "looking")
        strange = await w.submit("zhuhai", replace(query(), case=case))
        assert (strange.outcome, strange.reason) == (Outcome.NOT_EXECUTED, "CASE_NOT_WANTED")
        unknown = await w.submit("zhuhai", replace(query(), case=str(uuid4())))
        assert unknown.reason == "CASE_NOT_WANTED"
        assert (await until(w, case, "looking")).step == 1


async def test_time_reminds_tells_who_is_late_and_erases(tmp_path: Path) -> None:
    later = Later()
    async with world(tmp_path, {"macao": fund}, clock=later.clock) as w:
        runner = w.nodes["zhuhai"].core.cases.runner
        case = await opened(w, "C09")
        await until(w, case, "shown")
        later.by += timedelta(days=12)
        await runner.tidy()
        assert (await until(w, case, "seen")).history[-1].event == "late"
        assert seen(w, case).application is not None
        later.by += timedelta(days=31)
        await runner.tidy()
        assert seen(w, case).application is None
        await w.settle()
        assert agree(w) == 1


@pytest.mark.parametrize("node", ["zhuhai", "macao"])
async def test_killing_a_node_at_any_step_changes_nothing_but_time(
    tmp_path: Path, node: str
) -> None:
    """REQ-CASE-3: whatever is repeated is one exchange."""
    async with world(tmp_path, {"macao": fund}) as w:

        async def again() -> None:
            await w.crash(node)
            await w.start(node)

        case = await opened(w)
        await again()
        await until(w, case, "looking")
        await again()
        await act(w, case, "confirm")
        await again()
        standing = await until(w, case, "confirmed")
        assert [m.event for m in standing.history] == ["open", "known", "confirm", "receipt"]
        await w.settle()
        w.agree()
        assert agree(w) == 1
        assert all(n == 1 for n in w.nodes["macao"].service.count.values())
