"""Metrics and a call graph only: who moves with the symptom is ranked above who merely deviates."""

from __future__ import annotations

import pyarrow as pa

from incident_pipeline.diagnosis import diagnose
from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id
from incident_pipeline.signals.tables import IncidentTables

MINUTE = 60_000_000_000
START = 1_767_225_600 * 1_000_000_000
CALM, SEEN, ALERT, MAP = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
EDGES = (("front", "api"), ("api", "store"), ("front", "mailer"))
LATENCY = {
    "front": (0.50, 0.50, 1.60, 1.40, 1.90),
    "api": (0.30, 0.31, 1.30, 1.10, 1.60),
    "store": (0.10, 0.10, 1.10, 0.90, 1.40),
    # The mailer deviates more than anyone, but goes its own way.
    "mailer": (0.10, 3.00, 3.10, 3.30, 0.20),
    "island": (0.10, 0.10, 9.00, 8.00, 9.50),
}


def tables() -> IncidentTables:
    series, samples, events = [], [], []
    for name, values in LATENCY.items():
        for sha, times in ((CALM, range(-600, -120, 5)), (SEEN, range(0, 25, 5))):
            sid = f"{sha[0]}-{name}"
            series.append(
                {
                    "series_id": sid,
                    "name": "latency_seconds",
                    "labels": [("service", name)],
                    "service": name,
                    "artifact_sha256": sha,
                    "artifact_uri": sha[0],
                    "json_pointer": f"/{name}",
                }
            )
            for index, minute in enumerate(times):
                value = values[index] if sha == SEEN else values[0] * (1 + 0.02 * (index % 3))
                samples.append({"series_id": sid, "time_ns": START + minute * MINUTE, "value": value})
    for index, (caller, callee) in enumerate(EDGES):
        events.append(
            row(MAP, index, kind="object_state", attributes=[("callee", callee), ("caller", caller)])
        )
    labels = [("labels.alertname", "Slow"), ("labels.metric", "latency_seconds"), ("status", "firing")]
    events.append(
        row(ALERT, 9, kind="alert", time_ns=START + 13 * MINUTE, service="front", attributes=labels)
    )
    evidence = SealedEvidence(
        incident_id="m",
        incident_key="m",
        title=None,
        start_time="2026-01-01T00:13:00Z",
        detected_by=None,
        severity=None,
        services=(),
        problems=(),
        evidence_root="0" * 64,
        artifacts=tuple(
            SealedArtifact(
                sha256=sha,
                size=1,
                stored_sha256=sha,
                uri=sha[0],
                type=kind,
                source="x",
                role="reference" if sha in (CALM, MAP) else "incident",
            )
            for sha, kind in ((CALM, "metrics"), (SEEN, "metrics"), (ALERT, "alert"), (MAP, "topology"))
        ),
    )
    return IncidentTables(
        pa.Table.from_pylist(events, schema=EVENTS),
        pa.Table.from_pylist(samples, schema=SAMPLES),
        pa.Table.from_pylist(series, schema=SERIES),
        evidence,
    )


def row(sha256: str, at: int, **columns: object) -> dict[str, object]:
    blank: dict[str, object] = dict.fromkeys(EVENTS.names)
    return (
        blank
        | {
            "event_id": event_id(sha256, at, at + 1, 0),
            "time_basis": "explicit",
            "artifact_sha256": sha256,
            "artifact_uri": sha256[0],
        }
        | columns
    )


def test_the_deepest_component_that_moves_with_the_symptom_is_first() -> None:
    diagnosis = diagnose(tables(), None)
    order = [ranked.component for ranked in diagnosis.ranking]
    assert order[0] == "store"
    assert set(order) == set(LATENCY)
    assert diagnosis.ranking[0].reasons[0].facts["correlation"] > 0.9
    assert diagnosis.symptom == "front"


def test_a_component_that_nothing_connects_with_the_symptom_is_a_bystander() -> None:
    scores = {ranked.component: ranked.score for ranked in diagnose(tables(), None).ranking}
    assert scores["island"] < scores["store"] / 2
