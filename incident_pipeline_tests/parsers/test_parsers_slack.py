from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_slack_day(look: Callable[..., Look]) -> None:
    messages = [
        {
            "type": "message",
            "user": "U1",
            "text": "looking",
            "ts": "1795422467.640814",
            "thread_ts": "1795422467.640814",
            "reply_count": 1,
            "reactions": [{"name": "+1", "users": ["U2"], "count": 1}],
            "client_msg_id": "c",
        },
        {
            "type": "message",
            "subtype": "bot_message",
            "username": "bot",
            "text": "",
            "ts": "1795422468.000100",
            "attachments": [{"fallback": "[FIRING] x"}],
        },
        {
            "type": "message",
            "user": "U2",
            "text": "fixed",
            "ts": "1795422469.000001",
            "edited": {"user": "U2", "ts": "1795422470.000000"},
        },
    ]
    seen = look(json.dumps(messages, indent=1), uri="export/helpdesk/2026-11-23.json")
    assert seen.parsed.report.format == "slack_export"
    assert [seen.json_of(row) for row in seen.events] == messages
    assert [row["time_ns"] for row in seen.events] == [
        1795422467640814000,
        1795422468000100000,
        1795422469000001000,
    ]
    assert [(row["actor"], row["message"]) for row in seen.events] == [
        ("U1", "looking"),
        ("bot", "[FIRING] x"),
        ("U2", "fixed"),
    ]
    first, second, third = (row["attributes"] for row in seen.events)
    assert {row["attributes"]["channel"] for row in seen.events} == {"helpdesk"}
    assert (first["thread_ts"], first["reply_count"], first["client_msg_id"]) == (
        "1795422467.640814",
        "1",
        "c",
    )
    assert "reactions" in first
    assert (second["subtype"], third["edited.ts"]) == ("bot_message", "1795422470.000000")


def test_slack_channel_of_a_file_and_the_export_lists(look: Callable[..., Look]) -> None:
    named = look(
        '[{"type":"message","user":"U1","text":"hi","ts":"1795422467.640814"}]', uri="chat/inc-1.json"
    )
    assert named.event["attributes"]["channel"] == "inc-1"
    users = look('[{"id":"U1","team_id":"T","name":"ann","profile":{"real_name":"Ann"}}]', uri="users.json")
    assert (users.event["kind"], users.event["message"]) == ("object_state", "ann")
