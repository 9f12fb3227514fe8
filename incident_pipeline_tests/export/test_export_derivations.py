"""The chain on a small incident: every stage signs, every file is covered, and a walk leads to bytes."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incident_pipeline import stages
from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError, IncidentPipelineError, MissingArtifactError
from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root
from incident_pipeline.export import export, verify_path
from incident_pipeline.export.derivation import read_derivation, statement_path
from incident_pipeline.export.steps import STEPS
from incident_pipeline.export.verify_derivations import SELF_SIGNED, result_files
from incident_pipeline.export.walk import explain
from incident_pipeline.export.walk_text import visible, walk_lines
from incident_pipeline.serialise import sha256_hex
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import small_incident
from incident_pipeline_tests.evidence.sealed_case import Case

KEY = "small-1"


class Investigated:
    """A small incident after all stages, and what each reported."""

    def __init__(self, root: Path) -> None:
        self.config = root / "config"
        settings = Settings(embedder="none", config_dir=str(self.config), tsa="none")
        self.workspace = Workspace.from_settings(settings, out=root / "out")
        key = self.workspace.register(small_incident.write(root / "bundle"))
        now = datetime(2026, 1, 31, tzinfo=UTC)
        self.reports = {"sealed_evidence": stages.seal_evidence(self.workspace, key, now=now)}
        for stage, run in (
            ("parsed_events", stages.parse_events),
            ("embeddings", stages.embed),
            ("timeline", stages.order_timeline),
            ("hypotheses", stages.rank_hypotheses),
            ("validated_checks", stages.validate),
            ("postmortem", stages.write_postmortem),
        ):
            self.reports[stage] = run(self.workspace, key)

    @property
    def root(self) -> Path:
        return self.workspace.folder(KEY).root


@pytest.fixture(scope="module")
def investigated(tmp_path_factory: pytest.TempPathFactory) -> Investigated:
    return Investigated(tmp_path_factory.mktemp("investigated"))


def test_every_stage_signs_and_every_file_is_covered(investigated: Investigated) -> None:
    report = verify_path(investigated.root, config_dir=investigated.config)
    assert report.exit_code == 0, report.failures
    files = set(result_files(investigated.root)) - set(SELF_SIGNED)
    assert report.counts["derivation"] == {"ok": len(files)}
    assert {name.split("/")[1] for name in files if name.startswith("derivations/")} == {
        f"{stage}.sigstore.json" for stage in STEPS
    }
    for stage, stage_report in investigated.reports.items():
        digest = sha256_hex(statement_path(investigated.root, stage).read_bytes())
        assert stage_report.facts["derivation_sha256"] == digest


def test_any_result_goes_back_to_sealed_bytes(investigated: Investigated) -> None:
    trust = load_trust_root(folder=investigated.config)
    sealed = {it.stored_sha256 for it in stages.sealed(investigated.workspace.folder(KEY)).artifacts}
    statements = {
        stage: read_derivation(statement_path(investigated.root, stage).read_bytes(), trust, name=stage)
        for stage in STEPS
    }
    maker = {it.name: stage for stage, found in statements.items() for it in found.subject}
    parsed = statements["parsed_events"].predicate
    assert {it.digest.sha256 for it in parsed.materials if it.name.startswith("objects/")} >= sealed
    for stage, statement in statements.items():
        seen, pending = set(), [stage]
        while pending:
            seen.add(step := pending.pop())
            names = [it.name for it in statements[step].predicate.materials if it.name in maker]
            pending += [maker[name] for name in names if maker[name] not in seen]
        assert "sealed_evidence" in seen, stage
        text = statement.model_dump_json()
        assert str(investigated.workspace.out) not in text


def test_a_stage_that_runs_again_signs_the_same(investigated: Investigated) -> None:
    before = statement_path(investigated.root, "timeline").read_bytes()
    stages.order_timeline(investigated.workspace, KEY)
    assert statement_path(investigated.root, "timeline").read_bytes() == before


def run_command(config: Path, tsa: str, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(config))
        patch.setenv("INCIDENT_PIPELINE_TSA", tsa)
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("tsa", "code"), [("local", 0), ("none", 3)])
def test_statements_of_a_retired_key_count_by_their_time_stamps(tsa: str, code: int, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    config = tmp_path / "config"
    settings = Settings(embedder="none", config_dir=str(config), tsa=tsa)
    workspace = Workspace.from_settings(settings, out=tmp_path / "out")
    key = workspace.register(small_incident.write(tmp_path / "bundle"))
    stages.seal_evidence(workspace, key, now=datetime.now(UTC))
    stages.parse_events(workspace, key)
    bag = tmp_path / "bag"
    assert run_command(config, tsa, "export", str(workspace.out), "--out", str(bag)) == 0
    signer = load_or_create_local_signer(config)
    assert run_command(config, tsa, "keys", "rotate", "--replaces", signer.keyid) == 0
    for path in (workspace.out, bag):
        report = verify_path(path, config_dir=config)
        assert report.exit_code == code, report.failures


def commands(lines: list[str]) -> list[str]:
    return [
        line.strip().removeprefix("$ ").split("    #")[0] for line in lines if line.lstrip().startswith("$ ")
    ]


def run(command: str) -> bytes:
    return subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout


@pytest.mark.parametrize("exported", [False, True])
def test_a_sceptic_can_run_every_command_of_a_walk(
    investigated: Investigated, exported: bool, tmp_path: Path, tools: Path
) -> None:
    path = investigated.workspace.out
    if exported:
        path = tmp_path / "a bag"  # the space must not hurt
        signer = load_or_create_local_signer(investigated.config).signer
        export(investigated.workspace.out, path, signer, config_dir=investigated.config)
    ledger = json.loads((investigated.root / "ledger.json").read_bytes())
    sentence = next(it for it in ledger["sentences"] if len(it["derived_from"]) > 1)
    walk = explain(path, sentence["id"], config_dir=investigated.config)
    lines = walk_lines(walk)
    assert walk.report.exit_code == 0
    excerpts = [it["excerpt"].encode() for it in sentence["citations"]]
    assert [run(it) for it in commands(lines) if "| head -c" in it] == excerpts
    for citation in sentence["citations"]:
        assert any(
            run(it).decode().startswith(citation["sha256"])
            for it in commands(lines)
            if it.startswith("sha256sum ")
        )
    values = [json.loads(run(it)) for it in commands(lines) if it.startswith("jq 'getpath")]
    assert len(values) == len(sentence["derived_from"])
    checked = [run(it).decode() for it in commands(lines) if it.endswith("sha256sum -c)")]
    assert len(checked) == len(walk.made) + 1
    assert all(line.endswith(": OK") for text in checked for line in text.splitlines())
    assert {made.statement.predicate.stage for made in walk.made} >= {"parsed_events", "sealed_evidence"}
    assert sum(line.startswith("holds: ") for line in lines) == 1 + len(excerpts) + len(values)
    assert lines[-1].startswith("Everything holds")


def test_a_walk_says_what_no_longer_holds(case: Case) -> None:
    case.results.timeline.write_bytes(b'{"entries": [{"position": 7}]}')
    walk = explain(case.out, "S1", config_dir=case.config)
    lines = walk_lines(walk)
    assert walk.report.exit_code == 1
    assert any(line.startswith("FAILED: S1, timeline.json/entries/0/position") for line in lines)
    assert any("/entries/0/position = 7" in line for line in lines)
    (case.results.root / "derivations" / "timeline.sigstore.json").unlink()
    assert any(
        "no statement says who made it" in it
        for it in walk_lines(explain(case.out, "S1", config_dir=case.config))
    )


def test_a_walk_from_nowhere_says_so(case: Case) -> None:
    with pytest.raises(MissingArtifactError) as caught:
        explain(case.out, "S77", config_dir=case.config)
    assert "S1" in caught.value.advice
    twin = case.out / "inc-2"
    twin.mkdir()
    for name in ("ledger.json", "manifest.sigstore.json"):
        (twin / name).write_bytes((case.results.root / name).read_bytes())
    with pytest.raises(ConfigError, match="Several incidents"):
        explain(case.out, "S1", config_dir=case.config)
    (twin / "ledger.json").write_bytes(b"{}")
    with pytest.raises(IncidentPipelineError, match="is no ledger"):
        explain(case.out, "S1", config_dir=case.config)


def test_what_a_terminal_would_act_on_is_shown_as_an_escape() -> None:
    assert visible("a\x1b[31mb\u202ec\n") == "a\\x1b[31mb\\u202ec\\n"
    assert visible("\ud800 café") == "\\ud800 café"


def test_hostile_names_are_quoted_for_the_shell(case: Case) -> None:
    place = case.root / "$(touch pwned) 'x'"
    case.out.rename(place)
    lines = walk_lines(explain(place, "S1", config_dir=case.config))
    for command in commands(lines):
        assert any(
            "$(touch pwned)" in word for word in shlex.split(command.replace("(cd ", "").replace(")", ")"))
        )
