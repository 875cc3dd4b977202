"""What an offline verification found: one verdict per log or receipt, findings collected."""

from dataclasses import dataclass, field
from typing import Any

from xbgateway.model.errors import GatewayError, Reason
from xbgateway.tlog import Finding

STORE = "store"  # the role of a store's file, beside those of its logs


@dataclass(slots=True)
class Verdict:
    """One log, receipt or store file and what is wrong with it; nothing wrong means sound."""

    source: str
    origin: str
    role: str  # own, mirror, home, export, receipt, store
    size: int = 0
    entries_checked: int = 0
    held_size: int = 0  # the peer cosigned that many entries
    held_by: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def first_damaged(self) -> int | None:
        """The lowest entry that a finding concerns."""
        entries = [one.entry for one in self.findings if one.entry is not None]
        return min(entries, default=None)

    def find(self, where: str, reason: Reason, sentence: str, entry: int | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(where, reason, sentence, entry))

    def blame(self, where: str, error: GatewayError, entry: int | None = None) -> None:
        """Add an error as a finding."""
        self.find(where, error.reason, error.sentence, entry)

    def record(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "state": "OK" if self.sound else "DAMAGED",
            "source": self.source,
            "origin": self.origin,
            "role": self.role,
            "size": self.size,
            "entries_checked": self.entries_checked,
            "held_size": self.held_size,
            "held_by": self.held_by,
            "first_damaged_entry": self.first_damaged,
            "findings": [
                {
                    "path": one.path,
                    "reason": str(one.reason),
                    "sentence": one.sentence,
                    "entry": one.entry,
                }
                for one in self.findings
            ],
            "notes": list(self.notes),
        }
