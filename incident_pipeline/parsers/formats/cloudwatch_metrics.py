"""CloudWatch metric data: answers to GetMetricData and GetMetricStatistics, in AWS's case or in snake case.

`Timestamps` and `Values` are parallel lists, by default newest first. A series that was asked for and is
empty is noted: it may say more than the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    list_of,
    number_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format, Splitting
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_RESULTS: Final = ("MetricDataResults", "metric_data_results")
_POINTS: Final = ("Datapoints", "datapoints")
_STATISTICS: Final = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_COLUMNS: Final = ("timestamps", "values")
_SERVICES: Final = (
    "ServiceName", "FunctionName", "LoadBalancer", "DBInstanceIdentifier", "DBClusterIdentifier",
    "QueueName", "CacheClusterId", "ApiName", "TableName",
)  # fmt: skip


class CloudWatchMetricData(PageFormat):
    """The parser of CloudWatch metric data."""

    id = "cloudwatch_metric_data"
    aliases = ("cloudwatch_metrics", "aws_cloudwatch_metrics")
    title = "CloudWatch metric data"
    spec = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html"
    splitting: ClassVar[Splitting] = "whole"

    def recognise(self, value: Any) -> float:
        """Recognise the lists of results and of data points."""
        value = dict_of(value)
        if any(isinstance(value.get(name), list) for name in _RESULTS):
            return 1.0
        points = [dict_of(item) for name in _POINTS for item in list_of(value.get(name))]
        return 1.0 if points and all(_named(item, "timestamp") is not None for item in points) else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an answer."""
        members = place.members()
        results = next((members[name] for name in _RESULTS if name in members), None)
        if results is not None:
            for key in ("NextToken", "next_token"):
                if key in members and members[key].raw != b"null":
                    rows.assume("more pages follow this one: the export is not complete")
            namespace = text(members["namespace"].record().value) if "namespace" in members else None
            for part in results.parts():
                value = {key: member.record().value for key, member in part.members().items()}
                _read_result(part, value, namespace, rows)
            return True
        points = next((members[name] for name in _POINTS if name in members), None)
        if points is None:
            return False
        label = next((members[name] for name in ("Label", "label") if name in members), None)
        _read_points(points, text(label.record().value) if label is not None else None, rows)
        return True


def _named(value: Mapping[str, Any], name: str) -> Any:
    """Give a member whatever the case its name is written in (`StatusCode`, `status_code`)."""
    wanted = name.replace("_", "")
    return next((item for key, item in value.items() if key.replace("_", "").lower() == wanted), None)


def _read_result(place: Place, value: dict[str, Any], namespace: str | None, rows: Rows) -> None:
    dimensions = [dict_of(item) for item in list_of(_named(value, "dimensions"))]
    labels = {text_of(_named(item, "name")): text_of(_named(item, "value")) for item in dimensions}
    for key, item in value.items():
        if key.lower() not in (*_COLUMNS, "dimensions", "unit", "messages"):
            labels.update(flatten({key: item}))
    if namespace is not None:
        labels["namespace"] = namespace
    name = text(_named(value, "metric_name")) or text(_named(value, "label")) or text(_named(value, "id"))
    status = text(_named(value, "status_code"))
    if status not in (None, "Complete"):
        rows.assume(f"metric {name}: {status}")
    key = rows.series(
        series_id(rows.source.sha256, f"{place.start}:{place.pointer}"),
        name,
        labels,
        unit=text(_named(value, "unit")),
        service=next((labels[label] for label in _SERVICES if labels.get(label)), None),
        pointer=place.pointer,
    )
    members = {name.lower(): member for name, member in place.members().items()}
    times = (
        [time_of(cell.value, 0) for cell in members["timestamps"].items()] if "timestamps" in members else []
    )
    cells = list(members["values"].items()) if "values" in members else []
    if not cells:
        rows.assume(f"metric {name}: no values in the window")
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


def _read_points(place: Place, label: str | None, rows: Rows) -> None:
    for record in objects(place.items(), rows, "a data point"):
        stamp = time_of(_named(record.value, "timestamp"), 0)
        unit = text(_named(record.value, "unit"))
        found = [(name, number_of(_named(record.value, name.lower()))) for name in _STATISTICS]
        extended = dict_of(_named(record.value, "extended_statistics"))
        found += [(name, number_of(item)) for name, item in extended.items()]
        known = [(name, value) for name, value in found if value is not None]
        if stamp.time_ns is None or not known:
            rows.reject(record.start, record.end, "a data point without time or statistic")
        for name, value in known if stamp.time_ns is not None else ():
            key = rows.series(
                series_id(rows.source.sha256, f"{place.start}:{place.pointer}:{name}"),
                label,
                {"stat": name},
                unit=unit,
                pointer=place.pointer,
            )
            rows.samples(key, [stamp.time_ns], [value], [record.start], [record.end])


FORMATS: Final[tuple[Format, ...]] = (CloudWatchMetricData(),)
