"""Taking files into a vault in the pass that hashes them."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from incident_pipeline.errors import HashMismatchError, UnreadableInputError
from incident_pipeline.evidence import Intake, LocalVault, seal
from incident_pipeline.evidence import local_vault as module
from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.incident import ArtifactEntry
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.sealed_case import NOW, Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from incident_pipeline.evidence import Sealed, Vault

DATA = b"an error\n" * 300_000
"""Above the size up to which files are made durable together."""


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def take_and_seal(case: Case, vault: Vault, bundle: Path, before: Sealed | None = None) -> Sealed:
    with Intake(vault, before.evidence if before else None) as intake:
        opened = open_bundle(bundle, case.root / "scratch", intake.take)
        return seal(opened, vault, case.signer.signer, now=NOW, stored=intake.stored())


def take_one(vault: Vault, path: Path) -> None:
    with Intake(vault) as intake:
        intake.take(path, ArtifactEntry(uri=path.name))
        intake.stored()


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the sizes of what the vault reads of files that come in and of its own objects."""
    read: list[int] = []
    chunks: Callable[[BinaryIO, str], Iterator[bytes]] = module._chunks

    def counted(file: BinaryIO, name: str) -> Iterator[bytes]:
        for chunk in chunks(file, name):
            if name.startswith(("object", "big.log")):
                read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(module, "_chunks", counted)
    return read


def test_what_is_taken_is_sealed_as_if_it_had_been_hashed_first(case: Case) -> None:
    bundle = case.bundle({"big.log": DATA, "small.log": b"x", "empty.log": b""})
    taken = take_and_seal(case, LocalVault(case.root / "taken"), bundle)
    opened = open_bundle(bundle, case.root / "scratch")
    hashed = seal(opened, LocalVault(case.root / "hashed"), case.signer.signer, now=NOW)
    assert taken.evidence == hashed.evidence
    for artifact in taken.evidence.artifacts:
        assert LocalVault(case.root / "taken").check(artifact.sha256) == artifact.size


def test_each_byte_is_read_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = case.bundle({"big.log": DATA})
    read = count_reads(monkeypatch)
    take_and_seal(case, LocalVault(case.root / "v"), bundle)
    assert sum(read) == len(DATA)


def test_what_was_sealed_before_is_compared_and_not_written_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = LocalVault(case.root / "v")
    bundle = case.bundle({"big.log": DATA, "small.log": b"x"})
    first = take_and_seal(case, vault, bundle)
    monkeypatch.setattr(LocalVault, "_copy", None)
    again = take_and_seal(case, vault, bundle, first)
    assert (again.created, again.evidence) == (False, first.evidence)


def test_a_hint_is_not_trusted(case: Case) -> None:
    vault = LocalVault(case.root / "v")
    first = take_and_seal(case, vault, case.bundle({"app.log": DATA}))
    bundle = case.bundle({"app.log": DATA + b"one line more\n"})
    second = take_and_seal(case, vault, bundle, first)
    assert second.evidence.artifacts[0].sha256 == sha256(DATA + b"one line more\n")


@pytest.mark.parametrize("data", [b"small", DATA])
def test_a_file_with_another_digest_than_given_is_not_stored(case: Case, data: bytes) -> None:
    path = case.root / "app.log"
    path.write_bytes(data)
    vault = LocalVault(case.root / "v")
    entry = ArtifactEntry(uri="app.log", hash="0" * 64)
    with Intake(vault) as intake:
        assert intake.take(path, entry) == (sha256(data), len(data))
        assert intake.stored() == {}
    assert not vault.contains(sha256(data))


def test_neither_is_it_where_the_vault_holds_the_given_one(case: Case) -> None:
    path = case.root / "app.log"
    path.write_bytes(b"altered")
    vault = LocalVault(case.root / "v")
    vault.put_bytes(b"genuine")
    with Intake(vault) as intake:
        entry = ArtifactEntry(uri="app.log", hash=sha256(b"genuine"))
        assert intake.take(path, entry)[0] == sha256(b"altered")
        assert intake.stored() == {}
    assert not vault.contains(sha256(b"altered"))


