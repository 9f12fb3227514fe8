"""Collect the rows of one artifact and pass them on in batches, so that memory stays bounded.

Here and nowhere else rows get what does not depend on their format: line, event id, mask id, digest,
URI, and where the part of the stream that is being parsed lies in it. Parsers hand over rows in source
order: a row never starts before one that ended before it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import Clock
from incident_pipeline.parsers.masking import mask_ids
from incident_pipeline.parsers.part import Part
from incident_pipeline.parsers.sink import MemorySink
from incident_pipeline.parsers.table import EVENTS, QUARANTINE, SAMPLES, SERIES, event_ids
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from incident_pipeline.parsers.columns import Bulk
    from incident_pipeline.parsers.sink import Sink
    from incident_pipeline.parsers.source import Source
    from incident_pipeline.parsers.timestamps import Zone

_BATCH: Final = 4_096
_NEWLINE: Final = 10
Reject = tuple[int, int, str]
"""Bytes of the stream that went to quarantine, and why."""
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
        sink: Sink | None = None,
    ) -> None:
        """Collect for this artifact; `zone` holds for times without one.

        `data` is its decoded stream, or the first part of it; rows go to `sink`, by default into memory.
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
        self.rejects_count = 0
        self._sink: Sink = sink or MemorySink()
        self._pending: list[Event] = []
        self._ordinals: list[int] = []
        self._pending_samples: list[list[Any]] = [[] for _ in SAMPLES]
        self._series: dict[str, tuple[Any, ...]] = {}
        self._rejects: list[Reject] = []
        self._own_rejects: list[Reject] = []
        self._assumptions: dict[str, None] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._frontier = 0
        self._part = Part(data)
        self._earlier: list[tuple[int, Part]] = []
        self._marked = 0
        self._indexed: tuple[Part, NDArray[np.int64]] | None = None

    def begin(self, part: Part) -> None:
        """Say which part of the stream is parsed from now on; places of rows are relative to it."""
        self._mark()
        self._part = part
        self._frontier = 0
        self._seen.clear()

    @contextmanager
    def aside(self) -> Iterator[MemorySink]:
        """Keep rows in memory instead of passing them on, so that they can be put in order."""
        self.flush(rejects=False)
        held, sink = MemorySink(), self._sink
        self._sink = held
        try:
            yield held
            self.flush(rejects=False)
        finally:
            self._sink = sink
        held.pass_on(sink)

    def _mark(self) -> None:
        """Remember how many of the events held back are of the part that ends here."""
        count = len(self._pending) - self._marked
        if count:
            self._earlier.append((count, self._part))
            self._marked += count

    def event(self, event: Event) -> None:
        """Take an event."""
        start, end = event.start, event.end
        if start >= self._frontier:
            self._seen.clear()
        self._frontier = max(self._frontier, end)
        ordinal = self._seen.get((start, end), 0)
        self._seen[start, end] = ordinal + 1
        self._pending.append(event)
        self._ordinals.append(ordinal)
        if len(self._pending) >= _BATCH:
            self._flush_events()

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
        pending[4] += self._streamed(starts)
        pending[5] += self._streamed(ends)
        self.samples_count += len(times)
        self._widen([time for time in times if time is not None])
        if len(pending[0]) >= _BATCH:
            self._flush_samples()

    def measurements(
        self,
        series_ids: Sequence[str],
        times: Sequence[int | None],
        values: Sequence[float | None],
        starts: Sequence[int],
        ends: Sequence[int],
        exemplars: Sequence[str | None],
    ) -> None:
        """Take measurements of many series, one after the other: equally long columns in source order."""
        places = (self._streamed(starts), self._streamed(ends))
        for held, column in zip(
            self._pending_samples, (series_ids, times, values, exemplars, *places), strict=True
        ):
            held.extend(column)
        self.samples_count += len(times)
        self._widen([time for time in times if time is not None])
        if len(self._pending_samples[0]) >= _BATCH:
            self._flush_samples()

    def _streamed(self, at: Sequence[int]) -> Sequence[int]:
        """Give the places in the decoded stream of places in the part."""
        part = self._part
        if part.places is not None:
            places: list[int] = part.places[np.array(at, np.int64)].tolist()
            return places
        return [part.offset + place for place in at] if part.offset else at

    def reject(self, start: int, end: int, reason: str, *, own: bool = False) -> None:
        """Send bytes to quarantine; `own` says that they are a broken record of this format only."""
        if end > start:
            part = self._part
            place = (part.streamed_one(start), part.streamed_one(end), reason)
            (self._own_rejects if own else self._rejects).append(place)
            self.rejects_count += 1

    def assume(self, text: str) -> None:
        """Note something that was assumed while reading."""
        self._assumptions.setdefault(text)

    def take_rejects(self) -> list[Reject]:
        """Give what went to quarantine since the last flush, by place, to be looked at once more."""
        rejects = sorted(self._rejects)
        self._rejects.clear()
        self.rejects_count -= len(rejects)
        return rejects

    def put_reject(self, reject: Reject) -> None:
        """Send bytes to quarantine that were taken back before; places are those of the stream."""
        self._rejects.append(reject)
        self.rejects_count += 1

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed, in the order it came up."""
        return tuple(self._assumptions)

    @property
    def handed_over(self) -> int:
        """How many events, measurements and rejects were taken so far, written or not."""
        return self.events_count + len(self._pending) + self.samples_count + self.rejects_count

    @property
    def series_count(self) -> int:
        """How many series there are."""
        return len(self._series)

    def flush(self, *, rejects: bool = True) -> None:
        """Pass on what is held back; what went to quarantine, if wanted, goes in the order of its place."""
        self._flush_events()
        self._flush_samples()
        if rejects:
            self._flush_rejects()

    def _flush_rejects(self) -> None:
        rejects = [(self.source.sha256, *reject) for reject in sorted(self._rejects + self._own_rejects)]
        self._rejects.clear()
        self._own_rejects.clear()
        if rejects:
            self._sink.take("quarantine", _batch(rejects, QUARANTINE))

    def finish(self) -> None:
        """Pass on everything, the series too; nothing may be added after that."""
        self.flush()
        if self._series:
            self._sink.take("series", _batch(list(self._series.values()), SERIES))

    def _flush_samples(self) -> None:
        if self._pending_samples[0]:
            columns = [
                pa.array(column, field.type, from_pandas=False)
                for column, field in zip(self._pending_samples, SAMPLES, strict=True)
            ]
            self._sink.take("samples", pa.record_batch(columns, schema=SAMPLES))
            self._pending_samples = [[] for _ in SAMPLES]

    def _widen(self, times: Sequence[int]) -> None:
        if not times:
            return
        low, high = min(times), max(times)
        self.first_ns = low if self.first_ns is None else min(self.first_ns, low)
        self.last_ns = high if self.last_ns is None else max(self.last_ns, high)

    def _flush_events(self) -> None:
        if not self._pending:
            return
        self._mark()
        events, ordinals = self._pending, np.array(self._ordinals, np.int64)
        earlier = self._earlier
        self._pending, self._ordinals, self._earlier, self._marked = [], [], [], 0
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
        begins, stops = np.array(starts, np.int64), np.array(ends, np.int64)
        lines = np.empty(count, np.int64)
        at = 0
        for number, part in earlier:
            own = slice(at, at + number)
            lines[own] = self._lines_of(part, begins[own])
            begins[own] = part.streamed(begins[own])
            stops[own] = part.streamed(stops[own])
            at += number
        columns = [
            event_ids(self.source.sha256, begins, stops, ordinals),
            pa.array(times, pa.int64()), pa.array(end_times, pa.int64()),
            pa.array(raws, text), pa.array(precisions, text), pa.array(bases, text), pa.array(kinds, text),
            _constant(self.source.source or None, count), pa.array(services, text), pa.array(hosts, text),
            pa.array(actors, text), pa.array(severities, pa.int8()), pa.array(severities_raw, text), message,
            pa.array(trace_ids, text), pa.array(span_ids, text), pa.array(parents, text), _maps(attributes),
            _constant(self.source.sha256, count), _constant(self.source.uri, count),
            pa.array(lines), pa.array(begins), pa.array(stops),
            pa.array(pointers, text), _masks(message, kinds),
        ]  # fmt: skip
        self._sink.take("events", pa.record_batch(columns, schema=EVENTS))

    def _lines_of(self, part: Part, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the lines of the stream, from 1, in which bytes of a part stand."""
        if len(places) == 1:
            return np.array([part.data.count(b"\n", 0, int(places[0])) + part.line])
        if self._indexed is None or self._indexed[0] is not part:
            newlines = np.flatnonzero(np.frombuffer(part.data, np.uint8) == _NEWLINE)
            self._indexed = (part, newlines)
        return np.searchsorted(self._indexed[1], places) + part.line

    def bulk(self, bulk: Bulk) -> None:
        """Take events as columns, each with a byte range of its own, in source order."""
        self._flush_events()
        part, source = self._part, self.source
        count = len(bulk.starts)
        begins, stops = part.streamed(bulk.starts), part.streamed(bulk.ends)
        self.events_count += count
        self.untimed_count += bulk.time_ns.null_count
        if bulk.time_ns.null_count < count:
            found = pc.min_max(bulk.time_ns).as_py()
            self._widen((found["min"], found["max"]))
        text, nothing = pa.string(), pa.nulls(count, pa.string())
        columns = [
            event_ids(source.sha256, begins, stops, np.zeros(count, np.int64)),
            bulk.time_ns, pa.nulls(count, pa.int64()), bulk.time_raw, bulk.time_precision, bulk.time_basis,
            pa.repeat(pa.scalar(bulk.kind, text), count), _constant(source.source or None, count),
            bulk.service or nothing, bulk.host or nothing, bulk.actor or nothing,
            bulk.severity or pa.nulls(count, pa.int8()), bulk.severity_raw or nothing, bulk.message,
            bulk.trace_id or nothing, bulk.span_id or nothing, nothing, bulk.attributes,
            _constant(source.sha256, count), _constant(source.uri, count), pa.array(bulk.lines + part.line),
            pa.array(begins), pa.array(stops), bulk.pointer or nothing,
            mask_ids(bulk.message) if bulk.kind in _MASKED else nothing,
        ]  # fmt: skip
        self._sink.take("events", pa.record_batch(columns, schema=EVENTS))


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


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
