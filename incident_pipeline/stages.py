"""The stages of an incident as plain functions: read files, call the library, write files.

The Dagster assets and the command line both call these, so that neither holds logic the other would
have to repeat. A stage reads evidence only through the vault and writes only into the incident's
results folder; each can run again and gives the same bytes. Nothing here imports Dagster. Over 400 lines,
for all stages stand side by side here and each is short.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from incident_pipeline.checks import run_checks
from incident_pipeline.diagnosis import diagnose, propose
from incident_pipeline.drafting import DraftInputs, draft
from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.evidence import Access, EvidenceReader, Intake, open_sealer, seal
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.verify import verify_seal
from incident_pipeline.export import write_derivation
from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.artifact import Problem, SealedEvidence
from incident_pipeline.model.hypothesis import Hypotheses
from incident_pipeline.model.report import ParseReport
from incident_pipeline.parsers import ParquetSink, Reading, digest_of, parse_sealed_into
from incident_pipeline.parsers.memory import reuse_memory
from incident_pipeline.parsers.table import read_batches, read_table, write_table
from incident_pipeline.postmortem import assemble, render_html, render_markdown
from incident_pipeline.progress import report as say
from incident_pipeline.redaction import (
    RedactionMap,
    Rules,
    ensure_redacted,
    load_or_create_token_key,
    read_redacted,
    redact_record,
)
from incident_pipeline.retrieval import build_index, load_embedder, make_chunks
from incident_pipeline.serialise import compact_json, file_sha256, sha256_hex, write_bytes, write_json
from incident_pipeline.signals import MINED, mine_batches
from incident_pipeline.timeline import build_timeline, cover, narrative

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incident_pipeline.evidence import WatchedVault
    from incident_pipeline.evidence.verify import VerificationReport
    from incident_pipeline.model.redaction import Redaction
    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.signals.tables import IncidentTables
    from incident_pipeline.workspace import Workspace

STAGES: Final = (
    "raw_artifacts",
    "sealed_evidence",
    "parsed_events",
    "embeddings",
    "timeline",
    "hypotheses",
    "validated_checks",
    "postmortem",
)
"""The asset keys, in order."""


@dataclass(frozen=True)
class StageReport:
    """What a stage did: a line for people, counts and digests for metadata, problems for the exit code."""

    line: str
    data_version: str
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def survey(workspace: Workspace, key: str) -> StageReport:
    """Open the bundle of an incident and check it against the digests it gives: `raw_artifacts`."""
    say(key, "raw_artifacts", "")
    source = workspace.source(key)
    with workspace.scratch() as scratch:
        bundle = open_bundle(source, scratch)
        sizes = sorted((item.entry.uri, item.path.stat().st_size) for item in bundle.artifacts)
    total = sum(size for _, size in sizes)
    line = f"{len(sizes)} artifacts, {total:,} bytes, from {source.name}" + _problem_tail(bundle.problems)
    say(key, "raw_artifacts", line, bundle.problems)
    return StageReport(
        line=line,
        data_version=sha256_hex(compact_json([[uri, size] for uri, size in sizes]))[:16],
        counts={"artifacts": len(sizes), "bytes": total, "problems": len(bundle.problems)},
        facts={"bundle": source.name, "incident_id": bundle.incident.incident_id},
        problems=bundle.problems,
    )


def seal_evidence(workspace: Workspace, key: str, *, now: datetime) -> StageReport:
    """Put the artifacts into the vault and sign the manifest: `sealed_evidence`.

    `now` is the time of sealing; it stands in the signed manifest only, never in a compared file.
    """
    say(key, "sealed_evidence", "")
    sealer = open_sealer(
        signer=workspace.signer,
        tsa=workspace.tsa,
        tsa_url=workspace.tsa_url,
        folder=workspace.config_dir,
        now=now,
    )
    signer = sealer.opened
    folder = workspace.folder(key)
    vault = workspace.evidence_vault(key)
    before = sealed(folder) if folder.evidence.is_file() else None
    with workspace.scratch() as scratch, Intake(vault, before) as intake:
        bundle = open_bundle(workspace.source(key), scratch, intake.take)
        done = seal(
            bundle,
            vault,
            signer.signer,
            now=now,
            trusted=sealer.trusted,
            authority=sealer.authority,
            stored=intake.stored(),
        )
    if before is not None and before.evidence_root != done.evidence.evidence_root:
        folder.discard_derived()
    write_bytes(folder.manifest, done.manifest)
    write_bytes(folder.seal_log, done.log_proof)
    write_json(folder.evidence, done.evidence)
    state = "new seal" if done.created else "seal stands"
    line = f"{state} {done.sequence}, root {done.evidence.evidence_root[:12]}, key {signer.keyid[:12]}"
    line += f" ({signer.kind})"
    line += _problem_tail(done.evidence.problems)
    line += "".join(f"; {notice}" for notice in sealer.notices)
    if vault.keyring.made:
        line += f"; made the key-encryption key {vault.keyring.made}: without a copy, its loss loses all"
    say(key, "sealed_evidence", line, done.evidence.problems)
    return StageReport(
        line=line,
        data_version=done.evidence.evidence_root[:16],
        counts={"artifacts": len(done.evidence.artifacts), "sequence": done.sequence},
        facts={
            "evidence_root": done.evidence.evidence_root,
            "key_id": signer.keyid,
            "time": "stamped" if read_signed(done.manifest).timestamps else "no time stamp",
            "manifest_sha256": sha256_hex(done.manifest),
            **_derived(workspace, key, "sealed_evidence"),
        },
        problems=done.evidence.problems,
    )


def check_seal(workspace: Workspace, key: str) -> VerificationReport:
    """Verify signature and bytes of an incident's seal; the blocking check between sealing and parsing."""
    artifacts = sealed(workspace.folder(key)).artifacts
    workspace.access_log().append(
        Access(key, "digests_match", artifact.sha256, "pipeline run") for artifact in artifacts
    )
    vault = workspace.evidence_vault(key)
    return verify_seal(
        workspace.folder(key).root, vault=vault, trust_root=None, config_dir=workspace.config_dir
    )


