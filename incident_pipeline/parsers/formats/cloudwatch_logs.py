"""CloudWatch Logs: filter and get answers, subscription deliveries, and Insights results.

Times are milliseconds; Insights writes UTC without a zone. A subscription delivers `logEvents`, for Lambda
as base64 of gzip in `awslogs.data`, for Kinesis so in each record: then a row's bytes are the text that
holds it, and its pointer leads into what is packed there.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, TimeBasis
from incident_pipeline.parsers.json_format import PageFormat, dict_of, epoch_of, list_of, objects, text
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, flatten, text_of, too_deep
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_MAX_UNPACKED: Final = 64 * 1024**2
"""A delivery is at most 1 MB packed; one that unpacks to more than this is no delivery."""
_GZIP: Final = 31
_MARKS: Final = ("@message", "@timestamp", "@ptr", "@logStream", "@log")


class CloudWatchLogs(PageFormat):
    """The parser of CloudWatch Logs."""

    id = "cloudwatch_logs"
    aliases = ("cloudwatch", "aws_cloudwatch_logs", "cloudwatch_insights", "cloudwatch_subscription")
    title = "CloudWatch Logs"
    spec = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/"
    kinds = (Kind.LOG,)

    def recognise(self, value: Any) -> float:
        """Recognise deliveries, answers and Insights rows by the names of their members."""
        value = dict_of(value)
        if isinstance(dict_of(value.get("awslogs")).get("data"), str):
            return 1.0
        if "logEvents" in value and ("logGroup" in value or "messageType" in value):
            return 1.0
        if any(_is_packed(item) for item in list_of(value.get("Records"))):
            return 0.7
        events = list_of(value.get("events"))
        if events:
            return sum(_is_event(item) for item in events) / len(events)
        results = list_of(value.get("results"))
        return 1.0 if results and all(_is_insights_row(item) for item in results) else float(_is_event(value))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a delivery, an answer, or a single event."""
        members = place.members()
        if "awslogs" in members:
            packed = members["awslogs"].find("data")
            return packed is not None and _read_packed(packed, rows)
        if "Records" in members:
            return _read_kinesis(members["Records"], rows)
        if "logEvents" in members:
            _read_delivery(members, rows)
        elif "events" in members:
            _note_next_page(members, rows)
            for record in objects(members["events"].items(), rows, "a log event"):
                _add(record.start, record.end, record.pointer, record.value, {}, rows)
        elif "results" in members:
            _read_insights(members["results"], rows)
        else:
            record = place.record()
            if not _is_event(record.value):
                return False
            _add(record.start, record.end, record.pointer, record.value, {}, rows)
        return True


def _is_event(value: Any) -> bool:
    value = dict_of(value)
    return (
        "message" in value
        and isinstance(value.get("timestamp"), int)
        and ("ingestionTime" in value or "logStreamName" in value or "eventId" in value)
    )


def _is_packed(value: Any) -> bool:
    return isinstance(dict_of(dict_of(value).get("kinesis")).get("data"), str)


def _is_insights_row(value: Any) -> bool:
    fields = list_of(value)
    return bool(fields) and all("field" in dict_of(item) for item in fields)


def _note_next_page(members: Mapping[str, Place], rows: Rows) -> None:
    # get-log-events always names a forward token; only filter-log-events says by one that there is more.
    if "nextToken" in members and members["nextToken"].raw != b"null":
        rows.assume("more pages follow this one: the export is not complete")


def _read_delivery(members: dict[str, Place], rows: Rows) -> None:
    known: dict[str, str] = {}
    for key, member in members.items():
        if key != "logEvents":
            known.update(flatten({key: member.record().value}))
    for record in objects(members["logEvents"].items(), rows, "a log event"):
        _add(record.start, record.end, record.pointer, record.value, known, rows)


