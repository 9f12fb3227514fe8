"""Damaged Kubernetes and tool output: nothing raises, and every line is a row or in quarantine."""

from __future__ import annotations

import json

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from test_parsers_kubectl import DESCRIBED, EVENTS, PODS
from test_parsers_kubernetes import EVENT, LIST, NEW_EVENT, POD
from test_parsers_tool_text import ANSWER, TABLE, UNITS

from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.table import EVENTS as COLUMNS

AUDIT = {
    "auditID": "a", "stage": "Panic", "requestReceivedTimestamp": "2026-01-02T10:00:00Z",
    "objectRef": {"resource": "pods"}, "responseStatus": {"code": 500}, "user": {"username": "u"},
}  # fmt: skip
REPORT = {
    "pods": [{"name": "a", "phase": "Running", "start_time": "2026-01-02T10:00:00Z",
              "containers": [{"name": "c", "state": {"terminated": True, "exit_code": 1}}]}],
    "warning_events": [{"reason": "BackOff", "involved_object": "Pod/a", "last_time": "x"}],
    "nodes": [],
}  # fmt: skip
JSON = {
    "kubernetes_objects": (
        json.dumps(LIST).encode(),
        json.dumps(LIST, indent=1).encode(),
        json.dumps(POD).encode(),
    ),
    "kubernetes_events": (
        json.dumps({"kind": "EventList", "apiVersion": "v1", "items": [EVENT, NEW_EVENT]}).encode(),
        json.dumps([1.5, EVENT]).encode(),
        json.dumps({"type": "ADDED", "object": NEW_EVENT}).encode(),
    ),
    "kubernetes_audit": (json.dumps(AUDIT).encode(), json.dumps({"items": [AUDIT]}).encode()),
    "cluster_api": (json.dumps(REPORT).encode(), json.dumps(REPORT, indent=1).encode()),
    "tool_envelope": (
        json.dumps({"tool_name": "k", "output": TABLE, "error_message": None}).encode(),
        json.dumps({"tool_name": "q", "result": ANSWER}, indent=1).encode(),
        json.dumps({"stdout": json.dumps(LIST), "stderr": "é", "return_code": 1}).encode(),
    ),
}
TEXT = {
    "kubernetes_yaml": (yaml.safe_dump(LIST).encode(), yaml.safe_dump_all([POD, EVENT]).encode()),
    "kubectl_table": (PODS.encode(), EVENTS.encode(), TABLE.encode(), b"NAME CPU(cores)\nn1 25m\n"),
    "kubectl_describe": (DESCRIBED.encode(),),
    "kube_lineage": (
        "├── ReplicaSet/web  1/1  5m\nPod/a → Node/b x\nweb-0  Running ready=0/1 age=3h\n ⚠ x\n".encode(),
    ),
    "kubernetes_event_lines": (
        b"2026-01-02T10:00:00Z Warning Pod/a BackOff (x5): m\n10:00:00 [event] Pod/b x\n10:01:00 [flux] y\n",
    ),
    "systemctl_status": (UNITS.encode(),),
    "connectivity_report": (b"Service: web\nNode: n1\ndb (10.0.0.5:5432) open\nConnection refused\n",),
    "kafka_admin": (
        b"- group_id: pay\n  # x\n  state: !!python/x\n  - 3\n# y\n- members: [&a {client_id: x}, *a]\n",
        b"-\n  - 3\n# y\n- members: [a]\n",
        b"---\ntopics: [a]\n---\n- partitions: {0: {isr: [1], replicas: [1, 2], leader: -1}}\n",
    ),
    "service_map_text": (
        "[Service]: a\n[Upstream (Called By)]: b, c\n[Downstream (Calls)]:\n├── d (x)\n│ └── e\n".encode(),
    ),
    "promql_text": (b'sum(rate(x[5m]))\n  a 1.5 GiB\nup{job="a"} = NaN (x)\nMetric | Description\na | b\n',),
    "tool_message": (
        b"Error from server (NotFound): x\nno results found\nThe current time is 2026-01-02 10:00:00\n",
    ),
}


def parse(name: str, data: bytes) -> None:
    source = Source(sha256="ab" * 32, uri="x", collected_at="2026-01-02T10:00:00Z")
    parsed = parse_artifact(data, source, pin=name)
    assert parsed.events.schema == COLUMNS
    spans = sorted(
        (row["byte_start"], row["byte_end"])
        for table in (parsed.events, parsed.samples, parsed.quarantine)
        for row in table.select(["byte_start", "byte_end"]).to_pylist()
    )
    assert all(0 <= start <= end <= len(data) for start, end in spans)
    if name not in JSON:
        covered(data, spans)


def covered(data: bytes, spans: list[tuple[int, int]]) -> None:
    at = reach = start = 0
    for line in data.split(b"\n"):
        end = start + len(line)
        while at < len(spans) and spans[at][0] <= end:
            reach = max(reach, spans[at][1])
            at += 1
        assert reach > start or not line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"), line
        start = end + 1


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_input_is_survived(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted([*JSON, *TEXT])))
    parse(name, data.draw(mutants(JSON.get(name) or TEXT[name])))
