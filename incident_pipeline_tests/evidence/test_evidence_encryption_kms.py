"""Data keys under AWS KMS: bound to incident and artifact, and unreadable when the service says no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from incident_pipeline.errors import DataKeyError, EncryptionError, ServiceError
from incident_pipeline.evidence import EncryptedVault, Keyring, open_keyring
from incident_pipeline.evidence.keyring import KmsKey
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.kms_server import CREDENTIALS, kms_server, needs_kms
from incident_pipeline_tests.evidence.sealed_case import LOG

SHA = sha256_hex(LOG)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with kms_server(tmp_path_factory.mktemp("kms")) as environ:
        yield environ


@pytest.fixture
def kms(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3  # noqa: PLC0415 -- slow to import, and only needed here

    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return boto3.client("kms")


@needs_kms
@pytest.mark.server
def test_evidence_under_a_kms_key_seals_verifies_and_ends_with_the_key(kms: Any, tmp_path: Path) -> None:
    class KmsCase(EncryptedCase):
        @property
        def keyring(self) -> Keyring:
            return open_keyring(f"awskms:{key}", self.config)

    key = kms.create_key(KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    case = KmsCase(tmp_path)
    sealed = case.seal_encrypted()
    record = case.keys.read("inc-1", SHA)
    assert record is not None
    assert record.wrapped_by.startswith("awskms:")
    assert not (case.config / "keys" / "kek.key").exists()
    assert case.reader(sealed).decoded(SHA) == LOG
    assert case.outcome(keyring=case.keyring)[:2] == (0, [])
    code, messages, _ = case.outcome()
    assert code == 3
    assert all("key-encryption key awskms:" in it for it in messages)

    # The key of one artifact does not open as that of another, whatever the record says.
    other = next(it for it in sealed.evidence.artifacts if it.sha256 != SHA)
    path = case.keys.root / "inc-1" / f"{other.sha256}.json"
    text = path.read_text()
    stolen = case.keys.read("inc-1", other.sha256)
    assert stolen is not None
    path.chmod(0o600)
    path.write_text(text.replace(stolen.wrapped_key, record.wrapped_key))
    with pytest.raises(EncryptionError, match="altered or swapped"):
        case.encrypted.read(other.sha256)
    path.write_text(text)

    kms.disable_key(KeyId=key)
    with pytest.raises(ServiceError, match="refused decrypt"):
        case.encrypted.read(SHA)
    assert case.outcome(keyring=case.keyring)[0] == 3
    with pytest.raises(ServiceError, match="refused generate_data_key"):
        case.encrypted.put_bytes(b"new")
    assert not case.keys.read("inc-1", sha256_hex(b"new"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9"])
def test_a_kms_that_does_not_answer_stops_sealing_and_leaves_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_KMS": url, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    case = EncryptedCase(tmp_path)
    ring = open_keyring("awskms:alias/evidence", case.config)
    vault = EncryptedVault(case.vault, ring, keys=case.keys, incident="inc-1")
    with pytest.raises(ServiceError, match="did not answer generate_data_key"):
        vault.put_bytes(LOG)
    assert not case.keys.knows("inc-1")


def test_without_the_setting_a_record_of_kms_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataKeyError, match="awskms:arn:aws:kms:eu-1:1:key/k is not at hand"):
        open_keyring("none", tmp_path).unwrap(b"", "awskms:arn:aws:kms:eu-1:1:key/k", {})
    assert KmsKey("k").opens("awskms:arn")