def _read_kinesis(place: Place, rows: Rows) -> bool:
    found = False
    for record in objects(place.items(), rows, "a record"):
        packed = Place.of(place.data, record).find("kinesis", "data")
        if packed is None:
            rows.reject(record.start, record.end, "a record without Kinesis data")
            continue
        found = True
        if not _read_packed(packed, rows):
            rows.reject(packed.start, packed.end, "no packed CloudWatch delivery")
    return found


def _read_packed(place: Place, rows: Rows) -> bool:
    """Read a delivery out of the text that holds it."""
    value = unpacked(place.record().value)
    if value is None:
        return False
    known = flatten({key: item for key, item in value.items() if key != "logEvents"})
    for index, item in enumerate(list_of(value.get("logEvents"))):
        if isinstance(item, dict):
            pointer = f"{place.pointer}/logEvents/{index}"
            _add(place.start, place.end, pointer, item, known, rows, is_packed=True)
        else:
            rows.reject(place.start, place.end, f"packed log event {index} is no object")
    return True


def unpacked(value: Any) -> dict[str, Any] | None:
    """Give the JSON object that is packed as base64 of gzip; None when it is none, or too large."""
    if not isinstance(value, str):
        return None
    try:
        packed = base64.b64decode(value, validate=True)
        plain = zlib.decompressobj(_GZIP).decompress(packed, _MAX_UNPACKED)
        found = None if too_deep(plain) else decode_json(plain)
    except (binascii.Error, ValueError, zlib.error, NotJsonError):
        return None
    return found if isinstance(found, dict) else None


def _read_insights(place: Place, rows: Rows) -> None:
    for record in place.items():
        if not _is_insights_row(record.value):
            rows.reject(record.start, record.end, record.problem or "no row of fields")
            continue
        fields = dict(_fields(record.value))
        line = fields.pop("@message", None) or fields.get("message")
        if line is None:
            line = " ".join(f"{key}={value}" for key, value in fields.items() if key != "@ptr")
        raw = fields.pop("@timestamp", None) or fields.get("timestamp")
        envelope = Envelope(
            _named(fields),
            _utc(raw),
            service=_service_of(fields.get("@log", "").partition(":")[2]),
            host=None,
        )
        rows.event(shipped_line(line, envelope, rows.zone, record.start, record.end, record.pointer))


def _utc(raw: str | None) -> Stamp:
    """Read a time of Insights, which is UTC by its documentation: nothing is assumed."""
    stamp = parse_time(raw or "", 0)
    return UNKNOWN if stamp.time_ns is None else stamp._replace(basis=TimeBasis.EXPLICIT)


def _fields(value: Any) -> Iterator[tuple[str, str]]:
    for item in list_of(value):
        field = dict_of(item)
        yield text_of(field.get("field")), text(field.get("value")) or ""


def _named(fields: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value}


def _add(
    start: int,
    end: int,
    pointer: str | None,
    value: dict[str, Any],
    known: Mapping[str, str],
    rows: Rows,
    *,
    is_packed: bool = False,
) -> None:
    rest = {key: item for key, item in value.items() if key not in ("message", "timestamp")}
    attributes = {**known, **flatten(rest)}
    group = attributes.get("logGroup") or attributes.get("logGroupName") or ""
    stream = attributes.get("logStream") or attributes.get("logStreamName")
    if group:
        attributes["log_group"] = group
    envelope = Envelope(
        attributes, epoch_of(value.get("timestamp"), "ms"), service=_service_of(group), host=stream
    )
    line = text(value.get("message")) or ""
    rows.event(shipped_line(line, envelope, rows.zone, start, end, pointer, is_packed=is_packed))


def _service_of(group: str) -> str | None:
    """Give the service that a group's path names: the last part of `/aws/lambda/checkout`."""
    parts = group.strip("/").split("/")
    return parts[-1] if len(parts) > 1 else None


FORMATS: Final[tuple[Format, ...]] = (CloudWatchLogs(),)
