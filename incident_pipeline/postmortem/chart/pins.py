"""Numbered pins that tie the picture to the evidence list.

A pin stands at the time of its record, never moved along the axis for looks. Where a pin would cover
another it goes to the lane's next row; where all rows are taken it is left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.postmortem.chart.lanes import Lane
    from incident_pipeline.postmortem.chart.marks import AlertBar, Diamond, Dot
    from incident_pipeline.postmortem.chart.scale import TimeScale
    from incident_pipeline.postmortem.evidence_list import EvidenceItem

RADIUS: Final = 8.5
_APART: Final = 18.0
_BESIDE: Final = 14.0
"""Beside a diamond or bar the pin stands right or left of the mark, which itself is at the time."""
MAX_PINS: Final = 40


@dataclass(frozen=True)
class Pin:
    """One pin; `hypotheses` are those whose evidence it is."""

    number: int
    title: str
    hypotheses: tuple[str, ...]
    selected: bool
    x: float
    y: float


@dataclass(frozen=True)
class Ground:
    """Where pins may stand: the marks and lanes of the picture."""

    bars: Sequence[AlertBar]
    diamonds: Sequence[Diamond]
    dots: Sequence[Dot]
    lanes: Sequence[Lane]
    door: str | None


def pins(
    items: Sequence[EvidenceItem], ground: Ground, scale: TimeScale, leading: str | None
) -> tuple[list[Pin], int]:
    """Place the pins, most telling first; give also how many found no room."""
    order = sorted(
        items,
        key=lambda item: (
            leading not in item.hypotheses,
            not item.in_summary,
            not item.hypotheses,
            item.number,
        ),
    )
    placed: list[Pin] = []
    left_out = 0
    for item in order:
        spots = _spots(item, ground, scale)
        if not spots:
            continue
        free = next((spot for spot in spots if _is_free(spot, placed)), None)
        if free is None or len(placed) >= MAX_PINS:
            left_out += 1
            continue
        title = f"E{item.number}: {item.clock} UTC, {plain(item.citation.uri)}:{item.citation.line}"
        placed.append(
            Pin(
                number=item.number,
                title=title,
                hypotheses=item.hypotheses,
                selected=leading is not None and leading in item.hypotheses,
                x=free[0],
                y=free[1],
            )
        )
    return sorted(placed, key=lambda pin: pin.number), left_out


def _spots(item: EvidenceItem, ground: Ground, scale: TimeScale) -> list[tuple[float, float]]:
    """Give the places where a record's pin may stand, best first; none when it is not in the picture."""
    if item.time_ns is None or not scale.shows(item.time_ns):
        return []
    if item.kind == "alert":
        return _beside_bars(item, ground.bars)
    if item.kind == "change":
        return [(d.x + _BESIDE, d.y) for d in ground.diamonds if d.event_id == item.event_id]
    x = scale.x(item.time_ns)
    if item.kind == "chat":
        return [(x, dot.y - _BESIDE) for dot in ground.dots if dot.event_id == item.event_id]
    service = item.service or ground.door
    lane = next((lane for lane in ground.lanes if lane.name == service), None)
    if lane is None:
        return []
    return [(x, lane.top + RADIUS + 2), (x, lane.top + lane.height - RADIUS - 2)]


def _beside_bars(item: EvidenceItem, bars: Sequence[AlertBar]) -> list[tuple[float, float]]:
    """Stand left of the bar that a record fired, or right of the one that it resolved."""
    for bar in bars:
        middle = bar.y + 6
        if bar.event_ids and item.event_id == bar.event_ids[0]:
            return [(round(bar.x - _BESIDE + 4, 1), middle)]
        if item.event_id in bar.event_ids[1:]:
            return [(round(bar.x + bar.width + _BESIDE - 4, 1), middle)]
    return []


def _is_free(spot: tuple[float, float], placed: Sequence[Pin]) -> bool:
    return all((pin.x - spot[0]) ** 2 + (pin.y - spot[1]) ** 2 >= _APART**2 for pin in placed)
