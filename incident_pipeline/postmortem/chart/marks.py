"""Marks that are no bars: alerts as long bars with their names inside, changes as diamonds, chat as dots.

Shape doubles colour, so the picture can be read without colours. Labels never overlap: they are packed
into rows, and cut where the picture ends; the whole text stands in the mark's title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import clock, plain
from incident_pipeline.postmortem.chart.scale import LEFT, RIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.facts import AlertFact, ChangeFact, MessageFact
    from incident_pipeline.postmortem.chart.scale import TimeScale

ALERT_ROW: Final = 15
CHANGE_ROW: Final = 20
CHAT_HEIGHT: Final = 36
MAX_ALERTS: Final = 8
MAX_CHANGE_ROWS: Final = 3
_CHARACTER: Final = 5.9
"""Pixels of an average character at the labels' size."""
_PIN_ROOM: Final = 24
_LOUD: Final = frozenset({"page", "critical", "emergency", "high", "p1", "sev1", "fatal", "error"})


@dataclass(frozen=True)
class AlertBar:
    """One alert from its first firing to its last resolution."""

    label: str
    note: str
    title: str
    event_ids: tuple[str, ...]
    loud: bool
    open_ended: bool
    x: float
    y: float
    width: float
    text_x: float
    inside: bool


@dataclass(frozen=True)
class Diamond:
    """One change or business event."""

    label: str
    title: str
    event_id: str
    business: bool
    x: float
    y: float


@dataclass(frozen=True)
class Dot:
    """One chat message."""

    title: str
    event_id: str
    automated: bool
    x: float
    y: float


def alert_bars(alerts: Sequence[AlertFact], scale: TimeScale, top: int) -> tuple[list[AlertBar], int]:
    """Lay out the alerts that lie in the picture, one row each; give also how many there are."""
    shown = [
        alert
        for alert in alerts
        if alert.start_ns <= scale.end and (alert.end_ns is None or alert.end_ns >= scale.start)
    ]
    bars = []
    for row, alert in enumerate(shown[:MAX_ALERTS]):
        x = scale.x(alert.start_ns)
        end = scale.end if alert.end_ns is None else alert.end_ns
        width = max(round(scale.x(end) - x, 1), 3.0)
        name, note = plain(alert.name), plain(alert.severity or "")
        wanted = (len(name) + len(note) + 1) * _CHARACTER + 14
        inside = wanted <= width
        right = x + width + 5
        text_x = x + 7 if inside else right
        if not inside and right + wanted > RIGHT:
            text_x = max(x - wanted - _PIN_ROOM, LEFT + 2)
        until = "not resolved in the evidence" if alert.end_ns is None else f"to {clock(alert.end_ns)} UTC"
        bars.append(
            AlertBar(
                label=_cut(name, 60),
                note=_cut(note, 16),
                title=f"{name} {note}: {clock(alert.start_ns)} {until}",
                event_ids=tuple(i for i in (alert.event_id, alert.resolved_event_id) if i),
                loud=(alert.severity or "").lower() in _LOUD,
                open_ended=alert.end_ns is None,
                x=x,
                y=top + 4 + row * ALERT_ROW,
                width=width,
                text_x=round(text_x, 1),
                inside=inside,
            )
        )
    return bars, len(shown)


def diamonds(changes: Sequence[ChangeFact], scale: TimeScale, top: int) -> tuple[list[Diamond], int]:
    """Lay out changes with their labels in up to three rows; give also how many rows were used."""
    shown = [change for change in changes if scale.shows(change.time_ns)]
    free_from = [0.0] * MAX_CHANGE_ROWS
    found = []
    used = 1
    for change in shown:
        x = scale.x(change.time_ns)
        label = _cut(plain(change.summary), 60)
        wanted = len(label) * _CHARACTER + _PIN_ROOM + 10
        row = next((row for row in range(MAX_CHANGE_ROWS) if free_from[row] <= x - 8), None)
        if row is None:
            row, label, wanted = MAX_CHANGE_ROWS - 1, "", 0.0
        else:
            room = RIGHT - x - _PIN_ROOM
            label = _cut(label, max(int(room / _CHARACTER), 0))
        free_from[row] = max(free_from[row], x + wanted)
        used = max(used, row + 1)
        actor = f" by {plain(change.actor)}" if change.actor else ""
        found.append(
            Diamond(
                label=label,
                title=f"{clock(change.time_ns)} UTC{actor}: {plain(change.summary)}",
                event_id=change.event_id,
                business=change.business,
                x=x,
                y=top + CHANGE_ROW * row + CHANGE_ROW / 2 + 2,
            )
        )
    return found, used


def dots(messages: Sequence[MessageFact], texts: dict[str, str], scale: TimeScale, top: int) -> list[Dot]:
    """Lay out chat messages; bots are smaller and grey, so people come last and lie on top."""
    found = [
        Dot(
            title=f"{clock(message.time_ns)} UTC: {_said(message, texts)}",
            event_id=message.event_id,
            automated=message.automated,
            x=scale.x(message.time_ns),
            y=top + CHAT_HEIGHT - 9,
        )
        for message in messages
        if scale.shows(message.time_ns)
    ]
    return sorted(found, key=lambda dot: (not dot.automated, dot.x))


def _said(message: MessageFact, texts: dict[str, str]) -> str:
    return _cut(plain(texts.get(message.event_id, "")), 60 if message.automated else 140)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit - 1].rstrip() + "…" if limit > 3 else ""  # noqa: PLR2004 - less says nothing
