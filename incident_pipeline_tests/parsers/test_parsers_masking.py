from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers.masking import mask, mask_id, mask_ids

FRAGMENTS = st.sampled_from(
    [
        "took",
        "12ms",
        "0x1f",
        "10.0.0.1:80",
        "/a/b?c=1",
        "2026-11-23T08:05:47Z",
        "9c1f2ab",
        "\x1b[31m",
        "user=7",
        "é",
        "=",
        " ",
    ]
)


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("GET /p/sku-015 -> 200", "GET <path> -> <num>"),
        ("call http://127.0.0.1:28002/p/x failed", "call <path> failed"),
        ("peer 203.0.113.7:443 closed after 1.5s", "peer <ip> closed after <num>"),
        ("\x1b[31mred\x1b[0m 12,000 rows", "red <num> rows"),
        ("id=6f1c9b1e-3a55-4c39-9f0e-2a0c9f1f2b11 at 2026-11-23T08:05:47.5+01:00", "id=<uuid> at <time>"),
        ("commit 9c1f2ab by node12, addr 0xdeadBEEF", "commit <hex> by node12, addr <hex>"),
        ("nothing varies here", "nothing varies here"),
    ],
)
def test_masks(message: str, masked: str) -> None:
    assert mask(message) == masked


@given(st.lists(st.one_of(st.none(), st.text(max_size=60), st.lists(FRAGMENTS).map("".join)), max_size=8))
def test_column_and_single_message_agree(messages: list[str | None]) -> None:
    ids = mask_ids(pa.array(messages, pa.string())).to_pylist()
    assert ids == [None if message is None else mask_id(message) for message in messages]
