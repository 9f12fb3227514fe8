"""What was redacted: the card of an incident's redacted view, and the span maps back to raw offsets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen

ViewState = Literal["redacted", "withheld", "unreadable"]
"""`withheld`: no text that rules could read, so nothing of it is shown; `unreadable`: there were no bytes."""


class RedactedSpan(Frozen):
    """One replaced stretch: `offset` and `length` count in the decoded stream of the sealed artifact."""

    offset: int
    length: int
    kind: str
    token: str
    """What stands there instead."""


class SpanMap(Frozen):
    """All replaced stretches of one artifact, in order (`redacted/<sha256>.spans.json`)."""

    schema_version: Literal[1] = 1
    sha256: str
    """Of the artifact as received."""
    spans: tuple[RedactedSpan, ...]


class RedactedArtifact(Frozen):
    """One artifact and its redacted view; digests of files are null where there is no view."""

    sha256: str
    uri: str
    state: ViewState
    decoded_sha256: str | None = None
    """Of the decoded stream that the offsets count in."""
    redacted_sha256: str | None = None
    redacted_size: int = 0
    span_map_sha256: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    """Replaced stretches per kind."""
    note: str = ""


class RedactedTable(Frozen):
    """A table and its redacted form: the file, and the digests before and after."""

    file: str
    source_sha256: str
    sha256: str
    rows_changed: int


class Redaction(Frozen):
    """`redaction.json`: the redacted view of an incident, artifact by artifact."""

    schema_version: Literal[1] = 1
    incident_id: str
    ruleset: str
    """Version of the rules and the settings that change what they find."""
    key_id: str
    """Which key made the tokens; says nothing about the key."""
    artifacts: tuple[RedactedArtifact, ...]
    tables: tuple[RedactedTable, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Replaced stretches per kind over all artifacts, sorted by kind."""
        total: dict[str, int] = {}
        for artifact in self.artifacts:
            for kind, count in artifact.counts.items():
                total[kind] = total.get(kind, 0) + count
        return dict(sorted(total.items()))
