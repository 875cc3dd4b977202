"""What the registers say of one corridor on one local day, as states and verdicts.

The standing half of the projection: pure, computed once per standing object and day. A day lies in
a period up to its last day. Here are the parties and the instruments that every transfer has; data,
contracts and incidents are in ``papers.py``, authorised operation in ``operation.py``, the moment's
half in ``moment.py``, and the remembering in ``projection.py``.
"""

from datetime import date
from typing import Any

from xbgateway.model.facts import (
    ConsentFacts,
    FieldFacts,
    MechanismFacts,
    PartyFacts,
    Standing,
)
from xbgateway.policy import operation, papers
from xbgateway.policy.day import Day


def labelled_fields(standing: Standing) -> dict[str, dict[str, Any]]:
    """Every field that the message type can carry, by path, as the rules see it."""
    return {each.path: _field(each, standing.purpose) for each in standing.fields}


def _field(each: FieldFacts, purpose: str) -> dict[str, Any]:
    return {
        "class": each.data_class or "none",
        "identifier": each.identifier or "none",
        "label_allows": purpose in each.purposes or "*" in each.purposes,
        "labelled": each.labelled,
        "level": each.level or "none",
        "name": each.name,
        "path": each.path,
        "required": each.required,
        "secret": each.state_secret,
        "sens_cn": each.sens_cn,
        "sens_mo": each.sens_mo,
        "shape": each.shape,
    }


def standing_half(standing: Standing, day: Day) -> dict[str, Any]:
    """What the registers say of this corridor on a day; the moment adds to some sections."""
    purpose, recipient = standing.purpose, standing.recipient.org
    notice, handling, own = standing.notice, standing.handling, standing.state_assessment
    return {
        "t": {
            "adverse": handling.adverse_effect,
            "channel": handling.channel,
            "copies": handling.copies,
            "direction": standing.direction or "none",
            "environment": standing.environment,
            "leg": standing.leg,
            "mode": standing.mode or "none",
            "operator_reads": handling.operator_reads,
            "publication": handling.publication,
            "purpose": purpose,
        },
        "scenario": {
            "application": papers.application(standing, day),
            "authorised": standing.scenario_authorised,
        },
        "dataset": papers.dataset(
            standing.dataset, purpose, registered=standing.dataset_registered
        ),
        "s": _party(standing.sender, purpose, day),
        "r": _party(standing.recipient, purpose, day),
        "basis": _basis(standing),
        "consent": _consent(standing.consent, purpose, recipient, day),
        "notice": {
            "exempt_cn": bool(notice and notice.exempt_cn_ref),
            "exempt_mo": bool(notice and notice.exempt_mo_ref),
            "items": sorted(set(notice.items)) if notice else [],
            "state": "given" if notice else "none",
        },
        "pipia": _pipia(standing, day),
        "m": _mechanism(standing, day),
        "state_assessment": {
            "covers_purpose": bool(own and purpose in own.purposes),
            "kinds": papers.kinds(own.kinds) if own else [],
            "names_recipient": bool(own and recipient in own.recipients),
            "state": "none" if not own else "ended" if own.valid_until < day.iso else "valid",
        },
        "mo_transfer": _mo_transfer(standing, day),
        "mo_proc": papers.mo_processing(standing, day),
        "contract": papers.contract(standing, day),
        "risk_assessment": {"state": papers.risk_assessment(standing, day)},
        "incident": papers.incident(standing.incidents, day),
        "onward": papers.onward(standing),
        "document": papers.document(standing, day),
        "a": operation.agreement(standing.agreement, day),
        "retention": _retention(standing, day),
        "log": {"retention": _log_retention(standing.log_retention_days, day)},
    }


def _party(party: PartyFacts, purpose: str, day: Day) -> dict[str, Any]:
    return {
        "annual_report": _annual_report(party.annual_report_on, day),
        "central_organ": party.central_organ,
        "child_rules": bool(party.child_rules_ref),
        "ciio": party.ciio,
        "controls": sorted(set(party.controls)),
        "designated": _designated(party.designated_on, day),
        "gba": party.registered_in_gba,
        "has_power": purpose in party.powers,
        "holdings": _holdings(party.persons_held, day),
        "jurisdiction": party.jurisdiction,
        "kind": party.kind,
        "on_platform": party.on_platform,
        "region": party.region,
        "restricted": party.restricted_list,
        "role": party.role,
        "security_officer": party.security_officer,
        "state_organ": party.state_organ,
        "zone": party.free_trade_zone or "none",
    }


def _annual_report(on: str | None, day: Day) -> str:
    """``valid`` for its months, then ``grace`` for some days, then ``ended``."""
    if on is None or not day.reached(on):
        return "none"
    last = day.last(on, "report_months")
    if day.iso <= last:
        return "valid"
    return "grace" if last and day.within(last, "report_grace_days") else "ended"


def _designated(on: str | None, day: Day) -> str:
    """Since when it operates critical infrastructure: ``new`` while duties may still be met."""
    if on is None or not day.reached(on):
        return "none"
    return "new" if day.within(on, "report_grace_days") else "long"


def _holdings(persons: int | None, day: Day) -> str:
    large = day.cuts.thresholds.get("holdings_large_from")
    if persons is None or large is None:
        return "unknown"
    return "large" if persons >= large else "ordinary"


