"""Whose officers keep a record: one node for each, and nobody else changes it.

A party belongs to its node, a dataset to its owner's, a scenario to its first caller's. A paper
that was made while nodes ran belongs to the node that made it; one of the base document to the node
of the first party that it names, and one that names none to the first node of the side whose law
asks for it (REQ-CHG-3). Papers of one side's law are made on that side only: else a peer could
write the approvals that the other side's law asks for (REQ-CHG-4).
"""

from xbgateway.model.errors import Reason, Refused
from xbgateway.model.facts import Jurisdiction
from xbgateway.register.document import Register, key_of
from xbgateway.register.entries import Dataset, Party, Scenario
from xbgateway.register.values import Record

# PIPL Arts 36, 55; NDSR Art 31; Zhuhai's and Hangzhou's rules | Law 8/2005 Arts 19-22.
SIDES: dict[str, Jurisdiction] = {
    **dict.fromkeys(
        ("state_assessment", "pipia", "risk_assessment", "evidence", "application", "agreement"),
        "CN",
    ),
    **dict.fromkeys(("mo_transfer", "mo_processing"), "MO"),
}
_NAMED_FIRST = ("authority", "parties", "recipients")


def owner_of(register: Register, record: Record) -> str:
    """The node whose officers keep a record of the register. Raises ``Refused(PARTY_UNKNOWN)``."""
    match record:
        case Party():
            return record.node
        case Dataset():
            return register.party(record.owner).node
        case Scenario():
            named = (*record.callers, *record.providers)
            return register.party(named[0]).node if named else register.nodes[0].id
    kind, _ = key = key_of(record)
    if (maker := register.makers.get(key)) is not None:
        return maker
    side = SIDES.get(kind)
    for name in _NAMED_FIRST:
        named = getattr(record, name, None) or ()
        for party in (named,) if isinstance(named, str) else named:
            found = register.record("party", party)
            if isinstance(found, Party) and _fits(register, found.node, side):
                return found.node
    return next((n.id for n in register.nodes if _fits(register, n.id, side)), register.nodes[0].id)


def check_owner(register: Register, node: str, after: Record) -> None:
    """Whether a node may make a record what it is ``after``. Raises ``Refused(NOT_OWNER)``."""
    kind, record_id = key_of(after)
    before = register.record(kind, record_id)
    owners = set()
    if before is not None:
        owners.add(owner_of(register, before))
    if isinstance(after, Party | Dataset | Scenario):
        owners.add(owner_of(register, after))
    elif before is None and not _fits(register, node, SIDES.get(kind)):
        owners.add("")  # a paper of the other side's law
    if owners - {node}:
        raise Refused(
            Reason.NOT_OWNER,
            "The record is kept by the officers of another node.",
            kind=kind,
            id=record_id,
            owner=", ".join(sorted(owners - {node, ""})),
        )


def _fits(register: Register, node: str, side: Jurisdiction | None) -> bool:
    return side is None or register.node(node).jurisdiction == side
