"""Google Cloud Monitoring: the incident that an alerting policy sends to a webhook (schema 1.0 to 1.2).

Times are seconds since 1970; zero and null mean that there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import PageFormat, dict_of, epoch_of, first_text, text
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_SIGNS: Final = ("incident_id", "policy_name", "condition_name", "state", "started_at")
_SERVICES: Final = (
    "resource.labels.service_name", "resource.labels.container_name", "resource.labels.module_id",
    "resource.labels.function_name", "resource_display_name", "resource_name",
)  # fmt: skip
_SEVERITIES: Final = (
    "severity", "policy_user_labels.severity", "metadata.user_labels.severity",
    "metadata.system_labels.severity",
)  # fmt: skip


class GcpMonitoring(PageFormat):
    """The parser of Cloud Monitoring's webhooks."""

    id = "gcp_monitoring_webhook"
    aliases = ("gcp_monitoring", "stackdriver_webhook", "gcp_alert")
    title = "Google Cloud Monitoring webhook"
    spec = "https://cloud.google.com/monitoring/support/notification-options#webhooks"
    kinds = (Kind.ALERT,)

    def recognise(self, value: Any) -> float:
        """Recognise an incident with its policy, condition and state."""
        incident = dict_of(dict_of(value).get("incident"))
        return 1.0 if sum(key in incident for key in _SIGNS) >= 3 else 0.0  # noqa: PLR2004 - most of five

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the incident of a webhook."""
        members = place.members()
        incident = members.pop("incident", None)
        record = incident.record() if incident is not None else None
        if record is None or not isinstance(record.value, dict):
            return False
        value: dict[str, Any] = record.value
        attributes = flatten(value)
        for key, member in members.items():
            attributes.update(flatten({f"webhook.{key}": member.record().value}))
        state = text(value.get("state"))
        attributes["status"] = state or ""
        stamp = epoch_of(value.get("started_at"), "s")
        end_ns = epoch_of(value.get("ended_at"), "s").time_ns
        if end_ns is not None and stamp.time_ns is not None and end_ns < stamp.time_ns:
            end_ns = None
        severity = next((attributes[key] for key in _SEVERITIES if attributes.get(key)), None)
        heading = first_text(value, ("policy_name", "condition_name")) or "incident"
        summary = text(value.get("summary")) or text(dict_of(value.get("documentation")).get("subject"))
        rows.event(
            Event(
                start=record.start,
                end=record.end,
                kind=Kind.ALERT,
                message=summary or f"{heading} {state}",
                attributes=attributes,
                stamp=stamp,
                end_ns=end_ns,
                service=next((attributes[key] for key in _SERVICES if attributes.get(key)), None),
                severity=alert_severity(severity),
                severity_raw=severity,
                pointer=record.pointer,
            )
        )
        return True


FORMATS: Final[tuple[Format, ...]] = (GcpMonitoring(),)
