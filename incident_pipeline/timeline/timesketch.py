"""Rows of the timeline in the notation of Timesketch: one JSON object per line, each with a time.

Timesketch wants `message`, `datetime` (ISO 8601), `timestamp` (microseconds) and `timestamp_desc`; the rest
are columns of ours. Its times end at microseconds, so `time_ns` keeps the exact one. A row without a time
can't stand there, and it borrows none: whoever writes the file counts it as left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.serialise import compact_json
from incident_pipeline.timeline.moments import rfc3339

if TYPE_CHECKING:
    from incident_pipeline.timeline.records import Record

_MICROSECOND: Final = 1_000
_LABELS: Final = {"key_rule": "key-entry", "merged_into": "merged"}


def timesketch_line(record: Record) -> bytes | None:
    """Give a record as one line with its line end, None where it has no time."""
    if record.time_ns is None:
        return None
    values = {name: value for name, value in record.values.items() if value is not None}
    # Timesketch counts a field called `time` among its own in some importers.
    values.pop("time", None)
    labels = [label for name, label in _LABELS.items() if name in values]
    if values["order_basis"] == "undetermined":
        labels.append("order-undetermined")
    return (
        compact_json(
            values
            | {
                "datetime": rfc3339(record.time_ns, _MICROSECOND).removesuffix("Z") + "+00:00",
                "timestamp": record.time_ns // _MICROSECOND,
                "timestamp_desc": record.time_desc,
                "data_type": f"incident_pipeline:{values['kind']}",
                "tag": labels,
            }
        )
        + b"\n"
    )
