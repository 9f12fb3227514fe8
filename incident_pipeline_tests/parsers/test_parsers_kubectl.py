"""kubectl's text output: tables, events, top and descriptions; fixtures are ours, as kubectl prints them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_fuzz import iso_ns

from incident_pipeline.parsers.ages import age_of
from incident_pipeline.parsers.kubernetes import quantity, workload_of

AT = "2026-01-02T10:00:00Z"
POD = "web-7d4b9c6f5d-x2z7v"
PODS = f"""\
NAMESPACE   NAME                   READY   STATUS             RESTARTS      AGE   IP         NODE   NOMINATED NODE   READINESS GATES
shop        {POD}   0/1     CrashLoopBackOff   2 (25s ago)   5m    10.0.0.1   n1     <none>           <none>
shop        db-0                   1/1     Running            0             3d    10.0.0.2   n1     <none>           <none>
shop        mig-bcd24              0/1     Completed          0             26h   10.0.0.3   n1     <none>           <none>
"""  # noqa: E501 - as it is printed
EVENTS = f"""\
LAST SEEN          TYPE      REASON      OBJECT                     MESSAGE
25s                Warning   BackOff     pod/{POD}   Back-off restarting  failed container
44m (x9 over 60m)  Normal    Scheduled   pod/db-0                   Successfully assigned shop/db-0 to n1
  and one line more
<unknown>          Warning   NodeNotReady   node/n1                 Node is not ready
"""
DESCRIBED = f"""\
Name:             {POD}
Namespace:        shop
Node:             n1/10.0.0.1
Start Time:       Fri, 28 Nov 2025 15:31:20 +0800
Labels:           app=web
                  pod-template-hash=7d4b9c6f5d
Annotations:      <none>
Status:           Running
Controlled By:  ReplicaSet/web-7d4b9c6f5d
Containers:
  app:
    Image:          shop/web:1.2
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Started:      Fri, 28 Nov 2025 15:40:20 +0800
      Finished:     Fri, 28 Nov 2025 15:41:20 +0800
    Restart Count:  4
    Limits:
      memory:  256Mi
    Liveness:     http-get http://:8080/x delay=5s timeout=1s period=10s #success=1 #failure=3
Conditions:
  Type              Status
  Initialized       True
  Ready             False
Tolerations:                 node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
                             node.kubernetes.io/unreachable:NoExecute op=Exists for 300s
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  5m                 default-scheduler  Successfully assigned shop/web to n1
  Warning  BackOff    44m (x9 over 60m)  kubelet            Back-off restarting failed container


Name:               n1
Roles:              <none>
CreationTimestamp:  Fri, 28 Nov 2025 15:31:20 +0800
Conditions:
  Type             Status  LastHeartbeatTime                 LastTransitionTime                Reason          Message
  ----             ------  -----------------                 ------------------                ------          -------
  MemoryPressure   True    Fri, 28 Nov 2025 15:50:00 +0800   Fri, 28 Nov 2025 15:40:00 +0800   LowMemory       kubelet has too little
Capacity:
  cpu:  4
Allocatable:
  cpu:  4
Events:              <none>


Name:         settings
Namespace:    shop
Labels:       <none>

Data
====
app.yaml:
----
kind: Secret
Name: x

Events:  <none>
"""  # noqa: E501 - as it is printed


def padded(table: str) -> str:
    """Print cells as Go's tabwriter does."""
    cells = [line.split("|") for line in table.splitlines()]
    widths = [max(len(row[column]) for row in cells) + 3 for column in range(len(cells[0]))]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
    )


def test_single_spaces_between_cells_are_enough(look: Any) -> None:
    event = look("NAME READY STATUS RESTARTS AGE\nweb-1 1/1 Running 2 (25s ago) 5m\n").events[-1]
    assert (event["attributes"]["restarts"], event["attributes"]["age"]) == ("2 (25s ago)", "5m")


def test_pods_have_the_time_of_their_latest_change(look: Any) -> None:
    found = look(PODS, collected_at=AT)
    assert found.parsed.report.format == "kubectl_table"
    headings, web, database, migration = found.events
    assert headings["kind"] == "tool_output"
    assert headings["attributes"]["table.kind"] == "Pod"
    assert (web["time_ns"], web["time_basis"], web["time_raw"]) == (
        iso_ns(AT) - 25 * 10**9,
        "relative",
        "25s",
    )
    assert (web["attributes"]["time.of"], web["attributes"]["time.granularity"]) == ("restarted", "1s")
    assert (web["service"], web["host"], web["severity"], web["severity_raw"]) == (
        "web",
        POD,
        17,
        "CrashLoopBackOff",
    )
    assert database["time_ns"] == iso_ns("2025-12-30T10:00:00Z")
    assert (database["service"], database["severity"]) == ("db", 9)
    assert migration["time_ns"] == iso_ns("2026-01-01T08:00:00Z")
    assert migration["severity"] == 9
    assert "nominated_node" not in web["attributes"]
    for line, event in zip(PODS.splitlines(), found.events, strict=True):
        assert found.bytes_of(event) == line.encode()


