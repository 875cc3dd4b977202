"""What people have to do, who owes it, and until when: both calendars, to the instant."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tests.harness.corridors import attestation
from tests.harness.facts import make_facts, policy_files

import xbgateway.api
from xbgateway.api.catalogue.v1 import options_pb2
from xbgateway.model.decision import Decision, Duty
from xbgateway.model.duty import BY_PEOPLE, KeepDuty
from xbgateway.model.facts import Facts
from xbgateway.policy.duties import DutyBook
from xbgateway.policy.engine import EmbeddedEngine
from xbgateway.policy.memo import Decider
from xbgateway.policy.projection import Projector
from xbgateway.policy.revision import load_revision
from xbgateway.register.catalogue import Catalogue
from xbgateway.register.content import parse

API = "xbgateway.api.socialsecurity.v1"
DESCRIPTORS = Path(xbgateway.api.__path__[0]) / "descriptors.binpb"
REVISION = load_revision(policy_files())
TABLES = REVISION.tables
EXCHANGE = "01890a5d-ac96-774b-bcce-b302099a8057"
ASKED = re.compile(r'^oblige contains \{\s*"rule": "([A-Z0-9-]+)",\s*"verb": "(\w+)"', re.MULTILINE)
MECHANISM = {
    "type": "gba_sc",
    "ref": "K-7",
    "signed": True,
    "effective_on": "2026-02-10",
    "filed_on": None,
    "filing_no": None,
    "expires_on": None,
    "purposes": (),
    "parties": (),
    "pipia_ref": None,
    "exempt_art": None,
}


def decision(*duties: Duty, verdict: Any = "allow") -> Decision:
    return Decision(verdict, REVISION.id, (), (), (), (), 184, None, "00", repr(duties), duties)


def book(own: str | Callable[[str], bool] = "cn.") -> DutyBook:
    return DutyBook(TABLES, own if callable(own) else lambda party: party.startswith(own))


def asked(
    duty: Duty, now: str, own: str = "", verdict: Any = "allow", **facts: Any
) -> list[KeepDuty]:
    # An allowed proof of life: cn.zhuhai.hrss sends to mo.fss.
    return book(own).asked(decision(duty, verdict=verdict), make_facts(now=now, **facts), EXCHANGE)


def test_each_rule_that_asks_people_stands_in_the_table_and_none_besides() -> None:
    rego = "\n".join(raw.decode() for path, raw in policy_files().items() if path.endswith(".rego"))
    by_people = {(rule, verb) for rule, verb in ASKED.findall(rego) if verb in BY_PEOPLE}
    assert len(by_people) > 15
    assert by_people == set(TABLES.cuts[-1].duties)
    roles = TABLES.editions[-1]["roles"]
    assert {role for owed in TABLES.cuts[-1].duties.values() for role in owed.roles} <= set(roles)


@pytest.mark.parametrize(
    ("duty", "now", "due"),
    [
        # Hours are exact, over midnight and over the new year.
        (("guangdong_cac", 4, "hours"), "2026-03-16T14:30:00.500Z", "2026-03-16T18:30:00.500Z"),
        (("guangdong_cac", 1, "hours"), "2026-12-31T23:30:00.000Z", "2027-01-01T00:30:00.000Z"),
        # Days are local, their last one is inside: 16:30 UTC is the next day already.
        (("dspdp", 8, "days"), "2026-03-16T15:59:59.999Z", "2026-03-24T15:59:59.999Z"),
        (("dspdp", 8, "days"), "2026-03-16T16:00:00.000Z", "2026-03-25T15:59:59.999Z"),
        # Spring Festival: the Mainland works on 14 and 28 February and rests from 16 to 23.
        (("guangdong_cac", 10, "working_days"), "2026-02-10T02:00:00Z", "2026-03-02T15:59:59.999Z"),
        # Macao rests on 17, 18 and 19 February only, and on no weekend.
        (("dspdp", 10, "working_days"), "2026-02-10T02:00:00Z", "2026-02-27T15:59:59.999Z"),
        # Easter is Macao's, Qingming the Mainland's here.
        (("dspdp", 1, "working_days"), "2026-04-02T02:00:00Z", "2026-04-06T15:59:59.999Z"),
        (("guangdong_cac", 1, "working_days"), "2026-04-03T02:00:00Z", "2026-04-07T15:59:59.999Z"),
        # Without a term it is due at once.
        (("data_authority", None, None), "2026-03-16T02:00:00.000Z", "2026-03-16T02:00:00.000Z"),
    ],
)
def test_a_term_ends_by_the_calendar_of_the_authority(
    duty: tuple[str, int | None, str | None], now: str, due: str
) -> None:
    who, value, unit = duty
    found = asked(Duty("notify", ("CN-PIPL-13-3",), who, None, value, unit), now, own="cn.")
    assert [one.due for one in found] == [due]


def test_a_filing_counts_from_the_day_that_the_contract_took_effect_and_is_owed_once() -> None:
    duty = Duty("file", ("GBA-SC-4",), "guangdong_cac", "contract", 10, "working_days")
    filed = book()
    facts = make_facts(now="2026-02-13T02:00:00Z", mechanism=MECHANISM)
    [one] = filed.asked(decision(duty), facts, EXCHANGE)
    assert (one.exchange, one.paper, one.party) == (None, "K-7", "cn.zhuhai.hrss")
    assert one.due == "2026-03-02T15:59:59.999Z"
    filed.kept(one)
    assert filed.asked(decision(duty), facts, EXCHANGE) == []
    # The recipient's node does not track it: the sender files.
    assert book("mo.").asked(decision(duty), facts, EXCHANGE) == []
    # A stricter term for the same act is told; a later one is not.
    sooner = decision(replace(duty, value=3))
    assert [d.digest for d in filed.asked(sooner, facts, EXCHANGE)] == [one.digest]
    assert filed.asked(decision(replace(duty, value=20)), facts, EXCHANGE) == []


def test_however_many_rules_ask_for_deletion_it_is_one_act_at_its_earliest() -> None:
    now = "2026-03-16T02:00:00Z"
    both = decision(
        Duty("delete_confirm", ("CN-PIPL-19-1",), "recipient", None, 31, "days"),
        Duty("delete_confirm", ("GBA-SC-10",), "recipient", "contract", 30, "days"),
    )
    facts = make_facts(now=now)
    [one] = book("mo.").asked(both, facts, EXCHANGE)
    assert (one.exchange, one.party) == (EXCHANGE, "mo.fss")
    assert (one.rules, one.due) == (("CN-PIPL-19-1", "GBA-SC-10"), "2026-04-15T15:59:59.999Z")
    assert book("cn.").asked(both, facts, EXCHANGE) == []


def test_where_nothing_travels_only_what_still_has_to_be_done_is_owed_by_who_denied() -> None:
    now = "2026-03-16T02:00:00Z"
    keep = Duty("delete_confirm", ("CN-PIPL-19-1",), "recipient", None, 31, "days")
    assert asked(keep, now, verdict="deny") == []
    withdrawn = Duty("delete_confirm", ("CN-PIPL-15-1",), "recipient", None, 15, "working_days")
    # The sender's node denies and the recipient never hears of it: the sender sees to it.
    [one] = asked(withdrawn, now, own="cn.", verdict="deny")
    assert one.party == "cn.zhuhai.hrss"
    [one] = asked(withdrawn, now, own="mo.", verdict="deny")
    assert one.party == "mo.fss"


def test_a_duty_of_a_rule_without_a_row_is_lost_to_nobody() -> None:
    odd = Duty("notify", ("XX-1",), "somebody", None, None, None)
    for own in ("cn.", "mo."):
        assert len(asked(odd, "2026-03-16T02:00:00Z", own=own, verdict="deny")) == 1


def test_what_the_node_carries_out_itself_is_not_tracked() -> None:
    for verb in ("encrypt", "sign", "log_keep", "data_keep", "rate_limit", "human_review"):
        assert asked(Duty(verb, ("CN-PIPL-19-1",), "recipient"), "2026-03-16T02:00:00Z") == []


@pytest.mark.parametrize("required", [False, True])
def test_what_would_be_dropped_denies_where_the_provider_says_it_is_required(
    required: bool,
) -> None:
    """From the label in the provider's descriptors and the bytes sent to the verdict."""
    described = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    for file in described.file:
        for message in file.message_type:
            for each in message.field:
                if (message.name, each.name) == ("ProofOfLifeAttestation", "mobile"):
                    each.options.Extensions[options_pb2.label].required = required
    service = f"{API}.ProofOfLifeService"
    catalogue = Catalogue([described.SerializeToString()], [service])
    shape = catalogue.method(service, "SubmitAttestation").request
    content = parse(shape, attestation(mobile="+853 6612 3456"))
    allowed = make_facts()
    facts = Facts(
        replace(allowed.standing, fields=shape.fields),
        replace(allowed.moment, fields=content.paths()),
    )
    snapshot = EmbeddedEngine().load(REVISION.bundle())
    made = Decider(snapshot, Projector(REVISION), REVISION, timeout_ms=5000).decide(facts).decision
    snapshot.close()
    drops = [action.path for action in made.fields if action.how == "drop"]
    assert drops == ["attestation.mobile"]
    denied = [(one.rule, one.path) for one in made.denials]
    assert denied == ([("CN-PIPL-6-1", "attestation.mobile")] if required else [])
    assert made.verdict == ("deny" if required else "allow")
    assert "attestation.mobile" not in parse(shape, content.apply(drops, [])).paths()
