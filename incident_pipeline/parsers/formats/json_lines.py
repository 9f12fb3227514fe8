"""Structured logs in JSON: one object per line, or a list of objects; application and access logs alike.

Table-driven (`json_fields`). Everything that plays no role is kept, flattened, as attributes. An access
log record without a message gets one composed from method, address and status, and the severity of its
status.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_values import severity_number
from incident_pipeline.parsers.json_fields import DURATION, LEVEL, MESSAGE, TIME, Plan, plan_of
from incident_pipeline.parsers.jsontext import NotJsonError, Record, decode_json, flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of, status_severity
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Zone

_COMPOSE: Final = re.compile(rb"([A-Za-z0-9][\w.-]*?)(?:[-_]\d+)?\s*\|\s*(?=\{)")
_ACCESS_NAME: Final = re.compile(r"(.+?)[._-]access(?:[._-]?logs?)?")
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
STATUS_TEXT: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)


class JsonLines(Format):
    """The parser of structured JSON logs."""

    id = "json_lines"
    stands_alone = True
    aliases = (
        "jsonl", "ndjson", "json", "json_logs", "structured_json", "zap_json", "logrus_json", "slog_json",
        "bunyan_json", "pino_json", "caddy_json", "rust_tracing_json", "serilog_json", "ecs_json",
        "cloudflare_json", "traefik_json", "mongodb_json", "access_json", "timeline_csv",
    )  # fmt: skip
    title = "Structured logs in JSON"
    spec = "RFC 8259, one object per line; field names of the common loggers"
    kinds = (Kind.LOG,)
    generality = 6
    splitting = "json"

    def score(self, sample: Sample) -> float:
        """Recognise lines (or list elements) that are JSON objects with a time or a message."""
        if sample.records:
            objects = sample.share((*TIME, *MESSAGE, *LEVEL, "instant", "fields", "t"))
            return 0.6 * objects
        prefixed = [line for line in sample.lines if _COMPOSE.match(line)]
        return 0.55 * len(prefixed) / len(sample.lines) if prefixed else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a log event."""
        named = service_of_file(rows)
        for found in records(data):
            prefix = None
            if found.problem is None:
                record = found
            else:
                record, prefix = _behind_prefix(data, found)
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            flat = flatten(record.value)
            if prefix is not None:
                flat.setdefault("container", prefix)
            rows.event(_event(data, record, flat, rows, prefix, named))


def log_event(
    record: Record, flat: dict[str, str], plan: Plan, zone: Zone | None, *, service: str | None, message: str
) -> Event:
    """Turn a flattened record into a log event: roles to columns, the rest to attributes.

    `service` and `message` hold where the record names none.
    """
    get, take = flat.get, flat.pop
    stamp = _time_of(flat, plan, zone)
    level = take(plan.level, None) if plan.level else None
    severity = severity_of(level)
    if severity is None and plan.number:
        severity = severity_number(get(plan.number))
    text = take(plan.message, None) if plan.message else None
    trace_id = _take_id(flat, plan.trace)
    span_id = _take_id(flat, plan.span)
    own = (take(plan.service, None) if plan.service else None) or _logger_name(flat, plan)
    host = take(plan.host, None) if plan.host else None
    if plan.is_access:
        request = _request(flat, plan)
        if request is not None:
            status, line = request
            text = text or line
            severity = severity if level is not None else status_severity(status)
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.LOG,
        message=message if text is None else text,
        attributes=flat,
        stamp=stamp,
        service=own or service,
        host=host or None,
        severity=severity,
        severity_raw=level,
        trace_id=trace_id,
        span_id=span_id,
        pointer=record.pointer,
    )


