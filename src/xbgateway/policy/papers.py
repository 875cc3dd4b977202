"""What stands around a corridor on one day, as verdicts: data, contracts, notifications, incidents.

Part of the standing half of the projection (``corridor.py``), one function for each section of the
input. What does not apply is one constant document, so that corridors are not told apart by what
they have nothing of.
"""

from dataclasses import replace
from typing import Any

from xbgateway.model.facts import MechanismFacts, Standing
from xbgateway.model.papers import DatasetFacts, IncidentFacts
from xbgateway.policy.day import Day

NONE: dict[str, Any] = {"state": "none"}
_SEVERITIES = ("ordinary", "relatively_major", "major", "especially_major")
# What a paper that does not limit kinds of data covers.
_EVERY_KIND = ["*"]


_WITHDRAWABLE = (
    *("notice", "pipia", "mechanism", "state_assessment", "mo_transfer", "contract"),
    *("mo_processing", "risk_assessment", "evidence"),
)


def in_use(standing: Standing, day: Day) -> Standing:
    """The standing without what is out of use on the day.

    A paper that was withdrawn is as none; a scenario that is stopped, or a party of it, authorises
    nothing; a dataset that is stopped is as if it were not registered.
    """
    changes: dict[str, Any] = {
        name: None
        for name in _WITHDRAWABLE
        if (paper := getattr(standing, name)) is not None and day.reached(paper.withdrawn_on)
    }
    kept = tuple(one for one in standing.applications if not day.reached(one.withdrawn_on))
    if kept != standing.applications:
        changes["applications"] = kept
    stopped = {
        one.what for one in standing.stops if day.reached(one.since) and not day.reached(one.until)
    }
    if stopped - {"dataset"}:
        changes["scenario_authorised"] = False
    if "dataset" in stopped:
        changes["dataset_registered"] = False
    return replace(standing, **changes) if changes else standing


def kinds(covered: tuple[str, ...] | None) -> list[str]:
    """Kinds of data that a paper covers; ``*`` alone where it does not limit them."""
    return _EVERY_KIND if covered is None else sorted(set(covered))


def adds_mainland(facts: DatasetFacts) -> bool:
    """Whether personal or important data of the Mainland were joined in (CBDF Provisions Art 4)."""
    return any(one.origin != "MO" and (one.personal or one.important) for one in facts.sources)


def dataset(facts: DatasetFacts, purpose: str, *, registered: bool) -> dict[str, Any]:
    """The dataset, whatever the day."""
    collected = facts.collected_for
    return {
        "adds_cn": adds_mainland(facts),
        "changed_purpose": collected is not None and purpose not in collected,
        "controllers": {0: "unknown", 1: "one"}.get(len(facts.controllers), "several"),
        "inference": facts.inference_risk,
        "level": facts.level or "none",
        "noticed": bool(facts.important_notice_ref),
        "offshore": facts.offshore,
        "openness": facts.openness or "none",
        "origin": facts.origin or "none",
        "provincial": facts.provincial,
        "raw": facts.raw,
        "registered": registered,
        "stored_in": facts.stored_in or "none",
    }


def application(standing: Standing, day: Day) -> str:
    """The best state that an approved application of this recipient has."""
    states = {day.state(one.approved_on, one.valid_until) for one in standing.applications}
    return next((one for one in ("valid", "not_yet", "ended") if one in states), "none")


def contract(standing: Standing, day: Day) -> dict[str, Any]:
    """The contract on provision or entrusting."""
    facts = standing.contract
    if facts is None:
        return NONE
    state = day.state(facts.effective_on, facts.expires_on)
    return {
        "covers_purpose": standing.purpose in facts.purposes,
        "kinds": kinds(facts.kinds),
        "names_parties": {standing.sender.org, standing.recipient.org} <= set(facts.parties),
        "state": state if facts.signed else "unsigned",
        "subprocessors_approved": set(standing.recipient.subprocessors) <= set(facts.subprocessors),
        "terms": sorted(set(facts.terms)),
        "type": facts.type,
    }


