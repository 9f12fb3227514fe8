"""Decompress hostile streams in bounded steps: gzip, zstd, bzip2 and xz, told apart by their magic.

Never more than one step is in memory here, a stream that ends early is an error rather than a short
result, and size and ratio are capped while decompressing. zstd goes through Arrow: the `zstandard`
reader gives a truncated stream as if it were whole.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from incident_pipeline.errors import MalformedInputError, UnsafeArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEP: Final = 1024**2
"""Bytes decoded at a time."""
MAX_DECODED_BYTES: Final = 2 * 1024**3
MAX_RATIO: Final = 200
"""Real logs stay far below: ten to sixty."""
RATIO_FLOOR: Final = 64 * 1024**2
"""Below this size any ratio is harmless: a log of one repeated line compresses a thousandfold."""

_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
"""What follows `BZh` and a digit: a text may begin with those four letters too."""
HEAD_BYTES: Final = 10
"""How many first bytes `sniff_encoding` looks at."""
_XZ_MEMORY: Final = 256 * 1024**2


@dataclass(frozen=True)
class DecodeLimits:
    """How far a stream may expand: bytes, and the ratio to its compressed size above a floor."""

    max_bytes: int = MAX_DECODED_BYTES
    max_ratio: int = MAX_RATIO
    ratio_floor: int = RATIO_FLOOR


def sniff_encoding(head: bytes) -> str:
    """Tell the encoding from the first bytes: `gzip`, `zstd`, `bzip2`, `xz`, else `identity`."""
    for magic, encoding in _MAGIC:
        if head.startswith(magic):
            return encoding if encoding != "bzip2" or head[4:10] in _BZIP2_BLOCKS else "identity"
    return "identity"


def decoded_chunks(
    file: BinaryIO, encoding: str, *, name: str, size: int, limits: DecodeLimits | None = None
) -> Iterator[bytes]:
    """Give the decoded stream of an open file in chunks of at most `STEP` bytes.

    Args:
        file: open for reading at the start of the stream.
        encoding: as `sniff_encoding` tells it.
        name: what messages call the stream.
        size: compressed bytes, for the ratio.
        limits: how far it may expand; the defaults when None. An `identity` stream is not held to them.

    Raises:
        MalformedInputError: the stream is broken or cut off.
        UnsafeArchiveError: it expands past the limits.
    """
    if encoding == "identity":
        yield from iter(lambda: file.read(STEP), b"")
        return
    limits = limits or DecodeLimits()
    total = 0
    chunks = _arrow_chunks(file) if encoding == "zstd" else _member_chunks(file, _DECODERS[encoding])
    try:
        for chunk in chunks:
            total += len(chunk)
            if total > limits.max_bytes or (total > limits.ratio_floor and total > limits.max_ratio * size):
                message = f"{name}: expands to more than {total} bytes from {size}; refused as a bomb."
                raise UnsafeArchiveError(message)
            yield chunk
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        message = f"{name}: the {encoding} stream is broken after {total} decoded bytes ({error})."
        raise MalformedInputError(message) from error
    except EOFError as error:
        message = f"{name}: the {encoding} stream is cut off after {total} decoded bytes."
        raise MalformedInputError(message) from error


class ChunkReader(io.RawIOBase):
    """Chunks as a file that can only be read forwards, which is what `tarfile` needs."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        """Read from these chunks."""
        super().__init__()
        self._chunks = chunks
        self._left = memoryview(b"")
        self.position = 0
        self.content_end = 0
        """Where the last byte other than NUL ended, so far."""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = STEP, /) -> bytes:
        """Give the next `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            if not self._left:
                chunk = next(self._chunks, b"")
                if not chunk:
                    break
                self._left = memoryview(chunk)
            part = bytes(self._left[:wanted])
            self._left = self._left[wanted:]
            wanted -= len(part)
            parts.append(part)
        data = b"".join(parts)
        if content := len(data.rstrip(b"\0")):
            self.content_end = self.position + content
        self.position += len(data)
        return data


class _Decoder(Protocol):
    """One compressed member: what the standard library's decoders have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipDecoder:
    """`zlib` in the shape of the newer decoders, which keep the unread input themselves."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        # A full step may leave output inside zlib even when all input is consumed.
        return not self._stream.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        part = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self._full = len(part) == max_length
        return part


_DECODERS: Final[dict[str, Callable[[], _Decoder]]] = {
    "gzip": _GzipDecoder,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


def _member_chunks(file: BinaryIO, new_decoder: Callable[[], _Decoder]) -> Iterator[bytes]:
    """Decode one member after the other; NUL padding may follow the last (tape and block sizes)."""
    rest = file.read(STEP)
    while rest:
        decoder = new_decoder()
        while not decoder.eof:
            if decoder.needs_input and not rest:
                rest = file.read(STEP)
                if not rest:
                    raise EOFError
            part = decoder.decompress(rest if decoder.needs_input else b"", STEP)
            rest = b""
            if part:
                yield part
        rest = decoder.unused_data
        while not (rest := rest.lstrip(b"\0")):
            rest = file.read(STEP)
            if not rest:
                return


def _arrow_chunks(file: BinaryIO) -> Iterator[bytes]:
    # Arrow is needed for zstd only, and costs a tenth of a second to import.
    import pyarrow as pa  # noqa: PLC0415 - heavy

    with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
        yield from iter(lambda: stream.read(STEP), b"")
