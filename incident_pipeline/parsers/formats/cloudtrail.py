"""AWS CloudTrail: log files (`Records`), single records, and what `lookup-events` gives.

`lookup-events` writes the record once more as JSON text in `CloudTrailEvent`; that text is what counts, its
envelope has the local time of the machine that asked. Delivery is late by up to 15 minutes and files
overlap: `eventID` is the same in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, event_of, first, has, record_at
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows


def _text(flat: Mapping[str, str]) -> str:
    """Say who may not or did do what: `iam.amazonaws.com GetUser by alice: AccessDenied ...`."""
    action = first(flat, ("eventName", "EventName")) or "event"
    source = first(flat, ("eventSource", "EventSource"))
    actor = first(flat, _ACTOR)
    error = ": ".join(flat[key] for key in ("errorCode", "errorMessage") if flat.get(key))
    said = " ".join(part for part in (source, action, f"by {actor}" if actor else "") if part)
    return f"{said}: {error}" if error else said


_ACTOR: Final = (
    "userIdentity.userName", "userIdentity.sessionContext.sessionIssuer.userName", "userIdentity.arn",
    "userIdentity.principalId", "userIdentity.invokedBy", "userIdentity.type", "Username",
)  # fmt: skip
_RECORD: Final = Shape(
    name="record",
    kind=Kind.AUDIT,
    time=("eventTime", "EventTime"),
    compose=_text,
    service=("eventSource", "EventSource"),
    actor=_ACTOR,
    derive={"event_id": ("eventID", "EventId"), "region": ("awsRegion",)},
)
_FILE: Final = Shape(name="log_file", parts={"Records": _RECORD})
_LOOKUP: Final = Shape(name="lookup", parts={"Events": _RECORD})


class CloudTrail(ShapeFormat):
    """The parser of CloudTrail."""

    id = "cloudtrail"
    stands_alone = True
    aliases = ("aws_cloudtrail", "cloudtrail_lookup")
    title = "AWS CloudTrail log files and lookup-events"
    spec = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html"
    kinds = (Kind.AUDIT,)
    certainty: ClassVar[float] = 0.98

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know records by version, source and name; lookups by the record they carry as text."""
        if _is_first(value.get("Records"), _is_record):
            return _FILE
        if _is_first(value.get("Events"), _is_lookup):
            return _LOOKUP
        return _RECORD if _is_record(value) or _is_lookup(value) else None

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a document, single lookups and lists of them with the records they carry."""
        record = place.record()
        if _is_lookup(record.value):
            return _read_lookup(place, record.value, rows)
        if isinstance(record.value, dict) and _is_first(record.value.get("Events"), _is_lookup):
            events = place.find("Events")
            for item in events.items() if events is not None else ():
                if not (
                    _is_lookup(item.value) and _read_lookup(Place.of(place.data, item), item.value, rows)
                ):
                    rows.reject(item.start, item.end, item.problem or "no event of lookup-events")
            return True
        return super().read(place, rows)


def _read_lookup(place: Place, value: dict[str, Any], rows: Rows) -> bool:
    """Read the record that a lookup carries as text, beside what only the envelope says."""
    try:
        text = value["CloudTrailEvent"].encode("utf-8", "replace")
        inner = None if too_deep(text) else decode_json(text)
    except NotJsonError:
        inner = None
    record = record_at(place, value)
    if not isinstance(inner, dict):
        rows.assume("CloudTrailEvent was no JSON: the envelope's fields were taken")
        event = event_of(record, _RECORD, rows)
    else:
        envelope = {f"lookup.{key}": item for key, item in value.items() if key != "CloudTrailEvent"}
        event = event_of(record._replace(value={**inner, **envelope}), _RECORD, rows)
    rows.event(event)
    return True


def _is_record(value: Any) -> bool:
    return has(value, "eventSource", "eventName", "eventTime") and has(value, "eventVersion")


def _is_lookup(value: Any) -> bool:
    return has(value, "EventId", "EventName") and isinstance(value.get("CloudTrailEvent"), str)


def _is_first(items: Any, test: Any) -> bool:
    return isinstance(items, list) and bool(items) and test(items[0])


FORMATS: Final[tuple[Format, ...]] = (CloudTrail(),)
