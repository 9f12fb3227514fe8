"""Chat: Teams, Discord, Mattermost, Zulip, chat logs and threads as Markdown. Fixtures are ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from record_fuzz import check_sane, iso_ns, mutants

from incident_pipeline.parsers.formats.chat import text_of_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

S = 10**9
T = 1767323045 * S  # 2026-01-02T03:04:05Z

TEAMS = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata",
    "value": [
        {
            "id": "1767323045120",
            "messageType": "message",
            "createdDateTime": "2026-01-02T03:04:05.12Z",
            "lastEditedDateTime": None,
            "from": {"user": {"id": "u", "displayName": "Ann Lee"}},
            "channelIdentity": {"teamId": "t", "channelId": "19:x"},
            "body": {"contentType": "html", "content": "<p>cart is <b>down</b></p><div>a &lt; b</div>"},
            "replies": [
                {
                    "id": "2",
                    "replyToId": "1767323045120",
                    "messageType": "message",
                    "createdDateTime": "2026-01-02T03:05:05Z",
                    "from": {"application": {"displayName": "Pager"}},
                    "body": {"contentType": "text", "content": "on <it>"},
                }
            ],
        }
    ],
}
_ONE = {
    "id": "9",
    "type": "Default",
    "timestamp": "2026-01-02T04:04:05.5+01:00",
    "timestampEdited": "2026-01-02T04:05:05+01:00",
    "content": "rolling back",
    "author": {"id": "7", "name": "ann", "nickname": "Ann", "isBot": False},
    "reactions": [],
}
DISCORD = {
    "guild": {"id": "1", "name": "Shop"},
    "channel": {"id": "2", "type": "GuildTextChat", "name": "incidents"},
    "messages": [_ONE, _ONE, {**_ONE, "id": "10", "content": "", "type": "Call", "timestampEdited": None}],
    "messageCount": 3,
}
MATTERMOST = [
    {"type": "version", "version": 1},
    {"type": "channel", "channel": {"team": "ops", "name": "war-room", "type": "O"}},
    {
        "type": "post",
        "post": {
            "team": "ops",
            "channel": "war-room",
            "user": "ann",
            "message": "down?",
            "create_at": 1767323045120,
            "replies": [{"user": "bob", "message": "yes", "create_at": 1767323046000}],
            "reactions": [{"user": "bob", "emoji_name": "+1", "create_at": 1767323047000}],
        },
    },
    {
        "type": "direct_post",
        "direct_post": {
            "channel_members": ["ann", "bob"],
            "user": "bob",
            "message": "psst",
            "create_at": 1767323048000,
        },
    },
]
MATTERMOST_API = {
    "order": ["p1"],
    "posts": {
        "p1": {
            "id": "p1",
            "create_at": 1767323045120,
            "user_id": "u",
            "channel_id": "c",
            "root_id": "p0",
            "message": "ok",
            "type": "",
        }
    },
}
ZULIP = {
    "zerver_message": [
        {
            "id": 1,
            "sender": 8,
            "recipient": 3,
            "content": "a **b**",
            "date_sent": 1767323045.125,
            "subject": "db",
        }
    ],
    "zerver_usermessage": [],
}
ZULIP_API = {
    "result": "success",
    "messages": [
        {
            "id": 1,
            "sender_id": 8,
            "sender_full_name": "Ann Lee",
            "timestamp": 1767323045,
            "content": "<p>a <code>b</code></p>",
            "display_recipient": "ops",
            "subject": "db",
        }
    ],
}
LOG = b"""[2026-01-02 03:04:05] <ann> cart is down
[2026-01-02 03:04:06] <@bob> looking
2026-01-02 03:05 <ann> it's the pool
  see graph
"""
THREAD = b"""**Ann Lee** (2026-01-02 03:04 UTC): cart is down
@bob please look

> :fire: **HighLatency** firing
> p99 over 2 s

```
kubectl get pods

cart-1 0/1
```

