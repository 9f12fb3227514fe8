"""`aes-256-gcm-chunked-v1`: a stream of any size under AES-256-GCM, readable from any place in it.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, CRYPTO 2015), with the parameters of `age`: chunks of 1 MiB, each sealed
by itself with a 16-byte tag; the nonce is the chunk's number (11 bytes, big-endian) and one byte that is
1 in the last chunk only. A chunk can therefore not be moved, left out, added or taken from elsewhere,
and the end can't be cut off. Every chunk is bound to a context: which artifact of which incident.

A key encrypts one stream and never another, so numbers serve as nonces. Empty input is one empty
chunk; no other stream ends in an empty one, so a plaintext has one ciphertext per key.

What belongs here: the cipher. What does not: keys (`keyring`), where things are kept (`encryption`).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from incident_pipeline.errors import EncryptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENCODING: Final = "aes-256-gcm-chunked-v1"
CHUNK: Final = 1024**2
"""Bytes of plaintext per chunk."""
TAG: Final = 16
_SEALED: Final = CHUNK + TAG
_SOUGHT: Final = 1024
"""Places that are tried when a chunk is not where it belongs, to say where it came from."""


def encrypt(pieces: Iterable[bytes], key: bytes, context: bytes) -> Iterator[bytes]:
    """Encrypt a stream, chunk by chunk; memory is that of two chunks.

    Args:
        pieces: the plaintext, in pieces of any size.
        key: 32 bytes, made for this stream alone.
        context: what the stream is; the same bytes are needed to decrypt it.
    """
    cipher = AESGCM(key)
    number = 0
    held: bytes | None = None
    for chunk in _regroup(pieces):
        if held is not None:
            yield cipher.encrypt(_nonce(number, last=False), held, context)
            number += 1
        held = chunk
    yield cipher.encrypt(_nonce(number, last=True), held or b"", context)


class Ciphertext:
    """An encrypted stream in a file, each chunk of which can be had by its number."""

    def __init__(self, file: BinaryIO, key: bytes, context: bytes, *, name: str) -> None:
        """Take a seekable file; it is closed by whoever opened it. `name` is what messages call it.

        Raises:
            EncryptionError: a file of this size is no such stream.
        """
        self._file = file
        self._cipher = AESGCM(key)
        self._context = context
        self._name = name
        stored = file.seek(0, io.SEEK_END)
        self.chunks = -(-stored // _SEALED)
        tail = stored - (self.chunks - 1) * _SEALED
        if stored < TAG or tail < TAG or (tail == TAG and self.chunks > 1):
            message = f"{name}: {stored} bytes are no whole ciphertext: it was cut off or extended."
            raise EncryptionError(message)
        self.size = stored - self.chunks * TAG

    def chunk(self, number: int) -> bytes:
        """Decrypt one chunk, counted from 0.

        Raises:
            EncryptionError: it was altered, moved, or is not of this stream; the message says which.
        """
        data = self._sealed(number)
        last = number == self.chunks - 1
        try:
            return self._cipher.decrypt(_nonce(number, last=last), data, self._context)
        except InvalidTag as error:
            raise EncryptionError(self._diagnosis(number, data, last=last)) from error

    def __iter__(self) -> Iterator[bytes]:
        """Decrypt all chunks in order."""
        return map(self.chunk, range(self.chunks))

    def _sealed(self, number: int) -> bytes:
        self._file.seek(number * _SEALED)
        wanted = min(_SEALED, self.size + self.chunks * TAG - number * _SEALED)
        parts: list[bytes] = []
        while wanted > 0 and (part := self._file.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _diagnosis(self, number: int, data: bytes, *, last: bool) -> str:
        place = f"{self._name}: chunk {number + 1} of {self.chunks}"
        if self._opens(number, data, last=not last):
            return f"{place} {'is not the last: the end was cut off' if last else 'was the last: extended'}."
        for other in range(min(self.chunks + 1, _SOUGHT)):
            if self._opens(other, data, last=False) or self._opens(other, data, last=True):
                return f"{place} was chunk {other + 1}: chunks were reordered or left out."
        return f"{place} was altered, or is of another artifact or key."

    def _opens(self, number: int, data: bytes, *, last: bool) -> bool:
        try:
            self._cipher.decrypt(_nonce(number, last=last), data, self._context)
        except InvalidTag:
            return False
        return True


class PlaintextFile(io.RawIOBase):
    """The plaintext of a `Ciphertext` as a seekable file, decrypted where it is read; closes its file."""

    def __init__(self, ciphertext: Ciphertext, file: BinaryIO) -> None:
        """Read this ciphertext, whose open file is closed with this one."""
        super().__init__()
        self._ciphertext = ciphertext
        self._file = file
        self._at = 0
        self._number = -1
        self._chunk = b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes: chunks stand on their own."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte of the plaintext."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ciphertext.size}[whence]
        if base + offset < 0:
            message = "negative position"
            raise ValueError(message)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        """Fill the buffer up to the end of a chunk."""
        if self._at >= self._ciphertext.size or not len(buffer):
            return 0
        number, offset = divmod(self._at, CHUNK)
        if number != self._number:
            self._chunk, self._number = self._ciphertext.chunk(number), number
        part = self._chunk[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        """Close the ciphertext's file, too."""
        if not self.closed:
            self._chunk = b""
            self._file.close()
        super().close()


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + (b"\1" if last else b"\0")


def _regroup(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the same bytes in chunks of `CHUNK`, the last one shorter but not empty."""
    rest = bytearray()
    for piece in pieces:
        if not rest and len(piece) == CHUNK:
            yield piece  # the common case, without a copy
            continue
        rest += piece
        while len(rest) >= CHUNK:
            yield bytes(rest[:CHUNK])
            del rest[:CHUNK]
    if rest:
        yield bytes(rest)
