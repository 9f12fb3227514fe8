"""A small complete incident, built in memory: sealed bytes, event table, diagnosis, checks.

The story: `gate` answers users and calls `ledger`; `ledger` runs out of connections, `gate` fails some
requests, alerts fire, a responder writes, a change is recorded, alerts resolve. Every part can be left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from incident_pipeline.drafting import DraftInputs
from incident_pipeline.drafting.wording import NS, rfc3339
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.model.artifact import Problem, SealedArtifact, SealedEvidence
from incident_pipeline.model.check import (
    CheckResult,
    CheckSpec,
    Prediction,
    ValidatedChecks,
    ValidatedHypothesis,
)
from incident_pipeline.model.hypothesis import (
    Diagnosis,
    Hypotheses,
    Hypothesis,
    Interval,
    RankedComponent,
    Reason,
)
from incident_pipeline.model.report import ArtifactReport, ParseReport
from incident_pipeline.model.timeline import ArtifactRef, Timeline, TimelineEntry
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id
from incident_pipeline.serialise import sha256_hex
from incident_pipeline.signals.tables import IncidentTables

T0 = 1_760_000_400 * NS  # 2025-10-09T09:00:00Z
LENGTH = 120
ONSET, ALERT, FIX, RESOLVED = 40, 55, 80, 95


class MemoryVault:
    """Sealed bytes in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def read(self, sha256: str) -> bytes:
        return self.blobs[sha256]


@dataclass(frozen=True)
class Story:
    """Which parts the incident has."""

    access_log: bool = True
    spans: bool = True
    alerts: bool = True
    resolved: bool = True
    chat: bool = True
    changes: bool = True
    fixing_change: bool = True
    metric: bool = False
    hypotheses: bool = True
    supported: bool = True
    verdict: str = "incident"
    title: str = "GateErrorRatio: gate 5xx above 5 %"
    extra_services: int = 0
    component: str = "ledger"
    message: str = "pool exhausted after 30 waits"
    chat_text: str = "ledger pool is full, raising it to 64"


@dataclass
class _Artifact:
    uri: str
    type: str
    lines: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)


def record(at: float, **values: Any) -> dict[str, Any]:
    return {"ts": rfc3339(T0 + int(at * NS)), **values}


def build(story: Story | None = None) -> DraftInputs:
    story = story or Story()
    vault = MemoryVault()
    artifacts: list[SealedArtifact] = []
    events: list[dict[str, Any]] = []
    reports: list[ArtifactReport] = []
    for artifact in _artifacts(story):
        data = "".join(json.dumps(raw, ensure_ascii=False) + "\n" for raw, _ in artifact.lines).encode()
        digest = sha256_hex(data)
        vault.blobs[digest] = data
        artifacts.append(
            SealedArtifact(
                sha256=digest,
                size=len(data),
                stored_sha256=digest,
                uri=artifact.uri,
                type=artifact.type,
                source=artifact.uri.split("/", maxsplit=1)[0],
            )
        )
        start = 0
        for number, (raw, row) in enumerate(artifact.lines, 1):
            end = start + len(json.dumps(raw, ensure_ascii=False).encode())
            if row:
                events.append(_event(digest, artifact.uri, number, start, end, row))
            start = end + 1
        reports.append(_report(digest, artifact, len(data)))
    artifacts.sort(key=lambda a: a.sha256)
    evidence = SealedEvidence(
        incident_id="INC-7",
        incident_key="inc-7",
        title=story.title,
        start_time=rfc3339(T0),
        detected_by="monitor",
        severity="sev2",
        services=("gate",),
        artifacts=tuple(artifacts),
        problems=(Problem(kind="missing", uri="logs/old.log", detail="not there", advice="fetch it"),),
        evidence_root=sha256_hex(b"root"),
    )
    table = pa.Table.from_pylist(events, schema=EVENTS)
    samples, series = _measurements(story, artifacts)
    tables = IncidentTables(events=table, samples=samples, series=series, evidence=evidence)
    reader = EvidenceReader(vault, artifacts)
    hypotheses, checks = _hypotheses(story, reader, events)
    return DraftInputs(
        evidence=evidence,
        tables=tables,
        timeline=_timeline(story, events),
        diagnosis=_diagnosis(story, reader, events),
        hypotheses=hypotheses,
        checks=checks,
        parse_report=ParseReport(artifacts=tuple(sorted(reports, key=lambda r: r.artifact_sha256))),
        reader=reader,
    )


