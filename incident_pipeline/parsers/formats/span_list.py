"""Flat lists of spans in JSON: `trace_id, span_id, parent_id, service, name, start, duration_ms, status`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.jsontext import Record, flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_TRACE: Final = ("trace_id", "traceId", "traceID")
_SPAN: Final = ("span_id", "spanId", "spanID")
_PARENT: Final = ("parent_id", "parent_span_id", "parentId", "parentSpanId", "parentSpanID")
_SERVICE: Final = ("service", "service_name", "service.name", "serviceName")
_NAME: Final = ("name", "operation", "operation_name", "resource")
_START: Final = ("start", "start_time", "startTime", "timestamp")
_END: Final = ("end", "end_time", "endTime")
_DURATION: Final = {"duration_ms": 6, "duration_us": 3, "duration_ns": 0, "duration_s": 9}
_FAILED: Final = ("error", "failed", "internal_error", "2")


class SpanList(Format):
    """The parser of flat span lists."""

    id = "span_list"
    aliases = ("spans_json", "flat_spans")
    title = "List of flat spans"
    spec = "own shape: a trace id and a span id beside a start and a duration"
    kinds = (Kind.SPAN,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise objects with trace, span, start and a duration or an end."""
        hits = [_is_span(item) for item in sample.records]
        return 0.92 * sum(hits) / len(hits) * sample.json_share if hits else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a span."""
        for record in records(data):
            if isinstance(record.value, dict):
                rows.event(_event(record, rows))
            else:
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")


def _is_span(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(any(key in value for key in keys) for keys in (_TRACE, _SPAN, _START))
        and any(key in value for key in (*_END, *_DURATION))
    )


def _event(record: Record, rows: Rows) -> Event:
    flat = flatten(record.value)
    raw = _take(flat, _START)
    stamp = parse_time(raw, rows.zone) if raw else UNKNOWN
    status = flat.pop("status", "")
    failed = status.lower() in _FAILED
    flat["status.code"] = "error" if failed else "ok" if status else "unset"
    flat.setdefault("span.kind", "unspecified")
    trace_id, span_id = normal_id(_take(flat, _TRACE)), normal_id(_take(flat, _SPAN))
    parent_id = normal_id(_take(flat, _PARENT))
    message = flat.pop("error", None) or flat.pop("status_message", None)
    if message is not None:
        flat["status.message"] = message
    service = _take(flat, _SERVICE)
    name = _take(flat, _NAME)
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.SPAN,
        message=name,
        attributes=flat,
        stamp=stamp,
        end_ns=_end(flat, stamp.time_ns, rows),
        service=service,
        severity=Severity.ERROR if failed else None,
        severity_raw=status or None,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        pointer=record.pointer,
    )


def _end(flat: dict[str, str], start_ns: int | None, rows: Rows) -> int | None:
    end = next((flat[key] for key in _END if key in flat), None)
    if end is not None:
        return parse_time(end, rows.zone).time_ns
    unit = next((key for key in _DURATION if key in flat), None)
    if unit is None or start_ns is None:
        return None
    text = flat[unit]
    if not text.replace(".", "", 1).isdecimal() or len(text) > 18:  # noqa: PLR2004 - int64 nanoseconds
        return None
    end_ns = start_ns + int(Decimal(text).scaleb(_DURATION[unit]))
    return end_ns if end_ns < 2**63 else None


def _take(flat: dict[str, str], names: tuple[str, ...]) -> str | None:
    key = next((name for name in names if name in flat), None)
    return flat.pop(key) if key is not None else None


FORMATS: Final[tuple[Format, ...]] = (SpanList(),)