@pytest.mark.parametrize("data", [b"small", DATA])
def test_a_file_that_is_written_to_while_it_is_taken_is_refused(
    case: Case, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    path = case.root / "app.log"
    path.write_bytes(data)
    os.utime(path, (1, 1))

    def growing(file: BinaryIO, name: str) -> Iterator[bytes]:
        del name
        while chunk := file.read(module.STEP):
            yield chunk
            with path.open("r+b") as other:
                other.write(b"!")  # also where nothing is appended

    monkeypatch.setattr(module, "_chunks", growing)
    vault = LocalVault(case.root / "v")
    with Intake(vault) as intake, pytest.raises(UnreadableInputError, match="changed while"):
        intake.take(path, ArtifactEntry(uri="app.log"))
    assert not [it for it in vault.root.rglob("*") if it.is_file()]


@pytest.mark.parametrize("data", [b"small", DATA])
def test_an_altered_object_of_the_same_name_is_noticed(case: Case, data: bytes) -> None:
    path = case.root / "app.log"
    path.write_bytes(data)
    vault = LocalVault(case.root / "v")
    place = vault.object_path(vault.put_bytes(data).sha256)
    place.chmod(0o600)
    place.write_bytes(b"other")
    with pytest.raises(HashMismatchError, match="was altered"):
        take_one(vault, path)


def test_many_small_files_have_their_data_on_disk_before_their_names_and_folders_before_the_end(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    synced: set[tuple[int, int]] = set()
    fsync, link = os.fsync, os.link

    def watched_fsync(handle: int) -> None:
        fsync(handle)
        found = os.fstat(handle)
        synced.add((found.st_dev, found.st_ino))
        done.append("fsync")

    def watched_link(source: str, name: str, *, dst_dir_fd: int, follow_symlinks: bool) -> None:
        found = os.stat(source)  # noqa: PTH116 - as `link` gets it
        assert (found.st_dev, found.st_ino) in synced
        folder = os.fstat(dst_dir_fd)
        synced.discard((folder.st_dev, folder.st_ino))
        link(source, name, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    vault = LocalVault(case.root / "v")
    bundle = case.bundle({f"{number}.log": str(number).encode() for number in range(300)})
    with Intake(vault) as intake:
        open_bundle(bundle, case.root / "scratch", intake.take)
        stored = intake.stored()
    assert len(stored) == 300
    for folder in (vault.root / "objects").iterdir():
        found = folder.stat()
        assert (found.st_dev, found.st_ino) in synced
    assert len(done) < 300 + 2 * 256 + 10  # a file's data; a folder's making, and its names


def test_what_was_not_settled_leaves_no_open_files(case: Case) -> None:
    path = case.root / "app.log"
    path.write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors
    with Intake(LocalVault(case.root / "v")) as intake:
        intake.take(path, ArtifactEntry(uri="app.log"))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - descriptors


@pytest.mark.parametrize("with_hash", [False, True])
def test_taken_into_an_encrypted_vault(tmp_path: Path, *, with_hash: bool) -> None:
    case = EncryptedCase(tmp_path)
    path = tmp_path / "app.log"
    path.write_bytes(DATA)
    entry = ArtifactEntry(uri="app.log", hash=sha256(DATA) if with_hash else None)
    for _ in range(2):
        with Intake(case.encrypted) as intake:
            assert intake.take(path, entry) == (sha256(DATA), len(DATA))
            assert intake.stored()[sha256(DATA)].encoding
    assert case.encrypted.read(sha256(DATA)) == DATA


@pytest.mark.parametrize("given", [sha256(DATA), "0" * 64])
def test_an_altered_file_does_not_come_into_an_encrypted_vault(tmp_path: Path, given: str) -> None:
    case = EncryptedCase(tmp_path)
    path = tmp_path / "app.log"
    path.write_bytes(DATA)
    case.encrypted.put_file(path, name="app.log")
    objects = len(list(case.vault.root.rglob("objects/*/*")))
    path.write_bytes(b"altered")
    with Intake(case.encrypted) as intake:
        assert intake.take(path, ArtifactEntry(uri="app.log", hash=given))[0] == sha256(b"altered")
        assert intake.stored() == {}
    assert len(list(case.vault.root.rglob("objects/*/*"))) == objects
