"""Messages of OTLP in protobuf as the structures that OTLP/JSON is read into, so that rows are made once.

Field numbers are those of opentelemetry-proto 1.x (common, resource, trace, logs and metrics).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_pipeline.parsers.formats.otlp_structs import (
    AnyValue,
    Buckets,
    Exemplar,
    KeyValue,
    Link,
    LogRecord,
    Metric,
    Point,
    Quantile,
    Scope,
    Span,
    SpanEvent,
    Status,
)
from incident_pipeline.parsers.protobuf_wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Field,
    WireError,
    double,
    fields,
    int64,
    packed_doubles,
    packed_uint64,
    signed,
    string,
    uint32,
    uint64,
    varint,
    zigzag,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH: Final = 32
"""Deeper values are no telemetry; code that walks them recurses."""

Plain = Mapping[tuple[int, int], tuple[str, Callable[[bytes, Field], Any]]]
"""Field number and wire type -> which member of a structure it is, and how it is read."""

METRIC_KINDS: Final = {5: "gauge", 7: "sum", 9: "histogram", 10: "exponentialHistogram", 11: "summary"}
"""Field number of a metric's data -> what it is."""


def whole_fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Give the fields of a message of which nothing may be missing.

    Raises:
        WireError: it is cut off or no message.
    """
    for field in fields(data, start, end):
        if field.is_cut:
            raise WireError("the message is cut off", field.start)
        yield field


def attributes_of(data: bytes, found: list[Field]) -> list[KeyValue]:
    """Read key-value pairs."""
    return [_key_value(data, field) for field in found]


def resource_of(data: bytes, field: Field) -> list[KeyValue]:
    """Read the attributes of a resource."""
    return attributes_of(data, _numbered(data, field, 1))


def scope_of(data: bytes, field: Field) -> Scope:
    """Read an instrumentation scope."""
    scope = Scope()
    rest = _fill(data, field.start, field.end, scope, _SCOPE)
    scope.attributes = attributes_of(data, rest.get(3, []))
    return scope


def span_of(data: bytes, start: int, end: int) -> tuple[Span, list[Field]]:
    """Read a span; the places of what happened during it come beside it."""
    span = Span()
    rest = _fill(data, start, end, span, _SPAN)
    span.attributes = attributes_of(data, rest.get(9, []))
    span.links = [_link(data, link) for link in rest.get(13, [])]
    for status in rest.get(15, []):
        span.status = Status()
        _fill(data, status.start, status.end, span.status, _STATUS)
    return span, rest.get(11, [])


def span_event_of(data: bytes, field: Field) -> SpanEvent:
    """Read something that happened during a span."""
    event = SpanEvent()
    rest = _fill(data, field.start, field.end, event, _SPAN_EVENT)
    event.attributes = attributes_of(data, rest.get(3, []))
    return event


def log_of(data: bytes, start: int, end: int) -> LogRecord:
    """Read a log record."""
    record = LogRecord()
    rest = _fill(data, start, end, record, _LOG)
    record.attributes = attributes_of(data, rest.get(6, []))
    for body in rest.get(5, []):
        record.body = _any_value(data, body, 0)
    return record


def metric_of(data: bytes, start: int, end: int) -> tuple[Metric, list[tuple[str, Field]]]:
    """Read a metric's name and unit; the places of its data points come beside it, with their kinds."""
    metric = Metric()
    rest = _fill(data, start, end, metric, _METRIC)
    points = [
        (METRIC_KINDS[number], point)
        for number, found in rest.items()
        if number in METRIC_KINDS
        for field in found
        for point in _numbered(data, field, 1)
    ]
    return metric, points


def point_of(data: bytes, kind: str, field: Field) -> Point:
    """Read a data point of a kind of metric; sums are gauges with a past."""
    numbers = _POINTS.get(kind, _POINTS["gauge"])
    point = Point()
    rest = _fill(data, field.start, field.end, point, numbers.plain)
    point.attributes = attributes_of(data, rest.get(numbers.attributes, []))
    point.exemplars = [_exemplar(data, item) for item in rest.get(numbers.exemplars, [])]
    if kind == "summary":
        point.quantile_values = [_quantile(data, item) for item in rest.get(6, [])]
    if kind == "exponentialHistogram":
        sides = [_buckets(data, rest[number][-1]) if number in rest else None for number in (8, 9)]
        point.positive, point.negative = sides
    if kind == "histogram":
        counts: list[int | str] = []
        bounds: list[float] = []
        for inner in whole_fields(data, field.start, field.end):  # packed, or one field for each number
            if inner.number == _COUNTS:
                counts += packed_uint64(data, inner)
            elif inner.number == _BOUNDS:
                bounds += packed_doubles(data, inner)
        if counts:
            point.bucket_counts, point.explicit_bounds = counts, bounds
    return point


