"""Lay the whole picture out: phases, traffic, business, changes, alerts, services, chat, axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from incident_pipeline.drafting.traffic import front_door
from incident_pipeline.drafting.wording import NS, day, duration, joined, plain
from incident_pipeline.postmortem.chart import lanes as service_rows
from incident_pipeline.postmortem.chart import marks
from incident_pipeline.postmortem.chart.phases import Marker, Phase, markers, phases
from incident_pipeline.postmortem.chart.pins import Ground, Pin, pins
from incident_pipeline.postmortem.chart.scale import LEFT, RIGHT, WIDTH, time_scale
from incident_pipeline.postmortem.chart.traffic import HEIGHT as TRAFFIC_HEIGHT
from incident_pipeline.postmortem.chart.traffic import Area, traffic_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.postmortem.evidence_list import EvidenceItem

_STRIP: Final = 34
_AXIS: Final = 26
_NAMED_LINES: Final = 3


@dataclass(frozen=True)
class Row:
    """The background of a lane and its label."""

    label: str
    title: str
    top: int
    height: int
    starred: bool = False


@dataclass
class Chart:
    """Everything the template draws; positions in pixels of the SVG's own coordinates."""

    day: str
    bucket: str
    bar_width: float
    height: int = 0
    width: int = WIDTH
    left: int = LEFT
    right: int = RIGHT
    phases: list[Phase] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    area: Area | None = None
    rows: list[Row] = field(default_factory=list)
    alerts: list[marks.AlertBar] = field(default_factory=list)
    diamonds: list[marks.Diamond] = field(default_factory=list)
    dots: list[marks.Dot] = field(default_factory=list)
    lanes: list[service_rows.Lane] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    lanes_bottom: int = 0
    notes: list[str] = field(default_factory=list)


def build_chart(inputs: DraftInputs, items: Sequence[EvidenceItem], leading: str | None) -> Chart | None:
    """Lay out the picture of an incident, or give None when nothing in it has a time."""
    facts = inputs.facts
    events = inputs.tables.events_of("incident")
    incident_series = inputs.tables.series_of("incident").column("series_id")
    samples = inputs.tables.samples.filter(pc.field("series_id").isin(incident_series.combine_chunks()))
    scale = time_scale(events, facts, samples)
    if scale is None:
        return None
    chart = Chart(
        day=day(scale.start),
        bucket=duration(scale.bucket_ns / NS),
        bar_width=scale.bar_width,
        ticks=scale.ticks(),
    )
    chart.phases = phases(inputs.timeline, facts, scale)
    chart.markers = markers(inputs.timeline, facts, scale)
    y = _STRIP
    traffic = front_door(events, inputs.diagnosis.graph)
    if traffic is not None:
        chart.area = traffic_area(traffic, scale, y)
        y += TRAFFIC_HEIGHT + 8 if chart.area else 0
    for label, business in (("Business", True), ("Changes", False)):
        chosen = [change for change in facts.changes if change.business == business]
        found, used = marks.diamonds(chosen, scale, y)
        if found:
            height = used * marks.CHANGE_ROW + 4
            chart.rows.append(Row(label, label, y, height))
            chart.diamonds += found
            y += height
    chart.alerts, fired = marks.alert_bars(facts.alerts, scale, y)
    if chart.alerts:
        height = len(chart.alerts) * marks.ALERT_ROW + 8
        chart.rows.append(Row("Alerts", "Alerts", y, height))
        y += height
        if fired > len(chart.alerts):
            chart.notes.append(f"{len(chart.alerts)} of {fired} alerts are shown.")
    door = traffic.component if traffic else None
    chart.lanes, services = service_rows.service_lanes(inputs, door, scale, y)
    for lane in chart.lanes:
        starred = lane.unit == "calls to it"
        chart.rows.append(
            Row(lane.label + ("*" if starred else ""), lane.name, lane.top, lane.height, starred=starred)
        )
        y += lane.height
    texts = _texts(inputs)
    chart.dots = marks.dots(facts.messages, texts, scale, y)
    if chart.dots:
        chart.rows.append(Row("Chat", "Chat", y, marks.CHAT_HEIGHT))
        y += marks.CHAT_HEIGHT
    chart.lanes_bottom = y
    chart.height = y + _AXIS
    ground = Ground(chart.alerts, chart.diamonds, chart.dots, chart.lanes, door)
    chart.pins, hidden = pins(items, ground, scale, leading)
    chart.notes += _notes(chart, services, hidden)
    return chart


def _texts(inputs: DraftInputs) -> dict[str, str]:
    wanted = {message.event_id for message in inputs.facts.messages}
    events = inputs.tables.events.select(["event_id", "message", "kind"])
    chat = events.filter(pc.field("kind") == "chat") if wanted else None
    if chat is None:
        return {}
    return {row["event_id"]: row["message"] or "" for row in chat.to_pylist() if row["event_id"] in wanted}


def _notes(chart: Chart, services: int, hidden: int) -> list[str]:
    notes = []
    units = sorted({lane.unit for lane in chart.lanes})
    counted = " or ".join(unit for unit in units if unit not in ("calls to it", "")) or "calls"
    if any(units):
        notes.append(f"Lanes are services; bars are {counted} per {chart.bucket}.")
    lines = [f"{lane.line.metric} of {plain(lane.name)}" for lane in chart.lanes if lane.line]
    if len(lines) > _NAMED_LINES:
        notes.append(
            "Dark lines are the leading measure of each component, from its lowest to its highest value."
        )
    elif lines:
        notes.append(f"Dark lines, from lowest to highest value: {joined(lines)}.")
    if any(lane.unit == "calls to it" for lane in chart.lanes):
        notes.append("* seen only through the spans of its callers.")
    if services > len(chart.lanes):
        notes.append(f"{len(chart.lanes)} of {services} services are shown.")
    if hidden:
        notes.append(f"{hidden} more pins found no room; their records are in the evidence list.")
    return notes
