"""A vault in a folder of the local disk.

Tamper-evident, not tamper-proof: whoever may write the folder can alter it, and every read notices. It
says so as `worm = "advisory"`. Objects are mode 0440 and appear by `write_once`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from typing import TYPE_CHECKING, BinaryIO, Final

from incident_pipeline.errors import (
    HashMismatchError,
    MissingArtifactError,
    SealError,
    ServiceError,
    UnreadableInputError,
)
from incident_pipeline.evidence.vault import Stored, Taken, Worm, object_name, record_name
from incident_pipeline.evidence.write_once import Batch, PendingFile, sync_folder
from incident_pipeline.ingest import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STEP: Final = 256 * 1024
"""Bytes read at a time: larger steps cost page faults and larger pages, smaller ones calls."""
SMALL: Final = 1024**2
"""Bytes up to which files are made durable together."""
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SEAL_FILE = re.compile(r"(\d{6})\.sigstore\.json")


class LocalVault:
    """A vault in a folder, made when something is first stored."""

    worm: Worm = "advisory"

    def __init__(self, root: Path) -> None:
        """Keep everything below `root`."""
        self.root = root
        self._batch = Batch()

    def put_file(self, path: Path, *, name: str, expected: str | None = None) -> Stored:
        """Store a file, hashing while copying.

        Args:
            path: the file; a link is not followed.
            name: what messages call it: the artifact's URI.
            expected: the digest it had when it was taken in.

        Raises:
            UnreadableInputError: it can't be read, or changed since `expected` was computed.
            HashMismatchError: the vault already holds this object, and it was altered.
            ServiceError: the vault can't be written.
        """
        if expected is not None and self.contains(expected):
            return Stored(expected, self.check(expected), expected)
        with open_regular(path, name=name) as file:
            return self._store(_chunks(file, name), expected, name)

    def take_file(self, path: Path, *, name: str, given: str | None, likely: str | None) -> Taken:
        """Store a file whose digest is not known yet, hashing while copying; durable after `settle`.

        Args:
            path: the file; a link is not followed.
            name: what messages call it: the artifact's URI.
            given: the digest it should have; with another one it is not stored.
            likely: the digest it probably has, not trusted: saves copying what is stored already.

        Raises:
            UnreadableInputError: it can't be read, or was written to meanwhile.
            HashMismatchError: the vault already holds this object, and it was altered.
            ServiceError: the vault can't be written.
        """
        with open_regular(path, name=name) as file:
            began = _state(file)
            known = next((it for it in (given, likely) if it and self.contains(it)), None)
            if known is not None:
                sha256, size = _hash_all(file, name)
                _refuse_changed(file, began, name)
                if sha256 == known:
                    # Another sealer may have named it a moment ago and not have synced the folder.
                    self._batch.add_folder(self.object_path(sha256).parent)
                    return Taken(sha256, size, Stored(sha256, self.check(sha256), sha256))
                if given is not None:
                    return Taken(sha256, size, None)
                file.seek(0)
            return self._copy(file, began, given, name)

    def settle(self) -> None:
        """Make durable what was taken, and check what turned out to be there already.

        Raises:
            HashMismatchError: the vault already held one of the objects, and it was altered.
            ServiceError: the vault can't be written.
        """
        with _writing():
            there = self._batch.settle()
        for path in there:
            self.check(path.parent.name + path.name)

    def abandon(self) -> None:
        """Forget what was taken and has no name yet."""
        self._batch.drop()

    def put_bytes(self, data: bytes) -> Stored:
        """Store bytes.

        Raises:
            HashMismatchError: the vault already holds this object, and it was altered.
            ServiceError: the vault can't be written.
        """
        return self._store([data], None, "record")

    def put_chunks(self, chunks: Iterable[bytes], *, name: str) -> Stored:
        """Store bytes that come in pieces (errors as `put_bytes`, and what `chunks` raises)."""
        return self._store(chunks, None, name)

    def read(self, sha256: str) -> bytes:
        """Give an object, its digest checked while reading.

        Raises:
            MissingArtifactError: there is no such object.
            HashMismatchError: its bytes have another digest.
        """
        with self._open(sha256) as file:
            data = _read_all(file, sha256)
        _compare(sha256, hashlib.sha256(data).hexdigest())
        return data

    def open(self, sha256: str) -> BinaryIO:
        """Open an object for reading after its digest was checked on the same descriptor.

        Raises:
            MissingArtifactError: there is no such object.
            HashMismatchError: its bytes have another digest.
        """
        file = self._open(sha256)
        try:
            _compare(sha256, _hash_all(file, sha256)[0])
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def contains(self, sha256: str) -> bool:
        """Say whether there is an object of this name; its bytes are not looked at."""
        return self.object_path(sha256).is_file()

    def check(self, sha256: str) -> int:
        """Hash an object again; give its size in bytes.

        Raises:
            MissingArtifactError: there is no such object.
            HashMismatchError: its bytes have another digest.
        """
        with self._open(sha256) as file:
            digest, size = _hash_all(file, sha256)
        _compare(sha256, digest)
        return size

    def remove(self, sha256: str) -> bool:
        """Remove an object for good; False when there was none. Whether it may go is for `retention` to say.

        Raises:
            ServiceError: it can't be removed.
        """
        path = self.object_path(sha256)
        with _writing():
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(path.parent)
        return True

    def publish_seal(self, key: str, sequence: int, data: bytes) -> bool:
        """Store a seal under a sequence number that must be free; False when it was not."""
        path = self._seal_path(key, sequence)
        with _writing(), PendingFile(path.parent) as pending:
            pending.write(data)
            return pending.publish(path)

    def sealed_keys(self) -> tuple[str, ...]:
        """List the incident keys that have seals, sorted."""
        folder = self.root / "seals"
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return tuple(name for name in names if _KEY.fullmatch(name) and self.seal_sequences(name))

    def seal_sequences(self, key: str) -> tuple[int, ...]:
        """List the sequence numbers of an incident's seals, ascending."""
        folder = self._seal_path(key, 1).parent
        names = (path.name for path in folder.iterdir()) if folder.is_dir() else iter(())
        return tuple(sorted(int(match[1]) for match in map(_SEAL_FILE.fullmatch, names) if match))

    def read_seal(self, key: str, sequence: int) -> bytes:
        """Give a seal's bytes as they are; its signature is for the caller to check.

        Raises:
            MissingArtifactError: there is no such seal.
        """
        path = self._seal_path(key, sequence)
        if not path.exists():
            message = f"The vault holds no seal {key}/{sequence:06d}."
            raise MissingArtifactError(message, advice="Restore the vault from its copy.")
        with open_regular(path, name=f"seal {key}/{sequence:06d}") as file:
            return _read_all(file, path.name)

    @property
    def location(self) -> str:
        """Give the absolute path of the folder."""
        return str(self.root.resolve())

    def publish_record(self, name: str, data: bytes) -> bool:
        """Store bytes under a name that must be free; False when it was not."""
        path = self.root / record_name(name)
        with _writing(), PendingFile(path.parent) as pending:
            pending.write(data)
            return pending.publish(path)

    def read_record(self, name: str) -> bytes:
        """Give a record's bytes as they are.

        Raises:
            MissingArtifactError: there is no such record.
        """
        path = self.root / record_name(name)
        if not path.is_symlink() and not path.exists():
            message = f"The vault holds no record {name}."
            raise MissingArtifactError(message, advice="Restore the vault from its copy.")
        with open_regular(path, name=f"record {name}") as file:
            return _read_all(file, name)

    def list_records(self, prefix: str) -> tuple[str, ...]:
        """List the names of the records that begin with `prefix`, sorted; pending files are none."""
        root = self.root / "records"
        top = root / prefix.rpartition("/")[0]
        found = (path for path in top.rglob("*") if path.is_symlink() or not path.is_dir())
        names = (path.relative_to(root).as_posix() for path in found if not path.name.startswith(".pending-"))
        return tuple(sorted(name for name in names if name.startswith(prefix)))

    def object_path(self, sha256: str) -> Path:
        """Give the path of an object, whether it is there or not."""
        return self.root / object_name(sha256)

    def _seal_path(self, key: str, sequence: int) -> Path:
        if not _KEY.fullmatch(key):
            message = f"{key!r} is no incident key."
            raise SealError(message)
        return self.root / "seals" / key / f"{sequence:06d}.sigstore.json"

    def _open(self, sha256: str) -> BinaryIO:
        path = self.object_path(sha256)
        if not path.is_symlink() and not path.exists():
            message = f"The vault holds no object {sha256}."
            raise MissingArtifactError(message, advice="Restore the vault from its copy, or seal anew.")
        return open_regular(path, name=f"object {sha256}")

    def _copy(self, file: BinaryIO, began: os.stat_result, given: str | None, name: str) -> Taken:
        with _writing(), contextlib.ExitStack() as stack:
            pending = stack.enter_context(PendingFile(self.root / "objects"))
            sha256, size = _write(pending, _chunks(file, name))
            _refuse_changed(file, began, name)
            if given not in (None, sha256):
                return Taken(sha256, size, None)
            target = self.object_path(sha256)
            if size <= SMALL:
                stack.pop_all()  # the batch closes it
                self._batch.add(pending, target)
                created = True
            else:
                created = pending.publish(target)
        if not created:
            self.check(sha256)
        return Taken(sha256, size, Stored(sha256, size, sha256))

    def _store(self, chunks: Iterable[bytes], expected: str | None, name: str) -> Stored:
        with _writing(), PendingFile(self.root / "objects") as pending:
            sha256, size = _write(pending, chunks)
            if expected not in (None, sha256):
                message = f"{name}: changed while it was being sealed."
                raise UnreadableInputError(message, advice="Copy it aside, or wait until it is whole.")
            created = pending.publish(self.object_path(sha256))
        if not created:
            self.check(sha256)
        return Stored(sha256, size, sha256)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"The vault can't be written ({error.strerror or error})."
        raise ServiceError(message, advice="Check its free space and permissions, then run again.") from error


