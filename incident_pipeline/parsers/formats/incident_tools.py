"""Incident tools: incident.io, FireHydrant and Rootly, by their APIs and webhooks.

Every entry of an incident's timeline, every update and every action is a row with the time at which it
happened (`occurred_at`, `occurredAt`); when it was written down stays an attribute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has, member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_pipeline.parsers.format import Format

_PEOPLE: Final = (
    "actor.user.name", "actor.name", "updater.user.name", "updater.name", "creator.user.name", "creator.name",
    "created_by.name", "author.name", "user.name", "user.full_name", "user.data.attributes.name",
    "bookmarked_by.name", "actor.email", "user.email",
)  # fmt: skip


def _state_text(*about: str) -> Callable[[Mapping[str, str]], str]:
    def compose(flat: Mapping[str, str]) -> str:
        name = first(flat, about) or "incident"
        state = first(
            flat, ("incident_status.name", "status", "current_milestone", "milestone", "status_category")
        )
        return f"{name}: {state}" if state else name

    return compose


def _update_text(flat: Mapping[str, str]) -> str:
    state = first(flat, ("new_incident_status.name", "status"))
    severity = first(flat, ("new_severity.name", "severity"))
    said = first(flat, ("message", "body", "title", "event", "summary", "description"))
    return ": ".join(part for part in (" ".join(p for p in (state, severity) if p), said) if part) or "update"


_ENTRY: Final = Shape(
    name="timeline_entry",
    kind=Kind.TICKET,
    time=("occurred_at", "occurredAt", "timestamp", "started_at", "created_at", "createdAt"),
    compose=_update_text,
    actor=_PEOPLE,
)
_INCIDENT: Final = Shape(
    name="incident",
    kind=Kind.TICKET,
    time=("started_at", "startedAt", "detected_at", "reported_at", "created_at", "createdAt"),
    end=("resolved_at", "resolvedAt", "closed_at"),
    compose=_state_text("name", "title", "reference", "slug"),
    actor=_PEOPLE,
    severity=(
        "severity.name", "severity.data.attributes.severity", "severity.slug", "severity",
        "priority",
    ),
    down={"id": "incident_id", "reference": "incident_reference", "number": "incident_number"},
    parts={
        "incident_timestamp_values": Shape(
            name="timestamp",
            kind=Kind.TICKET,
            time=("value.value",),
            compose=lambda flat: flat.get("incident_timestamp.name") or "timestamp",
        ),
        "incident_updates": _ENTRY, "updates": _ENTRY, "timeline": _ENTRY, "timeline_items": _ENTRY,
        "events": _ENTRY, "timeline_events": _ENTRY,
        "milestones": replace(
            _ENTRY,
            name="milestone",
            compose=lambda flat: first(flat, ("type", "name", "slug", "milestone")) or "milestone",
        ),
    },
)  # fmt: skip


def _attributes(shape: Shape, **more: Any) -> Shape:
    """Give a shape as JSON:API has it, with all fields in `attributes`."""

    def under(keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"attributes.{key}" for key in keys)

    compose = shape.compose

    def said(flat: Mapping[str, str]) -> str:
        start = "attributes."
        own = {key.removeprefix(start): text for key, text in flat.items() if key.startswith(start)}
        return compose(own) if compose is not None else shape.name

    return replace(
        shape,
        time=under(shape.time),
        end=under(shape.end),
        compose=said,
        actor=under(shape.actor),
        severity=under(shape.severity),
        down={"id": "incident_id"},
        parts={f"attributes.{path}": part for path, part in shape.parts.items()},
        **more,
    )


_FIREHYDRANT_EVENT: Final = replace(
    _ENTRY,
    name="event",
    time=("occurred_at", "created_at"),
    compose=lambda flat: (
        first(
            flat,
            ("data.summary", "data.body", "data.message", "data.name", "data.to", "description", "type"),
        )
        or "event"
    ),
    actor=("author.name", "author.email", *_PEOPLE),
)


class IncidentIo(ShapeFormat):
    """The parser of incident.io."""

    id = "incident_io"
    aliases = ("incidentio", "incident_io_webhook")
    title = "incident.io incidents, updates and webhooks"
    spec = "https://api-docs.incident.io/"
    kinds = (Kind.TICKET,)
    certainty: ClassVar[float] = 0.95

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know incidents by status and severity objects, webhooks by a member named as their event."""
        kind = value.get("event_type")
        if isinstance(kind, str) and isinstance(value.get(kind), dict):
            return None if "." not in kind else _hook(kind, value)
        for name, shape, test in (
            ("incidents", _INCIDENT, _is_incident_io),
            ("incident", _INCIDENT, _is_incident_io),
            ("incident_updates", _ENTRY, _is_update),
            ("timeline_items", _ENTRY, _is_timeline_item),
        ):
            items = value.get(name)
            item = items[0] if isinstance(items, list) and items else items
            if test(item):
                return Shape(name="answer", parts={name: shape})
        return _INCIDENT if _is_incident_io(value) else None


