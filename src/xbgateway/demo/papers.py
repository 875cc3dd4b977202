"""The papers of the demo's register: contracts, assessments, notices, approvals. None is real.

Filing numbers count from a given day, so the demo works on any day; nobody filed or approved them.
``register.py`` has the parties, datasets and scenarios that these are for.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

Record = dict[str, Any]

CONTRACT = "GBA-2026-001"
PROVISION = "K-2026-001"
PROCESSING = "MP-2026-001"
NOTICE = "N-7"
ASSESSMENT = "PIA-2026-0014"
OWN_ASSESSMENT = "SA-ZH-03"
OLD_ASSESSMENT = "SA-ZH-02"
TRANSFER = "MT-2026-001"
YEAR_DAYS = 365
# What the persons concerned are told; the union of PIPL Arts 17, 30, 39 and Law 8/2005 Art 10.
NOTICE_ITEMS = (
    *("handler", "purpose", "manner", "kinds", "retention", "rights", "necessity", "effect"),
    *("overseas_name", "overseas_contact", "rights_route", "recipients"),
)
TERMS = ("purpose", "manner", "scope", "duties", "security")


def instruments(today: date, purposes: Sequence[str], parties: Sequence[str]) -> list[Record]:
    """Everything that the demo's scenarios lean on, in force on ``today`` but for one."""

    def scope() -> Record:
        return {"purposes": list(purposes), "recipients": list(parties)}

    return [
        {
            "id": CONTRACT,
            "kind": "mechanism",
            "type": "gba_sc",
            "signed": True,
            "effective_on": _day(today, -14),
            "filed_on": _day(today, -7),
            "filing_no": f"GDCAC-{_day(today, -7)[:4]}-00001",
            "expires_on": _day(today, 2 * YEAR_DAYS - 15),
            "purposes": list(purposes),
            "parties": list(parties),
            "pipia_ref": ASSESSMENT,
            "exempt_art": None,
        },
        {"id": NOTICE, "kind": "notice", "items": list(NOTICE_ITEMS)},
        {
            "id": ASSESSMENT,
            "kind": "pipia",
            "approved_on": _day(today, -60),
            "keep_until": _day(today, 5 * YEAR_DAYS),
            **scope(),
        },
        {
            "id": OWN_ASSESSMENT,
            "kind": "state_assessment",
            "valid_until": _day(today, YEAR_DAYS),
            **scope(),
        },
        {
            "id": OLD_ASSESSMENT,
            "kind": "state_assessment",
            "valid_until": _day(today, -30),
            **scope(),
        },
        {
            "id": TRANSFER,
            "kind": "mo_transfer",
            "transfer_kind": "art20_1",
            "ground": "public_interest",
            "notif_no": f"DSPDP-{_day(today, -26)[:4]}-00001",
            "notif_on": _day(today, -26),
            "auth_no": None,
        },
        {
            "id": "CNS-2026-0000000001",
            "kind": "consent",
            "consent_kind": "separate",
            "purposes": ["CONTRIB_QUERY", "CONTRIB_CERT"],
            "recipients": list(parties),
            "given_on": _day(today, -3),
            "withdrawn_on": None,
            "expires_on": _day(today, YEAR_DAYS),
        },
        *_handling(today, purposes, parties),
    ]


def _handling(today: date, purposes: Sequence[str], parties: Sequence[str]) -> list[Record]:
    """The contract on provision, and the notification of processing in Macao."""
    return [
        {
            "id": PROVISION,
            "kind": "contract",
            "type": "provision",
            "signed": True,
            "effective_on": _day(today, -14),
            "expires_on": _day(today, 2 * YEAR_DAYS - 15),
            "purposes": list(purposes),
            "parties": list(parties),
            "terms": list(TERMS),
        },
        {
            "id": PROCESSING,
            "kind": "mo_processing",
            "started_on": _day(today, -28),
            "notif_no": f"DSPDP-{_day(today, -27)[:4]}-00002",
            "notif_on": _day(today, -27),
            "auth_no": f"0013/{_day(today, -60)[:4]}",
        },
    ]


def applications(today: date, scenarios: Iterable[Record]) -> Iterator[Record]:
    """An approved application for each scenario: whoever receives something in it may have it."""
    for number, scenario in enumerate(scenarios, start=301):
        yield {
            "id": f"AP-{number}",
            "kind": "application",
            "scenario": scenario["id"],
            "datasets": list(scenario["datasets"]),
            "recipients": sorted({*scenario["callers"], *scenario["providers"]}),
            "approved_on": _day(today, -40),
            "valid_until": _day(today, YEAR_DAYS),
        }


def _day(today: date, offset: int) -> str:
    return (today + timedelta(days=offset)).isoformat()
