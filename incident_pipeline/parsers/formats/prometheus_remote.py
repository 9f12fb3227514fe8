"""Prometheus remote write and remote read: protobuf messages, as sent in one block of snappy, or bare.

(https://prometheus.io/docs/specs/prw/remote_write_spec/, prompb/remote.proto and prompb/io/prometheus/
write/v2/types.proto.) A WriteRequest of version 1 and 2 (with its table of symbols) and a ReadResponse of
samples are read; times are milliseconds. Compressed messages leave no bytes that a row could point at, so
their rows point at the whole block. Native histograms give count and sum;
exemplars are the series `_exemplar`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import pyarrow as pa

from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.exposition_lines import service_of, trace_of
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.protobuf_wire import (
    BYTES,
    FIXED64,
    VARINT,
    Field,
    WireError,
    double,
    fields,
    signed,
    string,
    varint,
)
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_MAX_BLOCK: Final = 256 * 1024**2
"""No message is larger once decompressed: senders batch some thousand samples."""
_MAX_RATIO: Final = 32
"""Snappy's copies take 2 to 3 bytes for at most 64: nothing true grows more than that."""
_LOOK: Final = 4_096
_MS: Final = 10**6
_MAX_NS: Final = 2**63


class _Shape(NamedTuple):
    """Where a version keeps what: the field numbers of a TimeSeries."""

    name: str
    series: int
    samples: int
    exemplars: int
    histograms: int


class _Measure(NamedTuple):
    item: Field
    suffix: str
    value: float | None
    time_ms: int
    trace_id: str | None = None


_WRITE_1: Final = _Shape("write 1.0", 1, 2, 3, 4)
_WRITE_2: Final = _Shape("write 2.0", 5, 2, 4, 3)
_SYMBOLS: Final = 4
_METADATA: Final = 3


