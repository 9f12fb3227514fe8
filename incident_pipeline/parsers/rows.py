"""Collect the rows of one artifact and turn them into tables in batches, so that memory stays bounded.

Here and nowhere else rows get what does not depend on their format: line, event id, mask id, digest,
URI. Parsers hand over rows in source order: a row never starts before one that ended before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.masking import mask_ids
from incident_pipeline.parsers.table import EVENTS, QUARANTINE, SAMPLES, SERIES, event_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_pipeline.parsers.source import Source
    from incident_pipeline.parsers.timestamps import Zone

_BATCH: Final = 4_096
_MASKED: Final = (Kind.LOG, Kind.SPAN_EVENT)


class Event(NamedTuple):
    """One row of the event table as a parser gives it; bytes count in the decoded stream."""

    start: int
    end: int
    kind: str
    message: str | None
    attributes: Mapping[str, str]
    stamp: Stamp = UNKNOWN
    end_ns: int | None = None
    service: str | None = None
    host: str | None = None
    actor: str | None = None
    severity: int | None = None
    severity_raw: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    pointer: str | None = None


class Rows:
    """The rows of one artifact while it is parsed."""

    def __init__(
        self,
        source: Source,
        data: bytes,
        zone: Zone | None = None,
        *,
        clock: Clock | None = None,
        anchor: int | None = None,
    ) -> None:
        """Collect for this artifact; `data` is its decoded stream, `zone` holds for times without one.

        `clock` reads times from patterns and knows the year of lines that name none; `anchor` is the
        UTC nanosecond that relative times (cues, ages) count from. `state` is the format's own: what
        must outlive a part of a stream that is parsed in parts.
        """
        self.source = source
        self.zone = zone
        self.clock = clock or Clock(zone)
        self.anchor = anchor
        self.state: dict[str, Any] = {}
        self.events_count = 0
        self.untimed_count = 0
        self.samples_count = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._data = data
        self._pending: list[Event] = []
        self._ids: list[str] = []
        self._lines: list[int] = []
        self._event_batches: list[pa.RecordBatch] = []
        self._sample_batches: list[pa.RecordBatch] = []
        self._pending_samples: list[list[Any]] = [[] for _ in SAMPLES]
        self._series: dict[str, tuple[Any, ...]] = {}
        self._rejects: list[tuple[int, int, str]] = []
        self._assumptions: dict[str, None] = {}
        self._ordinals: dict[tuple[int, int], int] = {}
        self._frontier = 0
        self._line = 1
        self._line_at = 0

    def event(self, event: Event) -> None:
        """Take an event."""
        start, end = event.start, event.end
        if start >= self._frontier:
            self._ordinals.clear()
        self._frontier = max(self._frontier, end)
        ordinal = self._ordinals.get((start, end), 0)
        self._ordinals[start, end] = ordinal + 1
        self._pending.append(event)
        self._ids.append(event_id(self.source.sha256, start, end, ordinal))
        self._lines.append(self._line_of(start))
        if len(self._pending) >= _BATCH:
            self._flush()

    def series(
        self,
        series_id: str,
        name: str | None,
        labels: Mapping[str, str],
        *,
        unit: str | None = None,
        service: str | None = None,
        pointer: str | None = None,
    ) -> str:
        """Take a series unless it is there already, and give its id."""
        if series_id not in self._series:
            row = (series_id, name, sorted(labels.items()), unit, service,
                   self.source.sha256, self.source.uri, pointer)  # fmt: skip
            self._series[series_id] = row
        return series_id

    def samples(
        self,
        series_id: str,
        times: Sequence[int | None],
        values: Sequence[float | None],
        starts: Sequence[int],
        ends: Sequence[int],
        exemplars: Sequence[str | None] | None = None,
    ) -> None:
        """Take measurements of one series: equally long columns in source order."""
        pending = self._pending_samples
        pending[0] += [series_id] * len(times)
        pending[1] += times
        pending[2] += values
        pending[3] += exemplars or [None] * len(times)
        pending[4] += starts
        pending[5] += ends
        self.samples_count += len(times)
        self._widen([time for time in times if time is not None])
        if len(pending[0]) >= _BATCH:
            self._flush_samples()

    def reject(self, start: int, end: int, reason: str) -> None:
        """Send bytes to quarantine."""
        if end > start:
            self._rejects.append((start, end, reason))

    def assume(self, text: str) -> None:
        """Note something that was assumed while reading."""
        self._assumptions.setdefault(text)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed, in the order it came up."""
        return tuple(self._assumptions)

    @property
    def series_count(self) -> int:
        """How many series there are."""
        return len(self._series)

    @property
    def rejects_count(self) -> int:
        """How many ranges went to quarantine."""
        return len(self._rejects)

    def events_table(self) -> pa.Table:
        """Give the events, in the order they were taken."""
        self._flush()
        return pa.Table.from_batches(self._event_batches, schema=EVENTS)

    def samples_table(self) -> pa.Table:
        """Give the measurements."""
        self._flush_samples()
        return pa.Table.from_batches(self._sample_batches, schema=SAMPLES)

    def series_table(self) -> pa.Table:
        """Give the series."""
        return _table(list(self._series.values()), SERIES)

    def quarantine_table(self) -> pa.Table:
        """Give what went to quarantine, by place."""
        return _table([(self.source.sha256, *reject) for reject in sorted(self._rejects)], QUARANTINE)

    def _flush_samples(self) -> None:
        if self._pending_samples[0]:
            columns = [
                pa.array(column, field.type, from_pandas=False)
                for column, field in zip(self._pending_samples, SAMPLES, strict=True)
            ]
            self._sample_batches.append(pa.record_batch(columns, schema=SAMPLES))
            self._pending_samples = [[] for _ in SAMPLES]

    def _line_of(self, start: int) -> int:
        if start < self._line_at:
            self._line, self._line_at = 1, 0
        self._line += self._data.count(b"\n", self._line_at, start)
        self._line_at = start
        return self._line

    def _widen(self, times: Sequence[int]) -> None:
        if not times:
            return
        low, high = min(times), max(times)
        self.first_ns = low if self.first_ns is None else min(self.first_ns, low)
        self.last_ns = high if self.last_ns is None else max(self.last_ns, high)

    def _flush(self) -> None:
        if not self._pending:
            return
        events, ids, line_numbers = self._pending, self._ids, self._lines
        self._pending, self._ids, self._lines = [], [], []
        (starts, ends, kinds, messages, attributes, stamps, end_times, services, hosts, actors, severities,
         severities_raw, trace_ids, span_ids, parents, pointers) = zip(*events, strict=True)  # fmt: skip
        times, precisions, bases, raws = zip(*stamps, strict=True)
        known = [time for time in times if time is not None]
        self.events_count += len(times)
        self.untimed_count += len(times) - len(known)
        self._widen(known)
        count = len(times)
        text = pa.string()
        message = pa.array(messages, text)
        columns = [
            pa.array(ids, text), pa.array(times, pa.int64()), pa.array(end_times, pa.int64()),
            pa.array(raws, text), pa.array(precisions, text), pa.array(bases, text), pa.array(kinds, text),
            _constant(self.source.source or None, count), pa.array(services, text), pa.array(hosts, text),
            pa.array(actors, text), pa.array(severities, pa.int8()), pa.array(severities_raw, text), message,
            pa.array(trace_ids, text), pa.array(span_ids, text), pa.array(parents, text), _maps(attributes),
            _constant(self.source.sha256, count), _constant(self.source.uri, count),
            pa.array(line_numbers, pa.int64()), pa.array(starts, pa.int64()), pa.array(ends, pa.int64()),
            pa.array(pointers, text), _masks(message, kinds),
        ]  # fmt: skip
        self._event_batches.append(pa.record_batch(columns, schema=EVENTS))


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _constant(value: str | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), count)


def _maps(attributes: tuple[Mapping[str, str], ...]) -> pa.Array:
    """Build the map column from flat key and value lists: far quicker than from lists of pairs."""
    keys: list[str] = []
    values: list[str] = []
    offsets = [0]
    for mapping in attributes:
        names = sorted(mapping)
        keys += names
        values += [mapping[name] for name in names]
        offsets.append(len(keys))
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(keys, pa.string()), pa.array(values, pa.string())
    )


def _masks(messages: pa.Array, kinds: tuple[str, ...]) -> pa.Array:
    wanted = pa.array([kind in _MASKED for kind in kinds], pa.bool_())
    return mask_ids(pc.if_else(wanted, messages, pa.scalar(None, pa.string())))