def _event(
    data: bytes, record: Record, flat: dict[str, str], rows: Rows, prefix: str | None, named: str | None
) -> Event:
    plan = plan_of(tuple(flat))
    fallback = prefix
    if prefix is None and named is not None and plan.is_access and not plan.service:
        rows.assume(f"service {named!r} assumed from the file name")
        fallback = named
    whole = (
        "" if plan.message or plan.is_access else data[record.start : record.end].decode("utf-8", "replace")
    )
    return log_event(record, flat, plan, rows.zone, service=fallback, message=whole)


def service_of_file(rows: Rows) -> str | None:
    """Give the service that the name of an access log tells, as `edge-access.log`."""
    match = _ACCESS_NAME.fullmatch(rows.source.name.rpartition(".")[0] or rows.source.name)
    return match[1] if match else None


def _behind_prefix(data: bytes, record: Record) -> tuple[Record, str | None]:
    """Read a record behind the `service | ` that docker compose puts before each line."""
    match = _COMPOSE.match(data, record.start, record.end)
    if match is None:
        return record, None
    try:
        value = decode_json(data[match.end() : record.end])
    except NotJsonError as error:
        return record._replace(problem=str(error)), None
    return Record(record.start, record.end, None, value), match[1].decode()


def _time_of(flat: dict[str, str], plan: Plan, zone: Zone | None) -> Stamp:
    if plan.time is None:
        return UNKNOWN
    raw = flat[plan.time]
    if plan.time == "instant.epochSecond":
        nanos = flat.get("instant.nanoOfSecond", "0")
        if raw.isdigit() and nanos.isdigit():
            return parse_epoch(f"{raw}.{nanos.rjust(9, '0')}", "s")._replace(raw=raw)
    stamp = parse_time(raw, zone)
    if stamp.time_ns is not None:
        del flat[plan.time]
        return stamp
    for other in TIME:
        if other != plan.time and other in flat:
            second = parse_time(flat[other], zone)
            if second.time_ns is not None:
                del flat[other]
                return second
    return stamp


def _take_id(flat: dict[str, str], key: str | None) -> str | None:
    """Take an id out of the record; Datadog's decimal ids become hex, resource names their last part."""
    if key is None:
        return None
    text = flat[key]
    if key.startswith("dd.") and text.isdigit() and len(text) <= 20:  # noqa: PLR2004 - 64 bits in decimal
        del flat[key]
        return f"{int(text):x}".rjust(16, "0")
    name = text.rpartition("/")[2] if key.startswith("logging.") else text
    if not _ID.fullmatch(name) or (key == "trace" and not _HEX.fullmatch(name)):
        return None
    del flat[key]
    return name.lower() if name.strip("0") else None


def _logger_name(flat: dict[str, str], plan: Plan) -> str | None:
    """Take a logger for the service only when it reads like one: no package path, no class name."""
    if plan.logger is None or plan.service is not None:
        return None
    return plain_name(flat[plan.logger])


def plain_name(name: str) -> str | None:
    """Give a logger's name where it may be a service's."""
    return name if _PLAIN_NAME.fullmatch(name) else None


def _request(flat: dict[str, str], plan: Plan) -> tuple[int, str] | None:
    """Rename the fields of a request as OpenTelemetry does; give its status and a line that tells of it."""
    if (
        plan.status is None
        or plan.method is None
        or plan.url is None
        or not STATUS_TEXT.fullmatch(flat[plan.status])
    ):
        return None
    status, method, url = flat.pop(plan.status), flat.pop(plan.method), flat.pop(plan.url)
    flat["http.response.status_code"] = status
    flat["http.request.method"] = method
    flat["url.full"] = url
    duration = flat.get(plan.duration) if plan.duration else None
    if plan.duration and duration and _DECIMAL.fullmatch(duration):
        del flat[plan.duration]
        shifted = Decimal(duration).scaleb(-DURATION[plan.duration])
        flat["duration_s"] = f"{shifted:f}"
    return int(status), f"{method} {url.partition('?')[0]} -> {status}"


FORMATS: Final[tuple[Format, ...]] = (JsonLines(),)
