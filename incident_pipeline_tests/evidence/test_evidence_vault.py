"""The local vault: content-addressed, write-once, and every read is a check."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import (
    HashMismatchError,
    MissingArtifactError,
    SealError,
    ServiceError,
    UnreadableInputError,
)
from incident_pipeline.evidence import LocalVault

DATA = b"evidence\n" * 300_000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def vault(tmp_path: Path) -> LocalVault:
    return LocalVault(tmp_path / "deep" / "vault")


def alter(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def files(vault: LocalVault) -> list[str]:
    return sorted(p.relative_to(vault.root).as_posix() for p in vault.root.rglob("*") if p.is_file())


def test_a_file_is_stored_under_its_digest_and_reads_back(vault: LocalVault, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(DATA)
    stored = vault.put_file(tmp_path / "a.log", name="a.log", expected=DIGEST)
    assert (stored.sha256, stored.size, stored.stored_sha256) == (DIGEST, len(DATA), DIGEST)
    assert files(vault) == [f"objects/{DIGEST[:2]}/{DIGEST[2:]}"]
    assert stat.S_IMODE(vault.object_path(DIGEST).stat().st_mode) == 0o440
    assert vault.read(DIGEST) == DATA
    with vault.open(DIGEST) as file:
        assert file.read() == DATA
    assert vault.check(DIGEST) == len(DATA)
    assert vault.worm == "advisory"


@given(st.binary(max_size=200))
@settings(deadline=None)  # a busy machine is no finding
def test_bytes_read_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    vault = LocalVault(tmp_path_factory.mktemp("v"))
    assert vault.read(vault.put_bytes(data).sha256) == data


def test_an_object_is_never_written_again(vault: LocalVault, tmp_path: Path) -> None:
    vault.put_bytes(DATA)
    before = vault.object_path(DIGEST).stat()
    (tmp_path / "a.log").write_bytes(DATA)
    vault.put_bytes(DATA)
    vault.put_file(tmp_path / "a.log", name="a.log")
    vault.put_file(tmp_path / "a.log", name="a.log", expected=DIGEST)
    after = vault.object_path(DIGEST).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(files(vault)) == 1


def test_an_altered_object_is_noticed_by_every_access(vault: LocalVault, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(DATA)
    vault.put_bytes(DATA)
    alter(vault.object_path(DIGEST), b"E" + DATA[1:])
    for access in (
        lambda: vault.read(DIGEST),
        lambda: vault.open(DIGEST),
        lambda: vault.check(DIGEST),
        lambda: vault.put_bytes(DATA),
        lambda: vault.put_file(tmp_path / "a.log", name="a.log"),
        lambda: vault.put_file(tmp_path / "a.log", name="a.log", expected=DIGEST),
    ):
        with pytest.raises(HashMismatchError, match=DIGEST):
            access()
    assert vault.object_path(DIGEST).read_bytes()[:1] == b"E"  # kept as the exhibit it is


def test_a_missing_object_is_missing_and_not_altered(vault: LocalVault) -> None:
    assert not vault.contains(DIGEST)
    for access in (vault.read, vault.open, vault.check):
        with pytest.raises(MissingArtifactError, match=DIGEST):
            access(DIGEST)


def test_an_object_replaced_by_a_link_is_not_followed(vault: LocalVault, tmp_path: Path) -> None:
    vault.put_bytes(DATA)
    (tmp_path / "elsewhere").write_bytes(DATA)
    vault.object_path(DIGEST).unlink()
    vault.object_path(DIGEST).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableInputError, match="can't be opened"):
        vault.read(DIGEST)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_digest_names_an_object(vault: LocalVault, digest: str) -> None:
    for access in (vault.read, vault.contains, vault.check):
        with pytest.raises(SealError, match="no SHA-256"):
            access(digest)


def test_a_source_that_changed_is_not_stored(vault: LocalVault, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"other")
    with pytest.raises(UnreadableInputError, match=r"logs/a\.log: changed while it was being sealed"):
        vault.put_file(tmp_path / "a.log", name="logs/a.log", expected=DIGEST)
    assert files(vault) == []


def test_a_source_that_is_gone_or_a_link_is_named(vault: LocalVault, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("gone", "link"):
        with pytest.raises(UnreadableInputError, match=f"{name}: can't be opened"):
            vault.put_file(tmp_path / name, name=name)


def test_seals_take_free_numbers_only(vault: LocalVault) -> None:
    assert vault.seal_sequences("inc-1") == ()
    assert vault.sealed_keys() == ()
    assert vault.publish_seal("inc-1", 1, b"one")
    assert not vault.publish_seal("inc-1", 1, b"another")
    assert vault.publish_seal("inc-1", 2, b"two")
    (vault.root / "seals" / "inc-1" / ".pending-x").write_bytes(b"left by a killed run")
    assert vault.seal_sequences("inc-1") == (1, 2)
    assert vault.sealed_keys() == ("inc-1",)
    assert vault.read_seal("inc-1", 1) == b"one"
    with pytest.raises(MissingArtifactError, match="inc-1/000003"):
        vault.read_seal("inc-1", 3)
    with pytest.raises(SealError, match="no incident key"):
        vault.seal_sequences("../objects")


def test_without_nameless_files_a_temporary_name_does_the_same(
    vault: LocalVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777, **options: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real_open(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", refuse)
    vault.put_bytes(DATA)
    vault.put_bytes(DATA)
    assert vault.read(DIGEST) == DATA
    assert files(vault) == [f"objects/{DIGEST[:2]}/{DIGEST[2:]}"]
    assert stat.S_IMODE(vault.object_path(DIGEST).stat().st_mode) == 0o440


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_full_or_failing_disk_is_an_error_and_leaves_nothing(
    vault: LocalVault, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    vault.put_bytes(b"before")

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(ServiceError, match="No space left"):
            vault.put_bytes(DATA)
    assert len(files(vault)) == 1
    assert vault.put_bytes(DATA).sha256 == DIGEST


def test_short_writes_are_completed(vault: LocalVault, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real_write(handle, data[:100_000]))
    vault.put_bytes(DATA)
    assert vault.read(DIGEST) == DATA
