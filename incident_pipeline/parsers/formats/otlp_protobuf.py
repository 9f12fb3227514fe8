"""OTLP in protobuf: an Export*Request (or a TracesData message), bare or in frames.

The collector's file exporter puts the length before each message, as 4 bytes, most significant first;
other writers put it as a varint. Logs, traces and metrics have the same skeleton (resource > scope >
record), so what a record is is told by its fields. Every row has the byte range of its own message.
What is cut off costs the record it stands in, not those before it. (opentelemetry-proto 1.x.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_metrics import add_point
from incident_pipeline.parsers.formats.otlp_protobuf_values import (
    is_log,
    is_metric,
    is_span,
    log_of,
    metric_of,
    point_of,
    resource_of,
    scope_of,
    span_event_of,
    span_of,
)
from incident_pipeline.parsers.formats.otlp_records import (
    Emitter,
    emitter_of,
    log_row,
    span_event_row,
    span_row,
)
from incident_pipeline.parsers.formats.otlp_values import attribute_map
from incident_pipeline.parsers.protobuf_wire import BYTES, Field, WireError, fields, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.formats.otlp_structs import Scope
    from incident_pipeline.parsers.rows import Rows

_GROUPS: Final = (2, 1000)
"""Scopes of a resource, under their present and their old number (instrumentation library)."""
_KNOWN_OF_RESOURCE: Final = (1, 2, 3, 1000)
_KNOWN_OF_SCOPE: Final = (1, 2, 3)
_FRAME: Final = 4


class OtlpProtobuf(Format):
    """The parser of OTLP in protobuf."""

    id = "otlp_protobuf"
    aliases = ("otlp_proto", "otlp_protobuf_traces", "otlp_protobuf_logs", "otlp_protobuf_metrics")
    title = "OpenTelemetry logs, traces and metrics in protobuf"
    spec = "https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding"
    kinds = (Kind.LOG, Kind.SPAN, Kind.SPAN_EVENT)
    binary: ClassVar[bool] = True

    def score(self, sample: Sample) -> float:
        """Recognise the skeleton down to the first record whose fields say what it is."""
        for start, end in _messages(sample.head, is_head=sample.truncated):
            return 0.97 if _holds_records(sample.head, start, end) else 0.0
        return 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every message."""
        at = 0
        for start, end in _messages(data):
            if end > len(data):
                rows.assume("the last message is cut off")
            try:
                _read_request(data, start, min(end, len(data)), rows)
            except WireError as error:
                rows.reject(max(start, error.at), min(end, len(data)), f"no OTLP message: {error}")
            at = end
        if at < len(data):
            rows.reject(at, len(data), "no OTLP message")


def _messages(data: bytes, *, is_head: bool = False) -> Iterator[tuple[int, int]]:
    """Give the ranges of the messages; the last may end behind the data, when it is cut off."""
    if data[:1] == b"\x0a" and _is_sequence(data, is_head=is_head):
        yield 0, len(data)
        return
    fixed = data[_FRAME : _FRAME + 1] == b"\x0a" and data[:1] == b"\0"
    at = 0
    while at < len(data):
        try:
            size, start = _frame(data, at, fixed=fixed)
        except WireError:
            return
        if data[start : start + 1] != b"\x0a" or size == 0:
            return
        yield start, start + size
        at = start + size


def _frame(data: bytes, at: int, *, fixed: bool) -> tuple[int, int]:
    if fixed:
        return int.from_bytes(data[at : at + _FRAME], "big"), at + _FRAME
    return varint(data, at, len(data))


def _is_sequence(data: bytes, *, is_head: bool) -> bool:
    """Tell whether a stream is one bare message: nothing but resources, the last perhaps cut off."""
    count = 0
    try:
        for field in fields(data, 0, len(data)):
            if field.number != 1 or field.wire != BYTES:
                return False
            count += 1
    except WireError:
        return count > 0 and is_head
    return count > 0


def _holds_records(data: bytes, start: int, end: int) -> bool:
    try:
        for scopes in _scopes(data, start, min(end, len(data))):
            for item in scopes:
                found = list(fields(data, item.start, item.end))
                if is_span(found) or is_log(found) or is_metric(found):
                    return True
    except WireError:
        return False
    return False


