"""The decoded stream of an artifact: decompressed, never transcoded.

Byte ranges of events and citations count in this stream. Evidence is hostile input, so output size
and ratio are capped while decompressing (`ingest.compression`).
"""

from __future__ import annotations

import io
from typing import Final

from incident_pipeline.ingest import DecodeLimits, decoded_chunks, sniff_encoding

MAX_DECODED_BYTES: Final = DecodeLimits.max_bytes


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
