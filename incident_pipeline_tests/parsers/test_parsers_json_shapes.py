"""The kit for records of APIs: shapes, places of parts, documents that are cut off. Fixtures are ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.json_shapes import Shape, has, member, read_object
from incident_pipeline.parsers.rows import Event, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_NOTE = Shape(name="note", kind=Kind.CHAT, time=("at",), message=("text",), actor=("who",))
_TICKET = Shape(
    name="ticket",
    kind=Kind.TICKET,
    time=("opened",),
    end=("closed",),
    message=("title",),
    down={"id": "ticket_id"},
    parts={"log.notes": _NOTE, "watchers.*": Shape(name="watcher", kind=Kind.OBJECT_STATE, message=("key",))},
)


class _Taken:
    """Takes rows as `Rows` does, and keeps them as they came."""

    zone = None

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rejects: list[tuple[int, int, str]] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def reject(self, start: int, end: int, reason: str) -> None:
        self.rejects.append((start, end, reason))


def _rows(value: Any, shape: Shape) -> tuple[bytes, list[Event]]:
    data = json.dumps(value, indent=1).encode()
    taken = _Taken()
    read_object(Place(data, 0, len(data), ""), value, shape, cast("Rows", taken))
    return data, taken.events


def test_parts_have_their_own_places_and_know_whose_they_are() -> None:
    value = {
        "id": 7,
        "title": "slow",
        "opened": "2026-01-02T03:04:05Z",
        "log": {"notes": [{"at": 1767323046, "text": "looking", "who": "ann"}], "kept": "x"},
        "watchers": {"bob": {"since": 1}},
        "closed": "2026-01-02T04:00:00Z",
    }
    data, (ticket, note, watcher) = _rows(value, _TICKET)
    assert (ticket.message, ticket.pointer) == ("slow", "")
    assert (ticket.end_ns or 0) - (ticket.stamp.time_ns or 0) == 3_355 * 10**9
    assert ticket.attributes == {"id": "7", "log.kept": "x", "record": "ticket"}
    assert json.loads(data[note.start : note.end]) == {"at": 1767323046, "text": "looking", "who": "ann"}
    assert (note.pointer, note.actor, note.attributes["ticket_id"]) == ("/log/notes/0", "ann", "7")
    assert note.stamp.time_ns == 1_767_323_046 * 10**9
    assert (watcher.message, watcher.pointer) == ("bob", "/watchers/bob")


def test_an_end_before_the_start_is_no_end() -> None:
    _, (row,) = _rows(
        {"title": "t", "opened": "2026-01-02T03:04:05Z", "closed": "2026-01-01T00:00:00Z"}, _TICKET
    )
    assert row.end_ns is None


def test_a_time_that_cannot_be_read_keeps_its_text() -> None:
    _, (row,) = _rows({"title": "t", "opened": "yesterday"}, _TICKET)
    assert row.stamp[::3] == (None, "yesterday")
    assert row.attributes["opened"] == "yesterday"


def test_members_at_paths() -> None:
    value = {"a": {"b": 0, "c": None}}
    assert (member(value, "a.b"), member(value, "a.c.d"), member([], "a")) == (0, None, None)
    assert has(value, "a.b")
    assert not has(value, "a.b", "a.c")


def test_of_a_document_that_is_cut_off_the_whole_records_are_read(look: Callable[..., Look]) -> None:
    record = {
        "eventVersion": "1.08",
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "eventID": "e1",
    }
    whole = json.dumps(
        {"Records": [record, {**record, "eventID": "e2"}, {**record, "eventID": "e3"}]}, indent=1
    )
    seen = look(whole[: whole.rindex("e3")])
    assert seen.parsed.report.format == "cloudtrail"
    assert [row["attributes"]["event_id"] for row in seen.events] == ["e1", "e2"]
    assert [row["json_pointer"] for row in seen.events] == ["/Records/0", "/Records/1"]
    lost = seen.quarantine
    assert seen.bytes_of(lost[0]).startswith(b"{")
    assert seen.bytes_of(lost[-1]).endswith(b'"eventID": "')
