"""Grafana: the webhooks of its legacy alerting, and annotations as its API lists them.

Unified alerting sends Alertmanager's shape and is read as such. A legacy webhook has a state and the
values that matched, but no time at all. Annotations mark deploys and changes of alert states; their
`time` and `timeEnd` are epoch milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format

_STATES: Final = ("alerting", "ok", "no_data", "paused", "pending", "unknown")


def _legacy_text(flat: Mapping[str, str]) -> str:
    title = first(flat, ("title", "ruleName")) or "alert"
    return f"{title}: {flat['message']}" if flat.get("message") else title


def _annotation_text(flat: Mapping[str, str]) -> str:
    text = first(flat, ("text", "alertName", "title"))
    change = " -> ".join(flat[key] for key in ("prevState", "newState") if flat.get(key))
    return ": ".join(part for part in (text, change) if part) or "annotation"


_LEGACY: Final = Shape(
    name="alert", kind=Kind.ALERT, compose=_legacy_text, derive={"status": ("state",), "name": ("ruleName",)}
)
_ANNOTATION: Final = Shape(
    name="annotation",
    kind=Kind.CHANGE,
    time=("time", "created"),
    end=("timeEnd",),
    compose=_annotation_text,
    actor=("login", "email"),
)
_ALERT_STATE: Final = Shape(
    name="alert_state",
    kind=Kind.ALERT,
    time=("time", "created"),
    end=("timeEnd",),
    compose=_annotation_text,
    derive={"status": ("newState",)},
)


class GrafanaLegacy(ShapeFormat):
    """The parser of legacy alerting's webhooks."""

    id = "grafana_legacy_webhook"
    aliases = ("grafana_webhook",)
    title = "Grafana legacy alert webhook"
    spec = "https://grafana.com/docs/grafana/v8.5/alerting/old-alerting/notifications/#webhook"
    kinds = (Kind.ALERT,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a rule beside its state and the values that matched."""
        known = "evalMatches" in value or "ruleUrl" in value
        return _LEGACY if known and value.get("state") in _STATES and has(value, "ruleId") else None


class GrafanaAnnotations(ShapeFormat):
    """The parser of annotations."""

    id = "grafana_annotations"
    aliases = ("annotations",)
    title = "Grafana annotations"
    spec = "https://grafana.com/docs/grafana/latest/developers/http_api/annotations/"
    kinds = (Kind.CHANGE, Kind.ALERT)

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an annotation by its dashboard, panel, tags and time."""
        if not has(value, "time", "tags") or "text" not in value or "dashboardId" not in value:
            return None
        return _ALERT_STATE if value.get("newState") else _ANNOTATION


FORMATS: Final[tuple[Format, ...]] = (GrafanaLegacy(), GrafanaAnnotations())
