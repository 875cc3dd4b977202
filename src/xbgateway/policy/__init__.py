"""Policy: facts become an input, the active revision decides it, real OPA does the deciding."""

from xbgateway.policy.explain import explain, explain_lines
from xbgateway.policy.memo import Decided, Decider, Memo, parse_decision
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.revision import Revision, load_directory, load_revision
from xbgateway.policy.source import default_policy_directory, read_policy_directory

__all__ = [
    "Decided",
    "Decider",
    "Memo",
    "Projected",
    "Projector",
    "Revision",
    "default_policy_directory",
    "explain",
    "explain_lines",
    "load_directory",
    "load_revision",
    "parse_decision",
    "read_policy_directory",
]