def _scopes(data: bytes, start: int, end: int) -> Iterator[list[Field]]:
    """Give the records of each scope, looking at nothing but the skeleton.

    Raises:
        WireError: it is none.
    """
    for resource in fields(data, start, end):
        if resource.number != 1 or resource.wire != BYTES:
            raise WireError("no group of a resource", resource.start)
        for group in fields(data, resource.start, resource.end):
            if group.number not in _KNOWN_OF_RESOURCE or group.wire != BYTES:
                raise WireError("no group of a scope", group.start)
            if group.number not in _GROUPS:
                continue
            found = list(fields(data, group.start, group.end))
            if any(item.number not in _KNOWN_OF_SCOPE or item.wire != BYTES for item in found):
                raise WireError("no record", group.start)
            yield [item for item in found if item.number == 2]  # noqa: PLR2004 - field numbers


def _read_request(data: bytes, start: int, end: int, rows: Rows) -> None:
    for field in fields(data, start, end):
        if field.number == 1 and field.wire == BYTES:
            _read_resource(data, field, rows)
        else:
            rows.reject(field.start, field.end, "a field that no OTLP request has")


def _read_resource(data: bytes, field: Field, rows: Rows) -> None:
    groups, broken = _whole_and_broken(data, field)
    resource: dict[str, str] = {}
    for group in groups:
        if group.number == 1 and group.wire == BYTES:
            try:
                resource.update(attribute_map(resource_of(data, group)))
            except WireError as error:
                rows.reject(group.start, group.end, f"no resource: {error}")
    for group in groups:
        if group.number in _GROUPS and group.wire == BYTES:
            _read_scope(data, group, resource, rows)
    if broken is not None:
        rows.reject(broken.at, field.end, f"no OTLP resource group: {broken}")


def _read_scope(data: bytes, field: Field, resource: dict[str, str], rows: Rows) -> None:
    items, broken = _whole_and_broken(data, field)
    scope: Scope | None = None
    for item in items:
        if item.number == 1 and item.wire == BYTES:
            try:
                scope = scope_of(data, item)
            except WireError as error:
                rows.reject(item.start, item.end, f"no scope: {error}")
    emitter = emitter_of(resource, scope)
    for item in items:
        if item.number != 2 or item.wire != BYTES:  # noqa: PLR2004 - field numbers
            continue
        try:
            _read_record(data, item, emitter, rows)
        except WireError as error:
            rows.reject(item.start, item.end, f"no OTLP record: {error}")
    if broken is not None:
        rows.reject(broken.at, field.end, f"no OTLP scope group: {broken}")


def _whole_and_broken(data: bytes, field: Field) -> tuple[list[Field], WireError | None]:
    """Give the fields up to the first place that is no field, and what is wrong there."""
    found: list[Field] = []
    try:
        for inner in fields(data, field.start, field.end):
            found.append(inner)  # noqa: PERF402 - those before the error count
    except WireError as error:
        return found, error
    return found, None


def _read_record(data: bytes, item: Field, emitter: Emitter, rows: Rows) -> None:
    found = list(fields(data, item.start, item.end))
    if item.is_cut or any(field.is_cut for field in found):
        raise WireError("cut off", item.start)
    if is_log(found):
        rows.event(log_row(log_of(data, item.start, item.end), item.start, item.end, None, emitter))
    elif is_span(found) or not is_metric(found):
        _read_span(data, item, emitter, rows)
    else:
        _read_metric(data, item, emitter, rows)


def _read_span(data: bytes, item: Field, emitter: Emitter, rows: Rows) -> None:
    span, events = span_of(data, item.start, item.end)
    if not span.span_id and not span.name:
        raise WireError("neither a span nor a log record nor a metric", item.start)
    row = span_row(span, item.start, item.end, None, emitter)
    rows.event(row)
    for event in events:
        try:
            inner = span_event_of(data, event)
        except WireError as error:
            rows.reject(event.start, event.end, f"no OTLP span event: {error}")
            continue
        rows.event(span_event_row(inner, event.start, event.end, None, row))


def _read_metric(data: bytes, item: Field, emitter: Emitter, rows: Rows) -> None:
    metric, points = metric_of(data, item.start, item.end)
    for kind, field in points:
        try:
            point = point_of(data, kind, field)
        except WireError as error:
            rows.reject(field.start, field.end, f"no OTLP data point: {error}")
            continue
        add_point(rows, point, field.start, field.end, None, metric, emitter.service, emitter.attributes)


FORMATS: Final[tuple[Format, ...]] = (OtlpProtobuf(),)
