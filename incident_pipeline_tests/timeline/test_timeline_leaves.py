"""The Merkle tree over the full order, built again as an outsider would, with nothing of ours."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import TIMELINE, table_leaves, table_root

TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
NUMBER = st.none() | st.integers(-(2**62), 2**62)
ROW = st.fixed_dictionaries(
    {
        "event_id": TEXT, "position": st.integers(0, 99), "time_ns": NUMBER, "interval_low_ns": NUMBER,
        "interval_high_ns": NUMBER, "depth": st.none() | st.integers(-1, 9),
        "order_basis": st.sampled_from(["clock", "causal"]), "merged_into": st.none() | TEXT,
        "rule": st.none() | st.just("same_record"),
    }
)  # fmt: skip


def root_by_hand(rows: list[dict[str, Any]]) -> bytes:
    """Follow the words of the documentation: lines of JSON arrays, 64 to a leaf, RFC 6962 above."""
    lines = [
        json.dumps([row[name] for name in TIMELINE.names], separators=(",", ":"), ensure_ascii=False).encode()
        + b"\n"
        for row in rows
    ]
    leaves = [b"".join(lines[at : at + 64]) for at in range(0, len(lines), 64)]

    def node(low: int, high: int) -> bytes:
        if high - low == 1:
            return hashlib.sha256(b"\x00" + leaves[low]).digest()
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        return hashlib.sha256(b"\x01" + node(low, split) + node(split, high)).digest()

    return node(0, len(leaves)) if leaves else hashlib.sha256(b"").digest()


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, max_size=6), st.integers(1, 70))
def test_the_root_is_that_of_the_documented_tree(rows: list[dict[str, Any]], times: int) -> None:
    rows = rows * times
    table = pa.Table.from_pylist(rows, schema=TIMELINE)
    assert table_root(table) == root_by_hand(rows)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 150), max_size=6))
def test_leaves_do_not_depend_on_how_the_rows_come(sizes: list[int]) -> None:
    rows = [
        {"event_id": f"{at:032x}", "position": at, "order_basis": "clock", "depth": at % 3}
        for at in range(sum(sizes))
    ]
    table = pa.Table.from_pylist(rows, schema=TIMELINE)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(table.slice(at, size))
        at += size
    assert list(table_leaves(pieces)) == list(table_leaves([table]))
