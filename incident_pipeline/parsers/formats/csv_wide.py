"""Wide CSV of measurements, as dashboards export it: a column of times, and a column per series.

A column's name is taken apart where it says how: `cpu_usage{pod="a"}` as Prometheus and Grafana write it,
`<object>-<metric>` at its last hyphen (objects have hyphens themselves), if objects or metrics come back
in other columns; any other name is the metric's. An empty cell is no measurement.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.parsers.formats.exposition_lines import LabelError, read_series, service_of
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.csv_records import CsvRecord
    from incident_pipeline.parsers.formats.sample_columns import SampleColumns
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_CELL: Final = re.compile(
    r"[ \t]*+([+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]{1,3})?+|[+-]?+[iI]nf|[nN]a[nN])"
    r"[ ]?(%)?[ \t]*+"
)
_EMPTY: Final = ("", "null", "undefined", "-")
_HYPHEN: Final = re.compile(r"(.+)-([^-]+)")
_SERIES: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+[ ]?\{.*\}|\{.*\}", re.DOTALL)
_BARE: Final = re.compile(r'([a-zA-Z_][\w.]*)[ ]*[=:][ ]*([^",{}=]*)(?:,[ ]*|\Z)', re.ASCII)
_LOOK: Final = 50


class _Name(NamedTuple):
    metric: str
    labels: dict[str, str]
    service: str | None


class WideTable:
    """The columns of a wide table, and how their cells are read."""

    def __init__(self, header: Sequence[str], time: int, rows: Rows) -> None:
        """Read these columns, of which that number `time` holds the times."""
        self.time = time
        self._rows = rows
        self._names = _names([name for at, name in enumerate(header) if at != time])
        self._names.insert(time, _Name("", {}, None))
        self._ids: dict[int, str] = {}

    def take(self, record: CsvRecord, stamp: Stamp, columns: SampleColumns) -> bool:
        """Take a record's cells; False when one of them is no number."""
        cells: list[tuple[int, float | None, str | None]] = []
        for at, text in enumerate(record.fields):
            if at == self.time or text.strip().lower() in _EMPTY:
                continue
            match = _CELL.fullmatch(text)
            if match is None:
                return False
            number = float(match[1])
            cells.append((at, number if number == number else None, match[2]))  # noqa: PLR0124 - NaN
        if not cells:  # nothing was measured at this time: said by rows without a value
            cells = [(at, None, None) for at in range(len(record.fields)) if at != self.time]
        for at, value, unit in cells:
            columns.add(self._id(at, unit), stamp.time_ns, value, record.start, record.end)
        return True

    def _id(self, at: int, unit: str | None) -> str:
        if at not in self._ids:
            name = self._names[at]
            place = f"{at}:{name.metric!r}{sorted(name.labels.items())}"
            self._ids[at] = self._rows.series(
                series_id(self._rows.source.sha256, place),
                name.metric,
                name.labels,
                unit=unit,
                service=name.service,
            )
        return self._ids[at]


def is_wide(header: Sequence[str], time: int, records: Sequence[CsvRecord]) -> bool:
    """Tell whether nearly all the first cells beside the times are numbers, in every column."""
    filled: Counter[int] = Counter()
    numbers: Counter[int] = Counter()
    for record in records[:_LOOK]:
        for at, text in enumerate(record.fields[: len(header)]):
            if at != time and text.strip().lower() not in _EMPTY:
                filled[at] += 1
                numbers[at] += _CELL.fullmatch(text) is not None
    total, good = filled.total(), numbers.total()
    return bool(total) and good >= 0.9 * total and all(numbers[at] for at in filled)


def _names(header: Sequence[str]) -> list[_Name]:
    """Take the names of columns apart."""
    parts = [_HYPHEN.fullmatch(name) for name in header if not _SERIES.fullmatch(name)]
    objects = Counter(match[1] for match in parts if match is not None)
    metrics = Counter(match[2] for match in parts if match is not None)
    return [_name(name, objects, metrics) for name in header]


def _name(text: str, objects: Counter[str], metrics: Counter[str]) -> _Name:
    if _SERIES.fullmatch(text):
        labels = _labels(text)
        metric = text[: text.find("{")].strip() or labels.pop("__name__", "") or text
        return _Name(metric, labels, service_of(labels))
    match = _HYPHEN.fullmatch(text)
    if match is not None and (objects[match[1]] > 1 or metrics[match[2]] > 1):
        return _Name(match[2], {"object": match[1]}, match[1])
    return _Name(text, {}, None)


def _labels(text: str) -> dict[str, str]:
    """Read `{a="b"}`, or `{a=b, c=d}` as Grafana shows the labels of other sources."""
    braces = text[text.find("{") :]
    try:
        return read_series(b"x" + braces.encode("utf-8", "replace"), strict=False).labels
    except LabelError:
        return dict(_BARE.findall(braces[1:-1]))