def test_without_a_time_of_collection_there_is_none(look: Any) -> None:
    for data in (PODS, EVENTS):
        assert all(event["time_ns"] is None for event in look(data).events)


@pytest.mark.parametrize(
    ("table", "kind", "name", "severity"),
    [
        ("NAME|STATUS|ROLES|AGE|VERSION\nn1|Ready,SchedulingDisabled|<none>|1d|v1.29.1", "Node", "n1", 9),
        ("NAME|STATUS|ROLES|AGE|VERSION\nn2|NotReady|<none>|1d|v1.29.1", "Node", "n2", 17),
        ("NAME|READY|UP-TO-DATE|AVAILABLE|AGE\nweb|0/3|3|0|12d", "Deployment", "web", 17),
        ("NAME|READY|AGE\ndb|1/2|12d", "StatefulSet", "db", 13),
        ("NAME|DESIRED|CURRENT|READY|AGE\nweb-7d4b9c6f5d|1|1|1|5m", "ReplicaSet", "web-7d4b9c6f5d", None),
        ("NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE\nservice/web|ClusterIP|10.0.0.1|<none>|80/TCP|5m",
         "Service", "web", None),
        ("NAME|STATUS|VOLUME|CAPACITY|ACCESS MODES|STORAGECLASS|AGE\ndata-0|Pending||||standard|5m",
         "PersistentVolumeClaim", "data-0", 13),
        ("NAME|READY|STATUS|RESTARTS|AGE\nweb-1|1/1|Running|2 (25s ago)|5m", "Pod", "web-1", 9),
        ("NAME|DATA|AGE\nsettings|1|5m", "ConfigMap", "settings", None),
    ],
)  # fmt: skip
def test_kinds_are_told_by_their_columns(
    look: Any, table: str, kind: str, name: str, severity: int | None
) -> None:
    event = look(padded(table)).events[-1]
    assert (event["attributes"]["k8s.kind"], event["attributes"]["k8s.name"]) == (kind, name)
    assert event["severity"] == severity
    assert "age" in event["attributes"]


def test_empty_cells_stay_empty(look: Any) -> None:
    table = (
        "NAME        STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   AGE\n"
        "data-db-0   Pending                                      standard       5m\n"
    )
    attributes = look(table).events[-1]["attributes"]
    assert (attributes["storageclass"], attributes["age"]) == ("standard", "5m")
    assert "volume" not in attributes


def test_rows_without_headings(look: Any) -> None:
    pods = look(PODS.partition("\n")[2])
    assert pods.parsed.report.format == "kubectl_table"
    assert pods.events[0]["attributes"]["k8s.namespace"] == "shop"
    events = look(EVENTS.partition("\n")[2])
    assert events.events[0]["kind"] == "k8s_event"


def test_events_with_counts(look: Any) -> None:
    found = look(EVENTS, collected_at=AT)
    _, back_off, scheduled, unknown = found.events
    assert back_off["kind"] == "k8s_event"
    assert back_off["message"] == "Back-off restarting  failed container"
    assert (back_off["severity_raw"], back_off["severity"], back_off["service"]) == ("Warning", 13, "web")
    assert back_off["time_ns"] == iso_ns("2026-01-02T09:59:35Z")
    assert scheduled["time_ns"] == iso_ns("2026-01-02T09:16:00Z")
    assert (scheduled["attributes"]["count"], scheduled["attributes"]["over"]) == ("9", "60m")
    assert scheduled["message"].endswith("\nand one line more")
    assert (unknown["time_ns"], unknown["host"], unknown["severity"]) == (None, "n1", 17)
    assert not found.quarantine


def test_top_gives_samples_in_base_units(look: Any) -> None:
    text = (
        "NAME   CPU(cores)   CPU%   MEMORY(bytes)   MEMORY%\nn1     250m         12%    1024Mi          30%\n"
    )
    found = look(text, collected_at=AT)
    names = {series["series_id"]: (series["name"], series["unit"]) for series in found.series}
    values = {names[sample["series_id"]]: sample["value"] for sample in found.samples}
    assert values == {
        ("k8s.node.cpu.usage", "{cpu}"): 0.25,
        ("k8s.node.cpu.utilization", "1"): 0.12,
        ("k8s.node.memory.usage", "By"): 1024 * 2**20,
        ("k8s.node.memory.utilization", "1"): 0.3,
    }
    assert {sample["time_ns"] for sample in found.samples} == {iso_ns(AT)}
    assert not look(text).samples
    assert len(look(text).events) == 2


