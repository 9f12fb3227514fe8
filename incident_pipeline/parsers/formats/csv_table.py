"""CSV with a header: event tables by column names, and long tables of measurements.

Which columns hold time, text, service and so on is told by the header. A table of
`timestamp, service, metric, value` gives samples. The kind of events follows the artifact's type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.csv_records import CsvRecord, csv_records, sniff_delimiter
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_fields import HOST, LEVEL, MESSAGE, SERVICE, SPAN, TRACE
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_time
from incident_pipeline.serialise import compact_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_TIME: Final = (
    "datetime", "@timestamp", "timestamp", "time", "ts", "event_time", "eventtime", "started_at",
    "start_time", "start", "send_start", "sent_at", "created_at", "occurred_at", "fired_at", "date", "_time",
)  # fmt: skip
_TEXT: Final = (*MESSAGE, "summary", "description", "title")
_ACTOR: Final = ("actor", "author", "user", "by", "owner")
_KINDS: Final = {
    "change": Kind.CHANGE,
    "alert": Kind.ALERT,
    "chat": Kind.CHAT,
    "ticket": Kind.TICKET,
    "k8s": Kind.K8S_EVENT,
    "runbook": Kind.RUNBOOK_STEP,
    "tool_output": Kind.TOOL_OUTPUT,
    "topology": Kind.OBJECT_STATE,
}
_METRIC: Final = ("metric", "metric_name", "name")
_NAME: Final = re.compile(r"[\w@][\w @./:%()-]{0,63}")
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?|NaN|[+-]?Inf", re.ASCII
)
_MIN_COLUMNS: Final = 2


class CsvTable(Format):
    """The parser of CSV files."""

    id = "csv_table"
    aliases = ("csv", "timeline_csv", "metrics_csv", "campaigns_csv", "tsv")
    title = "CSV with a header"
    spec = "RFC 4180"
    kinds = (Kind.LOG,)
    generality = 5

    def score(self, sample: Sample) -> float:
        """Recognise a header of names and records of equally many fields."""
        if sample.records or len(sample.lines) < 1:
            return 0.0
        delimiter = sniff_delimiter(sample.lines[0])
        found = [record for record in csv_records(sample.head, delimiter) if record.problem is None]
        if sample.truncated:
            found = found[:-1]
        if not found or not _is_header(found[0].fields):
            return 0.0
        rest = found[1:]
        even = sum(len(record.fields) == len(found[0].fields) for record in rest) / len(rest) if rest else 0.5
        timed = any(name.strip().lower() in _TIME for name in found[0].fields)
        return (0.7 if timed else 0.35) * even if even > 0.5 else 0.0  # noqa: PLR2004 - most records

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read the header, then every record."""
        first_line = data[: data.find(b"\n")] if b"\n" in data else data
        delimiter = sniff_delimiter(first_line)
        header: tuple[str, ...] | None = None
        for record in csv_records(data, delimiter):
            if header is None and record.problem is None:
                header = tuple(name.strip() for name in record.fields)
                rows.assume("the first record was read as the header")
                continue
            if record.problem is not None or header is None:
                rows.reject(record.start, record.end, record.problem or "no header yet")
            elif len(record.fields) > len(header):
                rows.reject(record.start, record.end, "more fields than the header has names")
            else:
                _read(record, header, rows)


def _is_header(fields: Sequence[str]) -> bool:
    names = [field.strip() for field in fields]
    return (
        len(names) >= _MIN_COLUMNS
        and len(set(names)) == len(names)
        and all(_NAME.fullmatch(name) and not _NUMBER.fullmatch(name) for name in names)
        and parse_time(names[0]).time_ns is None
    )


def _read(record: CsvRecord, header: Sequence[str], rows: Rows) -> None:
    pairs = zip(header, record.fields, strict=False)
    row = {name: value for name, value in pairs if value.strip()}
    keys = {name.lower(): name for name in row}
    metric = next((keys[name] for name in _METRIC if name in keys), None)
    if metric is not None and "value" in keys and _NUMBER.fullmatch(row[keys["value"]].strip()):
        _sample(record, row, keys, metric, rows)
    else:
        _event(record, row, keys, rows)


def _sample(record: CsvRecord, row: dict[str, str], keys: dict[str, str], metric: str, rows: Rows) -> None:
    value = float(row.pop(keys["value"]))
    name = row.pop(metric)
    stamp = _time(row, keys, rows)
    unit = row.pop(keys["unit"], None) if "unit" in keys else None
    service = _first(row, keys, SERVICE)
    key = series_id(rows.source.sha256, compact_json([name, unit, row]).decode())
    rows.series(key, name, row, unit=unit, service=service)
    number = value if value == value else None  # noqa: PLR0124 - NaN: kept without a value
    rows.samples(key, [stamp.time_ns], [number], [record.start], [record.end])


def _event(record: CsvRecord, row: dict[str, str], keys: dict[str, str], rows: Rows) -> None:
    composed = " ".join(f"{name}={value}" for name, value in row.items())
    stamp = _time(row, keys, rows)
    text = _first(row, keys, _TEXT)
    level = _first(row, keys, LEVEL)
    rows.event(
        Event(
            start=record.start,
            end=record.end,
            kind=_KINDS.get(rows.source.type, Kind.LOG),
            message=composed if text is None else text,
            attributes=row,
            stamp=stamp,
            service=_first(row, keys, SERVICE),
            host=_first(row, keys, HOST),
            actor=_first(row, keys, _ACTOR),
            severity=severity_of(level),
            severity_raw=level,
            trace_id=normal_id(_first(row, keys, TRACE)),
            span_id=normal_id(_first(row, keys, SPAN)),
        )
    )


def _time(row: dict[str, str], keys: dict[str, str], rows: Rows) -> Stamp:
    """Take the time out of the first column of that meaning which holds one."""
    seen = UNKNOWN
    for name in _TIME:
        column = keys.get(name)
        if column is None or column not in row:
            continue
        stamp = parse_time(row[column], rows.zone)
        if stamp.time_ns is not None:
            del row[column]
            return stamp
        seen = stamp if seen.raw is None else seen
    return seen


def _first(row: dict[str, str], keys: dict[str, str], names: Sequence[str]) -> str | None:
    """Give the first column of these names; it stays among the attributes."""
    columns = (keys.get(name.lower()) for name in names)
    return next((row[column] for column in columns if column is not None and column in row), None)


FORMATS: Final[tuple[Format, ...]] = (CsvTable(),)
