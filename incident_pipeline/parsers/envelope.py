"""Put the line an application wrote into the envelope of what collected it: container, shipper, journal.

The envelope's time holds; the line's own stays in the attribute `inner.time`, and holds where the envelope
has none. What the envelope says of service and host holds before what the line says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.inner import read_line
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_MAX_PARTIAL: Final = 4 * 1024**2
"""A line in pieces takes no more than this many characters; what follows is a row of its own."""
_MAX_HELD: Final = 20_000
"""So many rows wait for a line in pieces to end; then it is taken as it is."""


def wrapped(
    rows: Rows,
    start: int,
    end: int,
    text: str,
    stamp: Stamp,
    attributes: dict[str, str],
    *,
    service: str | None = None,
    host: str | None = None,
    severity: int | None = None,
    severity_raw: str | None = None,
    pointer: str | None = None,
) -> Event:
    """Give the event of a line `text` that lies in an envelope with this time and these attributes."""
    inner = read_line(text, rows.zone)
    for name, value in inner.attributes.items():
        attributes[f"inner.{name}" if name in attributes else name] = value
    raw = inner.stamp.raw
    if stamp.time_ns is None and inner.stamp.time_ns is not None:
        stamp = inner.stamp
    elif raw:
        attributes["inner.time"] = raw
    _keep(attributes, "inner.service", inner.service if service else None)
    _keep(attributes, "inner.host", inner.host if host else None)
    if inner.severity_raw is not None and inner.severity is not None:
        if severity_raw is not None:
            attributes["envelope.severity"] = severity_raw
        severity, severity_raw = inner.severity, inner.severity_raw
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=inner.message,
        attributes=attributes,
        stamp=stamp,
        service=service or inner.service,
        host=host or inner.host,
        severity=severity,
        severity_raw=severity_raw,
        trace_id=inner.trace_id,
        span_id=inner.span_id,
        pointer=pointer,
    )


class Pieces:
    """Join the pieces of lines that a runtime cut, per stream, and hand rows over in source order.

    A row whose line was in pieces spans from its first piece to its last; rows of other streams that lie
    between wait for it.
    """

    def __init__(self, rows: Rows) -> None:
        """Collect for these rows."""
        self._rows = rows
        self._open: dict[str, tuple[int, int, list[str], int, Callable[[int, int, str, bool], Event]]] = {}
        self._held: list[Event] = []

    def take(
        self,
        stream: str,
        start: int,
        end: int,
        text: str,
        *,
        whole: bool,
        event: Callable[[int, int, str, bool], Event],
    ) -> None:
        """Take a piece; `event` makes the row of the joined text (start, end, text, cut off)."""
        held = self._open.get(stream)
        if held is not None:
            first, _, texts, size, make = held
            texts.append(text)
            size += len(text)
            if whole or size > _MAX_PARTIAL:
                del self._open[stream]
                self._held.append(make(first, end, "".join(texts), not whole))
                self._settle()
            else:
                self._open[stream] = (first, end, texts, size, make)
            return
        if not whole:
            self._open[stream] = (start, end, [text], len(text), event)
            return
        row = event(start, end, text, False)
        if not self._open:
            self._rows.event(row)
            return
        self._held.append(row)
        if len(self._held) > _MAX_HELD:
            self.finish()

    def finish(self) -> None:
        """Hand over what is still open, as cut off."""
        for start, end, texts, _, make in self._open.values():
            self._held.append(make(start, end, "".join(texts), True))
        self._open.clear()
        self._settle()

    def _settle(self) -> None:
        if not self._open:
            for row in sorted(self._held, key=lambda row: (row.start, row.end)):
                self._rows.event(row)
            self._held.clear()


def _keep(attributes: dict[str, str], name: str, value: str | None) -> None:
    if value:
        attributes[name] = value
