"""Google Cloud: fixtures of ours, written from the LogEntry reference and the webhook's schema."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Look

_TRACE = "0af7651916cd43dd8448eb211c80319c"


def _entry() -> dict[str, object]:
    return {
        "insertId": "i",
        "logName": "projects/p/logs/stdout",
        "resource": {"type": "k8s_container", "labels": {"container_name": "cart", "pod_name": "cart-0"}},
        "timestamp": "2026-11-23T08:00:00.123456789Z",
        "receiveTimestamp": "2026-11-23T08:00:01Z",
        "severity": "ERROR",
        "trace": f"projects/p/traces/{_TRACE}",
        "spanId": "b7ad6b7169203331",
        "jsonPayload": {"message": "no stock", "sku": 7},
    }


def test_entries_on_lines_in_a_list_and_in_an_answer(look: Callable[..., Look]) -> None:
    entry = _entry()
    for text, pointer in (
        (json.dumps(entry) + "\n", None),
        (json.dumps([entry], indent=2), "/0"),
        (json.dumps({"entries": [entry], "nextPageToken": "t"}), "/entries/0"),
    ):
        seen = look(text)
        assert seen.parsed.report.format == "gcp_logentry"
        event = seen.event
        assert (event["time_ns"], event["time_precision"]) == (1795420800123456789, "ns")
        assert (event["message"], event["severity"], event["severity_raw"]) == ("no stock", 17, "ERROR")
        assert (event["service"], event["host"], event["trace_id"]) == ("cart", "cart-0", _TRACE)
        assert (event["attributes"]["jsonPayload.sku"], event["json_pointer"]) == ("7", pointer)
        assert seen.json_of(event) == entry


def test_audit_requests_and_entries_without_a_time(look: Callable[..., Look]) -> None:
    audit = {
        **_entry(),
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "methodName": "v1.compute.instances.delete",
            "resourceName": "projects/p/zones/z/instances/i-1",
            "serviceName": "compute.googleapis.com",
            "status": {"code": 7, "message": "PERMISSION_DENIED"},
            "authenticationInfo": {"principalEmail": "ann@example.com"},
        },
    }
    request = _entry()
    del request["jsonPayload"], request["timestamp"]
    request["httpRequest"] = {"requestMethod": "GET", "requestUrl": "/cart", "status": 500}
    plain = {**_entry(), "textPayload": "hello"}
    seen = look("\n".join(json.dumps(item) for item in (audit, request, plain, 7)))
    first, second, third = seen.events
    assert (first["kind"], first["actor"], first["service"]) == (
        "audit",
        "ann@example.com",
        "compute.googleapis.com",
    )
    assert (
        first["message"] == "v1.compute.instances.delete projects/p/zones/z/instances/i-1: PERMISSION_DENIED"
    )
    assert (second["message"], second["attributes"]["time.kind"]) == ("GET /cart -> 500", "observed")
    assert second["time_ns"] == 1795420801 * 10**9
    assert third["message"] == "hello"
    assert len(seen.quarantine) == 1


def test_monitoring_webhook(look: Callable[..., Look]) -> None:
    incident = {
        "incident_id": "f2",
        "state": "closed",
        "started_at": 1795420800,
        "ended_at": 1795420900,
        "policy_name": "5xx",
        "condition_name": "ratio",
        "summary": "5xx above 5 %",
        "resource": {"labels": {"service_name": "cart"}},
        "severity": "Critical",
    }
    seen = look(json.dumps({"incident": incident, "version": "1.2"}))
    event = seen.event
    assert seen.parsed.report.format == "gcp_monitoring_webhook"
    assert (event["time_ns"], event["end_time_ns"]) == (1795420800 * 10**9, 1795420900 * 10**9)
    assert (event["message"], event["service"], event["severity"]) == ("5xx above 5 %", "cart", 18)
    assert (event["attributes"]["status"], event["attributes"]["webhook.version"]) == ("closed", "1.2")
    assert seen.json_of(event) == incident
    unknown = look(json.dumps({"incident": {**incident, "started_at": 0, "ended_at": None}}))
    assert (unknown.event["time_ns"], unknown.event["end_time_ns"]) == (None, None)