def _event(sha: str, uri: str, line: int, start: int, end: int, row: dict[str, Any]) -> dict[str, Any]:
    attributes = sorted((key, str(value)) for key, value in row.pop("attributes", {}).items())
    return {
        "event_id": event_id(sha, start, end, 0),
        "time_basis": "explicit",
        "time_precision": "s",
        "source": uri.split("/", maxsplit=1)[0],
        "attributes": attributes,
        "artifact_sha256": sha,
        "artifact_uri": uri,
        "line": line,
        "byte_start": start,
        "byte_end": end,
        **row,
    }


def _report(sha: str, artifact: _Artifact, size: int) -> ArtifactReport:
    quarantined = 2 if artifact.type == "logs" and "app" in artifact.uri else 0
    return ArtifactReport(
        artifact_sha256=sha,
        artifact_uri=artifact.uri,
        type=artifact.type,
        role="incident",
        format="json_lines",
        score=0.9,
        runner_up="ndjson",
        runner_up_score=0.4,
        pinned=False,
        bytes_decoded=size,
        encoding="identity",
        lines=len(artifact.lines),
        events=len(artifact.lines),
        events_without_time=0,
        samples=0,
        series=0,
        quarantined=quarantined,
        first_time=rfc3339(T0),
        last_time=rfc3339(T0 + LENGTH * NS),
        assumptions=("no zone given: UTC",),
    )


def _artifacts(story: Story) -> list[_Artifact]:
    found = [_app_log(story)]
    if story.access_log:
        found.append(_access_log())
    if story.spans:
        found.append(_spans(story))
    if story.alerts:
        found.append(_alerts(story))
    if story.changes:
        found.extend(_changes(story))
    if story.chat:
        found.append(_chat(story))
    if story.metric:
        lines = [(record(at, pool_waiting=_waiting(at)), {}) for at in range(0, LENGTH, 5)]
        found.append(_Artifact("metrics/pool.jsonl", "metrics", lines))
    return found


def _ns(at: float) -> int:
    return T0 + int(at * NS)


def _waiting(at: float) -> float:
    return 30.0 if ONSET <= at < FIX else 0.0


def _measurements(story: Story, artifacts: list[SealedArtifact]) -> tuple[pa.Table, pa.Table]:
    held = next((artifact for artifact in artifacts if artifact.uri == "metrics/pool.jsonl"), None)
    if held is None:
        return SAMPLES.empty_table(), SERIES.empty_table()
    series = {
        "series_id": "pool", "name": "pool_waiting", "labels": [("service", story.component)],
        "service": story.component, "artifact_sha256": held.sha256, "artifact_uri": held.uri,
    }  # fmt: skip
    samples = [{"series_id": "pool", "time_ns": _ns(at), "value": _waiting(at)} for at in range(0, LENGTH, 5)]
    return pa.Table.from_pylist(samples, schema=SAMPLES), pa.Table.from_pylist([series], schema=SERIES)


def _app_log(story: Story) -> _Artifact:
    artifact = _Artifact("logs/app.jsonl", "logs")
    names = [story.component, *(f"extra-{index:02d}" for index in range(story.extra_services))]
    for at in range(0, LENGTH, 4):
        for name in names:
            bad = name == story.component and ONSET <= at < FIX
            message = story.message if bad else "request served"
            raw = record(at, service=name, level="ERROR" if bad else "INFO", msg=message)
            row = {
                "kind": "log",
                "time_ns": _ns(at),
                "service": name,
                "message": message,
                "severity": 17 if bad else 9,
            }
            artifact.lines.append((raw, row))
    return artifact


def _access_log() -> _Artifact:
    artifact = _Artifact("logs/gate_access.jsonl", "logs")
    for at in range(LENGTH):
        for slot in range(4):
            status = 503 if ONSET + 2 <= at < FIX + 3 and slot == 0 else 200
            raw = record(at + slot / 4, method="GET", path=f"/pay/{at}", status=status)
            row = {
                "kind": "log",
                "time_ns": _ns(at + slot / 4),
                "message": f"GET /pay/{at} {status}",
                "attributes": {"http.request.method": "GET", "http.response.status_code": status},
            }
            artifact.lines.append((raw, row))
    return artifact


