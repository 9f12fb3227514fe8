"""The timeline as people and machines read it: key entries out of the full order (design section 4.3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen

OrderBasis = Literal["clock", "causal", "source_order", "undetermined"]


class ArtifactRef(Frozen):
    """Where an entry was read: the artifact and the byte range of the record."""

    uri: str
    sha256: str
    line: int | None = None
    byte_start: int | None = None
    byte_end: int | None = None
    json_pointer: str | None = None


class TimelineEntry(Frozen):
    """One key entry. `hash` is the event id; `members` are the ids of the events merged into it."""

    position: int
    time: str | None
    time_ns: int | None
    time_uncertainty_ns: int
    time_basis: str = "explicit"
    """How the UTC time was arrived at (`model.event.TimeBasis`)."""
    type: str
    source: str
    service: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    severity: int | None = None
    message: str
    hash: str
    artifact: ArtifactRef
    recorded_by: str
    members: tuple[str, ...] = ()
    order_basis: OrderBasis
    why_key: str
    """Why this entry stands among the key ones, in a few words."""


class KindCount(Frozen):
    """Events of one kind: how many are key entries, how many there are."""

    shown: int
    total: int


class Timeline(Frozen):
    """Key entries in order, with counts that say what was left out."""

    schema_version: Literal[1] = 1
    incident_id: str
    entries: tuple[TimelineEntry, ...]
    shown: int
    total: int
    merged: int
    untimed: int
    crowded_out: int = 0
    """Events that the selection rules named but that found no room."""
    kinds: dict[str, KindCount] = Field(default_factory=dict)
    merkle_root: str
    """RFC 6962 root over the rows of `timeline.parquet`, hex."""
    first_time: str | None
    last_time: str | None
