"""Why an entry of the timeline stands where it stands: what `timeline explain` answers, as data."""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.coverage import ClockEstimate
from incident_pipeline.model.timeline import ArtifactRef, Claim, Marker, OrderBasis


class Neighbour(Frozen):
    """Another row of the full order, as far as it is needed to find it."""

    position: int
    event_id: str
    time: str | None
    kind: str
    service: str | None = None
    message: str
    artifact: ArtifactRef


class Merge(Frozen):
    """An event that was told twice: the other telling, and the rule by which they are one."""

    event: Neighbour
    rule: str
    reason: str
    """The rule in plain words."""


class Reading(Frozen):
    """What the bytes at the entry's place are. `outcome` says whether the artifact's digest was checked."""

    outcome: Literal["matches", "could_not_check"]
    line: int | None = None
    byte_start: int | None = None
    byte_end: int | None = None
    excerpt: str = ""
    """These bytes as UTF-8; a long record is shown by the part that carries the message."""
    note: str = ""
    """Why it could not be checked."""


class Stamp(Frozen):
    """The time of an entry, from what was read to the interval the order reckons with."""

    time: str | None
    time_ns: int | None
    raw: str | None
    precision: str | None
    basis: str
    is_end: bool = False
    """Whether `time` is the end of an alert that resolved; `raw` then tells its begin."""
    end_ns: int | None = None
    low_ns: int | None = None
    high_ns: int | None = None
    """By the reference clock it lies in [low, high)."""
    clock: ClockEstimate | None = None
    """What is known of the clock that stamped it."""
    offset_ns: int = 0
    """What was subtracted from the time for the order; stored times never change."""


class KeyReason(Frozen):
    """Why it is a key entry: the rule that picked it, with how much of it is shown."""

    rule: str | None
    why: str
    marker: Marker | None
    found: int | None = None
    shown: int | None = None


class Explanation(Frozen):
    """Everything that can be said of one row of the full order."""

    schema_version: Literal[1] = 1
    incident_id: str
    position: int
    total: int
    event_id: str
    kind: str
    message: str
    source: str | None
    service: str | None
    host: str | None
    actor: str | None
    severity: int | None
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    artifact: ArtifactRef
    reading: Reading
    stamp: Stamp
    order_basis: OrderBasis
    order_reason: str
    """The basis in plain words."""
    depth: int | None
    before: Neighbour | None
    after: Neighbour | None
    undetermined: tuple[Neighbour, ...] = ()
    """Nearest rows of other artifacts whose interval overlaps: the evidence does not say which came first."""
    undetermined_total: int = 0
    merged_into: Merge | None = None
    members: tuple[Merge, ...] = ()
    key: KeyReason | None = None
    moments: tuple[str, ...] = ()
    """Names of the moments that rest on it."""
    claims: tuple[Claim, ...] = ()
    """What is claimed in it, or resting on it."""