rolled back
"""

BODIES: dict[str, Any] = {
    "teams": (TEAMS,),
    "discord": (DISCORD,),
    "mattermost": (MATTERMOST_API,),
    "zulip": (ZULIP, ZULIP_API),
}
BULK = "\n".join(json.dumps(line) for line in MATTERMOST).encode()
SAMPLES = (
    *(
        json.dumps(body, indent=n).encode()
        for bodies in BODIES.values()
        for body in bodies
        for n in (None, 1)
    ),
    BULK,
    LOG,
    THREAD,
)


@pytest.mark.parametrize("name", BODIES)
def test_detected_by_shape(look: Callable[..., Look], name: str) -> None:
    for body in BODIES[name]:
        assert look(json.dumps(body)).parsed.report.format == name
        assert look(json.dumps(body, indent=1)).parsed.report.format == name


def test_teams_replies_and_html(look: Callable[..., Look]) -> None:
    first, reply = look(json.dumps(TEAMS, indent=1)).events
    assert (first["message"], first["actor"]) == ("cart is down\na < b", "Ann Lee")
    assert first["time_ns"] == T + 120 * 10**6 == iso_ns("2026-01-02T03:04:05.120+00:00")
    assert first["attributes"]["body.content"].startswith("<p>")
    assert (reply["message"], reply["actor"], reply["time_ns"]) == ("on <it>", "Pager", T + 60 * S)
    assert (reply["json_pointer"], reply["attributes"]["thread_ts"]) == (
        "/value/0/replies/0",
        "1767323045120",
    )


def test_discord_repeats_are_read_once(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(DISCORD))
    first, call = seen.events
    assert (first["time_ns"], first["actor"], first["attributes"]["channel"]) == (
        T + S // 2,
        "Ann",
        "incidents",
    )
    assert first["attributes"]["timestampEdited"] == "2026-01-02T04:05:05+01:00"
    assert call["message"] == "Call"
    (again,) = seen.quarantine
    assert again["reason"] == "message 9 once more"


def test_mattermost_bulk_and_api(look: Callable[..., Look]) -> None:
    seen = look(BULK)
    assert seen.parsed.report.format == "mattermost"
    chat = [row for row in seen.events if row["kind"] == "chat"]
    assert [(row["message"], row["actor"], row["time_ns"]) for row in chat] == [
        ("down?", "ann", T + 120 * 10**6),
        ("yes", "bob", T + S),
        ("psst", "bob", T + 3 * S),
    ]
    assert (chat[1]["json_pointer"], chat[1]["attributes"]["channel"]) == ("/post/replies/0", "war-room")
    assert [row["message"] for row in seen.events if row["kind"] == "object_state"] == [
        "version",
        "channel war-room",
    ]
    post = look(json.dumps(MATTERMOST_API)).event
    assert (post["json_pointer"], post["attributes"]["thread_ts"]) == ("/posts/p1", "p0")


def test_zulip(look: Callable[..., Look]) -> None:
    export, listed = look(json.dumps(ZULIP)).event, look(json.dumps(ZULIP_API)).event
    assert (export["time_ns"], export["message"], export["attributes"]["topic"]) == (
        T + 125 * 10**6,
        "a **b**",
        "db",
    )
    assert (listed["time_ns"], listed["message"], listed["attributes"]["channel"]) == (T, "a b", "ops")


def test_chat_log(look: Callable[..., Look]) -> None:
    seen = look(LOG)
    assert seen.parsed.report.format == "chat_log"
    assert [(row["time_ns"], row["actor"], row["message"]) for row in seen.events] == [
        (T, "ann", "cart is down"),
        (T + S, "bob", "looking"),
        (T + 55 * S, "ann", "it's the pool\n  see graph"),
    ]


def test_markdown_thread(look: Callable[..., Look]) -> None:
    seen = look(THREAD, type="chat")
    assert seen.parsed.report.format == "chat_markdown"
    first, card, code, last = seen.events
    assert (first["actor"], first["time_ns"]) == ("Ann Lee", T - 5 * S)
    assert (card["attributes"], card["time_ns"], card["actor"]) == ({"markdown": "block_quote"}, None, None)
    assert code["message"].count("\n") == 4
    assert last["message"] == "rolled back"


def test_slack_traps_keep_ids_exact(look: Callable[..., Look]) -> None:
    messages = [
        {"type": "message", "user": "U1", "text": "a", "ts": "1767323045.000100"},
        {"type": "message", "user": "U1", "text": "b", "ts": "1767323045.000200"},
    ]
    seen = look(json.dumps(messages), uri="x/ops/2026-01-02.json")
    assert [row["time_ns"] for row in seen.events] == [T + 100_000, T + 200_000]
    assert [row["attributes"]["ts"] for row in seen.events] == ["1767323045.000100", "1767323045.000200"]


def test_html_to_text() -> None:
    assert text_of_html("a<br/>b<p>c</p>&amp;") == "a\nbc\n&"
    assert text_of_html("1 < 2 and 3 > 2") == "1 < 2 and 3 > 2"


@settings(max_examples=150, deadline=None)
@given(data=mutants(SAMPLES))
def test_damaged_input_never_fails(look: Callable[..., Look], data: bytes) -> None:
    check_sane(look(data, type="chat"))
    for name in (*BODIES, "chat_log", "chat_markdown", "slack_export"):
        check_sane(look(data, pin=name))
