"""Every kind of record that has a life, by name."""

from collections.abc import Mapping

from xbgateway.register.life import (
    agreement,
    assessments,
    consent,
    contract,
    dataset,
    incident,
    macao,
    mechanism,
    party,
    scenario,
)
from xbgateway.register.life.machine import Machine

MACHINES: Mapping[str, Machine] = {
    one.kind: one
    for one in (
        party.MACHINE,
        dataset.MACHINE,
        scenario.SCENARIO,
        scenario.APPLICATION,
        agreement.MACHINE,
        mechanism.MACHINE,
        assessments.STATE_ASSESSMENT,
        contract.CONTRACT,
        contract.EVIDENCE,
        macao.MO_TRANSFER,
        macao.MO_PROCESSING,
        assessments.PIPIA,
        assessments.RISK_ASSESSMENT,
        assessments.NOTICE,
        consent.MACHINE,
        incident.MACHINE,
    )
}
