"""Alerts in the records of tools of one's own: findings about a subject, anomaly detectors, and the rest.

A finding has a title, a subject and its evidence; an anomaly detector says over which stretch a signal left
its usual range (`A ~ B`, local times). Everything else that names an alert beside its severity or state is
read by what its fields are usually called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.json_shapes import (
    Shape,
    ShapeFormat,
    event_of,
    first,
    has,
    member,
    record_at,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows

_TIMES: Final = (
    "starts_at", "startsAt", "started_at", "startedAt", "fired_at", "firedAt", "triggered_at", "triggeredAt",
    "occurred_at", "event_time", "timestamp", "time", "date", "created_at", "createdAt", "creation_date",
    "@timestamp", "detected_at", "start_time", "startTime",
)  # fmt: skip
_ENDS: Final = (
    "ends_at",
    "endsAt",
    "ended_at",
    "resolved_at",
    "resolvedAt",
    "closed_at",
    "end_time",
    "endTime",
)
_NAMES: Final = (
    "alertname", "alert_name", "alertName", "ruleName", "rule_name", "monitor_name", "check_name",
    "alarmName", "AlarmName", "alert", "monitor", "rule",
)  # fmt: skip
_TITLES: Final = ("title", "summary", "name", "subject", "description", "message")
_STATES: Final = ("severity", "priority", "status", "state", "level", "urgency")
_DETECTED: Final = ("has_anomalies", "clean", "anomalies", "no_anomalies")


def _named_text(flat: Mapping[str, str]) -> str:
    name, said = first(flat, _NAMES), first(flat, _TITLES)
    state = first(flat, ("status", "state"))
    head = " ".join(part for part in (name, state) if part)
    return ": ".join(part for part in (head, said) if part) or "alert"


def _anomaly_text(flat: Mapping[str, str]) -> str:
    head = " ".join(flat[key] for key in ("type", "name", "metric_category", "status") if flat.get(key))
    return f"{head}: {flat['evidence']}" if flat.get("evidence") else head or "anomaly"


_FINDING: Final = Shape(
    name="finding",
    kind=Kind.ALERT,
    time=("starts_at", "creation_date", "updated_at"),
    end=("ends_at",),
    message=("title", "aggregation_key", "description"),
    service=("service_key", "labels.service", "labels.app", "subject_name", "subject.name"),
    host=("subject_node", "subject.node"),
    severity=("labels.severity", "priority", "severity"),
)
_ANOMALY: Final = Shape(
    name="anomaly",
    kind=Kind.ALERT,
    time=("time_range.start",),
    end=("time_range.end",),
    compose=_anomaly_text,
    service=("name",),
    severity=("severity",),
)
_DETECTION: Final = Shape(
    name="detection",
    compose=lambda flat: flat.get("status", "anomaly detection"),
    parts={"alerts": _ANOMALY},
)
_GENERIC: Final = Shape(
    name="alert",
    kind=Kind.ALERT,
    time=_TIMES,
    end=_ENDS,
    compose=_named_text,
    service=("service", "service_name", "labels.service", "app", "application", "component", "tags.service"),
    host=("host", "hostname", "instance", "labels.instance", "node", "pod"),
    severity=("severity", "priority", "level", "urgency", "labels.severity"),
)


class Finding(ShapeFormat):
    """The parser of findings."""

    id = "alert_finding"
    aliases = ("finding", "issue_record")
    title = "Findings about a subject (issue records)"
    spec = "own shape: a title, a subject, an aggregation key and evidence"
    kinds = (Kind.ALERT,)
    certainty: ClassVar[float] = 0.98

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a finding by its title and subject."""
        full = has(value, "title", "aggregation_key") and (
            "subject_name" in value or "subject_type" in value or "subject" in value
        )
        return _FINDING if full or has(value, "title", "source", "subject.subject_type") else None


class AnomalyDetection(ShapeFormat):
    """The parser of anomaly detectors' results."""

    id = "anomaly_alerts"
    aliases = ("anomaly_detection",)
    title = "Results of an anomaly detector"
    spec = "own shape: a status beside alerts with a time range and evidence"
    kinds = (Kind.ALERT, Kind.OBJECT_STATE)

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a result by its status and its alerts' ranges."""
        alerts = value.get("alerts")
        if not isinstance(alerts, list):
            return None
        ranged = bool(alerts) and all("time_range" in alert for alert in alerts if isinstance(alert, dict))
        known = value.get("status") in _DETECTED and (not alerts or isinstance(alerts[0], dict))
        return _DETECTION if known or (ranged and isinstance(alerts[0], dict)) else None

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a result; of a range, the two times that it names."""
        record = place.record()
        value = record.value
        if not isinstance(value, dict) or self.shape_of(value) is None or not value["alerts"]:
            return super().read(place, rows)
        found = place.find("alerts")
        known = {
            key: text for key in ("status", "alert_count") if isinstance(text := value.get(key), str) and text
        }
        for item in found.items() if found is not None else ():
            if isinstance(item.value, dict):
                at = record_at(Place.of(place.data, item), {**item.value, **_range(item.value)})
                rows.event(event_of(at, _ANOMALY, rows, known))
            else:
                rows.reject(item.start, item.end, item.problem or "an alert that is no object")
        return True


class GenericAlert(ShapeFormat):
    """The parser of alerts by the usual names of their fields."""

    id = "generic_alert"
    aliases = ("alert", "alert_json", "alerts_json")
    title = "Alerts as JSON objects with the usual names"
    spec = "last resort for alerts: a name or title, a severity or state, a time"
    kinds = (Kind.ALERT,)
    generality = 3

    def score(self, sample: Sample) -> float:
        """Trust the names less where the evidence was not collected as alerts."""
        return super().score(sample) * (0.9 if sample.type == "alert" else 0.66)

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an alert by a name beside a state."""
        listed = value.get("alerts")
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            return Shape(name="alerts", parts={"alerts": _GENERIC}) if _is_alert(listed[0]) else None
        return _GENERIC if _is_alert(value) else None

    def recognise(self, value: Any) -> float:
        """Ask for the name of a rule or check; a title alone says little."""
        if not isinstance(value, dict) or self.shape_of(value) is None:
            return 0.0
        listed = member(value, "alerts")
        alert = listed[0] if isinstance(listed, list) and listed else value
        return 1.0 if any(key in alert for key in _NAMES) else 0.75


def _is_alert(value: dict[str, Any]) -> bool:
    named = any(isinstance(value.get(key), str) for key in (*_NAMES, *_TITLES[:3]))
    return named and any(key in value for key in _STATES) and not {"msg", "logger", "trace_id"} & value.keys()


def _range(value: Mapping[str, Any]) -> dict[str, str]:
    start, _, end = str(value.get("time_range") or "").partition("~")
    return {"time_range.start": start.strip(), "time_range.end": end.strip()} if end else {}


FORMATS: Final[tuple[Format, ...]] = (Finding(), AnomalyDetection(), GenericAlert())
