"""Splunk exports: JSON lines of `result` objects, the `results` of a search job, and CSV.

`_raw` holds the line as it was indexed, `_time` when it happened (ISO with an offset, or seconds with a
fraction); `_indextime` is when it came in. Fields with several values are lists, in CSV joined by line
ends beside a `__mv_` twin. Fields that Splunk extracted are attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.csv_records import csv_records
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_format import PageFormat, dict_of, list_of, objects, text
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line
from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_SERVICE: Final = (
    "service",
    "service.name",
    "service_name",
    "app",
    "kubernetes.container_name",
    "container_name",
)
_HOST: Final = ("pod_name", "kubernetes.pod_name", "pod", "host")
_LEVEL: Final = ("log_level", "level", "severity", "loglevel")
_TRACE: Final = ("trace_id", "traceId", "otelTraceID", "trace.id")
_SPAN: Final = ("span_id", "spanId", "otelSpanID", "span.id")
_SIGNS: Final = ("_raw", "_time", "sourcetype", "_indextime", "_cd", "_bkt", "_serial")


class SplunkJson(PageFormat):
    """The parser of Splunk's JSON exports."""

    id = "splunk_json"
    aliases = ("splunk", "splunk_export")
    title = "Splunk export in JSON"
    spec = "https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch#search.2Fjobs.2Fexport"
    kinds = (Kind.LOG,)

    def recognise(self, value: Any) -> float:
        """Recognise results by Splunk's own fields."""
        value = dict_of(value)
        if "result" in value:
            return float(_is_result(value["result"]))
        if value.get("lastrow") is True and "preview" in value:
            return 1.0
        results = list_of(value.get("results"))
        if results:
            return sum(_is_result(item) for item in results) / len(results)
        return float(_is_result(value))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a line of an export, the results of a job, or a result."""
        members = place.members()
        if "results" in members and members["results"].opener == b"[":
            for record in objects(members["results"].items(), rows, "a result"):
                rows.event(_event(record, _flat(record.value), rows))
            return True
        if "result" in members:
            record = members["result"].record()
            if not isinstance(record.value, dict):
                return False
            flat = _flat(record.value)
            whole = place.record().value
            flat.update(flatten({key: item for key, item in dict_of(whole).items() if key != "result"}))
            rows.event(_event(record, flat, rows))
            return True
        record = place.record()
        if dict_of(record.value).get("lastrow") is True:
            return _note_end(record, rows)
        if not _is_result(record.value):
            return False
        rows.event(_event(record, _flat(record.value), rows))
        return True


class SplunkCsv(Format):
    """The parser of Splunk's CSV exports."""

    id = "splunk_csv"
    title = "Splunk export in CSV"
    spec = "https://docs.splunk.com/Documentation/Splunk/latest/Search/Exportsearchresults"
    kinds = (Kind.LOG,)

    def score(self, sample: Sample) -> float:
        """Recognise a header with `_raw` and `_time`."""
        header = next(csv_records(sample.head, ","), None) if sample.lines else None
        if header is None or header.problem is not None:
            return 0.0
        return 0.96 if sum(name in header.fields for name in _SIGNS) >= 2 and "_raw" in header.fields else 0.0  # noqa: PLR2004 - two names

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        header: tuple[str, ...] = ()
        for record in csv_records(data, ","):
            if record.problem is not None or len(record.fields) > len(header) > 0:
                rows.reject(
                    record.start, record.end, record.problem or "more fields than the header has names"
                )
            elif not header and not any(name in record.fields for name in _SIGNS):
                rows.reject(record.start, record.end, "no header of a Splunk export")
            elif not header:
                header = record.fields
                rows.assume("the first record was read as the header")
            else:
                flat = {name: value for name, value in zip(header, record.fields, strict=False) if value}
                rows.event(_row(record.start, record.end, None, flat, rows))


def _is_result(value: Any) -> bool:
    value = dict_of(value)
    return "_raw" in value and any(key in value for key in _SIGNS[1:])


def _note_end(record: Record, rows: Rows) -> bool:
    """Keep the line that ends an export; it holds no result."""
    rows.assume("the export names its last row: it is complete")
    rows.event(
        Event(
            start=record.start,
            end=record.end,
            kind=Kind.TOOL_OUTPUT,
            message="end of the export",
            attributes=flatten(record.value),
            pointer=record.pointer,
        )
    )
    return True


def _flat(value: dict[str, Any]) -> dict[str, str]:
    return {key: found for key, item in flatten(value).items() if (found := text(item)) is not None}


def _event(record: Record, flat: dict[str, str], rows: Rows) -> Event:
    return _row(record.start, record.end, record.pointer, flat, rows)


def _row(start: int, end: int, pointer: str | None, flat: dict[str, str], rows: Rows) -> Event:
    def first(names: tuple[str, ...]) -> str | None:
        return next((flat[name] for name in names if flat.get(name)), None)

    line = flat.pop("_raw", "")
    raw = flat.pop("_time", None)
    envelope = Envelope(
        flat,
        parse_time(raw or "", rows.zone),
        service=first(_SERVICE),
        host=first(_HOST),
        level=first(_LEVEL),
        trace_id=normal_id(first(_TRACE)),
        span_id=normal_id(first(_SPAN)),
    )
    return shipped_line(line, envelope, rows.zone, start, end, pointer)


FORMATS: Final[tuple[Format, ...]] = (SplunkJson(), SplunkCsv())
