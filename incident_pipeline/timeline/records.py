"""One row of the timeline as other tools take it: plain columns, exact times, and the place in the evidence.

The columns are ours; how a format spells them is the business of `timesketch`, `spreadsheet` and `exports`.
Nanoseconds are written as text: they exceed what a JavaScript number holds (2^53), and would be rounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.order import RESOLVED_STATES, UNIT_NS
from incident_pipeline.timeline.wording import MAX_MESSAGE, message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from incident_pipeline.model.timeline import TimelineEntry
    from incident_pipeline.timeline.stored import Row

COLUMNS: Final = (
    "position", "time", "time_ns", "time_end_ns", "time_raw", "time_precision", "time_basis",
    "interval_low_ns", "interval_high_ns", "order_basis", "kind", "message", "source", "service", "host",
    "actor", "severity", "trace_id", "span_id", "parent_span_id", "event_id", "merged_into", "merge_rule",
    "key_rule", "key_why", "key_marker", "artifact_uri", "artifact_sha256", "line", "byte_start",
    "byte_end", "json_pointer", "attributes",
)  # fmt: skip
"""Columns of a row, in the order of a spreadsheet. `time` is RFC 3339 in UTC, as fine as it was stamped."""

_WHOLE: Final = 1 << 31
_FAILED: Final = ("status.code", "error")
_STAMPS: Final = {
    Kind.SPAN.value: "Start of span",
    Kind.ALERT.value: "Start of alert",
    Kind.CHANGE.value: "Time of change",
    Kind.CHAT.value: "Message posted",
    Kind.TRANSCRIPT.value: "Words spoken",
    Kind.TICKET.value: "Ticket entry written",
    Kind.RUNBOOK_STEP.value: "Step taken",
    Kind.OBJECT_STATE.value: "State observed",
}


@dataclass(frozen=True)
class Record:
    """A row: its values by column, and what kind of time it has in words."""

    values: dict[str, Any]
    time_ns: int | None
    time_desc: str


def records(rows: Iterable[Row], entries: Iterable[TimelineEntry]) -> Iterator[Record]:
    """Give the rows of the order as records; those of key entries say why they are.

    Args:
        rows: rows of `StoredOrder`.
        entries: the key entries of the same timeline.
    """
    key = {entry.hash: entry for entry in entries}
    for row in rows:
        yield _record(row, key.get(row["event_id"]))


def full_message(row: Row, entry: TimelineEntry | None) -> str:
    """Give the line for a row as the key entries have it, but whole."""
    if entry is not None and len(entry.message) < MAX_MESSAGE:
        return entry.message
    name, bad = _FAILED
    failed = row["kind"] == Kind.SPAN and row["attributes"].get(name, "").lower() == bad
    return message_of(row, failed=failed, limit=_WHOLE)


def stamp(row: Row) -> str | None:
    """Give the time of a row as RFC 3339 in UTC, no finer than it was stamped."""
    if row["time_ns"] is None:
        return None
    return rfc3339(row["time_ns"], UNIT_NS.get(row["time_precision"], UNIT_NS["s"]))


def is_resolution(row: Row) -> bool:
    """Say whether a row is an alert that ended, which stands where it did."""
    attributes: Mapping[str, str] = row["attributes"]
    state = attributes.get("status") or attributes.get("state") or ""
    return row["kind"] == Kind.ALERT and state.lower() in RESOLVED_STATES and row["end_time_ns"] is not None


def _record(row: Row, entry: TimelineEntry | None) -> Record:
    values = dict(row)
    values |= {
        "time": stamp(row),
        "time_ns": _text(row["time_ns"]),
        "time_end_ns": _text(row["end_time_ns"]),
        "interval_low_ns": _text(row["interval_low_ns"]),
        "interval_high_ns": _text(row["interval_high_ns"]),
        "message": full_message(row, entry),
        "merge_rule": row["rule"],
        "key_rule": entry.rule if entry else None,
        "key_why": entry.why_key if entry else None,
        "key_marker": entry.marker if entry else None,
        # One column: thousands of names as columns of their own would break every tool's index.
        "attributes": json.dumps(row["attributes"], ensure_ascii=False, sort_keys=True)
        if row["attributes"]
        else None,
    }
    desc = "End of alert" if is_resolution(row) else _STAMPS.get(row["kind"], "Time of record")
    return Record({name: values[name] for name in COLUMNS}, row["time_ns"], desc)


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
