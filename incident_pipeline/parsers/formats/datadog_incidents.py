"""Datadog's incidents and monitors: what people recorded, and what state the watchers are in.

An incident's time is when it was created; when it was detected, declared and resolved are attributes, and
the last is its end. Monitors say in which state they are now and seldom since when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.formats.datadog import DatadogPage, tags_of
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    first_text,
    list_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_SEVERITIES: Final = {
    "SEV-0": Severity.CRITICAL,
    "SEV-1": Severity.CRITICAL,
    "SEV-2": Severity.ERROR,
    "SEV-3": Severity.WARN,
    "SEV-4": Severity.INFO,
    "SEV-5": Severity.INFO,
}
_STATES: Final = {
    "Alert": Severity.ERROR,
    "Warn": Severity.WARN,
    "No Data": Severity.WARN,
    "OK": Severity.INFO,
}
_MONITOR: Final = ("name", "query", "type", "overall_state")


class DatadogIncidents(DatadogPage):
    """The parser of incidents, their todos, impacts and timeline."""

    id = "datadog_incident"
    aliases = ("datadog_incidents",)
    title = "Datadog incidents"
    types = (
        "incidents", "incident", "incident_todos", "incident_impacts", "incident_integrations",
        "incident_timeline_cells",
    )  # fmt: skip
    kinds = (Kind.TICKET, Kind.OBJECT_STATE)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the incidents, then the people and attachments that came with them."""
        if not super().read(place, rows):
            return False
        included = place.find("included")
        for record in objects(included.items(), rows, "an item") if included is not None else ():
            value = dict_of(record.value.get("attributes"))
            rows.event(
                Event(
                    start=record.start,
                    end=record.end,
                    kind=Kind.OBJECT_STATE,
                    message=first_text(value, ("name", "handle", "email", "title"))
                    or text(record.value.get("type")),
                    attributes=flatten(record.value),
                    pointer=record.pointer,
                )
            )
        return True

    def event(self, record: Record, rows: Rows) -> Event:
        """Turn an item into a ticket."""
        value = dict_of(record.value.get("attributes"))
        fields = dict_of(value.get("fields"))
        severity = text(value.get("severity")) or text(dict_of(fields.get("severity")).get("value"))
        state = text(value.get("state")) or text(dict_of(fields.get("state")).get("value"))
        attributes = flatten({key: part for key, part in record.value.items() if key != "attributes"})
        attributes.update(flatten({key: part for key, part in value.items() if key != "created"}))
        if state is not None:
            attributes["state"] = state
        services = list_of(dict_of(fields.get("services")).get("value"))
        created_by = dict_of(dict_of(dict_of(value.get("created_by")).get("data")).get("attributes"))
        stamp = time_of(value.get("created"), rows.zone)
        end_ns = time_of(value.get("resolved"), rows.zone).time_ns
        if end_ns is not None and stamp.time_ns is not None and end_ns < stamp.time_ns:
            end_ns = None
        return Event(
            start=record.start,
            end=record.end,
            kind=Kind.TICKET,
            message=first_text(value, ("title", "content", "description")) or text(record.value.get("type")),
            attributes=attributes,
            stamp=stamp,
            end_ns=end_ns,
            service=text(services[0]) if services else None,
            actor=first_text(created_by, ("email", "handle", "name")),
            severity=_SEVERITIES.get(severity or ""),
            severity_raw=severity,
            pointer=record.pointer,
        )


class DatadogMonitors(PageFormat):
    """The parser of lists of monitors."""

    id = "datadog_monitors"
    aliases = ("datadog_monitor",)
    title = "Datadog monitors"
    spec = "https://docs.datadoghq.com/api/latest/monitors/"
    kinds = (Kind.ALERT, Kind.OBJECT_STATE)

    def recognise(self, value: Any) -> float:
        """Recognise monitors, bare or in an envelope."""
        value = dict_of(value)
        items = list_of(value.get("monitors")) or [value]
        return sum(_is_monitor(item) for item in items) / len(items)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the monitors of an envelope, or one."""
        monitors = place.find("monitors")
        if monitors is not None and monitors.opener == b"[":
            for record in objects(monitors.items(), rows, "a monitor"):
                rows.event(_monitor(record, rows))
            return True
        record = place.record()
        if not _is_monitor(record.value):
            return False
        rows.event(_monitor(record, rows))
        return True


def _is_monitor(value: Any) -> bool:
    value = dict_of(value)
    return "overall_state" in value and sum(key in value for key in _MONITOR) >= 3  # noqa: PLR2004 - of four


def _monitor(record: Record, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    state = text(value.get("overall_state"))
    attributes = flatten({key: part for key, part in value.items() if key not in ("name", "message", "tags")})
    attributes.update(tags_of(value.get("tags")))
    attributes["status"] = state or ""
    since = value.get("overall_state_modified")
    body = text(value.get("message"))
    if body is not None:
        attributes["description"] = body
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.OBJECT_STATE if state == "OK" else Kind.ALERT,
        message=f"{text(value.get('name')) or 'monitor'}: {state}",
        attributes=attributes,
        stamp=time_of(since, rows.zone) if since is not None else UNKNOWN,
        service=attributes.get("tags.service"),
        severity=_STATES.get(state or ""),
        severity_raw=state,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (DatadogIncidents(), DatadogMonitors())
