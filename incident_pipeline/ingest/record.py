"""Read `incident.json` as others write it: lenient about what it holds, exact about what is wrong.

Unknown keys are kept. A start time that is none counts as not given, with a remark; a field of the
wrong shape is an error that names it, because guessing there would change what is analysed.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import IncidentIdError, MalformedInputError
from incident_pipeline.ingest.instants import parse_instant
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.incident import Incident
from incident_pipeline.serialise import parse_json

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

RECORD_NAME: Final = "incident.json"
MAX_RECORD_BYTES: Final = 64 * 1024**2
_SHOWN_ERRORS: Final = 5


def read_record(data: bytes) -> tuple[Incident, tuple[Problem, ...]]:
    """Give the incident record in these bytes, and remarks on what counts as not given.

    Raises:
        MalformedInputError: no valid JSON, or a field of the wrong shape; file and field are named.
        IncidentIdError: the id holds control characters.
    """
    value = parse_json(data, name=RECORD_NAME)
    if not isinstance(value, dict):
        message = f"{RECORD_NAME}: holds {_json_kind(value)} where an object belongs."
        raise MalformedInputError(message)
    try:
        incident = Incident.model_validate(value)
    except ValidationError as error:
        shown = "; ".join(_describe(detail) for detail in error.errors()[:_SHOWN_ERRORS])
        advice = "Mend the named field; schemas/ describes what each may hold."
        raise MalformedInputError(f"{RECORD_NAME}: {shown}.", advice=advice) from error
    if any(unicodedata.category(letter) == "Cc" for letter in incident.incident_id):
        message = f"{RECORD_NAME}: incident_id {incident.incident_id!r} holds control characters."
        raise IncidentIdError(message)
    return _with_start_time(incident)


def _with_start_time(incident: Incident) -> tuple[Incident, tuple[Problem, ...]]:
    if incident.start_time is None:
        return incident, ()
    instant = parse_instant(incident.start_time)
    if instant is None:
        detail = f"start_time {incident.start_time[:80]!r} is no RFC 3339 time; it counts as not given."
        start_time = None
    elif instant.assumed_utc:
        detail = f"start_time {incident.start_time!r} names no time zone; it is read as UTC."
        start_time = instant.utc
    else:
        return incident, ()
    remark = Problem(
        kind="malformed", uri=RECORD_NAME, detail=detail, advice="Write it as 2026-01-31T23:59:59Z."
    )
    return incident.model_copy(update={"start_time": start_time}), (remark,)


def _describe(detail: ErrorDetails) -> str:
    place = ".".join(str(part) for part in detail["loc"]) or "the record"
    return f"{place}: {detail['msg'][:200]}"


def _json_kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a {type(value).__name__}"
