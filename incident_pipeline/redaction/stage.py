"""Make and read the redacted view of an incident in its results folder.

    redaction.json                  the card: per artifact digests and counts, ruleset, key id
    redacted/<sha256>.bin           the decoded stream of an artifact with tokens in it
    redacted/<sha256>.spans.json    what was replaced there
    redacted/events.parquet         the event table with tokens in its texts
    redacted/series.parquet         the series with tokens in their labels

The card is written last: where it stands, the rest is whole. The raw tables stay beside it; they are
derived from evidence and as confidential as that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from incident_pipeline.errors import UnreadableInputError
from incident_pipeline.ingest import hash_file
from incident_pipeline.model.redaction import RedactedArtifact, RedactedTable, Redaction, SpanMap
from incident_pipeline.parsers.table import read_table, write_table
from incident_pipeline.redaction.spans import Rules
from incident_pipeline.redaction.tables import Redactor, redact_events, redact_series
from incident_pipeline.redaction.view import is_text, redact
from incident_pipeline.serialise import compact_json, sha256_hex, write_bytes, write_json
from incident_pipeline.signals.tables import IncidentTables

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from incident_pipeline.evidence import EvidenceReader
    from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
    from incident_pipeline.model.redaction import RedactedSpan
    from incident_pipeline.redaction.tokens import TokenKey
    from incident_pipeline.results import ResultsFolder


def redact_incident(
    folder: ResultsFolder,
    evidence: SealedEvidence,
    reader: EvidenceReader,
    key: TokenKey,
    rules: Rules | None = None,
) -> Redaction:
    """Write the redacted view of an incident, replacing an older one; give its card.

    An artifact that is no text is withheld, one that can't be read is named as unreadable; both have no
    view, and the others go on.

    Raises:
        HashMismatchError: sealed bytes were altered.
    """
    rules = rules or Rules()
    folder.redaction.unlink(missing_ok=True)
    spans: dict[str, tuple[RedactedSpan, ...]] = {}
    cards = []
    for artifact in evidence.artifacts:
        card, spans[artifact.sha256] = _redact_artifact(folder, artifact, reader, key, evidence, rules)
        cards.append(card)
    redactor = Redactor(key, evidence.incident_key, rules)
    events, changed = redact_events(read_table(folder.events), redactor, spans, reader.decoded)
    series, relabelled = redact_series(read_table(folder.series), redactor)
    redaction = Redaction(
        incident_id=evidence.incident_id,
        ruleset=rules.version(),
        key_id=key.id,
        artifacts=tuple(cards),
        tables=(
            _table(folder.events, folder.redacted_events, events, changed),
            _table(folder.series, folder.redacted_series, series, relabelled),
        ),
    )
    _sweep(folder, redaction)
    write_json(folder.redaction, redaction)
    return redaction


def ensure_redacted(
    folder: ResultsFolder,
    evidence: SealedEvidence,
    reader: EvidenceReader,
    key: TokenKey,
    rules: Rules | None = None,
) -> Redaction:
    """Give the card of the view that stands; make one where none fits evidence, tables, rules and key."""
    if folder.redaction.is_file():
        card = Redaction.model_validate_json(folder.redaction.read_bytes())
        same = (
            [item.sha256 for item in card.artifacts] == [item.sha256 for item in evidence.artifacts]
            and card.ruleset == (rules or Rules()).version()
            and card.key_id == key.id
            and [item.source_sha256 for item in card.tables]
            == [_sha256(folder.events), _sha256(folder.series)]
            and folder.redacted_events.is_file()
            and folder.redacted_series.is_file()
        )
        if same:
            return card
    return redact_incident(folder, evidence, reader, key, rules)


def read_redacted(folder: ResultsFolder, evidence: SealedEvidence) -> IncidentTables:
    """Read the redacted tables of an incident; measurements hold no text and are the raw ones."""
    tables = IncidentTables.read(folder, evidence)
    if not folder.redaction.is_file():
        return tables
    return replace(
        tables, events=read_table(folder.redacted_events), series=read_table(folder.redacted_series)
    )


def redact_record(evidence: SealedEvidence, key: TokenKey, rules: Rules | None = None) -> SealedEvidence:
    """Redact what people typed into the incident's record: its title."""
    if evidence.title is None:
        return evidence
    title = Redactor(key, evidence.incident_key, rules or Rules()).text(evidence.title)
    return evidence.model_copy(update={"title": title})


def _redact_artifact(
    folder: ResultsFolder,
    artifact: SealedArtifact,
    reader: EvidenceReader,
    key: TokenKey,
    evidence: SealedEvidence,
    rules: Rules,
) -> tuple[RedactedArtifact, tuple[RedactedSpan, ...]]:
    card = RedactedArtifact(sha256=artifact.sha256, uri=artifact.uri, state="unreadable")
    try:
        data = reader.decoded(artifact.sha256)
    except UnreadableInputError as error:
        return card.model_copy(update={"note": error.message}), ()
    view = redact(data, key, incident=evidence.incident_key, rules=rules)
    text = is_text(data)
    spans = compact_json(SpanMap(sha256=artifact.sha256, spans=view.spans))
    write_bytes(folder.redacted / f"{artifact.sha256}.spans.json", spans)
    if text:
        write_bytes(folder.redacted / f"{artifact.sha256}.bin", view.data)
    return (
        card.model_copy(
            update={
                "state": "redacted" if text else "withheld",
                "decoded_sha256": sha256_hex(data),
                "redacted_sha256": sha256_hex(view.data) if text else None,
                "redacted_size": len(view.data) if text else 0,
                "span_map_sha256": sha256_hex(spans),
                "counts": view.counts,
                "note": "" if text else "no text: rules can't read it, so no view of it is shown",
            }
        ),
        view.spans,
    )


def _table(raw: Path, place: Path, table: pa.Table, changed: int) -> RedactedTable:
    write_table(place, table)
    return RedactedTable(
        file=f"redacted/{place.name}", source_sha256=_sha256(raw), sha256=_sha256(place), rows_changed=changed
    )


def _sweep(folder: ResultsFolder, redaction: Redaction) -> None:
    """Remove what an earlier view left."""
    kept = {folder.redacted_events.name, folder.redacted_series.name}
    for item in redaction.artifacts:
        if item.span_map_sha256:
            kept.add(f"{item.sha256}.spans.json")
        if item.redacted_sha256:
            kept.add(f"{item.sha256}.bin")
    for path in folder.redacted.iterdir():
        if path.name not in kept and path.is_file():
            path.unlink()


def _sha256(path: Path) -> str:
    return hash_file(path, name=path.name)[0]
