"""OTLP/JSON metrics: data points as samples, named as Prometheus would name them.

A histogram gives `_count`, `_sum`, `_min`, `_max` and cumulative `_bucket` series with the label `le`; an
exponential histogram gives the same, its bounds being powers of 2^(2^-scale), buckets that count nothing
left out; a summary gives count, sum and one series per quantile.
"""

from __future__ import annotations

import itertools
import math
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
_MIN_SCALE, _MAX_SCALE, _MAX_EXPONENT = -10, 20, 1024
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
    for suffix, extreme in (("_min", point.min), ("_max", point.max)):
        if extreme is not None:
            yield _Measure(suffix, None, _number(extreme))
    if point.positive is not None or point.negative is not None:
        yield from _exponential(point)
    if point.bucket_counts and point.explicit_bounds is not None:
        bounds = [*(repr(bound) for bound in point.explicit_bounds), "+Inf"]
        totals = itertools.accumulate(int(count) for count in point.bucket_counts)
        for bound, total in zip(bounds, totals, strict=True):
            yield _Measure("_bucket", ("le", bound), float(total))
    for item in point.quantile_values or ():
        yield _Measure("", ("quantile", repr(item.quantile)), _number(item.value))


def _exponential(point: Point) -> Iterator[_Measure]:
    """Give the buckets of an exponential histogram, from the lowest bound to the highest.

    Raises:
        ValueError: its scale is none, or a count is no number.
    """
    if not _MIN_SCALE <= point.scale <= _MAX_SCALE:
        raise ValueError(f"scale {point.scale}")
    step = 2.0**-point.scale
    found: list[tuple[float, int]] = []
    if point.negative is not None:  # the bucket of index i reaches from -base^(i+1) to -base^i
        counts = list(enumerate(point.negative.bucket_counts or (), point.negative.offset))
        found += [(-_power(index * step), int(count)) for index, count in reversed(counts)]
    found.append((0.0, int(point.zero_count or 0)))
    if point.positive is not None:
        counts = list(enumerate(point.positive.bucket_counts or (), point.positive.offset))
        found += [(_power((index + 1) * step), int(count)) for index, count in counts]
    total = 0
    for bound, count in found:
        total += count
        if count and bound != math.inf:
            yield _Measure("_bucket", ("le", f"{bound:.12g}"), float(total))
    yield _Measure("_bucket", ("le", "+Inf"), float(total))


def _power(exponent: float) -> float:
    """Give a power of two; those that no double holds are infinite."""
    return math.inf if exponent >= _MAX_EXPONENT else 2.0**exponent


def _number(value: float | str | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    return None if number != number else number  # noqa: PLR0124 - NaN: kept as a row without a value
