"""A made-up system for tests of the diagnosis: one front, three services, a store and an outside party.

`build` gives the tables of one incident with at most one fault in it. Everything follows from the seed,
so that two builds with other names, clocks or row orders differ in nothing else.

    front -> catalog (0.6 of requests) -> store
    front -> cart -> store
             cart -> payments (no telemetry of its own)
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id, series_id
from incident_pipeline.signals.tables import IncidentTables

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND
CALM, FAULTY = 120, 60
ROLES = ("front", "catalog", "cart", "store", "payments")
TRACES, METRICS, ALERTS, CHANGES, LOGS = ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64)


@dataclass(frozen=True)
class Case:
    """What to build. `names` renames roles; `twin` doubles the catalog under a second name."""

    fault: str | None = None
    seed: int = 1
    names: Mapping[str, str] = field(default_factory=dict)
    shift_ns: int = 0
    traffic: float = 1.0
    twin: str | None = None
    change: tuple[str, int] | None = None
    """A deploy of a role, this many seconds before the fault."""
    traces: bool = True
    metrics: bool = True
    alert: bool = True
    shuffled: int | None = None


class _Builder:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = random.Random(case.seed)  # noqa: S311 - seeded test data
        self.events: list[dict[str, object]] = []
        self.samples: list[dict[str, object]] = []
        self.series: list[dict[str, object]] = []
        self.count = 0

    def name(self, role: str) -> str:
        return self.case.names.get(role, role)

    def event(self, sha256: str, **columns: object) -> dict[str, object]:
        row: dict[str, object] = dict.fromkeys(EVENTS.names)
        attributes = columns.pop("attributes", {})
        self.count += 1
        row.update(columns, time_basis="explicit", artifact_sha256=sha256, artifact_uri=f"{sha256[0]}.json")
        row["attributes"] = sorted(attributes.items()) if isinstance(attributes, dict) else []
        row["event_id"] = event_id(sha256, self.count * 10, self.count * 10 + 9, 0)
        row["byte_start"], row["byte_end"] = self.count * 10, self.count * 10 + 9
        self.events.append(row)
        return row

    def span(
        self, trace: str, parent: str, role: str, name: str, at: float, took: float, **attributes: str
    ) -> str:
        span = f"{self.count:016x}"
        start = START + self.case.shift_ns + int(at * SECOND)
        self.event(
            TRACES,
            kind="span",
            time_ns=start,
            end_time_ns=start + int(took * SECOND),
            service=self.name(role),
            message=name,
            trace_id=trace,
            span_id=span,
            parent_span_id=parent or None,
            attributes={_attribute(key): value for key, value in attributes.items()},
        )
        return span

    def request(self, index: int, at: float) -> None:
        case, fault = self.case, self.case.fault if at >= CALM else None
        trace = f"{index:032x}"
        jitter = self.random.uniform(0.9, 1.1)
        to_catalog = self.random.random() < (
            0.95 if fault == "flood" else 0.3 if case.fault == "flood" else 0.6
        )
        # Throttling sets in once the flood has used up what the other side allows.
        refused = fault == "third_party" or (fault == "flood" and at >= CALM + 6)
        failing = self.random.random() < (0.8 if refused else 0.0)
        early = self.random.random() < (0.7 if fault == "code" else 0.0)
        store = 0.010 * jitter + (0.150 if fault == "cpu" else 0.0)
        lost = 0.100 if fault == "network" else 0.0
        catalog = 0.006 * jitter + (0.200 if fault == "slow" else 0.0) + (0.0 if early else store + 0.001)
        if case.fault == "flood" and not to_catalog:
            # Answered from the front's cache.
            self.span(
                trace,
                "",
                "front",
                "GET /",
                at,
                0.005 * jitter,
                span_kind="server",
                http_response_status__code="200",
            )
            return
        twins = ("catalog", "twin") if case.twin else ("catalog",)
        cart = 0.008 * jitter + store + 0.001 + lost + 0.020 * jitter
        total = 0.005 * jitter + cart + 0.001 + lost + (len(twins) * (catalog + 0.001) if to_catalog else 0.0)
        front = self.span(
            trace, "", "front", "GET /", at, total, span_kind="server", http_response_status__code="200"
        )
        for role in twins if to_catalog else ():
            client = self.span(trace, front, "front", f"call {role}", at, catalog + 0.001, span_kind="client")
            called = self.span(trace, client, role, "GET /items", at, catalog, span_kind="server")
            if early:
                self.log(role, at, trace, called, "item lookup failed: no such key", 17)
            else:
                outbound = self.span(trace, called, role, "call store", at, store + 0.001, span_kind="client")
                self.span(trace, outbound, "store", "GET /row", at, store, span_kind="server")
        client = self.span(trace, front, "front", "call cart", at, cart + 0.001 + lost, span_kind="client")
        called = self.span(trace, client, "cart", "GET /cart", at, cart, span_kind="server")
        outbound = self.span(
            trace, called, "cart", "call store", at, store + 0.001 + lost, span_kind="client"
        )
        self.span(trace, outbound, "store", "GET /row", at, store, span_kind="server")
        self.span(
            trace,
            called,
            "cart",
            "charge",
            at,
            0.015 * jitter,
            span_kind="client",
            server_address=self.name("payments"),
            http_response_status__code="429" if failing else "200",
        )

    def log(self, role: str, at: float, trace: str, span: str, message: str, severity: int) -> None:
        self.event(
            LOGS,
            kind="log",
            time_ns=START + self.case.shift_ns + int(at * SECOND),
            trace_id=trace,
            span_id=span,
            service=self.name(role),
            message=message,
            severity=severity,
            mask_id=message[:16],
        )

    def cpu(self, role: str) -> None:
        sid = series_id(METRICS, f"/data/result/{len(self.series)}")
        labels = [
            ("__name__", "container_cpu_usage_percent"),
            ("pod", f"{role}-1"),
            ("service", self.name(role)),
        ]
        self.series.append(
            {
                "series_id": sid,
                "name": labels[0][1],
                "labels": labels,
                "unit": None,
                "service": self.name(role),
                "artifact_sha256": METRICS,
                "artifact_uri": "b.json",
                "json_pointer": f"/data/result/{len(self.series)}",
            }
        )
        noise = random.Random(f"{self.case.seed} {'catalog' if role == 'twin' else role}")  # noqa: S311 - seeded test data
        for second in range(0, CALM + FAULTY, 5):
            during = second >= CALM
            busy = 90.0 if during and self.case.fault == "cpu" and role == "store" else 12.0
            load = self.case.traffic if during else 1.0
            value = min(99.0, busy * load) + noise.uniform(-1, 1)
            time = START + self.case.shift_ns + second * SECOND
            self.samples.append({"series_id": sid, "time_ns": time, "value": value})


def build(case: Case) -> IncidentTables:
    """Build the tables of one incident."""
    builder = _Builder(case)
    at, index = 0.0, 0
    while case.traces and at < CALM + FAULTY:
        builder.request(index, at)
        rate = (
            4.0
            * (case.traffic if at >= CALM else 1.0)
            * (3.0 if case.fault == "flood" and at >= CALM else 1.0)
        )
        at, index = at + 1 / rate, index + 1
    for role in ("front", "catalog", "cart", "store") if case.metrics else ():
        builder.cpu(role)
    if case.twin and case.metrics:
        builder.cpu("twin")
    if case.change:
        role, before = case.change
        time = START + case.shift_ns + (CALM - before) * SECOND
        builder.event(
            CHANGES,
            kind="change",
            time_ns=time,
            service=builder.name(role),
            message="v1 -> v2",
            attributes={"change.kind": "deploy"},
        )
    alerted = START + case.shift_ns + (CALM + 15) * SECOND
    if case.alert:
        builder.event(
            ALERTS,
            kind="alert",
            time_ns=alerted,
            service=builder.name("front"),
            message="slow or failing",
            attributes={"labels.alertname": "FrontObjective", "status": "firing"},
        )
    return _tables(builder, case, alerted)


def _tables(builder: _Builder, case: Case, alerted: int) -> IncidentTables:
    if case.shuffled is not None:
        mixer = random.Random(case.shuffled)  # noqa: S311 - seeded test data
        for rows in (builder.events, builder.samples, builder.series):
            mixer.shuffle(rows)
    used = {str(row["artifact_sha256"]) for row in (*builder.events, *builder.series)}
    kinds = {TRACES: "trace", METRICS: "metrics", ALERTS: "alert", CHANGES: "change", LOGS: "logs"}
    seconds, rest = divmod(alerted, SECOND)
    minutes = (seconds - START // SECOND) // 60
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds % 60:02d}.{rest // 1_000_000:03d}"
    evidence = SealedEvidence(
        incident_id="synthetic",
        incident_key="synthetic",
        title=None,
        start_time=f"2026-01-01T{clock}Z" if case.alert else None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=tuple(
            SealedArtifact(
                sha256=sha, size=1, stored_sha256=sha, uri=f"{sha[0]}.json", type=kinds[sha], source="test"
            )
            for sha in sorted(used)
        ),
        problems=(),
        evidence_root="0" * 64,
    )
    return IncidentTables(
        pa.Table.from_pylist(builder.events, schema=EVENTS),
        pa.Table.from_pylist(builder.samples, schema=SAMPLES),
        pa.Table.from_pylist(builder.series, schema=SERIES),
        evidence,
    )


def _attribute(keyword: str) -> str:
    """Give the attribute a keyword stands for: `_` for a dot, `__` for an underscore."""
    return keyword.replace("__", "\0").replace("_", ".").replace("\0", "_")
