"""The decoded stream of an artifact: decompressed, never transcoded.

Byte ranges of events and citations count in this stream. Evidence is hostile input, so output size
and ratio are capped while decompressing (`ingest.compression`).
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from incident_pipeline.errors import HashMismatchError, UnreadableInputError
from incident_pipeline.ingest import DecodeLimits, decoded_chunks, sniff_encoding
from incident_pipeline.ingest.compression import HEAD_BYTES, STEP

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DECODED_BYTES: Final = DecodeLimits.max_bytes
_SPOOLED: Final = 64 * 1024**2


def decode(data: bytes, *, uri: str, max_bytes: int = MAX_DECODED_BYTES) -> tuple[bytes, str]:
    """Give the decoded stream and its encoding: `identity`, `gzip`, `zstd`, `bzip2` or `xz`.

    Raises:
        MalformedInputError: the compressed stream is cut off or broken; `uri` is named.
        UnsafeArchiveError: it expands past `max_bytes`, or further than real evidence does.
    """
    encoding = sniff_encoding(data)
    if encoding == "identity":
        return data, encoding
    limits = DecodeLimits(max_bytes=max_bytes)
    chunks = decoded_chunks(io.BytesIO(data), encoding, name=uri, size=len(data), limits=limits)
    return b"".join(chunks), encoding


@dataclass(frozen=True)
class DecodedStream:
    """A decoded stream that is read once, forwards, and how it was compressed as received."""

    chunks: Iterator[bytes]
    encoding: str


@contextmanager
def decoding(file: BinaryIO, sha256: str | None, *, uri: str, size: int) -> Iterator[DecodedStream]:
    """Decode an open file of `size` bytes in chunks, checking its digest (if told) while it is read.

    A compressed stream is decoded to its end before the first chunk is given, into memory or, past
    64 MiB, into an unnamed temporary file: one that breaks off gives no rows, and a wrong digest is seen
    first. Other streams are checked when their last chunk is asked for.

    Raises:
        HashMismatchError: the bytes have another digest (also while the chunks are read).
        MalformedInputError: the compressed stream is cut off or broken.
        UnsafeArchiveError: it expands further than real evidence does.
    """
    raw = _Hashed(file, sha256, uri)
    head = raw.peek(HEAD_BYTES)
    encoding = sniff_encoding(head)
    if encoding == "identity":
        yield DecodedStream(raw.to_the_end(), encoding)
        return
    with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
        try:
            for chunk in decoded_chunks(cast("BinaryIO", raw), encoding, name=uri, size=size):
                spool.write(chunk)
        except UnreadableInputError:
            raw.check()  # altered bytes are no broken export
            raise
        raw.check()
        spool.seek(0)
        yield DecodedStream(iter(lambda: spool.read(STEP), b""), encoding)


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read, forwards."""

    def __init__(self, file: BinaryIO, sha256: str | None, uri: str) -> None:
        super().__init__()
        self._file = file
        self._sha256 = sha256
        self._uri = uri
        self._digest = hashlib.sha256()
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """Give the first bytes without taking them."""
        while len(self._ahead) < size and (more := self._file.read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead

    def read(self, size: int = STEP, /) -> bytes:
        data, self._ahead = self._ahead, b""
        if len(data) < size:
            data += self._file.read(size - len(data))
        if self._sha256 is not None:
            self._digest.update(data)
        return data

    def to_the_end(self) -> Iterator[bytes]:
        """Give what is left in chunks, and check the digest after the last."""
        yield from iter(self.read, b"")
        self.check()

    def check(self) -> None:
        """Read what is left and compare the digest."""
        if self._sha256 is None:
            return
        while self.read():
            pass
        if self._digest.hexdigest() != self._sha256:
            found = self._digest.hexdigest()
            message = f"{self._uri}: the bytes read have SHA-256 {found}, not {self._sha256}."
            raise HashMismatchError(message)
