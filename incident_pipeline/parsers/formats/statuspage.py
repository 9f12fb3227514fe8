"""Status pages of providers: Statuspage's API and webhooks, and feeds of cloud health.

Every update of an incident is a row with its own time. The incident itself is one with the time it began,
and so is the state of a component, which has none unless the page says when it changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has, member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _text(*about: str) -> Any:
    def compose(flat: Mapping[str, str]) -> str:
        name, state = first(flat, about), first(flat, ("status", "state", "impact"))
        return ": ".join(part for part in (name, state) if part) or "update"

    return compose


def _update_text(flat: Mapping[str, str]) -> str:
    state, body = flat.get("status"), first(flat, ("body", "message", "detail", "description", "text"))
    return ": ".join(part for part in (state, body) if part) or "update"


def _event_text(flat: Mapping[str, str]) -> str:
    head = " ".join(flat[key] for key in ("service", "region", "status") if flat.get(key))
    about = " - ".join(flat[key] for key in ("title", "detail", "description") if flat.get(key))
    return ": ".join(part for part in (head, about) if part) or "event"


_UPDATE: Final = Shape(
    name="incident_update",
    kind=Kind.TICKET,
    time=("display_at", "created_at", "timestamp", "time", "date", "updated_at"),
    compose=_update_text,
)
_DOWN: Final = {"id": "incident_id", "name": "incident_name", "title": "incident_name"}
_INCIDENT: Final = Shape(
    name="incident",
    kind=Kind.TICKET,
    time=("started_at", "created_at", "scheduled_for", "timestamp"),
    end=("resolved_at", "scheduled_until", "ended_at"),
    compose=_text("name", "title", "shortlink"),
    severity=("impact", "impact_override", "severity"),
    down=_DOWN,
    parts={"incident_updates": _UPDATE, "updates": _UPDATE},
)
_COMPONENT: Final = Shape(
    name="component",
    kind=Kind.OBJECT_STATE,
    time=("updated_at",),
    compose=_text("name", "id"),
    service=("name",),
)
_COMPONENT_UPDATE: Final = Shape(
    name="component_update",
    kind=Kind.TICKET,
    time=("created_at",),
    compose=lambda flat: f"component {flat.get('old_status', '')} -> {flat.get('new_status', '')}",
)
_HEALTH: Final = Shape(
    name="event",
    kind=Kind.TICKET,
    time=("started_at", "timestamp", "start_time", "startTime", "time", "updated_at"),
    end=("resolved_at", "ended_at", "endTime"),
    compose=_event_text,
    service=("service", "component"),
    severity=("severity",),
    down=_DOWN,
    parts={"updates": _UPDATE},
)
_PAGE: Final = Shape(
    name="page",
    parts={
        "incidents": _INCIDENT, "scheduled_maintenances": _INCIDENT, "incident": _INCIDENT,
        "components": _COMPONENT, "component_update": _COMPONENT_UPDATE, "component": _COMPONENT,
    },
)  # fmt: skip
_FEED: Final = Shape(name="feed", parts={"events": _HEALTH})


class Statuspage(ShapeFormat):
    """The parser of status pages."""

    id = "statuspage"
    aliases = ("status_page", "status_feed", "cloud_health", "provider_status")
    title = "Status pages and provider health feeds"
    spec = "https://developer.statuspage.io/"
    kinds = (Kind.TICKET, Kind.OBJECT_STATE)
    certainty: ClassVar[float] = 0.94

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a page by its incidents and components, a feed by its source and events."""
        incidents = member(value, "incidents")
        listed = incidents if isinstance(incidents, list) else value.get("scheduled_maintenances")
        paged = "page" in value or "components" in value or has(value, "provider", "fetched_at")
        if isinstance(listed, list) and paged and all(map(_is_incident, listed[:3])):
            return _PAGE
        if has(value, "page.id") and (
            has(value, "incident.incident_updates") or has(value, "component_update")
        ):
            return _PAGE
        if has(value, "page") and isinstance(value.get("components"), list):
            return _PAGE
        events = value.get("events")
        if _is_feed(value) and isinstance(events, list) and all(map(_is_health, events[:3])):
            return _FEED
        return _INCIDENT if has(value, "incident_updates", "impact", "name") else None


def _is_feed(value: dict[str, Any]) -> bool:
    return ("source" in value or "provider" in value) and (
        "fetched_at" in value or "component" in value or "region" in value
    )


def _is_incident(value: Any) -> bool:
    return has(value, "name", "status") and isinstance(
        value.get("incident_updates", value.get("updates")), list
    )


def _is_health(value: Any) -> bool:
    return has(value, "status") and any(key in value for key in ("started_at", "timestamp", "updated_at"))


FORMATS: Final[tuple[Format, ...]] = (Statuspage(),)
