"""CloudWatch alarms: SNS notifications (bare, over HTTP, inside Lambda's records), and what the API lists.

SNS keeps the alarm as JSON text inside JSON; a row then points at that text, and its pointer leads to what
it holds. `StateChangeTime` is when the alarm changed; without one there is no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    first_text,
    list_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import NotJsonError, Record, decode_json, flatten, text_of, too_deep
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows

_LISTS: Final = ("MetricAlarms", "CompositeAlarms", "AlarmHistoryItems")
_TIMES: Final = ("StateChangeTime", "StateUpdatedTimestamp", "StateTransitionedTimestamp", "Timestamp")
_STATES: Final = ("NewStateValue", "StateValue")
_SEVERITIES: Final = {
    "ALARM": Severity.ERROR,
    "INSUFFICIENT_DATA": Severity.WARN,
    "OK": Severity.INFO,
}
_SERVICES: Final = (
    "ServiceName", "FunctionName", "LoadBalancer", "DBInstanceIdentifier", "DBClusterIdentifier", "QueueName",
)  # fmt: skip


class CloudWatchAlarms(PageFormat):
    """The parser of CloudWatch alarms."""

    id = "cloudwatch_alarm_sns"
    aliases = ("cloudwatch_alarm", "cloudwatch_alarms", "sns_cloudwatch_alarm")
    title = "CloudWatch alarms"
    spec = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html"
    kinds = (Kind.ALERT, Kind.OBJECT_STATE)

    def recognise(self, value: Any) -> float:
        """Recognise alarms by their name and state, in whatever they are wrapped."""
        value = dict_of(value)
        if any(isinstance(value.get(name), list) for name in _LISTS):
            return 1.0
        records = [dict_of(item).get("Sns") for item in list_of(value.get("Records"))]
        bodies = [dict_of(item).get("Message") for item in records] or [value.get("Message", value)]
        return sum(_is_alarm(_opened(body)) for body in bodies) / len(bodies)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the alarms of a document."""
        members = place.members()
        listed = [members[name] for name in _LISTS if name in members]
        for part in sorted(listed, key=lambda item: item.start):
            for record in objects(part.items(), rows, "an alarm"):
                rows.event(_event(record, {}))
        if listed:
            return True
        if "Records" in members:
            found = False
            for record in objects(members["Records"].items(), rows, "a record"):
                sns = Place.of(place.data, record).find("Sns")
                taken = sns is not None and _read_notification(sns, rows)
                found = found or taken
                if not taken:
                    rows.reject(record.start, record.end, "a record without an alarm")
            return found
        return _read_notification(place, rows)


def _opened(value: Any) -> Any:
    """Give the object that a text holds as JSON, anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    raw = value.encode("utf-8", "replace")
    try:
        return None if too_deep(raw) else decode_json(raw)
    except NotJsonError:
        return None


def _is_alarm(value: Any) -> bool:
    value = dict_of(value)
    return "AlarmName" in value and any(
        key in value
        for key in (*_STATES, "AlarmDescription", "Trigger", "MetricName", "AlarmArn", "AlarmRule")
    )


def _read_notification(place: Place, rows: Rows) -> bool:
    """Read what SNS sent: an envelope with `Message`, or an alarm alone."""
    members = place.members()
    known: dict[str, str] = {}
    body = place
    if "Message" in members:
        body = members.pop("Message")
        for key, member in members.items():
            known.update(flatten({f"sns.{key}": member.record().value}))
    found = body.record()
    value = _opened(found.value)
    if not _is_alarm(value):
        return False
    rows.event(_event(Record(body.start, body.end, body.pointer or None, value), known))
    return True


def _event(record: Record, known: Mapping[str, str]) -> Event:
    value: dict[str, Any] = record.value
    state = first_text(value, _STATES)
    key = next((name for name in _TIMES if value.get(name)), None)
    trigger = dict_of(value.get("Trigger"))
    attributes = {**known, **flatten({name: item for name, item in value.items() if name != key})}
    for item in list_of(trigger.get("Dimensions") or value.get("Dimensions")):
        dimension = {name.lower(): text_of(part) for name, part in dict_of(item).items()}
        if "name" in dimension:
            attributes[f"dimension.{dimension['name']}"] = dimension.get("value", "")
    if state is not None:
        attributes["status"] = state
    reason = first_text(value, ("NewStateReason", "StateReason", "HistorySummary", "AlarmDescription"))
    name = text(value.get("AlarmName")) or "alarm"
    priority = first_text(value, ("Priority", "Severity"))
    heading = f"{name} {state}" if state else name
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.OBJECT_STATE if state == "OK" and "StateValue" in value else Kind.ALERT,
        message=f"{heading}: {reason}" if reason else heading,
        attributes=attributes,
        stamp=time_of(value.get(key), 0) if key is not None else time_of(None),
        service=next(
            (attributes[f"dimension.{label}"] for label in _SERVICES if f"dimension.{label}" in attributes),
            None,
        ),
        severity=_SEVERITIES.get(state or "") or alert_severity(priority),
        severity_raw=priority or state,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (CloudWatchAlarms(),)
