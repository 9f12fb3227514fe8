"""Spans, span events and log records of OTLP/JSON as events (opentelemetry-proto, logs data model)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.formats.otlp_structs import LogRecord, Span, SpanEvent
from incident_pipeline.parsers.formats.otlp_values import (
    any_text,
    attribute_map,
    map_of,
    normal_id,
    severity_number,
    span_kind,
    status_code,
)
from incident_pipeline.parsers.jsontext import Number, flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import parse_nanos

if TYPE_CHECKING:
    from incident_pipeline.parsers.formats.otlp_structs import Scope
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a record raises when it is none."""

_SPAN: Final = msgspec.json.Decoder(Span, float_hook=Number)
_SPAN_EVENT: Final = msgspec.json.Decoder(SpanEvent, float_hook=Number)
_LOG: Final = msgspec.json.Decoder(LogRecord, float_hook=Number)
_HOSTS: Final = ("service.instance.id", "k8s.pod.name", "host.name")


class Emitter(NamedTuple):
    """What emitted a record: service, machine or pod, and the attributes of resource and scope."""

    service: str | None
    host: str | None
    attributes: dict[str, str]


def emitter_of(resource: dict[str, str], scope: Scope | None) -> Emitter:
    """Put together what resource and scope say of their records."""
    attributes = {f"resource.{key}": value for key, value in resource.items()}
    if scope is not None:
        if scope.name:
            attributes["scope.name"] = scope.name
        if scope.version:
            attributes["scope.version"] = scope.version
        attributes.update(attribute_map(scope.attributes, "scope."))
    host = next((resource[key] for key in _HOSTS if resource.get(key)), None)
    return Emitter(resource.get("service.name") or None, host, attributes)


def read_span(rows: Rows, start: int, raw: bytes, pointer: str, emitter: Emitter) -> None:
    """Read the span that stands at `start`, and what happened during it."""
    try:
        span = _SPAN.decode(raw)
    except BROKEN as error:
        rows.reject(start, start + len(raw), f"no OTLP span: {str(error)[:120]}")
        return
    event = span_row(span, start, start + len(raw), pointer, emitter)
    rows.event(event)
    at = 0
    for index, inner in enumerate(span.events or ()):
        part = bytes(inner)
        at = raw.find(part, at)
        _read_span_event(rows, start + at, part, f"{pointer}/events/{index}", event)
        at += len(part)


def span_row(span: Span, start: int, end: int, pointer: str | None, emitter: Emitter) -> Event:
    """Give the row of a span; what happened during it has rows of its own."""
    status = status_code(span.status.code) if span.status else "unset"
    return Event(
        start=start,
        end=end,
        kind=Kind.SPAN,
        message=span.name,
        attributes=_span_attributes(span, emitter, status),
        stamp=parse_nanos(span.start_time_unix_nano),
        end_ns=parse_nanos(span.end_time_unix_nano).time_ns,
        service=emitter.service,
        host=emitter.host,
        severity=Severity.ERROR if status == "error" else None,
        trace_id=normal_id(span.trace_id),
        span_id=normal_id(span.span_id),
        parent_span_id=normal_id(span.parent_span_id),
        pointer=pointer,
    )


def _read_span_event(rows: Rows, start: int, raw: bytes, pointer: str, span: Event) -> None:
    try:
        inner = _SPAN_EVENT.decode(raw)
    except BROKEN as error:
        rows.reject(start, start + len(raw), f"no OTLP span event: {str(error)[:120]}")
        return
    rows.event(span_event_row(inner, start, start + len(raw), pointer, span))


def span_event_row(inner: SpanEvent, start: int, end: int, pointer: str | None, span: Event) -> Event:
    """Give the row of something that happened during a span."""
    attributes = attribute_map(inner.attributes)
    detail = attributes.get("exception.message")
    name = inner.name or ""
    return Event(
        start=start,
        end=end,
        kind=Kind.SPAN_EVENT,
        message=f"{name}: {detail}" if detail else name,
        attributes=attributes,
        stamp=parse_nanos(inner.time_unix_nano),
        service=span.service,
        host=span.host,
        trace_id=span.trace_id,
        span_id=span.span_id,
        pointer=pointer,
    )


