"""What the registers say of one corridor on one local day, as states and verdicts.

The standing half of the projection: pure, computed once per standing object and day. A day lies in
a period up to its last day. The moment's half, and the remembering, are in ``projection.py``.
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
from xbgateway.policy.tables import Cuts


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
    }


def standing_half(standing: Standing, today: date, cuts: Cuts) -> dict[str, Any]:
    """What the registers say of this corridor on ``today``."""
    day = today.isoformat()
    purpose, recipient = standing.purpose, standing.recipient.org
    basis, notice, pipia = standing.basis, standing.notice, standing.pipia
    own = standing.state_assessment
    ref = pipia.ref if pipia else None
    return {
        "t": {
            "direction": standing.direction or "none",
            "environment": standing.environment,
            "leg": standing.leg,
            "mode": standing.mode or "none",
            "purpose": purpose,
        },
        "scenario": {"authorised": standing.scenario_authorised},
        "dataset": {"registered": standing.dataset_registered},
        "s": _party(standing.sender, purpose),
        "r": _party(standing.recipient, purpose),
        "basis": {
            "cn": basis.cn or "none",
            "cn_cited": bool(basis.cn_ref),
            "explicit_law": bool(basis.explicit_law_ref),
            "mo": basis.mo or "none",
            "mo_cited": bool(basis.mo_ref),
        },
        "consent": _consent(standing.consent, purpose, recipient, day),
        "notice": {
            "exempt_cn": bool(notice and notice.exempt_cn_ref),
            "exempt_mo": bool(notice and notice.exempt_mo_ref),
            "items": sorted(set(notice.items)) if notice else [],
            "state": "given" if notice else "none",
        },
        "pipia": {
            "covers_purpose": bool(pipia and purpose in pipia.purposes),
            "names_recipient": bool(pipia and recipient in pipia.recipients),
            "of_mechanism": bool(
                ref and standing.mechanism and standing.mechanism.pipia_ref == ref
            ),
            "state": "none" if not pipia else "not_yet" if day < pipia.approved_on else "valid",
        },
        "m": _mechanism(standing, today, cuts),
        "state_assessment": {
            "covers_purpose": bool(own and purpose in own.purposes),
            "names_recipient": bool(own and recipient in own.recipients),
            "state": "none" if not own else "ended" if own.valid_until < day else "valid",
        },
        "mo_transfer": _mo_transfer(standing, day),
        "retention": _retention(standing, today, cuts),
        "log": {"retention": _log_retention(standing.log_retention_days, cuts)},
    }


def _party(party: PartyFacts, purpose: str) -> dict[str, Any]:
    return {
        "ciio": party.ciio,
        "gba": party.registered_in_gba,
        "has_power": purpose in party.powers,
        "jurisdiction": party.jurisdiction,
        "kind": party.kind,
        "region": party.region,
        "restricted": party.restricted_list,
        "role": party.role,
        "state_organ": party.state_organ,
    }


def _consent(
    consent: ConsentFacts | None, purpose: str, recipient: str, day: str
) -> dict[str, Any]:
    if consent is None:
        return {
            "covers_purpose": False,
            "kind": "none",
            "names_recipient": False,
            "state": "none",
        }
    state = "valid"
    if consent.withdrawn_on is not None and consent.withdrawn_on <= day:
        state = "withdrawn"
    elif day < consent.given_on:
        state = "not_yet"
    elif consent.expires_on is not None and consent.expires_on < day:
        state = "ended"
    return {
        "covers_purpose": purpose in consent.purposes,
        "kind": consent.kind,
        "names_recipient": recipient in consent.recipients,
        "state": state,
    }


def _mechanism(standing: Standing, today: date, cuts: Cuts) -> dict[str, Any]:
    mechanism = standing.mechanism
    if mechanism is None:
        return {
            "covers_purpose": False,
            "exempt_art": "none",
            "filing": "none",
            "names_parties": False,
            "signed": False,
            "state": "none",
            "type": "none",
        }
    parties = {standing.sender.org, standing.recipient.org}
    return {
        "covers_purpose": standing.purpose in mechanism.purposes,
        "exempt_art": mechanism.exempt_art or "none",
        "filing": _filing(mechanism, standing.sender.jurisdiction, today, cuts),
        "names_parties": parties <= set(mechanism.parties),
        "signed": mechanism.signed,
        "state": _term(mechanism, today.isoformat()),
        "type": mechanism.type,
    }


def _term(mechanism: MechanismFacts, day: str) -> str:
    if mechanism.effective_on is None or mechanism.expires_on is None:
        return "incomplete"
    if day < mechanism.effective_on:
        return "not_yet"
    return "ended" if mechanism.expires_on < day else "valid"


def _filing(mechanism: MechanismFacts, calendar: str, today: date, cuts: Cuts) -> str:
    """Filed, or inside or past the window, by the calendar of the sender's authority."""
    day = today.isoformat()
    if mechanism.filing_no and (mechanism.filed_on is None or mechanism.filed_on <= day):
        return "filed"
    count = cuts.thresholds.get("filing_working_days")
    if mechanism.effective_on is None or count is None:
        return "none"
    due = cuts.calendars[calendar].due(date.fromisoformat(mechanism.effective_on), count)
    return "inside" if today <= due else "past"


def _mo_transfer(standing: Standing, day: str) -> dict[str, Any]:
    transfer = standing.mo_transfer
    if transfer is None:
        return {"authorised": False, "ground": "none", "kind": "none", "notified": "no"}
    notified = "no"
    if transfer.notif_no and transfer.notif_on:
        notified = "later" if transfer.notif_on > day else "yes"
    return {
        "authorised": bool(transfer.auth_no),
        "ground": transfer.ground or "none",
        "kind": transfer.kind,
        "notified": notified,
    }


def _retention(standing: Standing, today: date, cuts: Cuts) -> dict[str, int]:
    retention: dict[str, int] = {}
    if standing.retention_days is not None:
        retention["days"] = standing.retention_days
    maximum = cuts.maxima.get(standing.purpose)
    if maximum is not None:
        retention["max_days"] = maximum.days_from(today)
    return retention


def _log_retention(days: int | None, cuts: Cuts) -> str:
    least = cuts.thresholds.get("log_days")
    return "enough" if days is not None and least is not None and days >= least else "short"
