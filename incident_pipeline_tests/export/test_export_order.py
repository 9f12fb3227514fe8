"""A row of the full order that was changed is refused, even by a statement that fits the changed file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from incident_pipeline import stages
from incident_pipeline.evidence import load_or_create_local_signer
from incident_pipeline.export import verify_path, write_derivation
from incident_pipeline.export.verify_order import ROOT_KEY
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.parsers.table import write_table
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import small_incident

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ordered(tmp_path: Path) -> Workspace:
    settings = Settings(embedder="none", config_dir=str(tmp_path / "config"), tsa="none")
    workspace = Workspace.from_settings(settings, out=tmp_path / "out")
    key = workspace.register(small_incident.write(tmp_path / "bundle"))
    stages.seal_evidence(workspace, key, now=datetime(2026, 1, 31, tzinfo=UTC))
    for run in (stages.parse_events, stages.embed, stages.order_timeline):
        run(workspace, key)
    return workspace


def failures(workspace: Workspace) -> list[str]:
    report = verify_path(workspace.folder("small-1").root, config_dir=workspace.config_dir)
    return [item.message for item in report.failures]


def test_dfw_1154_a_changed_row_is_refused_although_the_digests_were_written_anew(ordered: Workspace) -> None:
    folder = ordered.folder("small-1")
    assert failures(ordered) == []
    table = pq.read_table(folder.timeline_table)
    root = Timeline.model_validate_json(folder.timeline.read_bytes()).merkle_root
    times = table["time_ns"].to_pylist()
    at = table.schema.get_field_index("time_ns")
    times[0] += 1
    write_table(
        folder.timeline_table, table.set_column(at, table.schema.field(at), pa.array(times, pa.int64()))
    )
    assert any("timeline.parquet" in message for message in failures(ordered))
    # Whoever holds the key signs the changed file, and leaves the root as it was.
    signer = load_or_create_local_signer(ordered.config_dir).signer
    write_derivation(folder, "timeline", signer, {ROOT_KEY: root})
    assert [message for message in failures(ordered) if "Merkle root" in message] != []


def test_the_same_rows_in_another_writers_file_have_the_signed_root(ordered: Workspace) -> None:
    folder = ordered.folder("small-1")
    root = Timeline.model_validate_json(folder.timeline.read_bytes()).merkle_root
    pq.write_table(pq.read_table(folder.timeline_table), folder.timeline_table, compression="gzip")
    write_derivation(
        folder, "timeline", load_or_create_local_signer(ordered.config_dir).signer, {ROOT_KEY: root}
    )
    assert failures(ordered) == []
