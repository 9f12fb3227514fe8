"""Small tables for tests of checks: spans, logs and changes of a few services, second by second."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pyarrow as pa

from incident_pipeline.diagnosis.windows import Windows
from incident_pipeline.model.artifact import Role, SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id, series_id
from incident_pipeline.signals.tables import IncidentTables

SECOND = 1_000_000_000
T0 = 1_767_225_600 * SECOND
INCIDENT, REFERENCE = "a" * 64, "b" * 64
ONSET, END = 30, 60
"""Seconds: calm until `ONSET`, failing until `END`."""

WINDOWS = Windows(
    baseline_role="incident",
    baseline_from=T0,
    baseline_to=T0 + ONSET * SECOND,
    incident_from=T0 + ONSET * SECOND,
    onset=T0 + ONSET * SECOND,
    incident_to=T0 + END * SECOND,
    end=T0 + END * SECOND,
)


@dataclass
class Tables:
    """Collects rows; `build` gives the tables."""

    events: list[dict[str, object]] = field(default_factory=list)
    samples: list[dict[str, object]] = field(default_factory=list)
    series: list[dict[str, object]] = field(default_factory=list)

    def event(self, kind: str, at: float, *, sha256: str = INCIDENT, **columns: object) -> str:
        row: dict[str, object] = dict.fromkeys(EVENTS.names)
        number = len(self.events)
        attributes = columns.pop("attributes", {})
        assert isinstance(attributes, dict)
        row |= {
            "event_id": event_id(sha256, number * 10, number * 10 + 9, 0),
            "time_ns": T0 + round(at * SECOND),
            "time_basis": "explicit",
            "kind": kind,
            "attributes": sorted(attributes.items()),
            "artifact_sha256": sha256,
            "artifact_uri": f"{sha256[0]}.jsonl",
            "byte_start": number * 10,
            "byte_end": number * 10 + 9,
            **columns,
        }
        self.events.append(row)
        return str(row["event_id"])

    def span(
        self,
        at: float,
        service: str,
        name: str,
        *,
        trace: str,
        parent: str | None = None,
        took: float = 0.01,
        kind: str = "server",
        status: int | None = None,
        failed: bool = False,
        peer: str | None = None,
        sha256: str = INCIDENT,
    ) -> str:
        span = hashlib.sha256(f"{trace}{service}{name}{len(self.events)}".encode()).hexdigest()[:16]
        attributes = {"span.kind": kind}
        if failed:
            attributes["status.code"] = "error"
        if status is not None:
            attributes["http.response.status_code"] = str(status)
        if peer is not None:
            attributes["server.address"] = peer
        self.event(
            "span",
            at,
            sha256=sha256,
            end_time_ns=T0 + round((at + took) * SECOND),
            service=service,
            message=name,
            trace_id=trace,
            span_id=span,
            parent_span_id=parent,
            attributes=attributes,
        )
        return span

    def request(self, at: float, *, status: int = 200, repeats: int = 1, sha256: str = INCIDENT) -> None:
        """A request: front calls shop, shop calls the outside `quotes`, which answers with `status`."""
        trace = f"{len(self.events):032x}"
        failed = status >= 400
        outer = 503 if failed else 200
        front = self.span(
            at, "front", "GET /", trace=trace, took=0.05, status=outer, failed=failed, sha256=sha256
        )
        out = self.span(at, "front", "call shop", trace=trace, parent=front, took=0.04, kind="client",
                        status=outer, failed=failed, peer="shop", sha256=sha256)  # fmt: skip
        shop = self.span(at, "shop", "GET /p", trace=trace, parent=out, took=0.03,
                         status=outer, failed=failed, sha256=sha256)  # fmt: skip
        for repeat in range(repeats):
            self.span(at + repeat / 1000, "shop", "call quotes", trace=trace, parent=shop, kind="client",
                      status=status, failed=failed, peer="quotes", sha256=sha256)  # fmt: skip

    def measure(self, name: str, service: str, values: list[float], *, sha256: str = INCIDENT) -> str:
        """One sample a second from the start on."""
        pointer = f"/data/result/{len(self.series)}"
        sid = series_id(sha256, pointer)
        self.series.append(
            {
                "series_id": sid,
                "name": name,
                "labels": [("__name__", name), ("service", service)],
                "unit": None,
                "service": service,
                "artifact_sha256": sha256,
                "artifact_uri": f"{sha256[0]}.jsonl",
                "json_pointer": pointer,
            }
        )
        self.samples += [
            {"series_id": sid, "time_ns": T0 + second * SECOND, "value": value}
            for second, value in enumerate(values)
        ]
        return sid

    def build(self) -> IncidentTables:
        roles: tuple[tuple[str, Role], ...] = ((INCIDENT, "incident"), (REFERENCE, "reference"))
        evidence = SealedEvidence(
            incident_id="checked",
            incident_key="checked",
            title=None,
            start_time=None,
            detected_by=None,
            severity=None,
            services=(),
            artifacts=tuple(
                SealedArtifact(
                    sha256=sha,
                    size=1,
                    stored_sha256=sha,
                    uri=f"{sha[0]}.jsonl",
                    type="trace",
                    source="test",
                    role=role,
                )
                for sha, role in roles
            ),
            problems=(),
            evidence_root="0" * 64,
        )
        return IncidentTables(
            pa.Table.from_pylist(self.events, schema=EVENTS),
            pa.Table.from_pylist(self.samples, schema=SAMPLES),
            pa.Table.from_pylist(self.series, schema=SERIES),
            evidence,
        )


def steady(*, failing_status: int = 200, calm_rate: int = 2, rate: int = 2, repeats: int = 1) -> Tables:
    """Requests at a steady rate; from the onset on, those of the second half of each second fail."""
    tables = Tables()
    for second in range(END):
        during = second >= ONSET
        count = rate if during else calm_rate
        for index in range(count):
            bad = during and failing_status != 200 and 2 * index >= count
            tables.request(
                second + index / count, status=failing_status if bad else 200, repeats=repeats if bad else 1
            )
    return tables
