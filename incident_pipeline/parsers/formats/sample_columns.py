"""Measurements held back as columns, so that lines of a few values each cost no call per value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from incident_pipeline.parsers.rows import Rows

_FLUSH: Final = 4_096


class SampleColumns:
    """Measurements of any series in source order; `flush` hands over the last of them."""

    def __init__(self, rows: Rows) -> None:
        """Hand over to these rows."""
        self.rows = rows
        self._columns: tuple[list[Any], ...] = tuple([] for _ in range(6))

    def add(
        self,
        key: str,
        time_ns: int | None,
        value: float | None,
        start: int,
        end: int,
        trace_id: str | None = None,
    ) -> None:
        """Take a measurement of the series `key`, with the trace of its exemplar."""
        keys, times, values, starts, ends, traces = self._columns
        keys.append(key)
        times.append(time_ns)
        values.append(value)
        starts.append(start)
        ends.append(end)
        traces.append(trace_id)
        if len(keys) >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Hand over what is held back."""
        if self._columns[0]:
            self.rows.measurements(*self._columns)
            self._columns = tuple([] for _ in range(6))