def mo_processing(standing: Standing, day: Day) -> dict[str, Any]:
    """Notification of processing to the Macao authority."""
    facts = standing.mo_processing
    if facts is None:
        return NONE
    return {
        "authorised": bool(facts.auth_no),
        "notified": notified(facts.notif_no, facts.notif_on, day),
        "registration": _registration(facts.registered_on, facts.valid_until, day),
        "state": "running" if day.reached(facts.started_on) else "not_yet",
        "window": "inside" if day.within(facts.started_on, "mo_notice_days") else "past",
    }


def notified(number: str | None, on: str | None, day: Day) -> str:
    """Whether a notification was made: ``no``, ``later`` than today, ``yes``."""
    if not number or on is None:
        return "no"
    return "yes" if day.reached(on) else "later"


def _registration(registered_on: str | None, valid_until: str | None, day: Day) -> str:
    """A simplified registration: ``none``, ``valid``, ``near`` its end, ``ended``."""
    ends = [valid_until] if valid_until else []
    if registered_on:
        ends.append(day.last(registered_on, "mo_registration_years"))
    if not ends:
        return "none"
    end = min(ends)
    if end < day.iso:
        return "ended"
    return "near" if day.last(day.iso, "mo_registration_warn_days") >= end else "valid"


def risk_assessment(standing: Standing, day: Day) -> str:
    """A risk assessment made before important data are provided."""
    facts = standing.risk_assessment
    if facts is None:
        return "none"
    return "valid" if day.reached(facts.assessed_on) else "not_yet"


def evidence(standing: Standing, day: Day) -> str:
    """What proves the exemption that the mechanism claims, where it counts on the day."""
    facts = standing.evidence
    if facts is None:
        return "none"
    state = day.state(facts.since, facts.until)
    return facts.type if state == "valid" else state


def incident(found: tuple[IncidentFacts, ...], day: Day) -> dict[str, Any]:
    """The open incidents as one: what any of them strikes, at the severity of the worst."""
    still = [one for one in found if day.reached(one.opened_on) and not day.reached(one.closed_on)]
    if not still:
        return NONE
    return {
        "dataset": any(one.dataset for one in still),
        "mechanism": any(one.mechanism for one in still),
        "recipient": any(one.recipient for one in still),
        "sender": any(one.sender for one in still),
        "severity": max((one.severity for one in still), key=_SEVERITIES.index),
        "state": "open",
    }


def onward(standing: Standing) -> dict[str, Any]:
    """Where the recipient passes things on to."""
    facts = standing.onward
    if facts is None:
        return NONE
    return {
        "conditions": sorted(set(facts.conditions)),
        "regions": sorted(set(facts.regions)),
        "state": "planned",
        "third_party": facts.third_party,
    }


def document(standing: Standing, day: Day) -> dict[str, Any]:
    """The electronic certificate that the leg carries."""
    facts = standing.document
    if facts is None:
        return NONE
    recognised = facts.certifier in day.cuts.certifiers
    return {
        "state": "unsealed" if facts.certifier is None else "recognised" if recognised else "other",
        "timestamped": facts.timestamped,
    }


def age(mechanism: MechanismFacts, day: Day) -> str:
    """Whether an assessment or certificate is older than it may become; ``none`` for others."""
    name = _AGES.get(mechanism.type)
    if name is None:
        return "none"
    if mechanism.approved_on is None:
        return "unknown"
    return day.state(mechanism.approved_on, day.last(mechanism.approved_on, name))


_AGES = {"security_assessment": "assessment_years", "certification": "certification_years"}


def extension(mechanism: MechanismFacts, day: Day) -> str:
    """Whether the time to apply for more years of an assessment has come: CBDF Provisions Art 9."""
    if mechanism.type != "security_assessment":
        return "none"
    if day.reached(mechanism.extension_filed_on):
        return "applied"
    ends = [mechanism.expires_on] if mechanism.expires_on else []
    if mechanism.approved_on:
        ends.append(day.last(mechanism.approved_on, "assessment_years"))
    if not ends:
        return "none"
    near = day.last(day.iso, "assessment_extension_working_days") >= min(ends)
    return "due" if near else "far"
