"""Small incidents out of plain rows, so that a test shows all the evidence it speaks of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id
from incident_pipeline.signals.tables import IncidentTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Row = dict[str, Any]
    Incident = Callable[..., IncidentTables]


def digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()


def incident_of(rows: Iterable[Row], *, references: Sequence[str] = ()) -> IncidentTables:
    """Build the tables of an incident. A row names its artifact by `uri`; the rest has defaults."""
    places: dict[str, int] = {}
    table = []
    for given in rows:
        row = dict.fromkeys(EVENTS.names)
        row.update(given)
        uri = row.pop("uri", "logs/a.jsonl")
        source = row["source"] = row["source"] or uri.split("/")[0]
        line = places[uri] = places.get(uri, 0) + 1
        row["artifact_uri"], row["artifact_sha256"] = uri, digest(uri)
        row["line"] = line
        row["byte_start"] = (line - 1) * 100 if row["byte_start"] is None else row["byte_start"]
        row["byte_end"] = row["byte_start"] + 99
        row["event_id"] = row["event_id"] or event_id(digest(uri), row["byte_start"], row["byte_end"], line)
        row["kind"] = row["kind"] or "log"
        row["time_precision"] = row["time_precision"] or (None if row["time_ns"] is None else "ns")
        row["time_basis"] = row["time_basis"] or ("none" if row["time_ns"] is None else "explicit")
        row["attributes"] = sorted((row["attributes"] or {}).items())
        row["source"] = source
        table.append(row)
    artifacts = sorted(
        (
            SealedArtifact(
                sha256=digest(uri),
                size=1,
                stored_sha256=digest(uri),
                uri=uri,
                type="logs",
                source=uri.split("/")[0],
                role="reference" if uri in references else "incident",
            )
            for uri in places
        ),
        key=lambda artifact: artifact.sha256,
    )
    evidence = SealedEvidence(
        incident_id="INC-1",
        incident_key="inc-1",
        title=None,
        start_time=None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=tuple(artifacts),
        problems=(),
        evidence_root="0" * 64,
    )
    return IncidentTables(
        events=pa.Table.from_pylist(table, schema=EVENTS),
        samples=SAMPLES.empty_table(),
        series=SERIES.empty_table(),
        evidence=evidence,
    )


@pytest.fixture(scope="session")
def incident() -> Incident:
    return incident_of
