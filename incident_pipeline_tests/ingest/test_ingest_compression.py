"""Bounded decompression: whole streams come back, cut ones are errors, bombs stop early."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import IncidentPipelineError, MalformedInputError, UnsafeArchiveError
from incident_pipeline.ingest import DecodeLimits, decoded_chunks, sniff_encoding
from incident_pipeline.ingest.compression import ChunkReader

MIB = 1024**2
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
encodings = st.sampled_from(sorted(COMPRESS))


def decoded(data: bytes, limits: DecodeLimits | None = None) -> bytes:
    encoding = sniff_encoding(data)
    return b"".join(decoded_chunks(io.BytesIO(data), encoding, name="x", size=len(data), limits=limits))


@given(encodings, st.lists(st.binary(max_size=3_000), min_size=1, max_size=3))
@settings(deadline=None)  # a busy machine is no finding
def test_members_one_after_the_other_come_back_as_one_stream(encoding: str, parts: list[bytes]) -> None:
    data = b"".join(COMPRESS[encoding](part) for part in parts)
    assert sniff_encoding(data) == encoding
    assert decoded(data) == b"".join(parts)


@pytest.mark.parametrize("encoding", sorted(COMPRESS))
def test_a_stream_cut_anywhere_is_an_error_and_never_a_short_result(encoding: str) -> None:
    text = "".join(f"line {number} of the log\n" for number in range(40)).encode()
    data = COMPRESS[encoding](text)
    for length in range(10, len(data)):
        with pytest.raises(MalformedInputError, match=r"x: the .* stream is"):
            decoded(data[:length])


@given(encodings, st.binary(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
@settings(deadline=None)  # a busy machine is no finding
def test_a_changed_stream_gives_bytes_or_our_error(encoding: str, text: bytes, at: int, flip: int) -> None:
    data = bytearray(COMPRESS[encoding](text))
    data[at % len(data)] ^= flip
    try:
        decoded(bytes(data))
    except IncidentPipelineError as error:
        assert "x" in error.message  # noqa: PT017 - some flips leave a readable stream


@pytest.mark.parametrize("encoding", sorted(COMPRESS))
def test_long_streams_come_in_steps_of_a_mebibyte(encoding: str) -> None:
    text = os.urandom(1_000) * 2_500
    data = COMPRESS[encoding](text)
    limits = DecodeLimits(max_ratio=10**6)
    chunks = list(decoded_chunks(io.BytesIO(data), encoding, name="x", size=len(data), limits=limits))
    assert max(map(len, chunks)) <= MIB
    assert b"".join(chunks) == text


@pytest.mark.parametrize("encoding", sorted(COMPRESS))
@pytest.mark.parametrize(
    "limits", [DecodeLimits(max_bytes=8 * MIB), DecodeLimits(max_ratio=50, ratio_floor=8 * MIB)]
)
def test_a_bomb_is_refused_long_before_it_is_unpacked(encoding: str, limits: DecodeLimits) -> None:
    data = COMPRESS[encoding](bytes(96 * MIB))
    tracemalloc.start()
    with pytest.raises(UnsafeArchiveError, match="refused as a bomb"):
        for _ in decoded_chunks(io.BytesIO(data), encoding, name="x", size=len(data), limits=limits):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MIB


def test_the_default_limits_stop_a_gzip_bomb_by_its_ratio() -> None:
    data = b"".join(gzip.compress(bytes(16 * MIB), mtime=0) for _ in range(6))
    with pytest.raises(UnsafeArchiveError, match=f"from {len(data)}"):
        for _ in decoded_chunks(io.BytesIO(data), "gzip", name="x", size=len(data)):
            pass


def test_padding_after_a_member_is_passed_over_and_garbage_is_not() -> None:
    data = gzip.compress(b"evidence", mtime=0)
    assert decoded(data + bytes(3 * MIB)) == b"evidence"
    with pytest.raises(MalformedInputError, match="broken after 8 decoded bytes"):
        decoded(data + b"garbage")


def test_text_that_begins_like_bzip2_stays_text() -> None:
    assert sniff_encoding(b"BZhello world") == "identity"
    assert sniff_encoding(bz2.compress(b"")) == "bzip2"


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(1, 30))
@settings(deadline=None)  # a busy machine is no finding
def test_a_chunk_reader_gives_the_stream_and_where_its_content_ends(parts: list[bytes], step: int) -> None:
    whole = b"".join(parts)
    reader = ChunkReader(iter([part for part in parts if part]))
    read = b"".join(iter(lambda: reader.read(step), b""))
    assert read == whole
    assert reader.position == len(whole)
    assert reader.content_end == len(whole.rstrip(b"\0"))
