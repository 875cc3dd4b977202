"""The whole path between nodes, as their users see it. Read this after the two paths.

Registers, rules, keys, stores and both paths are the real ones. Stand-ins are the wires, the
agencies' services, and what the paths ask of the link (payloads once more, control lanes).
"""

from datetime import date
from pathlib import Path
from typing import Any

from tests.harness.corridors import TOKEN, Journal, fund, notice, proof_of_life, query
from tests.harness.simulator import World, world

from xbgateway.api.socialsecurity.v1 import contribution_pb2 as c
from xbgateway.api.socialsecurity.v1 import life_pb2 as life
from xbgateway.api.socialsecurity.v1 import overpayment_pb2 as o
from xbgateway.exchange.ports import NotReached
from xbgateway.exchange.stages import Declaration
from xbgateway.model.entry import Answer, Final, Refused_, Request
from xbgateway.model.outcome import Outcome
from xbgateway.model.record import MirrorGroup
from xbgateway.seal import open_at_rest


def entries_of(w: World, node: str, exchange: str) -> list[object]:
    return [p.entry for p in w.nodes[node].core.store.reader.placed(exchange)]


def data_sizes(w: World) -> dict[str, int]:
    """Entries in all data lanes and mirrors of them, and in the home logs."""
    return {
        f"{name} {origin}": head.size
        for name, node in w.nodes.items()
        for origin, head in node.core.store.heads.items()
        if not origin.endswith("/control")
    }


def expired_assessment(document: dict[str, Any]) -> None:
    for scenario in document["scenarios"]:
        scenario["request"]["state_assessment"] = "SA-ZH-02"


def expired_for_answers(document: dict[str, Any]) -> None:
    for scenario in document["scenarios"]:
        scenario["answer"]["state_assessment"] = "SA-ZH-02"


