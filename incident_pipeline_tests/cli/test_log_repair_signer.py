"""`log checkpoint --repair` signs as sealing does: with the configured signer, whose key must be active."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incident_pipeline.cli import main
from incident_pipeline.evidence import load_trust_root, open_signer, seal
from incident_pipeline.evidence.checkpoint import read_checkpoint, verify_checkpoint
from incident_pipeline.evidence.trust_changes import Revocation, revoke_key
from incident_pipeline.ingest import open_bundle
from incident_pipeline_tests.evidence.kms_server import kms_server, needs_kms
from incident_pipeline_tests.evidence.sealed_case import Case


def repair(case: Case, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    code = 0
    try:
        main(["log", "checkpoint", str(case.out), "--repair", "--json"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(capsys.readouterr().out)


@needs_kms
@pytest.mark.server
def test_the_checkpoint_is_signed_by_the_key_in_kms_and_no_local_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import boto3  # noqa: PLC0415 -- slow to import, and only needed here

    with kms_server(tmp_path) as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        made = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
        setting = f"awskms:{made['KeyMetadata']['KeyId']}"
        case = Case(tmp_path / "case")
        monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
        monkeypatch.setenv("INCIDENT_PIPELINE_SIGNER", setting)
        opened = open_signer(setting, case.config)
        bundle = open_bundle(case.bundle(), tmp_path / "scratch")
        seal(bundle, case.vault, opened.signer, now=datetime.now(UTC))
        shutil.rmtree(case.vault.root / "records" / "log")  # as if killed right after the seal
        code, said = repair(case, capsys)
    assert (code, said["size"], said["unlogged"]) == (0, 1, [])
    signed = read_checkpoint(str(said["checkpoint"]).encode())
    assert verify_checkpoint(signed, load_trust_root(folder=case.config).keys).keyid == opened.keyid
    assert not (case.config / "keys").exists()


def test_a_revoked_key_repairs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(tmp_path)
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    case.seal()
    shutil.rmtree(case.vault.root / "records" / "log")
    revoke_key(case.config, case.signer.keyid, Revocation("stolen"), datetime.now(UTC))
    code, said = repair(case, capsys)
    assert code == 2
    assert "may not seal any more" in str(said["error"])
    assert not (case.vault.root / "records" / "log").exists()
