"""Seals signed by a key in KMS: the service signs, and verification never asks it anything."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError, ServiceError
from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root, open_signer, seal
from incident_pipeline.evidence.kms import KmsSigner, remember
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.signing import Key, Signature
from incident_pipeline.ingest import open_bundle
from incident_pipeline.serialise import write_bytes, write_json
from incident_pipeline_tests.evidence.kms_server import CREDENTIALS, kms_server, needs_kms
from incident_pipeline_tests.evidence.sealed_case import Case

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with kms_server(tmp_path_factory.mktemp("kms")) as environ:
        yield environ


@pytest.fixture
def kms(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3  # noqa: PLC0415

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return boto3.client("kms")


def new_key(kms: Any, spec: str = "ECC_NIST_P256") -> str:
    return str(kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["KeyId"])


def seal_with(case: Case, setting: str) -> str:
    """Seal as the stage does; give the key id."""
    opened = open_signer(setting, case.config)
    bundle = open_bundle(case.bundle(), case.root / "scratch")
    sealed = seal(bundle, case.vault, opened.signer, now=NOW)
    write_bytes(case.results.manifest, sealed.manifest)
    write_bytes(case.results.seal_log, sealed.log_proof)
    write_json(case.results.evidence, sealed.evidence)
    case.write_ledger(sealed)
    return opened.keyid


@needs_kms
@pytest.mark.server
def test_kms_signs_and_verification_needs_no_kms(
    case: Case, kms: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setting = f"awskms:{new_key(kms)}"
    keyid = seal_with(case, setting)
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    assert case.verify() == (0, [])
    assert load_trust_root(folder=case.config).keyids == (keyid,)
    assert not (case.config / "keys").exists()
    file = json.loads(case.results.manifest.read_bytes())["dsseEnvelope"]
    payload = base64.b64decode(file["payload"])
    assert len(payload) > 1000
    (tmp_path / "pae").write_bytes(b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(file["signatures"][0]["sig"]))
    command = [
        "openssl", "dgst", "-sha256", "-verify", case.config / "trust" / f"{keyid}.pem",
        "-signature", tmp_path / "sig", tmp_path / "pae",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n")


@needs_kms
@pytest.mark.server
def test_the_key_is_trusted_with_its_first_use_and_named_once(case: Case, kms: Any) -> None:
    key = new_key(kms)
    arn = str(kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"])
    first, second, by_arn = (open_signer(f"awskms:{it}", case.config) for it in (key, key, arn))
    assert first.keyid == second.keyid == by_arn.keyid
    assert [len(it.notices) for it in (first, second)] == [1, 0]
    assert first.notices[0].endswith(f"{first.keyid}.pem")
    assert first.kind == "KMS"


@needs_kms
@pytest.mark.server
def test_a_disabled_key_is_a_service_error_with_advice_and_nothing_is_sealed(case: Case, kms: Any) -> None:
    key = new_key(kms)
    opened = open_signer(f"awskms:{key}", case.config)
    kms.disable_key(KeyId=key)
    bundle = open_bundle(case.bundle(), case.root / "scratch")
    with pytest.raises(ServiceError, match="DisabledException") as caught:
        seal(bundle, case.vault, opened.signer, now=NOW)
    assert caught.value.exit_code == 3
    assert caught.value.advice == "Enable the key in KMS, or set signer to another key."
    assert case.vault.seal_sequences("inc-1") == ()
    kms.enable_key(KeyId=key)
    assert seal(bundle, case.vault, opened.signer, now=NOW).sequence == 1


@needs_kms
@pytest.mark.server
def test_a_key_pending_deletion_and_one_that_is_not_there_are_service_errors(case: Case, kms: Any) -> None:
    key = new_key(kms)
    opened = open_signer(f"awskms:{key}", case.config)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with pytest.raises(ServiceError, match="KMSInvalidStateException") as caught:
        opened.signer.sign(b"x")
    assert "pending deletion" in caught.value.advice
    with pytest.raises(ServiceError, match="NotFoundException") as caught:
        open_signer("awskms:no-such-key", case.config)
    assert "Check the key id" in caught.value.advice


@needs_kms
@pytest.mark.server
@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P384"])
def test_keys_of_another_kind_are_refused(case: Case, kms: Any, spec: str) -> None:
    with pytest.raises(ConfigError, match=f"is {spec}: seals are signed with ECC_NIST_P256"):
        open_signer(f"awskms:{new_key(kms, spec)}", case.config)
    assert not (case.config / "trust").exists()


@needs_kms
@pytest.mark.server
def test_attack_key_swap_an_alias_that_points_elsewhere_is_refused(
    case: Case, kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may change aliases could otherwise have seals signed, and trusted, under a key of his own."""
    first, second = new_key(kms), new_key(kms)
    name = f"alias/seal-{first}"
    kms.create_alias(AliasName=name, TargetKeyId=first)
    setting = f"awskms:{name}"
    keyid = seal_with(case, setting)
    kms.update_alias(AliasName=name, TargetKeyId=second)
    with pytest.raises(ConfigError, match="is another key now") as caught:
        open_signer(setting, case.config)
    assert "keys rotate --replaces" in caught.value.advice
    assert load_trust_root(folder=case.config).keyids == (keyid,)
    # When it is meant, the list says so and earlier seals stay what they were.
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    monkeypatch.setenv("INCIDENT_PIPELINE_SIGNER", setting)
    with pytest.raises(SystemExit) as ended:
        main(["keys", "rotate", "--replaces", keyid[:12]])
    assert not ended.value.code
    new = open_signer(setting, case.config).keyid
    assert new != keyid
    root = load_trust_root(folder=case.config)
    assert (root.entries[keyid].status, root.entries[keyid].replaced_by) == ("retired", new)


