"""Kubernetes events, audit events and objects; fixtures are ours, after the API reference.

Expectations are written by hand from the reference and compared with a second reader: the standard
library's json and datetime, PyYAML for manifests.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest
import yaml
from record_fuzz import iso_ns

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-7d4b9c6f5d-x2z7v",
        "namespace": "shop",
        "creationTimestamp": "2026-01-02T10:00:00Z",
        "labels": {"app": "storefront"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d4b9c6f5d", "controller": True}],
        "managedFields": [
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T10:01:00Z"},
            {
                "manager": "kubelet",
                "operation": "Update",
                "subresource": "status",
                "time": "2026-01-02T10:02:00Z",
            },
        ],
    },
    "spec": {
        "nodeName": "n1",
        "containers": [
            {
                "name": "app",
                "image": "shop/web:1.2",
                "resources": {"limits": {"memory": "256Mi"}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
            }
        ],
    },
    "status": {
        "phase": "Running",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "ContainersNotReady",
                "message": "not ready: [app]",
                "lastTransitionTime": "2026-01-02T10:05:00Z",
            }
        ],
        "containerStatuses": [
            {
                "name": "app",
                "ready": False,
                "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {
                    "terminated": {
                        "exitCode": 137,
                        "reason": "OOMKilled",
                        "startedAt": "2026-01-02T10:04:00Z",
                        "finishedAt": "2026-01-02T10:04:50Z",
                    }
                },
            }
        ],
    },
}
REPLICAS = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {
        "name": "web-7d4b9c6f5d",
        "namespace": "shop",
        "creationTimestamp": "2026-01-02T09:59:00Z",
        "annotations": {"deployment.kubernetes.io/revision": "7"},
        "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}],
    },
    "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop/web:1.2"}]}}},
    "status": {"replicas": 1},
}
MANIFEST = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "app", "image": "i:1"}]}}},
}
LIST = {"apiVersion": "v1", "kind": "List", "items": [POD, REPLICAS, MANIFEST]}
EVENT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "v1",
    "metadata": {
        "name": "web.1",
        "namespace": "shop",
        "creationTimestamp": "2026-01-02T10:00:00Z",
        "uid": "u1",
    },
    "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-7d4b9c6f5d-x2z7v"},
    "reason": "BackOff",
    "message": "Back-off restarting failed container",
    "source": {"component": "kubelet", "host": "n1"},
    "firstTimestamp": "2026-01-02T10:01:00Z",
    "lastTimestamp": "2026-01-02T10:09:00Z",
    "count": 12,
    "type": "Warning",
}
NEW_EVENT: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "events.k8s.io/v1",
    "metadata": {"name": "n1.1", "creationTimestamp": "2026-01-02T10:00:00Z"},
    "regarding": {"kind": "Node", "name": "n1"},
    "reason": "NodeNotReady",
    "note": "Node n1 status is now: NodeNotReady",
    "reportingController": "node-controller",
    "eventTime": "2026-01-02T10:02:03.123456Z",
    "deprecatedLastTimestamp": None,
    "series": {"count": 3, "lastObservedTime": "2026-01-02T10:08:00.000001Z"},
    "type": "Normal",
}


def states(found: Any) -> list[tuple[str, str | None, int | None, str, int | None]]:
    return [(e["kind"], e["time_raw"], e["time_ns"], e["message"], e["severity"]) for e in found.events]


EXPECTED = {
    ("change", "2026-01-02T10:01:00Z", "Pod shop/web-7d4b9c6f5d-x2z7v: Update by kubectl-edit", None),
    ("object_state", "2026-01-02T10:00:00Z", "Pod shop/web-7d4b9c6f5d-x2z7v created", None),
    (
        "object_state",
        "2026-01-02T10:05:00Z",
        "Pod shop/web-7d4b9c6f5d-x2z7v Ready=False: ContainersNotReady: not ready: [app]",
        17,
    ),
    (
        "object_state",
        "2026-01-02T10:04:50Z",
        "Pod shop/web-7d4b9c6f5d-x2z7v container app terminated: OOMKilled, exit code 137",
        17,
    ),
    (
        "object_state",
        None,
        (
            "Pod shop/web-7d4b9c6f5d-x2z7v: Running, ready 0/1, restarts 4, container app CrashLoopBackOff, "
            "Ready=False"
        ),
        17,
    ),
    ("change", "2026-01-02T09:59:00Z", "Deployment/web rolled out revision 7: shop/web:1.2", None),
    ("object_state", None, "ReplicaSet shop/web-7d4b9c6f5d, replicas 1", None),
    ("object_state", None, "Deployment web as applied, replicas 3", None),
}


@pytest.mark.parametrize(
    ("data", "form", "more"),
    [
        (json.dumps(LIST, indent=2), "kubernetes_objects", 0),
        (json.dumps(LIST), "kubernetes_objects", 0),
        ("\n".join(json.dumps(item) for item in (POD, REPLICAS, MANIFEST)), "kubernetes_objects", 0),
        (yaml.safe_dump(LIST), "kubernetes_yaml", 1),
        (yaml.safe_dump_all([POD, REPLICAS, MANIFEST]), "kubernetes_yaml", 0),
    ],
)
def test_objects_give_state_and_what_happened(look: Any, data: str, form: str, more: int) -> None:
    found = look(data)
    assert found.parsed.report.format == form
    got = {(kind, raw, message, severity) for kind, raw, _, message, severity in states(found)}
    assert got >= EXPECTED
    assert len(found.events) == len(EXPECTED) + more
    assert not found.quarantine
    for event in found.events:
        if event["time_raw"]:
            assert event["time_ns"] == iso_ns(event["time_raw"])
    assert {event["service"] for event in found.events if event["attributes"].get("k8s.name")} == {"web"}


def test_places_are_those_of_the_part(look: Any) -> None:
    found = look(json.dumps(LIST, indent=1))
    ended = next(event for event in found.events if "OOMKilled" in event["message"])
    assert found.json_of(ended)["finishedAt"] == "2026-01-02T10:04:50Z"
    assert set(found.json_of(ended)) == {"exitCode", "reason", "startedAt", "finishedAt"}
    assert ended["json_pointer"] == "/items/0/status/containerStatuses/0/lastState/terminated"
    dumped = look(yaml.safe_dump(LIST))
    ended = next(event for event in dumped.events if "OOMKilled" in event["message"])
    column = ended["byte_start"] - dumped.data.rfind(b"\n", 0, ended["byte_start"]) - 1
    text = textwrap.dedent(" " * column + dumped.bytes_of(ended).decode())
    assert yaml.safe_load(text)["exitCode"] == 137


def test_resources_probes_and_owner_are_attributes(look: Any) -> None:
    state = next(event for event in look(json.dumps(POD)).events if event["time_ns"] is None)
    attributes = state["attributes"]
    assert attributes["container.app.image"] == "shop/web:1.2"
    assert attributes["container.app.limits.memory"] == "256Mi"
    assert attributes["container.app.readinessProbe.httpGet.path"] == "/ready"
    assert attributes["k8s.owner"] == "ReplicaSet/web-7d4b9c6f5d"
    assert attributes["container.app.restarts"] == "4"
    assert (state["host"], state["severity_raw"]) == ("web-7d4b9c6f5d-x2z7v", "Running")


def test_event_times_follow_the_order_of_fields(look: Any) -> None:
    found = look(json.dumps({"kind": "EventList", "apiVersion": "v1", "items": [EVENT, NEW_EVENT]}))
    assert found.parsed.report.format == "kubernetes_events"
    old, new = found.events
    assert (old["time_ns"], old["attributes"]["count"]) == (iso_ns("2026-01-02T10:09:00Z"), "12")
    assert (old["service"], old["host"], old["actor"]) == ("web", "web-7d4b9c6f5d-x2z7v", "kubelet")
    assert (old["severity"], old["severity_raw"], old["message"]) == (13, "Warning", EVENT["message"])
    assert (new["time_ns"], new["attributes"]["count"]) == (iso_ns("2026-01-02T10:02:03.123456Z"), "3")
    # The node controller calls it Normal; it is none.
    assert (new["severity"], new["severity_raw"], new["message"]) == (17, "Normal", NEW_EVENT["note"])
    assert (new["service"], new["host"], new["json_pointer"]) == (None, "n1", "/items/1")
    assert found.json_of(new) == NEW_EVENT


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (("lastTimestamp",), "2026-01-02T10:01:00Z"),
        (("lastTimestamp", "firstTimestamp"), "2026-01-02T10:00:00Z"),
    ],
)
def test_times_fall_back(look: Any, gone: tuple[str, ...], expected: str) -> None:
    event = look(json.dumps({key: value for key, value in EVENT.items() if key not in gone})).event
    assert event["time_ns"] == iso_ns(expected)


def test_watch_records_and_pairs_of_fluent_bit(look: Any) -> None:
    watch = look("\n".join(json.dumps({"type": kind, "object": EVENT}) for kind in ("ADDED", "MODIFIED")))
    assert watch.parsed.report.format == "kubernetes_events"
    assert [event["attributes"]["watch.type"] for event in watch.events] == ["ADDED", "MODIFIED"]
    assert {event["json_pointer"] for event in watch.events} == {"/object"}
    pair = look(json.dumps([1703410191.25, EVENT]) + "\n")
    assert pair.parsed.report.format == "kubernetes_events"
    assert pair.event["attributes"]["fluentbit.time"] == "1703410191.25"
    assert pair.event["time_ns"] == iso_ns("2026-01-02T10:09:00Z")


def test_a_list_that_is_cut_off_gives_what_is_whole(look: Any) -> None:
    data = json.dumps({"kind": "EventList", "apiVersion": "v1", "items": [EVENT, NEW_EVENT]}, indent=1)
    found = look(data[:-200])
    assert found.event["message"] == EVENT["message"]
    assert found.quarantine


def test_audit_stages_are_rows_of_their_own(look: Any) -> None:
    asked = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "a1",
        "stage": "RequestReceived",
        "verb": "delete",
        "user": {"username": "jane", "groups": ["admins"]},
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web-7d4b9c6f5d-x2z7v"},
        "requestReceivedTimestamp": "2026-01-02T10:00:00.123456Z",
        "stageTimestamp": "2026-01-02T10:00:00.123456Z",
    }
    done = {**asked, "stage": "ResponseComplete", "responseStatus": {"code": 403},
            "stageTimestamp": "2026-01-02T10:00:00.223456Z"}  # fmt: skip
    lines = look("\n".join(map(json.dumps, (asked, done))))
    listed = look(json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [asked, done]}))
    for found in (lines, listed):
        assert found.parsed.report.format == "kubernetes_audit"
        first, second = found.events
        assert first["time_ns"] == second["time_ns"] == iso_ns("2026-01-02T10:00:00.123456Z")
        assert second["end_time_ns"] == iso_ns("2026-01-02T10:00:00.223456Z")
        assert second["message"] == "jane delete pods shop/web-7d4b9c6f5d-x2z7v -> 403"
        assert (second["actor"], second["service"], second["severity"]) == ("jane", "web", 13)
        assert [event["attributes"]["stage"] for event in found.events] == [
            "RequestReceived",
            "ResponseComplete",
        ]
        assert found.json_of(second) == done


def test_a_refusal_of_the_api_server_is_the_tools(look: Any) -> None:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "pods not found",
    }
    event = look(json.dumps(status)).event
    assert (event["kind"], event["severity"], event["message"]) == ("tool_output", 17, "pods not found")
    assert event["attributes"]["tool.failed"] == "true"


def test_wrong_types_everywhere_are_survived(look: Any) -> None:
    odd = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5, "labels": [], "ownerReferences": "x"},
           "spec": [], "status": {"conditions": {"a": 1}, "containerStatuses": [1, {"state": 3}],
                                "phase": {}}}  # fmt: skip
    assert look(json.dumps(odd)).event["kind"] == "object_state"


def test_plain_reports_of_a_cluster(look: Any) -> None:
    report = {
        "cluster": "c1",
        "pods": [
            {
                "name": "web-7d4b9c6f5d-x2z7v", "namespace": "shop", "phase": "Running", "node_name": "n1",
                "start_time": "2026-01-02T10:00:00+00:00",
                "containers": [
                    {"name": "a", "restart_count": 5,
                     "state": {"waiting": True, "reason": "CrashLoopBackOff"}},
                    {"name": "b", "restart_count": 0,
                     "state": {"running": True, "started_at": "2026-01-02T10:00:03Z"}},
                ],
            }
        ],
        "warning_events": [
            {"namespace": "shop", "reason": "BackOff", "message": "m", "type": "Warning", "count": 3,
             "involved_object": "Pod/web-7d4b9c6f5d-x2z7v", "first_time": "2026-01-02T10:00:00+00:00",
             "last_time": "2026-01-02T10:10:00+00:00"}
        ],
        "deployments": [{"name": "web", "namespace": "shop", "desired": 3, "ready": 0}],
        "nodes": [{"name": "n1", "ready": "Unknown", "disk_pressure": "True"}],
        "services": [],
    }  # fmt: skip
    found = look(json.dumps(report, indent=1))
    assert found.parsed.report.format == "cluster_api"
    timed = {event["message"]: event["time_ns"] for event in found.events if event["time_ns"]}
    assert timed == {
        "Pod shop/web-7d4b9c6f5d-x2z7v started": iso_ns("2026-01-02T10:00:00+00:00"),
        "Pod shop/web-7d4b9c6f5d-x2z7v container b started": iso_ns("2026-01-02T10:00:03+00:00"),
        "m": iso_ns("2026-01-02T10:10:00+00:00"),
    }
    grave = {
        event["attributes"].get("k8s.kind"): event["severity"]
        for event in found.events
        if not event["time_ns"]
    }
    assert grave == {"Pod": 17, "Deployment": 17, "Node": 17, None: None}
    assert found.events[-1]["message"] == "services: none"
    assert {event["attributes"]["cluster"] for event in found.events} == {"c1"}
    pod = next(
        event for event in found.events if event["message"].startswith("Pod shop/web-7d4b9c6f5d-x2z7v:")
    )
    assert found.json_of(pod) == report["pods"][0]
