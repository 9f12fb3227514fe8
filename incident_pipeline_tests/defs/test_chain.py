"""The whole chain on a small incident, in Dagster: outputs, metadata, determinism, tampering."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import dagster as dg
import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.local_run import RunOutcome, local_instance, run_incident
from incident_pipeline.settings import Settings
from incident_pipeline.stages import STAGES
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import check_citations, small_incident

COMPARED = (
    "events.parquet", "samples.parquet", "series.parquet", "quarantine.parquet", "templates.parquet",
    "timeline.parquet", "timeline.json", "diagnosis.json", "hypotheses.json", "validated_checks.json",
)  # fmt: skip
OUTPUTS = (
    *COMPARED, "manifest.sigstore.json", "timeline.md", "postmortem.json", "postmortem.md",
    "report.html", "ledger.json", "parse_report.json",
)  # fmt: skip


def workspace_at(out: Path) -> Workspace:
    return Workspace.from_settings(Settings(embedder="none"), out=out)


def run(workspace: Workspace, bundle: Path, until: str | None = None) -> RunOutcome:
    key = workspace.register(bundle)
    with local_instance(workspace) as instance:
        return run_incident(workspace, key, until=until, instance=instance)


def test_a_bundle_becomes_all_outputs_and_names_the_culprit(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    outcome = run(workspace, small_bundle)
    assert outcome.success, outcome.message
    assert outcome.exit_code == 0
    folder = tmp_path / "out" / "small-1"
    assert set(OUTPUTS) <= {path.name for path in folder.iterdir()}
    diagnosis = json.loads((folder / "diagnosis.json").read_bytes())
    assert diagnosis["verdict"] == "incident"
    assert diagnosis["ranking"][0]["component"] == "stock"
    assert json.loads((folder / "validated_checks.json").read_bytes())["hypotheses"]
    sentences, citations, wrong = check_citations.check(tmp_path / "out")
    assert wrong == []
    assert citations >= sentences > 10


def test_two_fresh_runs_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        bundle = small_incident.write(tmp_path / name / "small-bundle")
        assert run(workspace_at(tmp_path / f"out-{name}"), bundle).success
        folder = tmp_path / f"out-{name}" / "small-1"
        digests.append({file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in COMPARED})
    assert digests[0] == digests[1]


def test_compared_files_hold_no_path_of_the_machine(small_bundle: Path, tmp_path: Path) -> None:
    assert run(workspace_at(tmp_path / "out"), small_bundle).success
    for file in COMPARED:
        assert str(tmp_path).encode() not in (tmp_path / "out" / "small-1" / file).read_bytes()


def test_a_flipped_byte_in_the_vault_stops_everything_downstream(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    assert run(workspace, small_bundle, until="sealed_evidence").success
    objects = [path for path in (workspace.vault_root / "objects").rglob("*") if path.is_file()]
    victim = max(objects, key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o640)
    victim.write_bytes(data)
    outcome = run(workspace, small_bundle)
    assert not outcome.success
    assert (outcome.exit_code, outcome.failed_stage) == (1, "sealed_evidence")
    assert outcome.message
    assert "otlp/traces.jsonl" in outcome.message
    with local_instance(workspace) as instance:
        records = instance.get_records_for_run(outcome.run_id).records
    events = [record.event_log_entry for record in records]
    started = {
        event.step_key for event in events if event.dagster_event and event.dagster_event.is_step_start
    }
    assert started == {"raw_artifacts", "sealed_evidence"}
    assert not (tmp_path / "out" / "small-1" / "events.parquet").exists()


def test_until_stops_there_and_the_rest_can_follow(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    assert run(workspace, small_bundle, until="timeline").success
    folder = tmp_path / "out" / "small-1"
    assert (folder / "timeline.json").is_file()
    assert not (folder / "diagnosis.json").exists()
    with pytest.raises(ConfigError, match="no asset"):
        run(workspace, small_bundle, until="dessert")


def test_the_run_history_shows_lineage_and_metadata(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    assert run(workspace, small_bundle).success
    with local_instance(workspace) as instance:
        for stage in STAGES:
            event = instance.get_latest_materialization_event(dg.AssetKey(stage))
            assert event is not None
            materialization = event.asset_materialization
            assert materialization is not None
            assert materialization.partition == "small-1"
            assert materialization.metadata["summary"].value
            assert materialization.tags is not None
            assert materialization.tags["dagster/data_version"]


def test_the_other_artifacts_go_on_when_some_are_bad(tmp_path: Path) -> None:
    extra: list[dict[str, object]] = [
        {"type": "logs", "uri": "logs/gone.jsonl"},
        {"type": "logs", "uri": "s3://bucket/logs.gz", "hash": "sha256:..."},
        {"type": "logs", "uri": "logs/wrong.jsonl", "hash": "sha256:" + "0" * 64},
        {"type": "logs", "uri": "logs/cut.jsonl.gz"},
    ]
    bundle = small_incident.write(tmp_path / "bundle", extra=extra)
    (bundle / "logs" / "wrong.jsonl").write_text('{"ts": 1, "msg": "x"}\n')
    (bundle / "logs" / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut")
    outcome = run(workspace_at(tmp_path / "out"), bundle)
    assert outcome.success
    assert outcome.exit_code == 1
    said = {problem.uri: problem for problem in outcome.problems if problem.exit_code}
    assert set(said) == {"logs/gone.jsonl", "s3://bucket/logs.gz", "logs/wrong.jsonl", "logs/cut.jsonl.gz"}
    assert all(problem.advice for problem in said.values())
    assert (tmp_path / "out" / "small-1" / "report.html").is_file()


def test_other_evidence_under_the_same_id_leaves_no_result_of_the_old(
    small_bundle: Path, tmp_path: Path
) -> None:
    workspace = workspace_at(tmp_path / "out")
    assert run(workspace, small_bundle).success
    record = json.loads((small_bundle / "incident.json").read_bytes())
    (small_bundle / "logs" / "more.jsonl").write_text('{"ts": "2026-01-01T00:00:40Z", "msg": "more"}\n')
    record["artifacts"].append({"type": "logs", "uri": "logs/more.jsonl"})
    (small_bundle / "incident.json").write_text(json.dumps(record))
    assert run(workspace, small_bundle, until="sealed_evidence").success
    left = {path.name for path in (tmp_path / "out" / "small-1").iterdir()}
    assert left == {"evidence.json", "manifest.sigstore.json", "seal.log.json", "derivations"}
    derivations = tmp_path / "out" / "small-1" / "derivations"
    assert [path.name for path in derivations.iterdir()] == ["sealed_evidence.sigstore.json"]


def test_problems_are_those_of_this_run_also_when_it_ends_early(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    (small_bundle / "logs" / "app.jsonl").unlink()
    outcome = run(workspace, small_bundle, until="raw_artifacts")
    assert outcome.exit_code == 3
    assert [problem.uri for problem in outcome.problems] == ["logs/app.jsonl"]


def test_a_key_that_others_can_read_is_refused_with_its_remedy(small_bundle: Path, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / "out")
    assert run(workspace, small_bundle, until="sealed_evidence").success
    key = Path(os.environ["INCIDENT_PIPELINE_CONFIG_DIR"]) / "keys" / "seal.pem"
    key.chmod(0o644)
    outcome = run(workspace, small_bundle, until="sealed_evidence")
    assert (outcome.exit_code, outcome.failed_stage) == (2, "sealed_evidence")
    assert outcome.message
    assert "chmod 600" in outcome.message
    assert "Traceback" not in outcome.message
