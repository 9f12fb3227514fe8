"""The stages of an incident as plain functions: read files, call the library, write files.

The Dagster assets and the command line both call these, so that neither holds logic the other would
have to repeat. A stage reads evidence only through the vault and writes only into the incident's
results folder; each can run again and gives the same bytes. Nothing here imports Dagster.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from incident_pipeline.checks import run_checks
from incident_pipeline.diagnosis import diagnose, propose
from incident_pipeline.drafting import DraftInputs, draft
from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.evidence import EvidenceReader, load_or_create_local_signer, seal
from incident_pipeline.evidence.verify import verify_seal
from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.artifact import Problem, SealedEvidence
from incident_pipeline.model.hypothesis import Hypotheses
from incident_pipeline.parsers import parse_sealed, write_tables
from incident_pipeline.parsers.table import write_table
from incident_pipeline.postmortem import assemble, render_html, render_markdown
from incident_pipeline.progress import report as say
from incident_pipeline.retrieval import build_index, load_embedder, make_chunks
from incident_pipeline.serialise import compact_json, sha256_hex, write_bytes, write_json
from incident_pipeline.signals import mine_templates
from incident_pipeline.signals.tables import IncidentTables
from incident_pipeline.timeline import build_timeline, narrative

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from incident_pipeline.evidence.verify import VerificationReport
    from incident_pipeline.results import ResultsFolder
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
    signer = load_or_create_local_signer(workspace.config_dir)
    folder = workspace.folder(key)
    with workspace.scratch() as scratch:
        bundle = open_bundle(workspace.source(key), scratch)
        sealed = seal(bundle, workspace.vault(), signer.signer, now=now)
    _discard_results_of_other_evidence(folder, sealed.evidence)
    write_bytes(folder.manifest, sealed.manifest)
    write_json(folder.evidence, sealed.evidence)
    state = "new seal" if sealed.created else "seal stands"
    line = f"{state} {sealed.sequence}, root {sealed.evidence.evidence_root[:12]}, key {signer.keyid[:12]}"
    line += _problem_tail(sealed.evidence.problems)
    if signer.created:
        line += f"; made a signing key in {signer.key_path.parent}, back up {signer.trust_path}"
    say(key, "sealed_evidence", line, sealed.evidence.problems)
    return StageReport(
        line=line,
        data_version=sealed.evidence.evidence_root[:16],
        counts={"artifacts": len(sealed.evidence.artifacts), "sequence": sealed.sequence},
        facts={
            "evidence_root": sealed.evidence.evidence_root,
            "key_id": signer.keyid,
            "manifest_sha256": sha256_hex(sealed.manifest),
        },
        problems=sealed.evidence.problems,
    )


def check_seal(workspace: Workspace, key: str) -> VerificationReport:
    """Verify signature and bytes of an incident's seal; the blocking check between sealing and parsing."""
    return verify_seal(
        workspace.folder(key).root, vault=workspace.vault(), trust_root=None, config_dir=workspace.config_dir
    )


def parse_events(workspace: Workspace, key: str) -> StageReport:
    """Parse the sealed artifacts into the event table: `parsed_events`."""
    say(key, "parsed_events", "")
    folder = workspace.folder(key)
    evidence = sealed(folder)
    parsed = parse_sealed(EvidenceReader(workspace.vault(), evidence.artifacts), evidence.artifacts)
    write_tables(parsed, folder)
    write_table(folder.templates, mine_templates(parsed.events))
    counts = {
        "events": parsed.events.num_rows,
        "samples": parsed.samples.num_rows,
        "series": parsed.series.num_rows,
        "quarantined": parsed.quarantine.num_rows,
    }
    line = ", ".join(f"{count:,} {name}" for name, count in counts.items()) + _problem_tail(parsed.problems)
    say(key, "parsed_events", line, parsed.problems)
    return StageReport(
        line=line,
        data_version=_digest_of(folder.events, folder.samples, folder.series, folder.quarantine),
        counts=counts,
        facts={"events_sha256": file_sha256(folder.events), "samples_sha256": file_sha256(folder.samples)},
        problems=parsed.problems,
    )


def embed(workspace: Workspace, key: str) -> StageReport:
    """Index the distinct things of an incident for retrieval: `embeddings`. Degrades to full text."""
    say(key, "embeddings", "")
    folder = workspace.folder(key)
    chunks = make_chunks(tables(folder))
    built = build_index(chunks, folder, load_embedder(workspace.embedder))
    line = f"{built.chunks:,} chunks, {built.mode}" + (f" ({built.note})" if built.note else "")
    say(key, "embeddings", line)
    return StageReport(
        line=line,
        data_version=built.data_version[:16],
        counts={"chunks": built.chunks, "embedded": built.embedded},
        facts={"mode": built.mode, "embedder": built.embedder, "weights_sha256": built.weights_sha256 or ""},
    )


def order_timeline(workspace: Workspace, key: str) -> StageReport:
    """Put all events in order and pick the key entries: `timeline`."""
    say(key, "timeline", "")
    folder = workspace.folder(key)
    built = build_timeline(tables(folder))
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
        facts={"merkle_root": built.timeline.merkle_root, "timeline_sha256": file_sha256(folder.timeline)},
    )


def rank_hypotheses(workspace: Workspace, key: str) -> StageReport:
    """Rank the components and propose hypotheses: `hypotheses`."""
    say(key, "hypotheses", "")
    folder = workspace.folder(key)
    reader, data = _reader(workspace, folder), tables(folder)
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
        facts={"verdict": diagnosis.verdict, "leading": leading, "onset": diagnosis.onset or "unknown"},
    )


def validate(workspace: Workspace, key: str) -> StageReport:
    """Run the checks of every hypothesis and settle its status: `validated_checks`."""
    say(key, "validated_checks", "")
    folder = workspace.folder(key)
    proposed = Hypotheses.model_validate_json(folder.hypotheses.read_bytes())
    inputs = {path.name: file_sha256(path) for path in (folder.events, folder.samples, folder.series)}
    checked = run_checks(tables(folder), proposed, inputs, _reader(workspace, folder))
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
        facts={"validated_checks_sha256": file_sha256(folder.validated_checks)},
    )


def write_postmortem(workspace: Workspace, key: str) -> StageReport:
    """Draft, assemble and render: `postmortem`."""
    say(key, "postmortem", "")
    folder = workspace.folder(key)
    evidence = sealed(folder)
    inputs = DraftInputs.read(folder, evidence, workspace.vault())
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


def tables(folder: ResultsFolder) -> IncidentTables:
    """Read the tables of an incident.

    Raises:
        MissingArtifactError: nothing was parsed yet.
    """
    evidence = sealed(folder)
    if not folder.series.is_file():
        advice = "Materialize parsed_events for this incident first."
        raise MissingArtifactError(f"{folder.root.name}: no event table.", advice=advice)
    return IncidentTables.read(folder, evidence)


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _discard_results_of_other_evidence(folder: ResultsFolder, evidence: SealedEvidence) -> None:
    """Remove what was derived from evidence that this seal supersedes: it must not pass for this one's."""
    if folder.evidence.is_file() and sealed(folder).evidence_root != evidence.evidence_root:
        for path in (*folder.derived, folder.evidence):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _reader(workspace: Workspace, folder: ResultsFolder) -> EvidenceReader:
    return EvidenceReader(workspace.vault(), sealed(folder).artifacts)


def _digest_of(*paths: Path) -> str:
    return sha256_hex("".join(file_sha256(path) for path in paths).encode())[:16]


def _problem_tail(problems: tuple[Problem, ...]) -> str:
    return f"; {len(problems)} remarks" if problems else ""
