"""A small realistic revision: rule packages, tables, obligations; and inputs that reach it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from xbgateway.policy.engine import Bundle

DECISION = """
# METADATA
# title: Transfer decision
package xb

import rego.v2

import data.xb.macao
import data.xb.mainland
import data.xb.shape

default outcome := "deny"

outcome := "allow" if {
    shape.complete
    count(findings) == 0
    count(holds) == 0
}

outcome := "hold" if {
    shape.complete
    count(findings) == 0
    count(holds) > 0
}

findings contains f if some f in shape.findings
findings contains f if some f in mainland.findings
findings contains f if some f in macao.findings

holds contains f if some f in mainland.holds

masked contains name if {
    some name in input.fields
    data.tables.fields[name].level >= data.tables.limits.mask_level
}

decision := {
    "decision": outcome,
    "rules": sort([f | some f in findings | holds]),
    "obligations": {"mask": sort([n | some n in masked]), "retention_days": retention},
    "revision": data.revision,
}

default retention := 30

retention := days if {
    days := min([data.tables.fields[n].days | some n in input.fields; data.tables.fields[n]])
}
"""

SHAPE = """
package xb.shape

import rego.v2

required := ["purpose", "direction", "fields", "subjects", "consent"]

missing contains name if {
    some name in required
    object.get(input, [name], null) == null
}

findings contains {"rule": "GW-01", "what": name, "article": "—"} if some name in missing

complete if count(missing) == 0
"""

MAINLAND = """
package xb.mainland

import rego.v2

findings contains {"rule": "CN-01", "what": input.purpose, "article": "个人信息保护法 第六条"} if {
    not input.purpose in data.tables.purposes
}

findings contains {"rule": "CN-02", "what": name, "article": "数据安全法 第二十一条"} if {
    input.direction == "outbound"
    some name in input.fields
    not data.tables.fields[name]
}

holds contains {"rule": "CN-03", "what": "subjects", "article": "第四十条"} if {
    input.subjects >= data.tables.limits.hold_subjects
}
"""

MACAO = """
package xb.macao

import rego.v2

findings contains {
    "rule": "MO-01",
    "what": input.consent,
    "article": "Lei n.º 8/2005 <artigo 6>",
} if {
    not input.consent == "valid"
}

findings contains {"rule": "MO-02", "what": sprintf("%d & %q", [input.subjects, name])} if {
    some name in input.fields
    data.tables.fields[name].sensitive
    input.subjects > data.tables.limits.sensitive_subjects
}
"""

FIELDS: dict[str, Any] = {
    f"field_{n}": {"level": n % 5, "days": 30 * (1 + n % 12), "sensitive": n % 7 == 0}
    for n in range(60)
}
TABLES = {
    "fields": FIELDS,
    "limits": {"mask_level": 4, "hold_subjects": 100_000, "sensitive_subjects": 10_000},
    "purposes": ["pension", "medical", "住房", "desemprego"],
}
MODULES = {
    "xb/decision.rego": DECISION,
    "xb/shape.rego": SHAPE,
    "cn/rules.rego": MAINLAND,
    "mo/rules.rego": MACAO,
}


def revision_of(modules: Mapping[str, str], data: Mapping[str, object]) -> str:
    """A content hash as the policy room makes one: only its being a hash matters here."""
    return hashlib.sha256(json.dumps([dict(modules), data], sort_keys=True).encode()).hexdigest()


def small_bundle() -> Bundle:
    data = {"tables": TABLES}
    return Bundle(MODULES, data, revision_of(MODULES, data))


def one_module(text: str, **tables: object) -> Bundle:
    """A revision of one module; its package is ``xb``."""
    modules, data = {"p.rego": f"package xb\n\n{text}\n"}, {"tables": tables}
    return Bundle(modules, data, revision_of(modules, data))


def answering(value: str, condition: str = "true") -> Bundle:
    """A revision whose decision is allow, with ``extra`` a Rego expression."""
    return one_module(
        f'decision := {{"decision": "allow", "revision": data.revision, "extra": {value}}}'
        f" if {{\n    {condition}\n}}"
    )


ALLOWED = {
    "purpose": "pension",
    "direction": "outbound",
    "fields": ["field_1", "field_4"],
    "subjects": 3,
    "consent": "valid",
}

INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "purpose": st.sampled_from([*TABLES["purposes"], "unknown", "未知"]),
        "direction": st.sampled_from(["outbound", "inbound"]),
        "fields": st.lists(st.sampled_from([*FIELDS, "absent", "\U0001f600\uff5e"]), max_size=8),
        "subjects": st.integers(0, 200_000) | st.sampled_from([99_999, 100_000, 2**53 - 1]),
        "consent": st.sampled_from(["valid", "ended", "not_yet"]) | st.text(max_size=8),
        "extra": st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
            lambda below: (
                st.lists(below, max_size=3)
                | st.dictionaries(st.text(max_size=5), below, max_size=3)
            ),
            max_leaves=8,
        ),
    },
)
