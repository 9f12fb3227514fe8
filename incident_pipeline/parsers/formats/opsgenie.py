"""Opsgenie: webhooks about an alert, and the alerts, logs and notes that its REST API lists.

`createdAt` is epoch milliseconds in webhooks and ISO 8601 in REST answers. `alias` is the key by which
Opsgenie takes reports for one alert. A webhook tells of an action on the alert: its time is
`updatedAt`, except when the alert was created by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has, member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _action_text(flat: Mapping[str, str]) -> str:
    action = flat.get("action") or "alert"
    about = first(flat, ("alert.message", "alert.alias", "alert.tinyId"))
    note = flat.get("alert.note")
    return ": ".join(part for part in (action, about, note) if part)


_CREATED: Final = Shape(
    name="webhook",
    kind=Kind.ALERT,
    time=("alert.createdAt", "alert.updatedAt"),
    compose=_action_text,
    service=("alert.entity",),
    actor=("alert.username", "alert.userId", "source.name"),
    severity=("alert.priority",),
    derive={"status": ("action",)},
)
_ACTED: Final = replace(_CREATED, time=("alert.updatedAt", "alert.insertedAt"))
_ALERT: Final = Shape(
    name="alert",
    kind=Kind.ALERT,
    time=("createdAt",),
    message=("message", "alias"),
    service=("entity",),
    actor=("acknowledgedBy", "owner", "report.acknowledgedBy"),
    severity=("priority",),
)
_LOG: Final = Shape(
    name="log_entry", kind=Kind.ALERT, time=("createdAt",), message=("log", "note"), actor=("owner",)
)
_TESTS: Final = (
    (_ALERT, ("tinyId", "alias", "createdAt")),
    (_LOG, ("log", "createdAt", "offset")),
    (_LOG, ("note", "createdAt", "offset")),
)


class Opsgenie(ShapeFormat):
    """The parser of Opsgenie's webhooks and REST answers."""

    id = "opsgenie"
    aliases = ("opsgenie_webhook", "opsgenie_alerts")
    title = "Opsgenie webhooks, alerts, alert logs and notes"
    spec = "https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/"
    kinds = (Kind.ALERT,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a webhook by its action and alert, records by their ids."""
        if has(value, "action", "alert") and has(value["alert"], "alertId"):
            created = str(value["action"]).lower() == "create"
            return _CREATED if created else _ACTED
        data = value.get("data")
        inner = data[0] if isinstance(data, list) and data else data
        for shape, keys in _TESTS:
            if has(value, *keys):
                return shape
            if has(inner, *keys) and member(value, "requestId") is not None:
                return Shape(name="answer", parts={"data": shape})
        return None


FORMATS: Final[tuple[Format, ...]] = (Opsgenie(),)
