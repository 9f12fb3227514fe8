"""The timeline as people and machines read it: key entries out of the full order (design section 4.3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen

OrderBasis = Literal["clock", "causal", "source_order", "undetermined"]


PhaseName = Literal["baseline", "undetected", "diagnosis", "mitigation", "recovery", "stable"]
MomentName = Literal["began", "detected", "aware", "classified", "mitigated", "restored", "resolved"]
Standing = Literal["actual", "estimate", "unknown"]
"""Whether a time stands in the evidence, was inferred from it, or neither."""
ClaimState = Literal["reported", "corroborated", "contradicted"]
"""What the other evidence says of a person's statement: nothing, the same, or something else."""
Marker = Literal["detection", "diagnosis", "repair", "key_moment"]
"""Jeli's four kinds of evidence in a narrative."""


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
    rule: str | None = None
    """The selection rule that picked it."""
    marker: Marker | None = None


class Moment(Frozen):
    """One of the seven times of an incident, kept apart as regulators ask (design: product notes).

    `time` is null where the evidence tells nothing; [earliest, latest] is how far it could lie, all in UTC
    nanoseconds. `events` are the ids of the events it rests on, `basis` says how in one plain sentence.
    """

    name: MomentName
    time: str | None
    time_ns: int | None
    earliest_ns: int | None = None
    latest_ns: int | None = None
    standing: Standing
    basis: str
    events: tuple[str, ...] = ()


class Phase(Frozen):
    """A stretch of the incident, from `start` up to `end`; `basis` says what its borders rest on."""

    name: PhaseName
    start: str | None
    end: str | None
    start_ns: int | None
    end_ns: int | None
    standing: Standing
    basis: str


class Claim(Frozen):
    """What a person said, and what the other evidence says of it.

    `event` is the message, `text` the words of the claim in it, `evidence` the ids of the events (or of
    series, as `series:ID`) that speak for or against it; `reason` says so in one plain sentence.
    """

    event: str
    text: str
    about: str
    """The component it is about, as the evidence names it; empty when none is named."""
    action: str
    """What is said to have happened, in one word: deploy, rollback, restart, scale, config, flag, ..."""
    said_time_ns: int | None = None
    """The moment the words name ("at 14:02"), else that of the message."""
    state: ClaimState
    evidence: tuple[str, ...] = ()
    reason: str


class Deviation(Frozen):
    """A measurement that left its calm around the incident, from its first deviating sample to its last.

    `end_ns` is null where it still deviates when the evidence ends; [`end_ns`, `calm_ns`] is where the end
    lies. All in UTC nanoseconds. `events` are the records at its borders; `series` the ids of the series.
    """

    component: str
    measure: str
    """The metric's title, or what was counted of spans and log records."""
    kind: str
    """slowness, failures, signs (of trouble in logs), or the kind of the metric."""
    start_ns: int
    end_ns: int | None
    calm_ns: int | None
    peak: float
    """Largest distance from the calm, in robust standard deviations, at most 1000."""
    events: tuple[str, ...] = ()
    series: tuple[str, ...] = ()


class RuleCount(Frozen):
    """What one selection rule found and how much of it is shown; `share` is the room it is sure of."""

    rule: str
    share: int
    found: int
    shown: int


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
    moments: tuple[Moment, ...] = ()
    phases: tuple[Phase, ...] = ()
    claims: tuple[Claim, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    """What deviated around the incident, by begin; the strongest where there are many."""
    deviating: int = 0
    """How many measurements deviated."""
    selection: tuple[RuleCount, ...] = ()
    """The rules that picked the key entries, in order of precedence."""
