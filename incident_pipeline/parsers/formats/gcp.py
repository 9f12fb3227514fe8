"""Google Cloud Logging: LogEntry, one per line, in a list (`gcloud logging read`), or in the API's `entries`.

The payload is text, JSON or, of audit logs, a protobuf message. `trace` is a resource name that ends in the
id. An entry without `timestamp` has the time it was received, marked as observed. (LogEntry v2.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_format import PageFormat, dict_of, first_text, objects, text, time_of
from incident_pipeline.parsers.jsontext import flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format, Splitting
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_PAYLOADS: Final = ("textPayload", "jsonPayload", "protoPayload", "httpRequest")
_BESIDE: Final = ("insertId", "resource", "receiveTimestamp")
_MESSAGES: Final = ("message", "msg", "MESSAGE", "log", "summary", "event_subtype")
_SERVICES: Final = (
    "resource.labels.service_name", "resource.labels.container_name", "resource.labels.module_id",
    "resource.labels.function_name", "resource.labels.job_name", "labels.k8s-pod/app",
    "labels.k8s-pod/app.kubernetes.io/name", "jsonPayload.serviceContext.service",
    "resource.labels.database_id",
)  # fmt: skip
_HOSTS: Final = ("resource.labels.pod_name", "resource.labels.instance_id", "resource.labels.node_name")


class GcpLogEntry(PageFormat):
    """The parser of LogEntry."""

    id = "gcp_logentry"
    stands_alone = True
    aliases = ("gcp_logging", "gcp", "stackdriver", "google_cloud_logging", "gcp_audit")
    title = "Google Cloud Logging"
    spec = "https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry"
    kinds = (Kind.LOG, Kind.AUDIT)
    splitting: ClassVar[Splitting] = "json"

    def recognise(self, value: Any) -> float:
        """Recognise entries by the name of their log and what stands beside it."""
        value = dict_of(value)
        items = value["entries"] if isinstance(value.get("entries"), list) and value["entries"] else [value]
        return sum(_is_entry(item) for item in items) / len(items)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read entries straight where there is nothing around them, else by places."""
        if b'"entries"' in data:
            super().parse(data, rows)
            return
        for record in records(data):
            if _is_entry(record.value):
                rows.event(_event(record, rows))
            else:
                rows.reject(record.start, record.end, record.problem or "a JSON value that is no log entry")

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer of the API, or an entry."""
        entries = place.find("entries")
        if entries is not None and entries.opener == b"[":
            if place.find("nextPageToken") is not None:
                rows.assume("more pages follow this one: the export is not complete")
            for record in objects(entries.items(), rows, "an entry"):
                rows.event(_event(record, rows))
            return True
        record = place.record()
        if not _is_entry(record.value):
            return False
        rows.event(_event(record, rows))
        return True


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and "logName" in value and any(key in value for key in _BESIDE)


def _event(record: Record, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    flat = flatten({key: item for key, item in value.items() if key not in ("textPayload", "timestamp")})
    stamp = time_of(value.get("timestamp"), rows.zone)
    if stamp.time_ns is None:
        received = time_of(value.get("receiveTimestamp"), rows.zone)
        if received.time_ns is not None:
            stamp = received
            flat["time.kind"] = "observed"
    audit = dict_of(value.get("protoPayload"))
    if audit:
        return _audit(record, audit, flat, stamp)
    return _log(record, flat, stamp, rows)


def _audit(record: Record, audit: Mapping[str, Any], flat: dict[str, str], stamp: Stamp) -> Event:
    level = text(record.value.get("severity"))
    what = " ".join(
        part for key in ("methodName", "resourceName") if (part := text(audit.get(key))) is not None
    )
    problem = text(dict_of(audit.get("status")).get("message"))
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.AUDIT,
        message=f"{what}: {problem}" if problem else what or "audit entry",
        attributes=flat,
        stamp=stamp,
        service=text(audit.get("serviceName")),
        host=_first(flat, _HOSTS),
        actor=text(dict_of(audit.get("authenticationInfo")).get("principalEmail")),
        severity=severity_of(level),
        severity_raw=level,
        trace_id=normal_id((flat.get("trace") or "").rpartition("/")[2]),
        span_id=normal_id(flat.get("spanId")),
        pointer=record.pointer,
    )


def _log(record: Record, flat: dict[str, str], stamp: Stamp, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    payload = dict_of(value.get("jsonPayload"))
    envelope = Envelope(
        flat,
        stamp,
        service=_first(flat, _SERVICES),
        host=_first(flat, _HOSTS),
        level=text(value.get("severity")),
        trace_id=normal_id((flat.get("trace") or "").rpartition("/")[2]),
        span_id=normal_id(flat.get("spanId")),
    )
    line = text(value.get("textPayload"))
    if line is None:
        line = first_text(payload, _MESSAGES) or _request(dict_of(value.get("httpRequest")))
    if line is None:
        line = " ".join(f"{key}={item}" for key, item in flatten(payload).items()) or "log entry"
    return shipped_line(line, envelope, rows.zone, record.start, record.end, record.pointer)


def _request(value: Mapping[str, Any]) -> str | None:
    parts = [text(value.get(key)) for key in ("requestMethod", "requestUrl", "status")]
    return f"{parts[0]} {parts[1]} -> {parts[2]}" if all(parts) else None


def _first(flat: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((flat[name] for name in names if flat.get(name)), None)


FORMATS: Final[tuple[Format, ...]] = (GcpLogEntry(),)
