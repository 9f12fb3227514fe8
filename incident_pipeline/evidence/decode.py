"""The decoded stream of an artifact: decompressed, never transcoded.

Byte ranges of events and citations count in this stream. Evidence is hostile input, so output size
and ratio are capped while decompressing.
"""

from __future__ import annotations

import zlib
from typing import Final

from incident_pipeline.errors import MalformedInputError, UnsafeArchiveError

MAX_DECODED_BYTES: Final = 2 * 1024**3
MAX_RATIO: Final = 1_000
_RATIO_FLOOR: Final = 16 * 1024**2
"""Below this size any ratio is harmless."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_STEP: Final = 1024**2


def decode(data: bytes, *, uri: str, max_bytes: int = MAX_DECODED_BYTES) -> tuple[bytes, str]:
    """Give the decoded stream and the name of its encoding (`identity` or `gzip`).

    Raises:
        MalformedInputError: the compressed stream is cut off or broken; `uri` is named.
        UnsafeArchiveError: it expands past `max_bytes` or by more than `MAX_RATIO`.
    """
    if data[:2] != _GZIP_MAGIC:
        return data, "identity"
    return _gunzip(data, uri=uri, max_bytes=max_bytes), "gzip"


def _gunzip(data: bytes, *, uri: str, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = data
    while rest:
        stream = zlib.decompressobj(wbits=31)
        while True:
            try:
                part = stream.decompress(rest, _STEP)
            except zlib.error as error:
                message = f"{uri}: the gzip stream is broken after {size} decoded bytes ({error})."
                raise MalformedInputError(message) from error
            rest = stream.unconsumed_tail
            size += len(part)
            parts.append(part)
            if size > max_bytes or (size > _RATIO_FLOOR and size > MAX_RATIO * len(data)):
                message = f"{uri}: expands to more than {size} bytes from {len(data)}; refused as a bomb."
                raise UnsafeArchiveError(message)
            if stream.eof:
                break
            if not rest and not part:
                message = f"{uri}: the gzip stream is cut off after {size} decoded bytes."
                raise MalformedInputError(message)
        # Several gzip members may follow each other; zero padding after the last is allowed.
        rest = stream.unused_data.lstrip(b"\0")
    return b"".join(parts)
