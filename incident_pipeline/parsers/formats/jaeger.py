"""Jaeger: traces as the query service and the UI's download give them, spans with their process.

Times and durations are microseconds; ids are hex, of old clients without leading zeros. Of several
references the first CHILD_OF within the trace is the parent, the others are links. The entries of
`logs` are rows of their own. (jaeger model/json; the OTLP-shaped answer of API v3 is read by `otlp`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    end_after,
    epoch_of,
    first_text,
    hex_id,
    list_of,
    objects,
    text,
)
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_ROLES: Final = (
    "traceID", "spanID", "parentSpanID", "operationName", "references", "startTime", "startTimeMillis",
    "duration", "tags", "logs", "processID", "process",
)  # fmt: skip
_HOSTS: Final = ("hostname", "host.name", "k8s.pod.name", "ip")
_TRUE: Final = ("true", "1")
_TRACE_DIGITS: Final = 16


class Jaeger(PageFormat):
    """The parser of Jaeger's JSON."""

    id = "jaeger_json"
    aliases = ("jaeger", "jaeger_ui", "jaeger_traces")
    title = "Jaeger traces"
    spec = "https://www.jaegertracing.io/docs/latest/apis/#http-json"
    kinds = (Kind.SPAN, Kind.SPAN_EVENT)

    def recognise(self, value: Any) -> float:
        """Recognise traces by their spans and processes, and spans by the names of their members."""
        value = dict_of(value)
        traces = list_of(value.get("data")) or [value]
        found = [_is_trace(item) or _is_span(item) for item in traces]
        return sum(found) / len(found)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer, a trace or a span."""
        members = place.members()
        if "spans" in members:
            _read_trace(members, rows)
            return True
        if "data" in members and members["data"].opener == b"[":
            for trace in members["data"].parts():
                _read_trace(trace.members(), rows)
            return True
        record = place.record()
        if not _is_span(record.value):
            return False
        _read_span(place, record.value, {}, rows)
        return True


class _Process(NamedTuple):
    service: str | None
    host: str | None
    attributes: dict[str, str]


def _is_trace(value: Any) -> bool:
    value = dict_of(value)
    return "traceID" in value and isinstance(value.get("spans"), list)


def _is_span(value: Any) -> bool:
    value = dict_of(value)
    return all(key in value for key in ("traceID", "spanID", "operationName", "startTime"))


def _read_trace(members: dict[str, Place], rows: Rows) -> None:
    processes: dict[str, _Process] = {}
    if "processes" in members:
        found = dict_of(members["processes"].record().value)
        processes = {key: _process(item) for key, item in found.items()}
    warnings = text(members["warnings"].record().value) if "warnings" in members else None
    if warnings is not None and warnings != "[]":
        rows.assume(f"the trace came with warnings: {warnings[:200]}")
    if "spans" in members:
        for record in objects(members["spans"].items(), rows, "a span"):
            _read_span(Place.of(members["spans"].data, record), record.value, processes, rows)


def _process(value: Any) -> _Process:
    value = dict_of(value)
    tags = _tags(value.get("tags"))
    host = next((tags[name] for name in _HOSTS if tags.get(name)), None)
    return _Process(
        text(value.get("serviceName")), host, {f"process.{key}": tag for key, tag in tags.items()}
    )


def _tags(value: Any) -> dict[str, str]:
    """Give tags as text by key: of a list of typed pairs, or of an object as storage keeps them."""
    if isinstance(value, dict):
        return flatten(value)
    pairs = [dict_of(item) for item in list_of(value)]
    return {text_of(pair["key"]): text_of(pair.get("value")) for pair in pairs if "key" in pair}


def _read_span(place: Place, value: dict[str, Any], processes: dict[str, _Process], rows: Rows) -> None:
    process = processes.get(text(value.get("processID")) or "") or _process(value.get("process"))
    tags = _tags(value.get("tags"))
    attributes = flatten({key: item for key, item in value.items() if key not in _ROLES})
    attributes.update(process.attributes)
    attributes.update(tags)
    trace_id = hex_id(value.get("traceID"), _TRACE_DIGITS)
    failed = tags.get("error") in _TRUE or tags.get("otel.status_code", "").lower() == "error"
    attributes["status.code"] = "error" if failed else tags.get("otel.status_code", "unset").lower()
    attributes.setdefault("span.kind", "unspecified")
    if tags.get("otel.status_description"):
        attributes["status.message"] = tags["otel.status_description"]
    parent_id = _references(value, trace_id, attributes)
    stamp = epoch_of(value.get("startTime"), "us")
    span = Event(
        start=place.start,
        end=place.end,
        kind=Kind.SPAN,
        message=text(value.get("operationName")),
        attributes=attributes,
        stamp=stamp,
        end_ns=end_after(stamp.time_ns, value.get("duration"), "us"),
        service=process.service,
        host=process.host,
        severity=Severity.ERROR if failed else None,
        trace_id=trace_id,
        span_id=hex_id(value.get("spanID")),
        parent_span_id=parent_id,
        pointer=place.pointer or None,
    )
    rows.event(span)
    if list_of(value.get("logs")):
        logs = place.find("logs")
        for record in objects(logs.items(), rows, "a span's log") if logs is not None else ():
            rows.event(_log_row(record, span))


def _references(value: dict[str, Any], trace_id: str | None, attributes: dict[str, str]) -> str | None:
    """Choose the parent; what else is referred to becomes a link."""
    found = [dict_of(item) for item in list_of(value.get("references"))]
    same = [item for item in found if hex_id(item.get("traceID"), _TRACE_DIGITS) in (trace_id, None)]
    parents = [item for item in same if item.get("refType") != "FOLLOWS_FROM"] or same
    parent = parents[0] if parents else None
    links = [item for item in found if item is not parent]
    for index, link in enumerate(links):
        attributes[f"link.{index}.trace_id"] = hex_id(link.get("traceID"), _TRACE_DIGITS) or ""
        attributes[f"link.{index}.span_id"] = hex_id(link.get("spanID")) or ""
        attributes[f"link.{index}.type"] = text(link.get("refType")) or ""
    return hex_id(parent.get("spanID")) if parent else hex_id(value.get("parentSpanID"))


def _log_row(record: Record, span: Event) -> Event:
    fields = _tags(record.value.get("fields"))
    message = first_text(fields, ("event", "message", "name")) or "log"
    detail = first_text(fields, ("exception.message", "error.object", "message"))
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.SPAN_EVENT,
        message=f"{message}: {detail}" if detail and detail != message else message,
        attributes=fields,
        stamp=epoch_of(record.value.get("timestamp"), "us"),
        service=span.service,
        host=span.host,
        trace_id=span.trace_id,
        span_id=span.span_id,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (Jaeger(),)
