"""Sentry: webhooks of issues, events and alerts, and what its API gives of events and issues.

An event's `timestamp` (epoch seconds or ISO 8601) is when it happened, `received` and `dateReceived` when
it arrived. Its breadcrumbs are what the application did before it: rows of their own, each with its time
and level. They stand under `breadcrumbs.values`, or among the `entries` of the API's event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has, member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _crumb_text(flat: Mapping[str, str]) -> str:
    said = flat.get("message")
    if said:
        return said
    request = " ".join(flat[key] for key in ("data.method", "data.url", "data.status_code") if flat.get(key))
    return request or first(flat, ("category", "type")) or "breadcrumb"


_MESSAGES: Final = (
    "logentry.formatted", "logentry.message", "message", "title", "metadata.title", "metadata.value",
    "culprit",
)  # fmt: skip
_CRUMB: Final = Shape(
    name="breadcrumb", kind=Kind.LOG, time=("timestamp",), compose=_crumb_text, severity=("level",)
)
_ENTRY: Final = Shape(name="entry", parts={"data.values": _CRUMB})
_EVENT: Final = Shape(
    name="event",
    kind=Kind.ALERT,
    time=("timestamp", "dateCreated", "datetime", "dateReceived", "received"),
    message=_MESSAGES,
    service=("project_slug", "project_name", "project.slug", "project"),
    host=("server_name",),
    actor=("user.email", "user.username", "user.id"),
    severity=("level",),
    parts={"breadcrumbs.values": _CRUMB, "breadcrumbs": _CRUMB},
)
_PLUGIN: Final = Shape(
    name="event",
    kind=Kind.ALERT,
    time=tuple(f"event.{key}" for key in _EVENT.time),
    message=("message", *(f"event.{key}" for key in _MESSAGES)),
    service=_EVENT.service,
    host=("event.server_name",),
    actor=("event.user.email", "event.user.username", "event.user.id"),
    severity=("level", "event.level"),
    parts={"event.breadcrumbs.values": _CRUMB, "event.breadcrumbs": _CRUMB},
)
_ISSUE: Final = Shape(
    name="issue",
    kind=Kind.ALERT,
    time=("firstSeen", "first_seen", "lastSeen", "last_seen"),
    message=("title", "metadata.title", "metadata.value", "culprit"),
    service=("project.slug", "project.name", "project"),
    severity=("level",),
)
_ALERT: Final = Shape(
    name="metric_alert",
    kind=Kind.ALERT,
    time=("date_started", "date_detected", "date_created"),
    end=("date_closed",),
    message=("title", "description_text", "identifier"),
)
_PARTS: Final = {"event": _EVENT, "error": _EVENT, "issue": _ISSUE, "metric_alert": _ALERT}
_HOOK: Final = Shape(name="webhook", parts={f"data.{name}": shape for name, shape in _PARTS.items()})
_API_EVENT: Final = replace(_EVENT, parts={"entries": _ENTRY, **_EVENT.parts})


class Sentry(ShapeFormat):
    """The parser of Sentry's webhooks, events and issues."""

    id = "sentry"
    aliases = ("sentry_issue_webhook", "sentry_webhook", "sentry_event", "sentry_issues")
    title = "Sentry webhooks, events with breadcrumbs, issues"
    spec = "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/"
    kinds = (Kind.ALERT, Kind.LOG)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know webhooks by what stands in `data`, events by their ids, issues by their sightings."""
        hooked = [name for name in _PARTS if isinstance(member(value, f"data.{name}"), dict)]
        if hooked and isinstance(value.get("action"), str) and ("installation" in value or "actor" in value):
            return _HOOK
        if has(value, "event.event_id") and ("culprit" in value or "project" in value):
            return _PLUGIN
        if isinstance(value.get("eventID"), str) and ("entries" in value or "dateCreated" in value):
            return _API_EVENT
        if isinstance(value.get("event_id"), str) and _is_event(value):
            return _EVENT
        return _ISSUE if has(value, "shortId", "firstSeen", "lastSeen") else None


def _is_event(value: dict[str, Any]) -> bool:
    """Tell an SDK's event, which has a time and a platform, from any other object with an event id."""
    return "timestamp" in value and ("platform" in value or "exception" in value or "breadcrumbs" in value)


FORMATS: Final[tuple[Format, ...]] = (Sentry(),)
