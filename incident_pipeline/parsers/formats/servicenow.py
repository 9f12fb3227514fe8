"""ServiceNow: records of the Table API (incidents, changes, problems) and their journal.

Times are text in UTC without a zone; those of display values are in the zone of whoever asked, which the
text doesn't tell, so both are marked as assumed. Work notes and comments come in one text, newest first,
each under a line of its own with time and author: every one of them is a row that points into that text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has, read_object
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_JOURNALS: Final = ("work_notes", "comments", "comments_and_work_notes")
_ENTRY: Final = re.compile(
    rb"(?<![^n\"])(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) - ((?:[^\\\"()]|\\u[0-9a-fA-F]{4}){1,200}?)"
    rb" \(((?:[^\\\"()]|\\u[0-9a-fA-F]{4}){1,60})\)(?:\\r)?\\n"
)
_KEY_FIELDS: Final = ("sys_id", "number")


def _display(*names: str) -> tuple[str, ...]:
    """Give the keys of fields as plain values, or as pairs of stored and displayed value."""
    return tuple(f"{name}{tail}" for name in names for tail in ("", ".value"))


def _shown(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{tail}" for name in names for tail in ("", ".display_value", ".value"))


def _text(flat: Mapping[str, str]) -> str:
    number, about = first(flat, _shown("number")), first(flat, _shown("short_description", "description"))
    return ": ".join(part for part in (number, about) if part) or "record"


_RECORD: Final = Shape(
    name="record",
    kind=Kind.TICKET,
    time=_display("opened_at", "start_date", "work_start", "sys_created_on"),
    end=_display("resolved_at", "closed_at", "work_end", "end_date"),
    compose=_text,
    service=_shown("business_service", "cmdb_ci", "service_offering"),
    actor=_shown("opened_by", "caller_id", "sys_created_by"),
    severity=("priority.display_value", "priority"),
    derive={"incident_id": _shown("number")},
)
_CHANGE: Final = Shape(
    name="change_request",
    kind=Kind.CHANGE,
    time=_display("work_start", "start_date", "opened_at", "sys_created_on"),
    end=_display("work_end", "end_date", "closed_at"),
    compose=_text,
    service=_RECORD.service,
    actor=_shown("assigned_to", "opened_by", "sys_created_by"),
    derive=_RECORD.derive,
)
_JOURNAL: Final = Shape(
    name="journal_entry",
    kind=Kind.TICKET,
    time=_display("sys_created_on"),
    message=_shown("value"),
    actor=_shown("sys_created_by"),
    derive={"incident_sys_id": _shown("element_id")},
)
_AUDIT: Final = Shape(
    name="field_change",
    kind=Kind.TICKET,
    time=_display("sys_created_on"),
    compose=lambda flat: (
        f"{first(flat, _shown('fieldname'))}: {first(flat, _shown('oldvalue')) or ''}"
        f" -> {first(flat, _shown('newvalue')) or ''}"
    ),
    actor=_shown("user", "sys_created_by"),
)


class ServiceNow(ShapeFormat):
    """The parser of ServiceNow's Table API."""

    id = "servicenow"
    aliases = ("service_now", "snow", "servicenow_incident")
    title = "ServiceNow incidents, changes and journal entries (Table API)"
    spec = "https://docs.servicenow.com/bundle/latest/page/integrate/inbound-rest/concept/c_TableAPI.html"
    kinds = (Kind.TICKET, Kind.CHANGE)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know records by their system fields, alone or in `result` or `records`."""
        for name in ("result", "records"):
            items = value.get(name)
            item = items[0] if isinstance(items, list) and items else items
            shape = _shape(item)
            if shape is not None:
                return Shape(name="answer", parts={name: shape})
        return _shape(value)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a document, and the entries of the journals inside its records."""
        record = place.record()
        shape = self.shape_of(record.value) if isinstance(record.value, dict) else None
        if shape is None:
            return super().read(place, rows)
        notes = [entry for journal in _journals(place) for entry in _entries(journal, rows)]
        read_object(place, record.value, shape, rows, more=notes)
        return True


def _shape(value: Any) -> Shape | None:
    if has(value, "element_id", "element", "value", "sys_created_on"):
        return _JOURNAL
    if has(value, "fieldname", "newvalue", "documentkey"):
        return _AUDIT
    if not has(value, *_KEY_FIELDS) or not any(
        key in value for key in ("sys_created_on", "opened_at", "sys_class_name", "short_description")
    ):
        return None
    name = value["number"]
    text = name.get("value") if isinstance(name, dict) else name
    return _CHANGE if str(text).startswith("CHG") else _RECORD


def _journals(place: Place) -> Iterator[Place]:
    """Give the texts of journals in a document: in the record, or in each of those that it lists."""
    for holder in _holders(place):
        members = holder.members()
        for name in _JOURNALS:
            found = members.get(name)
            if found is not None and found.opener == b"{":
                found = found.members().get("display_value")
            if found is not None and found.opener == b'"':
                yield found


def _holders(place: Place) -> Iterator[Place]:
    members = place.members()
    listed = next((members[name] for name in ("result", "records") if name in members), None)
    if listed is None:
        yield place
    elif listed.opener == b"{":
        yield listed
    else:
        yield from (type(place).of(place.data, item) for item in listed.items())


def _entries(journal: Place, rows: Rows) -> Iterator[Event]:
    raw = journal.raw
    found = list(_ENTRY.finditer(raw))
    for index, match in enumerate(found):
        stop = found[index + 1].start() if index + 1 < len(found) else len(raw) - 1
        body = _trimmed(raw[match.end() : stop])
        yield Event(
            start=journal.start + match.start(),
            end=journal.start + match.end() + len(body),
            kind=Kind.TICKET,
            message=_unescaped(body),
            attributes={"record": "journal_entry", "journal": _unescaped(match[3])},
            stamp=parse_time(match[1].decode("ascii"), rows.zone),
            actor=_unescaped(match[2]),
        )


def _trimmed(body: bytes) -> bytes:
    """Cut off the escaped line ends behind an entry."""
    while body.endswith((rb"\n", rb"\r")):
        body = body[:-2]
    return body


def _unescaped(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    try:
        return str(json.loads(f'"{text}"', strict=False)).encode("utf-8", "replace").decode()
    except ValueError:
        return text


FORMATS: Final[tuple[Format, ...]] = (ServiceNow(),)