def _fill(data: bytes, start: int, end: int, message: Any, plain: Plain) -> dict[int, list[Field]]:
    """Set the members of a message that hold one value; give the places of its other messages by number.

    A field of another wire type than it should have is left out, as protobuf does.
    """
    rest: dict[int, list[Field]] = {}
    for field in whole_fields(data, start, end):
        known = plain.get((field.number, field.wire))
        if known is not None:
            setattr(message, known[0], known[1](data, field))
        elif field.wire == BYTES:
            rest.setdefault(field.number, []).append(field)
    return rest


def _buckets(data: bytes, field: Field) -> Buckets:
    """Read one side of an exponential histogram: its offset, and counts as varints, packed or alone."""
    side = Buckets(bucket_counts=[])
    counts: list[int | str] = []
    for inner in whole_fields(data, field.start, field.end):
        if inner.number == 1 and inner.wire == VARINT:
            side.offset = zigzag(inner.value)
        elif inner.number == 2 and inner.wire == VARINT:  # noqa: PLR2004 - field numbers
            counts.append(inner.value)
        elif inner.number == 2 and inner.wire == BYTES:  # noqa: PLR2004 - field numbers
            at = inner.start
            while at < inner.end:
                count, at = varint(data, at, inner.end)
                counts.append(count)
    side.bucket_counts = counts
    return side


def _numbered(data: bytes, field: Field, number: int) -> list[Field]:
    return [
        inner
        for inner in whole_fields(data, field.start, field.end)
        if inner.number == number and inner.wire == BYTES
    ]


def _key_value(data: bytes, field: Field) -> KeyValue:
    pair = KeyValue()
    for inner in whole_fields(data, field.start, field.end):
        if inner.number == 1 and inner.wire == BYTES:
            pair.key = string(data, inner)
        elif inner.number == 2 and inner.wire == BYTES:  # noqa: PLR2004 - field numbers
            pair.value = _any_value(data, inner, 0)
    return pair


def _any_value(data: bytes, field: Field, depth: int) -> AnyValue:
    value = AnyValue()
    for inner in whole_fields(data, field.start, field.end):
        match inner.number, inner.wire:
            case 1, 2:
                value.string_value = string(data, inner)
            case 2, 0:
                value.bool_value = bool(inner.value)
            case 3, 0:
                value.int_value = signed(inner.value)
            case 4, 1:
                value.double_value = double(data, inner)
            case 5, 2:
                value.array_value = _nested(data, inner, depth + 1)
            case 6, 2:
                value.kvlist_value = _nested(data, inner, depth + 1)
            case 7, 2:
                value.bytes_value = base64.b64encode(data[inner.start : inner.end]).decode()
            case _:
                pass
    return value


def _nested(data: bytes, field: Field, depth: int) -> dict[str, Any]:
    """Give a list or a list of pairs in the shape that OTLP/JSON has for it."""
    if depth > _MAX_DEPTH:
        raise WireError("nested too deeply", field.start)
    return {"values": [_json_value(data, inner, depth) for inner in _numbered(data, field, 1)]}


def _json_value(data: bytes, field: Field, depth: int) -> dict[str, Any]:
    """Read an element of a list: a value, or a pair (a key, then a value in field 2)."""
    found = list(whole_fields(data, field.start, field.end))
    second = next((item for item in found if item.number == 2 and item.wire == BYTES), None)  # noqa: PLR2004
    if second is not None:
        key = next((item for item in found if item.number == 1 and item.wire == BYTES), None)
        return {
            "key": string(data, key) if key is not None else "",
            "value": _json_member(_any_value(data, second, depth)),
        }
    return _json_member(_any_value(data, field, depth))


def _json_member(value: AnyValue) -> dict[str, Any]:
    members = (
        ("stringValue", value.string_value), ("intValue", value.int_value), ("boolValue", value.bool_value),
        ("doubleValue", value.double_value), ("arrayValue", value.array_value),
        ("kvlistValue", value.kvlist_value), ("bytesValue", value.bytes_value),
    )  # fmt: skip
    return {name: member for name, member in members if member is not None}


def _link(data: bytes, field: Field) -> Link:
    link = Link()
    rest = _fill(data, field.start, field.end, link, _LINK)
    link.attributes = attributes_of(data, rest.get(4, []))
    return link


def _exemplar(data: bytes, field: Field) -> Exemplar:
    exemplar = Exemplar()
    _fill(data, field.start, field.end, exemplar, {(5, BYTES): ("trace_id", _hex)})
    return exemplar


