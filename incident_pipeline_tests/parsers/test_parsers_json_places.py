"""Walking JSON by places: every value stands where it is said to stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.evidence import locate
from incident_pipeline.parsers.json_places import Place, completed, roots

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=24,
)


def _walk(place: Place, value: Any) -> None:
    assert json.loads(place.raw) == value
    if isinstance(value, dict):
        members = place.members()
        assert set(members) == set(value)
        for key, member in members.items():
            _walk(member, value[key])
    elif isinstance(value, list):
        found = list(place.items())
        assert [record.value for record in found] == value
        for record, item in zip(found, value, strict=True):
            _walk(Place.of(place.data, record), item)


@given(st.dictionaries(st.text(max_size=6), _VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_every_value_stands_at_its_place(value: dict[str, Any], indent: int | None, plain: bool) -> None:
    data = b" \n" + json.dumps(value, indent=indent, ensure_ascii=plain).encode()
    (place,) = roots(data)
    _walk(place, value)
    for member in place.members().values():
        assert locate(data, member.pointer, place.start) == (member.start, member.end)


@given(st.dictionaries(st.text(max_size=6), _VALUES, max_size=5), st.integers(0, 400))
def test_a_cut_document_gives_only_what_was_there(value: dict[str, Any], cut: int) -> None:
    data = json.dumps(value).encode()[:cut]
    found = completed(data)
    assert found is None or set(found) <= set(value)
    for place in roots(data):
        assert 0 <= place.start < place.end <= len(data)
        for key, member in place.members().items():
            assert member.end <= len(data)
            assert key in value or data[: member.start].count(b'"')


def test_of_equal_keys_the_last_counts_and_its_place_is_given() -> None:
    data = b'{"a": [1], "b": 2, "a": [1, 3]}'
    (place,) = roots(data)
    assert place.members()["a"].raw == b"[1, 3]"
    assert place.find("a", "b") is None


def test_lists_lines_and_documents_are_told_apart() -> None:
    assert [place.pointer for place in roots(b'[{"a":1},{"a":2}]')] == ["/0", "/1"]
    assert [place.raw for place in roots(b'{"a":1}\n{"a":2}\n')] == [b'{"a":1}', b'{"a":2}']
    assert [place.raw for place in roots(b'{"a":1\n{"a":2}\n')] == [b'{"a":1', b'{"a":2}']
    assert [place.raw for place in roots(b'{\n"a": [\n{"x":1},')] == [b'{\n"a": [\n{"x":1},']
