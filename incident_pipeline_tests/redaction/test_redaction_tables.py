"""The redacted event table: texts changed, everything else as it was; and citations that keep off."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest

from incident_pipeline.evidence import EvidenceReader, read_span_maps
from incident_pipeline.evidence.redacted_view import check_redaction
from incident_pipeline.evidence.verification import Findings
from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.model.redaction import Redaction
from incident_pipeline.parsers import parse_sealed, write_tables
from incident_pipeline.redaction import (
    RedactionMap,
    Redactor,
    Rules,
    TokenKey,
    ensure_redacted,
    read_redacted,
    redact_incident,
    redact_record,
)
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import write_json

KEY = TokenKey(b"k" * 32)
LINES = [
    {"service": "api", "level": "error", "msg": "no login", "password": "hunter2hunter2"},
    {"service": "api", "level": "error", "msg": 'he said "x" to bob@example.com twice'},
    {"service": "203.0.113.5", "level": "info", "msg": "peer ok", "remote_ip": "10.0.0.9"},
    {"service": "api", "level": "info", "msg": "nothing to hide 10.0.0.9"},
]
KEY_LINES = [
    "-----BEGIN PRIVATE KEY-----",
    "MIGHAgEAMBMGByqGSM49AgEG",
    "CCqGSM49AwEHBG0wawIBAQQg",
    "-----END PRIVATE KEY-----",
]
FILES = {
    "logs/app.jsonl": "".join(
        json.dumps({"ts": f"2026-01-01T00:00:0{second}Z"} | line) + "\n" for second, line in enumerate(LINES)
    ).encode(),
    "logs/key.log": "".join(
        f"2026-01-01T00:00:0{second}Z ERROR {line}\n" for second, line in enumerate(KEY_LINES)
    ).encode(),
    "logs/wide.log": "2026-01-01T00:00:00Z ERROR password=hunter2hunter2 in utf-16\n".encode("utf-16"),
}


class Shelf:
    def read(self, sha256: str) -> bytes:
        return next(data for data in FILES.values() if hashlib.sha256(data).hexdigest() == sha256)


@pytest.fixture
def case(tmp_path: Path) -> tuple[ResultsFolder, SealedEvidence, EvidenceReader]:
    artifacts = tuple(
        SealedArtifact(sha256=digest, size=len(data), stored_sha256=digest, uri=name, type="logs", source="t")
        for name, data in FILES.items()
        for digest in [hashlib.sha256(data).hexdigest()]
    )
    evidence = SealedEvidence(
        incident_id="I-1", incident_key="i-1", title="mail of bob@example.com lost", start_time=None,
        detected_by=None, severity=None, services=(), problems=(), evidence_root="0" * 64,
        artifacts=tuple(sorted(artifacts, key=lambda one: one.sha256)),
    )  # fmt: skip
    folder = ResultsFolder(tmp_path / "i-1")
    reader = EvidenceReader(Shelf(), evidence.artifacts)
    write_tables(parse_sealed(reader, evidence.artifacts), folder)
    write_json(folder.evidence, evidence)
    return folder, evidence, reader


def digest_of(name: str) -> str:
    return hashlib.sha256(FILES[name]).hexdigest()


def events_of(tables: pa.Table, name: str) -> list[dict[str, object]]:
    rows = [row for row in tables.to_pylist() if row["artifact_sha256"] == digest_of(name)]
    return sorted(rows, key=lambda row: row["byte_start"])


def test_texts_are_redacted_and_the_rest_stays(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    raw = read_redacted(folder, evidence).events
    redact_incident(folder, evidence, reader, KEY)
    events = read_redacted(folder, evidence).events
    assert events.schema.equals(raw.schema, check_metadata=True)
    texts = {"message", "attributes", "actor", "host", "source", "severity_raw", "service"}
    for column in set(raw.schema.names) - texts:
        assert events.column(column).equals(raw.column(column)), column
    rows = events_of(events, "logs/app.jsonl")
    token = KEY.token("i-1", "email", b"bob@example.com")
    assert dict(rows[0]["attributes"])["password"] == KEY.token("i-1", "password", b"hunter2hunter2")  # type: ignore[call-overload]
    assert rows[1]["message"] == f'he said "x" to {token} twice'
    assert dict(rows[2]["attributes"])["remote_ip"].startswith("[ip:")  # type: ignore[call-overload]
    assert rows[2]["service"] == "203.0.113.5"
    assert rows[3]["message"] == "nothing to hide 10.0.0.9"


def test_lines_of_a_key_are_redacted_in_their_own_rows(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    redact_incident(folder, evidence, reader, KEY)
    messages = [
        str(row["message"]) for row in events_of(read_redacted(folder, evidence).events, "logs/key.log")
    ]
    assert len(messages) == 4
    assert all("[private-key:" in message for message in messages)
    assert not any(line in message for line in KEY_LINES for message in messages)


def test_what_is_no_text_is_withheld_and_named(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    card = redact_incident(folder, evidence, reader, KEY)
    states = {item.uri: item.state for item in card.artifacts}
    assert states == {"logs/app.jsonl": "redacted", "logs/key.log": "redacted", "logs/wide.log": "withheld"}
    assert not (folder.redacted / f"{digest_of('logs/wide.log')}.bin").exists()
    assert card.counts["password"] == 1


def test_a_view_that_fits_is_kept_and_one_that_does_not_is_made_anew(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    first = ensure_redacted(folder, evidence, reader, KEY)
    written = folder.redaction.stat().st_mtime_ns
    assert ensure_redacted(folder, evidence, reader, KEY) == first
    assert folder.redaction.stat().st_mtime_ns == written
    stale = folder.redacted / "0000.bin"
    stale.write_bytes(b"left over")
    other = ensure_redacted(folder, evidence, reader, KEY, Rules("none"))
    assert other.ruleset != first.ruleset
    assert not stale.exists()
    assert (
        ensure_redacted(folder, evidence, reader, TokenKey(b"x" * 32), Rules("none")).key_id != first.key_id
    )
    folder.redacted_events.unlink()
    assert ensure_redacted(folder, evidence, reader, KEY) == first
    assert folder.redacted_events.is_file()


def test_two_runs_give_the_same_bytes(case: tuple[ResultsFolder, SealedEvidence, EvidenceReader]) -> None:
    folder, evidence, reader = case
    contents = []
    for _ in range(2):
        redact_incident(folder, evidence, reader, KEY)
        files = [folder.redaction, *sorted(folder.redacted.iterdir())]
        contents.append([(path.name, path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_citations_keep_off_redacted_bytes(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    redact_incident(folder, evidence, reader, KEY)
    careful = EvidenceReader(Shelf(), evidence.artifacts, RedactionMap.read(folder))
    digest = digest_of("logs/app.jsonl")
    data = FILES["logs/app.jsonl"]
    start, end = data.index(b"\n") + 1, data.index(b"\n", data.index(b"bob@"))
    token = KEY.token("i-1", "email", b"bob@example.com")
    citation = careful.cite(digest, start, end, needle=f'he said "x" to {token} twice')
    assert citation.excerpt.encode() == data[citation.byte_start : citation.byte_end]
    assert "bob" not in citation.excerpt
    assert careful.cite(digest, start, end, needle=f"{token} twice").excerpt == ' twice"}'
    assert token in careful.redacted_record(citation)
    at = data.index(b"bob@example.com")
    assert careful.cite(digest, at, at + 15).excerpt == ""
    assert reader.redacted_record(citation) == ""


def test_the_title_is_redacted_where_it_is_shown(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    shown = redact_record(case[1], KEY)
    assert shown.title == f"mail of {KEY.token('i-1', 'email', b'bob@example.com')} lost"
    assert case[1].title == "mail of bob@example.com lost"


def test_values_of_one_text_do_not_reach_into_the_next() -> None:
    redactor = Redactor(KEY, "i", Rules())
    texts = [
        "password=",
        "hunter2hunter2",
        "phone",
        "0171 555 5823",
        "",
        "-----BEGIN PRIVATE KEY-----",
        "MIGHAgEAMBMGByqGSM49",
    ]
    assert redactor.texts(texts)[1:5] == texts[1:5]
    assert redactor.texts(texts)[6] == texts[6]
    named = redactor.texts(["hunter2", "x y", "42", "0"], ["db.password", "note", "password", "token_count"])
    assert named[0].startswith("[password:")
    assert named[1] == "x y"
    assert named[2].startswith("[password:")
    assert named[3] == "0"


def test_redacted_views_verify_and_changes_are_named(
    case: tuple[ResultsFolder, SealedEvidence, EvidenceReader],
) -> None:
    folder, evidence, reader = case
    redact_incident(folder, evidence, reader, KEY)

    def outcomes() -> list[str]:
        findings = Findings("i-1")
        check_redaction(folder, evidence, reader, findings)
        return [item.outcome for item in findings.items]

    assert outcomes() == ["ok"] * 3
    view = folder.redacted / f"{digest_of('logs/app.jsonl')}.bin"
    good = view.read_bytes()
    view.write_bytes(good.replace(b"twice", b"never"))
    assert outcomes().count("failed") == 1
    view.write_bytes(good)
    spans = folder.redacted / f"{digest_of('logs/app.jsonl')}.spans.json"
    kept = spans.read_bytes()
    spans.write_bytes(kept.replace(b"email", b"emoil"))
    assert outcomes() == ["failed"]
    spans.write_bytes(kept)
    card = Redaction.model_validate_json(folder.redaction.read_bytes())
    write_json(folder.redaction, card.model_copy(update={"artifacts": card.artifacts[1:]}))
    assert "failed" in outcomes()
    write_json(folder.redaction, card)
    findings = Findings("i-1")
    check_redaction(folder, evidence, None, findings)
    assert {item.outcome for item in findings.items} == {"could_not_check"}
    assert len(list(read_span_maps(folder, card))) == 3
