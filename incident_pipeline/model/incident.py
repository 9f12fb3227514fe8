"""What goes in: the incident record at the root of an evidence bundle, and incident ids.

The shape is the ingestion schema of design section 4.1. Unknown keys are kept; a hash that is not
64 hex digits counts as not given.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Lenient

ArtifactType = Literal[
    "logs", "trace", "metrics", "alert", "chat", "runbook", "change", "recording", "k8s",
    "topology", "ticket", "tool_output", "unknown",
]  # fmt: skip
Role = Literal["incident", "reference"]

ARTIFACT_TYPES: tuple[str, ...] = (
    "logs", "trace", "metrics", "alert", "chat", "runbook", "change", "recording", "k8s",
    "topology", "ticket", "tool_output", "unknown",
)  # fmt: skip

_MAX_ID = 64
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


class ArtifactEntry(Lenient):
    """One artifact as `incident.json` names it."""

    type: str = "unknown"
    source: str = ""
    uri: str
    hash: str | None = None
    format: str | None = None
    role: Role = "incident"
    window: tuple[str | None, str | None] | None = None
    timezone: str | None = None
    query: str | None = None
    collected_at: str | None = None
    collector: str | None = None
    status: str | None = None

    @property
    def given_sha256(self) -> str | None:
        """The digest given for the bytes, lower-case hex, or None when none was really given."""
        match = _SHA256.fullmatch(self.hash.strip()) if self.hash else None
        return match[1].lower() if match else None


class Incident(Lenient):
    """The incident record: who, when, how bad, and which artifacts belong to it."""

    incident_id: str = Field(min_length=1)
    start_time: str | None = None
    detected_by: str | None = None
    severity: str | None = None
    title: str | None = None
    services: tuple[str, ...] = ()
    artifacts: tuple[ArtifactEntry, ...] = ()
    ingested_by: str | None = None
    ingest_time: str | None = None
    signed_manifest: str | None = None

    @property
    def key(self) -> str:
        """The folded id: partition key and folder name."""
        return fold_incident_id(self.incident_id)


def fold_incident_id(incident_id: str) -> str:
    """Fold an id to `[a-z0-9][a-z0-9-]{0,63}`: lower case, runs of other characters become one hyphen.

    Over 64 characters the first 55 are kept, then `-` and 8 hex digits of the id's SHA-256. An id
    without any letter or digit folds to `incident-` and 8 hex digits.
    """
    digest = hashlib.sha256(incident_id.encode()).hexdigest()[:8]
    folded = re.sub(r"[^a-z0-9]+", "-", incident_id.lower()).strip("-")
    if not folded:
        return f"incident-{digest}"
    if len(folded) > _MAX_ID:
        return f"{folded[:55]}-{digest}"
    return folded


def is_incident_key(key: str) -> bool:
    """Tell whether a partition or folder name is one that folding gives: it can't leave its folder."""
    return _KEY.fullmatch(key) is not None
