"""What officers ask of a register, for tests of its changes."""

from typing import Any
from uuid import uuid4

from xbgateway.core import Core
from xbgateway.exchange import Asked

CONSENT = "CNS-2026-0000000001"
ROLES = frozenset(
    {
        *("data_officer", "case_officer", "cdo", "pi_protection_officer", "compliance"),
        *("data_authority", "mo_data_controller", "mo_supervisor", "fss_data_officer"),
    }
)


def asked(core: Core, kind: str, record_id: str, event: str, **given: Any) -> Asked:
    """What an officer with every office of this node asks for, on the record as it is now."""
    return Asked(
        party="cn.zhuhai.hrss",
        request_id=str(uuid4()),
        kind=kind,
        id=record_id,
        event=event,
        given=given,
        etag=core.register.etags.get((kind, record_id), ""),
        officer="officer-1",
        roles=ROLES,
    )


def withdrawal(core: Core) -> Asked:
    """The person takes the demo's consent back."""
    return asked(core, "consent", CONSENT, "withdraw")


def open_incident(core: Core, dataset: str) -> Asked:
    """An incident that strikes a dataset."""
    return asked(core, "incident", "INC-1", "open", severity="major", datasets=[dataset])
