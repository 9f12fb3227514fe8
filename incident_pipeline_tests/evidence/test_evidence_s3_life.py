"""The whole life of encrypted evidence in S3: sealed through Dagster with keys that never leave KMS, held,
refused to end while held, shredded when due, and what verification says at each point."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from incident_pipeline.cli import main
from incident_pipeline.evidence import DataKeys
from incident_pipeline.evidence.s3_vault import S3Vault
from incident_pipeline.local_run import local_instance, run_incident
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests.evidence.kms_server import kms_server, needs_kms
from incident_pipeline_tests.evidence.object_stores import BUCKET, Store

pytestmark = [pytest.mark.server, needs_kms]
KEY = "small-1"
ARTIFACTS = 8
"""The small incident's seven files and its record."""


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with kms_server(tmp_path_factory.mktemp("kms")) as environ:
        yield environ


class Life:
    """One installation, reached through Dagster and the command line only."""

    def __init__(self, out: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self.out = out
        self.store = store
        self.capsys = capsys
        self.workspace = Workspace.from_settings(Settings.load(), out=out)

    @property
    def vault(self) -> S3Vault:
        vault = self.workspace.vault()
        assert isinstance(vault, S3Vault)
        return vault

    @property
    def keys(self) -> DataKeys:
        return DataKeys(self.out / ".store" / "keys")

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        self.capsys.readouterr()
        code = 0
        try:
            main([*arguments, "--json"])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, json.loads(self.capsys.readouterr().out)

    def retention(self, what: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self.run("retention", what, *arguments, "--out", str(self.out))

    def states(self, plan: dict[str, Any]) -> set[str]:
        return {it["state"] for it in plan["plan"]}

    def stored(self) -> dict[str, str]:
        """Give the stored digests by URI, the record's among them, as the signed seal states them."""
        bundle = json.loads(self.workspace.folder(KEY).manifest.read_bytes())
        said = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]
        found = {
            facts["source"]["uri"]: facts["subject"].removeprefix("objects/").replace("/", "")
            for facts in said["artifacts"]
        }
        assert all(facts["encoding"] == ["aes-256-gcm-chunked-v1"] for facts in said["artifacts"])
        return found | {"incident.json": said["incident"]["record"]["digest"]["sha256"]}


@pytest.fixture
def life(
    seaweedfs_store: Store,
    kms: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Life:
    environ = {**kms, **seaweedfs_store.environment("admin")}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kms")
    signing = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    wrapping = client.create_key(KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT")
    settings = {
        "VAULT": seaweedfs_store.url(), "VAULT_MODE": "GOVERNANCE", "VAULT_RETENTION_DAYS": "1",
        "SIGNER": f"awskms:{signing}", "ENCRYPTION": f"awskms:{wrapping['KeyMetadata']['KeyId']}",
        "EMBEDDER": "none", "CONFIG_DIR": str(tmp_path / "config"),
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"INCIDENT_PIPELINE_{name}", value)
    monkeypatch.chdir(tmp_path)
    return Life(tmp_path / "out", seaweedfs_store, capsys)


def test_encrypted_evidence_lives_and_ends_in_s3_with_all_keys_in_kms(
    life: Life, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sealed and investigated to the postmortem.
    key = life.workspace.register(small_bundle)
    with local_instance(life.workspace) as instance:
        outcome = run_incident(life.workspace, key, instance=instance)
    assert outcome.success, outcome.message
    assert life.workspace.folder(KEY).report.is_file()
    assert not (tmp_path / "config/keys").exists()  # no private key on this machine
    stored = life.stored()
    assert len(stored) == ARTIFACTS
    for uri, sha256 in stored.items():
        ciphertext = life.vault.read(sha256)
        assert b"stock" not in ciphertext
        assert b"artifacts" not in ciphertext
        plain = (small_bundle / uri).read_bytes()
        assert plain not in ciphertext
    records = sorted((life.keys.root / KEY).glob("*.json"))
    assert len(records) == ARTIFACTS
    assert all('"wrapped_by": "awskms:' in it.read_text() for it in records)

    code, report = life.run("verify", str(life.out))
    assert (code, report["failures"]) == (0, [])
    assert report["counts"]["plaintext"] == {"ok": ARTIFACTS}
    assert report["counts"]["lock"] == {"ok": ARTIFACTS}
    with monkeypatch.context() as away:  # without KMS the ciphertext is checked, and the answer is 3
        away.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
        away.setenv("AWS_MAX_ATTEMPTS", "1")
        code, report = life.run("verify", str(life.out))
    assert code == 3
    assert {it["outcome"] for it in report["failures"]} == {"could_not_check"}
    assert report["counts"]["seal"] == {"ok": 1}

    # Due by policy, and under legal hold: nothing ends.
    (tmp_path / "policy.toml").write_text("[retention]\nkeep_days = 0\n")
    policy = ("--policy", "policy.toml")
    assert life.states(life.retention("plan", *policy)[1]) == {"due"}
    because = ("--reason", "inquiry", "--authority", "counsel", "--matter", "case-7")
    assert life.retention("hold", KEY, *because)[0] == 0
    assert all(life.vault.lock_of(it).legal_hold for it in stored.values())
    assert life.states(life.retention("plan", *policy)[1]) == {"held"}
    code, done = life.retention("apply", *policy, "--authority", "records office")
    assert (code, done["ended"], life.states(done)) == (0, [], {"held"})
    code, said = life.retention(
        "erase", KEY, "--artifact", "chat/incident.json", "--reason", "x", "--authority", "y"
    )
    assert code == 2
    assert "legal hold (case-7)" in said["error"]
    custodian = life.store.client("admin")
    versions = {it.key: it for _, it in life.vault.object_versions()}
    for version in versions.values():  # the service itself keeps them, also from the bypass
        with pytest.raises(ClientError, match="AccessDenied"):
            custodian.delete_object(
                Bucket=BUCKET, Key=version.key, VersionId=version.version_id, BypassGovernanceRetention=True
            )
    assert len(sorted((life.keys.root / KEY).glob("*.json"))) == ARTIFACTS
    code, report = life.run("verify", str(life.out))
    assert code == 0
    assert any("under legal hold (case-7)" in it["message"] for it in report["remarks"])

    # Released: it ends with its keys; ciphertext, locks, seal and log stay and verify.
    assert life.retention("release", KEY, *because)[0] == 0
    code, done = life.retention("apply", *policy, "--authority", "records office")
    assert code == 0
    assert {it["artifact"] for it in done["ended"]} == set(stored)
    assert life.states(done) == {"ended"}
    assert not list((life.keys.root / KEY).glob("*.json"))
    tombstones = life.vault.list_records(f"custody/{KEY}/")
    entry = json.loads(life.vault.read_record(tombstones[-1]))["dsseEnvelope"]
    said = json.loads(base64.b64decode(entry["payload"]))
    assert said["predicate"]["action"] == "erase-key"
    assert said["predicate"]["authority"] == "records office"
    assert {it["digest"]["sha256"] for it in said["subject"]} == set(stored.values())
    seal = json.loads(life.workspace.folder(KEY).manifest.read_bytes())["dsseEnvelope"]
    assert entry["signatures"][0]["keyid"] == seal["signatures"][0]["keyid"]  # both by the key in KMS

    code, report = life.run("verify", str(life.out))
    assert code == 3  # its citations can't be checked any more; nothing has failed
    assert {it["outcome"] for it in report["failures"]} == {"could_not_check"}
    assert {it["kind"] for it in report["failures"]} <= {"citation", "redaction"}
    told = [
        it for it in report["remarks"] if it["kind"] == "custody" and "erased by authority" in it["message"]
    ]
    assert {it["name"] for it in told} == set(stored)
    for kind, count in (("seal", 1), ("artifact", ARTIFACTS), ("lock", ARTIFACTS), ("custody", 3)):
        assert report["counts"][kind] == {"ok": count}

    # A killed sealer's ciphertext is the service's until its lock ends, and the sweep says until when.
    left = life.workspace.evidence_vault(KEY).put_bytes(b"left by a killed run\n")
    code, swept = life.run("store", "sweep", str(life.out))
    assert code == 0
    (found,) = swept["leftovers"]
    assert left.stored_sha256[2:] in found["name"]
    assert found["state"] == "locked"
    assert "GOVERNANCE until 20" in found["why"]
