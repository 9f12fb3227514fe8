"""Datadog's record APIs: logs, events, audit trail and spans (v2 searches), logs and events of v1.

A v2 item is `{"type", "id", "attributes"}` with the user's own fields in `attributes.attributes` (logs,
events, audit) or `attributes.custom` (spans). Ids of traces and spans are 64-bit decimals and become 16
hex digits. Tags are `key:value` texts. A page that names a next one was not all there is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import (
    PageFormat,
    decimal_id,
    dict_of,
    end_after,
    epoch_of,
    first_text,
    hex_id,
    list_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity, severity_of
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_LOG_ROLES: Final = ("message", "timestamp", "status", "service", "host", "tags", "attributes", "content")
_LOG_SIGNS: Final = ("status", "service", "host", "tags")
_POD_TAGS: Final = ("pod_name", "kube_pod_name")


class DatadogPage(PageFormat):
    """A page of `data` whose items are of one type, or such items in a list."""

    kinds: ClassVar[tuple[Kind, ...]] = (Kind.LOG,)
    types: ClassVar[tuple[str, ...]]
    spec = "https://docs.datadoghq.com/api/latest/"
    certainty = 0.97

    @abstractmethod
    def event(self, record: Record, rows: Rows) -> Event:
        """Turn an item into an event."""

    def recognise(self, value: Any) -> float:
        """Recognise items by their `type` and `attributes`."""
        value = dict_of(value)
        inner = value.get("data")
        items = inner if isinstance(inner, list) else [inner] if isinstance(inner, dict) else [value]
        found = [self._is_item(item) for item in items]
        return sum(found) / len(found) if found else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a page or an item."""
        members = place.members()
        inner = members.get("data")
        if inner is None:
            record = place.record()
            if not self._is_item(record.value):
                return False
            rows.event(self.event(record, rows))
            return True
        note_next_page(members, rows)
        found = list(inner.items()) if inner.opener == b"[" else [inner.record()]
        for record in objects(iter(found), rows, "an item"):
            rows.event(self.event(record, rows))
        return True

    def _is_item(self, value: Any) -> bool:
        value = dict_of(value)
        return value.get("type") in self.types and isinstance(value.get("attributes"), dict)


