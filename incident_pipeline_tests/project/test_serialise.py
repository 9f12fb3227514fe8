from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.serialise import canonical_json, compact_json, write_bytes, write_with

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_bytes_read_back_and_do_not_depend_on_key_order(value: object) -> None:
    try:
        data = canonical_json(value)
    except UnicodeEncodeError:  # lone surrogates have no UTF-8
        return
    assert json.loads(data) == value
    assert data.endswith(b"\n")
    if isinstance(value, dict):
        turned = dict(reversed(list(value.items())))
        assert canonical_json(turned) == data
        assert compact_json(turned) == compact_json(value)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    write_bytes(target, b"first")

    def fail(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_with(target, fail)
    assert target.read_bytes() == b"first"
    assert [path.name for path in target.parent.iterdir()] == ["file.json"]
