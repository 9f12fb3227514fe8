"""Timelines of Timesketch and plaso: one JSON object per line with `message`, a time and `timestamp_desc`.

`timestamp` (microseconds) is the time that Timesketch sorts by and `datetime` its rendering, which some
exports cut at the second: the number counts, and where the two differ by more than the cut both are kept.
A timeline that was exported from here gives its exact nanoseconds, kinds and places back: what has a
column of the event table goes there, the ids and places of the export stand in the attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind, Precision, TimeBasis
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, flatten, records, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_TIMES: Final = ("timestamp", "datetime")
_OWN: Final = "incident_pipeline:"
"""How `data_type` begins in a timeline that was exported from here."""
_KINDS: Final = frozenset(kind.value for kind in Kind)
_PRECISIONS: Final = frozenset(precision.value for precision in Precision)
_TEXTS: Final = {
    "service": ("service",),
    "host": ("host", "hostname"),
    "actor": ("actor", "username", "user"),
    "trace_id": ("trace_id",),
    "span_id": ("span_id",),
    "parent_span_id": ("parent_span_id",),
}
"""Columns of the event table, each with the fields that may hold it."""
_MOST_SEVERE: Final = 24
_SECOND: Final = 1_000_000_000


class TimesketchJsonl(Format):
    """The parser of Timesketch's JSONL and plaso's json_line."""

    id = "timesketch_jsonl"
    aliases = ("timesketch", "plaso_json_line")
    title = "Timesketch timeline, plaso json_line"
    spec = "https://timesketch.org/guides/user/import-from-json-csv/"
    kinds = tuple(Kind)
    splitting: ClassVar[Splitting] = "json"
    stands_alone = True

    def score(self, sample: Sample) -> float:
        """Recognise the three fields that every row of a timeline has."""
        if not sample.records:
            return 0.0
        return 0.98 * sum(map(_is_row, sample.records)) / len(sample.records) * sample.json_share

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every row into an event."""
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
            elif not _is_row(record.value):
                rows.reject(record.start, record.end, "no message, time or timestamp_desc")
            else:
                rows.event(_event(record, dict(record.value), rows))


def _is_row(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("message"), str)
        and isinstance(value.get("timestamp_desc"), str)
        and any(isinstance(value.get(name), (str, int)) for name in _TIMES)
    )


def _event(record: Record, row: dict[str, Any], rows: Rows) -> Event:
    message = str(row.pop("message"))
    own = text_of(row.get("data_type")).startswith(_OWN)
    stamp = _stamp(row, rows, own=own)
    kind = row.pop("kind") if own and row.get("kind") in _KINDS else Kind.LOG
    columns = {name: _taken(row, fields) for name, fields in _TEXTS.items()}
    severity, raw = _severity(row)
    end = row.pop("time_end_ns", None) if own else None
    inner = _attributes(row) if own else {}
    return Event(
        start=record.start,
        end=record.end,
        kind=kind,
        message=message,
        attributes={**inner, **flatten(row)},
        stamp=stamp,
        end_ns=int(end) if isinstance(end, str) and end.isdigit() else None,
        severity=severity,
        severity_raw=raw,
        pointer=record.pointer,
        **columns,
    )


def _stamp(row: dict[str, Any], rows: Rows, *, own: bool) -> Stamp:
    """Give the time of a row; what it does not use of the row's times stays in the row."""
    number, text = row.pop("timestamp", None), row.pop("datetime", None)
    counted = parse_epoch(text_of(number), "us") if number is not None else UNKNOWN
    read = parse_time(text, rows.zone) if isinstance(text, str) else UNKNOWN
    if counted.time_ns is None:
        return read
    if text is not None and (read.time_ns is None or abs(read.time_ns - counted.time_ns) >= _SECOND):
        row["datetime"] = text
        rows.assume("where datetime and timestamp differ, timestamp is the time and datetime an attribute")
    exact, precision = text_of(row.get("time_ns", "")), row.get("time_precision")
    if own and exact.isdigit() and int(exact) // 1_000 == counted.time_ns // 1_000:
        finest = precision if precision in _PRECISIONS else Precision.NANO.value
        return Stamp(int(row.pop("time_ns")), finest, TimeBasis.EXPLICIT, exact)
    return counted


def _taken(row: dict[str, Any], fields: tuple[str, ...]) -> str | None:
    """Take the first of these fields that is a text out of the row."""
    for name in fields:
        if isinstance(row.get(name), str) and row[name]:
            return str(row.pop(name))
    return None


def _severity(row: dict[str, Any]) -> tuple[int | None, str | None]:
    value = row.get("severity")
    if type(value) is int and 1 <= value <= _MOST_SEVERE:
        return int(row.pop("severity")), row.pop("severity_raw", None)
    if isinstance(value, str):
        return severity_of(row.pop("severity")), value
    return None, None


def _attributes(row: dict[str, Any]) -> dict[str, str]:
    """Take the attributes of an exported event out of the one field that holds them."""
    text = row.get("attributes")
    if not isinstance(text, str):
        return {}
    try:
        value = decode_json(text.encode())
    except NotJsonError:
        return {}
    if not isinstance(value, dict):
        return {}
    del row["attributes"]
    return {str(name): text_of(item) for name, item in value.items()}


FORMATS: Final[tuple[Format, ...]] = (TimesketchJsonl(),)
