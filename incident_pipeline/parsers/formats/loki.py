"""Loki: query_range answers, push bodies, and what logcli and Grafana's Explore write.

Each entry is `["nanoseconds", "line"]` with structured metadata behind it where there is any; the stream's
labels belong to every line. Newest first is Loki's default order. The line is read once more for what
it says of itself. Metric queries answer like Prometheus and are read as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    epoch_of,
    list_of,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_SERVICE: Final = ("service_name", "service", "app", "application", "container", "job", "component")
_HOST: Final = ("pod", "k8s_pod_name", "instance", "host", "hostname", "node_name")
_LEVEL: Final = ("detected_level", "level", "severity", "lvl")
_TRACE: Final = ("trace_id", "traceID", "traceId", "traceid", "TraceID")
_SPAN: Final = ("span_id", "spanID", "spanId", "spanid")
_UNKNOWN_LEVEL: Final = "unknown"
_ENTRY: Final = 2


class Loki(PageFormat):
    """The parser of Loki's log answers."""

    id = "loki_query_range"
    aliases = ("loki", "loki_streams", "loki_push", "logcli", "logcli_jsonl", "grafana_explore")
    title = "Loki query answers"
    spec = "https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time"
    kinds = (Kind.LOG,)

    def recognise(self, value: Any) -> float:
        """Recognise streams of entries, and lines beside their labels."""
        value = dict_of(value)
        if dict_of(value.get("data")).get("resultType") == "streams":
            return 1.0
        streams = list_of(value.get("streams"))
        if streams and all("stream" in dict_of(item) and "values" in dict_of(item) for item in streams):
            return 1.0
        return 1.0 if _is_line(value) else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer, a push body, or one line."""
        streams = place.find("data", "result") or place.find("streams")
        if streams is not None and streams.opener == b"[":
            for stream in streams.parts():
                _read_stream(stream, rows)
            return True
        record = place.record()
        if not _is_line(record.value):
            return False
        value = record.value
        known = dict_of(value.get("labels")) or dict_of(value.get("fields"))
        rest = {
            key: item for key, item in value.items() if key not in ("line", "timestamp", "labels", "fields")
        }
        labels = {**_texts(known), **flatten(rest)}
        _add(record, text_of(value["line"]), labels, time_of(value.get("timestamp"), rows.zone), rows)
        return True


def _is_line(value: Any) -> bool:
    value = dict_of(value)
    return (
        "line" in value
        and "timestamp" in value
        and ("labels" in value or "fields" in value or "date" in value)
    )


def _read_stream(place: Place, rows: Rows) -> None:
    members = place.members()
    labels = _texts(members["stream"].record().value) if "stream" in members else {}
    for record in members["values"].items() if "values" in members else ():
        entry = record.value
        if not isinstance(entry, list) or len(entry) < _ENTRY:
            rows.reject(record.start, record.end, record.problem or "an entry without time and line")
            continue
        known = dict(labels)
        for item in entry[_ENTRY:]:
            known.update(_metadata(item))
        _add(record, text_of(entry[1]), known, epoch_of(entry[0], "ns"), rows)


def _metadata(value: Any) -> dict[str, str]:
    """Give structured metadata: bare, or beside what a parser stage made of the line."""
    value = dict_of(value)
    if not any(isinstance(value.get(key), dict) for key in ("structuredMetadata", "parsed")):
        return _texts(value)
    parsed = {f"parsed.{key}": item for key, item in _texts(value.get("parsed")).items()}
    return {**parsed, **_texts(value.get("structuredMetadata"))}


def _add(record: Record, line: str, labels: Mapping[str, str], stamp: Stamp, rows: Rows) -> None:
    def first(names: tuple[str, ...]) -> str | None:
        return next((labels[name] for name in names if labels.get(name)), None)

    level = first(_LEVEL) or labels.get("parsed.level")
    envelope = Envelope(
        labels,
        stamp if stamp.raw is not None else UNKNOWN,
        service=first(_SERVICE),
        host=first(_HOST),
        level=None if level == _UNKNOWN_LEVEL else level,
        trace_id=normal_id(first(_TRACE)),
        span_id=normal_id(first(_SPAN)),
    )
    rows.event(shipped_line(line, envelope, rows.zone, record.start, record.end, record.pointer))


def _texts(value: Any) -> dict[str, str]:
    return {key: found for key, item in dict_of(value).items() if (found := text(item)) is not None}


FORMATS: Final[tuple[Format, ...]] = (Loki(),)