def read_log(rows: Rows, start: int, raw: bytes, pointer: str, emitter: Emitter) -> None:
    """Read the log record that stands at `start`."""
    try:
        record = _LOG.decode(raw)
    except BROKEN as error:
        rows.reject(start, start + len(raw), f"no OTLP log record: {str(error)[:120]}")
        return
    rows.event(log_row(record, start, start + len(raw), pointer, emitter))


def log_row(record: LogRecord, start: int, end: int, pointer: str | None, emitter: Emitter) -> Event:
    """Give the row of a log record."""
    attributes = _log_attributes(record, emitter)
    stamp = _log_time(record, attributes)
    severity = severity_number(record.severity_number) or severity_of(record.severity_text)
    raw_severity = record.severity_text or (str(record.severity_number) if record.severity_number else None)
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=_body(record),
        attributes=attributes,
        stamp=stamp,
        service=emitter.service,
        host=emitter.host,
        severity=severity,
        severity_raw=raw_severity,
        trace_id=normal_id(record.trace_id),
        span_id=normal_id(record.span_id),
        pointer=pointer,
    )


def _span_attributes(span: Span, emitter: Emitter, status: str) -> dict[str, str]:
    attributes = dict(emitter.attributes)
    own = attribute_map(span.attributes)
    attributes.update(own)
    kind = span_kind(span.kind)
    for key, value in (("span.kind", kind), ("status.code", status)):
        if own.get(key, value) != value:
            attributes[f"attribute.{key}"] = own[key]
        attributes[key] = value
    if span.status is not None and span.status.message:
        attributes["status.message"] = span.status.message
    if span.trace_state:
        attributes["trace_state"] = span.trace_state
    if span.flags:
        attributes["flags"] = str(span.flags)
    for key, count in (
        ("dropped_attributes_count", span.dropped_attributes_count),
        ("dropped_events_count", span.dropped_events_count),
        ("dropped_links_count", span.dropped_links_count),
    ):
        if count:
            attributes[key] = str(count)
    for index, link in enumerate(span.links or ()):
        attributes[f"link.{index}.trace_id"] = normal_id(link.trace_id) or ""
        attributes[f"link.{index}.span_id"] = normal_id(link.span_id) or ""
        if link.trace_state:
            attributes[f"link.{index}.trace_state"] = link.trace_state
        attributes.update(attribute_map(link.attributes, f"link.{index}."))
    return attributes


def _log_attributes(record: LogRecord, emitter: Emitter) -> dict[str, str]:
    attributes = dict(emitter.attributes)
    body = map_of(record.body) if record.body is not None else None
    if body:
        attributes.update({f"body.{key}": value for key, value in flatten(body).items()})
    attributes.update(attribute_map(record.attributes))
    if record.event_name:
        attributes["event.name"] = record.event_name
    if record.flags:
        attributes["flags"] = str(record.flags)
    if record.dropped_attributes_count:
        attributes["dropped_attributes_count"] = str(record.dropped_attributes_count)
    if record.observed_time_unix_nano:
        attributes["observed_time_unix_nano"] = str(record.observed_time_unix_nano)
    return attributes


def _log_time(record: LogRecord, attributes: dict[str, str]) -> Stamp:
    stamp = parse_nanos(record.time_unix_nano)
    if stamp.time_ns is None:
        observed = parse_nanos(record.observed_time_unix_nano)
        if observed.time_ns is not None:
            attributes["time.kind"] = "observed"
            return observed
    return stamp


def _body(record: LogRecord) -> str:
    text = any_text(record.body) if record.body is not None else ""
    return text or record.event_name or ""
