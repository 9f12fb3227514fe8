"""A vault whose artifacts are encrypted at rest: envelope encryption around any other vault.

Readers address an artifact by the digest of its plaintext, as ever; the inner vault holds ciphertext
under the ciphertext's own digest, so that it can be checked without a key, and `data_keys` holds the
way from one to the other. One random data key per artifact and incident: evidence that two incidents
share is two ciphertexts, and erasing one does not touch the other.

Order of a write: ciphertext first, then its key record, under a name only one writer can get. A killed
run leaves an orphan that nobody can decrypt, never a record without its object. Objects that were stored
before encryption was configured stay readable.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast, runtime_checkable

from incident_pipeline.errors import (
    DataKeyError,
    EncryptionError,
    ErasedEvidenceError,
    HashMismatchError,
    MissingArtifactError,
    ServiceError,
    UnreadableInputError,
)
from incident_pipeline.evidence.custody import recorded_end
from incident_pipeline.evidence.data_keys import KeyRecord, stream_context
from incident_pipeline.evidence.stream import CHUNK, ENCODING, Ciphertext, PlaintextFile, encrypt
from incident_pipeline.evidence.vault import Stored, Taken, TakesFiles
from incident_pipeline.ingest import hash_file, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_pipeline.evidence.data_keys import DataKeys
    from incident_pipeline.evidence.keyring import Keyring
    from incident_pipeline.evidence.vault import Vault, Worm


@runtime_checkable
class TakesChunks(Protocol):
    """A vault that stores a stream as it is made."""

    def put_chunks(self, chunks: Iterable[bytes], *, name: str) -> Stored:
        """Store bytes in pieces."""


class EncryptedVault:
    """The vault of one incident; encrypts what is put when the keyring has a current key."""

    def __init__(self, inner: Vault, keyring: Keyring, *, keys: DataKeys, incident: str) -> None:
        """Encrypt into and decrypt from `inner`; `incident` is the folded id."""
        self.inner = inner
        self.keyring = keyring
        self.keys = keys
        self.incident = incident

    @property
    def worm(self) -> Worm:
        """Say what the inner vault says."""
        return self.inner.worm

    @property
    def location(self) -> str:
        """Say what the inner vault says."""
        return self.inner.location

    def put_file(self, path: Path, *, name: str, expected: str | None = None) -> Stored:
        """Store a file, encrypting and hashing while copying.

        Args:
            path: the file; a link is not followed.
            name: what messages call it: the artifact's URI.
            expected: the digest it had when it was taken in; computed when None.

        Raises:
            UnreadableInputError: it can't be read, or changed since `expected` was computed.
            HashMismatchError: the vault already holds its ciphertext, and it was altered.
            EncryptionError: the vault already holds its key record, and it was altered.
            ServiceError: the vault, the keys or KMS can't be used.
        """
        if self.keyring.current is None:
            return self.inner.put_file(path, name=name, expected=expected)
        sha256 = expected or hash_file(path, name=name)[0]
        if (known := self._known(sha256)) is not None:
            return known
        with open_regular(path, name=name) as file:
            return self._put(_chunks(file, name), sha256, name)

    def take_file(self, path: Path, *, name: str, given: str | None, likely: str | None) -> Taken:
        """Store a file as the inner vault does or, where it is encrypted, as `put_file` does.

        A data key is made for a digest, so a file without a given one is hashed before. A given one is
        compared while encrypting, and nothing is stored where it is wrong.

        Args:
            path: the file; a link is not followed.
            name: what messages call it: the artifact's URI.
            given: the digest it should have; with another one it is not stored.
            likely: a hint for the inner vault.

        Raises:
            UnreadableInputError: it can't be read, or was written to meanwhile (and what `put_file` raises).
        """
        if self.keyring.current is None:
            if isinstance(self.inner, TakesFiles):
                return self.inner.take_file(path, name=name, given=given, likely=likely)
        elif given is not None and self.keys.read(self.incident, given) is None:
            try:
                stored = self.put_file(path, name=name, expected=given)
            except UnreadableInputError:
                # It has another digest, or can't be read, or changes: reading it again tells which.
                sha256, size = hash_file(path, name=name)
                if sha256 == given:
                    raise
                return Taken(sha256, size, None)
            return Taken(stored.sha256, stored.size, stored)
        sha256, size = hash_file(path, name=name)
        if given not in (None, sha256):
            return Taken(sha256, size, None)
        return Taken(sha256, size, self.put_file(path, name=name, expected=sha256))

    def settle(self) -> None:
        """Have the inner vault make durable what it took."""
        if isinstance(self.inner, TakesFiles):
            self.inner.settle()

    def abandon(self) -> None:
        """Have the inner vault forget what it took."""
        if isinstance(self.inner, TakesFiles):
            self.inner.abandon()

    def put_bytes(self, data: bytes) -> Stored:
        """Store bytes, encrypted (errors as `put_file`)."""
        if self.keyring.current is None:
            return self.inner.put_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        return self._known(sha256) or self._put([data], sha256, "record")

    def read(self, sha256: str) -> bytes:
        """Give an artifact's plaintext; the digests of ciphertext and plaintext are checked.

        Raises:
            MissingArtifactError: there is no such artifact, or its ciphertext is gone.
            HashMismatchError: ciphertext or plaintext have another digest.
            EncryptionError: it does not decrypt.
            DataKeyError: its key is not at hand.
            ErasedEvidenceError: it was erased.
        """
        record = self._record(sha256)
        if record is None:
            return self.inner.read(sha256)
        with self.inner.open(record.stored_sha256) as file:
            data = b"".join(self._ciphertext(record, file))
        _compare(sha256, hashlib.sha256(data).hexdigest())
        return data

    def open(self, sha256: str) -> BinaryIO:
        """Open an artifact's plaintext after both digests were checked; nothing plain touches a disk.

        Errors are those of `read`.
        """
        record = self._record(sha256)
        if record is None:
            return self.inner.open(sha256)
        file = self.inner.open(record.stored_sha256)
        try:
            ciphertext = self._ciphertext(record, file)
            _compare(sha256, _digest(ciphertext))
            plain = PlaintextFile(ciphertext, file)
        except BaseException:
            file.close()
            raise
        return cast("BinaryIO", io.BufferedReader(plain, CHUNK))

    def contains(self, sha256: str) -> bool:
        """Say whether there is an artifact of this digest, or a stored object; nothing is looked at."""
        record = self.keys.read(self.incident, sha256)
        return self.inner.contains(record.stored_sha256 if record else sha256)

    def check(self, sha256: str) -> int:
        """Hash ciphertext and plaintext again; give the plaintext's size (errors as `read`)."""
        record = self._record(sha256)
        if record is None:
            return self.inner.check(sha256)
        with self.inner.open(record.stored_sha256) as file:
            ciphertext = self._ciphertext(record, file)
            _compare(sha256, _digest(ciphertext))
            return ciphertext.size

    def publish_seal(self, key: str, sequence: int, data: bytes) -> bool:
        """Store a seal; seals are not encrypted."""
        return self.inner.publish_seal(key, sequence, data)

    def sealed_keys(self) -> tuple[str, ...]:
        """List the incident keys that have seals, sorted."""
        return self.inner.sealed_keys()

    def seal_sequences(self, key: str) -> tuple[int, ...]:
        """List the sequence numbers of an incident's seals, ascending."""
        return self.inner.seal_sequences(key)

    def read_seal(self, key: str, sequence: int) -> bytes:
        """Give a seal's bytes as they are."""
        return self.inner.read_seal(key, sequence)

    def publish_record(self, name: str, data: bytes) -> bool:
        """Store a record; records are not encrypted."""
        return self.inner.publish_record(name, data)

    def read_record(self, name: str) -> bytes:
        """Give a record's bytes as they are."""
        return self.inner.read_record(name)

    def list_records(self, prefix: str) -> tuple[str, ...]:
        """List the names of records."""
        return self.inner.list_records(prefix)

    def _known(self, sha256: str) -> Stored | None:
        """Give what is stored already, checked; None when it must be stored."""
        record = self.keys.read(self.incident, sha256)
        if record is None:
            return None
        try:
            return _stored(record, self.check(sha256))
        except MissingArtifactError as error:
            message = f"The ciphertext of {sha256} is gone, its key is not."
            raise MissingArtifactError(message, advice="Restore the vault from its copy.") from error

    def _put(self, pieces: Iterable[bytes], sha256: str, name: str) -> Stored:
        current = self.keyring.current
        if current is None:
            raise DataKeyError(f"{name}: there is no key to encrypt with.")
        data_key = current.new_data_key(_purpose(self.incident, sha256))
        watched = _Watched(pieces, sha256, name)
        context = stream_context(self.incident, sha256)
        stored = self._store(encrypt(watched, data_key.key, context), name)
        record = KeyRecord(
            key_ref=f"dek:{os.urandom(16).hex()}",
            incident=self.incident,
            sha256=sha256,
            size=watched.size,
            stored_sha256=stored.sha256,
            encoding=ENCODING,
            wrapped_by=data_key.wrapped_by,
            wrapped_key=base64.b64encode(data_key.wrapped).decode(),
        )
        if not self.keys.publish(record):
            # Another sealer of the same artifact was first; ours is an orphan without a key.
            known = self._known(sha256)
            if known is None:
                raise ServiceError(f"{name}: its data key was destroyed while it was being sealed.")
            return known
        return _stored(record, watched.size)

    def _store(self, chunks: Iterator[bytes], name: str) -> Stored:
        if isinstance(self.inner, TakesChunks):
            return self.inner.put_chunks(chunks, name=name)
        # A store that wants size and digest first gets them from a file, which holds ciphertext only.
        with tempfile.TemporaryDirectory(prefix="incident-pipeline-") as folder:
            path = Path(folder) / "ciphertext"
            digest = hashlib.sha256()
            with path.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
            return self.inner.put_file(path, name=name, expected=digest.hexdigest())

    def _record(self, sha256: str) -> KeyRecord | None:
        """Give an artifact's key record; None where it is stored as it is."""
        record = self.keys.read(self.incident, sha256)
        if record is None and not self.inner.contains(sha256):
            if reason := recorded_end(self.inner, self.incident, sha256):
                raise ErasedEvidenceError(reason)
            message = f"The vault holds neither an object {sha256} nor a key to one."
            raise MissingArtifactError(message, advice="Restore the vault and its keys from their copies.")
        return record

    def _ciphertext(self, record: KeyRecord, file: BinaryIO) -> Ciphertext:
        purpose = _purpose(self.incident, record.sha256)
        key = self.keyring.unwrap(record.wrapped, record.wrapped_by, purpose)
        context = stream_context(self.incident, record.sha256)
        name = f"The ciphertext {record.stored_sha256}"
        ciphertext = Ciphertext(file, key, context, name=name)
        if ciphertext.size != record.size:
            message = f"{name} holds {ciphertext.size} bytes, its key record says {record.size}."
            raise EncryptionError(message)
        return ciphertext


