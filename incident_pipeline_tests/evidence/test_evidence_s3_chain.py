"""Sealing into S3 through Dagster: locks on what was stored, signatures by KMS, holds, verification."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from incident_pipeline.cli import main
from incident_pipeline.evidence.s3_lock import S3Location
from incident_pipeline.local_run import RunOutcome, local_instance, run_incident
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests.evidence.kms_server import kms_server, needs_kms
from incident_pipeline_tests.evidence.object_stores import BUCKET, Store

pytestmark = pytest.mark.server
KEY = "small-1"


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with kms_server(tmp_path_factory.mktemp("kms")) as environ:
        yield environ


@pytest.fixture
def workspace(seaweedfs_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name, value in seaweedfs_store.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(tmp_path / "config"))
    url = seaweedfs_store.url()
    monkeypatch.setenv("INCIDENT_PIPELINE_VAULT", url)
    settings = Settings(
        embedder="none", vault=url, vault_mode="GOVERNANCE", vault_retention_days="1",
        config_dir=str(tmp_path / "config"),
    )  # fmt: skip
    return Workspace.from_settings(settings, out=tmp_path / "out")


def run(workspace: Workspace, bundle: Path, until: str | None = None) -> RunOutcome:
    key = workspace.register(bundle)
    with local_instance(workspace) as instance:
        return run_incident(workspace, key, until=until, instance=instance)


def verify(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(workspace.out), "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def predicate(workspace: Workspace) -> dict[str, Any]:
    bundle = json.loads(workspace.folder(KEY).manifest.read_bytes())
    return dict(json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"])


def places(workspace: Workspace) -> list[dict[str, Any]]:
    said = predicate(workspace)
    return [*(facts["store"] for facts in said["artifacts"]), said["incident"]["recordStore"]]


@needs_kms
def test_a_bundle_is_sealed_locked_signed_by_kms_and_verified(
    workspace: Workspace,
    small_bundle: Path,
    seaweedfs_store: Store,
    kms: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms["AWS_ENDPOINT_URL_KMS"])
    key_id = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"][
        "KeyId"
    ]
    workspace = replace(workspace, signer=f"awskms:{key_id}")
    outcome = run(workspace, small_bundle)
    assert outcome.success, outcome.message
    assert workspace.folder(KEY).report.is_file()
    assert predicate(workspace)["worm"] == "enforced-by-service"
    assert not (workspace.vault_root / "objects").exists()

    client, custodian = seaweedfs_store.client("ingest"), seaweedfs_store.client("admin")
    tomorrow = datetime.now(UTC) + timedelta(hours=23)
    for place in places(workspace):
        version = {"Bucket": place["bucket"], "Key": place["key"], "VersionId": place["versionId"]}
        kept = client.get_object_retention(**version)["Retention"]
        assert (kept["Mode"], place["mode"]) == ("GOVERNANCE", "GOVERNANCE")
        assert kept["RetainUntilDate"] == datetime.fromisoformat(place["retainUntil"]) > tomorrow
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(**version)

    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")  # verification needs no KMS
    code, report = verify(workspace, capsys)
    assert report["failures"] == []
    assert code == 0
    assert report["counts"]["lock"] == {"ok": len(places(workspace))}

    # A hold is the custodian's; it outlives the bypass that ends GOVERNANCE.
    held = places(workspace)[0]
    version = {"Bucket": held["bucket"], "Key": held["key"], "VersionId": held["versionId"]}
    custodian.put_object_legal_hold(**version, LegalHold={"Status": "ON"})
    with pytest.raises(ClientError, match="AccessDenied"):
        custodian.delete_object(**version, BypassGovernanceRetention=True)
    assert verify(workspace, capsys)[0] == 0
    custodian.put_object_legal_hold(**version, LegalHold={"Status": "OFF"})
    custodian.delete_object(**version, BypassGovernanceRetention=True)
    code, report = verify(workspace, capsys)
    assert code == 1
    assert {item["kind"] for item in report["failures"]} >= {"lock", "artifact"}
    assert any("though it was locked" in item["message"] for item in report["failures"])


def test_the_same_evidence_again_finds_its_seal_and_stores_nothing(
    workspace: Workspace, small_bundle: Path, seaweedfs_store: Store
) -> None:
    assert run(workspace, small_bundle, until="sealed_evidence").success
    manifest = workspace.folder(KEY).manifest.read_bytes()
    prefix = S3Location.parse(workspace.vault_url).key("objects/")
    client = seaweedfs_store.client()
    before = client.list_object_versions(Bucket=BUCKET, Prefix=prefix)["Versions"]
    assert run(workspace, small_bundle, until="sealed_evidence").success
    assert workspace.folder(KEY).manifest.read_bytes() == manifest
    after = client.list_object_versions(Bucket=BUCKET, Prefix=prefix)["Versions"]
    assert [it["VersionId"] for it in after] == [it["VersionId"] for it in before]


def test_what_shadows_sealed_bytes_changes_nothing_and_a_weakened_lock_is_named(
    workspace: Workspace, small_bundle: Path, seaweedfs_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(workspace, small_bundle, until="sealed_evidence").success
    custodian = seaweedfs_store.client("admin")
    for place in places(workspace):
        custodian.put_object(Bucket=place["bucket"], Key=place["key"], Body=b"all was well")
    outcome = run(workspace, small_bundle, until="parsed_events")
    assert outcome.success, outcome.message
    place = places(workspace)[0]
    version = {"Bucket": place["bucket"], "Key": place["key"], "VersionId": place["versionId"]}
    custodian.put_object_retention(
        **version, BypassGovernanceRetention=True,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=5)},
    )  # fmt: skip
    code, report = verify(workspace, capsys)
    assert code == 1
    # There is no postmortem yet, which is no failure.
    (failure,) = [item for item in report["failures"] if item["outcome"] == "failed"]
    assert failure["kind"] == "lock"
    assert "was locked in GOVERNANCE mode until" in failure["message"]


def test_another_vault_at_hand_can_not_vouch_for_the_locks(
    workspace: Workspace,
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(workspace, small_bundle, until="sealed_evidence").success
    for elsewhere in (str(tmp_path / "elsewhere"), f"{workspace.vault_url}-other"):
        monkeypatch.setenv("INCIDENT_PIPELINE_VAULT", elsewhere)
        code, report = verify(workspace, capsys)
        assert code == 3
        assert {item["outcome"] for item in report["failures"]} == {"could_not_check"}
        assert any("not in the vault at hand" in item["message"] for item in report["failures"])


@pytest.mark.parametrize(
    ("role", "url", "code", "says"),
    [
        ("admin", "s3://unlocked-bucket/x", 2, "store doctor"),
        ("stranger", f"s3://{BUCKET}/x", 2, "s3:GetBucketVersioning"),
        ("admin", "s3://no-such-bucket/x", 2, "NoSuchBucket"),
    ],
)
def test_a_store_that_promises_nothing_gets_no_evidence(
    workspace: Workspace, small_bundle: Path, seaweedfs_store: Store, monkeypatch: pytest.MonkeyPatch,
    role: str, url: str, code: int, says: str,
) -> None:  # fmt: skip
    if "unlocked" in url:
        seaweedfs_store.client("admin").create_bucket(Bucket="unlocked-bucket")
    for name, value in seaweedfs_store.environment(role).items():
        monkeypatch.setenv(name, value)
    outcome = run(replace(workspace, vault_url=url), small_bundle, until="sealed_evidence")
    assert (outcome.success, outcome.exit_code, outcome.failed_stage) == (False, code, "sealed_evidence")
    assert says in (outcome.message or "")
    assert not workspace.folder(KEY).manifest.exists()


def test_a_store_out_of_reach_can_be_tried_again(
    workspace: Workspace, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = "http://127.0.0.1:9"
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        outcome = run(workspace, small_bundle, until="sealed_evidence")
    assert (outcome.success, outcome.exit_code, outcome.failed_stage) == (False, 3, "sealed_evidence")
    assert "did not answer" in (outcome.message or "")
    assert run(workspace, small_bundle, until="sealed_evidence").success
