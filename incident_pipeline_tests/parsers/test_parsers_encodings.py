"""Encodings without loss: messages read right, byte ranges in the stream as it lies there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.encodings import AsText, as_utf8, utf16_order
from incident_pipeline.parsers.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

LINES = (
    "2026-11-23 08:05:47 ERROR Verbindung zu Köln verloren",
    "2026-11-23 08:05:48 WARN 接続が切れました 😀 ok",
    "2026-11-23 08:05:49 INFO plain",
)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""), ("utf-16-be", b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_record_stands_at_its_bytes(
    look: Callable[..., Look], encoding: str, mark: bytes, end: str
) -> None:
    data = mark + end.join(LINES).encode(encoding)
    seen = look(data)
    assert [seen.bytes_of(row).decode(encoding).strip("\ufeff\r") for row in seen.events] == list(LINES)
    assert all(
        row["message"].endswith(line.split(" ", 3)[3]) for row, line in zip(seen.events, LINES, strict=True)
    )
    assert [row["line"] for row in seen.events] == [1, 2, 3]
    assert seen.parsed.report.bytes_decoded == len(data)
    assert len({row["event_id"] for row in seen.events}) == 3


def test_json_in_utf_16(look: Callable[..., Look]) -> None:
    records = [
        {"time": "2026-01-01T00:00:00Z", "level": "info", "msg": f"größe {index} 😀"} for index in range(3)
    ]
    data = json.dumps(records, ensure_ascii=False, indent=1).encode("utf-16")
    seen = look(data)
    assert [row["json_pointer"] for row in seen.events] == ["/0", "/1", "/2"]
    assert [json.loads(seen.bytes_of(row).decode("utf-16-le")) for row in seen.events] == records


def test_windows_1252_and_latin_1(look: Callable[..., Look]) -> None:
    data = "2026-11-23 08:05:47 ERROR café “zu” · 5 €\n2026-11-23 08:05:48 INFO ok\n".encode("cp1252")
    seen = look(data)
    assert seen.events[0]["message"].removeprefix("ERROR ") == "café “zu” · 5 €"
    assert seen.bytes_of(seen.events[1]) == b"2026-11-23 08:05:48 INFO ok"
    assert "bytes that are no UTF-8 were read as Windows-1252" in seen.parsed.report.assumptions


def test_one_broken_byte_spoils_no_other_character(look: Callable[..., Look]) -> None:
    seen = look("2026-11-23 08:05:47 ERROR Köln ".encode() + b"\xe2\x82 x\n")
    assert seen.event["message"].removeprefix("ERROR ") == "Köln \u00e2\u201a x"


def test_lone_carriage_returns_end_lines(look: Callable[..., Look]) -> None:
    data = "\r".join(LINES).encode()
    seen = look(data)
    assert [seen.bytes_of(row).decode() for row in seen.events] == list(LINES)
    assert "lines end in CR alone" in seen.parsed.report.assumptions


def test_nul_bytes_of_a_truncated_log_are_blanks(look: Callable[..., Look]) -> None:
    data = b"\0" * 5000 + "\n".join(LINES).encode() + b"\0" * 7
    seen = look(data)
    assert [seen.bytes_of(row).decode() for row in seen.events] == list(LINES)
    assert "NUL bytes between lines were read as blanks" in seen.parsed.report.assumptions


def test_rows_of_utf_16_do_not_depend_on_cuts() -> None:
    data = ("\r\n".join(LINES * 40)).encode("utf-16")
    source = Source(sha256="0" * 64, uri="log")
    whole = parse_artifact(data, source)
    for size in (50, 333, 4096):
        parts = parse_artifact(data, source, part_bytes=size)
        assert parts.events.equals(whole.events)


@settings(max_examples=150, deadline=None)
@given(
    st.text(min_size=3, max_size=60), st.sampled_from(["<", ">"]), st.lists(st.integers(1, 17), max_size=20)
)
def test_utf_16_in_chunks_maps_every_character(text: str, order: str, cuts: list[int]) -> None:
    text = "log line " + text.encode("utf-16", "replace").decode("utf-16", "replace")
    data = text.encode("utf-16-le" if order == "<" else "utf-16-be")
    mark = b"\xff\xfe" if order == "<" else b"\xfe\xff"
    stream, chunks = mark + data, []
    while stream:
        size = cuts.pop() if cuts else len(stream)
        chunks.append(stream[:size])
        stream = stream[size:]
    found = AsText(chunks)
    utf8 = b"".join(found)
    assert utf8.decode().replace("\r", "\n").replace(" ", "\0").lstrip("\ufeff") == text.replace(
        "\r", "\n"
    ).replace(" ", "\0")
    places = found.places(0, len(utf8))
    assert places is not None
    assert (len(places), places[0], places[-1]) == (len(utf8) + 1, 0, len(data) + 2)
    assert (np.diff(places) >= 0).all()


@given(st.binary(max_size=80))
def test_broken_bytes_keep_their_places(data: bytes) -> None:
    part, broken = as_utf8(Part(data, offset=7))
    text = part.data.decode()
    if not broken:
        assert part.data == data
        return
    assert part.places is not None
    assert (len(part.places), part.places[0], part.places[-1]) == (len(part.data) + 1, 7, 7 + len(data))
    at = 0
    for character in text:
        start, end = (int(part.places[place]) - 7 for place in (at, at + len(character.encode())))
        raw = data[start:end]
        assert (
            raw.decode("cp1252", "replace").replace("\ufffd", chr(raw[0])) == character
            or raw.decode() == character
        )
        at += len(character.encode())


@pytest.mark.parametrize(
    ("head", "order"),
    [
        (b"", ""), (b"ab", ""), (b"a\0b\0", "<"), (b"\0a\0b", ">"), (b"\xff\xfea\0", "<"),
        (b"\xff\xfe\0\0a\0\0\0", ""),
        (b"\0\0\0\0", ""), (b"\x08\0\x12\0\x1a\0\x01\0", ""),
    ],
)  # fmt: skip
def test_utf_16_is_told_by_its_mark_or_its_zeros(head: bytes, order: str) -> None:
    assert utf16_order(head) == order
