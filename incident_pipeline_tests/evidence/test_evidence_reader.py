"""Decoding, locating and citing: an excerpt always equals the bytes it cites."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma

import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import (
    HashMismatchError,
    MalformedInputError,
    MissingArtifactError,
    UnsafeArchiveError,
)
from incident_pipeline.evidence import EvidenceReader, decode, locate
from incident_pipeline.evidence.reader import MAX_EXCERPT, readable_range
from incident_pipeline.ingest import sniff_encoding
from incident_pipeline.model.artifact import SealedArtifact


class Memory:
    """A vault of one test: it serves bytes, and says what a real one says when they are wrong."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def read(self, sha256: str) -> bytes:
        data = self.objects.get(sha256)
        if data is None:
            message = f"The vault holds no object {sha256}."
            raise MissingArtifactError(message)
        if hashlib.sha256(data).hexdigest() != sha256:
            message = f"The vault's object {sha256} was altered."
            raise HashMismatchError(message)
        return data


def reader_of(data: bytes, uri: str = "logs/app.log") -> tuple[EvidenceReader, str]:
    digest = hashlib.sha256(data).hexdigest()
    artifact = SealedArtifact(
        sha256=digest, size=len(data), stored_sha256=digest, uri=uri, type="logs", source="test"
    )
    return EvidenceReader(Memory({digest: data}), [artifact]), digest


TEXT = "".join(f"line {number}: caf\u00e9 closed\n" for number in range(200)).encode()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT, "identity"), (b"", "identity"), (gzip.compress(TEXT), "gzip"), (bz2.compress(TEXT), "bzip2"),
        (lzma.compress(TEXT), "xz"), (zstandard.ZstdCompressor().compress(TEXT), "zstd"),
        (gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + bytes(512), "gzip"),
    ],
)  # fmt: skip
def test_decoding_decompresses_and_never_transcodes(data: bytes, encoding: str) -> None:
    assert decode(data, uri="a") == (TEXT if data else b"", encoding)


def test_latin_1_and_utf_16_stay_as_they_are() -> None:
    for text in ("caf\u00e9\r\n".encode("latin-1"), "caf\u00e9".encode("utf-16")):
        assert decode(text, uri="a") == (text, "identity")


def test_a_truncated_artifact_is_named() -> None:
    for length in (3, 15, -9, -1):
        with pytest.raises(MalformedInputError, match=r"logs/app\.gz: the gzip stream is cut off after"):
            decode(gzip.compress(TEXT)[:length], uri="logs/app.gz")


def test_a_bomb_is_refused_by_size_and_by_ratio() -> None:
    data = gzip.compress(bytes(80 * 1024**2))
    with pytest.raises(UnsafeArchiveError, match=r"bomb\.gz: expands to more than"):
        decode(data, uri="bomb.gz", max_bytes=1024**2)
    with pytest.raises(UnsafeArchiveError, match=r"bomb\.gz: expands to more than"):
        decode(data, uri="bomb.gz")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=5), children),
    max_leaves=20,
)


