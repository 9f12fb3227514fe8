"""Azure: activity log, resource (platform) logs, query results of Log Analytics, and common alerts.

The activity log is written in camel case by the portal and the API and in snake case by the Python SDK.
Resource logs come on lines, in a list, or in `records`. A query result has tables of columns and rows; a
row is then a JSON list. Times have 7 digits of fraction (ticks of 100 ns).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_fields import plan_of
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    first_text,
    list_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_TIMES: Final = ("eventTimestamp", "event_timestamp", "time", "TimeGenerated", "timestamp", "Timestamp")
_LEVELS: Final = ("level", "Level", "SeverityLevel", "severityLevel", "LogLevel")
_RESOURCES: Final = ("resourceId", "resource_id", "ResourceId", "_ResourceId", "resourceid")
_OPERATIONS: Final = ("operationName", "operation_name", "OperationName", "OperationNameValue")
_MESSAGES: Final = (
    "Message", "message", "RenderedDescription", "ResultDescription", "resultDescription",
    "properties.message", "properties.Message", "LogMessage", "log_s", "properties.log", "description",
    "ExceptionMessage",
)  # fmt: skip
_ACTORS: Final = ("caller", "Caller", "identity.claim.upn", "UserId", "InitiatedBy")
_SERVICES: Final = (
    "AppRoleName",
    "cloud_RoleName",
    "ContainerAppName",
    "ContainerName",
    "properties.containerName",
)
_HOSTS: Final = ("Computer", "PodName", "properties.pod", "AppRoleInstance", "HostName", "host")
_AUDIT: Final = ("administrative", "audit", "auditlogs", "policy", "security", "kube-audit", "signinlogs")
_NUMBERS: Final = {
    "severitylevel": {"0": 1, "1": 9, "2": 13, "3": 17, "4": 21},
    "level": {"1": 21, "2": 17, "3": 13, "4": 9, "5": 1},
}
"""Levels as numbers: of Application Insights from verbose up, of Windows events from critical down."""
_ALERT_LEVELS: Final = {"Sev0": 18, "Sev1": 17, "Sev2": 13, "Sev3": 9, "Sev4": 5}


class AzureLogs(PageFormat):
    """The parser of Azure's activity and resource logs."""

    id = "azure_activity"
    aliases = ("azure", "azure_logs", "azure_activity_log", "azure_resource_logs", "azure_monitor_logs")
    title = "Azure activity and resource logs"
    spec = "https://learn.microsoft.com/azure/azure-monitor/essentials/resource-logs-schema"
    kinds = (Kind.LOG, Kind.AUDIT)

    def recognise(self, value: Any) -> float:
        """Recognise records by the resource and the operation they name."""
        value = dict_of(value)
        items = list_of(value.get("records")) or list_of(value.get("value")) or [value]
        return sum(_is_record(item) for item in items) / len(items)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an envelope of records, or a record."""
        members = place.members()
        inner = members.get("records") or members.get("value")
        if inner is not None and inner.opener == b"[" and "nextLink" in members:
            rows.assume("more pages follow this one: the export is not complete")
        if inner is not None and inner.opener == b"[":
            for record in objects(inner.items(), rows, "a record"):
                rows.event(_event(record, flatten(record.value)))
            return True
        record = place.record()
        if not _is_record(record.value):
            return False
        rows.event(_event(record, flatten(record.value)))
        return True


class AzureQuery(PageFormat):
    """The parser of query results of Log Analytics and Application Insights."""

    id = "azure_log_analytics"
    aliases = ("log_analytics", "azure_query", "application_insights", "kusto")
    title = "Azure Log Analytics query"
    spec = "https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format"
    kinds = (Kind.LOG, Kind.AUDIT)

    def recognise(self, value: Any) -> float:
        """Recognise tables of columns and rows, and rows that name their table."""
        value = dict_of(value)
        tables = list_of(value.get("tables"))
        if tables:
            return float(all("columns" in dict_of(item) and "rows" in dict_of(item) for item in tables))
        return 1.0 if "TimeGenerated" in value and ("TableName" in value or "TenantId" in value) else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the tables of a result, or a row that is an object."""
        tables = place.find("tables")
        if tables is None or tables.opener != b"[":
            record = place.record()
            if not isinstance(record.value, dict) or "TimeGenerated" not in record.value:
                return False
            rows.event(_event(record, flatten(record.value)))
            return True
        for record in objects(tables.items(), rows, "a table"):
            _read_table(Place.of(place.data, record), record.value, rows)
        return True


