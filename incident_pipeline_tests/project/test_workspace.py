from __future__ import annotations

from pathlib import Path

import pytest

from incident_pipeline.errors import IncidentIdError, MissingArtifactError
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import small_incident


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    settings = Settings(incidents=str(tmp_path / "incidents"), inbox=str(tmp_path / "inbox"))
    return Workspace.from_settings(settings, out=tmp_path / "out")


def test_a_registered_bundle_is_the_source_of_its_incident(workspace: Workspace, small_bundle: Path) -> None:
    key = workspace.register(small_bundle)
    assert key == "small-1"
    assert workspace.source(key) == small_bundle


def test_a_bundle_in_the_incidents_folder_is_found_by_its_key(workspace: Workspace, tmp_path: Path) -> None:
    bundle = small_incident.write(tmp_path / "incidents" / "any-name", incident_id="From Folder")
    assert workspace.catalogue() == {"from-folder": bundle}
    assert workspace.source("from-folder") == bundle


def test_an_unknown_incident_says_where_its_bundle_belongs(workspace: Workspace) -> None:
    with pytest.raises(MissingArtifactError) as caught:
        workspace.source("never-seen")
    assert "never-seen" in caught.value.message
    assert str(workspace.incidents) in caught.value.advice


def test_a_bundle_that_went_away_is_missing(workspace: Workspace, small_bundle: Path) -> None:
    key = workspace.register(small_bundle)
    small_bundle.rename(small_bundle.with_name("moved"))
    with pytest.raises(MissingArtifactError):
        workspace.source(key)


def test_two_ids_with_one_key_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    workspace.register(small_incident.write(tmp_path / "one", incident_id="A B"))
    with pytest.raises(IncidentIdError) as caught:
        workspace.register(small_incident.write(tmp_path / "two", incident_id="a-b"))
    assert "'A B'" in caught.value.message


def test_scratch_is_gone_afterwards(workspace: Workspace) -> None:
    with workspace.scratch() as scratch:
        (scratch / "file").write_text("x")
    assert not scratch.exists()


def test_an_unreadable_bundle_does_not_hide_the_others(workspace: Workspace, tmp_path: Path) -> None:
    small_incident.write(tmp_path / "incidents" / "good", incident_id="GOOD")
    (tmp_path / "incidents" / "bad.tar.gz").write_bytes(b"no archive")
    found, broken = workspace.read_catalogue()
    assert list(found) == ["good"]
    assert "bad.tar.gz" in broken[0].message


@pytest.mark.parametrize("key", ["../out", "", ".store", "A", "a/b", "a" * 65, "a\n"])
def test_a_key_that_could_leave_its_folder_is_refused(workspace: Workspace, key: str) -> None:
    with pytest.raises(IncidentIdError):
        workspace.folder(key)
    with pytest.raises(IncidentIdError):
        workspace.source(key)
