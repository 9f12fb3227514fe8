"""Alertmanager: webhook bodies (version 4) bare, in lists, one per line or wrapped by a receiver, and API v2.

One event per alert and delivery: a group that is sent three times is three events with one
fingerprint. An empty API answer is no alert, not a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.evidence import locate
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.alerts import alert_event, is_alert
from incident_pipeline.parsers.jsontext import Record, elements, records, text_of

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_WRAPPERS: Final = ("payload", "body")
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
    title = "Alertmanager webhook"
    spec = "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"
    kinds = (Kind.ALERT,)

    def score(self, sample: Sample) -> float:
        """Recognise groups of alerts and bare alerts by labels and start."""
        if sample.records:
            return (
                0.97 * sum(_score(item) for item in sample.records) / len(sample.records) * sample.json_share
            )
        return 0.8 if sample.has_member("alerts") and sample.has_member("startsAt") else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every alert of every delivery."""
        for record in records(data):
            if is_alert(record.value):
                rows.event(alert_event(record, {}, rows.zone))
            elif not _read_group(data, record, rows):
                rows.reject(
                    record.start, record.end, record.problem or "neither an alert nor a group of alerts"
                )


def _score(value: Any) -> float:
    if is_alert(value):
        return 1.0 if "fingerprint" in value or "endsAt" in value else 0.6
    _, group = _unwrap(value)
    if group is None:
        return 0.0
    if not group["alerts"]:
        return 0.6
    return sum(is_alert(alert) for alert in group["alerts"]) / len(group["alerts"])


def _unwrap(value: Any) -> tuple[str, dict[str, Any] | None]:
    """Give the group of alerts in a body, and the pointer to it."""
    if not isinstance(value, dict):
        return "", None
    if isinstance(value.get("alerts"), list):
        return "", value
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("alerts"), list):
            return f"/{name}", inner
    return "", None


def _read_group(data: bytes, record: Record, rows: Rows) -> bool:
    inner, group = _unwrap(record.value)
    if group is None:
        return False
    try:
        start, end = locate(data, f"{inner}/alerts", record.start)
    except MalformedInputError:
        return False
    delivery = {key: text_of(group[key]) for key in _DELIVERY if group.get(key) is not None}
    if inner and record.value.get("received_at"):
        delivery["received_at"] = text_of(record.value["received_at"])
    prefix = (record.pointer or "") + inner + "/alerts"
    for alert in elements(data, start, end, prefix):
        if isinstance(alert.value, dict):
            rows.event(alert_event(alert, delivery, rows.zone))
        else:
            rows.reject(alert.start, alert.end, alert.problem or "an alert that is no object")
    return True


FORMATS: Final[tuple[Format, ...]] = (Alertmanager(),)
