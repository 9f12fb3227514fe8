"""Ids that sources give to their events: what they merge, and what that looks the same they keep apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incident_pipeline.timeline import build_timeline
from incident_pipeline.timeline.native_ids import NATIVE_IDS

if TYPE_CHECKING:
    from conftest import Incident

CASES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    # rule: kind, attributes of both tellings, what makes a third telling another event
    "alert_fingerprint": ("alert", {"fingerprint": "f", "status": "firing"}, {"status": "resolved"}),
    "alert_key": ("alert", {"dedup_key": "k", "status": "triggered"}, {"dedup_key": "other"}),
    "opsgenie_alert": ("alert", {"alert.tinyId": "17", "action": "Create"}, {"action": "Close"}),
    "alert_record_id": ("alert", {"id": "Q02", "type": "trigger_log_entry"}, {"id": "Q03"}),
    "message_id": ("chat", {"client_msg_id": "m1"}, {"client_msg_id": "m2"}),
    "channel_ts": ("chat", {"ts": "1.2", "channel": "C1"}, {"channel": "C2"}),
    "chat_record_id": ("chat", {"id": "981", "channel_id": "7"}, {"id": "982"}),
    "audit_id": ("audit", {"auditID": "a", "stage": "ResponseComplete"}, {"stage": "RequestReceived"}),
    "audit_record_id": ("audit", {"id": "A1", "type": "audit"}, {"id": "A2"}),
    "insert_id": ("log", {"insertId": "i", "logName": "l"}, {"logName": "other"}),
    "journal_cursor": ("log", {"__CURSOR": "s=1"}, {"__CURSOR": "s=2"}),
    "elastic_id": ("log", {"_id": "1", "_index": "logs-1"}, {"_index": "logs-2"}),
    "splunk_cd": ("log", {"_cd": "1:2", "_bkt": "main~1"}, {"_bkt": "main~2"}),
    "cloudwatch_event_id": ("log", {"eventId": "3", "logStreamName": "s"}, {"logStreamName": "other"}),
    "datadog_id": ("log", {"id": "AQ", "type": "log"}, {"id": "AR"}),
    "sentry_event_id": ("log", {"eventID": "e1"}, {"eventID": "e2"}),
    "kubernetes_uid": ("k8s_event", {"metadata.uid": "u", "count": "1"}, {"count": "2"}),
    "change_record_id": ("change", {"id": "77"}, {"id": "78"}),
    "commit": ("change", {"change.commit": "abc", "change.kind": "deploy"}, {"environment": "staging"}),
    "ticket_record_id": ("ticket", {"id": "OPS-1/3"}, {"id": "OPS-1/4"}),
}  # fmt: skip


@pytest.mark.parametrize("rule", CASES)
def test_each_id_merges_its_own_and_nothing_else(incident: Incident, rule: str) -> None:
    kind, attributes, other = CASES[rule]
    row = {"kind": kind, "time_ns": 5, "message": "scaled"}
    rows: list[dict[str, Any]] = [
        row | {"event_id": "one", "attributes": attributes},
        row | {"event_id": "again", "attributes": attributes},
        row | {"event_id": "other", "attributes": attributes | other},
    ]
    table = build_timeline(incident(rows)).table.to_pylist()
    # All three stand in one artifact, where only an id can tell that a record is a repeat.
    assert {row["event_id"]: (row["merged_into"], row["rule"]) for row in table if row["merged_into"]} == {
        "again": ("one", rule)
    }


def test_every_rule_has_its_case() -> None:
    assert {native.rule for native in NATIVE_IDS} == {*CASES, "span_id"}


def test_an_id_is_not_enough_where_what_was_said_differs(incident: Incident) -> None:
    row = {"kind": "chat", "time_ns": 5, "attributes": {"client_msg_id": "m"}}
    rows = [row | {"event_id": name, "message": name} for name in ("restarting", "restarting the api")]
    assert build_timeline(incident(rows)).timeline.merged == 0


def test_ids_of_logs_go_with_their_time(incident: Incident) -> None:
    row = {"message": "x", "attributes": {"__CURSOR": "s=1"}}
    rows = [row | {"event_id": str(time), "time_ns": time} for time in (5, 6)]
    assert build_timeline(incident(rows)).timeline.merged == 0