def test_descriptions_of_several_objects(look: Any) -> None:
    found = look(DESCRIBED, collected_at=AT)
    assert found.parsed.report.format == "kubectl_describe"
    states = [event for event in found.events if event["attributes"].get("record") == "object"]
    kinds = [(event["attributes"]["k8s.kind"], event["attributes"]["k8s.name"]) for event in states]
    assert kinds == [("Pod", POD), ("Node", "n1"), ("ConfigMap", "settings")]
    pod = states[0]
    assert pod["message"] == (
        f"Pod shop/{POD}: Running, container app waiting: CrashLoopBackOff, Ready=False"
    )
    assert (pod["severity"], pod["service"], pod["time_ns"]) == (17, "web", None)
    attributes = pod["attributes"]
    assert attributes["labels"] == "app=web\npod-template-hash=7d4b9c6f5d"
    assert attributes["containers.app.limits.memory"] == "256Mi"
    assert attributes["containers.app.liveness"].startswith("http-get http://:8080/x delay=5s")
    assert attributes["tolerations"].count("\n") == 1
    timed = {event["message"]: event["time_ns"] for event in found.events if event["time_ns"]}
    assert timed == {
        f"Pod shop/{POD} started": iso_ns("2025-11-28T15:31:20+08:00"),
        f"Pod shop/{POD} container app terminated: OOMKilled, exit code 137": iso_ns(
            "2025-11-28T15:41:20+08:00"
        ),
        "Successfully assigned shop/web to n1": iso_ns("2026-01-02T09:55:00Z"),
        "Back-off restarting failed container": iso_ns("2026-01-02T09:16:00Z"),
        "Node n1 created": iso_ns("2025-11-28T15:31:20+08:00"),
        "Node n1 MemoryPressure=True: LowMemory: kubelet has too little": iso_ns("2025-11-28T15:40:00+08:00"),
    }
    assert not found.quarantine


def test_owner_trees_chains_and_pods_in_lines(look: Any) -> None:
    tree = (
        "Deployment/web  3/3  12d\n├── ReplicaSet/web-7d4b9c6f5d  1/1  5m\n"
        f"│   └── Pod/{POD}  0/1  CrashLoopBackOff  5m\n└── ReplicaSet/web-6d4b9c6f5d  0/0  3d\n"
    )
    found = look(tree, collected_at=AT)
    assert found.parsed.report.format == "kube_lineage"
    assert [event["attributes"].get("k8s.owner") for event in found.events] == [
        None, "Deployment/web", "ReplicaSet/web-7d4b9c6f5d", "Deployment/web",
    ]  # fmt: skip
    assert found.events[2]["time_ns"] == iso_ns("2026-01-02T09:55:00Z")
    assert found.events[2]["severity"] == 17
    chain = look(f"Pod/{POD} → ReplicaSet/web-7d4b9c6f5d → Deployment/web  (drift: image)\n").event
    assert (chain["service"], chain["attributes"]["note"]) == ("web", "(drift: image)")
    pod = look(
        f"{POD}  Running ready=0/1 restarts=1 age=3h node=n1\n    ⚠ container app: OOMKilled\n",
        collected_at=AT,
    )
    assert (pod.event["severity"], pod.event["attributes"]["reasons"]) == (17, "⚠ container app: OOMKilled")
    assert pod.event["time_ns"] == iso_ns("2026-01-02T07:00:00Z")


def test_events_as_lines(look: Any) -> None:
    found = look(
        f"2026-01-02T10:00:00Z Warning Pod/{POD} BackOff (x5): Back-off\n"
        "2026-01-02T10:00:01+01:00 Normal Node/n1 NodeNotReady: gone\n"
    )
    assert found.parsed.report.format == "kubernetes_event_lines"
    first, second = found.events
    assert (first["time_ns"], first["attributes"]["count"], first["service"]) == (iso_ns(AT), "5", "web")
    assert (second["time_ns"], second["severity"], second["host"]) == (
        iso_ns("2026-01-02T09:00:01Z"),
        17,
        "n1",
    )
    day = look("10:00:00 [event] Warning Pod/web-0 BackOff x\n10:01:00 [flux] Kustomization/x reconciled\n")
    assert [(event["kind"], event["time_ns"], event["time_raw"]) for event in day.events] == [
        ("k8s_event", None, "10:00:00"),
        ("change", None, "10:01:00"),
    ]


@given(st.integers(0, 9), st.integers(1, 23), st.integers(1, 59))
def test_ages_are_sums_of_their_parts(days: int, hours: int, minutes: int) -> None:
    age = age_of(f"{days}d{hours}h{minutes}m")
    assert age is not None
    assert timedelta(seconds=age.seconds) == timedelta(days=days, hours=hours, minutes=minutes)
    assert age.unit == "m"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("2", 2.0),
        ("1Gi", 2**30),
        ("1.5k", 1500.0),
        ("500n", 5e-7),
        ("3M", 3e6),
        ("x", None),
        ("1 Gi", None),
    ],
)
def test_quantities(text: str, value: float | None) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize(
    ("kind", "name", "workload"),
    [
        ("Pod", POD, "web"), ("Pod", "db-0", "db"), ("Pod", "agent-x2z7v", "agent"),
        ("Pod", "shop-front", "shop-front"),
        ("ReplicaSet", "web-7d4b9c6f5d", "web"), ("Job", "backup-28913480", "backup"), ("Node", "n1", None),
        ("Deployment", "web-7d4b9c6f5d", "web-7d4b9c6f5d"),
    ],
)  # fmt: skip
def test_workloads_behind_generated_names(kind: str, name: str, workload: str | None) -> None:
    assert workload_of(kind, name) == workload
