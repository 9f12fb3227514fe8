"""OTLP/JSON metrics: data points as samples, named as Prometheus would name them.

A histogram gives `_count`, `_sum` and cumulative `_bucket` series with the label `le`; an exponential
histogram gives count and sum; a summary gives count, sum and one series per quantile.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from incident_pipeline.parsers.formats.otlp_structs import Metric, Point
from incident_pipeline.parsers.formats.otlp_values import attribute_map, normal_id
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import parse_nanos
from incident_pipeline.serialise import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.rows import Rows

_METRIC: Final = msgspec.json.Decoder(Metric)
_POINT: Final = msgspec.json.Decoder(Point)
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_KINDS: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


class _Measure(NamedTuple):
    suffix: str
    label: tuple[str, str] | None
    value: float | None


def read_metric(
    rows: Rows, raw: bytes, start: int, pointer: str, service: str | None, resource: Mapping[str, str]
) -> None:
    """Read one metric that stands at `start`; broken points go to quarantine one by one."""
    try:
        metric = _METRIC.decode(raw)
    except _BROKEN as error:
        rows.reject(start, start + len(raw), f"no OTLP metric: {str(error)[:120]}")
        return
    groups = (metric.gauge, metric.sum, metric.histogram, metric.exponential_histogram, metric.summary)
    at = 0
    for kind, points in zip(_KINDS, groups, strict=True):
        for index, slice_ in enumerate((points.data_points or ()) if points else ()):
            part = bytes(slice_)
            at = raw.find(part, at)
            place = f"{pointer}/{kind}/dataPoints/{index}"
            _read_point(rows, part, start + at, place, metric, service, resource)
            at += len(part)


def _read_point(
    rows: Rows,
    raw: bytes,
    start: int,
    pointer: str,
    metric: Metric,
    service: str | None,
    resource: Mapping[str, str],
) -> None:
    end = start + len(raw)
    try:
        point = _POINT.decode(raw)
    except _BROKEN as error:
        rows.reject(start, end, f"no OTLP data point: {str(error)[:120]}")
        return
    add_point(rows, point, start, end, pointer, metric, service, resource)


def add_point(
    rows: Rows,
    point: Point,
    start: int,
    end: int,
    pointer: str | None,
    metric: Metric,
    service: str | None,
    resource: Mapping[str, str],
) -> None:
    """Take the measurements of a data point; one that contradicts itself goes to quarantine."""
    try:
        measures = list(_measures(point))
    except (ValueError, OverflowError) as error:
        rows.reject(start, end, f"no OTLP data point: {str(error)[:120]}")
        return
    labels = {**resource, **attribute_map(point.attributes)}
    time_ns = parse_nanos(point.time_unix_nano).time_ns
    exemplar = normal_id(point.exemplars[0].trace_id) if point.exemplars else None
    for measure in measures:
        own = {**labels, measure.label[0]: measure.label[1]} if measure.label else labels
        name = metric.name + measure.suffix
        # The same series comes back in every export, so its id hangs on name and labels, not on the place.
        key = series_id(rows.source.sha256, compact_json([name, metric.unit, own]).decode())
        rows.series(key, name, own, unit=metric.unit or None, service=service, pointer=pointer)
        rows.samples(key, [time_ns], [measure.value], [start], [end], [exemplar])


def _measures(point: Point) -> Iterator[_Measure]:
    if point.as_double is not None or point.as_int is not None:
        value = point.as_double if point.as_double is not None else point.as_int
        yield _Measure("", None, _number(value))
    if point.count is not None:
        yield _Measure("_count", None, _number(point.count))
    if point.sum is not None:
        yield _Measure("_sum", None, _number(point.sum))
    if point.bucket_counts and point.explicit_bounds is not None:
        bounds = [*(repr(bound) for bound in point.explicit_bounds), "+Inf"]
        totals = itertools.accumulate(int(count) for count in point.bucket_counts)
        for bound, total in zip(bounds, totals, strict=True):
            yield _Measure("_bucket", ("le", bound), float(total))
    for item in point.quantile_values or ():
        yield _Measure("", ("quantile", repr(item.quantile)), _number(item.value))


def _number(value: float | str | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    return None if number != number else number  # noqa: PLR0124 - NaN: kept as a row without a value
