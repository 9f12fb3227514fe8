"""A replay on a real Dagster webserver and daemon, counted by run status; one incident can't succeed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError, IncidentIdError, ServiceError
from incident_pipeline.settings import Settings
from incident_pipeline.wargame.replay import replay
from incident_pipeline.wargame.server import running_server
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import small_incident

needs_webserver = pytest.mark.skipif(
    importlib.util.find_spec("dagster_webserver") is None, reason="the `ui` extra is not installed"
)


@pytest.mark.server
@needs_webserver
def test_a_backfill_counts_what_really_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_PIPELINE_EMBEDDER", "none")
    incidents = tmp_path / "incidents"
    small_incident.write(incidents / "good", incident_id="GOOD-1")
    settings = Settings(incidents=str(incidents), inbox=str(tmp_path / "inbox"), embedder="none")
    workspace = Workspace.from_settings(settings, out=tmp_path / "out")
    lines: list[str] = []
    with running_server(workspace) as url:
        # There is no bundle for the first one: its run must fail, and the other's must not.
        result = replay(url, ["doomed-1", "good-1"], timeout=240, on_change=lines.append)
        statuses = {run.incident: run.status for run in result.runs}
        assert statuses == {"doomed-1": "FAILURE", "good-1": "SUCCESS"}
        assert result.succeeded == 1
        assert lines
        with pytest.raises(SystemExit) as ended:
            main(["wargame", "replay", "good-1", "--url", url, "--json"])
        assert ended.value.code == 0
    assert (tmp_path / "out" / "good-1" / "report.html").is_file()
    assert not (tmp_path / "out" / "doomed-1" / "report.html").exists()


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9"):
        replay("http://127.0.0.1:9", ["x"], timeout=1)
    with pytest.raises(ConfigError, match="no http address"):
        replay("file:///etc/passwd", ["x"], timeout=1)


def test_a_key_that_is_none_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(IncidentIdError, match="no incident key"):
        replay("http://127.0.0.1:9", ["a,b/../c"], timeout=1)


def test_nothing_to_replay_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INCIDENT_PIPELINE_INCIDENTS", str(tmp_path / "empty"))
    with pytest.raises(SystemExit) as ended:
        main(["wargame", "replay", "--json"])
    assert ended.value.code == 3
    assert "No bundles" in json.loads(capsys.readouterr().out)["error"]
