"""What a decision says to people: article, wording in four languages, reading of a doubtful point.

One file for each theme in ``texts/``, so that several people can write at once; a rule stands in
one of them. Nothing here knows what a rule does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xbgateway import strict_yaml
from xbgateway.policy.source import Files

FOLDER = "texts/"
SCHEMA = "schema/texts/rules.json"
LANGUAGES = ("zh-Hant", "zh-Hans", "pt", "en")


@dataclass(frozen=True, slots=True)
class RuleText:
    """The text of one rule and where it stands. ``reading`` is on one line."""

    article: str
    text: Mapping[str, str]
    reading: str | None
    file: str
    line: int


def load_texts(files: Files) -> dict[str, RuleText]:
    """Every rule's text. Raises Refused(POLICY_INVALID) with file and line."""
    found: dict[str, RuleText] = {}
    names = [path for path in sorted(files) if path.startswith(FOLDER) and path.endswith(".yaml")]
    for wanted in (SCHEMA, *(() if names else (f"{FOLDER}*.yaml",))):
        if wanted not in files:
            raise strict_yaml.invalid(wanted, 1, "the file is missing")
    for name in names:
        document = strict_yaml.read(name, files[name])
        strict_yaml.validate(document, files[SCHEMA])
        for rule, entry in document.value.items():
            if rule in found:
                raise document.refuse((rule,), f"{rule} stands in {found[rule].file} too")
            reading = entry.get("reading")
            found[rule] = RuleText(
                article=entry["article"],
                text=entry["text"],
                reading=" ".join(reading.split()) if reading else None,
                file=name,
                line=document.line((rule,)),
            )
    return found
