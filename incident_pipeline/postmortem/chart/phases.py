"""The phase strip and the lines of the picture: as the timeline tells them, else from the facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incident_pipeline.drafting.wording import NS, duration

if TYPE_CHECKING:
    from incident_pipeline.model.facts import Facts
    from incident_pipeline.model.timeline import Timeline
    from incident_pipeline.postmortem.chart.scale import TimeScale


@dataclass(frozen=True)
class Phase:
    """A stretch of the strip. `name` is also its CSS class."""

    name: str
    label: str
    length: str
    x: float
    width: float


@dataclass(frozen=True)
class Marker:
    """A dashed line through all lanes."""

    name: str
    label: str
    x: float


_LINES = (
    ("began", "onset", "began"),
    ("detected", "detected", "detected"),
    ("mitigated", "fixed", "mitigated"),
    ("restored", "restored", "restored"),
)
"""Moments that get a line: name, CSS class, label."""


def phases(timeline: Timeline, facts: Facts, scale: TimeScale) -> list[Phase]:
    """Give the timeline's phases, else cut the picture at onset, first alert, mitigation and end.

    The first begins and the last ends with the picture; one without an end lasts as long as it.
    """
    known = [phase for phase in timeline.phases if phase.start_ns is not None]
    if not known:
        return _from_facts(facts, scale)
    found = []
    for phase in known:
        start = scale.start if phase.name == "baseline" else max(phase.start_ns or 0, scale.start)
        last = phase.end_ns is None or phase is known[-1]
        end = scale.end if last else min(phase.end_ns or 0, scale.end)
        if end > start:
            found.append(_phase(phase.name, phase.name.capitalize(), start, end, scale))
    return found


def _from_facts(facts: Facts, scale: TimeScale) -> list[Phase]:
    detected = None if facts.first_alert is None else facts.alerts[facts.first_alert].start_ns
    fixed = None if facts.mitigation is None else facts.changes[facts.mitigation.change].time_ns
    begun = facts.onset_ns if facts.onset_ns is not None else detected
    if begun is None:
        return [_phase("baseline", "Observed", scale.start, scale.end, scale)]
    cuts: list[tuple[str, str, int]] = [("baseline", "Baseline", scale.start)]
    if detected is None:
        cuts.append(("undetected", "Undetected", begun))
    elif begun < detected:
        cuts += [("undetected", "Undetected", begun), ("diagnosis", "Diagnosis", detected)]
    else:
        cuts.append(("diagnosis", "Diagnosis", detected))
    if fixed is not None and (facts.ended_ns is None or fixed < facts.ended_ns):
        cuts.append(("recovery", "Recovery", fixed))
    if facts.ended_ns is not None:
        cuts.append(("stable", "Stable", facts.ended_ns))
    found = []
    for index, (name, label, start) in enumerate(cuts):
        end = cuts[index + 1][2] if index + 1 < len(cuts) else scale.end
        if end > start and start < scale.end and end > scale.start:
            found.append(_phase(name, label, start, end, scale))
    return found


def _phase(name: str, label: str, start: int, end: int, scale: TimeScale) -> Phase:
    x = scale.x(start)
    return Phase(name, label, duration((end - start) / NS), x, round(scale.x(end) - x, 1))


def markers(timeline: Timeline, facts: Facts, scale: TimeScale) -> list[Marker]:
    """Give the lines at the moments, else at onset, first alert and mitigation."""
    times = {moment.name: moment for moment in timeline.moments if moment.time_ns is not None}
    if times:
        return [
            Marker(style, f"{label} ({times[name].standing})", scale.x(times[name].time_ns or 0))
            for name, style, label in _LINES
            if name in times and scale.shows(times[name].time_ns or 0)
        ]
    found = []
    if facts.onset_ns is not None and scale.shows(facts.onset_ns):
        found.append(Marker("onset", "estimated onset", scale.x(facts.onset_ns)))
    if facts.first_alert is not None and scale.shows(facts.alerts[facts.first_alert].start_ns):
        found.append(Marker("detected", "first alert", scale.x(facts.alerts[facts.first_alert].start_ns)))
    if facts.mitigation is not None:
        change = facts.changes[facts.mitigation.change]
        if scale.shows(change.time_ns):
            found.append(Marker("fixed", "mitigation", scale.x(change.time_ns)))
    return found