def _spans(story: Story) -> _Artifact:
    artifact = _Artifact("otlp/spans.jsonl", "trace")
    for at in range(0, LENGTH, 2):
        trace = f"{at:032x}"
        for depth, name in enumerate(("gate", story.component)):
            bad = ONSET + 2 <= at < FIX
            raw = record(at, service=name, span=f"{at:08x}{depth:08x}", error=bad)
            row = {
                "kind": "span",
                "time_ns": _ns(at),
                "end_time_ns": _ns(at + 0.1),
                "service": name,
                "message": f"serve {name}",
                "trace_id": trace,
                "span_id": f"{at:08x}{depth:08x}",
                "parent_span_id": f"{at:08x}{0:08x}" if depth else None,
                "attributes": {"span.kind": "server", "status.code": "error" if bad else "unset"},
            }
            artifact.lines.append((raw, row))
    return artifact


def _alerts(story: Story) -> _Artifact:
    artifact = _Artifact("alerts/alerts.jsonl", "alert")
    for offset, (name, service) in enumerate((("GateErrorRatio", "gate"), ("GateLatency", "gate"))):
        firing = record(ALERT + offset, alertname=name, service=service, status="firing")
        base = {"kind": "alert", "service": service, "message": f"{name} firing"}
        artifact.lines.append(
            (
                firing,
                {
                    **base,
                    "time_ns": _ns(ALERT + offset),
                    "attributes": {
                        "alertname": name, "status": "firing",
                        "severity": "ticket" if offset else "page", "summary": f"{name} is above its limit",
                    },
                },
            )
        )  # fmt: skip
        if story.resolved:
            gone = record(RESOLVED - offset, alertname=name, service=service, status="resolved")
            artifact.lines.append(
                (
                    gone,
                    {
                        **base,
                        "message": f"{name} resolved",
                        "time_ns": _ns(RESOLVED - offset),
                        "attributes": {"alertname": name, "status": "resolved"},
                    },
                )
            )
    return artifact


def _changes(story: Story) -> list[_Artifact]:
    log = _Artifact("changes/changes.jsonl", "change")
    for at, service, summary in ((10, "gate", "gate 1.4 -> 1.5"), (FIX, "ledger", "ledger pool 8 -> 64")):
        raw = record(at, service=service, summary=summary)
        row = {
            "kind": "change",
            "time_ns": _ns(at),
            "service": service,
            "message": summary,
            "attributes": {"summary": summary},
        }
        if at != FIX or story.fixing_change:
            log.lines.append((raw, row))
    calendar = _Artifact("business/campaigns.jsonl", "change")
    raw = record(ONSET - 5, summary="autumn mail", recipients="90000")
    row = {
        "kind": "change",
        "time_ns": _ns(ONSET - 5),
        "message": "autumn mail",
        "attributes": {"recipients": "90000"},
    }
    calendar.lines.append((raw, row))
    return [log, calendar]


def _chat(story: Story) -> _Artifact:
    artifact = _Artifact("chat/room.jsonl", "chat")
    lines = (
        (ALERT + 1, "alertbot", "GateErrorRatio is firing", {"subtype": "bot_message"}),
        (ALERT + 8, "U_ONE", story.chat_text, {}),
        (RESOLVED + 2, "U_TWO", "back to normal", {}),
    )
    for at, who, text, attributes in lines:
        raw = record(at, user=who, text=text)
        row = {"kind": "chat", "time_ns": _ns(at), "actor": who, "message": text, "attributes": attributes}
        artifact.lines.append((raw, row))
    return artifact