def test_a_service_that_hashes_the_digest_again_is_found_out(tmp_path: Path) -> None:
    signer = load_or_create_local_signer(tmp_path, {}).signer

    class HashesTwice:
        aws_key_id = "key-1"

        def sign(self, payload: bytes) -> Signature:
            return signer.sign(b"the digest of " + payload)

    key: Key = signer.public_key
    with pytest.raises(ServiceError, match="does not hold") as caught:
        KmsSigner(HashesTwice(), key).sign(b"payload")  # type: ignore[arg-type] # stands in for AWSSigner
    assert "hashes a digest again" in caught.value.advice


def test_no_credentials_no_region_and_no_answer_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*CREDENTIALS, "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    with pytest.raises(ConfigError, match="region"):
        open_signer("awskms:k", tmp_path)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(ConfigError, match="credentials"):
        open_signer("awskms:k", tmp_path)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceError, match="EndpointConnectionError"):
        open_signer("awskms:k", tmp_path)


@pytest.mark.parametrize("setting", ["awskms:", "gcpkms:x", "seal.pem"])
def test_a_setting_that_names_no_signer_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="names no signer"):
        open_signer(setting, tmp_path)


def test_a_development_key_says_so_once_and_an_encrypted_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_signer("", tmp_path / "a"), open_signer("", tmp_path / "a")
    assert first.notices[1].startswith("it is a development key: not encrypted, INCIDENT_PIPELINE_KEY_PASS")
    assert (second.notices, second.kind) == ((), "development")
    monkeypatch.setenv("INCIDENT_PIPELINE_KEY_PASSPHRASE", "correct horse")
    encrypted = open_signer("", tmp_path / "b")
    assert (len(encrypted.notices), encrypted.kind) == (1, "local")


def test_what_was_remembered_must_be_readable(tmp_path: Path) -> None:
    remember("awskms:a", "0" * 64, tmp_path)
    remember("awskms:b", "1" * 64, tmp_path)
    assert json.loads((tmp_path / "kms.json").read_bytes()) == {"awskms:a": "0" * 64, "awskms:b": "1" * 64}
    (tmp_path / "kms.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"kms\.json"):
        remember("awskms:c", "2" * 64, tmp_path)


def test_seals_by_kms_and_by_the_local_key_are_files_of_one_form(case: Case) -> None:
    assert read_signed(case.seal().manifest).timestamps == ()