class _Watched:
    """Pieces of plaintext on their way into the cipher, hashed; raises at the end if they changed.

    Raising there keeps a changed file from ever being published: nothing is stored before the end.
    """

    def __init__(self, pieces: Iterable[bytes], sha256: str, name: str) -> None:
        self._pieces = pieces
        self._sha256 = sha256
        self._name = name
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self._pieces:
            digest.update(piece)
            self.size += len(piece)
            yield piece
        if digest.hexdigest() != self._sha256:
            message = f"{self._name}: changed while it was being sealed."
            raise UnreadableInputError(message, advice="Copy it aside, or wait until it is whole.")


def _purpose(incident: str, sha256: str) -> dict[str, str]:
    """Give what a wrapped key is bound to; KMS policies can name the incident."""
    return {"incident": incident, "artifact": sha256}


def _stored(record: KeyRecord, size: int) -> Stored:
    return Stored(
        record.sha256, size, record.stored_sha256, encoding=(record.encoding,), key_ref=record.key_ref
    )


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK):
            yield chunk
    except OSError as error:
        message = f"{name}: reading stopped ({error.strerror})."
        raise UnreadableInputError(message) from error


def _compare(sha256: str, found: str) -> None:
    if found != sha256:
        message = f"The artifact {sha256} decrypts to bytes with SHA-256 {found}: key and ciphertext lie."
        raise HashMismatchError(message)
