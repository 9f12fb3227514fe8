"""Tell the timeline as Markdown text: one line per key entry, grouped by UTC day.

The notation is that of postmortems: `HH:MM:SS.mmm UTC - event [artifact:line]`. The head says how many
events of how many are shown, so that nobody takes a selection for the whole (SOLVE-IT DFT-1299).
Everything from the evidence goes through `plain_text`.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import TimeBasis
from incident_pipeline.timeline.plain_text import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.model.timeline import Timeline, TimelineEntry

MAX_LINE: Final = 220
"""Characters of an entry's message in the text; `timeline.json` holds more of it."""

_MILLIS_END: Final = 23
"""Length of `2026-11-23T08:00:00.123`: finer digits stay in `timeline.json`."""

_ASSUMED: Final = {
    TimeBasis.ASSUMED_ZONE.value: "zone assumed",
    TimeBasis.ASSUMED_YEAR.value: "year assumed",
    TimeBasis.ASSUMED_ZONE_AND_YEAR.value: "zone and year assumed",
    TimeBasis.RELATIVE.value: "time relative to the recording",
}


def narrative(timeline: Timeline) -> str:
    """Give the key entries as Markdown."""
    return "\n".join([*_head(timeline), *_body(timeline), ""])


def _head(timeline: Timeline) -> Iterator[str]:
    yield f"# Timeline of {markdown(timeline.incident_id)}"
    yield ""
    yield f"{timeline.shown:,} of {timeline.total:,} events are shown: {_kinds(timeline)}."
    if timeline.crowded_out:
        yield f"{timeline.crowded_out:,} more were worth showing but found no room."
    if timeline.merged:
        yield f"{timeline.merged:,} repeat an event that another record tells; they stand with that event."
    if timeline.untimed:
        yield f"{timeline.untimed:,} have no time; they come last."
    if timeline.first_time and timeline.last_time:
        yield f"The evidence runs from {timeline.first_time} to {timeline.last_time}."
    if any(entry.order_basis == "undetermined" for entry in timeline.entries):
        yield "A `~` before a time: the stamps leave open which of it and its neighbours came first."
    yield f"Merkle root over the full order (RFC 6962): `{timeline.merkle_root}`"


def _kinds(timeline: Timeline) -> str:
    counts = [
        f"{markdown(kind)} {count.shown:,} of {count.total:,}" for kind, count in timeline.kinds.items()
    ]
    return ", ".join(counts) or "there are none"


def _body(timeline: Timeline) -> Iterator[str]:
    for day, entries in groupby(timeline.entries, key=_day):
        yield ""
        yield f"## {day}"
        yield ""
        yield from (_line(entry) for entry in entries)


def _day(entry: TimelineEntry) -> str:
    return entry.time[:10] if entry.time else "Without a time"


def _line(entry: TimelineEntry) -> str:
    where = markdown(entry.service) + ": " if entry.service else ""
    notes = [entry.why_key]
    if entry.time_basis in _ASSUMED:
        notes.append(_ASSUMED[entry.time_basis])
    if entry.members:
        notes.append(f"told {len(entry.members) + 1} times")
    said = entry.message if len(entry.message) <= MAX_LINE else entry.message[: MAX_LINE - 1] + "…"
    return (
        f"- {_clock(entry)}**{markdown(entry.type)}** {where}{markdown(said)} "
        f"[{_place(entry)}] *({'; '.join(map(markdown, notes))})*"
    )


def _clock(entry: TimelineEntry) -> str:
    if entry.time is None:
        return ""
    mark = "~" if entry.order_basis == "undetermined" else ""
    return f"{mark}{entry.time[:_MILLIS_END].rstrip('Z')[11:]} UTC - "


def _place(entry: TimelineEntry) -> str:
    at = entry.artifact
    if at.json_pointer and at.line is None:
        return markdown(f"{at.uri}#{at.json_pointer}")
    return markdown(f"{at.uri}:{at.line}" if at.line is not None else at.uri)
