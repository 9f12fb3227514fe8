"""Two recorded outages end to end: what is told of them, on what it rests, and that a rerun says the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incident_pipeline import stages
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.progress import listening
from incident_pipeline.settings import Settings
from incident_pipeline.timeline.selection import LIMIT
from incident_pipeline.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDINGS = Path(__file__).parent.parent.parent / "data" / "incidents"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def timeline_bytes(tmp_path: Path) -> Callable[[str], tuple[bytes, bytes]]:
    def build(name: str) -> tuple[bytes, bytes]:
        workspace = Workspace.from_settings(Settings(incidents=str(RECORDINGS)), out=tmp_path)
        key = f"inc-2026-{name}"
        with listening(lambda *_: None):
            stages.survey(workspace, key)
            stages.seal_evidence(workspace, key, now=NOW)
            stages.parse_events(workspace, key)
            stages.order_timeline(workspace, key)
        folder = workspace.folder(key)
        return folder.timeline.read_bytes(), folder.narrative.read_bytes()

    return build


def test_a_bad_deploy_is_mitigated_by_its_rollback(
    timeline_bytes: Callable[[str], tuple[bytes, bytes]],
) -> None:
    data, text = timeline_bytes("bad-deploy")
    timeline = Timeline.model_validate_json(data)
    moments = {moment.name: moment for moment in timeline.moments}
    entries = {entry.hash: entry for entry in timeline.entries}
    (act,) = moments["mitigated"].events
    assert entries[act].message == "rollback by sre-1: api 2.4.0 -> 2.3.0"
    assert entries[act].marker == "repair"
    assert moments["aware"].standing == "estimate"
    assert moments["classified"].standing == "unknown"
    known = [
        moments[name].time_ns or 0 for name in ("began", "detected", "mitigated", "restored", "resolved")
    ]
    assert known == sorted(known)
    assert len(timeline.entries) <= LIMIT
    assert b"| mitigated | 2026-11-23T08:06:38.034Z | actual |" in text
    assert timeline_bytes("bad-deploy") == (data, text)


def test_what_people_said_of_a_surge_is_held_against_the_record(
    timeline_bytes: Callable[[str], tuple[bytes, bytes]],
) -> None:
    timeline = Timeline.model_validate_json(timeline_bytes("campaign-surge")[0])
    states = {claim.text: claim.state for claim in timeline.claims}
    assert states["5xx climbing"] == "corroborated"
    assert states["stripping utm_* from the cache key"] == "corroborated"
    assert states["hit ratio back over 80%"] == "corroborated"
    assert states["inventory looks clean to me"] == "contradicted"
    assert states["their status page is green"] == "reported"
    said = " ".join(states)
    assert "rolling back" not in said, "a question is no claim"
    assert {phase.name for phase in timeline.phases if phase.standing != "unknown"} == {
        "baseline", "undetected", "diagnosis", "mitigation", "recovery", "stable",
    }  # fmt: skip