def _quantile(data: bytes, field: Field) -> Quantile:
    quantile = Quantile()
    _fill(data, field.start, field.end, quantile, _QUANTILE)
    return quantile


def _hex(data: bytes, field: Field) -> str:
    return data[field.start : field.end].hex()


def _number(data: bytes, field: Field) -> int:  # noqa: ARG001 - as all readers
    return field.value


_SCOPE: Final[Plain] = {(1, BYTES): ("name", string), (2, BYTES): ("version", string)}
_STATUS: Final[Plain] = {(2, BYTES): ("message", string), (3, VARINT): ("code", _number)}
_METRIC: Final[Plain] = {(1, BYTES): ("name", string), (3, BYTES): ("unit", string)}
_SPAN_EVENT: Final[Plain] = {(1, FIXED64): ("time_unix_nano", uint64), (2, BYTES): ("name", string)}
_QUANTILE: Final[Plain] = {(1, FIXED64): ("quantile", double), (2, FIXED64): ("value", double)}
_LINK: Final[Plain] = {
    (1, BYTES): ("trace_id", _hex),
    (2, BYTES): ("span_id", _hex),
    (3, BYTES): ("trace_state", string),
}
_SPAN: Final[Plain] = {
    (1, BYTES): ("trace_id", _hex),
    (2, BYTES): ("span_id", _hex),
    (3, BYTES): ("trace_state", string),
    (4, BYTES): ("parent_span_id", _hex),
    (5, BYTES): ("name", string),
    (6, VARINT): ("kind", _number),
    (7, FIXED64): ("start_time_unix_nano", uint64),
    (8, FIXED64): ("end_time_unix_nano", uint64),
    (10, VARINT): ("dropped_attributes_count", _number),
    (12, VARINT): ("dropped_events_count", _number),
    (14, VARINT): ("dropped_links_count", _number),
    (16, FIXED32): ("flags", uint32),
}
_LOG: Final[Plain] = {
    (1, FIXED64): ("time_unix_nano", uint64),
    (2, VARINT): ("severity_number", _number),
    (3, BYTES): ("severity_text", string),
    (7, VARINT): ("dropped_attributes_count", _number),
    (8, FIXED32): ("flags", uint32),
    (9, BYTES): ("trace_id", _hex),
    (10, BYTES): ("span_id", _hex),
    (11, FIXED64): ("observed_time_unix_nano", uint64),
    (12, BYTES): ("event_name", string),
}


def _sint(_: bytes, field: Field) -> int:
    return zigzag(field.value)


_COUNTS: Final = 6
_BOUNDS: Final = 7
_COUNTED: Final[Plain] = {
    (3, FIXED64): ("time_unix_nano", uint64),
    (4, FIXED64): ("count", uint64),
    (5, FIXED64): ("sum", double),
}


class _PointNumbers(NamedTuple):
    """Which fields of a data point hold its values, attributes and exemplars."""

    plain: Plain
    attributes: int
    exemplars: int


_POINTS: Final = {
    "gauge": _PointNumbers(
        {
            (3, FIXED64): ("time_unix_nano", uint64),
            (4, FIXED64): ("as_double", double),
            (6, FIXED64): ("as_int", int64),
        },
        7,
        5,
    ),
    "histogram": _PointNumbers(
        {**_COUNTED, (11, FIXED64): ("min", double), (12, FIXED64): ("max", double)}, 9, 8
    ),
    "exponentialHistogram": _PointNumbers(
        {
            **_COUNTED,
            (6, VARINT): ("scale", _sint),
            (7, FIXED64): ("zero_count", uint64),
            (12, FIXED64): ("min", double),
            (13, FIXED64): ("max", double),
        },
        1,
        11,
    ),
    "summary": _PointNumbers(_COUNTED, 7, 0),
}


def is_span(found: list[Field]) -> bool:
    """Tell a span from other messages by its times and its kind."""
    return any((field.number, field.wire) in _OF_SPANS for field in found)


def is_log(found: list[Field]) -> bool:
    """Tell a log record from other messages by its times and its severity."""
    return any((field.number, field.wire) in _OF_LOGS for field in found)


def is_metric(found: list[Field]) -> bool:
    """Tell a metric from other messages by its name and its data."""
    return any(field.number == 1 and field.wire == BYTES for field in found) and any(
        field.number in METRIC_KINDS and field.wire == BYTES for field in found
    )


_OF_SPANS: Final = ((7, FIXED64), (8, FIXED64), (6, VARINT), (16, FIXED32))
_OF_LOGS: Final = ((1, FIXED64), (11, FIXED64), (2, VARINT), (8, FIXED32))
