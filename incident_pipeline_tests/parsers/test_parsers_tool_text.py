"""What tools of operations print and answer; fixtures are ours, expectations written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_fuzz import iso_ns

from incident_pipeline.parsers.nested import InnerText

AT = "2026-01-02T10:00:00Z"
TABLE = (
    "NAME    READY   STATUS             RESTARTS      AGE\n"
    "web-0   0/1     CrashLoopBackOff   2 (25s ago)   5m\n"
)
ANSWER = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [{"metric": {"__name__": "up", "job": "a"}, "values": [[1767348000, "1"]]}],
    },
}


@pytest.mark.parametrize(
    ("text", "what", "severity"),
    [
        (
            'Error from server (BadRequest): container "x" in pod "y" is waiting to start: ContainerCreating',
            "refusal",
            17,
        ),
        ("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", "refusal", 17),
        ("no log lines matched the filter", "nothing found", 9),
        ("No fields found for the index", "nothing found", 9),
        ("(no dropped flows)", "nothing found", 9),
    ],
)
def test_what_is_said_in_place_of_data(look: Any, text: str, what: str, severity: int) -> None:
    found = look(text + "\n")
    assert found.parsed.report.format == "tool_message"
    event = found.event
    assert (event["kind"], event["message"], event["severity"]) == ("tool_output", text, severity)
    assert event["attributes"]["record"] == what
    assert event["attributes"].get("tool.failed") == ("true" if what == "refusal" else None)


def test_the_tool_that_tells_the_time(look: Any) -> None:
    event = look("The current UTC date and time are 2026-01-02 10:00:00.250000. Use it.").event
    assert event["time_ns"] == iso_ns("2026-01-02T10:00:00.250000+00:00")
    assert event["attributes"]["time.kind"] == "observed"


def test_an_answer_with_text_is_read_by_its_own_format(look: Any) -> None:
    answer = {
        "tool_name": "kubectl_get",
        "command": "kubectl get pods",
        "output": TABLE,
        "error_message": None,
    }
    found = look(json.dumps(answer), collected_at=AT)
    assert found.parsed.report.format == "tool_envelope"
    pod = found.events[-1]
    assert (pod["severity"], pod["time_ns"]) == (17, iso_ns("2026-01-02T09:59:35Z"))
    assert found.bytes_of(pod).decode() == TABLE.splitlines()[1]
    assert pod["attributes"]["tool.name"] == "kubectl_get"
    assert pod["attributes"]["tool.command"] == "kubectl get pods"


def test_an_answer_with_an_object_keeps_its_pointers(look: Any) -> None:
    found = look(
        json.dumps({"tool_name": "q", "query": "up", "result": ANSWER, "error_message": None}, indent=1)
    )
    assert found.parsed.report.format == "tool_envelope"
    (sample,) = found.samples
    assert (sample["time_ns"], sample["value"]) == (iso_ns(AT), 1.0)
    assert json.loads(found.data[sample["byte_start"] : sample["byte_end"]]) == [1767348000, "1"]
    inner = json.dumps([{"timestamp": AT, "level": "error", "message": "boom"}])
    logs = look(json.dumps({"tool_name": "logs", "data": inner}))
    assert (logs.event["json_pointer"], logs.event["severity"]) == ("/data/0", 17)


def test_prometheus_answers_in_an_envelope_stay_prometheus(look: Any) -> None:
    found = look(json.dumps({"tool_name": "q", "error_message": None, "query": "up", **ANSWER}))
    assert found.parsed.report.format == "prometheus_query_range"
    assert len(found.samples) == 1


@pytest.mark.parametrize(
    ("answer", "said", "failed"),
    [
        (
            {"tool_name": "q", "query": "up", "data": None, "error_message": "timeout"},
            "q (up): timeout",
            True,
        ),
        (
            {"tool_name": "q", "query": "up", "data": [], "error_message": None},
            "q (up): it gave nothing",
            False,
        ),
        ({"tool_name": "sh", "stdout": "", "stderr": "boom", "return_code": 2}, "sh: boom", True),
    ],
)
def test_an_answer_that_failed_or_is_empty_is_a_row(look: Any, answer: Any, said: str, failed: bool) -> None:
    event = look(json.dumps(answer)).event
    assert (event["kind"], event["message"]) == ("tool_output", said)
    assert (event["attributes"].get("tool.failed") == "true") is failed
    assert event["severity"] == (17 if failed else 9)


def test_text_that_no_format_knows_is_one_row(look: Any) -> None:
    found = look(json.dumps({"tool_name": "note", "output": "all is well\nreally"}))
    assert found.event["message"] == "all is well\nreally"


@given(st.text(max_size=40))
def test_places_of_a_string_are_exact(text: str) -> None:
    for raw in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        inside = raw.encode("utf-8", "replace")[1:-1]
        inner = InnerText(inside, 7)
        assert inner.data == text.encode("utf-8", "replace") or "\\ud" in raw.lower()
        assert inner.place(len(inner.data)) == 7 + len(inside)
        for at, byte in enumerate(inner.data):
            assert 7 <= inner.place(at) < 7 + len(inside)
            if byte < 128 and chr(byte).isalnum():
                assert inside[inner.place(at) - 7] in (byte, ord("\\"))


UNITS = """\
Service: kubelet
Node: n1
Status: ● kubelet.service - kubelet: The Kubernetes Node Agent
   Loaded: loaded (/usr/lib/systemd/system/kubelet.service; enabled)
   Active: active (running) since Sat 2026-02-28 10:42:42 CST; 3 days ago
 Main PID: 123 (kubelet)

