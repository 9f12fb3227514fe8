"""The order from file to file is the order in memory, byte for byte, however small its buckets are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers.table import write_table
from incident_pipeline.timeline import order_file, table_root
from incident_pipeline.timeline.causality import link
from incident_pipeline.timeline.dedupe import KEPT, merge_repeats
from incident_pipeline.timeline.order import Placed, canonical_order, order_basis
from incident_pipeline.timeline.table import order_table

if TYPE_CHECKING:
    from conftest import Incident

HALF = 500_000_000
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "uri": st.sampled_from(["a.log", "b.log", "c.log"]),
            "time_ns": st.none() | st.integers(0, 8).map(lambda n: n * HALF - n % 2),
            "end_time_ns": st.sampled_from([None, 8 * HALF]),
            "time_precision": st.sampled_from(["s", "ms", "ns"]),
            "kind": st.sampled_from(["log", "log", "span", "span_event", "alert", "chat", "audit"]),
            "message": st.sampled_from([None, "x", "y", " x"]),
            "service": st.sampled_from([None, "api"]),
            "trace_id": st.sampled_from([None, "t", "u"]),
            "span_id": st.sampled_from([None, "a", "b", "c"]),
            "parent_span_id": st.sampled_from([None, "a", "b", "c"]),
            "byte_start": st.sampled_from([None, 0]),
            "attributes": st.sampled_from(
                [
                    {}, {"fingerprint": "f", "status": "firing"}, {"fingerprint": "f", "status": "resolved"},
                    {"client_msg_id": "m"}, {"auditID": "q", "x": "1"}, {"insertId": "1", "logName": "l"},
                ]
            ),
        }
    ),
    max_size=30,
)  # fmt: skip


def in_memory(events: pa.Table) -> pa.Table:
    placed, links = Placed.of(events), link(events)
    order = canonical_order(placed, links)
    merges = merge_repeats(events, placed, order)
    ids = events["event_id"].combine_chunks()
    merged = (
        ids.take(pa.array(merges.target, mask=merges.target == KEPT)),
        pa.array(list(merges.rule), pa.string()),
    )
    bounds = placed.time, placed.time + placed.unit
    return order_table(ids, placed, bounds, links.depth, order, order_basis(placed, links, order), merged)


@settings(deadline=None, max_examples=60)
@given(ROWS, st.sampled_from([1, 3, 7, 1000]))
def test_files_and_memory_agree(incident: Incident, rows: list[dict[str, Any]], bucket_rows: int) -> None:
    events = incident([row | {"event_id": f"{at:032x}"} for at, row in enumerate(rows)]).events
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "events.parquet", events)
        wanted = in_memory(events)
        write_table(folder / "wanted.parquet", wanted)
        done = order_file(folder / "events.parquet", folder / "order.parquet", bucket_rows=bucket_rows)
        assert pq.read_table(folder / "order.parquet").to_pylist() == wanted.to_pylist()
        assert (folder / "order.parquet").read_bytes() == (folder / "wanted.parquet").read_bytes()
        assert sorted(path.name for path in folder.iterdir()) == [
            "events.parquet",
            "order.parquet",
            "wanted.parquet",
        ]
    assert done.merkle_root == table_root(wanted).hex()
    assert done.rows == len(rows)
    assert done.merged == sum(target is not None for target in wanted["merged_into"].to_pylist())
    assert done.untimed == wanted["time_ns"].null_count


def test_only_the_artifacts_asked_for_enter(incident: Incident, tmp_path: Path) -> None:
    tables = incident(
        [{"uri": "a.log", "time_ns": 1}, {"uri": "calm.log", "time_ns": 2}], references=["calm.log"]
    )
    write_table(tmp_path / "events.parquet", tables.events)
    held = [artifact.sha256 for artifact in tables.evidence.artifacts if artifact.role == "incident"]
    order_file(tmp_path / "events.parquet", tmp_path / "order.parquet", digests=held)
    assert pq.read_table(tmp_path / "order.parquet").equals(in_memory(tables.events_of("incident")))