class PrometheusRemote(Format):
    """The parser of remote-write requests and remote-read answers."""

    id = "prometheus_remote"
    aliases = ("prometheus_remote_write", "prometheus_remote_read", "remote_write", "remote_read")
    title = "Prometheus remote write and remote read"
    spec = "https://prometheus.io/docs/specs/prw/remote_write_spec/"
    binary: ClassVar[bool] = True

    def score(self, sample: Sample) -> float:
        """Recognise series of labels, in the message or in the beginning of its block of snappy."""
        if _kind_of(sample.head, is_head=sample.truncated) is not None:
            return 0.96
        if _block_size(sample.head) is None:
            return 0.0
        found = _decompress(sample.head) if not sample.truncated else None
        if found is None:
            found = _beginning(sample.head, _LOOK)
            return 0.94 if _kind_of(found, is_head=True) is not None else 0.0
        return 0.96 if _kind_of(found, is_head=False) is not None else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read the message."""
        if _kind_of(data, is_head=True) is not None:
            _Message(data, rows, None).read()
            return
        inner = _decompress(data)
        if inner is None or _kind_of(inner, is_head=True) is None:
            rows.reject(
                0, len(data), "neither a remote-write request nor a remote-read answer, nor a block of snappy"
            )
            return
        rows.assume("the message is compressed: its rows point at all of it")
        _Message(inner, rows, (0, len(data))).read()


def _kind_of(data: bytes, *, is_head: bool) -> str | None:
    """Tell what a message is by the first series in it."""
    try:
        for field in fields(data, 0, len(data)):
            if field.wire != BYTES or (field.is_cut and (not is_head or field.number == _SYMBOLS)):
                return None
            if field.number == 1:
                return _series_or_result(data, field)
            if field.number == _WRITE_2.series:
                inner = _first(data, field)
                return "write 2.0" if inner is not None and (inner.number, inner.wire) == (1, BYTES) else None
            if field.number not in (_METADATA, _SYMBOLS):
                return None
    except WireError:
        return None
    return None


def _series_or_result(data: bytes, field: Field) -> str | None:
    """Tell a series from a query's result, whose first field is a series.

    Raises:
        WireError: it is neither.
    """
    if _is_series(data, field):
        return "write 1.0"
    inner = _first(data, field)
    # An OTLP resource has the shape of a series without samples, so one is needed here.
    if inner is not None and _is_series(data, inner) and _has_sample(data, inner):
        return "read"
    return None


def _first(data: bytes, field: Field) -> Field | None:
    return next(fields(data, field.start, field.end), None)


def _is_series(data: bytes, field: Field) -> bool:
    """Tell whether a message begins with a label: a name of printable characters, and a value."""
    label = _first(data, field)
    if label is None or (field.number, field.wire, label.number, label.wire) != (1, BYTES, 1, BYTES):
        return False
    try:
        found = list(fields(data, label.start, label.end))
    except WireError:
        return False
    if [(item.number, item.wire) for item in found] != [(1, BYTES), (2, BYTES)] or found[0].is_cut:
        return False
    name = data[found[0].start : found[0].end]
    return bool(name) and name.isascii() and name.decode("ascii").isprintable()


def _has_sample(data: bytes, field: Field) -> bool:
    for item in fields(data, field.start, field.end):
        if item.number != 1:
            inner = _first(data, item) if item.wire == BYTES else None
            return inner is not None and (inner.number, inner.wire) in ((1, FIXED64), (2, VARINT))
    return False


class _Message:
    """A message while it is read; `place` is where its rows point, when not at their own bytes."""

    def __init__(self, data: bytes, rows: Rows, place: tuple[int, int] | None) -> None:
        self.data = data
        self.rows = rows
        self.place = place
        self.columns = SampleColumns(rows)
        self.symbols: list[str] = []

    def read(self) -> None:
        kind = _kind_of(self.data, is_head=True)
        try:
            if kind == "write 2.0":
                found = list(self._tolerant(0, len(self.data)))
                self.symbols = [string(self.data, item) for item in found if item.number == _SYMBOLS]
                for field in found:
                    self._series(field, _WRITE_2)
            elif kind == "write 1.0":
                for field in self._tolerant(0, len(self.data)):
                    self._series(field, _WRITE_1)
            else:
                for result in self._tolerant(0, len(self.data)):
                    for field in self._tolerant(result.start, result.end) if result.wire == BYTES else ():
                        self._series(field, _WRITE_1)
        finally:
            self.columns.flush()

    def _tolerant(self, start: int, end: int) -> Iterator[Field]:
        """Give the fields of a message up to where it breaks; what follows goes to quarantine."""
        try:
            yield from fields(self.data, start, end)
        except WireError as error:
            self._reject(error.at, end, f"no message: {error}")

    def _series(self, field: Field, shape: _Shape) -> None:
        if field.number != shape.series or field.wire != BYTES:
            if field.number not in (_METADATA, _SYMBOLS):
                self._reject(field.start, field.end, "a field that no message has")
            return
        if field.is_cut:
            self._reject(field.start, field.end, "a series that is cut off")
            return
        try:
            found = list(fields(self.data, field.start, field.end))
            labels = self._labels(found, shape)
            measures = list(self._measures(found, shape))
            measures += self._exemplars(found, shape)
        except WireError as error:
            self._reject(field.start, field.end, f"no series: {error}")
            return
        name = labels.pop("__name__", None)
        for item, suffix, value, time_ms, trace_id in measures:
            series = f"{name or ''}{suffix}"
            key = self.rows.series(
                series_id(self.rows.source.sha256, f"{series!r}{sorted(labels.items())}"),
                series or None,
                labels,
                service=service_of(labels),
            )
            start, end = self.place or _touched(item.start, item.end)
            self.columns.add(key, _nanos(time_ms), value, start, end, trace_id)

    def _labels(self, found: list[Field], shape: _Shape) -> dict[str, str]:
        if shape is _WRITE_2:
            return self._referenced(found)
        labels: dict[str, str] = {}
        for item in found:
            if item.number == 1 and item.wire == BYTES:
                key, value = self._label(item)
                labels[key] = value
        return labels

    def _label(self, item: Field) -> tuple[str, str]:
        parts = {part.number: string(self.data, part) for part in fields(self.data, item.start, item.end)
                 if part.wire == BYTES}  # fmt: skip
        return parts.get(1, ""), parts.get(2, "")

    def _referenced(self, found: list[Field]) -> dict[str, str]:
        """Read labels that are numbers of symbols, in turn name and value."""
        numbers: list[int] = []
        for item in found:
            if item.number != 1:
                continue
            if item.wire == VARINT:
                numbers.append(item.value)
            at = item.start
            while item.wire == BYTES and at < item.end:
                value, at = varint(self.data, at, item.end)
                numbers.append(value)
        if len(numbers) % 2 or any(value >= len(self.symbols) for value in numbers):
            raise WireError("labels that are no symbols", found[0].start)
        names = [self.symbols[value] for value in numbers]
        return dict(zip(names[::2], names[1::2], strict=True))

    def _measures(self, found: list[Field], shape: _Shape) -> Iterator[_Measure]:
        for item in found:
            if item.wire != BYTES or item.number not in (shape.samples, shape.histograms):
                continue
            if item.number == shape.samples:
                value, time_ms = self._sample(item, 1, 2)
                yield _Measure(item, "", value, time_ms)
            else:
                yield from self._histogram(item)

    def _sample(self, item: Field, value_number: int, time_number: int) -> tuple[float | None, int]:
        """Read a Sample: a double and a time; what is not on the wire is zero."""
        value, time_ms = 0.0, 0
        for part in fields(self.data, item.start, item.end):
            if part.number == value_number and part.wire == FIXED64:
                value = double(self.data, part)
            elif part.number == time_number and part.wire == VARINT:
                time_ms = signed(part.value)
        return (None if value != value else value), time_ms  # noqa: PLR0124 - NaN, stale markers among them

    def _histogram(self, item: Field) -> Iterator[_Measure]:
        """Read count (1, an integer; 2, a float), sum (3) and time (15) of a native histogram."""
        count: float = 0.0
        total: float = 0.0
        time_ms = 0
        for part in fields(self.data, item.start, item.end):
            if part.number == 1 and part.wire == VARINT:
                count = float(part.value)
            elif part.number == 2 and part.wire == FIXED64:  # noqa: PLR2004 - field numbers
                count = double(self.data, part)
            elif part.number == 3 and part.wire == FIXED64:  # noqa: PLR2004 - field numbers
                total = double(self.data, part)
            elif part.number == 15 and part.wire == VARINT:  # noqa: PLR2004 - field numbers
                time_ms = signed(part.value)
        for suffix, value in (("_count", count), ("_sum", total)):
            number = None if value != value else value  # noqa: PLR0124 - NaN
            yield _Measure(item, suffix, number, time_ms)

    def _exemplars(self, found: list[Field], shape: _Shape) -> Iterator[_Measure]:
        """Give exemplars: senders write them apart from the samples, so they are series of their own."""
        for item in found:
            if item.number != shape.exemplars or item.wire != BYTES:
                continue
            inner = list(fields(self.data, item.start, item.end))
            value, _ = self._sample(item, 2, 3)
            time_ms = next(
                (signed(part.value) for part in inner if (part.number, part.wire) == (3, VARINT)), 0
            )
            yield _Measure(item, "_exemplar", value, time_ms, trace_of(self._labels(inner, shape)))

    def _reject(self, start: int, end: int, reason: str) -> None:
        self.rows.reject(*(self.place or _touched(start, end)), reason)


def _touched(start: int, end: int) -> tuple[int, int]:
    """Give a range of at least one byte: of a message without content, the length before it."""
    return (start, end) if start < end else (max(start - 1, 0), max(start, 1))


def _nanos(time_ms: int | None) -> int | None:
    """Give milliseconds as nanoseconds; zero is unknown."""
    if not time_ms or not -_MAX_NS <= time_ms * _MS < _MAX_NS:
        return None
    return time_ms * _MS


def _block_size(data: bytes) -> tuple[int, int] | None:
    """Give the size that a block of snappy tells of its content, and where its body begins."""
    try:
        size, at = varint(data, 0, min(len(data), 10))
    except WireError:
        return None
    return (size, at) if 0 < size <= _MAX_BLOCK else None


def _decompress(data: bytes) -> bytes | None:
    """Decompress a block of snappy; None when it is none, or grows beyond belief."""
    told = _block_size(data)
    if told is None or told[0] > _MAX_RATIO * len(data):
        return None
    try:
        return bytes(pa.Codec("snappy").decompress(data, decompressed_size=told[0], asbytes=True))
    except (pa.ArrowInvalid, OSError):
        return None


def _beginning(data: bytes, wanted: int) -> bytes:
    """Decompress the beginning of a block whose end is not at hand.

    (https://github.com/google/snappy/blob/main/format_description.txt.) Elements are literals and copies
    of what was written before.
    """
    told = _block_size(data)
    out = bytearray()
    at = told[1] if told is not None else len(data)
    while at < len(data) and len(out) < wanted:
        tag = data[at]
        at += 1
        kind, size = tag & 3, tag >> 2
        if kind == 0:
            if size >= 60:  # noqa: PLR2004 - the size stands in the next 1 to 4 bytes
                extra = size - 59
                size = int.from_bytes(data[at : at + extra], "little")
                at += extra
            size += 1
            out += data[at : at + min(size, wanted)]
            at += size
            continue
        width = (1, 2, 4)[kind - 1]
        offset = int.from_bytes(data[at : at + width], "little")
        at += width
        if kind == 1:
            offset |= (tag >> 5) << 8
            size = (size & 7) + 3
        size += 1
        if not 0 < offset <= len(out):
            return b""
        for _ in range(size):
            out.append(out[-offset])
    return bytes(out)


FORMATS: Final[tuple[Format, ...]] = (PrometheusRemote(),)
