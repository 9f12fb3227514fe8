"""Which timeline entries stand in the postmortem, and as which words.

The timeline's key entries may be many; the postmortem shows at most thirty. Alerts, changes and what people
said come first, the rest fills up evenly over time, so that no phase of the incident goes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.timeline import TimelineEntry

MAX_ROWS: Final = 30
MAX_TEXT: Final = 280
"""Characters of an entry, as in GitLab's incident timelines."""

_FIRST: Final = frozenset({"alert", "change", "audit", "k8s_event", "runbook_step"})
_SECOND: Final = frozenset({"chat", "ticket", "transcript"})


def choose_entries(
    entries: Sequence[TimelineEntry], limit: int = MAX_ROWS
) -> list[tuple[int, TimelineEntry]]:
    """Choose the entries to show, with their index in `timeline.json`, in timeline order."""
    chosen: list[int] = []
    for wanted in (_FIRST, _SECOND, None):
        room = limit - len(chosen)
        pool = [
            index
            for index, entry in enumerate(entries)
            if (entry.type in wanted if wanted is not None else entry.type not in _FIRST | _SECOND)
        ]
        chosen.extend(_evenly(pool, room))
    return [(index, entries[index]) for index in sorted(chosen)]


def _evenly(pool: list[int], room: int) -> list[int]:
    if len(pool) <= room:
        return pool
    return [pool[position * len(pool) // room] for position in range(room)]


def event_text(entry: TimelineEntry) -> str:
    """Write an entry as one line: who, and the message as it stands, cut where it is long."""
    message = plain(entry.message)
    who = plain(entry.service or "")
    text = message if not who or message.lower().startswith(who.lower()) else f"{who}: {message}"
    text = text or entry.type
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1].rstrip() + "…"
