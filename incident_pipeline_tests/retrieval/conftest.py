"""A small incident with one of everything that becomes a chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id
from incident_pipeline.results import ResultsFolder
from incident_pipeline.signals.tables import IncidentTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Row = dict[str, Any]
    Incident = Callable[..., IncidentTables]

SECOND = 1_000_000_000


def digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()


def incident_of(
    rows: Iterable[Row], series: Iterable[Row] = (), *, references: Iterable[str] = ()
) -> IncidentTables:
    """Build the tables of an incident; `series` rows carry their values, one a second, in `values`."""
    places: dict[str, int] = {}
    events = []
    for given in rows:
        row = dict.fromkeys(EVENTS.names)
        row.update(given)
        uri = row.pop("uri", "logs/a.jsonl")
        line = places[uri] = places.get(uri, 0) + 1
        row["artifact_uri"], row["artifact_sha256"] = uri, digest(uri)
        row["byte_start"], row["byte_end"] = (line - 1) * 100, line * 100 - 1
        row["event_id"] = row["event_id"] or event_id(digest(uri), row["byte_start"], row["byte_end"], 0)
        row["kind"] = row["kind"] or "log"
        row["time_basis"] = "none" if row["time_ns"] is None else "explicit"
        row["attributes"] = sorted((row["attributes"] or {}).items())
        events.append(row)
    samples, measured = [], []
    for number, given in enumerate(series):
        row = dict(given)
        uri, values = row.pop("uri", "metrics/a.json"), row.pop("values")
        places[uri] = places.get(uri, 0) + 1
        row = {"series_id": f"s{number}", "json_pointer": f"/{number}", "labels": [], "unit": None} | row
        measured.append(row | {"artifact_uri": uri, "artifact_sha256": digest(uri)})
        samples += [
            {"series_id": row["series_id"], "time_ns": second * SECOND, "value": float(value)}
            for second, value in enumerate(values)
        ]
    artifacts = [
        SealedArtifact(
            sha256=digest(uri),
            size=1,
            stored_sha256=digest(uri),
            uri=uri,
            type="logs",
            source="host",
            role="reference" if uri in set(references) else "incident",
        )
        for uri in sorted(places, key=digest)
    ]
    evidence = SealedEvidence(
        incident_id="INC-1", incident_key="inc-1", title=None, start_time=None, detected_by=None,
        severity=None, services=(), artifacts=tuple(artifacts), problems=(), evidence_root="0" * 64,
    )  # fmt: skip
    return IncidentTables(
        events=pa.Table.from_pylist(events, schema=EVENTS),
        samples=pa.Table.from_pylist(samples, schema=SAMPLES),
        series=pa.Table.from_pylist(measured, schema=SERIES),
        evidence=evidence,
    )


@pytest.fixture(scope="session")
def incident() -> Incident:
    return incident_of


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "inc-1")