def parse_events(workspace: Workspace, key: str) -> StageReport:
    """Parse the sealed artifacts into the event table: `parsed_events`."""
    say(key, "parsed_events", "")
    folder = workspace.folder(key)
    reader = _reader(workspace, folder, "parsed_events")
    own = workspace.own_formats()
    reuse_memory()
    with ParquetSink(folder) as sink:
        evidence = sealed(folder)
        reading = Reading(formats=own, not_after=evidence.start_time)
        report = parse_sealed_into(sink, reader, evidence.artifacts, reading)
    write_json(folder.parse_report, report)
    write_table(folder.templates, mine_batches(read_batches(folder.events, MINED)))
    counts = {
        "events": sink.counts["events"],
        "samples": sink.counts["samples"],
        "series": sink.counts["series"],
        "quarantined": sink.counts["quarantine"],
    }
    line = ", ".join(f"{count:,} {name}" for name, count in counts.items()) + _problem_tail(report.problems)
    say(key, "parsed_events", line, report.problems)
    return StageReport(
        line=line,
        data_version=_digest_of(folder.events, folder.samples, folder.series, folder.quarantine),
        counts=counts,
        facts={
            "events_sha256": file_sha256(folder.events),
            "samples_sha256": file_sha256(folder.samples),
            **_derived(workspace, key, "parsed_events", formats_sha256=digest_of(own)),
        },
        problems=report.problems,
    )


def embed(workspace: Workspace, key: str) -> StageReport:
    """Index the distinct things of an incident for retrieval: `embeddings`. Degrades to full text."""
    say(key, "embeddings", "")
    folder = workspace.folder(key)
    redaction, tables = _redacted(workspace, key)
    chunks = make_chunks(tables)
    built = build_index(chunks, folder, load_embedder(workspace.embedder))
    line = f"{built.chunks:,} chunks, {built.mode}" + (f" ({built.note})" if built.note else "")
    line += f"; {sum(redaction.counts.values()):,} stretches redacted"
    say(key, "embeddings", line)
    return StageReport(
        line=line,
        data_version=built.data_version[:16],
        counts={
            "chunks": built.chunks,
            "embedded": built.embedded,
            **{f"redacted {kind}": count for kind, count in redaction.counts.items()},
        },
        facts={
            "mode": built.mode,
            "embedder": built.embedder,
            "weights_sha256": built.weights_sha256 or "",
            **_derived(
                workspace,
                key,
                "embeddings",
                mode=built.mode,
                weights_sha256=built.weights_sha256 or "",
                redaction_ruleset=redaction.ruleset,
                redaction_key_id=redaction.key_id,
            ),
        },
    )