class DatadogLogs(DatadogPage):
    """The parser of log searches: API v2, API v1, and the short form of tools (`{"logs": [...]}`)."""

    id = "datadog_logs"
    aliases = ("datadog", "datadog_log_search")
    title = "Datadog log search"
    types = ("log", "logs")

    def recognise(self, value: Any) -> float:
        """Recognise items of searches, and lists of `logs`."""
        logs = list_of(dict_of(value).get("logs"))
        if logs:
            found = [_is_log(dict_of(item.get("content")) or item) for item in map(dict_of, logs)]
            return sum(found) / len(found)
        return super().recognise(value)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a page; `logs` holds the entries in the older API and in the short form."""
        members = place.members()
        if "logs" not in members or members["logs"].opener != b"[":
            return super().read(place, rows)
        note_next_page(members, rows)
        for record in objects(members["logs"].items(), rows, "a log"):
            rows.event(self.event(record, rows))
        return True

    def event(self, record: Record, rows: Rows) -> Event:
        """Turn a log into an event; its line is read for what it says of itself."""
        item: dict[str, Any] = record.value
        value = dict_of(item.get("attributes")) if "id" in item else item
        value = dict_of(item.get("content")) or value or item
        known = {key: part for key, part in value.items() if key not in _LOG_ROLES}
        own = {key: part for key, part in item.items() if key not in _LOG_ROLES}
        attributes = {**flatten(own), **flatten(known), **flatten(dict_of(value.get("attributes")))}
        attributes.update(tags_of(value.get("tags")))
        envelope = Envelope(
            attributes,
            time_of(value.get("timestamp"), rows.zone),
            service=text(value.get("service")),
            host=text(value.get("host")) or first_text(attributes, [f"tags.{name}" for name in _POD_TAGS]),
            level=text(value.get("status")),
            trace_id=_trace_of(attributes),
            span_id=decimal_id(attributes.get("dd.span_id") or attributes.get("span_id")),
        )
        line = text(value.get("message")) or attributes.get("title") or ""
        return shipped_line(line, envelope, rows.zone, record.start, record.end, record.pointer)


class DatadogAudit(DatadogPage):
    """The parser of the audit trail."""

    id = "datadog_audit"
    title = "Datadog audit trail"
    types = ("audit",)
    kinds = (Kind.AUDIT,)

    def event(self, record: Record, rows: Rows) -> Event:
        """Turn an entry of the audit trail into an event."""
        attributes, value, own = _parts(record)
        stamp = time_of(value.get("timestamp") or own.get("timestamp"), rows.zone)
        level = text(own.get("status"))
        user = dict_of(own.get("usr"))
        return Event(
            start=record.start,
            end=record.end,
            kind=Kind.AUDIT,
            message=text(value.get("message")) or text(own.get("action")) or "audit event",
            attributes=attributes,
            stamp=stamp,
            service=text(value.get("service")) or text(own.get("service")),
            host=text(value.get("host")) or text(own.get("hostname")),
            actor=first_text(user, ("email", "name", "id")),
            severity=severity_of(level),
            severity_raw=level,
            pointer=record.pointer,
        )


class DatadogEvents(DatadogPage):
    """The parser of events: searches of API v2, and what API v1 lists."""

    id = "datadog_events"
    aliases = ("datadog_events_v1", "datadog_events_v2")
    title = "Datadog events"
    types = ("event", "events")
    kinds = (Kind.ALERT, Kind.CHANGE, Kind.LOG)

    def recognise(self, value: Any) -> float:
        """Recognise items of searches, and the events of the older API."""
        value = dict_of(value)
        inner = value.get("events", value.get("event", value))
        items = inner if isinstance(inner, list) else [inner]
        if items and all(_is_old_event(item) for item in items):
            return 1.0
        return super().recognise(value)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a page, or the answer of the older API."""
        members = place.members()
        inner = members.get("events") or members.get("event")
        if inner is None or "data" in members:
            record = place.record()
            if not _is_old_event(record.value):
                return super().read(place, rows)
            rows.event(_old_event(record))
            return True
        found = list(inner.items()) if inner.opener == b"[" else [inner.record()]
        for record in objects(iter(found), rows, "an event"):
            rows.event(_old_event(record))
        return True

    def event(self, record: Record, rows: Rows) -> Event:
        """Turn an item into an event."""
        attributes, value, own = _parts(record)
        level = text(own.get("status"))
        title, body = text(own.get("title")), text(value.get("message"))
        service = text(own.get("service")) or text(value.get("service"))
        return Event(
            start=record.start,
            end=record.end,
            kind=_kind_of(attributes),
            message=body if title is None or body is None or title in body else f"{title}: {body}",
            attributes=attributes,
            stamp=time_of(value.get("timestamp"), rows.zone),
            service=None if service == "undefined" else service,
            host=text(own.get("hostname")) or text(value.get("host")),
            severity=alert_severity(level) or severity_of(level),
            severity_raw=level,
            pointer=record.pointer,
        )


class DatadogSpans(DatadogPage):
    """The parser of span searches."""

    id = "datadog_spans"
    aliases = ("datadog_apm", "datadog_traces")
    title = "Datadog span search"
    types = ("spans", "span")
    kinds = (Kind.SPAN,)

    def event(self, record: Record, rows: Rows) -> Event:
        """Turn an item into a span; where its duration is given, the end is exact to the nanosecond."""
        value = dict_of(record.value.get("attributes"))
        custom = dict_of(value.get("custom")) or dict_of(value.get("attributes"))
        roles = (
            "start_timestamp", "end_timestamp", "trace_id", "span_id", "parent_id", "service", "host",
            "resource_name", "custom", "attributes", "tags",
        )  # fmt: skip
        attributes = flatten({key: part for key, part in record.value.items() if key != "attributes"})
        attributes.update(flatten({key: part for key, part in value.items() if key not in roles}))
        attributes.update(flatten(custom))
        attributes.update(tags_of(value.get("tags")))
        stamp = time_of(value.get("start_timestamp"), rows.zone)
        end_ns = end_after(stamp.time_ns, custom.get("duration"), "ns")
        if end_ns is None:
            end_ns = time_of(value.get("end_timestamp"), rows.zone).time_ns
        status = text(value.get("status")) or text(custom.get("status"))
        failed = status == "error" or "error" in custom or custom.get("error.type") is not None
        attributes["status.code"] = "error" if failed else status or "unset"
        attributes["span.kind"] = (text(dict_of(custom.get("span")).get("kind")) or "unspecified").lower()
        return Event(
            start=record.start,
            end=record.end,
            kind=Kind.SPAN,
            message=text(value.get("resource_name")) or text(value.get("operation_name")),
            attributes=attributes,
            stamp=stamp,
            end_ns=end_ns,
            service=text(value.get("service")),
            host=text(value.get("host")),
            severity=Severity.ERROR if failed else None,
            severity_raw=status,
            trace_id=decimal_id(value.get("trace_id")),
            span_id=decimal_id(value.get("span_id")),
            parent_span_id=decimal_id(value.get("parent_id")),
            pointer=record.pointer,
        )


