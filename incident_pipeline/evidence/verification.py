"""The outcome of a verification: what was looked at, and whether it holds, fails, or could not be told.

"Could not check" is never "verified": one failure gives exit code 1, else one thing that could not be
checked gives 3, and a verification that looked at nothing gives 3 as well. A remark says what the
reader should know about how far the answer reaches; it counts neither way. Nor does what a redacted export
withholds: its digest is known and signed, its bytes are not here, and it is never called verified.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.errors import EvidenceError, WithheldEvidenceError

if TYPE_CHECKING:
    from incident_pipeline.errors import IncidentPipelineError

Outcome = Literal["ok", "failed", "could_not_check", "remark", "withheld"]
CheckedKind = Literal[
    "seal", "chain", "artifact", "lock", "evidence", "sentence", "citation", "derived", "derivation", "bag",
    "log", "pin", "redaction", "time", "plaintext", "custody", "access", "rebuilt",
]  # fmt: skip

KIND_NAMES: Final[dict[CheckedKind, str]] = {
    "seal": "signatures", "chain": "links to earlier seals", "artifact": "artifacts", "lock": "locks",
    "evidence": "evidence lists", "sentence": "sentences", "citation": "citations",
    "derived": "derived values", "derivation": "derived files", "bag": "files of the export",
    "log": "places in the log", "pin": "pinned checkpoints", "time": "time stamps",
    "plaintext": "plaintexts", "custody": "custody entries", "access": "access logs",
    "redaction": "redacted views", "rebuilt": "rebuilt files",
}  # fmt: skip
"""What the things of each kind are called, several of them."""


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at. `name` is the artifact's URI, the file, or the sentence's id."""

    incident: str
    kind: CheckedKind
    name: str
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class VerificationReport:
    """All that was looked at, in order, and under which keys."""

    incidents: tuple[str, ...]
    items: tuple[Checked, ...]
    trusted_keys: tuple[str, ...]
    trust_source: str

    @property
    def failures(self) -> tuple[Checked, ...]:
        """Give what does not hold, and what could not be checked."""
        return tuple(item for item in self.items if item.outcome not in ("ok", "remark", "withheld"))

    @property
    def remarks(self) -> tuple[Checked, ...]:
        """Give what limits the answer without changing it, such as a log that nothing is pinned of."""
        return tuple(item for item in self.items if item.outcome == "remark")

    @property
    def withheld(self) -> tuple[Checked, ...]:
        """Give what a redacted export holds back: known by its digest, and not checked against its bytes."""
        return tuple(item for item in self.items if item.outcome == "withheld")

    @property
    def counts(self) -> dict[CheckedKind, dict[str, int]]:
        """Count per kind and outcome; remarks are none of what was checked."""
        found: dict[CheckedKind, Counter[str]] = {}
        for item in self.items:
            if item.outcome != "remark":
                found.setdefault(item.kind, Counter())[item.outcome] += 1
        return {kind: dict(sorted(found[kind].items())) for kind in sorted(found)}

    @property
    def exit_code(self) -> Literal[0, 1, 3]:
        """Give 0 when everything holds, 1 when something fails, else 3."""
        outcomes = {item.outcome for item in self.items} - {"remark", "withheld"}
        if "failed" in outcomes:
            return 1
        return 0 if outcomes == {"ok"} else 3

    @property
    def summary(self) -> str:
        """Give one line for people."""
        holds = "Everything that is shown holds" if self.withheld else "Everything holds"
        verdict = {0: holds, 1: "NOT verified", 3: "Could not be verified"}[self.exit_code]
        parts = [
            f"{counts.get('ok', 0)} of {sum(counts.values())} {KIND_NAMES[kind]}"
            + (f" ({counts['withheld']} withheld)" if counts.get("withheld") else "")
            for kind, counts in self.counts.items()
        ]
        what = ", ".join(self.incidents[:3]) + (", ..." if len(self.incidents) > 3 else "")  # noqa: PLR2004
        noted = "; ".join(sorted({item.name for item in self.remarks}))
        tail = f" Remarks: {noted}." if noted else ""
        return f"{verdict}: {', '.join(parts) or 'nothing was checked'} ({what or 'no incident'}).{tail}"

    def as_dict(self) -> dict[str, object]:
        """Give the report as a JSON value."""
        return {
            "incidents": list(self.incidents),
            "exit_code": self.exit_code,
            "summary": self.summary,
            "counts": self.counts,
            "trusted_keys": list(self.trusted_keys),
            "trust_source": self.trust_source,
            "failures": [vars(item) for item in self.failures],
            "withheld": [vars(item) for item in self.withheld],
            "remarks": [vars(item) for item in self.remarks],
        }


@dataclass
class Findings:
    """Collects what is checked of one incident."""

    incident: str
    items: list[Checked] = field(default_factory=list)

    def add(self, kind: CheckedKind, name: str, outcome: Outcome, message: str) -> None:
        """Note one thing."""
        self.items.append(Checked(self.incident, kind, name, outcome, message))

    def holds(self, kind: CheckedKind, name: str, message: str = "holds") -> None:
        """Note one thing that holds."""
        self.add(kind, name, "ok", message)

    def error(self, kind: CheckedKind, name: str, error: IncidentPipelineError) -> None:
        """Note one thing that raised: bad evidence has failed, everything else could not be checked."""
        outcome: Outcome = "failed" if isinstance(error, EvidenceError) else "could_not_check"
        if isinstance(error, WithheldEvidenceError):
            outcome = "withheld"
        self.add(kind, name, outcome, error.message)
