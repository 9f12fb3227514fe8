"""A small picture of a timeline for the Dagster UI: phases, moments, key entries; no text of the evidence.

The axis runs over the phases: a calendar entry of years ago must not squeeze the incident into one pixel.
What lies outside is drawn as a small arrow at the border; an alert that resolves is a ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from incident_pipeline.model.event import Kind
from incident_pipeline.timeline.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.model.timeline import Moment, Timeline, TimelineEntry

_WIDTH: Final = 900
_LEFT: Final = 104
_RIGHT: Final = _WIDTH - 24
_TOP: Final = 34
"""Below the strip with the names of the phases."""
_LANE: Final = 24
_RADIUS: Final = 5
_TICKS: Final = 5
_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_NARROWEST: Final = 6.6
"""Pixels per letter of a phase's name."""
_ERROR: Final = 17
"""OpenTelemetry severity number of ERROR."""
_COLOURS: Final = {"alert": "#b3261e", "change": "#0b6fa4", "chat": "#7a3e9d", "runbook_step": "#0b6fa4"}
_GREY: Final = "#6d7884"
_BANDS: Final = {
    "baseline": "#e8ecf1",
    "undetected": "#f6d9d5",
    "diagnosis": "#fbe6c2",
    "mitigation": "#d5e5f3",
    "recovery": "#d8ecd9",
    "stable": "#e8ecf1",
}
_LINES: Final = {"began": "#b96f00", "detected": "#b3261e", "mitigated": "#0b6fa4", "restored": "#2b7a3d"}


def draw(timeline: Timeline) -> str:
    """Draw phases, moments and key entries as SVG text, one lane per kind of entry."""
    timed = [entry for entry in timeline.entries if entry.time_ns is not None]
    lanes = sorted({entry.type for entry in timed})
    bottom = _TOP + _LANE * max(1, len(lanes))
    told = [moment for moment in timeline.moments if moment.name in _LINES and moment.time_ns is not None]
    height = bottom + (46 if told else 26)
    scale = _Scale.of(timeline, timed)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_bands(timeline, scale, bottom),
    ]
    for index, lane in enumerate(lanes):
        middle = _middle(index)
        parts.append(
            f'<text x="{_LEFT - 12}" y="{middle + 4}" text-anchor="end" fill="#3c4650">'
            f"{escape(lane.replace('_', ' '))}</text>"
            f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{middle}" y2="{middle}" stroke="#cdd4dc"/>'
        )
    parts.extend(_moment_lines(told, scale, bottom))
    parts.extend(_dots(timed, lanes, scale))
    if scale.known:
        parts.extend(_axis(scale, bottom))
    return "".join([*parts, "</svg>"])


class _Scale:
    """Nanoseconds to pixels."""

    def __init__(self, start: int, end: int, *, known: bool = True) -> None:
        self.start, self.end, self.known = start, max(end, start + 1), known

    @classmethod
    def of(cls, timeline: Timeline, timed: list[TimelineEntry]) -> _Scale:
        times = [at for phase in timeline.phases for at in (phase.start_ns, phase.end_ns) if at is not None]
        times = times if len(times) > 1 else [entry.time_ns or 0 for entry in timed]
        return cls(min(times), max(times)) if times else cls(0, 1, known=False)

    def x(self, time: int) -> float:
        inside = min(max(time, self.start), self.end)
        return round(_LEFT + (inside - self.start) * (_RIGHT - _LEFT) / (self.end - self.start), 1)


def _middle(lane: int) -> int:
    return _TOP + _LANE * lane + _LANE // 2


def _bands(timeline: Timeline, scale: _Scale, bottom: int) -> Iterator[str]:
    for phase in timeline.phases:
        if phase.start_ns is None:
            continue
        name = phase.name
        x, end = scale.x(phase.start_ns), scale.x(scale.end if phase.end_ns is None else phase.end_ns)
        until = phase.end or "end unknown"
        yield (
            f"<g><title>{name}: {escape(phase.start or '')} to {escape(until)} ({phase.standing})</title>"
            f'<rect x="{x}" y="8" width="{end - x:.1f}" height="{bottom - 8}" fill="{_BANDS[name]}" '
            f'fill-opacity=".38"/><rect x="{x}" y="8" width="{end - x:.1f}" height="18" '
            f'fill="{_BANDS[name]}"/>'
        )
        if end - x > len(name) * _NARROWEST:
            yield f'<text x="{(x + end) / 2:.1f}" y="21" text-anchor="middle" fill="#3c4650">{name}</text>'
        yield "</g>"


def _moment_lines(moments: list[Moment], scale: _Scale, bottom: int) -> Iterator[str]:
    """Draw the moments with their legend: an image shows no tooltips."""
    for number, moment in enumerate(moments):
        x, colour = scale.x(moment.time_ns or 0), _LINES[moment.name]
        yield (
            f'<path d="M{x} 26V{bottom}" stroke="{colour}" stroke-dasharray="3 3" fill="none">'
            f"<title>{moment.name}: {escape(moment.time or '')} ({moment.standing})</title></path>"
        )
        at = _LEFT + number * 198
        yield (
            f'<path d="M{at} {bottom + 34}h18" stroke="{colour}" stroke-dasharray="3 3" fill="none"/>'
            f'<text x="{at + 24}" y="{bottom + 38}" fill="#3c4650" font-size="11">{moment.name} '
            f"{escape((moment.time or '')[11:19])} ({moment.standing})</text>"
        )


def _dots(entries: list[TimelineEntry], lanes: list[str], scale: _Scale) -> Iterator[str]:
    for entry in entries:
        time = entry.time_ns or 0
        x, y = scale.x(time), _middle(lanes.index(entry.type))
        colour = _COLOURS.get(entry.type, "#b3261e" if (entry.severity or 0) >= _ERROR else _GREY)
        title = f"<title>{escape(entry.time or '')} {escape(entry.why_key)}</title>"
        if scale.start <= time <= scale.end:
            over = entry.type == Kind.ALERT and entry.marker == "key_moment"
            look = (
                f'fill="#fff" stroke="{colour}" stroke-width="1.6"'
                if over
                else f'fill="{colour}" fill-opacity=".8" stroke="#fff"'
            )
            yield f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" {look}>{title}</circle>'
        else:
            tip = -6 if time < scale.start else 6
            yield f'<path d="M{x + tip} {y}l{-tip} -4v8z" fill="{colour}">{title}</path>'


def _axis(scale: _Scale, bottom: int) -> Iterator[str]:
    unit = 1_000_000 if scale.end - scale.start < _TICKS * _SECOND else _SECOND
    for tick in range(_TICKS):
        time = scale.start + (scale.end - scale.start) * tick // (_TICKS - 1)
        anchor = "start" if not tick else "end" if tick == _TICKS - 1 else "middle"
        text = rfc3339(time // unit * unit, unit).removesuffix("Z")
        shown = text.replace("T", " ") + " UTC" if not tick else text[11:]
        if tick and scale.end - scale.start > _DAY:
            shown = text[5:16].replace("T", " ")
        x = scale.x(time)
        yield (
            f'<path d="M{x} {bottom}v4" stroke="#66717d"/>'
            f'<text x="{x}" y="{bottom + 18}" fill="#66717d" font-size="11" '
            f'text-anchor="{anchor}">{shown}</text>'
        )
