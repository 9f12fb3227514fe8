"""The figures on the cover and the key times, as label and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_pipeline.drafting.wording import NS, duration, instant_ns, percent

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.postmortem import KeyTimes, MomentRow, Postmortem, Statement
    from incident_pipeline.model.timeline import MomentName, Standing

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


class ToldMoment(NamedTuple):
    """A row of the seven moments, written for people."""

    label: str
    time: str
    bounds: str
    standing: Standing
    basis: Statement | None


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
    for seconds, label in _spans(inputs):
        if seconds is not None and seconds >= 0:
            found.append(Figure(duration(seconds), label))
    if facts.front_door is not None:
        count = f"{facts.front_door.requests_total:,}"
        found.append(Figure(count, f"requests at {facts.front_door.component}"))
    return found


def _spans(inputs: DraftInputs) -> list[tuple[float | None, str]]:
    """Give the times from the begin on in seconds: the timeline's, as the moments beside them say."""
    facts = inputs.facts
    known = {moment.name: moment.time_ns for moment in inputs.timeline.moments}
    began = known.get("began")
    if began is None:
        return [
            (facts.time_to_detect_s, "to detect"),
            (facts.time_to_mitigate_s, "to mitigate"),
            (facts.time_to_recover_s, "to recover"),
        ]
    names: dict[MomentName, str] = {
        "detected": "to detect",
        "mitigated": "to mitigate",
        "restored": "to restore",
    }
    return [
        (None if (time := known.get(name)) is None else (time - began) / NS, label)
        for name, label in names.items()
    ]


def told_moments(postmortem: Postmortem) -> list[ToldMoment]:
    """Give the seven moments as rows; none where the timeline tells none."""
    return [
        ToldMoment(row.name.capitalize(), _clock(row.time), _bounds(row), row.standing, row.basis)
        for row in postmortem.moments
    ]


def _clock(time: str | None) -> str:
    return "" if time is None else time.replace("T", " ").removesuffix("Z")[:23]


def _bounds(row: MomentRow) -> str:
    """Give how much earlier and later the moment could lie; nothing where it is as sharp as its stamp."""
    at, low, high = (instant_ns(text) if text else None for text in (row.time, row.earliest, row.latest))
    if at is None or low is None or high is None or high - low < NS // 1000:
        return ""
    return f"{(low - at) / NS:+.1f} s to {(high - at) / NS:+.1f} s"


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
