from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.serialise import parse_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(json_values, st.booleans())
@settings(deadline=None)  # a busy machine is no finding
def test_what_json_wrote_reads_back(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode(), name="x.json") == value


@given(st.binary(max_size=80) | st.text(alphabet='{}[]":,\\u0d1eNa ', max_size=40).map(str.encode))
@settings(deadline=None)  # a busy machine is no finding
def test_any_bytes_give_a_value_or_our_error(data: bytes) -> None:
    try:
        value = parse_json(data, name="x.json")
    except MalformedInputError as error:
        assert error.message.startswith("x.json: ")  # noqa: PT017 - either outcome is right
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "1e999"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": "\\ud800"}', "no valid UTF-8"),
        (b'{"a": "\xff"}', "no valid UTF-8"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "no valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1', "no valid JSON"),
        (b"", "no valid JSON"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedInputError, match=r"^x\.json: ") as caught:
        parse_json(data, name="x.json")
    assert reason in caught.value.message


def test_a_byte_order_mark_and_paired_surrogates_are_fine() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}', name="x.json") == {"a": "\U0001f600"}