def pointers(value: object, pointer: str = "") -> list[tuple[str, object]]:
    found = [(pointer, value)]
    if isinstance(value, dict):
        for key, member in value.items():
            found += pointers(member, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    if isinstance(value, list):
        for index, member in enumerate(value):
            found += pointers(member, f"{pointer}/{index}")
    return found


@given(json_values, st.sampled_from([None, 1, "\t"]), st.booleans(), st.sampled_from([b"", b" \n", b"[1]\n"]))
@settings(deadline=None)  # a busy machine is no finding
def test_every_pointer_locates_the_bytes_of_its_value(
    value: object, indent: int | str | None, ascii_only: bool, before: bytes
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assume(ascii_only or not any("\ud800" <= letter <= "\udfff" for letter in text))
    data = before + text.encode() + b" , trailing"
    for pointer, expected in pointers(value):
        start, end = locate(data, pointer, len(before))
        assert json.loads(data[start:end]) == expected
        assert data[start:end].strip() == data[start:end]


def test_of_two_equal_keys_the_last_counts_as_for_parsers() -> None:
    data = b'{"a": 1, "\\u0061": [2, 3]}'
    assert data[slice(*locate(data, "/a/1"))] == b"3"


@pytest.mark.parametrize(
    "pointer",
    [
        "a",
        "/b",
        "/a/3",
        "/a/-",
        "/a/01",
        "/a/+1",
        "/a/\u00b2",
        "/a/0/x",
        "/~2",
        "/a/",
        "/a/99999999999999999999",
    ],
)
def test_what_a_pointer_does_not_name_is_an_error(pointer: str) -> None:
    with pytest.raises(MalformedInputError):
        locate(b'{"a": [1, 2, 3], "~2": 1}', pointer)


@given(
    st.binary(max_size=60) | st.text(alphabet='[]{}",:\\ a1\n\u00e9', max_size=40).map(str.encode),
    st.text(alphabet="/a10~", max_size=6),
)
@settings(deadline=None)  # a busy machine is no finding
def test_any_bytes_give_a_range_inside_or_our_error(data: bytes, pointer: str) -> None:
    try:
        start, end = locate(data, pointer)
    except MalformedInputError:
        return
    assert 0 <= start < end <= len(data)


@given(data=st.data())
@settings(deadline=None)  # a busy machine is no finding
def test_an_excerpt_equals_its_bytes_and_its_line(data: st.DataObject) -> None:
    stream = data.draw(
        st.text(max_size=80).map(lambda it: it.encode(errors="replace")) | st.binary(max_size=80)
    )
    assume(sniff_encoding(stream) == "identity")
    reader, digest = reader_of(stream)
    start = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(start, len(stream)))
    needle = data.draw(st.none() | st.text(max_size=3))
    citation = reader.cite(digest, start, end, needle=needle)
    assert stream[citation.byte_start : citation.byte_end] == citation.excerpt.encode()
    assert start <= citation.byte_start <= citation.byte_end <= end
    assert citation.line == stream[: citation.byte_start].count(b"\n") + 1


@given(st.binary(max_size=40))
@settings(deadline=None)  # a busy machine is no finding
def test_the_longest_readable_stretch_is_cited(data: bytes) -> None:
    start, end = readable_range(data, 0, len(data))
    data[start:end].decode()
    longest = 0
    for begin in range(len(data)):
        for stop in range(begin + longest + 1, len(data) + 1):
            try:
                data[begin:stop].decode()
            except UnicodeDecodeError:
                continue
            longest = stop - begin
    assert end - start == longest


def test_long_records_are_cited_by_the_part_that_carries_the_message() -> None:
    record = b'{"pad": "' + b"x" * 900 + b'", "msg": "pool \\"main\\" exhausted"}\n'
    reader, digest = reader_of(record)
    citation = reader.cite(digest, 0, len(record), needle='pool "main" exhausted')
    assert citation.excerpt.startswith('pool \\"main\\" exhausted')
    head = reader.cite(digest, 0, len(record), needle="not in it")
    assert (head.byte_start, len(head.excerpt)) == (0, MAX_EXCERPT)


def test_pointers_are_cited_in_documents_and_in_lines() -> None:
    first = b'{"text": "one"}\n'
    reader, digest = reader_of(first + b'{"text": "two"}\n')
    citation = reader.cite_pointer(digest, "/text", start=len(first))
    assert (citation.excerpt, citation.line, citation.json_pointer) == ('"two"', 2, "/text")


def test_compressed_artifacts_are_cited_in_the_decoded_stream() -> None:
    data = gzip.compress(TEXT)
    reader, digest = reader_of(data)
    citation = reader.cite(digest, TEXT.index(b"line 7:"), TEXT.index(b"line 8:") - 1)
    assert (citation.excerpt, citation.line) == ("line 7: caf\u00e9 closed", 8)
    assert citation.sha256 == hashlib.sha256(data).hexdigest()


def test_what_is_wrong_is_named_by_its_uri() -> None:
    reader, digest = reader_of(TEXT)
    with pytest.raises(MalformedInputError, match=r"logs/app\.log: has no bytes 5 to 99999"):
        reader.cite(digest, 5, 99_999)
    with pytest.raises(MissingArtifactError, match="No sealed artifact of this incident"):
        reader.decoded("0" * 64)
    artifact = reader.artifact(digest)
    with pytest.raises(HashMismatchError, match=r"logs/app\.log: The vault's object"):
        EvidenceReader(Memory({digest: b"altered"}), [artifact]).decoded(digest)
    with pytest.raises(MissingArtifactError, match=r"logs/app\.log: The vault holds no object"):
        EvidenceReader(Memory({}), [artifact]).decoded(digest)
