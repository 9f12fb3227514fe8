"""The figures on the cover and the key times, as label and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_pipeline.drafting.wording import duration, percent

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.postmortem import KeyTimes

LABELS = (
    ("Occurred", "occurred_at"),
    ("Detected", "detected_at"),
    ("People aware", "aware_at"),
    ("Classified", "classified_at"),
    ("Service restored", "service_restored_at"),
    ("Cause addressed", "root_cause_fixed_at"),
    ("Resolved", "resolved_at"),
)


class Figure(NamedTuple):
    """A number on the cover."""

    value: str
    label: str


class KeyMoment(NamedTuple):
    """A row of the key times; an unknown time has no value."""

    label: str
    time: str
    basis: str


def cover_figures(inputs: DraftInputs) -> list[Figure]:
    """Give the four or five figures a reader looks for first; unknown ones are left out."""
    facts = inputs.facts
    found = []
    if facts.front_door is not None:
        found.append(Figure(percent(facts.front_door.failed_percent), "of requests failed"))
    for seconds, label in (
        (facts.time_to_detect_s, "to detect"),
        (facts.time_to_mitigate_s, "to mitigate"),
        (facts.time_to_recover_s, "to recover"),
    ):
        if seconds is not None and seconds >= 0:
            found.append(Figure(duration(seconds), label))
    if facts.front_door is not None:
        count = f"{facts.front_door.requests_total:,}"
        found.append(Figure(count, f"requests at {facts.front_door.component}"))
    return found


def key_moments(times: KeyTimes) -> list[KeyMoment]:
    """Give the seven key times."""
    found = []
    for label, field in LABELS:
        moment = getattr(times, field)
        if moment is None:
            found.append(KeyMoment(label, "", "not in the evidence"))
        else:
            found.append(KeyMoment(label, moment.time.replace("T", " ").removesuffix("Z")[:23], moment.basis))
    return found
