"""Tell the timeline as Markdown text: one line per key entry, grouped by UTC day.

The notation is that of postmortems: `HH:MM:SS.mmm UTC - event [artifact:line]`; for readers of another zone
their wall clock comes first and UTC stays beside it. The head says how many events of how many are
shown, so that nobody takes a selection for the whole (SOLVE-IT DFT-1299).
Everything from the evidence goes through `plain_text`.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import TimeBasis
from incident_pipeline.timeline.plain_text import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.model.timeline import Moment, Timeline, TimelineEntry
    from incident_pipeline.timeline.wall_clock import WallClock

MAX_LINE: Final = 220
"""Characters of an entry's message in the text; `timeline.json` holds more of it."""

_SECOND: Final = 1_000_000_000
_MILLIS_END: Final = 23
"""Length of `2026-11-23T08:00:00.123`: finer digits stay in `timeline.json`."""

_ASSUMED: Final = {
    TimeBasis.ASSUMED_ZONE.value: "zone assumed",
    TimeBasis.ASSUMED_YEAR.value: "year assumed",
    TimeBasis.ASSUMED_ZONE_AND_YEAR.value: "zone and year assumed",
    TimeBasis.RELATIVE.value: "time relative to the recording",
}


def narrative(timeline: Timeline, clock: WallClock | None = None) -> str:
    """Give the key entries as Markdown, in UTC, or on a wall clock with UTC beside it."""
    parts = [_head(timeline, clock), _course(timeline, clock), _body(timeline, clock), _said(timeline)]
    return "\n".join([*(line for part in parts for line in part), ""])


def _head(timeline: Timeline, clock: WallClock | None) -> Iterator[str]:
    yield f"# Timeline of {markdown(timeline.incident_id)}"
    yield ""
    yield f"{timeline.shown:,} of {timeline.total:,} events are shown: {_kinds(timeline)}."
    if timeline.crowded_out:
        yield f"{timeline.crowded_out:,} more were worth showing but found no room: {_crowded(timeline)}."
    if timeline.merged:
        yield f"{timeline.merged:,} repeat an event that another record tells; they stand with that event."
    if timeline.untimed:
        yield f"{timeline.untimed:,} have no time; they come last."
    if timeline.first_time and timeline.last_time:
        yield f"The evidence runs from {timeline.first_time} to {timeline.last_time}."
    if clock is not None:
        yield f"Times are those of {markdown(clock.name)}, with their offset; UTC stands beside them."
    if any(entry.order_basis == "undetermined" for entry in timeline.entries):
        yield "A `~` before a time: the stamps leave open which of it and its neighbours came first."
    yield f"Merkle root over the full order (RFC 6962): `{timeline.merkle_root}`"


def _crowded(timeline: Timeline) -> str:
    left = [
        f"{one.rule} {one.shown:,} of {one.found:,}" for one in timeline.selection if one.shown < one.found
    ]
    return ", ".join(left)


def _kinds(timeline: Timeline) -> str:
    counts = [
        f"{markdown(kind)} {count.shown:,} of {count.total:,}" for kind, count in timeline.kinds.items()
    ]
    return ", ".join(counts) or "there are none"


def _course(timeline: Timeline, clock: WallClock | None) -> Iterator[str]:
    """Tell the moments and the phases, with what each rests on."""
    known = [moment for moment in timeline.moments if moment.time is not None]
    if timeline.moments and not known:
        yield "None of the seven times of the incident can be told from the evidence."
    if known:
        yield from (
            "",
            "## Moments",
            "",
            f"| moment | time ({'UTC' if clock is None else 'UTC in brackets'}) | standing | rests on |",
            "|---|---|---|---|",
        )
        for one in timeline.moments:
            yield f"| {one.name} | {_moment_time(one, clock)} | {one.standing} | {_cell(one.basis)} |"
    if known and timeline.phases:
        yield from ("", "## Phases", "", "| phase | from | to | standing |", "|---|---|---|---|")
        for phase in timeline.phases:
            bounds = f"{_on(phase.start, clock)} | {_on(phase.end, clock)}"
            yield f"| {phase.name} | {bounds} | {phase.standing} |"


def _on(time: str | None, clock: WallClock | None) -> str:
    if time is None:
        return "unknown"
    return time if clock is None else f"{clock.full(time)} ({time})"


def _moment_time(moment: Moment, clock: WallClock | None) -> str:
    shown = _on(moment.time, clock)
    bounds = (moment.earliest_ns, moment.latest_ns)
    if moment.time_ns is None or None in bounds or bounds == (moment.time_ns, moment.time_ns):
        return shown
    low, high = (((bound or 0) - moment.time_ns) / _SECOND for bound in bounds)
    return f"{shown} ({low:+.1f} s to {high:+.1f} s)"


def _said(timeline: Timeline) -> Iterator[str]:
    """Tell what people stated, and what the record says of it."""
    if timeline.claims:
        yield from ("", "## What people said", "", "| statement | about | state | why |", "|---|---|---|---|")
        for claim in timeline.claims:
            about = _cell(claim.about) or "-"
            yield f"| {_cell(claim.text)} | {about} | {claim.state} | {_cell(claim.reason)} |"


def _cell(text: str) -> str:
    return markdown(text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…").replace("|", "\\|")


def _body(timeline: Timeline, clock: WallClock | None) -> Iterator[str]:
    for day, entries in groupby(timeline.entries, key=lambda entry: day_of(entry.time, clock)):
        yield from ("", f"## {day}", "")
        yield from (_line(entry, clock) for entry in entries)


def day_of(time: str | None, clock: WallClock | None) -> str:
    """Give the heading under which an event of this time stands."""
    if time is None:
        return "Without a time"
    return time[:10] if clock is None else clock.day(time)


def _line(entry: TimelineEntry, clock: WallClock | None) -> str:
    where = markdown(entry.service) + ": " if entry.service else ""
    notes = [entry.why_key]
    if entry.time_basis in _ASSUMED:
        notes.append(_ASSUMED[entry.time_basis])
    if entry.members:
        notes.append(f"told {len(entry.members) + 1} times")
    said = entry.message if len(entry.message) <= MAX_LINE else entry.message[: MAX_LINE - 1] + "…"
    time = time_of(entry.time, clock, undetermined=entry.order_basis == "undetermined")
    return (
        f"- {time}**{markdown(entry.type)}** {where}{markdown(said)} "
        f"[{_place(entry)}] *({'; '.join(map(markdown, notes))})*"
    )


def time_of(time: str | None, clock: WallClock | None, *, undetermined: bool) -> str:
    """Give the time that a line begins with, nothing where there is none; `~` marks an open order."""
    if time is None:
        return ""
    mark = "~" if undetermined else ""
    utc = f"{time[:_MILLIS_END].rstrip('Z')[11:]} UTC"
    return f"{mark}{utc} - " if clock is None else f"{mark}{clock.time(time)} ({utc}) - "


def _place(entry: TimelineEntry) -> str:
    at = entry.artifact
    if at.json_pointer and at.line is None:
        return markdown(f"{at.uri}#{at.json_pointer}")
    return markdown(f"{at.uri}:{at.line}" if at.line is not None else at.uri)
