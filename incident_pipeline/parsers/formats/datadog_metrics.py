"""Datadog metric queries: `pointlist` pairs of API v1, and the columns of API v2's timeseries.

Times are milliseconds, written as numbers with or without a fraction. A series' labels are its tags; its
expression stays a label as well. A point without a value is kept without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.parsers.formats.datadog import tags_of
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    epoch_of,
    list_of,
    number_of,
    text,
)
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.parsers.format import Format, Splitting
    from incident_pipeline.parsers.rows import Rows

_PAIR: Final = 2


class DatadogMetricQuery(PageFormat):
    """The parser of metric queries."""

    id = "datadog_metric_query"
    aliases = ("datadog_metrics", "datadog_timeseries")
    title = "Datadog metric query"
    spec = "https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points"
    splitting: ClassVar[Splitting] = "whole"

    def recognise(self, value: Any) -> float:
        """Recognise series with a pointlist, and a timeseries response."""
        value = dict_of(value)
        series = list_of(value.get("series"))
        if series:
            found = [isinstance(dict_of(item).get("pointlist"), list) for item in series]
            return sum(found) / len(found)
        return 1.0 if dict_of(value.get("data")).get("type") == "timeseries_response" else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer."""
        series = place.find("series")
        if series is not None:
            for part in series.parts():
                _read_series(
                    part, {key: member.record().value for key, member in part.members().items()}, rows
                )
            return True
        columns = place.find("data", "attributes")
        if columns is None:
            return False
        _read_columns(columns, rows)
        return True


def _read_series(place: Place, value: dict[str, Any], rows: Rows) -> None:
    tags = list_of(value.get("tag_set"))
    if not tags and value.get("scope") != "*":
        tags = (text(value.get("scope")) or "").split(",")
    labels = labels_of(tags)
    expression = text(value.get("expression"))
    if expression is not None:
        labels["expression"] = expression
    units = [
        dict_of(item).get("short_name") or dict_of(item).get("name") for item in list_of(value.get("unit"))
    ]
    unit = "/".join(found for item in units if (found := text(item)) is not None)
    name = text(value.get("metric")) or text(value.get("display_name"))
    key = rows.series(
        series_id(rows.source.sha256, f"{place.start}:{place.pointer}"),
        name,
        labels,
        unit=unit or None,
        service=labels.get("service"),
        pointer=place.pointer,
    )
    times: list[int | None] = []
    values: list[float | None] = []
    starts: list[int] = []
    ends: list[int] = []
    points = place.find("pointlist")
    for record in points.items() if points is not None else ():
        pair = record.value
        stamp = epoch_of(pair[0], "ms") if isinstance(pair, list) and len(pair) == _PAIR else None
        if stamp is None or stamp.time_ns is None:
            rows.reject(record.start, record.end, record.problem or "a point without time and value")
            continue
        times.append(stamp.time_ns)
        values.append(number_of(pair[1]))
        starts.append(record.start)
        ends.append(record.end)
    rows.samples(key, times, values, starts, ends)


def _read_columns(place: Place, rows: Rows) -> None:
    """Read `times`, and per series a list of `values`."""
    members = place.members()
    times = (
        [epoch_of(item.value, "ms").time_ns for item in members["times"].items()]
        if "times" in members
        else []
    )
    series = [dict_of(item.value) for item in members["series"].items()] if "series" in members else []
    for index, column in enumerate(members["values"].items() if "values" in members else ()):
        known = series[index] if index < len(series) else {}
        labels = labels_of(list_of(known.get("group_tags")))
        labels["query_index"] = text(known.get("query_index")) or str(index)
        key = rows.series(
            series_id(rows.source.sha256, f"{column.start}:{column.pointer}"),
            None,
            labels,
            service=labels.get("service"),
            pointer=column.pointer,
        )
        cells = list(Place.of(place.data, column).items())
        count = min(len(cells), len(times))
        rows.samples(
            key,
            times[:count],
            [number_of(cell.value) for cell in cells[:count]],
            [cell.start for cell in cells[:count]],
            [cell.end for cell in cells[:count]],
        )
        for cell in cells[count:]:
            rows.reject(cell.start, cell.end, "a value without a time")


def labels_of(tags: Iterable[Any]) -> dict[str, str]:
    """Give tags as labels, without a prefix."""
    return {key.removeprefix("tags."): value for key, value in tags_of(list(tags)).items()}


FORMATS: Final[tuple[Format, ...]] = (DatadogMetricQuery(),)
