"""One alert of Prometheus or Alertmanager as an event: what webhooks, API v2 and the rules API share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.timestamps import Zone

SERVICE_LABELS: Final = ("service", "service_name", "app", "job")
_STARTS: Final = ("startsAt", "activeAt", "starts_at")
_ENDS: Final = ("endsAt", "ends_at")
_RESOLVED: Final = ("resolved", "inactive")


def is_alert(value: Any) -> bool:
    """Tell whether a JSON value has the labels and the start of an alert."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("labels"), dict)
        and any(key in value for key in _STARTS)
    )


def alert_event(record: Record, delivery: Mapping[str, str], zone: Zone | None) -> Event:
    """Turn an alert into an event; `delivery` holds what its envelope says (receiver, groupKey, ...)."""
    value: dict[str, Any] = record.value
    labels = _texts(value.get("labels"))
    annotations = _texts(value.get("annotations"))
    status = _status(value)
    start = next((value[key] for key in _STARTS if value.get(key)), None)
    stamp = parse_time(text_of(start), zone) if start is not None else UNKNOWN
    rest = {key: item for key, item in value.items() if key not in ("labels", "annotations", "status")}
    attributes = {**flatten(rest), **delivery, "status": status}
    attributes.update({f"labels.{key}": text for key, text in labels.items()})
    attributes.update({f"annotations.{key}": text for key, text in annotations.items()})
    if isinstance(value.get("status"), dict):  # API v2: state, silencedBy, inhibitedBy
        attributes.update(flatten({"status": value["status"]}))
    severity = labels.get("severity") or annotations.get("severity")
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.ALERT,
        message=_message(labels, annotations, status),
        attributes=attributes,
        stamp=stamp,
        end_ns=_end(value, status, stamp.time_ns, zone),
        service=next((labels[key] for key in SERVICE_LABELS if labels.get(key)), None),
        host=labels.get("pod") or labels.get("instance"),
        severity=alert_severity(severity),
        severity_raw=severity,
        pointer=record.pointer,
    )


def _texts(value: Any) -> dict[str, str]:
    return {str(key): text_of(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _status(value: Mapping[str, Any]) -> str:
    status = value.get("status")
    if isinstance(status, dict):  # API v2: active, suppressed, unprocessed
        state = status.get("state")
        return "firing" if state in ("active", "suppressed", None) else str(state)
    return str(status or value.get("state") or "firing")


def _end(value: Mapping[str, Any], status: str, start_ns: int | None, zone: Zone | None) -> int | None:
    """Give when the alert ended. Of a firing one, `endsAt` is only when it would be taken as resolved."""
    if status not in _RESOLVED:
        return None
    raw = next((value[key] for key in _ENDS if value.get(key)), None)
    end_ns = parse_time(text_of(raw), zone).time_ns if raw is not None else None
    return None if end_ns is None or (start_ns is not None and end_ns < start_ns) else end_ns


def _message(labels: Mapping[str, str], annotations: Mapping[str, str], status: str) -> str:
    name = labels.get("alertname") or "alert"
    summary = annotations.get("summary") or annotations.get("description") or annotations.get("message")
    return f"{name} {status}: {summary}" if summary else f"{name} {status}"