async def test_a_window_clerk_queries_a_macao_record(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED, finished
        assert finished.payload is not None
        assert c.QueryContributionsResponse.FromString(finished.payload).pid_token == TOKEN
        await w.settle()
        report = w.agree()
        state = report.outcomes[finished.exchange]
        assert state.outcome is Outcome.EXECUTED
        assert state.finished
        kinds = [p.entry.kind for p in state.evidence]
        assert kinds == ["request", "accepted", "answer", "final"]


async def test_a_proof_of_life_leaves_without_the_surplus_field(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        finished = await w.submit("zhuhai", proof_of_life(mobile="+86 10000000001"))
        assert finished.outcome is Outcome.EXECUTED, finished
        assert finished.dropped == ("request:attestation.mobile",)
        served = w.nodes["macao"].service.payloads[finished.exchange]
        attested = life.SubmitAttestationRequest.FromString(served).attestation
        assert not attested.mobile
        assert attested.result == life.ATTESTATION_RESULT_ALIVE
        await w.settle()
        w.agree()
        # The receiver's copy of the declaration says that it was taken out.
        core = w.nodes["macao"].core
        row = core.store.reader.exchange_row(finished.exchange)
        sealed = core.store.reader.part(finished.exchange, "declaration")
        assert row is not None
        assert row[2] is not None
        assert sealed is not None
        key = core.keys.rest.unwrap(row[2])
        declaration = Declaration.decode(open_at_rest(key, b"declaration", sealed))
        assert declaration.dropped == ("attestation.mobile",)
        assert "attestation.mobile" not in declaration.fields


async def test_a_refusal_by_law_is_an_entry_of_the_home_log_and_nothing_leaves(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        before = data_sizes(w)
        finished = await w.submit("zhuhai", proof_of_life(scenario="SC-POL-EXPIRED"))
        assert finished.outcome is Outcome.REFUSED
        assert finished.reason == "POLICY_DENIED"
        assert "CN-PIPL-36-1" in [f.rule for f in finished.findings]
        assert all(f.article and f.text["zh-Hant"] for f in finished.findings)
        await w.settle()
        home = w.nodes["zhuhai"].core.topology.home
        after = data_sizes(w)
        assert after.pop(f"zhuhai {home}") == before.pop(f"zhuhai {home}") + 1
        assert after == before
        [entry] = entries_of(w, "zhuhai", finished.exchange)
        assert isinstance(entry, Refused_)
        assert "CN-PIPL-36-1" in entry.rules
        assert entries_of(w, "macao", finished.exchange) == []
        assert not w.nodes["macao"].service.asked
        assert w.agree().outcomes[finished.exchange].outcome is Outcome.REFUSED


async def test_the_receiver_refuses_what_its_own_law_forbids(tmp_path: Path) -> None:
    def unopened(*_values: Any) -> bytes:
        raise AssertionError("opened before it was allowed")

    strict = {"macao": expired_assessment}
    async with world(tmp_path, {"macao": fund}, registers=strict) as w:
        legs: Any = w.nodes["macao"].core.gateway._legs
        legs.open = unopened
        finished = await w.submit("zhuhai", proof_of_life())
        assert finished.outcome is Outcome.NOT_EXECUTED
        assert finished.reason == "POLICY_DENIED"
        assert "CN-PIPL-36-1" in [f.rule for f in finished.findings]
        assert not w.nodes["macao"].service.asked
        await w.settle()
        assert w.agree().outcomes[finished.exchange].outcome is Outcome.NOT_EXECUTED


async def test_a_certain_denial_of_the_answer_refuses_before_the_effect(tmp_path: Path) -> None:
    strict = {"zhuhai": expired_for_answers}
    async with world(tmp_path, {"zhuhai": Journal()}, registers=strict) as w:
        finished = await w.submit("macao", notice())
        assert finished.outcome is Outcome.NOT_EXECUTED
        assert finished.reason == "POLICY_DENIED"
        assert "CN-PIPL-36-1" in [f.rule for f in finished.findings]
        assert not w.nodes["zhuhai"].service.asked
        await w.settle()
        w.agree()


async def test_an_answer_that_may_not_leave_is_withheld_after_the_effect(tmp_path: Path) -> None:
    def real_person(_path: str, _payload: bytes) -> bytes:
        # Not of a synthetic range: GW-SYN-1 keeps it from a test environment.
        person = c.InsuredPerson(bir_no="1234567(8)")
        return c.QueryContributionsResponse(pid_token=TOKEN, person=person).SerializeToString()

    async with world(tmp_path, {"macao": real_person}) as w:
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD, finished
        assert finished.payload is None
        assert finished.reason == "POLICY_DENIED"
        assert "GW-SYN-1" in [f.rule for f in finished.findings]
        assert len(w.nodes["macao"].service.effects) == 1
        await w.settle()
        end = w.agree().outcomes[finished.exchange]
        assert end.outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        answers = [e for e in entries_of(w, "macao", finished.exchange) if isinstance(e, Answer)]
        assert [(a.status, a.sealed) for a in answers] == [("withheld", None)]


async def test_the_callers_own_law_withholds_an_answer_too(tmp_path: Path) -> None:
    strict = {"macao": expired_for_answers}
    async with world(tmp_path, {"zhuhai": Journal()}, registers=strict) as w:
        finished = await w.submit("macao", notice())
        assert finished.outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        assert finished.payload is None
        assert "CN-PIPL-36-1" in [f.rule for f in finished.findings]
        await w.settle()
        assert w.agree().outcomes[finished.exchange].outcome is Outcome.EXECUTED_ANSWER_WITHHELD
        finals = [e for e in entries_of(w, "zhuhai", finished.exchange) if isinstance(e, Final)]
        assert [f.status for f in finals] == ["withheld"]


async def test_an_error_of_the_service_is_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        w.nodes["macao"].service.error = (5, "no such person in the register")
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED
        assert (finished.reason, finished.service_code) == ("SERVICE_FAILED", 5)
        assert finished.sentence == "no such person in the register"
        assert finished.payload is None
        await w.settle()
        assert w.agree().outcomes[finished.exchange].failed


async def test_of_a_long_error_the_beginning_is_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        w.nodes["macao"].service.error = (99, "x" + "查" * 400)
        finished = await w.submit("zhuhai", query())
        assert finished.service_code == 2  # unknown: gRPC has no code 99
        assert finished.sentence == "x" + "查" * 170
        await w.settle()
        w.agree()


async def test_a_service_that_is_away_was_not_called(tmp_path: Path, monkeypatch: Any) -> None:
    async def away() -> None:
        raise NotReached

    monkeypatch.setattr("xbgateway.exchange.calls.SERVICE_REACH_S_MAX", 0.1)
    async with world(tmp_path, {"macao": fund}) as w:
        w.nodes["macao"].service.before = away
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.NOT_EXECUTED
        assert finished.reason == "SERVICE_UNAVAILABLE"
        assert not w.nodes["macao"].service.effects
        await w.settle()
        assert w.agree().outcomes[finished.exchange].outcome is Outcome.NOT_EXECUTED


async def test_validate_only_says_what_would_happen_and_moves_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, {"macao": fund}) as w:
        await w.settle()
        before = data_sizes(w)
        allowed = await w.submit(
            "zhuhai", proof_of_life(mobile="+86 10000000001", validate_only=True)
        )
        assert allowed.decision is not None
        assert allowed.decision.verdict == "allow"
        assert allowed.dropped == ("request:attestation.mobile",)
        denied = await w.submit(
            "zhuhai", proof_of_life(scenario="SC-POL-EXPIRED", validate_only=True)
        )
        assert denied.decision is not None
        assert denied.decision.verdict == "deny"
        assert denied.reason == "POLICY_DENIED"
        await w.settle()
        assert data_sizes(w) == before
        assert not w.nodes["macao"].service.asked
        for made in (allowed, denied):
            assert w.nodes["zhuhai"].core.store.reader.exchange_row(made.exchange) is None


async def test_three_nodes_keep_a_log_for_each_pair(tmp_path: Path) -> None:
    journal = Journal()
    served: dict[str, Any] = {"macao": fund, "zhuhai": journal}
    async with world(tmp_path, served, ("zhuhai", "hengqin", "macao"), lanes=3) as w:
        w.nodes["zhuhai"].service.honours = False
        ended = [
            await w.submit("hengqin", query()),
            await w.submit("zhuhai", proof_of_life()),
            await w.submit("macao", notice()),
        ]
        assert [f.outcome for f in ended] == [Outcome.EXECUTED] * 3
        assert ended[2].payload is not None
        assert o.RecordNoticeResponse.FromString(ended[2].payload).journal_no == 1
        await w.settle()
        w.agree()
        # The one node that had no part in it holds no word of it.
        strangers = ("zhuhai", "hengqin", "hengqin")
        for finished, stranger in zip(ended, strangers, strict=True):
            assert entries_of(w, stranger, finished.exchange) == []


async def test_exchanges_spread_over_lanes_and_answers_come_back_in_the_same_lane(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"macao": fund}, lanes=3) as w:
        for _ in range(12):
            assert (await w.submit("zhuhai", query())).outcome is Outcome.EXECUTED
        await w.settle()
        assert w.agree().count(Outcome.EXECUTED) == 12
        core = w.nodes["zhuhai"].core
        used = [core.store.size(core.topology.data_out("macao", lane)) for lane in range(3)]
        back = [core.store.size(core.topology.data_in("macao", lane)) for lane in range(3)]
        assert used == back  # request and final against accepted and answer
        assert sum(used) == 24
        assert sum(1 for n in used if n) >= 2


async def test_without_the_memo_every_decision_is_the_same(tmp_path: Path) -> None:
    async def decisions(folder: Path, *, memo: bool) -> list[tuple[str, list[tuple[str, str]]]]:
        found = []
        async with world(folder, {"macao": fund}, memo=memo) as w:
            for asked in (query(), proof_of_life(), proof_of_life(scenario="SC-POL-EXPIRED")):
                finished = await w.submit("zhuhai", asked)
                await w.settle()
                verdicts = [
                    (verdict.input, verdict.decision)
                    for entry in entries_of(w, "zhuhai", finished.exchange)
                    if (verdict := getattr(entry, "verdict", None)) is not None
                ]
                found.append((finished.outcome.value, verdicts))
            w.agree()
            # Both legs of two exchanges, and the one leg of the refused.
            assert len(w.nodes["zhuhai"].core.memo) == (2 + 2 + 1 if memo else 0)
        return found

    assert await decisions(tmp_path / "on", memo=True) == await decisions(
        tmp_path / "off", memo=False
    )


async def test_what_travels_names_nobody(tmp_path: Path) -> None:
    carried: list[bytes] = []

    def listen(group: MirrorGroup) -> MirrorGroup:
        carried.extend(part for i in group.items for part in (i.entry, i.declaration, i.sealed))
        return group

    async with world(tmp_path, {"macao": fund}) as w:
        for wire in w.wires.values():
            wire.tamper = listen
        finished = await w.submit("zhuhai", query())
        assert finished.outcome is Outcome.EXECUTED
        assert any(isinstance(e, Request) for e in entries_of(w, "macao", finished.exchange))
        assert carried
        everything = b"\n".join(carried)
        for secret in (TOKEN.encode(), b"SYN000123", b"counter-7"):
            assert secret not in everything
        assert date.today().isoformat().encode() in everything  # noqa: DTZ011 - it did listen