def _hook(kind: str, value: dict[str, Any]) -> Shape:
    """Give the shape of a webhook: its event's name has dots, so the body is read as a whole."""
    prefix = f"{kind}."
    inner = value[kind]
    return Shape(
        name="webhook",
        kind=Kind.TICKET,
        time=tuple(f"{prefix}{key}" for key in ("updated_at", "created_at", "occurred_at")),
        compose=lambda flat: f"{kind}: {first(flat, (f'{prefix}name', f'{prefix}message')) or ''}".rstrip(
            ": "
        ),
        actor=tuple(f"{prefix}{key}" for key in _PEOPLE),
        severity=(f"{prefix}severity.name",),
        derive={"incident_id": (f"{prefix}incident_id", f"{prefix}id")} if "id" in inner else {},
    )


class FireHydrant(ShapeFormat):
    """The parser of FireHydrant."""

    id = "firehydrant"
    aliases = ("fire_hydrant",)
    title = "FireHydrant incidents and their events"
    spec = "https://docs.firehydrant.com/reference"
    kinds = (Kind.TICKET,)
    certainty: ClassVar[float] = 0.95

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know incidents by their milestones, events by the visibility of each."""
        for name in ("data", "events"):
            items = value.get(name)
            if isinstance(items, list) and items:
                if _is_hydrant_event(items[0]):
                    return Shape(name="page", parts={name: _FIREHYDRANT_EVENT})
                if _is_hydrant(items[0]):
                    return Shape(name="page", parts={name: _INCIDENT})
        if has(value, "data.incident", "event"):
            return Shape(name="webhook", parts={"data.incident": _INCIDENT})
        if _is_hydrant(value):
            return _INCIDENT
        return _FIREHYDRANT_EVENT if _is_hydrant_event(value) else None


class Rootly(ShapeFormat):
    """The parser of Rootly."""

    id = "rootly"
    aliases = ("rootly_webhook",)
    title = "Rootly incidents, their events and webhooks"
    spec = "https://docs.rootly.com/api-reference/overview"
    kinds = (Kind.TICKET,)
    certainty: ClassVar[float] = 0.98

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know JSON:API resources of the types `incidents` and `incident_events`, and webhooks."""
        if has(value, "event.type", "event.issued_at") and isinstance(value.get("data"), dict):
            return _ROOTLY_HOOK
        data = value.get("data")
        item = data[0] if isinstance(data, list) and data else data
        shape = _rootly(item)
        if shape is not None:
            included = value.get("included")
            more = {"included": _ROOTLY_ANY} if isinstance(included, list) else {}
            return Shape(name="page", parts={"data": shape, **more})
        return _rootly(value)


_ROOTLY: Final = {
    "incidents": _attributes(_INCIDENT),
    "incident_events": _attributes(_ENTRY),
    "incident_action_items": _attributes(
        replace(_ENTRY, name="action_item", time=("created_at",)),
    ),
}
_ROOTLY_OWN: Final = ("sequential_id", "slug", "started_at", "mitigated_at")
"""Fields of its incidents that no other JSON:API of incidents has."""
_ROOTLY_ANY: Final = replace(_ROOTLY["incident_events"], name="included")
_ROOTLY_HOOK: Final = Shape(
    name="webhook",
    kind=Kind.TICKET,
    time=("event.issued_at",),
    compose=lambda flat: ": ".join(
        flat[key] for key in ("event.type", "data.title", "data.event", "data.status") if flat.get(key)
    ),
    actor=("data.user.name", "data.user.full_name"),
    severity=("data.severity.slug", "data.severity.severity", "data.severity"),
    derive={"incident_id": ("data.incident_id", "data.id")},
)


def _rootly(value: Any) -> Shape | None:
    if not has(value, "id", "type", "attributes"):
        return None
    kind = value["type"]
    if kind == "incidents" and not any(has(value, f"attributes.{key}") for key in _ROOTLY_OWN):
        return None
    return _ROOTLY.get(kind) if isinstance(kind, str) else None


def _is_incident_io(value: Any) -> bool:
    return has(value, "name", "created_at") and (
        has(value, "incident_status") or (has(value, "reference", "mode") and has(value, "visibility"))
    )


def _is_update(value: Any) -> bool:
    return has(value, "incident_id", "new_incident_status")


def _is_timeline_item(value: Any) -> bool:
    return has(value, "timestamp") and ("incident_id" in value or "title" in value)


def _is_hydrant(value: Any) -> bool:
    return has(value, "id", "name") and (
        has(value, "current_milestone") or isinstance(member(value, "milestones"), list)
    )


def _is_hydrant_event(value: Any) -> bool:
    return has(value, "incident_id", "occurred_at", "type") and "visibility" in value


FORMATS: Final[tuple[Format, ...]] = (IncidentIo(), FireHydrant(), Rootly())