def order_timeline(workspace: Workspace, key: str) -> StageReport:
    """Put all events in order and pick the key entries: `timeline`."""
    say(key, "timeline", "")
    folder = workspace.folder(key)
    tables = _redacted(workspace, key)[1]
    built = build_timeline(tables)
    report = ParseReport.model_validate_json(folder.parse_report.read_bytes())
    write_json(folder.coverage, cover(tables, report, read_table(folder.quarantine), built.correction))
    write_json(folder.clocks, built.correction.table(tables.evidence.incident_id))
    write_table(folder.timeline_table, built.table)
    write_json(folder.timeline, built.timeline)
    write_bytes(folder.narrative, narrative(built.timeline).encode())
    shown, total, merged = built.timeline.shown, built.timeline.total, built.timeline.merged
    line = (
        f"{shown} key entries of {total:,} events, {merged:,} merged, root {built.timeline.merkle_root[:12]}"
    )
    say(key, "timeline", line)
    return StageReport(
        line=line,
        data_version=built.timeline.merkle_root[:16],
        counts={"entries": shown, "events": total, "merged": merged, "untimed": built.timeline.untimed},
        facts={
            "merkle_root": built.timeline.merkle_root,
            "timeline_sha256": file_sha256(folder.timeline),
            **_derived(workspace, key, "timeline", merkle_root=built.timeline.merkle_root),
        },
    )


def rank_hypotheses(workspace: Workspace, key: str) -> StageReport:
    """Rank the components and propose hypotheses: `hypotheses`."""
    say(key, "hypotheses", "")
    folder = workspace.folder(key)
    data = _redacted(workspace, key)[1]
    vault = _watched(workspace, folder, "hypotheses")
    reader = EvidenceReader(vault, data.evidence.artifacts, RedactionMap.read(folder))
    diagnosis = diagnose(data, reader)
    proposed = propose(diagnosis, data, reader)
    write_json(folder.diagnosis, diagnosis)
    write_json(folder.hypotheses, proposed)
    leading = diagnosis.ranking[0].component if diagnosis.ranking else "nothing"
    line = f"{diagnosis.verdict}: {leading} leads {len(diagnosis.ranking)} components"
    line += f"; {len(proposed.hypotheses)} hypotheses"
    say(key, "hypotheses", line)
    return StageReport(
        line=line,
        data_version=_digest_of(folder.diagnosis, folder.hypotheses),
        counts={"components": len(diagnosis.ranking), "hypotheses": len(proposed.hypotheses)},
        facts={
            "verdict": diagnosis.verdict,
            "leading": leading,
            "onset": diagnosis.onset or "unknown",
            **_derived(workspace, key, "hypotheses"),
        },
    )


def validate(workspace: Workspace, key: str) -> StageReport:
    """Run the checks of every hypothesis and settle its status: `validated_checks`."""
    say(key, "validated_checks", "")
    folder = workspace.folder(key)
    proposed = Hypotheses.model_validate_json(folder.hypotheses.read_bytes())
    data = _redacted(workspace, key)[1]
    read = (folder.redacted_events, folder.samples, folder.redacted_series)
    inputs = {path.relative_to(folder.root).as_posix(): file_sha256(path) for path in read}
    vault = _watched(workspace, folder, "validated_checks")
    reader = EvidenceReader(vault, data.evidence.artifacts, RedactionMap.read(folder))
    checked = run_checks(data, proposed, inputs, reader)
    write_json(folder.validated_checks, checked)
    counts = dict.fromkeys(("supported", "refuted", "inconclusive"), 0)
    for hypothesis in checked.hypotheses:
        counts[hypothesis.status] += 1
    ran = sum(len(hypothesis.checks) for hypothesis in checked.hypotheses)
    line = f"{ran} checks run: " + ", ".join(f"{count} {status}" for status, count in counts.items())
    say(key, "validated_checks", line)
    return StageReport(
        line=line,
        data_version=_digest_of(folder.validated_checks),
        counts={"checks": ran, **counts},
        facts={
            "validated_checks_sha256": file_sha256(folder.validated_checks),
            **_derived(workspace, key, "validated_checks"),
        },
    )


