"""A small picture of a timeline for the Dagster UI: dots by type and time, no text of the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from incident_pipeline.model.timeline import Timeline, TimelineEntry

_WIDTH: Final = 860
_LEFT: Final = 92
_LANE: Final = 24
_RADIUS: Final = 5
_ERROR: Final = 17
"""OpenTelemetry severity number of ERROR."""
_COLOURS: Final = {"alert": "#b3261e", "change": "#0b6fa4", "chat": "#7a3e9d"}
_GREY: Final = "#8b96a3"


def draw(timeline: Timeline) -> str:
    """Draw the key entries as dots, one lane per type, as SVG text."""
    timed = [entry for entry in timeline.entries if entry.time_ns is not None]
    lanes = sorted({entry.type for entry in timed})
    height = _LANE * max(1, len(lanes)) + 40
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for index, lane in enumerate(lanes):
        middle = _LANE * index + 22
        parts.append(
            f'<text x="{_LEFT - 10}" y="{middle + 4}" text-anchor="end" fill="#3c4650">{escape(lane)}</text>'
            f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{middle}" y2="{middle}" stroke="#e3e7ec"/>'
        )
    parts.extend(_dots(timed, lanes))
    if timed:
        parts.append(_axis(timed, height))
    return "".join([*parts, "</svg>"])


def _dots(entries: list[TimelineEntry], lanes: list[str]) -> list[str]:
    times = [entry.time_ns or 0 for entry in entries]
    first, span = min(times, default=0), max(1, max(times, default=0) - min(times, default=0))
    dots = []
    for entry, time in zip(entries, times, strict=True):
        x = _LEFT + (time - first) * (_WIDTH - _LEFT - 20) / span
        colour = _COLOURS.get(entry.type, "#b3261e" if (entry.severity or 0) >= _ERROR else _GREY)
        y = _LANE * lanes.index(entry.type) + 22
        dots.append(
            f'<circle cx="{x:.1f}" cy="{y}" r="{_RADIUS}" fill="{colour}" fill-opacity="0.75">'
            f"<title>{escape(entry.time or '')} {escape(entry.why_key)}</title></circle>"
        )
    return dots


def _axis(entries: list[TimelineEntry], height: int) -> str:
    first, last = escape(entries[0].time or ""), escape(entries[-1].time or "")
    return (
        f'<text x="{_LEFT}" y="{height - 8}" fill="#66717d">{first}</text>'
        f'<text x="{_WIDTH - 20}" y="{height - 8}" fill="#66717d" text-anchor="end">{last}</text>'
    )
