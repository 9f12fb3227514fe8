"""The retention commands as a person runs them, on a vault that `investigate` encrypted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incident_pipeline.cli import main
from incident_pipeline.settings import Settings
from incident_pipeline.stages import parse_events
from incident_pipeline.workspace import Workspace

POLICY = """\
[retention]
keep_days = 365
[[retention.rule]]
class = "chat"
keep_days = 0
basis = "works council"
"""
BECAUSE = ["--reason", "request of the person", "--authority", "data protection officer"]


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = 0
    try:
        main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def sealed(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_PIPELINE_ENCRYPTION", "local")
    monkeypatch.setenv("INCIDENT_PIPELINE_EMBEDDER", "none")
    (tmp_path / "policy.toml").write_text(POLICY)
    code, _, err = run(["investigate", str(small_bundle), "--out", "out", "--until", "parsed_events"], capsys)
    assert code == 0, err
    assert "made the key-encryption key" in err
    return tmp_path


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    code, out, _ = run(["retention", "plan", "--out", "out", "--policy", "policy.toml", "--json"], capsys)
    assert code == 0
    return {row["artifact"]: row["state"] for row in json.loads(out)["plan"]}


def test_a_hold_keeps_what_is_due_and_its_release_lets_it_end(
    sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert states(capsys)["chat/incident.json"] == "due"
    hold = ["retention", "hold", "small-1", "--out", "out", "--reason", "inquiry", "--authority", "counsel"]
    code, out, _ = run(hold, capsys)
    assert (code, "custody entry 1 of small-1: held by authority of counsel" in out) == (0, True)
    assert "under this hold already" in run(hold, capsys)[1]
    assert set(states(capsys).values()) == {"held"}

    erase = ["retention", "erase", "small-1", "--artifact", "logs/app.jsonl", "--out", "out", *BECAUSE]
    code, _, err = run(erase, capsys)
    assert code == 2
    assert "small-1 is under legal hold" in err
    apply = ["retention", "apply", "--out", "out", "--policy", "policy.toml", "--authority", "counsel"]
    assert "0 artifacts ended" in run(apply, capsys)[1]

    release = [
        "retention",
        "release",
        "small-1",
        "--out",
        "out",
        "--reason",
        "closed",
        "--authority",
        "counsel",
    ]
    assert run(release, capsys)[0] == 0
    code, out, _ = run(apply, capsys)
    assert code == 0
    assert "ended small-1 chat/incident.json: class chat: 0 days (works council)" in out
    assert states(capsys)["chat/incident.json"] == "ended"

    code, out, _ = run(erase, capsys)
    assert (code, "Copies of the keys folder" in out) == (0, True)
    code, out, _ = run(["verify", "out", "--json"], capsys)
    report = json.loads(out)
    ended = {row["name"] for row in report["remarks"] if row["kind"] == "custody"}
    assert {"chat/incident.json", "logs/app.jsonl"} <= ended
    assert report["counts"]["artifact"] == {"ok": 8}
    assert report["counts"]["plaintext"] == {"ok": 6}
    assert report["counts"]["custody"] == {"ok": 4}
    assert not [row for row in report["failures"] if row["outcome"] == "failed"]


def test_every_stage_and_command_that_read_raw_evidence_is_in_the_access_log(
    sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", "out"], capsys)[0] == 0
    lines = (sealed / "out" / ".store" / "vault" / "access.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    actions = {entry["action"] for entry in entries}
    assert {"digests_match", "parsed_events", "verify"} <= actions
    for action in actions:
        assert sum(entry["action"] == action for entry in entries) == 7
    assert {entry["incident"] for entry in entries} == {"small-1"}


def test_wrong_usage_is_named(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["retention", "plan", "--out", "out"], capsys)
    assert (code, "No policy says how long" in err) == (2, True)
    code, _, err = run(["retention", "hold", "nothing", "--out", "out", *BECAUSE], capsys)
    assert (code, "no seal of nothing" in err) == (3, True)
    code, _, err = run(
        ["retention", "erase", "small-1", "--artifact", "nothing", "--out", "out", *BECAUSE], capsys
    )
    assert (code, "has an artifact 'nothing'" in err) == (3, True)


def test_a_stage_names_what_was_erased_and_goes_on_with_the_rest(
    sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    erase = ["retention", "erase", "small-1", "--artifact", "logs/app.jsonl", "--out", "out", *BECAUSE]
    assert run(erase, capsys)[0] == 0
    report = parse_events(Workspace.from_settings(Settings.load(), out=Path("out")), "small-1")
    (problem,) = report.problems
    assert (problem.uri, problem.exit_code) == ("logs/app.jsonl", 3)
    assert "was erased by authority of data protection officer" in problem.detail
    assert report.counts["events"] > 0
