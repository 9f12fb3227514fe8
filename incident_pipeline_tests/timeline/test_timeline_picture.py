"""The picture for the Dagster UI: well-formed, with phases and moments, without text of the evidence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from outage import at, change, outage, said

from incident_pipeline.model.timeline import Timeline
from incident_pipeline.timeline import build_timeline
from incident_pipeline.timeline.picture import draw

if TYPE_CHECKING:
    from conftest import Incident

SVG = "{http://www.w3.org/2000/svg}"


def timeline_of(incident: Incident, *more: dict[str, Any]) -> Timeline:
    return build_timeline(incident(outage(*more))).timeline


@pytest.fixture
def timeline(incident: Incident) -> Timeline:
    return timeline_of(incident, change(59, "deploy", "secret & <b>"), said(80, "<script>words</script>"))


def test_it_is_one_svg_with_a_dot_per_timed_entry(timeline: Timeline) -> None:
    root = ET.fromstring(draw(timeline))  # noqa: S314 - made here
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}circle")) == len(timeline.entries)


def test_phases_are_bands_in_order_within_the_picture(timeline: Timeline) -> None:
    text = draw(timeline)
    known = [phase.name for phase in timeline.phases if phase.start_ns is not None]
    assert known
    assert re.findall(r"<g><title>(\w+):", text) == known
    for x, width in re.findall(r'<rect x="([\d.]+)" y="8" width="([\d.]+)"', text):
        assert 104 <= float(x) <= 876
        assert float(x) + float(width) <= 876.2


def test_moments_have_lines_and_a_legend(timeline: Timeline) -> None:
    text = draw(timeline)
    known = {moment.name for moment in timeline.moments if moment.time}
    for name in known & {"began", "detected", "mitigated", "restored"}:
        assert len(re.findall(rf">{name}[ :]", text)) == 2


def test_words_of_the_evidence_stay_out(timeline: Timeline) -> None:
    text = draw(timeline)
    assert "secret" not in text
    assert "script" not in text


def test_an_entry_of_years_ago_does_not_squeeze_the_incident(timeline: Timeline) -> None:
    old = timeline.entries[0].model_copy(update={"time_ns": at(-3_000_000), "time": "2026-10-19T00:00:00Z"})
    text = draw(timeline.model_copy(update={"entries": (*timeline.entries, old)}))
    assert text.count("<circle") == len(timeline.entries)
    assert 'd="M98.0 ' in text


@pytest.mark.parametrize(
    "left", [{"phases": (), "moments": ()}, {"phases": (), "moments": (), "entries": ()}]
)
def test_less_is_drawn_where_less_is_known(timeline: Timeline, left: dict[str, Any]) -> None:
    ET.fromstring(draw(timeline.model_copy(update=left)))  # noqa: S314 - made here