def _find(events: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [event for event in events if all(event.get(key) == value for key, value in wanted.items())]


def _timeline(story: Story, events: list[dict[str, Any]]) -> Timeline:
    kinds = ("alert", "change", "chat")
    chosen = [event for event in events if event["kind"] in kinds]
    chosen += _find(events, kind="log", message=story.message)[:2]
    chosen.sort(key=lambda event: (event["time_ns"], event["event_id"]))
    entries = tuple(
        TimelineEntry(
            position=position,
            time=rfc3339(event["time_ns"]),
            time_ns=event["time_ns"],
            time_uncertainty_ns=0,
            type=event["kind"],
            source=event["source"],
            service=event.get("service"),
            severity=event.get("severity"),
            message=event["message"],
            hash=event["event_id"],
            artifact=ArtifactRef(
                uri=event["artifact_uri"],
                sha256=event["artifact_sha256"],
                line=event["line"],
                byte_start=event["byte_start"],
                byte_end=event["byte_end"],
            ),
            recorded_by=event["source"],
            members=(event["event_id"],),
            order_basis="clock",
            why_key="kind",
        )
        for position, event in enumerate(chosen)
    )
    return Timeline(
        incident_id="INC-7",
        entries=entries,
        shown=len(entries),
        total=len(events),
        merged=0,
        untimed=0,
        merkle_root=sha256_hex(b"merkle"),
        first_time=rfc3339(T0),
        last_time=rfc3339(T0 + LENGTH * NS),
    )


def _cite(reader: EvidenceReader, events: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(
        reader.cite(e["artifact_sha256"], e["byte_start"], e["byte_end"], needle=e["message"]) for e in events
    )


def _diagnosis(story: Story, reader: EvidenceReader, events: list[dict[str, Any]]) -> Diagnosis:
    bad = _find(events, kind="log", message=story.message)[:1]
    reason = Reason(
        term="error",
        detail="errors rose",
        score=0.9,
        baseline=0.0,
        observed=1.0,
        facts={
            "onset_ns": _ns(ONSET),
            **({"series_id": "pool", "metric": "pool_waiting"} if story.metric else {}),
        },
        citations=_cite(reader, bad),
    )
    names = [story.component, "gate", *(f"extra-{index:02d}" for index in range(story.extra_services))]
    incident = story.verdict == "incident"
    return Diagnosis(
        incident_id="INC-7",
        verdict=story.verdict,
        verdict_reason="telemetry left its baseline" if incident else "too little telemetry is held",
        onset=rfc3339(_ns(ONSET)) if incident else None,
        onset_interval=(
            Interval(earliest=rfc3339(_ns(ONSET - 2)), latest=rfc3339(_ns(ONSET + 3))) if incident else None
        ),
        ranking=tuple(
            RankedComponent(
                component=name,
                score=round(0.9 / (index + 1), 6),
                fault_class="capacity",
                reasons=(reason,) if index == 0 and incident else (),
            )
            for index, name in enumerate(names)
        ),
        graph={"gate": [story.component], story.component: []},
        symptom="gate",
        modalities={"traces": "present", "logs": "present", "metrics": "missing"},
    )


def _hypotheses(
    story: Story, reader: EvidenceReader, events: list[dict[str, Any]]
) -> tuple[Hypotheses, ValidatedChecks]:
    if not story.hypotheses:
        return Hypotheses(incident_id="INC-7", hypotheses=()), ValidatedChecks(
            incident_id="INC-7", hypotheses=()
        )
    bad = _cite(reader, _find(events, kind="log", message=story.message)[:2])
    other = _cite(reader, _find(events, kind="log", message="request served")[:1])
    proposals, outcomes = [], []
    first_status = "supported" if story.supported else "inconclusive"
    for rank, (key, component, status, role, evidence) in enumerate(
        (
            ("H1", story.component, first_status, "root_cause", bad),
            ("H2", "gate", "refuted", "ruled_out", other),
            ("H3", "gate", "inconclusive", "contributing", other),
        ),
        1,
    ):
        spec = CheckSpec(
            id=f"{key}.1",
            title=f"{component} reports errors",
            kind="errors",
            sql="select 10 as value",
            prediction=Prediction(operator=">", value=5, unit="records"),
            why="no errors, no fault",
        )
        proposals.append(
            Hypothesis(
                rank=rank,
                id=key,
                summary=f"{component} ran out of connections",
                component=component,
                kind="capacity",
                mechanism=f"the pool of {component} is exhausted and callers wait",
                confidence=60,
                evidence=evidence,
                tests=(spec,),
            )
        )
        outcome = {"supported": "holds", "refuted": "fails", "inconclusive": "no_data"}[status]
        value = {"holds": 10.0, "fails": 0.0, "no_data": None}[outcome]
        outcomes.append(
            ValidatedHypothesis(
                id=key,
                status=status,
                role=role,
                confidence={"supported": 85, "refuted": 5, "inconclusive": 30}[status],
                checks=(
                    CheckResult(
                        id=spec.id,
                        title=spec.title,
                        sql=spec.sql,
                        prediction=spec.prediction,
                        decisive=True,
                        outcome=outcome,
                        value=value,
                        columns=("value",),
                        rows=((value,),),
                        result_sha256=sha256_hex(b"rows"),
                        explanation=f"predicted > 5 records, observed {value}.",
                    ),
                ),
            )
        )
    return (
        Hypotheses(incident_id="INC-7", hypotheses=tuple(proposals)),
        ValidatedChecks(incident_id="INC-7", hypotheses=tuple(outcomes)),
    )
