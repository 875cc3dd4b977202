"""A decision in words, for the people who have to answer for it.

Pure: a decision in, lines out. The command line and ``validate_only`` print them as they are.
"""

from dataclasses import dataclass
from typing import Literal

from xbgateway.model.decision import Decision, Finding

Language = Literal["zh-Hant", "zh-Hans", "pt", "en"]
Effect = Literal["deny", "hold", "warn", "waive", "observe"]

VERDICTS = {
    "allow": {"en": "allowed", "pt": "autorizado", "zh-Hant": "准予", "zh-Hans": "准予"},
    "deny": {"en": "denied", "pt": "recusado", "zh-Hant": "不准", "zh-Hans": "不准"},
    "hold": {"en": "held", "pt": "suspenso", "zh-Hant": "暫緩", "zh-Hans": "暂缓"},
    "observe": {"en": "observed", "pt": "observado", "zh-Hant": "觀察", "zh-Hans": "观察"},
    "waive": {"en": "waived", "pt": "dispensado", "zh-Hant": "豁免", "zh-Hans": "豁免"},
    "warn": {"en": "warning", "pt": "aviso", "zh-Hant": "提示", "zh-Hans": "提示"},
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One finding for a reader: what it does, by which rule and article, why, about what."""

    effect: Effect
    rule: str
    article: str
    sentence: str
    path: str | None
    role: str | None

    def line(self) -> str:
        """The finding on one line."""
        about = f" [{self.path}]" if self.path else ""
        ask = f" -> {self.role}" if self.role else ""
        return f"{self.effect:5} {self.rule} ({self.article}){about}{ask}: {self.sentence}"


def explain(decision: Decision, language: Language = "en") -> list[Explained]:
    """Every finding of a decision, denials first, then holds, warnings, waivers, observed ones."""
    return [
        *(_explained("deny", one, language) for one in decision.denials),
        *(_explained("hold", one, language) for one in decision.holds),
        *(_explained("warn", one, language) for one in decision.warnings),
        *(_explained("waive", one, language) for one in decision.waivers),
        *(_explained("observe", one, language) for one in decision.observed),
    ]


def explain_lines(decision: Decision, language: Language = "en") -> list[str]:
    """A decision as lines: the verdict, its findings, what happens to fields, how long to keep."""
    lines = [f"{VERDICTS[decision.verdict][language]} ({decision.verdict})"]
    lines += [f"  {one.line()}" for one in explain(decision, language)]
    lines += [f"  field {action.path}: {action.how} ({action.rule})" for action in decision.fields]
    lines += [f"  duty {one.line()} ({', '.join(one.rules)})" for one in decision.duties]
    lines.append(f"  log kept {decision.log_keep_days} days or more")
    if decision.data_keep_days is not None:
        lines.append(f"  data kept {decision.data_keep_days} days or less")
    lines.append(f"  revision {decision.revision[:16]}, input {decision.input_digest[:16]}")
    return lines


def _explained(effect: Effect, found: Finding, language: Language) -> Explained:
    return Explained(
        effect, found.rule, found.article, found.text[language], found.path, found.role
    )