class AzureAlert(PageFormat):
    """The parser of Azure Monitor's common alert schema."""

    id = "azure_monitor_alert"
    aliases = ("azure_alert", "azure_common_alert")
    title = "Azure Monitor alert"
    spec = "https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema"
    kinds = (Kind.ALERT,)

    def recognise(self, value: Any) -> float:
        """Recognise the essentials of an alert."""
        return float("alertRule" in dict_of(dict_of(dict_of(value).get("data")).get("essentials")))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the alert."""
        record = place.record()
        essentials = dict_of(dict_of(dict_of(record.value).get("data")).get("essentials"))
        if not essentials:
            return False
        state = text(essentials.get("monitorCondition"))
        level = text(essentials.get("severity"))
        name = text(essentials.get("alertRule")) or "alert"
        detail = text(essentials.get("description"))
        heading = f"{name} {state}" if state else name
        targets = list_of(essentials.get("configurationItems")) or list_of(essentials.get("alertTargetIDs"))
        stamp = time_of(essentials.get("firedDateTime"), rows.zone)
        end_ns = time_of(essentials.get("resolvedDateTime"), rows.zone).time_ns
        rows.event(
            Event(
                start=record.start,
                end=record.end,
                kind=Kind.ALERT,
                message=f"{heading}: {detail}" if detail else heading,
                attributes={**flatten(record.value), "status": state or ""},
                stamp=stamp,
                end_ns=end_ns if stamp.time_ns is None or end_ns is None or end_ns >= stamp.time_ns else None,
                service=(text(targets[0]) or "").rpartition("/")[2] or None if targets else None,
                severity=_ALERT_LEVELS.get(level or ""),
                severity_raw=level,
                pointer=record.pointer,
            )
        )
        return True


def _is_record(value: Any) -> bool:
    value = dict_of(value)
    held = [any(key in value for key in keys) for keys in (_TIMES, _RESOURCES, _OPERATIONS)]
    return all(held) or (
        held[0] and held[1] and any(key in value for key in ("category", "Category", "properties"))
    )


def _event(record: Record, flat: dict[str, str]) -> Event:
    key = next((name for name in _TIMES if flat.get(name)), None)
    stamp = time_of(flat.pop(key) if key is not None else None, 0)
    level_key = next((name for name in _LEVELS if flat.get(name)), "")
    level = flat.get(level_key)
    category = first_text(flat, ("category.value", "category", "Category", "CategoryValue")) or ""
    operation = next((flat[name] for name in _named(_OPERATIONS) if flat.get(name)), None)
    resource = first_text(flat, _RESOURCES)
    plan = plan_of(tuple(flat))
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.AUDIT if category.lower() in _AUDIT or "caller" in flat else Kind.LOG,
        message=_message(flat, operation, resource, plan.message),
        attributes=flat,
        stamp=stamp,
        service=first_text(flat, _SERVICES) or ((resource or "").rstrip("/").rpartition("/")[2] or None),
        host=first_text(flat, _HOSTS),
        actor=first_text(flat, _ACTORS),
        severity=_NUMBERS.get(level_key.lower(), {}).get(level or "") or severity_of(level),
        severity_raw=level,
        trace_id=normal_id(first_text(flat, ("operation_Id", "OperationId", "traceId", "TraceId"))),
        span_id=normal_id(first_text(flat, ("operation_ParentId", "ParentId", "spanId", "SpanId"))),
        pointer=record.pointer,
    )


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    """Give the keys of values that are plain or carry a localized twin (`operationName.value`)."""
    return tuple(f"{name}{end}" for name in names for end in (".value", ""))


def _message(flat: Mapping[str, str], operation: str | None, resource: str | None, key: str | None) -> str:
    found = first_text(flat, _MESSAGES)
    if found is not None and found != operation:
        return found
    result = next(
        (flat[name] for name in _named(("status", "resultType", "ActivityStatus")) if flat.get(name)), None
    )
    if operation is not None:
        place = (resource or "").rstrip("/").rpartition("/")[2]
        return " ".join(part for part in (operation, place, f"-> {result}" if result else "") if part)
    if key is not None:
        return flat[key]
    return " ".join(f"{name}={value}" for name, value in flat.items()) or "record"


def _read_table(place: Place, value: Mapping[str, Any], rows: Rows) -> None:
    names = [text_of(dict_of(column).get("name")) for column in list_of(value.get("columns"))]
    table = text(value.get("name"))
    cells = place.find("rows")
    for record in cells.items() if cells is not None else ():
        if not isinstance(record.value, list) or len(record.value) != len(names):
            rows.reject(record.start, record.end, record.problem or "a row that does not fit the columns")
            continue
        named = dict(zip(names, record.value, strict=True))
        flat = {key: found for key, item in flatten(named).items() if (found := text(item)) is not None}
        if table is not None:
            flat.setdefault("TableName", table)
        rows.event(_event(record, flat))


FORMATS: Final[tuple[Format, ...]] = (AzureLogs(), AzureQuery(), AzureAlert())