Feb 28 10:42:42 n1 kubelet[123]: E0228 10:42:42.123456     123 x.go:12] boom

Service: docker
Node: n2
Status: \u00d7 docker.service - Docker
   Loaded: loaded (x)
   Active: failed (Result: exit-code) since Sat 2026-02-28 10:42:42 UTC; 3 days ago
"""


def test_units_of_systemd_per_node(look: Any) -> None:
    found = look(UNITS, collected_at="2026-03-03T00:00:00Z")
    assert found.parsed.report.format == "systemctl_status"
    kubelet, log, docker = found.events
    # CST is several zones: without being told which there is no time.
    assert (kubelet["time_ns"], kubelet["time_raw"]) == (None, "Sat 2026-02-28 10:42:42 CST")
    assert (kubelet["service"], kubelet["host"], kubelet["severity"]) == ("kubelet", "n1", 9)
    assert (log["kind"], log["severity"], log["message"]) == ("log", 17, "boom")
    assert (log["time_ns"], log["time_basis"]) == (
        iso_ns("2026-02-28T10:42:42Z"),
        "assumed_zone+assumed_year",
    )
    assert (docker["time_ns"], docker["time_basis"]) == (iso_ns("2026-02-28T10:42:42Z"), "explicit")
    assert (docker["host"], docker["severity"], docker["severity_raw"]) == ("n2", 17, "failed")
    told = look(UNITS, timezone="+08:00").events[0]
    assert (told["time_ns"], told["time_basis"]) == (iso_ns("2026-02-28T10:42:42+08:00"), "assumed_zone")


def test_connections_per_service_and_node(look: Any) -> None:
    found = look(
        "Service: web\nNode: n1\ndb (10.0.0.5:5432) open\nConnection Succeeded\n"
        "cache (10.0.0.6:6379) Connection refused\nService: api\nNode: n2\nConnection timed out\n"
    )
    assert found.parsed.report.format == "connectivity_report"
    results = [event for event in found.events if event["attributes"]["record"] == "connection"]
    assert [(event["service"], event["host"], event["severity"]) for event in results] == [
        ("web", "n1", 9), ("web", "n1", 9), ("web", "n1", 17), ("api", "n2", 17),
    ]  # fmt: skip
    attributes = results[2]["attributes"]
    assert (attributes["server.host"], attributes["server.port"]) == ("cache", "6379")
    assert len(found.events) == 8


def test_kafka_admin_constructs_nothing(look: Any) -> None:
    found = look(
        "- group_id: pay\n  state: STABLE\n  members: []\n  assignment: []\n"
        "- group_id: b\n  state: !!python/object/apply:os.system\n  - 3\n  members:\n  - client_id: x\n"
    )
    assert found.parsed.report.format == "kafka_admin"
    assert [event["message"] for event in found.events] == [
        "group pay: STABLE, 0 members",
        'group b: ["3"], 1 members',
    ]
    topic = look(
        "topic: orders\npartitions:\n  0:\n    leader: 1\n    replicas: [1, 2, 3]\n    isr: [1, 2]\n"
    ).event
    assert (topic["severity"], topic["attributes"]["partitions.0.isr"]) == (13, '["1","2"]')


def test_service_maps_as_text(look: Any) -> None:
    found = look(
        "[Service]: cart\n[Upstream (Called By)]: web, api\n[Downstream (Calls)]:\n"
        "├── db (postgres)\n│   └── disk\n└── redis\n"
    )
    assert found.parsed.report.format == "service_map_text"
    calls = [(event["attributes"]["caller"], event["attributes"]["callee"]) for event in found.events
             if event["attributes"]["record"] == "call"]  # fmt: skip
    assert calls == [("web", "cart"), ("api", "cart"), ("cart", "db"), ("db", "disk"), ("cart", "redis")]


def test_promql_as_text(look: Any) -> None:
    text = (
        "sum by (pod) (container_memory_working_set_bytes)\n"
        "  web-1   1.5 GiB\n  web-2   200 Mi  (limit 256 Mi)\n"
        'up{job="api",instance="a:1"} = 1\n'
    )
    found = look(text, collected_at=AT)
    assert found.parsed.report.format == "promql_text"
    names = {series["series_id"]: series for series in found.series}
    got = [
        (names[sample["series_id"]]["name"], names[sample["series_id"]]["unit"], sample["value"])
        for sample in found.samples
    ]
    assert got == [
        ("sum by (pod) (container_memory_working_set_bytes)", "By", 1.5 * 2**30),
        ("sum by (pod) (container_memory_working_set_bytes)", "By", 200 * 2**20),
        ("up", None, 1.0),
    ]
    assert found.events[2]["attributes"]["comment"] == "(limit 256 Mi)"
    assert not look(text).samples
    assert all(event["time_ns"] is None for event in look(text).events)
    catalogue = look(
        "Metric | Description | Type | Labels\n--- | --- | --- | ---\nup | is up | gauge | job\n"
    )
    assert catalogue.events[-1]["attributes"] == {
        "metric": "up", "description": "is up", "type": "gauge", "labels": "job", "record": "metric",
    }  # fmt: skip
