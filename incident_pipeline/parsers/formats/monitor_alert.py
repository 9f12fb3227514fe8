"""Alerts of threshold monitors: a JSON object with service, metric, what was observed and when it fired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import Record, flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import alert_severity
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_FIRED: Final = ("fired_at", "triggered_at", "firedAt", "triggeredAt")
_BESIDE: Final = ("metric", "monitor", "threshold", "summary", "severity")


class MonitorAlert(Format):
    """The parser of threshold monitors' alerts."""

    id = "monitor_alert"
    aliases = ("threshold_alert",)
    title = "Alert of a threshold monitor"
    spec = "own shape: a threshold beside what was observed"
    kinds = (Kind.ALERT,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise a time of firing beside a metric, monitor or threshold."""
        hits = [_is_alert(item) for item in sample.records]
        return 0.9 * sum(hits) / len(hits) * sample.json_share if hits else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into an alert."""
        for record in records(data):
            if isinstance(record.value, dict):
                rows.event(_event(record, rows))
            else:
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")


def _is_alert(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and any(key in value for key in _FIRED)
        and sum(key in value for key in _BESIDE) >= 2  # noqa: PLR2004 - one alone says little
    )


def _event(record: Record, rows: Rows) -> Event:
    flat = flatten(record.value)
    fired = next((flat.pop(key) for key in _FIRED if key in flat), None)
    severity = flat.pop("severity", None)
    service = flat.pop("service", None)
    summary = flat.pop("summary", None) or flat.get("monitor") or flat.get("metric") or "alert"
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.ALERT,
        message=summary,
        attributes={"status": "firing", **flat},
        stamp=parse_time(fired, rows.zone) if fired else UNKNOWN,
        service=service,
        severity=alert_severity(severity),
        severity_raw=severity,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (MonitorAlert(),)
