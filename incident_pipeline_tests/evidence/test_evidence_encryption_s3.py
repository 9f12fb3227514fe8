"""Encrypted evidence in a bucket that locks: sealed through Dagster, held, prolonged, and shredded."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incident_pipeline.cli import main
from incident_pipeline.evidence import DataKeys
from incident_pipeline.evidence.s3_vault import S3Vault
from incident_pipeline.local_run import local_instance, run_incident
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests.evidence.object_stores import Store

pytestmark = pytest.mark.server
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


def test_a_locked_ciphertext_ends_with_its_key(
    seaweedfs_store: Store,
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in seaweedfs_store.environment("admin").items():
        monkeypatch.setenv(name, value)
    for name, value in {
        "VAULT": seaweedfs_store.url(), "VAULT_MODE": "GOVERNANCE", "VAULT_RETENTION_DAYS": "1",
        "ENCRYPTION": "local", "EMBEDDER": "none",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"INCIDENT_PIPELINE_{name}", value)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    workspace = Workspace.from_settings(Settings.load(), out=out)
    key = workspace.register(small_bundle)
    with local_instance(workspace) as instance:
        assert run_incident(workspace, key, until="parsed_events", instance=instance).exit_code == 0
    assert (out / ".store" / "access.jsonl").is_file()
    code, text, _ = run(["verify", str(out), "--json"], capsys)
    report = json.loads(text)
    assert code == 0, report["failures"]
    assert report["counts"]["plaintext"] == {"ok": 8}
    assert report["counts"]["lock"] == {"ok": 8}

    evidence = json.loads((out / key / "evidence.json").read_text())
    chat = next(it for it in evidence["artifacts"] if it["uri"] == "chat/incident.json")
    vault = workspace.vault()
    assert isinstance(vault, S3Vault)
    assert b"carts fail" not in vault.read(chat["stored_sha256"])

    (tmp_path / "policy.toml").write_text("[retention]\nkeep_days = 9\n")
    hold = ["retention", "hold", key, "--out", str(out), "--reason", "inquiry", "--authority", "counsel"]
    assert run(hold, capsys)[0] == 0
    assert vault.lock_of(chat["stored_sha256"]).legal_hold
    erase = ["retention", "erase", key, "--artifact", chat["uri"], "--out", str(out), *BECAUSE]
    assert run(erase, capsys)[0] == 2
    hold[1] = "release"
    assert run(hold, capsys)[0] == 0
    assert not vault.lock_of(chat["stored_sha256"]).legal_hold
    apply = ["retention", "apply", "--out", str(out), "--policy", "policy.toml", "--authority", "counsel"]
    assert run(apply, capsys)[0] == 0
    until = vault.lock_of(chat["stored_sha256"]).retain_until
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(days=8)

    assert run(erase, capsys)[0] == 0
    assert DataKeys(out / ".store" / "keys").read(key, chat["sha256"]) is None
    code, text, _ = run(["verify", str(out), "--json"], capsys)
    report = json.loads(text)
    assert not [it for it in report["failures"] if it["outcome"] == "failed"]
    assert report["counts"]["artifact"] == {"ok": 8}
    (remark,) = (it["message"] for it in report["remarks"] if it["name"] == chat["uri"])
    assert remark.startswith("erased by authority of data protection officer")
