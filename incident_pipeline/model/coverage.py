"""What the evidence covers: per source what was asked for, what is held, and what is missing."""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen

Shortfall = Literal[
    "gap", "truncated", "sampled", "unparsed", "retention_expired", "missing", "unreadable", "empty",
    "untimed", "assumed_zone", "assumed_year", "clock_offset",
]  # fmt: skip
"""Ways in which a source holds less, or less surely, than was asked of it."""


class Gap(Frozen):
    """Something a source does not hold, with the window concerned (UTC nanoseconds) where it has one."""

    kind: Shortfall
    detail: str
    start_ns: int | None = None
    end_ns: int | None = None
    share: float | None = None
    """Part of the source concerned, 0 to 1, where it can be counted."""


class SourceCoverage(Frozen):
    """One artifact: window asked for, window held, counts, and its shortfalls."""

    artifact_uri: str
    artifact_sha256: str
    type: str
    source: str
    role: str
    format: str | None
    asked_start_ns: int | None = None
    asked_end_ns: int | None = None
    held_start_ns: int | None = None
    held_end_ns: int | None = None
    events: int
    samples: int
    quarantined: int
    unparsed_share: float
    """Bytes in quarantine over bytes decoded."""
    clock_offset_ns: int | None = None
    """What was applied to its clock for the order; never to stored times."""
    shortfalls: tuple[Gap, ...] = ()
    clock_tied: bool = False
    """Whether other evidence ties its clock and speaks against no zone that was assumed."""
    clock_low_ns: int = 0
    clock_high_ns: int = 0
    """How far its clock may be off, where something ties it."""
    clock: str = ""
    """What is known of its clocks, in plain words."""
    usual_spacing_ns: int | None = None
    """Longest stretch between two records that counts as usual; null where there are too few to tell."""
    first_event: str | None = None
    last_event: str | None = None
    """Ids of the first and last record held, for citing: of an event, or of a series as `series:ID`."""


class Absence(Frozen):
    """The answer to "was nothing of this kind in these sources during this window?".

    `absent` is said only where the sources cover the whole window; `first_event` and `last_event` are then
    the records that bound what is held. Otherwise `reasons` say in plain words why nobody can tell.
    """

    answer: Literal["absent", "cannot_tell"]
    start_ns: int
    end_ns: int
    sources: tuple[str, ...]
    first_event: str | None = None
    last_event: str | None = None
    reasons: tuple[str, ...] = ()


class Coverage(Frozen):
    """The coverage statement of an incident, artifacts in order of digest."""

    schema_version: Literal[1] = 1
    incident_id: str
    sources: tuple[SourceCoverage, ...]
    remarks: tuple[str, ...] = ()


class ClockEstimate(Frozen):
    """How far one clock runs ahead of the reference clock: nanoseconds to subtract, with its bounds.

    A side table for the order only; stored times never change. `clock` is a host, or an artifact's URI
    where no host is known.
    """

    clock: str
    reference: str
    offset_ns: int
    low_ns: int
    high_ns: int
    observations: int
    basis: str
    contradicted: bool = False
    """Whether observations disagree by more than their own bounds allow."""
    applied: bool = False
    zone_hours: float | None = None
    """A wrong zone of whole (quarter) hours that is proposed, not applied."""
    tied: bool = True
    """False where nothing in the evidence ties the clock to the reference: then the offset is unknown, and
    the bounds say no more than that zones lie within 26 hours."""
    broken: int = 0
    """Observations that do not allow the offset."""
    note: str = ""
    """What to know or to do about it, in plain sentences."""


class Clocks(Frozen):
    """The estimates for an incident, sorted by clock."""

    schema_version: Literal[1] = 1
    incident_id: str
    estimates: tuple[ClockEstimate, ...] = ()
