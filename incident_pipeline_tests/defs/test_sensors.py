"""The inbox sensor: one run per alert, malformed files aside, nothing lost when it dies in between."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from incident_pipeline.defs.resources import WorkspaceResource
from incident_pipeline.defs.sensors import RUN_KEY_TAG, alert_inbox, incident_catalogue
from incident_pipeline_tests import small_incident
from incident_pipeline_tests.conftest import NAMES, RECORDINGS


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceResource:
    (tmp_path / "inbox").mkdir()
    return WorkspaceResource(
        out=str(tmp_path / "out"), inbox=str(tmp_path / "inbox"), incidents=str(RECORDINGS), embedder="none"
    )


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def tick(instance: dg.DagsterInstance, workspace: WorkspaceResource) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, resources={"workspace": workspace})
    result = alert_inbox(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def drop(workspace: WorkspaceResource, name: str, body: bytes) -> None:
    (Path(workspace.inbox) / name).write_bytes(body)


def start_run(instance: dg.DagsterInstance, request: dg.RunRequest) -> None:
    """Stand in for the daemon: put a run with the request's tags into the history."""
    create_run_for_test(instance, tags=dict(request.tags))


def test_a_new_alert_asks_for_a_partition_and_a_run(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    drop(workspace, "a.json", small_incident.alert_body())
    result = tick(instance, workspace)
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests is not None
    (request,) = result.run_requests
    assert request.run_key
    assert request.run_key.startswith("00c0ffee00c0ffee:")
    assert request.partition_key
    assert request.partition_key.startswith("alert-00c0ffee00c0ffee")
    assert result.dynamic_partitions_requests is not None
    assert list(result.dynamic_partitions_requests[0].partition_keys) == [request.partition_key]


def test_the_file_stays_until_its_run_exists_then_moves(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    drop(workspace, "a.json", small_incident.alert_body())
    first = tick(instance, workspace)
    again = tick(instance, workspace)  # as after a crash between two ticks: asked again, with the same key
    assert isinstance(first, dg.SensorResult)
    assert isinstance(again, dg.SensorResult)
    assert first.run_requests is not None
    assert again.run_requests is not None
    assert first.run_requests[0].run_key == again.run_requests[0].run_key
    start_run(instance, first.run_requests[0])
    assert isinstance(tick(instance, workspace), dg.SkipReason)
    assert not (Path(workspace.inbox) / "a.json").exists()
    assert list((Path(workspace.inbox) / "claimed").iterdir())


def test_the_same_alert_delivered_again_starts_nothing(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    drop(workspace, "a.json", small_incident.alert_body())
    first = tick(instance, workspace)
    assert isinstance(first, dg.SensorResult)
    assert first.run_requests is not None
    assert first.run_requests[0].tags[RUN_KEY_TAG] == first.run_requests[0].run_key
    start_run(instance, first.run_requests[0])
    tick(instance, workspace)
    drop(workspace, "b.json", small_incident.alert_body())
    assert isinstance(tick(instance, workspace), dg.SkipReason)
    assert not (Path(workspace.inbox) / "b.json").exists()


def test_a_malformed_alert_moves_aside_with_a_reason_and_the_next_one_runs(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    drop(workspace, "broken.json", b'{"alerts": [')
    drop(workspace, "good.json", small_incident.alert_body("1111111111111111"))
    result = tick(instance, workspace)
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests is not None
    assert len(result.run_requests) == 1
    reasons = list((Path(workspace.inbox) / "rejected").glob("*.reason.txt"))
    assert len(reasons) == 1
    assert "broken.json" in reasons[0].read_text()


def test_a_resolved_alert_starts_nothing(instance: dg.DagsterInstance, workspace: WorkspaceResource) -> None:
    drop(workspace, "r.json", small_incident.alert_body(status="resolved"))
    assert isinstance(tick(instance, workspace), dg.SkipReason)


def test_recorded_incidents_become_partitions_once(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    context = dg.build_sensor_context(instance=instance, resources={"workspace": workspace})
    result = incident_catalogue(context)
    assert isinstance(result, dg.SensorResult)
    assert result.dynamic_partitions_requests is not None
    keys = list(result.dynamic_partitions_requests[0].partition_keys)
    assert keys == sorted(f"inc-2026-{name}" for name in NAMES)
    instance.add_dynamic_partitions("incident", keys)
    assert isinstance(incident_catalogue(context), dg.SkipReason)


def test_files_that_can_not_be_moved_or_read_do_not_keep_others_from_their_runs(
    instance: dg.DagsterInstance, workspace: WorkspaceResource
) -> None:
    drop(workspace, "rejected", b"a file where the folder should be")
    drop(workspace, "n" * 250 + ".json", b"{broken")
    (Path(workspace.inbox) / "big.json").write_bytes(b"[" + b" " * (17 * 1024**2))
    drop(workspace, "good.json", small_incident.alert_body("2222222222222222"))
    result = tick(instance, workspace)
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests is not None
    assert len(result.run_requests) == 1
    tick(instance, workspace)
    left = [path.name for path in Path(workspace.inbox).iterdir() if path.is_file()]
    assert left == ["good.json"]
