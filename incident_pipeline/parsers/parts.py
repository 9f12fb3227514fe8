"""Parse one part of a stream: as columns where the format's records look alike, else row by row.

Both give the same rows. What columns can't take goes through the format's own `parse`, each line alone,
and is put back in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from incident_pipeline.parsers.access_columns import access_columns
from incident_pipeline.parsers.json_log_columns import json_log_columns
from incident_pipeline.parsers.jsontext import is_json, lines
from incident_pipeline.parsers.otlp_columns import otlp_columns
from incident_pipeline.parsers.part import Part
from incident_pipeline.parsers.syslog_columns import syslog_columns
from incident_pipeline.parsers.table import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.parsers.columns import Bulk
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.sink import MemorySink

    Left = list[tuple[int, int, int]]
    Columns = Callable[[bytes, Rows], tuple[Bulk | None, Left]]

COLUMNS: Final[dict[str, Columns]] = {
    "access_log": access_columns,
    "json_lines": json_log_columns,
    "otlp_json": otlp_columns,
    "syslog": syslog_columns,
}
"""Formats that can be read as columns; each gives its rows, and the lines that it leaves to `parse`."""
_WORTH: Final = 32_768
"""Smaller parts are read row by row: the columns would cost more than they save."""


def parse_part(parser: Format, part: Part, rows: Rows, *, worth: int = _WORTH) -> None:
    """Parse a part of a stream; parts are given in order."""
    rows.begin(part)
    columns = COLUMNS.get(parser.id) if len(part.data) >= worth and part.places is None else None
    if columns is not None and parser.splitting == "json" and _spans_lines(part.data):
        columns = None
    if columns is None:
        parser.parse(part.data, rows)
        return
    with rows.aside() as held:
        bulk, left = columns(part.data, rows)
        if bulk is not None:
            rows.bulk(bulk)
        for start, end, number in left:
            # With the line end before it, since a mark of byte order is one at the head of a stream only.
            at = max(start - 1, 0)
            rows.begin(Part(part.data[at:end], part.offset + at, part.line + number - (start > at)))
            parser.parse(part.data[at:end], rows)
        rows.flush(rejects=False)
        if bulk is not None and left:
            _put_in_order(held, part.offset, left)


def _spans_lines(data: bytes) -> bool:
    """Tell whether the first document goes over many lines, as `jsontext.documents` sees it."""
    start, end = next(lines(data), (0, 0))
    return data[start : start + 1] in (b"{", b"[") and not is_json(data[start:end])


def _put_in_order(held: MemorySink, offset: int, left: Left) -> None:
    """Put the rows of lines that were read alone where they belong among the others."""
    events = held.table("events").combine_chunks()
    if not events.num_rows:
        return
    starts = events.column("byte_start").to_numpy() - offset
    # All rows of a line stay together, in the order in which they were read.
    lines = np.array([start for start, _, _ in left])
    ends = np.array([end for _, end, _ in left])
    within = np.searchsorted(lines, starts, side="right") - 1
    alone = (within >= 0) & (starts < ends[within])
    order = np.argsort(np.where(alone, lines[within], starts), kind="stable")
    if (np.diff(order) == 1).all():
        return
    held.put("events", pa.table(events, schema=EVENTS).take(pa.array(order)).to_batches())
