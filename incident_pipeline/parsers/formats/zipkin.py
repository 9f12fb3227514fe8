"""Zipkin v2: spans in a list, in a list of traces, or one per line.

Times are microseconds. Client and server of one call may share an id (`shared`): then both are spans of
their own with the same `span_id`. Annotations are rows of their own. (zipkin-api v2, `zipkin2-api.yaml`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    end_after,
    epoch_of,
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
    from incident_pipeline.parsers.rows import Rows

_ROLES: Final = ("traceId", "id", "parentId", "kind", "name", "timestamp", "duration", "annotations", "tags")
_BESIDE: Final = ("localEndpoint", "remoteEndpoint", "tags", "kind", "duration", "annotations", "shared")


class Zipkin(PageFormat):
    """The parser of Zipkin's JSON."""

    id = "zipkin_v2_json"
    aliases = ("zipkin", "zipkin_json", "zipkin_v2")
    title = "Zipkin v2 traces"
    spec = "https://zipkin.io/zipkin-api/"
    kinds = (Kind.SPAN, Kind.SPAN_EVENT)

    def recognise(self, value: Any) -> float:
        """Recognise spans, alone or in the list of a trace."""
        if isinstance(value, list) and value:
            return sum(_is_span(item) for item in value) / len(value)
        return float(_is_span(value))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a span or a trace."""
        if place.opener == b"[":
            for record in objects(place.items(), rows, "a span"):
                _read_span(Place.of(place.data, record), record.value, rows)
            return True
        record = place.record()
        if not _is_span(record.value):
            return False
        _read_span(place, record.value, rows)
        return True


def _is_span(value: Any) -> bool:
    value = dict_of(value)
    return "traceId" in value and "id" in value and any(key in value for key in _BESIDE)


def _read_span(place: Place, value: dict[str, Any], rows: Rows) -> None:
    tags = {key: text_of(tag) for key, tag in dict_of(value.get("tags")).items()}
    local = dict_of(value.get("localEndpoint"))
    attributes = flatten({key: item for key, item in value.items() if key not in _ROLES})
    attributes.update(tags)
    failed = "error" in tags and tags["error"].lower() != "false"
    attributes["span.kind"] = (text(value.get("kind")) or "unspecified").lower()
    attributes["status.code"] = "error" if failed else "unset"
    if failed and tags["error"].lower() not in ("", "true"):
        attributes["status.message"] = tags["error"]
    stamp = epoch_of(value.get("timestamp"), "us")
    span = Event(
        start=place.start,
        end=place.end,
        kind=Kind.SPAN,
        message=text(value.get("name")),
        attributes=attributes,
        stamp=stamp,
        end_ns=end_after(stamp.time_ns, value.get("duration"), "us"),
        service=text(local.get("serviceName")),
        host=text(local.get("ipv4")) or text(local.get("ipv6")),
        severity=Severity.ERROR if failed else None,
        trace_id=hex_id(value.get("traceId")),
        span_id=hex_id(value.get("id")),
        parent_span_id=hex_id(value.get("parentId")),
        pointer=place.pointer or None,
    )
    rows.event(span)
    if not list_of(value.get("annotations")):
        return
    annotations = place.find("annotations")
    for record in objects(annotations.items(), rows, "an annotation") if annotations is not None else ():
        rest = {key: item for key, item in record.value.items() if key not in ("timestamp", "value")}
        rows.event(
            Event(
                start=record.start,
                end=record.end,
                kind=Kind.SPAN_EVENT,
                message=text(record.value.get("value")),
                attributes=flatten(rest),
                stamp=epoch_of(record.value.get("timestamp"), "us"),
                service=span.service,
                host=span.host,
                trace_id=span.trace_id,
                span_id=span.span_id,
                pointer=record.pointer,
            )
        )


FORMATS: Final[tuple[Format, ...]] = (Zipkin(),)