def _write(pending: PendingFile, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write chunks; give digest and size of what was written."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        pending.write(chunk)
    return digest.hexdigest(), size


def _state(file: BinaryIO) -> os.stat_result:
    return os.fstat(file.fileno())


def _refuse_changed(file: BinaryIO, began: os.stat_result, name: str) -> None:
    """Refuse a file that somebody wrote to while it was read: its bytes were never all there at once."""
    now = _state(file)
    if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
        began.st_size,
        began.st_mtime_ns,
        began.st_ctime_ns,
    ):
        message = f"{name}: changed while it was being sealed."
        raise UnreadableInputError(message, advice="Copy it aside, or wait until it is whole.")


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    size = 0
    while True:
        try:
            chunk = file.read(STEP)
        except OSError as error:
            message = f"{name}: reading stopped after {size} bytes ({error.strerror})."
            raise UnreadableInputError(message) from error
        if not chunk:
            return
        size += len(chunk)
        yield chunk


def _hash_all(file: BinaryIO, name: str) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for chunk in _chunks(file, name):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _read_all(file: BinaryIO, name: str) -> bytes:
    return b"".join(_chunks(file, name))


def _compare(sha256: str, found: str) -> None:
    if found != sha256:
        message = f"The vault's object {sha256} was altered: its bytes have SHA-256 {found}."
        raise HashMismatchError(message)
