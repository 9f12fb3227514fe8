"""CSV with a header: event tables by column names, and long tables of measurements.

Which columns hold time, text, service and so on is told by the header. A table of
`timestamp, service, metric, value` gives samples, and so does a table of numbers with a column of times
(`csv_wide`). The kind of events follows the artifact's type. A first line `sep=;`, as exports for
spreadsheets have it, names the delimiter.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.csv_records import CsvRecord, csv_records, sniff_delimiter
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.csv_wide import WideTable, is_wide
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.json_fields import HOST, LEVEL, MESSAGE, SERVICE, SPAN, TRACE
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_time
from incident_pipeline.serialise import compact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_SIGNS: Final = (
    (Kind.CHANGE, frozenset([
        "commit", "sha", "commit_sha", "git_sha", "revision", "deployment_id", "deploy_id", "deployed_at",
        "deployed_by", "change_id", "change_type", "change_number", "pull_request", "release", "old_version",
        "new_version", "from_version", "to_version", "flag", "flag_key", "rollback",
    ])),
    (Kind.ALERT, frozenset([
        "alert", "alertname", "alert_name", "alert_id", "fired_at", "fingerprint", "monitor_id",
    ])),
    (Kind.TICKET, frozenset(["ticket", "ticket_id", "issue_key", "incident_number"])),
)  # fmt: skip
"""Columns that tell what the rows are where the type of the artifact does not."""
_METRIC: Final = ("metric", "metric_name", "name", "series")
_NAME: Final = re.compile(r"[\w@][\w @./:%()-]{0,63}")
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?|NaN|[+-]?Inf", re.ASCII
)
_MIN_COLUMNS: Final = 2
_ROLES: Final = frozenset([*_TEXT, *_ACTOR, *_METRIC, *SERVICE, *HOST, *LEVEL, *TRACE, *SPAN, "value"])
"""Columns of event tables and of long tables; a wide table has none of them."""
_SEPARATOR: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?\"?sep=([,;|\t])\"?\r?\n")
_HEAD: Final = 65_536
_LOOK: Final = 50
"""How many records tell a wide table."""


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
        begin, delimiter = _layout(sample.head)
        found = [record for record in csv_records(sample.head[begin:], delimiter) if record.problem is None]
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
        begin, delimiter = _layout(data)
        if begin:
            rows.assume("the first line names the delimiter")
        records = (
            record._replace(start=record.start + begin, end=record.end + begin)
            for record in csv_records(data[begin:], delimiter)
        )
        header: tuple[str, ...] = ()
        for record in records:
            if record.problem is None:
                header = tuple(name.strip() for name in record.fields)
                rows.assume("the first record was read as the header")
                break
            rows.reject(record.start, record.end, record.problem)
        ahead = list(islice(records, _LOOK))
        wide = _wide(header, ahead, rows)
        columns = SampleColumns(rows)
        for record in chain(ahead, records):
            if record.problem is not None:
                rows.reject(record.start, record.end, record.problem)
            elif len(record.fields) > len(header):
                rows.reject(record.start, record.end, "more fields than the header has names")
            elif wide is None or not _take_wide(record, wide, columns):
                columns.flush()
                _read(record, header, rows)
        columns.flush()


def _layout(data: bytes) -> tuple[int, str]:
    """Give where the table begins, and its delimiter: named by a first line `sep=;`, or the header's."""
    head = data[:_HEAD]
    match = _SEPARATOR.match(head)
    if match is not None:
        return match.end(), match[1].decode()
    return 0, sniff_delimiter(head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0])


def _wide(header: Sequence[str], ahead: Sequence[CsvRecord], rows: Rows) -> WideTable | None:
    """Give the wide table that a header and the records after it tell of, if they do."""
    names = [name.lower() for name in header]
    time = next((names.index(name) for name in _TIME if name in names), None)
    if time is None or _ROLES.intersection(names):
        return None
    good = [record for record in ahead if record.problem is None]
    return WideTable(header, time, rows) if is_wide(header, time, good) else None


def _take_wide(record: CsvRecord, wide: WideTable, columns: SampleColumns) -> bool:
    """Take a record of a wide table; False when it is none after all."""
    if len(record.fields) <= wide.time:
        return False
    stamp = parse_time(record.fields[wide.time], columns.rows.zone)
    return stamp.time_ns is not None and wide.take(record, stamp, columns)


def _is_header(fields: Sequence[str]) -> bool:
    names = [field.strip() for field in fields]
    return (
        len(names) >= _MIN_COLUMNS
        and len(set(names)) == len(names)
        and not any(_NUMBER.fullmatch(name) for name in names)
        and (names[0].lower() in _TIME or all(_NAME.fullmatch(name) for name in names))
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
            kind=_KINDS.get(rows.source.type, _kind_by_columns(keys)),
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


def _kind_by_columns(keys: Mapping[str, str]) -> Kind:
    """Tell the kind of events of an artifact whose type was not given: a list of deploys is no log."""
    return next((kind for kind, names in _SIGNS if not names.isdisjoint(keys)), Kind.LOG)


def _first(row: dict[str, str], keys: dict[str, str], names: Sequence[str]) -> str | None:
    """Give the first column of these names; it stays among the attributes."""
    columns = (keys.get(name.lower()) for name in names)
    return next((row[column] for column in columns if column is not None and column in row), None)


FORMATS: Final[tuple[Format, ...]] = (CsvTable(),)