def _basis(standing: Standing) -> dict[str, Any]:
    basis = standing.basis
    return {
        "cn": basis.cn or "none",
        "cn_cited": bool(basis.cn_ref),
        "competent_approval": bool(basis.competent_approval_ref),
        "explicit_law": bool(basis.explicit_law_ref),
        "mo": basis.mo or "none",
        "mo_cited": bool(basis.mo_ref),
        "necessity": bool(basis.necessity),
    }


def _consent(
    consent: ConsentFacts | None, purpose: str, recipient: str, day: Day
) -> dict[str, Any]:
    if consent is None:
        return {
            "covers_purpose": False,
            "kind": "none",
            "kinds": [],
            "names_recipient": False,
            "state": "none",
        }
    state = day.state(consent.given_on, consent.expires_on)
    return {
        "covers_purpose": purpose in consent.purposes,
        "kind": consent.kind,
        "kinds": papers.kinds(consent.kinds),
        "names_recipient": recipient in consent.recipients,
        "state": "withdrawn" if day.reached(consent.withdrawn_on) else state,
    }


def _pipia(standing: Standing, day: Day) -> dict[str, Any]:
    pipia, mechanism = standing.pipia, standing.mechanism
    if pipia is None:
        return {
            "covers_purpose": False,
            "kept": "none",
            "kinds": [],
            "names_recipient": False,
            "of_mechanism": False,
            "state": "none",
        }
    least = day.last(pipia.approved_on, "pipia_keep_years")
    return {
        "covers_purpose": standing.purpose in pipia.purposes,
        "kept": "enough" if least and least <= pipia.keep_until else "short",
        "kinds": papers.kinds(pipia.kinds),
        "names_recipient": standing.recipient.org in pipia.recipients,
        "of_mechanism": bool(mechanism and mechanism.pipia_ref == pipia.ref),
        "state": "valid" if day.reached(pipia.approved_on) else "not_yet",
    }


def _mechanism(standing: Standing, day: Day) -> dict[str, Any]:
    mechanism = standing.mechanism
    if mechanism is None:
        return {
            "age": "none",
            "covers_mode": False,
            "covers_purpose": False,
            "covers_storage": False,
            "evidence": "none",
            "exempt_art": "none",
            "extension": "none",
            "filing": "none",
            "kinds": [],
            "names_parties": False,
            "signed": False,
            "state": "none",
            "term": "none",
            "type": "none",
        }
    parties = {standing.sender.org, standing.recipient.org}
    modes, storage = mechanism.modes, mechanism.storage
    return {
        "age": papers.age(mechanism, day),
        "covers_mode": modes is None or standing.mode in modes,
        "covers_purpose": standing.purpose in mechanism.purposes,
        "covers_storage": storage is None or standing.handling.storage in storage,
        "evidence": papers.evidence(standing, day),
        "exempt_art": mechanism.exempt_art or "none",
        "extension": papers.extension(mechanism, day),
        "filing": _filing(mechanism, standing.sender.jurisdiction, day),
        "kinds": papers.kinds(mechanism.kinds),
        "names_parties": parties <= set(mechanism.parties),
        "signed": mechanism.signed,
        "state": _state(mechanism, day),
        "term": _term(mechanism, standing.retention_days),
        "type": mechanism.type,
    }


def _state(mechanism: MechanismFacts, day: Day) -> str:
    if mechanism.effective_on is None or mechanism.expires_on is None:
        return "incomplete"
    return day.state(mechanism.effective_on, mechanism.expires_on)


def _term(mechanism: MechanismFacts, retention_days: int | None) -> str:
    """Whether the paper, first and last day inside, is as long as the retention asked for."""
    if mechanism.effective_on is None or mechanism.expires_on is None or retention_days is None:
        return "none"
    ahead = date.fromisoformat(mechanism.expires_on) - date.fromisoformat(mechanism.effective_on)
    return "enough" if retention_days <= ahead.days + 1 else "short"


def _filing(mechanism: MechanismFacts, sender: str, day: Day) -> str:
    """Filed, or inside or past the window, by the calendar of the sender's authority."""
    filed_on = mechanism.filed_on
    if mechanism.filing_no and (filed_on is None or day.reached(filed_on)):
        return "filed"
    national = mechanism.type == "cn_sc"
    name, calendar = (
        ("cn_filing_working_days", "CN") if national else ("filing_working_days", sender)
    )
    if mechanism.effective_on is None or name not in day.cuts.thresholds:
        return "none"
    return "inside" if day.within(mechanism.effective_on, name, calendar) else "past"


def _mo_transfer(standing: Standing, day: Day) -> dict[str, Any]:
    transfer = standing.mo_transfer
    if transfer is None:
        return {
            "authorised": False,
            "ground": "none",
            "kind": "none",
            "notified": "no",
            "special": "none",
            "special_law": False,
        }
    return {
        "authorised": bool(transfer.auth_no),
        "ground": transfer.ground or "none",
        "kind": transfer.kind,
        "notified": papers.notified(transfer.notif_no, transfer.notif_on, day),
        "special": transfer.special or "none",
        "special_law": bool(transfer.special_law_ref),
    }


def _retention(standing: Standing, day: Day) -> dict[str, Any]:
    retention: dict[str, Any] = {"legal": bool(standing.handling.retention_ref)}
    if standing.retention_days is not None:
        retention["days"] = standing.retention_days
    maximum = day.cuts.maxima.get(standing.purpose)
    if maximum is not None:
        retention["max_days"] = maximum.days_from(day.today)
    return retention


def _log_retention(days: int | None, day: Day) -> str:
    least = day.cuts.thresholds.get("log_days")
    return "enough" if days is not None and least is not None and days >= least else "short"
