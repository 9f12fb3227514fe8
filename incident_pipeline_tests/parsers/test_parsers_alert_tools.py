"""Alerts: PagerDuty, Opsgenie, Sentry, Grafana, Pingdom, routers and records of one's own.

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

PAGERDUTY_HOOK = {
    "event": {
        "id": "ev1",
        "event_type": "incident.acknowledged",
        "resource_type": "incident",
        "occurred_at": "2026-01-02T03:04:05.120Z",
        "agent": {"id": "PU1", "summary": "Ann Lee", "type": "user_reference"},
        "data": {
            "id": "PI1",
            "type": "incident",
            "title": "checkout errors",
            "status": "acknowledged",
            "service": {"id": "PS1", "summary": "checkout"},
            "priority": {"summary": "P1"},
            "urgency": "high",
        },
    }
}
PAGERDUTY_LOG = {
    "log_entries": [
        {
            "id": "R1",
            "type": "trigger_log_entry",
            "summary": "Triggered through the API",
            "created_at": "2026-01-02T03:04:05Z",
            "agent": {"summary": "Events API"},
            "service": {"summary": "checkout"},
            "incident": {"id": "PI1"},
        },
        {
            "id": "R2",
            "type": "resolve_log_entry",
            "summary": "Resolved by Ann Lee",
            "created_at": "2026-01-02T03:34:05+00:00",
            "agent": {"summary": "Ann Lee"},
        },
    ],
    "limit": 25,
    "more": False,
}
PAGERDUTY_OLD = {
    "messages": [
        {
            "id": "m1",
            "event": "incident.trigger",
            "created_on": "2026-01-02T03:04:05Z",
            "incident": {
                "id": "PI1",
                "title": "checkout errors",
                "service": {"name": "checkout"},
                "urgency": "low",
            },
            "log_entries": [
                {
                    "id": "R1",
                    "type": "trigger_log_entry",
                    "summary": "t",
                    "created_at": "2026-01-02T03:04:04Z",
                }
            ],
        }
    ]
}
OPSGENIE_HOOK = {
    "action": "Create",
    "alert": {
        "alertId": "a-1",
        "tinyId": "9",
        "alias": "k",
        "message": "disk full",
        "createdAt": 1767323045120,
        "updatedAt": 1767323099000000000,
        "priority": "P2",
        "entity": "db",
        "username": "ann",
    },
    "source": {"name": "api", "type": "API"},
    "integrationName": "hook",
}
OPSGENIE_LOGS = {
    "data": [
        {
            "log": "Alert acknowledged via web",
            "type": "system",
            "owner": "ann",
            "createdAt": "2026-01-02T03:05:05.5Z",
            "offset": "1",
        },
        {
            "log": "Alert closed",
            "type": "system",
            "owner": "ann",
            "createdAt": "2026-01-02T03:06:05Z",
            "offset": "2",
        },
    ],
    "paging": {},
    "took": 0.1,
    "requestId": "r",
}
SENTRY_EVENT = {
    "event_id": "a" * 32,
    "timestamp": 1767323045.25,
    "platform": "python",
    "level": "fatal",
    "server_name": "web-1",
    "logentry": {"formatted": "boom"},
    "breadcrumbs": {
        "values": [
            {
                "timestamp": "2026-01-02T03:04:03.5Z",
                "category": "query",
                "message": "select 1",
                "level": "info",
            },
            {
                "timestamp": 1767323044,
                "type": "http",
                "category": "httplib",
                "data": {"method": "GET", "url": "http://pay", "status_code": 503},
            },
        ]
    },
}
SENTRY_HOOK = {
    "action": "triggered",
    "installation": {"uuid": "u"},
    "data": {"event": SENTRY_EVENT, "triggered_rule": "errors"},
    "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
}
GRAFANA_LEGACY = {
    "ruleId": 1,
    "ruleName": "cpu",
    "state": "alerting",
    "title": "[Alerting] cpu",
    "message": "hot",
    "ruleUrl": "http://g",
    "evalMatches": [{"value": 97.5, "metric": "user"}],
}
ANNOTATIONS = [
    {
        "id": 1,
        "alertId": 0,
        "dashboardId": 0,
        "panelId": 0,
        "login": "ann",
        "created": 1767323045000,
        "time": 1767323045120,
        "timeEnd": 1767323046120,
        "text": "deploy web 1.2",
        "tags": ["deploy"],
        "newState": "",
        "prevState": "",
    },
    {
        "id": 2,
        "alertId": 7,
        "alertName": "cpu",
        "dashboardId": 3,
        "time": 1767323050000,
        "timeEnd": 1767323050000,
        "text": "",
        "tags": [],
        "newState": "alerting",
        "prevState": "pending",
    },
]
PINGDOM = {
    "check_id": 1,
    "check_name": "api",
    "check_type": "HTTP",
    "previous_state": "UP",
    "current_state": "DOWN",
    "state_changed_timestamp": 1767323045,
    "state_changed_utc_time": "2026-01-02T03:04:05",
    "importance_level": "HIGH",
    "long_description": "503",
    "check_params": {"hostname": "api.example.com"},
}
ROUTED = {
    "id": "f1",
    "name": "HighLatency",
    "source_type": "prometheus",
    "url": "http://r/1",
    "raw": {
        "status": "firing",
        "labels": {"alertname": "HighLatency", "severity": "critical", "service": "cart"},
        "annotations": {"summary": "p99 over 2 s"},
        "startsAt": "2026-01-02 03:04:05.123456+00:00",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "abc",
    },
}
GROUP_ALONE = {
    "title": "[FIRING] x",
    "state": "alerting",
    "alert_source": "grafana",
    "commonLabels": {"alertname": "PodDown", "severity": "warning", "namespace": "shop"},
    "commonAnnotations": {"description": "a pod is down"},
}
API_V1 = {
    "status": "success",
    "data": [
        {
            "labels": {"alertname": "Up", "job": "api"},
            "annotations": {},
            "fingerprint": "f",
            "startsAt": "2026-01-02T03:04:05.678901234Z",
            "endsAt": "2026-01-02T03:09:05Z",
        }
    ],
}
API_V2 = [
    {
        "annotations": {},
        "labels": {"alertname": "Up"},
        "startsAt": "2026-01-02T04:04:05.5+01:00",
        "endsAt": "2026-01-02T04:09:05Z",
        "updatedAt": "2026-01-02T03:04:06Z",
        "fingerprint": "f",
        "receivers": [{"name": "x"}],
        "status": {"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []},
    }
]
FINDING = {
    "title": "Pod crashed",
    "description": "d",
    "source": "prometheus",
    "priority": "HIGH",
    "aggregation_key": "KubePodCrashLooping",
    "subject_type": "pod",
    "subject_name": "cart-1",
    "subject_node": "n1",
    "service_key": "shop/Deployment/cart",
    "starts_at": "2026-01-02T03:04:05Z",
    "ends_at": None,
    "fingerprint": "f",
    "labels": {"severity": "critical"},
    "annotations": {},
    "evidence": [{"data": "[]"}],
}
ANOMALIES = {
    "status": "has_anomalies",
    "alert_count": 2,
    "alerts": [
        {
            "type": "Service",
            "name": "cart",
            "time_range": "2026-01-02 03:04:05 ~ 2026-01-02 03:10:00",
            "status": "abnormal",
            "metric_category": "latency",
            "evidence": ["LATENCY [p99] | Normal=1 -> Current=9"],
        },
        {"type": "Pod", "name": "cart-1", "time_range": None, "status": "abnormal", "evidence": []},
    ],
}
GENERIC = {
    "alert_name": "queue depth",
    "severity": "page",
    "status": "open",
    "occurred_at": "2026-01-02T03:04:05Z",
    "resolved_at": "2026-01-02T03:14:05Z",
    "service": "orders",
    "summary": "too long",
}

BODIES: dict[str, Any] = {
    "pagerduty": (PAGERDUTY_HOOK, PAGERDUTY_LOG, PAGERDUTY_OLD),
    "opsgenie": (OPSGENIE_HOOK, OPSGENIE_LOGS),
    "sentry": (SENTRY_EVENT, SENTRY_HOOK),
    "grafana_legacy_webhook": (GRAFANA_LEGACY,),
    "grafana_annotations": (ANNOTATIONS,),
    "pingdom_webhook": (PINGDOM,),
    "alertmanager_webhook": (ROUTED, GROUP_ALONE, API_V1, API_V2),
    "alert_finding": (FINDING,),
    "anomaly_alerts": (ANOMALIES,),
    "generic_alert": (GENERIC,),
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
        assert (seen.parsed.report.format, seen.quarantine) == (name, [])
        assert look(json.dumps(body), pin=name).events


def test_pagerduty_webhook(look: Callable[..., Look]) -> None:
    event = look(json.dumps(PAGERDUTY_HOOK, indent=2)).event
    assert (event["kind"], event["time_ns"]) == ("alert", 1767323045_120_000_000)
    assert event["time_ns"] == iso_ns("2026-01-02T03:04:05.120+00:00")
    assert event["message"] == "incident.acknowledged: checkout errors"
    assert (event["service"], event["actor"], event["severity_raw"], event["severity"]) == (
        "checkout",
        "Ann Lee",
        "P1",
        18,
    )
    assert (event["attributes"]["incident_id"], event["json_pointer"]) == ("PI1", "/event")


def test_pagerduty_log_entries_and_old_messages(look: Callable[..., Look]) -> None:
    seen = look(json.dumps(PAGERDUTY_LOG))
    assert [row["time_ns"] for row in seen.events] == [1767323045 * S, 1767324845 * S]
    assert [seen.json_of(row) for row in seen.events] == PAGERDUTY_LOG["log_entries"]
    assert [row["message"] for row in seen.events] == ["Triggered through the API", "Resolved by Ann Lee"]
    message, entry = look(json.dumps(PAGERDUTY_OLD)).events
    assert (message["message"], message["service"]) == ("incident.trigger: checkout errors", "checkout")
    assert (entry["time_ns"], entry["attributes"]["incident_id"]) == (1767323044 * S, "PI1")


def test_opsgenie_times_of_webhooks_and_answers(look: Callable[..., Look]) -> None:
    event = look(json.dumps(OPSGENIE_HOOK)).event
    assert (event["time_ns"], event["message"]) == (1767323045_120 * 10**6, "Create: disk full")
    assert (event["severity_raw"], event["severity"], event["service"]) == ("P2", 17, "db")
    closed = {
        **OPSGENIE_HOOK,
        "action": "Close",
        "alert": {**OPSGENIE_HOOK["alert"], "updatedAt": 1767323100000},
    }  # type: ignore[dict-item]
    assert look(json.dumps(closed)).event["time_ns"] == 1767323100 * S
    logs = look(json.dumps(OPSGENIE_LOGS)).events
    assert [row["time_ns"] for row in logs] == [iso_ns("2026-01-02T03:05:05.500+00:00"), 1767323165 * S]


@pytest.mark.parametrize(("body", "pointer"), [(SENTRY_EVENT, ""), (SENTRY_HOOK, "/data/event")])
def test_sentry_breadcrumbs_are_rows(look: Callable[..., Look], body: Any, pointer: str) -> None:
    event, query, request = look(json.dumps(body, indent=1)).events
    assert (event["kind"], event["message"], event["time_ns"]) == ("alert", "boom", 1767323045_250_000_000)
    assert (event["severity"], event["host"]) == (21, "web-1")
    assert (query["kind"], query["message"], query["time_ns"]) == ("log", "select 1", 1767323043_500_000_000)
    assert (request["message"], request["time_ns"]) == ("GET http://pay 503", 1767323044 * S)
    assert request["json_pointer"] == f"{pointer}/breadcrumbs/values/1"


def test_sentry_entries_of_the_api(look: Callable[..., Look]) -> None:
    body = {
        "eventID": "e",
        "dateCreated": "2026-01-02T03:04:05Z",
        "dateReceived": "2026-01-02T03:04:09Z",
        "title": "T",
        "entries": [{"type": "breadcrumbs", "data": {"values": SENTRY_EVENT["breadcrumbs"]["values"]}}],
    }  # type: ignore[index]
    event, *crumbs = look(json.dumps(body)).events
    assert (event["time_ns"], event["attributes"]["dateReceived"]) == (1767323045 * S, "2026-01-02T03:04:09Z")
    assert [row["json_pointer"] for row in crumbs] == [f"/entries/0/data/values/{index}" for index in (0, 1)]


def test_grafana(look: Callable[..., Look]) -> None:
    legacy = look(json.dumps(GRAFANA_LEGACY)).event
    assert (legacy["time_ns"], legacy["attributes"]["status"]) == (None, "alerting")
    deploy, state = look(json.dumps(ANNOTATIONS)).events
    assert (deploy["kind"], deploy["actor"], deploy["time_ns"]) == ("change", "ann", 1767323045_120 * 10**6)
    assert deploy["end_time_ns"] - deploy["time_ns"] == S
    assert (state["kind"], state["message"]) == ("alert", "cpu: pending -> alerting")


def test_pingdom(look: Callable[..., Look]) -> None:
    event = look(json.dumps(PINGDOM)).event
    assert (event["time_ns"], event["time_basis"]) == (iso_ns("2026-01-02T03:04:05+00:00"), "explicit")
    assert event["message"] == "api UP -> DOWN: 503"


def test_alerts_in_wrappers(look: Callable[..., Look]) -> None:
    routed = look(json.dumps(ROUTED)).event
    assert (routed["time_ns"], routed["service"]) == (1767323045_123_456_000, "cart")
    assert (routed["attributes"]["source_type"], routed["end_time_ns"]) == ("prometheus", None)
    group = look(json.dumps(GROUP_ALONE)).event
    assert (group["time_ns"], group["message"]) == (None, "PodDown alerting: a pod is down")
    listed = look(json.dumps(API_V1)).event
    assert (listed["time_ns"], listed["json_pointer"]) == (1767323045_678_901_234, "/data/0")
    v2 = look(json.dumps(API_V2)).event
    assert (v2["time_ns"], v2["attributes"]["status.state"]) == (1767323045_500_000_000, "suppressed")


def test_findings_anomalies_and_the_rest(look: Callable[..., Look]) -> None:
    finding = look(json.dumps(FINDING)).event
    assert (finding["message"], finding["service"], finding["severity"]) == (
        "Pod crashed",
        "shop/Deployment/cart",
        18,
    )
    first, second = look(json.dumps(ANOMALIES)).events
    assert (first["time_ns"], first["time_basis"]) == (1767323045 * S, "assumed_zone")
    assert (first["end_time_ns"], second["time_ns"]) == (1767323400 * S, None)
    local = look(json.dumps(ANOMALIES), tz="+08:00").events[0]
    assert local["time_ns"] == (1767323045 - 8 * 3600) * S
    clean = look('{"status": "clean", "alerts": []}').event
    assert (clean["kind"], clean["message"]) == ("object_state", "clean")
    generic = look(json.dumps(GENERIC)).event
    assert (generic["severity"], generic["service"], generic["message"]) == (
        18,
        "orders",
        "queue depth open: too long",
    )
    assert generic["end_time_ns"] - generic["time_ns"] == 600 * S


@settings(max_examples=150, deadline=None)
@given(data=mutants(SAMPLES))
def test_damaged_input_never_fails(look: Callable[..., Look], data: bytes) -> None:
    check_sane(look(data))
    for name in BODIES:
        check_sane(look(data, pin=name))
