"""Encrypted vaults: plaintext for those with the key, checkable ciphertext for all others."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from incident_pipeline.errors import (
    ConfigError,
    DataKeyError,
    EncryptionError,
    HashMismatchError,
    MissingArtifactError,
    UnreadableInputError,
)
from incident_pipeline.evidence import DataKeys, EncryptedVault, LocalVault, open_keyring, read_manifest
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.sealed_case import LOG

SHA = sha256_hex(LOG)


@pytest.fixture
def case(tmp_path: Path) -> EncryptedCase:
    return EncryptedCase(tmp_path)


@pytest.fixture
def vault(case: EncryptedCase) -> EncryptedVault:
    case.encrypted.put_bytes(LOG)
    return case.encrypted


def record_path(case: EncryptedCase, sha256: str = SHA) -> Path:
    return case.vault.root / "keys" / "inc-1" / f"{sha256}.json"


def edit_record(path: Path, **values: object) -> None:
    record = json.loads(path.read_bytes()) | values
    path.chmod(0o600)
    path.write_text(json.dumps(record))


def test_nothing_plain_lies_in_the_vault_and_everything_comes_back(
    case: EncryptedCase, tmp_path: Path
) -> None:
    source = tmp_path / "app.log"
    source.write_bytes(LOG)
    stored = case.encrypted.put_file(source, name="app.log", expected=SHA)
    assert (stored.sha256, stored.size) == (SHA, len(LOG))
    assert stored.stored_sha256 != SHA
    assert stored.encoding == ("aes-256-gcm-chunked-v1",)
    for path in case.vault.root.rglob("*"):
        assert not path.is_file() or b"stock failed" not in path.read_bytes()
    vault = case.encrypted
    assert vault.read(SHA) == LOG
    with vault.open(SHA) as file:
        file.seek(9)
        assert file.read() == LOG[9:]
    assert (vault.check(SHA), vault.contains(SHA)) == (len(LOG), True)
    assert vault.put_file(source, name="app.log") == stored
    assert vault.put_bytes(LOG) == stored
    assert case.vault.check(stored.stored_sha256) == len(LOG) + 16


def test_a_store_that_takes_files_only_gets_ciphertext_in_a_file(case: EncryptedCase) -> None:
    class FilesOnly:
        def __init__(self, inner: LocalVault) -> None:
            self.put_file, self.open, self.contains = inner.put_file, inner.open, inner.contains
            self.list_records = inner.list_records

    vault = EncryptedVault(FilesOnly(case.vault), case.keyring, keys=case.keys, incident="inc-1")  # type: ignore[arg-type]
    vault.put_bytes(LOG)
    assert case.encrypted.read(SHA) == LOG


def test_the_same_bytes_in_two_incidents_are_two_ciphertexts(case: EncryptedCase) -> None:
    first = case.encrypted.put_bytes(LOG)
    other = EncryptedVault(case.vault, case.keyring, keys=case.keys, incident="inc-2")
    assert other.put_bytes(LOG).stored_sha256 != first.stored_sha256
    case.keys.destroy("inc-1", SHA)
    assert other.read(SHA) == LOG
    with pytest.raises(MissingArtifactError):
        case.encrypted.read(SHA)


def test_a_file_that_changed_leaves_neither_object_nor_key(case: EncryptedCase, tmp_path: Path) -> None:
    source = tmp_path / "app.log"
    source.write_bytes(b"other")
    with pytest.raises(UnreadableInputError, match=r"app\.log: changed while it was being sealed"):
        case.encrypted.put_file(source, name="app.log", expected=SHA)
    assert not case.keys.knows("inc-1")
    assert not [path for path in case.vault.root.rglob("*") if path.is_file()]


def test_altered_ciphertext_is_refused_before_it_is_decrypted(
    case: EncryptedCase, vault: EncryptedVault
) -> None:
    stored = vault.put_bytes(LOG).stored_sha256
    path = case.vault.object_path(stored)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    for read in (vault.read, vault.open, vault.check):
        with pytest.raises(HashMismatchError, match=stored):
            read(SHA)


def test_a_swapped_ciphertext_or_record_is_refused(case: EncryptedCase, vault: EncryptedVault) -> None:
    other = vault.put_bytes(b"another log\n")
    edit_record(record_path(case), stored_sha256=other.stored_sha256, size=other.size)
    with pytest.raises(EncryptionError, match="of another artifact or key"):
        vault.read(SHA)
    shutil.copy(record_path(case, other.sha256), record_path(case))
    with pytest.raises(EncryptionError, match="records were swapped"):
        vault.read(SHA)
    edit_record(record_path(case), sha256=SHA)
    with pytest.raises(EncryptionError, match="does not open with local:"):
        vault.read(SHA)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"wrapped_key": "AAAA"}, "altered or swapped"),
        ({"size": 1}, "its key record says 1"),
        ({"wrapped_by": "local:0000000000000000"}, "is not at hand"),
        ({"wrapped_by": "awskms:arn:aws:kms:x"}, "is not at hand"),
        ({"colour": 1}, "was altered"),
        ({"wrapped_key": "?"}, "was altered"),
    ],
)
def test_an_altered_key_record_is_named(
    case: EncryptedCase, vault: EncryptedVault, values: dict[str, object], says: str
) -> None:
    edit_record(record_path(case), **values)
    with pytest.raises((EncryptionError, DataKeyError), match=says):
        vault.read(SHA)


def test_every_flipped_bit_of_a_key_record_is_refused_or_changes_nothing(
    case: EncryptedCase, vault: EncryptedVault
) -> None:
    path = record_path(case)
    data = path.read_bytes()
    path.chmod(0o600)
    for position in range(0, len(data) * 8, 5):
        altered = bytearray(data)
        altered[position // 8] ^= 1 << position % 8
        path.write_bytes(altered)
        try:
            assert vault.read(SHA) == LOG
        except (EncryptionError, DataKeyError, MissingArtifactError):
            continue


def test_what_was_stored_before_encryption_stays_readable(case: EncryptedCase) -> None:
    case.vault.put_bytes(LOG)
    assert case.encrypted.read(SHA) == LOG
    plain = EncryptedVault(case.vault, open_keyring("none", case.config), keys=case.keys, incident="inc-1")
    assert plain.put_bytes(b"x").encoding == ()
    encrypted = case.encrypted.put_bytes(b"y")
    assert plain.read(encrypted.sha256) == b"y"


def test_a_new_local_key_leaves_old_evidence_readable(case: EncryptedCase, vault: EncryptedVault) -> None:
    keys = case.config / "keys"
    (keys / "kek.key").rename(keys / "kek-2025.key")
    vault = case.encrypted
    assert vault.keyring.made == keys / "kek.key"
    assert vault.read(SHA) == LOG
    vault.put_bytes(b"new")
    (keys / "kek-2025.key").unlink()
    with pytest.raises(DataKeyError, match="not at hand"):
        case.encrypted.read(SHA)
    assert case.encrypted.read(sha256_hex(b"new")) == b"new"


def test_a_key_that_others_can_read_or_that_is_none_is_refused(case: EncryptedCase) -> None:
    path = case.config / "keys" / "kek.key"
    assert case.keyring.made == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert case.keyring.made is None
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        open_keyring("local", case.config)
    path.chmod(0o600)
    path.write_text("c2hvcnQ=\n")
    with pytest.raises(ConfigError, match="no key-encryption key"):
        open_keyring("none", case.config)


@pytest.mark.parametrize("setting", ["rot13", "awskms:", "LOCAL"])
def test_an_unknown_setting_is_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not known"):
        open_keyring(setting, tmp_path)


def _put(root: str, results: multiprocessing.queues.Queue[str]) -> None:
    results.put(EncryptedCase(Path(root)).encrypted.put_bytes(LOG).stored_sha256)


def test_of_concurrent_sealers_all_name_the_same_ciphertext(case: EncryptedCase) -> None:
    _ = case.keyring
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.queues.Queue[str] = context.Queue()
    writers = [context.Process(target=_put, args=(str(case.root), results)) for _ in range(4)]
    for writer in writers:
        writer.start()
    found = {results.get(timeout=120) for _ in writers}
    for writer in writers:
        writer.join()
    assert len(found) == 1
    assert case.encrypted.read(SHA) == LOG


def test_a_seal_says_what_is_encrypted_and_finds_itself_again(case: EncryptedCase) -> None:
    sealed = case.seal_encrypted()
    statement = read_manifest(sealed.manifest, [case.signer.signer.public_key]).statement
    facts = next(it for it in statement.predicate.artifacts if it.source.uri == "logs/app.log")
    record = case.keys.read("inc-1", SHA)
    assert record is not None
    assert facts.encoding == ("aes-256-gcm-chunked-v1",)
    assert (facts.key_ref, facts.plaintext.sha256) == (record.key_ref, SHA)
    assert facts.subject.replace("/", "").endswith(record.stored_sha256)
    assert statement.predicate.incident.record_storage is not None
    assert not case.seal_encrypted().created
    assert case.reader(sealed).decoded(SHA) == LOG


def test_verify_looks_through_with_the_key_and_says_so_without(case: EncryptedCase) -> None:
    case.seal_encrypted()
    assert case.outcome()[:2] == (0, [])
    (case.config / "keys" / "kek.key").rename(case.root / "kept")
    code, messages, _ = case.outcome()
    assert code == 3
    assert len(messages) == 3
    assert all("key-encryption key local:" in it for it in messages)
    shutil.rmtree(case.vault.root / "keys")
    code, messages, _ = case.outcome()
    assert code == 3
    assert all("the key to its plaintext is not there" in it for it in messages)


def test_verify_finds_altered_ciphertext_without_any_key(case: EncryptedCase) -> None:
    case.seal_encrypted()
    record = case.keys.read("inc-1", SHA)
    assert record is not None
    path = case.vault.object_path(record.stored_sha256)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"\0")
    for gone in (False, True):
        if gone:
            shutil.rmtree(case.vault.root / "keys")
            (case.config / "keys" / "kek.key").unlink()
        code, messages, _ = case.outcome()
        assert code == 1
        assert any(f"object {record.stored_sha256} was altered" in it for it in messages)


def test_a_key_that_vanished_without_an_entry_is_a_failure(case: EncryptedCase) -> None:
    case.seal_encrypted()
    case.keys.destroy("inc-1", SHA)
    code, messages, _ = case.outcome()
    assert code == 1
    assert messages == [
        "logs/app.log: the key to its plaintext is not there, and no entry says it was erased."
    ]


def test_ciphertext_that_was_taken_away_is_a_failure(case: EncryptedCase) -> None:
    case.seal_encrypted()
    record = case.keys.read("inc-1", SHA)
    assert record is not None
    case.vault.object_path(record.stored_sha256).unlink()
    code, messages, _ = case.outcome()
    assert code == 1
    assert any("logs/app.log: the vault does not hold its ciphertext" in it for it in messages)


def test_data_keys_refuse_names_that_lead_elsewhere(tmp_path: Path) -> None:
    keys = DataKeys(tmp_path / "keys")
    for incident, sha256 in (("../x", SHA), ("inc-1", "../../x")):
        with pytest.raises(Exception, match="is no"):
            keys.read(incident, sha256)
