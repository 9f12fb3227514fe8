"""The graph as users see it: names, order, groups, owners, partitions, code versions, sensors and jobs."""

from __future__ import annotations

from itertools import pairwise

import dagster as dg
import pytest

from incident_pipeline.definitions import defs
from incident_pipeline.stages import STAGES

GROUPS = {
    "raw_artifacts": "evidence",
    "sealed_evidence": "evidence",
    "parsed_events": "analysis",
    "embeddings": "analysis",
    "timeline": "analysis",
    "hypotheses": "analysis",
    "validated_checks": "analysis",
    "postmortem": "draft",
}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs().get_repository_def()


def node(repository: dg.RepositoryDefinition, name: str) -> object:
    return repository.asset_graph.get(dg.AssetKey(name))


def test_the_assets_are_exactly_these(repository: dg.RepositoryDefinition) -> None:
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert keys == set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_each_asset_has_what_the_ui_shows(repository: dg.RepositoryDefinition, name: str) -> None:
    asset = repository.asset_graph.get(dg.AssetKey(name))
    assert asset.group_name == GROUPS[name]
    assert asset.owners
    assert asset.code_version
    assert asset.description
    assert asset.partitions_def is not None
    assert asset.partitions_def.name == "incident"  # type: ignore[attr-defined]
    assert 1 <= len(asset.kinds) <= 3


def test_each_asset_comes_after_the_one_before(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for earlier, later in pairwise(STAGES):
        above, reached = [dg.AssetKey(later)], set()
        while above:
            key = above.pop()
            reached.add(key)
            above += [parent for parent in graph.get(key).parent_keys if parent not in reached]
        assert dg.AssetKey(earlier) in reached, f"{later} does not come after {earlier}"


def test_the_integrity_check_blocks(repository: dg.RepositoryDefinition) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("sealed_evidence"), "digests_match")
    assert repository.asset_graph.get(key).blocking


def test_sensors_run_by_default_and_the_executor_is_in_process(repository: dg.RepositoryDefinition) -> None:
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    assert sensors["alert_inbox"] == dg.DefaultSensorStatus.RUNNING
    assert sensors["incident_catalogue"] == dg.DefaultSensorStatus.RUNNING
    job = repository.get_job("investigate_incident")
    assert job.executor_def.name == "in_process"
    assert repository.get_job("investigate_incident_in_steps").executor_def.name == "multiprocess"
