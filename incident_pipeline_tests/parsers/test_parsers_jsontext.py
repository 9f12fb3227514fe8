from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers.jsontext import (
    NotJsonError,
    decode_json,
    elements,
    flatten,
    lines,
    records,
    text_of,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=4)


@given(st.lists(OBJECTS, max_size=6), st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.booleans())
def test_ranges_of_json_lines_cover_the_file(objects: list[Any], newline: bytes, bom: bool) -> None:
    data = newline.join(json.dumps(item).encode() for item in objects)
    data = (b"\xef\xbb\xbf" if bom else b"") + data
    found = list(records(data))
    assert [json.loads(data[item.start : item.end]) for item in found] == objects
    rest = data
    for item in reversed(found):
        rest = rest[: item.start] + rest[item.end :]
    assert not rest.removeprefix(b"\xef\xbb\xbf").strip()


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]))
def test_ranges_of_list_elements_are_exact(items: list[Any], indent: int | None) -> None:
    data = b" " + json.dumps(items, indent=indent, ensure_ascii=False).encode("utf-8", "replace")
    found = list(elements(data, 1, len(data), "/x"))
    assert [json.loads(data[item.start : item.end]) for item in found] == [
        json.loads(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace")) for item in items
    ]
    assert [item.pointer for item in found] == [f"/x/{index}" for index in range(len(items))]


@given(st.lists(OBJECTS, min_size=1, max_size=5), st.data())
def test_a_cut_off_list_keeps_its_whole_elements(items: list[Any], data: st.DataObject) -> None:
    text = json.dumps(items, indent=1).encode()
    cut = text[: data.draw(st.integers(1, len(text)))]
    found = list(records(cut))
    whole = [item for item in found if item.problem is None]
    assert [json.loads(cut[item.start : item.end]) for item in whole] == items[: len(whole)]
    assert all(item.problem for item in found[len(whole) :])


@given(st.binary(max_size=200))
def test_lines_cover_what_is_not_blank(data: bytes) -> None:
    found = list(lines(data))
    kept = b"".join(data[start:end] for start, end in found)
    assert len(kept.translate(None, b" \t\r\n")) == len(
        data.removeprefix(b"\xef\xbb\xbf").translate(None, b" \t\r\n")
    )
    assert all(b"\n" not in data[start:end] for start, end in found)


def test_numbers_keep_their_text() -> None:
    value = decode_json(b'{"ts":1795422436.951108,"n":12345678901234567890123,"e":[1.50,{"k":1e5}]}')
    assert flatten(value) == {
        "ts": "1795422436.951108", "n": "12345678901234567890123", "e": '[1.50,{"k":1e5}]',
    }  # fmt: skip


def test_lenient_reading() -> None:
    assert text_of(decode_json(b'{"a":NaN}')["a"]) == "NaN"
    assert decode_json(b'{"a":"x\xffy"}') == {"a": "x�y"}
    assert decode_json(b'{"a":"\\ud800"}') == {"a": "?"}
    assert decode_json(b'{"a":"tab\there"}') == {"a": "tab\there"}


@pytest.mark.parametrize("data", [b"", b"{", b"{]", b"x", b"[" * 5000, b"1" * 5000, b'{"a":1}{"b":2}'])
def test_what_is_no_json_says_so(data: bytes) -> None:
    with pytest.raises(NotJsonError):
        decode_json(data)


def test_deep_nesting_is_a_problem_of_its_line() -> None:
    found = list(records(b'{"a":1}\n{"a":' + b"[" * 200 + b"]" * 200 + b"}\n"))
    assert [item.problem for item in found] == [None, "nested too deeply"]


def test_flatten_leaves_out_nulls() -> None:
    assert flatten({"a": {"b": {"c": True}}, "d": None, "e": [], "f": {}}) == {
        "a.b.c": "true",
        "e": "[]",
        "f": "{}",
    }
