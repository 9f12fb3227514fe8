"""Reasons cite the bytes they rest on."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa

from incident_pipeline.diagnosis.citations import Citer
from incident_pipeline.diagnosis.finding import EventPlace, Finding, SamplePlace
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES
from incident_pipeline.signals.tables import IncidentTables

ANSWER = json.dumps(
    {
        "data": {
            "result": [
                {"metric": {}, "values": [[1700000000.5, "1"], [1700000060.5, "7.25"], [1700000120, "2"]]}
            ]
        }
    }
).encode()
LINE = b'{"ts": 1}\n{"msg": "no such key"}\n'


class Vault:
    def __init__(self, *blobs: bytes) -> None:
        self.blobs = {hashlib.sha256(blob).hexdigest(): blob for blob in blobs}

    def read(self, sha256: str) -> bytes:
        return self.blobs[sha256]


def setup() -> tuple[IncidentTables, EvidenceReader]:
    vault = Vault(ANSWER, LINE)
    artifacts = tuple(
        SealedArtifact(
            sha256=sha, size=1, stored_sha256=sha, uri=f"{sha[:4]}.json", type="metrics", source="x"
        )
        for sha in vault.blobs
    )
    answer, line = vault.blobs
    row = dict.fromkeys(EVENTS.names) | {
        "event_id": "e",
        "time_basis": "none",
        "kind": "log",
        "attributes": [],
        "message": "no such key",
        "artifact_sha256": line,
        "artifact_uri": "l",
        "byte_start": 10,
        "byte_end": len(LINE) - 1,
    }
    series = {
        "series_id": "s",
        "name": "m",
        "labels": [],
        "unit": None,
        "service": "a",
        "artifact_sha256": answer,
        "artifact_uri": "m",
        "json_pointer": "/data/result/0",
    }
    samples = [
        {"series_id": "s", "time_ns": time, "value": 0.0}
        for time in (1_700_000_000_500_000_000, 1_700_000_060_500_000_000)
    ]
    evidence = SealedEvidence(
        incident_id="i",
        incident_key="i",
        title=None,
        start_time=None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=artifacts,
        problems=(),
        evidence_root="0" * 64,
    )
    tables = IncidentTables(
        pa.Table.from_pylist([row], schema=EVENTS),
        pa.Table.from_pylist(samples, schema=SAMPLES),
        pa.Table.from_pylist([series], schema=SERIES),
        evidence,
    )
    return tables, EvidenceReader(vault, artifacts)


def test_a_record_and_a_sample_are_cited_by_their_bytes() -> None:
    tables, reader = setup()
    finding = Finding(
        "a", "error", 1.0, "x", places=(EventPlace(0), SamplePlace(("s",), 1_700_000_060_500_000_000))
    )
    record, sample = Citer(tables, reader).cite(finding)
    assert record.excerpt == '{"msg": "no such key"}'
    assert sample.excerpt == '[1700000060.5, "7.25"]'
    assert ANSWER[sample.byte_start : sample.byte_end].decode() == sample.excerpt


def test_a_place_that_is_not_there_gives_no_citation_and_no_reader_gives_none() -> None:
    tables, reader = setup()
    lost = Finding("a", "error", 1.0, "x", places=(SamplePlace(("s",), 5), SamplePlace(("other",), 5)))
    assert Citer(tables, reader).cite(lost) == ()
    assert Citer(tables, None).cite(Finding("a", "error", 1.0, "x", places=(EventPlace(0),))) == ()
