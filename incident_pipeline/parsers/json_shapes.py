"""Declare what JSON objects of an API become, and read them with the places of every part.

Webhooks and API answers wrap their records and keep sub-events with times of their own inside them: the
comments of an issue, the updates of an incident, the breadcrumbs of a crash. A `Shape` names where an
object's time, text and people stand (keys as `jsontext.flatten` writes them) and which members are
rows of their own. Whatever plays no role stays an attribute, so nothing is lost; an object without a
kind is an envelope, whose other members go to the rows inside it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import JsonFormat
from incident_pipeline.parsers.json_places import Place, completed
from incident_pipeline.parsers.jsontext import Record, flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity, severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

Keys = tuple[str, ...]
"""Keys of a flattened object: the first that is there counts."""

_MAX_ENVELOPE: Final = 4_096
"""What an envelope says goes to the rows inside it up to this many characters, else to a row of its own."""


@dataclass(frozen=True)
class Shape:
    """What an object becomes: a row of `kind`, or nothing but its parts where `kind` is None.

    `message` names the text as it stands in the object; `compose` makes one where there is none. `down`
    maps own keys to the names under which the rows inside keep them (`id` -> `incident_id`). `parts`
    maps the dotted paths of lists or objects inside (`x.*`: of every member of x) to their shapes.
    `time_kind` marks a time that is not when the event began. The size of a bare number tells its unit.
    `derive` gives values a second, common name (`incident_id`), from the first of several keys.
    """

    name: str
    kind: Kind | None = None
    time: Keys = ()
    end: Keys = ()
    message: Keys = ()
    compose: Callable[[Mapping[str, str]], str] | None = None
    service: Keys = ()
    host: Keys = ()
    actor: Keys = ()
    severity: Keys = ()
    time_kind: str | None = None
    down: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Shape] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    derive: Mapping[str, Keys] = field(default_factory=dict)


class ShapeFormat(JsonFormat):
    """A format whose documents are told by shapes."""

    splitting: ClassVar[Splitting] = "json"

    @abstractmethod
    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Give the shape of a document; None when it is none of this format."""

    def recognise(self, value: Any) -> float:
        """Take every document that has a shape."""
        return 1.0 if isinstance(value, dict) and self.shape_of(value) is not None else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a document into rows; of one that is cut off, the parts that are whole."""
        record = place.record()
        value = completed(place.raw) if record.problem is not None else record.value
        shape = self.shape_of(value) if isinstance(value, dict) else None
        if shape is None:
            return False
        if record.problem is None:
            read_object(place, value, shape, rows)
        else:
            _read_broken(place, value, shape, record.problem, rows)
        return True


def read_object(
    place: Place,
    value: dict[str, Any],
    shape: Shape,
    rows: Rows,
    known: Mapping[str, str] | None = None,
    more: Sequence[Event] = (),
) -> None:
    """Read an object and what is inside it into rows, in the order of their places."""
    found = [*_read(place, value, shape, rows, known or {}), *more]
    found.sort(key=lambda event: (event.start, -event.end))
    for event in found:
        rows.event(event)


def record_at(place: Place, value: dict[str, Any]) -> Record:
    """Give an object as a record. A document over several lines is the whole artifact: pointer ''."""
    whole = "" if b"\n" in place.raw else None
    return Record(place.start, place.end, place.pointer or whole, value)


def event_of(
    record: Record,
    shape: Shape,
    rows: Rows,
    known: Mapping[str, str] | None = None,
    without: Keys = (),
) -> Event:
    """Turn one object into an event; the members in `without` are rows of their own."""
    flat = flatten(_without(record.value, without))
    derived = {name: text for name, keys in shape.derive.items() if (text := first(flat, keys)) is not None}
    roles = Roles(flat, shape, rows)
    kept = {**(known or {}), **derived, **flat, **shape.fixed}
    kept.setdefault("record", shape.name)
    if shape.time_kind is not None and roles.stamp.time_ns is not None:
        kept["time.kind"] = shape.time_kind
    return Event(
        start=record.start,
        end=record.end,
        kind=shape.kind or Kind.OBJECT_STATE,
        message=roles.message,
        attributes=kept,
        stamp=roles.stamp,
        end_ns=roles.end_ns,
        service=roles.service,
        host=roles.host,
        actor=roles.actor,
        severity=grade(roles.severity),
        severity_raw=roles.severity,
        pointer=record.pointer,
    )


class Roles:
    """The values that play a role, taken out of a flattened object."""

    def __init__(self, flat: dict[str, str], shape: Shape, rows: Rows) -> None:
        """Take the roles of `shape`; times and verbatim texts leave `flat`, people and places stay."""
        end_stamp = _take_time(flat, shape.end, rows)
        composed = shape.compose(flat) if shape.compose is not None else None
        self.stamp = _take_time(flat, shape.time, rows)
        self.end_ns = end_stamp.time_ns
        if self.end_ns is not None and self.stamp.time_ns is not None and self.end_ns < self.stamp.time_ns:
            self.end_ns = None
        self.service = first(flat, shape.service)
        self.host = first(flat, shape.host)
        self.actor = first(flat, shape.actor)
        self.severity = first(flat, shape.severity)
        if composed is not None:
            self.message = composed
        else:
            key = next((name for name in shape.message if flat.get(name)), None)
            self.message = flat.pop(key) if key is not None else shape.name.replace("_", " ")


def first(flat: Mapping[str, str], keys: Keys) -> str | None:
    """Give the first value that is there and not empty."""
    return next((flat[key] for key in keys if flat.get(key)), None)


def grade(text: str | None) -> int | None:
    """Give the severity number of an alert's or an incident's severity, priority or level."""
    return alert_severity(text) or severity_of(text)


def time_of(flat: Mapping[str, str], keys: Keys, rows: Rows) -> Stamp:
    """Give the first time among these keys; when none can be read, the text of the first is kept."""
    return _take_time(dict(flat), keys, rows)


def member(value: Any, path: str) -> Any:
    """Give what stands at a dotted path of nested objects; None when there is nothing."""
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def has(value: Any, *paths: str) -> bool:
    """Tell whether something stands at each of these dotted paths."""
    return all(member(value, path) is not None for path in paths)


def inside(place: Place, path: str) -> list[Record]:
    """Give the elements of the list (or the one object) at a dotted path, with their places.

    A path that ends in `.*` means every member of the object there, whose name it gets as `key`.
    """
    found = place.find(*path.removesuffix(".*").split("."))
    if found is None:
        return []
    if path.endswith(".*"):
        return [_keyed(name, item.record()) for name, item in found.members().items()]
    return list(found.items()) if found.opener == b"[" else [found.record()]


def _keyed(name: str, record: Record) -> Record:
    value = record.value
    return record._replace(value={"key": name, **value}) if isinstance(value, dict) else record


def _read(
    place: Place, value: dict[str, Any], shape: Shape, rows: Rows, known: Mapping[str, str]
) -> Iterator[Event]:
    found = {path: inside(place, path) for path in _parts_of(value, shape)}
    record = record_at(place, value)
    without = tuple(found)
    handed = _handed_down(value, shape, known)
    if shape.kind is not None:
        yield event_of(record, shape, rows, known, without)
    else:
        rest = flatten(_without(value, without))
        size = sum(len(key) + len(text) for key, text in rest.items())
        if rest and (size > _MAX_ENVELOPE or not any(found.values())):
            yield event_of(record, shape, rows, known, without)
        else:
            handed = {**rest, **handed}
    yield from _read_parts(place.data, found, shape, rows, handed)


def _read_parts(
    data: bytes, found: Mapping[str, list[Record]], shape: Shape, rows: Rows, handed: Mapping[str, str]
) -> Iterator[Event]:
    for path, children in found.items():
        for child in children:
            if isinstance(child.value, dict):
                yield from _read(Place.of(data, child), child.value, shape.parts[path], rows, handed)
            else:
                rows.reject(child.start, child.end, child.problem or f"no object in {path}")


def _read_broken(place: Place, value: dict[str, Any], shape: Shape, problem: str, rows: Rows) -> None:
    """Read the whole parts of a document that is cut off or broken; what lies between goes to quarantine."""
    parts = {
        path: [child for child in inside(place, path) if isinstance(child.value, dict)]
        for path in _parts_of(value, shape)
    }
    handed = _handed_down(value, shape, {})
    events = sorted(
        _read_parts(place.data, parts, shape, rows, handed), key=lambda event: (event.start, -event.end)
    )
    reach = place.start
    for event in events:
        _reject_gap(place.data, reach, event.start, problem, rows)
        reach = max(reach, event.end)
        rows.event(event)
    _reject_gap(place.data, reach, place.end, problem, rows)


def _reject_gap(data: bytes, start: int, end: int, problem: str, rows: Rows) -> None:
    gap = data[start:end]
    if gap.strip():
        left = len(gap) - len(gap.lstrip())
        rows.reject(start + left, start + len(gap.rstrip()), problem)


def _parts_of(value: dict[str, Any], shape: Shape) -> list[str]:
    """Give the paths of the parts that an object has; of two that lead into each other, the one that fits."""
    found = []
    for path in shape.parts:
        item = member(value, path.removesuffix(".*"))
        deeper = any(other.startswith(f"{path}.") for other in shape.parts)
        if (isinstance(item, dict) and not deeper) or (isinstance(item, list) and not path.endswith(".*")):
            found.append(path)
    return found


def _handed_down(value: dict[str, Any], shape: Shape, known: Mapping[str, str]) -> dict[str, str]:
    if not shape.down:
        return dict(known)
    flat = flatten({name: value[name] for name in _roots(shape.down) if name in value})
    return {**known, **{name: flat[key] for key, name in shape.down.items() if flat.get(key)}}


def _roots(down: Mapping[str, str]) -> list[str]:
    return sorted({key.partition(".")[0] for key in down})


def _take_time(flat: dict[str, str], keys: Keys, rows: Rows) -> Stamp:
    unread = UNKNOWN
    for key in keys:
        text = flat.get(key)
        if not text:
            continue
        stamp = parse_time(text, rows.zone)
        if stamp.time_ns is not None:
            del flat[key]
            return stamp
        unread = unread if unread.raw is not None else stamp
    return unread


def _without(value: dict[str, Any], paths: Keys) -> dict[str, Any]:
    """Copy an object without the members at these dotted paths."""
    for path in paths:
        name, _, rest = path.removesuffix(".*").partition(".")
        if name not in value:
            continue
        value = dict(value)
        if rest and isinstance(value[name], dict):
            value[name] = _without(value[name], (rest,))
            if not value[name]:
                del value[name]
        elif not rest:
            del value[name]
    return value