def tags_of(value: Any) -> dict[str, str]:
    """Give tags by key as `tags.KEY`, the different values of one joined; tags without a key in one list."""
    found: dict[str, list[str]] = {}
    plain: list[str] = []
    for tag in list_of(value) if isinstance(value, list) else (text(value) or "").split(","):
        key, colon, rest = text_of(tag).partition(":")
        if not colon:
            plain += [key] if key else []
        elif rest not in found.setdefault(f"tags.{key}", []):
            found[f"tags.{key}"].append(rest)
    flat = {key: ", ".join(values) for key, values in found.items()}
    return {**flat, "tags": ", ".join(plain)} if plain else flat


def note_next_page(members: dict[str, Place], rows: Rows) -> None:
    """Note that a page is not all there is, where it names the next."""
    for names in (("meta", "page", "after"), ("links", "next"), ("nextLogId",)):
        place = members.get(names[0])
        place = place.find(*names[1:]) if place is not None else None
        if place is not None and place.raw not in (b"null", b'""'):
            rows.assume("more pages follow this one: the export is not complete")
            return


def _is_log(value: Any) -> bool:
    value = dict_of(value)
    return "message" in value and "timestamp" in value and any(key in value for key in _LOG_SIGNS)


def _parts(record: Record) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Give an item's attributes as text, Datadog's own fields, and those of the sender."""
    value = dict_of(record.value.get("attributes"))
    own = dict_of(value.get("attributes"))
    attributes = flatten({key: part for key, part in record.value.items() if key != "attributes"})
    rest = {
        key: part for key, part in value.items() if key not in ("attributes", "tags", "message", "timestamp")
    }
    attributes.update(flatten(rest))
    attributes.update(flatten({key: part for key, part in own.items() if key != "tags"}))
    attributes.update(tags_of(value.get("tags")))
    attributes.update({f"own.{key}": tag for key, tag in tags_of(own.get("tags")).items()})
    return attributes, value, own


def _trace_of(attributes: dict[str, str]) -> str | None:
    if attributes.get("dd.trace_id"):
        return decimal_id(attributes["dd.trace_id"])
    found = attributes.get("otel.trace_id") or attributes.get("trace_id")
    return decimal_id(found) if found is None or found.isdigit() else hex_id(found)


def _kind_of(attributes: dict[str, str]) -> Kind:
    """Tell alerts of monitors and changes from other events."""
    if any(key.startswith(("monitor.", "monitor_id")) for key in attributes):
        return Kind.ALERT
    category = attributes.get("evt.category") or attributes.get("category") or attributes.get("evt.type")
    if category in ("change", "deployment"):
        return Kind.CHANGE
    return Kind.ALERT if category == "alert" else Kind.LOG


def _is_old_event(value: Any) -> bool:
    value = dict_of(value)
    return "date_happened" in value and ("title" in value or "text" in value)


def _old_event(record: Record) -> Event:
    value: dict[str, Any] = record.value
    roles = ("date_happened", "title", "text", "tags", "host", "alert_type")
    attributes = flatten({key: part for key, part in value.items() if key not in roles})
    attributes.update(tags_of(value.get("tags")))
    level = text(value.get("alert_type"))
    title, body = text(value.get("title")), text(value.get("text"))
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.ALERT if value.get("monitor_id") is not None else Kind.LOG,
        message=": ".join(part for part in (title, body) if part) or "event",
        attributes=attributes,
        stamp=epoch_of(value.get("date_happened"), "s"),
        service=attributes.get("tags.service"),
        host=text(value.get("host")),
        severity=Severity.INFO if level == "success" else alert_severity(level),
        severity_raw=level,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (DatadogLogs(), DatadogAudit(), DatadogEvents(), DatadogSpans())
