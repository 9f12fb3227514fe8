"""Alertmanager: webhook bodies (version 4) bare, in lists or wrapped, and what its API lists.

One event per alert and delivery: a group that is sent three times is three events with one
fingerprint. An empty API answer is no alert, not a failure. Routers hand on one alert inside a record of
their own (`raw`), or a group without its alerts: then what the alerts share is the event, and its time
is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.evidence import locate
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.alerts import alert_event, is_alert
from incident_pipeline.parsers.jsontext import Record, elements, flatten, records, text_of

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_WRAPPERS: Final = ("payload", "body")
_SINGLE: Final = ("raw", "alert")
_DELIVERY: Final = ("receiver", "groupKey", "externalURL", "version", "truncatedAlerts")


class Alertmanager(Format):
    """The parser of Alertmanager's webhooks and API v2."""

    id = "alertmanager_webhook"
    aliases = (
        "alertmanager",
        "alertmanager_api_v2",
        "alertmanager_json",
        "alertmanager_v2",
        "grafana_webhook",
    )
    title = "Alertmanager webhook and API, Grafana unified alerting"
    spec = "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"
    kinds = (Kind.ALERT,)

    def score(self, sample: Sample) -> float:
        """Recognise groups of alerts and bare alerts by labels and start."""
        values = sample.values
        share = sample.json_share if sample.records else 1.0
        return 0.97 * share * sum(_score(item) for item in values) / len(values) if values else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every alert of every delivery."""
        for record in records(data):
            if is_alert(record.value):
                rows.event(alert_event(record, {}, rows.zone))
            elif (alone := _alone(record)) is not None:
                rows.event(alert_event(*alone, rows.zone))
            elif not _read_group(data, record, rows):
                rows.reject(
                    record.start, record.end, record.problem or "neither an alert nor a group of alerts"
                )


def _score(value: Any) -> float:
    if is_alert(value):
        return 1.0 if "fingerprint" in value or "endsAt" in value else 0.6
    if _routed(value) is not None or _is_group_alone(value):
        return 1.0
    _, alerts = _unwrap(value)
    if alerts is None:
        return 0.0
    if not alerts:
        return 0.6
    return sum(is_alert(alert) for alert in alerts) / len(alerts)


def _unwrap(value: Any) -> tuple[str, list[Any] | None]:
    """Give the alerts in a body, and the pointer to their list."""
    if not isinstance(value, dict):
        return "", None
    if isinstance(value.get("alerts"), list):
        return "/alerts", value["alerts"]
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("alerts"), list):
            return f"/{name}/alerts", inner["alerts"]
    listed = value.get("data")
    if isinstance(listed, list) and value.get("status") == "success" and any(map(is_alert, listed)):
        return "/data", listed
    return "", None


def _routed(value: Any) -> str | None:
    """Give the member that holds the one alert of a router's record."""
    if not isinstance(value, dict):
        return None
    return next((name for name in _SINGLE if is_alert(value.get(name))), None)


def _is_group_alone(value: Any) -> bool:
    """Tell a group without its alerts: what they share, and a state."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("commonLabels"), dict)
        and not isinstance(value.get("alerts"), list)
        and any(key in value for key in ("state", "status", "title", "commonAnnotations"))
    )


def _alone(record: Record) -> tuple[Record, dict[str, str]] | None:
    """Give an alert that comes by itself in a wrapper, and what the wrapper says."""
    name = _routed(record.value)
    if name is not None:
        rest = {key: item for key, item in record.value.items() if key != name}
        return record._replace(value=record.value[name]), flatten(rest)
    if not _is_group_alone(record.value):
        return None
    value = dict(record.value)
    labels, annotations = value.pop("commonLabels"), value.pop("commonAnnotations", None)
    return record._replace(value={**value, "labels": labels, "annotations": annotations}), {}


def _read_group(data: bytes, record: Record, rows: Rows) -> bool:
    pointer, alerts = _unwrap(record.value)
    if alerts is None:
        return False
    try:
        start, end = locate(data, pointer, record.start)
    except MalformedInputError:
        return False
    outer = pointer.rpartition("/")[0]
    group = record.value[outer[1:]] if outer else record.value
    delivery = {key: text_of(group[key]) for key in _DELIVERY if group.get(key) is not None}
    if outer and record.value.get("received_at"):
        delivery["received_at"] = text_of(record.value["received_at"])
    for alert in elements(data, start, end, (record.pointer or "") + pointer):
        if isinstance(alert.value, dict):
            rows.event(alert_event(alert, delivery, rows.zone))
        else:
            rows.reject(alert.start, alert.end, alert.problem or "an alert that is no object")
    return True


FORMATS: Final[tuple[Format, ...]] = (Alertmanager(),)
