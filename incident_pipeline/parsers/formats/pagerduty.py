"""PagerDuty: webhooks (version 3 and the older 1 and 2), and what its REST API lists.

A webhook's event happened at `occurred_at`; a log entry or a note of an incident has a time of its own
and is a row of its own. Versions 1 and 2 sent lists of `messages`, which old archives still hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format

_ENTRY_TYPES: Final = "_log_entry"


def _log_entry_text(flat: Mapping[str, str]) -> str:
    said = first(flat, ("summary", "channel.summary", "note", "channel.content", "type"))
    return said or "log entry"


def _webhook_text(flat: Mapping[str, str]) -> str:
    what = flat.get("event_type") or "event"
    about = first(flat, ("data.title", "data.content", "data.message", "data.incident.summary"))
    return f"{what}: {about}" if about else what


def _message_text(flat: Mapping[str, str]) -> str:
    what = first(flat, ("event", "type")) or "event"
    about = first(
        flat,
        (
            "incident.title", "incident.summary", "incident.trigger_summary_data.subject",
            "incident.trigger_summary_data.description", "data.incident.trigger_summary_data.subject",
            "data.incident.trigger_summary_data.description", "data.incident.incident_key",
        ),
    )  # fmt: skip
    return f"{what}: {about}" if about else what


_LOG_ENTRY: Final = Shape(
    name="log_entry",
    kind=Kind.ALERT,
    time=("created_at",),
    compose=_log_entry_text,
    service=("service.summary", "incident.service.summary"),
    actor=("agent.summary", "agent.id"),
    severity=("event_details.severity", "channel.severity"),
)
_NOTE: Final = Shape(
    name="note", kind=Kind.CHAT, time=("created_at",), message=("content",), actor=("user.summary", "user.id")
)
_INCIDENT: Final = Shape(
    name="incident",
    kind=Kind.ALERT,
    time=("created_at", "created_on"),
    end=("resolved_at",),
    message=("title", "summary", "description", "incident_key"),
    service=("service.summary", "service.name", "service.id"),
    actor=("last_status_change_by.summary",),
    severity=("priority.summary", "severity", "urgency"),
    down={"id": "incident_id", "service.summary": "service_name"},
    parts={"log_entries": _LOG_ENTRY, "notes": _NOTE},
)
_WEBHOOK: Final = Shape(
    name="webhook",
    kind=Kind.ALERT,
    time=("occurred_at",),
    compose=_webhook_text,
    service=("data.service.summary", "data.service.id"),
    actor=("agent.summary", "agent.id"),
    severity=("data.priority.summary", "data.urgency"),
    derive={"incident_id": ("data.incident.id", "data.id")},
)
_MESSAGE: Final = Shape(
    name="message",
    kind=Kind.ALERT,
    time=("created_on",),
    compose=_message_text,
    service=("incident.service.summary", "incident.service.name", "data.incident.service.name"),
    actor=("log_entries.agent.summary", "data.incident.last_status_change_by.name"),
    severity=("incident.priority.summary", "incident.urgency", "data.incident.urgency"),
    down={"incident.id": "incident_id", "data.incident.id": "incident_id"},
    parts={"log_entries": _LOG_ENTRY},
)
_ANSWERS: Final = Shape(
    name="answer",
    parts={
        "incidents": _INCIDENT, "incident": _INCIDENT, "log_entries": _LOG_ENTRY, "log_entry": _LOG_ENTRY,
        "notes": _NOTE, "alerts": _INCIDENT,
    },
)  # fmt: skip
_BODY: Final = Shape(name="body", parts={"event": _WEBHOOK})
_BODIES: Final = Shape(name="body", parts={"messages": _MESSAGE})


class PagerDuty(ShapeFormat):
    """The parser of PagerDuty's webhooks and REST answers."""

    id = "pagerduty"
    aliases = ("pagerduty_v3_webhook", "pagerduty_webhook", "pagerduty_log_entries", "pagerduty_incidents")
    title = "PagerDuty webhooks, log entries, incidents and notes"
    spec = "https://developer.pagerduty.com/docs/webhooks-overview"
    kinds = (Kind.ALERT, Kind.CHAT)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know webhooks by their envelope, records by the `type` and links that all of the API have."""
        return _webhook(value) or _answer(value)


def _webhook(value: dict[str, Any]) -> Shape | None:
    if has(value, "event.event_type", "event.occurred_at"):
        return _BODY
    if has(value, "event_type", "occurred_at", "data"):
        return _WEBHOOK
    messages = value.get("messages")
    if isinstance(messages, list) and messages and all(map(_is_message, messages)):
        return _BODIES
    return _MESSAGE if _is_message(value) else None


def _answer(value: dict[str, Any]) -> Shape | None:
    if any(_listed(value.get(name), test) for name, test in _TESTS.items()):
        return _ANSWERS
    if _is_log_entry(value):
        return _LOG_ENTRY
    return _INCIDENT if _is_incident(value) else None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and (
        has(value, "event", "incident", "created_on") or has(value, "type", "data.incident", "created_on")
    )


def _is_log_entry(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("type"), str)
        and value["type"].endswith(_ENTRY_TYPES)
        and "created_at" in value
    )


def _is_incident(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("type") in ("incident", "incident_reference", "alert")
        and has(value, "created_at")
        and ("urgency" in value or "incident_key" in value or "alert_key" in value)
    )


def _is_note(value: Any) -> bool:
    return isinstance(value, dict) and has(value, "content", "created_at", "user.summary")


def _listed(value: Any, test: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(map(test, items))


_TESTS: Final = {
    "incidents": _is_incident, "incident": _is_incident, "log_entries": _is_log_entry,
    "log_entry": _is_log_entry, "notes": _is_note, "alerts": _is_incident,
}  # fmt: skip

FORMATS: Final[tuple[Format, ...]] = (PagerDuty(),)
