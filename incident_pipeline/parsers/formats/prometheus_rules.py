"""Prometheus HTTP API: `/api/v1/rules` as object states (and their alerts), `/api/v1/alerts` as alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.evidence import locate
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.alerts import alert_event, is_alert
from incident_pipeline.parsers.jsontext import Record, elements, flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows


class PrometheusRules(Format):
    """The parser of Prometheus rules and active alerts."""

    id = "prometheus_rules"
    aliases = ("prometheus_alerts", "prometheus_api_rules", "prometheus_api_alerts")
    title = "Prometheus rules"
    spec = "https://prometheus.io/docs/prometheus/latest/querying/api/#rules"
    kinds = (Kind.ALERT,)

    def score(self, sample: Sample) -> float:
        """Recognise `data.groups[].rules` and `data.alerts[]`."""
        hits = [_kind_of(item) is not None for item in sample.records]
        if hits:
            return 0.99 * sum(hits) / len(hits) * sample.json_share
        return 0.8 if sample.has_member("groups") and sample.has_member("rules") else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every rule and every alert."""
        for record in records(data):
            kind = _kind_of(record.value)
            if kind == "groups":
                for group in _list(data, record, f"{record.pointer or ''}/data/groups"):
                    _read_group(data, group, rows)
            elif kind == "alerts":
                for alert in _list(data, record, f"{record.pointer or ''}/data/alerts"):
                    _read_alert(alert, rows)
            else:
                rows.reject(record.start, record.end, record.problem or "neither rules nor alerts")


def _kind_of(value: Any) -> str | None:
    inner = value.get("data") if isinstance(value, dict) else None
    if not isinstance(inner, dict):
        return None
    groups, alerts = inner.get("groups"), inner.get("alerts")
    if isinstance(groups, list) and all(isinstance(group, dict) and "rules" in group for group in groups):
        return "groups"
    if isinstance(alerts, list) and all(is_alert(alert) for alert in alerts):
        return "alerts"
    return None


def _list(data: bytes, record: Record, pointer: str) -> list[Record]:
    """Give the elements of a list inside a record, with pointers from the document's root."""
    inside = pointer.removeprefix(record.pointer or "")
    try:
        start, end = locate(data, inside, record.start)
    except MalformedInputError:
        return []
    return list(elements(data, start, end, pointer))


def _read_group(data: bytes, group: Record, rows: Rows) -> None:
    if not isinstance(group.value, dict):
        rows.reject(group.start, group.end, group.problem or "a group that is no object")
        return
    for rule in _list(data, group, f"{group.pointer}/rules"):
        if not isinstance(rule.value, dict):
            rows.reject(rule.start, rule.end, rule.problem or "a rule that is no object")
            continue
        rows.event(_rule(rule, group.value, rows))
        for alert in _list(data, rule, f"{rule.pointer}/alerts") if rule.value.get("alerts") else ():
            _read_alert(alert, rows)


def _rule(rule: Record, group: dict[str, Any], rows: Rows) -> Event:
    value = {key: item for key, item in rule.value.items() if key != "alerts"}
    flat = flatten(value)
    flat["group"] = str(group.get("name") or "")
    flat["file"] = str(group.get("file") or "")
    evaluated = flat.get("lastEvaluation")
    return Event(
        start=rule.start,
        end=rule.end,
        kind=Kind.OBJECT_STATE,
        message=f"{flat.get('name', 'rule')}: {flat.get('query', '')}",
        attributes=flat,
        stamp=parse_time(evaluated, rows.zone) if evaluated else UNKNOWN,
        service=flat.get("labels.service") or flat.get("labels.job"),
        pointer=rule.pointer,
    )


def _read_alert(alert: Record, rows: Rows) -> None:
    if isinstance(alert.value, dict):
        rows.event(alert_event(alert, {}, rows.zone))
    else:
        rows.reject(alert.start, alert.end, alert.problem or "an alert that is no object")


FORMATS: Final[tuple[Format, ...]] = (PrometheusRules(),)
