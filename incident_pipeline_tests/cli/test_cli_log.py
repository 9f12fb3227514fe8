"""The `log` commands and `verify --checkpoint`, as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.evidence.checkpoint import read_checkpoint
from incident_pipeline.evidence.log_records import ENTRIES
from incident_pipeline.evidence.merkle import consistent, included
from incident_pipeline_tests.evidence.log_case import LogCase


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogCase:
    case = LogCase(tmp_path)
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    monkeypatch.chdir(tmp_path)
    case.seals(3)
    return case


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    code = stopped.value.code
    return code if isinstance(code, int) else 0, captured.out, captured.err


def test_checkpoint_prints_the_note_that_verify_takes(
    logged: LogCase, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(["log", "checkpoint", "out"], capsys)
    assert (code, out.encode()) == (0, logged.log().note)
    Path("kept.checkpoint").write_text(out)
    assert run(["verify", "out", "--checkpoint", "kept.checkpoint"], capsys)[0] == 0
    code, out, _ = run(["log", "checkpoint", str(logged.vault.root), "--json"], capsys)
    said = json.loads(out)
    assert (code, said["size"], said["root"]) == (0, 3, logged.log().root(3).hex())


def test_verify_says_that_nothing_is_pinned(logged: LogCase, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["verify", "out", "--json"], capsys)
    said = json.loads(out)
    assert code == 0
    assert "unanchored" in said["summary"]
    assert "unanchored" in [it["name"] for it in said["remarks"]]
    code, out, _ = run(["verify", "out"], capsys)
    assert "remark" in out
    assert run(["log", "pin", "out"], capsys)[0] == 0
    code, out, _ = run(["verify", "out", "--json"], capsys)
    assert (code, json.loads(out)["counts"]["pin"]) == (0, {"ok": 1})
    assert "unanchored" not in out


def test_a_pin_finds_the_rollback(logged: LogCase, capsys: pytest.CaptureFixture[str]) -> None:
    run(["log", "pin", "out"], capsys)
    logged.truncate(1)
    code, out, _ = run(["verify", str(logged.vault.root)], capsys)
    assert code == 1
    assert "The log was rolled back: it has 1 entries" in out
    code, _, err = run(["log", "pin", "out"], capsys)
    assert code == 1
    assert "rolled back" in err


def test_prove_gives_proofs_that_hold(logged: LogCase, capsys: pytest.CaptureFixture[str]) -> None:
    _, old, _ = run(["log", "checkpoint", "out"], capsys)
    Path("old.checkpoint").write_text(old)
    logged.seals(2, first=3)
    code, out, _ = run(["log", "prove", "inc-1", "2", "out", "--since", "old.checkpoint"], capsys)
    assert code == 0
    proof = json.loads(out)
    newest = read_checkpoint(proof["checkpoint"].encode()).checkpoint
    path = [bytes.fromhex(node) for node in proof["inclusion_proof"]]
    assert included(bytes.fromhex(proof["leaf_hash"]), 1, 5, path, newest.root)
    grown = [bytes.fromhex(node) for node in proof["consistency_proof"]["path"]]
    assert consistent(3, read_checkpoint(old.encode()).checkpoint.root, 5, newest.root, grown)
    assert run(["log", "prove", "inc-1", "9", "out"], capsys)[0] == 1


def test_a_pin_may_be_one_that_somebody_else_kept(
    logged: LogCase, capsys: pytest.CaptureFixture[str]
) -> None:
    _, old, _ = run(["log", "checkpoint", "out"], capsys)
    Path("old.checkpoint").write_text(old)
    logged.seals(1, first=3)
    code, out, _ = run(["log", "pin", "out", "--checkpoint", "old.checkpoint", "--json"], capsys)
    assert (code, json.loads(out)["size"]) == (0, 3)
    code, out, _ = run(["log", "pin", "out", "--json"], capsys)
    assert (code, json.loads(out)["size"]) == (0, 4)
    # A pin never goes back.
    code, out, _ = run(["log", "pin", "out", "--checkpoint", "old.checkpoint", "--json"], capsys)
    assert (code, json.loads(out)["size"]) == (0, 4)


def test_repair_enters_what_a_killed_run_left_out(
    logged: LogCase, capsys: pytest.CaptureFixture[str]
) -> None:
    last = logged.vault.list_records(ENTRIES)[-1]
    (logged.vault.root / "records" / last).unlink()
    (logged.records / "checkpoints/00000003").unlink()
    (logged.records / "proofs/inc-1/000003.json").unlink()
    code, out, err = run(["log", "checkpoint", "out"], capsys)
    assert (code, read_checkpoint(out.encode()).checkpoint.size) == (0, 2)
    assert "seal inc-1/000003 is not in the log" in err
    code, out, err = run(["log", "checkpoint", "out", "--repair"], capsys)
    assert (code, read_checkpoint(out.encode()).checkpoint.size) == (0, 3)
    assert "entered seal inc-1/000003" in err


def test_no_log_and_no_trust_are_said(
    logged: LogCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["log", "checkpoint", "nowhere"], capsys)[0] == 3
    assert run(["verify", "out", "--checkpoint", "nowhere"], capsys)[0] == 3
    shutil.rmtree(logged.records)
    code, _, err = run(["log", "checkpoint", "out"], capsys)
    assert code == 3
    assert "the vault has no log" in err
    shutil.rmtree(tmp_path / "config")
    assert run(["log", "checkpoint", "out"], capsys)[0] == 3
