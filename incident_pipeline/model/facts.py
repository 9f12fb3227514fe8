"""What was counted and timed for the draft: every figure a sentence states is a value in here.

The file `facts.json` exists so that a sentence can point at the number it states (`derived_from`), and
so that a reader can recompute the number from the event table. Times are RFC 3339 UTC; `*_ns` beside
them are UTC nanoseconds; shares are in percent with one decimal; durations are seconds.
"""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen


class AlertFact(Frozen):
    """One alert: all its notifications folded into the time from first firing to last resolution."""

    name: str
    service: str | None
    severity: str | None
    start: str
    start_ns: int
    end: str | None
    """None while nothing in the evidence resolves it."""
    end_ns: int | None
    episodes: int
    """How often it started firing: more than one means that it flapped."""
    summary: str | None
    event_id: str
    resolved_event_id: str | None


class ChangeFact(Frozen):
    """One entry of a change log, or of a calendar of business events."""

    time: str
    time_ns: int
    service: str | None
    summary: str
    actor: str | None
    business: bool
    """From a campaign or business calendar: load may follow, but nobody changed the system."""
    event_id: str


class MessageFact(Frozen):
    """One chat message."""

    time: str
    time_ns: int
    author: str | None
    automated: bool
    event_id: str


class FrontDoor(Frozen):
    """Requests at the component that users reach first, and how many of them failed."""

    component: str
    source: Literal["access log", "server spans"]
    requests: int
    failed: int
    failed_percent: float
    """Of the requests from the first to the last failed one."""
    first_failed: str
    first_failed_ns: int
    first_failed_event_id: str
    last_failed: str
    last_failed_ns: int
    last_failed_event_id: str
    duration_s: float
    failed_before_alert: int | None
    """Failed requests before the first alert; None without an alert."""
    requests_total: int
    failed_total: int
    """Over all of the evidence."""
    statuses: dict[str, int]
    """Failed requests by status, as written."""


class MitigationFact(Frozen):
    """The change after which the failures went away, chosen by time and effect alone."""

    change: int
    """Index into `changes`."""
    failed_percent_before: float | None
    failed_percent_after: float | None
    span_s: float
    """Length of the two windows that are compared."""


class OutcomeFact(Frozen):
    """How the checks of one hypothesis came out, counted."""

    id: str
    checks: int
    held: int
    failed: int
    without_data: int


class Facts(Frozen):
    """All counts and times that the draft states."""

    schema_version: Literal[1] = 1
    incident_id: str
    date: str | None
    """The UTC day of the incident, from the evidence."""
    onset: str | None
    onset_ns: int | None
    front_door: FrontDoor | None
    """None when no request failed, or when there is no incident."""
    requests_seen: int
    """Requests in the evidence at the component users reach first; 0 without access log and spans."""
    requests_component: str | None
    alerts: tuple[AlertFact, ...]
    """In order of their start."""
    first_alert: int | None
    """Index into `alerts`: the first one that belongs to this incident."""
    changes: tuple[ChangeFact, ...]
    """All of the evidence, in time order; `changes_held` counts artifacts that hold changes."""
    changes_held: int
    messages: tuple[MessageFact, ...]
    first_human_message: int | None
    """Index into `messages`: the first one from a person after the onset."""
    mitigation: MitigationFact | None
    ended: str | None
    """When the last alert resolved, else when the last request failed."""
    ended_ns: int | None
    ended_by: Literal["alerts resolved", "last failed request"] | None
    time_to_detect_s: float | None
    time_to_mitigate_s: float | None
    time_to_recover_s: float | None
    """From the onset to the end."""
    hypotheses_supported: int
    hypotheses_refuted: int
    hypotheses_inconclusive: int
    outcomes: tuple[OutcomeFact, ...]
    """In the order of `validated_checks.json`."""
    checks_run: int
    checks_held: int
    checks_without_data: int
    lines_quarantined: int
