"""Alerts, changes and chat messages out of the event table.

Monitoring repeats itself: one alert arrives as several notifications (firing, firing again, resolved),
often from several sources. Notifications with the same alert name and service are one alert here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc

from incident_pipeline.diagnosis.business import event_title, is_business_event
from incident_pipeline.drafting.columns import attribute
from incident_pipeline.drafting.wording import NS, instant_ns, rfc3339
from incident_pipeline.model.facts import AlertFact, ChangeFact, MessageFact

if TYPE_CHECKING:
    import pyarrow as pa

_NAME: Final = ("alertname", "alert_name", "alarmname", "alarm_name", "monitor_name", "rule_name", "rulename",
                "policy_name", "title", "name")  # fmt: skip
_STATUS: Final = ("alertstate", "status", "state", "newstatevalue")
_STARTED: Final = ("startsat", "starts_at", "started_at", "triggered_at", "activeat")
_SEVERITY: Final = ("labels.severity", "severity", "priority", "urgency", "level")
_SUMMARY: Final = ("annotations.summary", "summary", "description", "annotations.description")
_BOT: Final = ("bot_id", "subtype", "is_bot", "bot", "bot_profile.name")
_RESOLVED: Final = frozenset({"resolved", "ok", "closed", "recovered", "inactive", "normal", "resolve"})
_NOT_FIRING: Final = frozenset({"pending", "acknowledged", "suppressed", "silenced"})
_SAME_EPISODE_NS: Final = NS
"""Notifications of one firing give the same start; sources round it differently, by up to a second."""


def records(events: pa.Table, kind: str, **names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Give the timed events of a kind as rows, with the attributes asked for under the names given."""
    table = events.filter((pc.field("kind") == kind) & pc.field("time_ns").is_valid())
    wanted = {name: attribute(table, keys) for name, keys in names.items()}
    rows: list[dict[str, Any]] = table.drop_columns(["attributes"]).to_pylist()
    for index, row in enumerate(rows):
        row.update({name: values[index] for name, values in wanted.items()})
    rows.sort(key=lambda row: (row["time_ns"], row["event_id"]))
    return rows


def alerts(events: pa.Table) -> tuple[AlertFact, ...]:
    """Fold the alert notifications of a table into alerts, in order of their start."""
    rows = records(
        events,
        "alert",
        alert_name=_NAME,
        alert_status=_STATUS,
        started=_STARTED,
        level=_SEVERITY,
        summary=_SUMMARY,
    )
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        status = str(row["alert_status"] or "").lower()
        if status in _NOT_FIRING:
            continue
        row["resolved"] = status in _RESOLVED
        name = str(row["alert_name"] or row["message"] or "alert").strip()
        grouped.setdefault((name, row["service"] or ""), []).append(row)
    found = [_alert(name, service or None, group) for (name, service), group in grouped.items()]
    return tuple(sorted(found, key=lambda alert: (alert.start_ns, alert.name, alert.service or "")))


def _alert(name: str, service: str | None, rows: list[dict[str, Any]]) -> AlertFact:
    starts = sorted({_start(row) for row in rows})
    firing = [row for row in rows if not row["resolved"]]
    first = min(firing or rows, key=lambda row: (_start(row), row["event_id"]))
    ends = [(end, row["event_id"]) for row in rows if (end := _end(row)) is not None]
    last_end = max(ends, default=None)
    if last_end is not None and firing and last_end[0] < max(_start(row) for row in firing):
        last_end = None  # it fired again after its last resolution
    described = next((row for row in rows if row["summary"]), first)
    return AlertFact(
        name=name,
        service=service,
        severity=next((str(row["level"]) for row in rows if row["level"]), None),
        start=rfc3339(starts[0]),
        start_ns=starts[0],
        end=rfc3339(last_end[0]) if last_end else None,
        end_ns=last_end[0] if last_end else None,
        episodes=_episodes(sorted({_start(row) for row in firing} or set(starts))),
        summary=str(described["summary"]) if described["summary"] else None,
        event_id=first["event_id"],
        resolved_event_id=last_end[1] if last_end else None,
    )


def _start(row: dict[str, Any]) -> int:
    given = instant_ns(str(row["started"])) if row["started"] else None
    return int(row["time_ns"]) if given is None else given


def _end(row: dict[str, Any]) -> int | None:
    if row["end_time_ns"] is not None and row["end_time_ns"] >= _start(row):
        return int(row["end_time_ns"])
    return int(row["time_ns"]) if row["resolved"] else None


def _episodes(starts: list[int]) -> int:
    return 1 + sum(later - earlier > _SAME_EPISODE_NS for earlier, later in pairwise(starts))


def changes(events: pa.Table) -> tuple[ChangeFact, ...]:
    """Give the entries of change logs and calendars, in time order."""
    found = []
    table = events.filter(pc.field("kind") == "change").select(["event_id", "attributes"])
    columns = {row["event_id"]: dict(row["attributes"] or ()) for row in table.to_pylist()}
    for row in records(events, "change"):
        own = columns[row["event_id"]]
        found.append(
            ChangeFact(
                time=rfc3339(row["time_ns"]),
                time_ns=row["time_ns"],
                service=row["service"],
                summary=event_title(own, row["message"]) or "change",
                actor=row["actor"],
                business=is_business_event(row["source"], own),
                event_id=row["event_id"],
            )
        )
    return tuple(found)


def messages(events: pa.Table) -> tuple[MessageFact, ...]:
    """Give the chat messages, in time order."""
    found = []
    for row in records(events, "chat", bot=_BOT):
        mark = str(row["bot"] or "").lower()
        author = row["actor"]
        automated = mark not in {"", "false", "none", "thread_broadcast"} and not mark.startswith("channel")
        found.append(
            MessageFact(
                time=rfc3339(row["time_ns"]),
                time_ns=row["time_ns"],
                author=author,
                automated=automated or "bot" in str(author or "").lower(),
                event_id=row["event_id"],
            )
        )
    return tuple(found)
