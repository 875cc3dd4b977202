"""Allowed facts for tests: the bases of the policy fixtures, with whatever a test wants changed.

``make_facts()`` is an allowed proof of life (case C01, CN2MO);
``make_facts("contribution_request")`` and ``make_facts("contribution_answer")`` are the two legs of
case C09. Changes are given as documents with the names of ``model/facts.py``; mappings merge, all
else is replaced.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from xbgateway.model.facts import Facts
from xbgateway.policy.fixtures import base_document, facts_from, merged
from xbgateway.policy.source import default_policy_directory, read_policy_directory

ALLOWED = (
    "proof_of_life_request",
    "proof_of_life_answer",
    "contribution_request",
    "contribution_answer",
    "pension_check_request",
    "pension_check_answer",
    "pension_claim_request",
    "operation_product",
)


@cache
def policy_files() -> Mapping[str, bytes]:
    """The policy files of this source tree, read once."""
    return read_policy_directory(default_policy_directory())


@cache
def _base(name: str) -> dict[str, Any]:
    return base_document(policy_files(), name)


def make_facts(
    base: str = "proof_of_life_request",
    *,
    standing: Mapping[str, Any] | None = None,
    moment: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> Facts:
    """Facts of an allowed transfer at 2026-03-16T02:00:00Z, with changes.

    ``overrides`` go to the moment where it has a fact of that name, else to the standing half:
    ``make_facts(now="...", state_assessment={"valid_until": "2026-03-15"})``.
    """
    document = _base(base)
    patch: dict[str, dict[str, Any]] = {
        "standing": dict(standing or {}),
        "moment": dict(moment or {}),
    }
    for name, value in overrides.items():
        known = name in document["moment"] or name in ("approvals", "fields_present")
        half = "moment" if known else "standing"
        patch[half]["fields" if name == "fields_present" else name] = value
    return facts_from(merged(document, patch))
