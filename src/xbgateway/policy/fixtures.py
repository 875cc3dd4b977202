"""Readable cases: base facts, a change, and what the rules must say of it.

``policies/fixtures/bases/*.yaml`` hold whole facts (one may ``extend`` another); each
``policies/fixtures/<RULE-ID>.yaml`` lists cases that patch a base. A patch merges into mappings and
replaces everything else; ``without`` then takes paths out of the projected input. Officers read and
write these files; ``check.py`` and the tests run them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from xbgateway import strict_yaml
from xbgateway.model.decision import Decision, Duty
from xbgateway.model.documents import value_of
from xbgateway.model.errors import Refused
from xbgateway.model.facts import Facts, Moment, Standing
from xbgateway.policy.memo import parse_decision
from xbgateway.policy.projection import Projected, Projector
from xbgateway.policy.source import Files

BASES = "fixtures/bases/"
CASES = "fixtures/"
SCHEMA = "schema/fixtures.json"
_FIELD_DEFAULTS: Mapping[str, Any] = {
    "data_class": "general",
    "labelled": True,
    "sens_cn": False,
    "sens_mo": False,
    "state_secret": False,
    "purposes": ["*"],
    "required": False,
    "identifier": None,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case of one rule. ``expect`` has decision, and rules under deny, holds, warns."""

    rule: str
    name: str
    facts: Facts
    without: tuple[str, ...]
    expect: Mapping[str, Any]
    document: strict_yaml.Document
    place: tuple[object, ...]

    @property
    def stops(self) -> bool:
        """Whether the rule is expected to deny or hold."""
        return self.rule in [*self.expect.get("deny", []), *self.expect.get("holds", [])]

    @property
    def passes(self) -> bool:
        """Whether the transfer is expected to go through."""
        return bool(self.expect["decision"] == "allow")

    def projected(self, projector: Projector) -> Projected:
        """The case's canonical input."""
        document = projector.project(self.facts)
        for path in self.without:
            remove(document, path)
        return Projected.of(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))

    def judge(self, raw: bytes, projected: Projected, revision: str) -> str | None:
        """What differs from the expectation, or None. Raises Unavailable as parsing does."""
        return _difference(parse_decision(raw, projected.digest, revision), self.expect)

    def refuse(self, reason: str) -> Refused:
        """The refusal of this case, with file and line."""
        return self.document.refuse(self.place, f"{self.rule}, {self.name}: {reason}")


def base_document(files: Files, name: str) -> dict[str, Any]:
    """A base's facts as a document. Raises Refused(POLICY_INVALID) for an unknown name."""
    file = f"{BASES}{name}.yaml"
    if file not in files:
        raise strict_yaml.invalid(file, 1, "there is no such base")
    document = strict_yaml.read(file, files[file]).value
    parent = document.pop("extend", None)
    return document if parent is None else merged(base_document(files, parent), document)


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``patch`` over ``base``: mappings merge, all else is replaced; neither is changed."""
    result = dict(base)
    for key, value in patch.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def facts_from(document: Mapping[str, Any]) -> Facts:
    """Facts from a document whose keys are the names of ``model/facts.py``.

    ``standing.fields`` maps paths to labels, most of them with a default; a ``name`` that is not
    given is the path's last part; ``moment.fields`` may be left out for all of them. Raises
    KeyError, TypeError or ValueError for a document that does not fit.
    """
    standing = dict(document["standing"])
    labels: Mapping[str, Any] = standing.pop("fields")
    fields = [_field(path, label) for path, label in labels.items()]
    return Facts(
        value_of(Standing, {**standing, "fields": fields}),
        value_of(Moment, {"fields": sorted(labels), **document["moment"]}),
    )


def cases(files: Files) -> Iterator[Case]:
    """Every case of every fixture file. Raises Refused(POLICY_INVALID) with file and line."""
    bases: dict[str, dict[str, Any]] = {}
    for file in sorted(files):
        if not file.startswith(CASES) or file.startswith(BASES) or not file.endswith(".yaml"):
            continue
        document = strict_yaml.read(file, files[file])
        if SCHEMA not in files:
            raise strict_yaml.invalid(SCHEMA, 1, "the file is missing")
        strict_yaml.validate(document, files[SCHEMA])
        if file != f"{CASES}{document.value['rule']}.yaml":
            raise document.refuse(("rule",), "the file is not named after its rule")
        for number, one in enumerate(document.value["cases"]):
            base = bases.get(one["base"])
            if base is None:
                base = bases[one["base"]] = base_document(files, one["base"])
            yield _case(base, document, number, one)


def remove(document: Any, path: str) -> None:
    """Take a dotted path out of a document; a number is a position in a list."""
    *parents, last = path.split(".")
    for part in parents:
        document = document[int(part)] if isinstance(document, list) else document[part]
    del document[int(last) if isinstance(document, list) else last]


def _case(
    base: Mapping[str, Any], document: strict_yaml.Document, number: int, one: Mapping[str, Any]
) -> Case:
    place = ("cases", number)
    patch = {key: one[key] for key in ("standing", "moment") if key in one}
    try:
        facts = facts_from(merged(base, patch))
    except (KeyError, TypeError, ValueError) as problem:
        raise document.refuse(place, f"these are no facts: {problem}") from None
    return Case(
        rule=document.value["rule"],
        name=one["name"],
        facts=facts,
        without=tuple(one.get("without", ())),
        expect=one["expect"],
        document=document,
        place=place,
    )


def _field(path: str, label: Mapping[str, Any]) -> dict[str, Any]:
    name = path.rsplit(".", 1)[-1]
    return {"path": path, "name": name, **_FIELD_DEFAULTS, **label}


def _meets(duty: Duty, wanted: Mapping[str, Any]) -> bool:
    """Whether a duty has all that is named of it; its rules are those named, or more."""
    named = {**wanted, "rules": set(wanted.get("rules", ()))}
    return named.pop("rules") <= set(duty.rules) and all(
        getattr(duty, key) == value for key, value in named.items()
    )


def _difference(decision: Decision, expect: Mapping[str, Any]) -> str | None:
    """Compare verdict and rules (as sets); fields and duties where the expectation names them."""
    said: dict[str, Any] = {
        "decision": decision.verdict,
        "deny": sorted({found.rule for found in decision.denials}),
        "holds": sorted({found.rule for found in decision.holds}),
        "warns": sorted({found.rule for found in decision.warnings}),
        "waives": sorted({found.rule for found in decision.waivers}),
        "drop": sorted(one.path for one in decision.fields if one.how == "drop"),
        "mask": {one.path: one.how for one in decision.fields if one.how != "drop"},
        "paths": sorted(found.path or "" for found in decision.denials),
        "log_keep_days": decision.log_keep_days,
        "data_keep_days": decision.data_keep_days,
    }
    wanted = {"deny": [], "holds": [], "warns": [], **expect}
    for duty in wanted.pop("duties", []):
        if not any(_meets(one, duty) for one in decision.duties):
            return f"duties are {[one.line() for one in decision.duties]}, expected {duty}"
    for rule in wanted.pop("no_duty_of", []):
        if any(rule in one.rules for one in decision.duties):
            return f"{rule} asks for a duty, expected none"
    for key, value in wanted.items():
        given = sorted(value) if isinstance(value, list) else value
        if said[key] != given:
            return f"{key} is {said[key]}, expected {given}"
    return None
