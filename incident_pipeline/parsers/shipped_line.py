"""A line that a log back end stored, as a row: what the back end says of it, and what it says of itself.

The back end's time holds, and its labels keep their names; what the line says otherwise is kept under
`line.`. The line's own level and ids are nearer to the program that wrote it, so they come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.inner import read_line
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.timestamps import Stamp, Zone


class Envelope(NamedTuple):
    """What a back end says of a line: its time, level, origin and ids, and the rest as attributes."""

    attributes: Mapping[str, str]
    stamp: Stamp = UNKNOWN
    service: str | None = None
    host: str | None = None
    level: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


def shipped_line(
    line: str,
    envelope: Envelope,
    zone: Zone | None,
    start: int,
    end: int,
    pointer: str | None,
    *,
    is_packed: bool = False,
) -> Event:
    """Give the row of a stored line whose record stands at these bytes.

    Of a packed record the bytes say nothing to people, so its message is the whole line.
    """
    inner = read_line(line, zone)
    attributes = dict(envelope.attributes)
    for key, value in inner.attributes.items():
        if attributes.setdefault(key, value) != value:
            attributes[f"line.{key}"] = value
    stamp = envelope.stamp
    if stamp.time_ns is None and inner.stamp.time_ns is not None:
        stamp = inner.stamp
    elif inner.stamp.raw is not None and inner.stamp.raw != stamp.raw:
        attributes["line.time"] = inner.stamp.raw
    level = inner.severity_raw or envelope.level
    if envelope.level and envelope.level != level:
        attributes["level"] = envelope.level
    severity = inner.severity if inner.severity is not None else severity_of(envelope.level)
    if inner.service and envelope.service and inner.service != envelope.service:
        attributes["line.service"] = inner.service
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=line if is_packed else inner.message,
        attributes=attributes,
        stamp=stamp,
        service=envelope.service or inner.service,
        host=envelope.host or inner.host,
        severity=severity,
        severity_raw=level,
        trace_id=inner.trace_id or envelope.trace_id,
        span_id=inner.span_id or envelope.span_id,
        pointer=pointer,
    )
