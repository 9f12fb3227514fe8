"""Uptime monitors' webhooks: Pingdom's change of state, and the probes that saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _text(flat: Mapping[str, str]) -> str:
    change = " -> ".join(flat[key] for key in ("previous_state", "current_state") if flat.get(key))
    why = flat.get("long_description") or flat.get("description")
    head = f"{flat.get('check_name', 'check')} {change}"
    return f"{head}: {why}" if why else head


_PINGDOM: Final = Shape(
    name="check",
    kind=Kind.ALERT,
    time=("state_changed_timestamp", "state_changed_utc_time"),
    compose=_text,
    host=("check_params.hostname",),
    severity=("importance_level",),
    derive={"status": ("current_state",), "name": ("check_name",)},
)


class Pingdom(ShapeFormat):
    """The parser of Pingdom's webhooks."""

    id = "pingdom_webhook"
    aliases = ("pingdom",)
    title = "Pingdom webhook"
    spec = "https://www.pingdom.com/resources/webhooks/"
    kinds = (Kind.ALERT,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a check by its states."""
        return _PINGDOM if has(value, "check_id", "check_name", "current_state") else None


FORMATS: Final[tuple[Format, ...]] = (Pingdom(),)
