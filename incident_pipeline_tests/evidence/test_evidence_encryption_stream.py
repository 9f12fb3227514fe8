"""The chunked cipher: any size comes back, and nothing that was changed, moved, cut or added does."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import EncryptionError
from incident_pipeline.evidence.stream import CHUNK, TAG, Ciphertext, PlaintextFile, encrypt

KEY = bytes(range(32))
CONTEXT = b'{"incident":"inc-1","sha256":"00"}'
SEALED = CHUNK + TAG


def sealed(data: bytes, key: bytes = KEY, context: bytes = CONTEXT, step: int = CHUNK) -> bytes:
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(encrypt(pieces, key, context))


def opened(data: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    return b"".join(Ciphertext(io.BytesIO(data), key, context, name="it"))


def chunks_of(data: bytes) -> list[bytes]:
    return [data[at : at + SEALED] for at in range(0, len(data), SEALED)]


@given(
    base=st.sampled_from([0, 1, CHUNK, 2 * CHUNK]),
    more=st.integers(-3, 3),
    step=st.sampled_from([CHUNK, CHUNK - 1, CHUNK + 1, 4096 * 3 + 1]),
)
@settings(max_examples=40)
def test_any_size_around_the_borders_comes_back(base: int, more: int, step: int) -> None:
    data = (b"0123456789abcdef" * (3 * CHUNK // 16))[: max(0, base + more)]
    stored = sealed(data, step=step)
    assert len(stored) == len(data) + TAG * max(1, -(-len(data) // CHUNK))
    assert opened(stored) == data
    assert stored == sealed(data)


def test_every_flipped_bit_of_a_small_ciphertext_is_refused() -> None:
    stored = sealed(b"pay 100 to bob\n")
    for position in range(len(stored) * 8):
        altered = bytearray(stored)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(EncryptionError, match="chunk 1 of 1 was altered"):
            opened(bytes(altered))


@given(position=st.integers(0, 2 * CHUNK + 50 + 3 * TAG - 1), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_a_flipped_bit_anywhere_in_a_long_one_is_refused(position: int, bit: int) -> None:
    altered = bytearray(LONG)
    altered[position] ^= 1 << bit
    with pytest.raises(EncryptionError):
        opened(bytes(altered))


LONG = sealed(bytes(2 * CHUNK + 50))
ONE, TWO, THREE = chunks_of(LONG)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (TWO + ONE + THREE, "chunk 1 of 3 was chunk 2: chunks were reordered"),
        (ONE + THREE, "chunk 2 of 2 was chunk 3: chunks were reordered or left out"),
        (ONE + TWO, "chunk 2 of 2 is not the last: the end was cut off"),
        (ONE + ONE + THREE, "chunk 2 of 3 was chunk 1"),
        (ONE + TWO + THREE[:-1], "chunk 3 of 3 was altered"),
        (ONE + TWO + THREE[:TAG], "no whole ciphertext"),
        (ONE + TWO + THREE[:3], "no whole ciphertext"),
        (LONG + b"\0", "chunk 3 of 3 was altered"),
        (b"", "0 bytes are no whole ciphertext"),
        (sealed(bytes(CHUNK)) + sealed(bytes(50)), "chunk 1 of 2 was the last: extended"),
    ],
)
def test_reordered_cut_extended_and_swapped_chunks_are_refused_by_name(stored: bytes, says: str) -> None:
    with pytest.raises(EncryptionError, match=says):
        opened(stored)


def test_another_key_or_another_artifact_does_not_open_it() -> None:
    stored = sealed(b"x")
    for options in ({"key": bytes(32)}, {"context": b"other"}):
        with pytest.raises(EncryptionError, match="of another artifact or key"):
            opened(stored, **options)
    foreign = sealed(bytes(2 * CHUNK + 50), key=bytes(32))
    with pytest.raises(EncryptionError, match="chunk 2 of 3 was altered, or is of another"):
        opened(ONE + chunks_of(foreign)[1] + THREE)


@given(st.lists(st.tuples(st.integers(0, 2 * CHUNK + 60), st.integers(0, CHUNK + 5)), max_size=5))
@settings(max_examples=20)
def test_any_range_can_be_read_without_reading_what_is_before(ranges: list[tuple[int, int]]) -> None:
    data = bytes(range(256)) * (2 * CHUNK // 256) + b"tail"
    file = io.BytesIO(sealed(data))
    plain = io.BufferedReader(PlaintextFile(Ciphertext(file, KEY, CONTEXT, name="it"), file))
    for start, length in ranges:
        plain.seek(start)
        assert plain.read(length) == data[start : start + length]
    assert plain.seek(0, io.SEEK_END) == len(data)
    plain.close()
    assert file.closed
