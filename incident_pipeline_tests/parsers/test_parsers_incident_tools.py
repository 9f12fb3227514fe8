"""Incident tools: incident.io, FireHydrant, Rootly, Jira, ServiceNow and status pages.

Fixtures are ours, written from the specifications that the formats name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from record_fuzz import check_sane, iso_ns, mutants

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

S = 10**9
T = 1767323045 * S  # 2026-01-02T03:04:05Z

INCIDENT_IO = {
    "incidents": [
        {
            "id": "01A",
            "name": "Checkout down",
            "reference": "INC-7",
            "mode": "standard",
            "visibility": "public",
            "created_at": "2026-01-02T03:04:05.25Z",
            "updated_at": "2026-01-02T05:00:00Z",
            "incident_status": {"name": "Investigating", "category": "live"},
            "severity": {"name": "Major", "rank": 2},
            "creator": {"user": {"name": "Ann Lee"}},
            "incident_timestamp_values": [
                {"incident_timestamp": {"name": "Impact started"}, "value": {"value": "2026-01-02T02:50:00Z"}}
            ],
        }
    ],
    "pagination_meta": {"page_size": 25},
}
INCIDENT_IO_UPDATES = {
    "incident_updates": [
        {
            "id": "u1",
            "incident_id": "01A",
            "created_at": "2026-01-02T03:04:05Z",
            "message": "found it",
            "new_incident_status": {"name": "Fixing"},
            "updater": {"user": {"name": "Bob"}},
        }
    ]
}
INCIDENT_IO_HOOK = {
    "event_type": "public_incident.incident_created_v2",
    "public_incident.incident_created_v2": {
        "id": "01A",
        "name": "Checkout down",
        "created_at": "2026-01-02T03:04:05Z",
    },
}
FIREHYDRANT = {
    "id": "f",
    "name": "DB slow",
    "number": 3,
    "created_at": "2026-01-02T03:05:00Z",
    "started_at": "2026-01-02T03:04:05Z",
    "current_milestone": "mitigated",
    "severity": "SEV1",
    "milestones": [
        {"type": "started", "occurred_at": "2026-01-02T03:04:05Z", "created_at": "2026-01-02T09:00:00Z"},
        {"type": "mitigated", "occurred_at": "2026-01-02T03:44:05Z", "created_at": "2026-01-02T09:00:01Z"},
    ],
}
FIREHYDRANT_EVENTS = {
    "data": [
        {
            "id": "e",
            "incident_id": "f",
            "type": "general_update",
            "occurred_at": "2026-01-02T03:04:05Z",
            "created_at": "2026-01-02T09:00:00Z",
            "visibility": "private_to_org",
            "author": {"name": "Ann"},
            "data": {"body": "failing over"},
        }
    ]
}
ROOTLY = {
    "data": {
        "id": "r1",
        "type": "incidents",
        "attributes": {
            "title": "Queue",
            "status": "resolved",
            "started_at": "2026-01-02T03:04:05.000-08:00",
            "resolved_at": "2026-01-02T04:04:05.000-08:00",
            "severity": {"data": {"attributes": {"severity": "critical"}}},
        },
    }
}
ROOTLY_EVENTS = {
    "data": [
        {
            "id": "e1",
            "type": "incident_events",
            "attributes": {
                "event": "Scaled workers",
                "occurred_at": "2026-01-02T03:04:05Z",
                "created_at": "2026-01-03T00:00:00Z",
            },
        }
    ],
    "meta": {"total": 1},
}
JIRA = {
    "expand": "x",
    "id": "1",
    "self": "https://j/1",
    "key": "OPS-1",
    "fields": {
        "summary": "Checkout down",
        "created": "2026-01-02T03:04:05.678+0000",
        "resolutiondate": "2026-01-02T05:04:05.678+0000",
        "status": {"name": "Done"},
        "priority": {"name": "Highest"},
        "reporter": {"displayName": "Ann Lee"},
        "comment": {
            "comments": [
                {
                    "id": "9",
                    "author": {"displayName": "Bob"},
                    "created": "2026-01-02T04:05:06.000+0100",
                    "body": {
                        "type": "doc",
                        "version": 1,
                        "content": [
                            {
                                "type": "paragraph",
                                "content": [
                                    {"type": "text", "text": "rolled "},
                                    {"type": "text", "text": "back"},
                                ],
                            },
                            {"type": "paragraph", "content": [{"type": "text", "text": "watching"}]},
                        ],
                    },
                }
            ]
        },
    },
    "changelog": {
        "histories": [
            {
                "id": "5",
                "author": {"displayName": "Ann Lee"},
                "created": "2026-01-02T03:10:00.000+0000",
                "items": [{"field": "status", "fromString": "Open", "toString": "In Progress"}],
            }
        ]
    },
}
JIRA_HOOK = {
    "timestamp": 1767323045678,
    "webhookEvent": "jira:issue_updated",
    "user": {"displayName": "Ann Lee"},
    "issue": {"key": "OPS-1", "fields": {"summary": "Checkout down"}},
    "changelog": {"items": [{"field": "priority", "fromString": "Low", "toString": "High"}]},
}
SERVICENOW = {
    "result": [
        {
            "sys_id": "s1",
            "number": "INC0010",
            "short_description": "mail down",
            "sys_created_on": "2026-01-02 03:04:06",
            "opened_at": "2026-01-02 03:04:05",
            "resolved_at": "",
            "priority": "1 - Critical",
            "opened_by": {"link": "l", "value": "u1"},
            "work_notes": '2026-01-02 03:30:00 - Bob \u00d6z (Work notes)\nrestarted "mx1"\n\n'
            "2026-01-02 03:10:00 - Ann (Work notes)\nlooking\n\n",
        }
    ]
}
SERVICENOW_CHANGE = {
    "result": {
        "sys_id": "c",
        "number": "CHG0001",
        "short_description": "patch",
        "work_start": "2026-01-02 03:04:05",
        "work_end": "2026-01-02 04:04:05",
        "sys_created_on": "2026-01-01 00:00:00",
    }
}
SERVICENOW_JOURNAL = {
    "result": [
        {
            "sys_id": "j",
            "element_id": "s1",
            "element": "work_notes",
            "name": "incident",
            "value": "ok again",
            "sys_created_on": "2026-01-02 03:04:05",
            "sys_created_by": "bob",
        }
    ]
}
STATUSPAGE = {
    "page": {"id": "p", "name": "Cloud", "updated_at": "2026-01-02T06:00:00Z"},
    "incidents": [
        {
            "id": "i1",
            "name": "API errors",
            "status": "resolved",
            "impact": "major",
            "created_at": "2026-01-02T03:20:00.000Z",
            "started_at": "2026-01-02T03:04:05.000Z",
            "resolved_at": "2026-01-02T04:04:05.000Z",
            "incident_updates": [
                {
                    "id": "u2",
                    "status": "resolved",
                    "body": "over",
                    "created_at": "2026-01-02T04:04:06.000Z",
                    "display_at": "2026-01-02T04:04:05.000Z",
                },
                {
                    "id": "u1",
                    "status": "investigating",
                    "body": "looking",
                    "created_at": "2026-01-02T03:20:00.000Z",
                    "display_at": "2026-01-02T03:20:00.000Z",
                },
            ],
        }
    ],
    "components": [{"id": "c", "name": "API", "status": "operational", "updated_at": "2026-01-02T04:04:05Z"}],
}
PROVIDER = {
    "provider": "pay",
    "source": "status",
    "fetched_at": "2026-01-02T06:00:00Z",
    "components": [{"name": "charges", "endpoint": "/v1/charges", "status": "degraded"}],
    "incidents": [
        {
            "id": "i",
            "name": "errors",
            "impact": "minor",
            "status": "open",
            "started_at": "2026-01-02T03:04:05Z",
            "updates": [{"timestamp": "2026-01-02T03:14:05Z", "body": "we know"}],
        }
    ],
}
HEALTH = {
    "source": "cloud-health",
    "region": "eu-1",
    "fetched_at": "2026-01-02T06:00:00Z",
    "events": [
        {
            "id": "h",
            "service": "EC2",
            "region": "eu-1",
            "status": "closed",
            "title": "power",
            "started_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T04:00:00Z",
            "resolved_at": "2026-01-02T04:04:05Z",
            "detail": "one zone",
        }
    ],
}
MINIMAL = {
    "source": "dns",
    "component": "resolver",
    "events": [{"timestamp": "2026-01-02T03:04:05Z", "status": "degraded", "detail": "slow"}],
}

BODIES: dict[str, Any] = {
    "incident_io": (INCIDENT_IO, INCIDENT_IO_UPDATES, INCIDENT_IO_HOOK),
    "firehydrant": (FIREHYDRANT, FIREHYDRANT_EVENTS),
    "rootly": (ROOTLY, ROOTLY_EVENTS),
    "jira": (JIRA, JIRA_HOOK),
    "servicenow": (SERVICENOW, SERVICENOW_CHANGE, SERVICENOW_JOURNAL),
    "statuspage": (STATUSPAGE, PROVIDER, HEALTH, MINIMAL),
}
SAMPLES = tuple(
    json.dumps(body, indent=indent).encode()
    for bodies in BODIES.values()
    for body in bodies
    for indent in (None, 1)
)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("indent", [None, 2])
def test_detected_by_shape(look: Callable[..., Look], name: str, indent: int | None) -> None:
    for body in BODIES[name]:
        seen = look(json.dumps(body, indent=indent))
        assert (seen.parsed.report.format, seen.quarantine) == (name, []), body


def _told(seen: Look) -> list[tuple[Any, ...]]:
    return [
        (row["attributes"].get("record"), row["time_ns"], row["message"], row["actor"]) for row in seen.events
    ]


def test_incident_io(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(INCIDENT_IO))
    incident, stamp = seen.events
    assert (incident["time_ns"], incident["message"]) == (T + S // 4, "Checkout down: Investigating")
    assert (incident["severity_raw"], incident["severity"], incident["actor"]) == ("Major", 17, "Ann Lee")
    assert (stamp["message"], stamp["time_ns"]) == ("Impact started", iso_ns("2026-01-02T02:50:00+00:00"))
    assert stamp["attributes"]["incident_reference"] == "INC-7"
    assert _told(look(json.dumps(INCIDENT_IO_UPDATES))) == [("timeline_entry", T, "Fixing: found it", "Bob")]
    hook = look(json.dumps(INCIDENT_IO_HOOK)).event
    assert (hook["time_ns"], hook["message"]) == (T, "public_incident.incident_created_v2: Checkout down")


def test_firehydrant_happened_and_written_down(look: Callable[..., Look]) -> None:
    incident, *milestones = look(json.dumps(FIREHYDRANT)).events
    assert (incident["time_ns"], incident["severity"]) == (T, 18)
    assert [row["time_ns"] for row in milestones] == [T, T + 2400 * S]
    assert milestones[1]["attributes"]["created_at"] == "2026-01-02T09:00:01Z"
    assert _told(look(json.dumps(FIREHYDRANT_EVENTS))) == [("event", T, "failing over", "Ann")]


def test_rootly(look: Callable[..., Look]) -> None:
    event = look(json.dumps(ROOTLY)).event
    assert event["time_ns"] == iso_ns("2026-01-02T03:04:05-08:00") == T + 8 * 3600 * S
    assert (event["end_time_ns"] - event["time_ns"], event["severity"]) == (3600 * S, 18)
    assert _told(look(json.dumps(ROOTLY_EVENTS)))[0][:3] == ("timeline_entry", T, "Scaled workers")


def test_jira_history_and_comments(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(JIRA, indent=1))
    assert _told(seen) == [
        ("issue", T + 678 * 10**6, "OPS-1: Checkout down: Done", "Ann Lee"),
        ("comment", iso_ns("2026-01-02T04:05:06+01:00"), "rolled back\nwatching", "Bob"),
        ("change", T + 355 * S, "status: Open -> In Progress", "Ann Lee"),
    ]
    assert [row["json_pointer"] for row in seen.events] == [
        "",
        "/fields/comment/comments/0",
        "/changelog/histories/0",
    ]
    hook = look(json.dumps(JIRA_HOOK)).event
    assert (hook["time_ns"], hook["message"]) == (
        T + 678 * 10**6,
        "jira:issue_updated OPS-1: priority: Low -> High",
    )


def test_servicenow_journal_entries_point_into_their_text(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(SERVICENOW, indent=1))
    record, newer, older = seen.events
    assert (record["time_ns"], record["time_basis"], record["message"]) == (
        T,
        "assumed_zone",
        "INC0010: mail down",
    )
    assert (newer["actor"], newer["message"], newer["time_ns"]) == (
        "Bob \u00d6z",
        'restarted "mx1"',
        T + 1555 * S,
    )
    assert (older["actor"], older["message"], older["time_ns"]) == ("Ann", "looking", T + 355 * S)
    assert seen.bytes_of(older) == b"2026-01-02 03:10:00 - Ann (Work notes)\\nlooking"
    change = look(json.dumps(SERVICENOW_CHANGE)).event
    assert (change["kind"], change["time_ns"], change["end_time_ns"]) == ("change", T, T + 3600 * S)
    assert _told(look(json.dumps(SERVICENOW_JOURNAL))) == [("journal_entry", T, "ok again", "bob")]


def test_status_pages(look: Callable[..., Look]) -> None:
    assert _told(look(json.dumps(STATUSPAGE))) == [
        ("incident", T, "API errors: resolved", None),
        ("incident_update", T + 3600 * S, "resolved: over", None),
        ("incident_update", T + 955 * S, "investigating: looking", None),
        ("component", T + 3600 * S, "API: operational", None),
    ]
    component, incident, update = look(json.dumps(PROVIDER)).events
    assert (component["time_ns"], component["service"]) == (None, "charges")
    assert (incident["time_ns"], update["time_ns"], update["attributes"]["provider"]) == (
        T,
        T + 600 * S,
        "pay",
    )
    health = look(json.dumps(HEALTH)).event
    assert (health["message"], health["end_time_ns"]) == ("EC2 eu-1 closed: power - one zone", T + 3600 * S)
    minimal = look(json.dumps(MINIMAL)).event
    assert (minimal["time_ns"], minimal["attributes"]["component"]) == (T, "resolver")


@settings(max_examples=150, deadline=None)
@given(data=mutants(SAMPLES))
def test_damaged_input_never_fails(look: Callable[..., Look], data: bytes) -> None:
    check_sane(look(data))
    for name in BODIES:
        check_sane(look(data, pin=name))