def write_postmortem(workspace: Workspace, key: str) -> StageReport:
    """Draft, assemble and render: `postmortem`."""
    say(key, "postmortem", "")
    folder = workspace.folder(key)
    _redacted(workspace, key)
    evidence = redact_record(sealed(folder), load_or_create_token_key(workspace.config_dir))
    inputs = DraftInputs.read(folder, evidence, _watched(workspace, folder, "postmortem"))
    # The counts and times that sentences state, so that a reader can look each one up.
    write_json(folder.facts, inputs.facts)
    written, ledger = assemble(inputs, draft(inputs))
    write_json(folder.postmortem, written)
    write_json(folder.ledger, ledger)
    write_bytes(folder.postmortem_text, render_markdown(written, ledger).encode())
    write_bytes(folder.report, render_html(inputs, written, ledger).encode())
    honesty = written.honesty
    line = (
        f"{honesty.sentences} sentences, {honesty.citations} citations, {honesty.refused_statements} refused"
    )
    say(key, "postmortem", line)
    return StageReport(
        line=line,
        data_version=_digest_of(folder.postmortem, folder.ledger),
        counts={
            "sentences": honesty.sentences,
            "citations": honesty.citations,
            "refused_statements": honesty.refused_statements,
        },
        facts={**_derived(workspace, key, "postmortem", drafter="deterministic")},
    )


def sealed(folder: ResultsFolder) -> SealedEvidence:
    """Read what was sealed for an incident.

    Raises:
        MissingArtifactError: nothing was sealed yet.
    """
    if not folder.evidence.is_file():
        advice = "Materialize sealed_evidence for this incident first."
        raise MissingArtifactError(f"{folder.root.name}: no sealed evidence.", advice=advice)
    return SealedEvidence.model_validate_json(folder.evidence.read_bytes())


def _derived(workspace: Workspace, key: str, stage: str, **configuration: str) -> dict[str, str]:
    """Sign what a stage made from what (`export.derivation`), and give the statement's digest."""
    if not workspace.signs:
        return {}
    sealer = open_sealer(
        signer=workspace.signer,
        tsa=workspace.tsa,
        tsa_url=workspace.tsa_url,
        folder=workspace.config_dir,
        now=datetime.now(UTC),  # at which the key must be valid; it stands in no file
    )
    digest = write_derivation(
        workspace.folder(key), stage, sealer.opened.signer, configuration, authority=sealer.authority
    )
    return {"derivation_sha256": digest}


def _redacted(workspace: Workspace, key: str) -> tuple[Redaction, IncidentTables]:
    """Give the redacted view, made where none stands that fits, and the tables that later stages read.

    Raises:
        MissingArtifactError: nothing was parsed yet.
    """
    folder = workspace.folder(key)
    evidence = sealed(folder)
    if not folder.series.is_file():
        advice = "Materialize parsed_events for this incident first."
        raise MissingArtifactError(f"{folder.root.name}: no event table.", advice=advice)
    rules = Rules.of(workspace.redact_addresses, workspace.redact_keys)
    token_key = load_or_create_token_key(workspace.config_dir)
    view = ensure_redacted(folder, evidence, _reader(workspace, folder, "embeddings"), token_key, rules)
    return view, read_redacted(folder, evidence)


def _reader(workspace: Workspace, folder: ResultsFolder, stage: str) -> EvidenceReader:
    return EvidenceReader(_watched(workspace, folder, stage), sealed(folder).artifacts)


def _watched(workspace: Workspace, folder: ResultsFolder, stage: str) -> WatchedVault:
    return workspace.watched_vault(folder.root.name, sealed(folder), action=stage, reason="pipeline run")


def _digest_of(*paths: Path) -> str:
    return sha256_hex("".join(file_sha256(path) for path in paths).encode())[:16]


def _problem_tail(problems: tuple[Problem, ...]) -> str:
    return f"; {len(problems)} remarks" if problems else ""
