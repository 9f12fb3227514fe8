"""Artifacts once they are sealed, and what could not be taken."""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.incident import Role

ProblemKind = Literal[
    "missing", "unreachable", "hash_mismatch", "duplicate", "unsafe_archive", "malformed",
    "unreadable", "placeholder_hash", "empty", "unlisted", "unsafe_path",
]  # fmt: skip


class Problem(Frozen):
    """One artifact, or one file, that could not be taken as asked, and what to do about it.

    `fatal` says whether something asked for is missing from the analysis: 1 when the bytes are bad,
    3 when they could not be read, 0 for a remark that belongs in the coverage statement.
    """

    kind: ProblemKind
    uri: str
    detail: str
    advice: str = ""
    exit_code: Literal[0, 1, 3] = 0


class SealedArtifact(Frozen):
    """One artifact as it lies in the vault.

    `sha256` and `size` are of the bytes as received; `stored_sha256` of the vault's own encoding
    (equal while the vault stores bytes as they are). `uri` is the one written in `incident.json`.
    `encoding` says how the vault stores it; `key_ref` names the data key, where it is encrypted.
    """

    sha256: str
    size: int
    stored_sha256: str
    uri: str
    type: str
    source: str
    role: Role = "incident"
    format: str | None = None
    window: tuple[str | None, str | None] | None = None
    timezone: str | None = None
    collected_at: str | None = None
    query: str | None = None
    also_known_as: tuple[str, ...] = ()
    encoding: tuple[Literal["aes-256-gcm-chunked-v1"], ...] = ()
    key_ref: str | None = None


class SealedEvidence(Frozen):
    """What the later stages may read: the incident's record and its artifacts, sorted by digest."""

    incident_id: str
    incident_key: str
    title: str | None
    start_time: str | None
    detected_by: str | None
    severity: str | None
    services: tuple[str, ...]
    artifacts: tuple[SealedArtifact, ...]
    problems: tuple[Problem, ...]
    evidence_root: str
    """SHA-256 over the sorted artifact digests and roles: equal evidence, equal root."""
