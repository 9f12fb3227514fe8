"""Amazon RDS: its events, and Performance Insights as tools put its answers together.

Events come from DescribeEvents in AWS's case or in snake case; old ones, long over, are among them. Of
Performance Insights the load is a series; statements, waits, users and hosts are what the load was made
of, over the whole window, and have no times of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    list_of,
    number_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format, Splitting
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_SOURCE: Final = ("SourceIdentifier", "source_identifier")
_DATE: Final = ("Date", "date")
_TOPS: Final = ("top_sql", "top_wait_events", "top_users", "top_hosts")


class RdsEvents(PageFormat):
    """The parser of RDS events."""

    id = "rds_events"
    aliases = ("aws_rds_events",)
    title = "Amazon RDS events"
    spec = "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeEvents.html"
    kinds = (Kind.CHANGE,)

    def recognise(self, value: Any) -> float:
        """Recognise events of a database instance."""
        value = dict_of(value)
        items = list_of(value.get("Events")) or list_of(value.get("events")) or [value]
        return sum(_is_event(item) for item in items) / len(items)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer, or one event."""
        members = place.members()
        events = members.get("Events") or members.get("events")
        if events is not None:
            for record in objects(events.items(), rows, "an event"):
                rows.event(_event(record, rows))
            return True
        record = place.record()
        if not _is_event(record.value):
            return False
        rows.event(_event(record, rows))
        return True


class PerformanceInsights(PageFormat):
    """The parser of Performance Insights."""

    id = "rds_performance_insights"
    aliases = ("performance_insights", "aws_performance_insights")
    title = "Amazon RDS Performance Insights"
    spec = "https://docs.aws.amazon.com/performance-insights/latest/APIReference/"
    kinds = (Kind.OBJECT_STATE,)
    splitting: ClassVar[Splitting] = "whole"

    def recognise(self, value: Any) -> float:
        """Recognise a database's load beside what it was made of."""
        value = dict_of(value)
        return (
            1.0
            if "db_load" in value and any(name in value for name in (*_TOPS, "db_instance_identifier"))
            else 0.0
        )

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the load as samples, and its parts as states."""
        members = place.members()
        if "db_load" not in members:
            return False
        named = members.get("db_instance_identifier")
        instance = text(named.record().value) if named is not None else None
        parts = [(name, members[name]) for name in ("db_load", *_TOPS) if name in members]
        for name, part in sorted(parts, key=lambda pair: pair[1].start):
            if name == "db_load":
                _read_load(part, instance, rows)
                continue
            for record in objects(part.items(), rows, "a part of the load"):
                rows.event(_part(record, name, instance))
        return True


def _is_event(value: Any) -> bool:
    value = dict_of(value)
    return any(key in value for key in _SOURCE) and any(key in value for key in _DATE)


def _event(record: Record, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    date = next((name for name in _DATE if name in value), "date")
    message = next((name for name in ("Message", "message") if name in value), "message")
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.CHANGE,
        message=text(value.get(message)),
        attributes=flatten({key: item for key, item in value.items() if key not in (date, message)}),
        stamp=time_of(value.get(date), rows.zone),
        service=next((text(value[name]) for name in _SOURCE if name in value), None),
        pointer=record.pointer,
    )


def _read_load(place: Place, instance: str | None, rows: Rows) -> None:
    members = place.members()
    unit = text(members["unit"].record().value) if "unit" in members else None
    key = rows.series(
        series_id(rows.source.sha256, f"{place.start}:{place.pointer}"),
        "db.load",
        {"db_instance_identifier": instance} if instance else {},
        unit=unit,
        service=instance,
        pointer=place.pointer,
    )
    times = (
        [time_of(item.value, rows.zone) for item in members["timestamps"].items()]
        if "timestamps" in members
        else []
    )
    cells = list(members["values"].items()) if "values" in members else []
    whole = min(len(times), len(cells))
    rows.samples(
        key,
        [stamp.time_ns for stamp in times[:whole]],
        [number_of(cell.value) for cell in cells[:whole]],
        [cell.start for cell in cells[:whole]],
        [cell.end for cell in cells[:whole]],
    )
    for cell in cells[whole:]:
        rows.reject(cell.start, cell.end, "a value without a time")


def _part(record: Record, name: str, instance: str | None) -> Event:
    flat = flatten(record.value)
    flat["dimension"] = name.removeprefix("top_")
    what = flat.get("statement") or flat.get("name") or flat.get("id") or name
    load = flat.get("db_load_avg")
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.OBJECT_STATE,
        message=f"{what} (average load {load})" if load else what,
        attributes=flat,
        service=instance,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (PerformanceInsights(), RdsEvents())
