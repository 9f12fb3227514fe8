"""The picture's layout: scale, phases, packing of labels, pins at honest times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.drafting import draft
from incident_pipeline.drafting.wording import NS
from incident_pipeline.model.facts import AlertFact, ChangeFact
from incident_pipeline.postmortem import assemble
from incident_pipeline.postmortem.chart import build_chart
from incident_pipeline.postmortem.chart.marks import MAX_ALERTS, alert_bars, diamonds
from incident_pipeline.postmortem.chart.scale import LEFT, RIGHT, TimeScale
from incident_pipeline.postmortem.evidence_list import number_evidence
from incident_pipeline_tests.drafting.synthetic import ALERT, FIX, ONSET, RESOLVED, T0, Story, build

SCALE = TimeScale(T0, T0 + 100 * NS, NS)


def chart(story: Story | None = None):  # noqa: ANN201 - the chart's own type is what is tested
    inputs = build(story or Story())
    postmortem, ledger = assemble(inputs, draft(inputs))
    made = build_chart(inputs, number_evidence(inputs, postmortem, ledger), "H1")
    assert made is not None
    return made


@given(st.integers(min_value=T0 - 10**12, max_value=T0 + 10**12))
def test_positions_stay_in_the_picture_and_keep_order(ns: int) -> None:
    assert LEFT <= SCALE.x(ns) <= RIGHT
    assert SCALE.x(ns) <= SCALE.x(ns + NS)


@pytest.mark.parametrize("seconds", [1, 7, 60, 3_600, 86_400, 40 * 86_400])
def test_ticks_are_few_and_inside(seconds: int) -> None:
    scale = TimeScale(T0, T0 + seconds * NS, max(seconds * NS // 80, 1))
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 11
    assert all(LEFT <= x <= RIGHT for x, _ in ticks)


def test_phases_meet_at_onset_alert_fix_and_end() -> None:
    made = chart()
    assert [phase.name for phase in made.phases] == [
        "baseline",
        "undetected",
        "diagnosis",
        "recovery",
        "stable",
    ]
    assert [phase.length for phase in made.phases[1:4]] == [
        f"{ALERT - ONSET} s", f"{FIX - ALERT} s", f"{RESOLVED - FIX} s",
    ]  # fmt: skip
    for earlier, later in zip(made.phases, made.phases[1:], strict=False):
        assert earlier.x + earlier.width == pytest.approx(later.x, abs=0.2)
    assert [marker.name for marker in made.markers] == ["onset", "detected", "fixed"]


def test_without_onset_or_alerts_there_is_one_plain_phase() -> None:
    made = chart(Story(verdict="insufficient_evidence", hypotheses=False, alerts=False))
    assert [phase.name for phase in made.phases] == ["baseline"]
    assert made.markers == []


def test_lanes_follow_the_calls_from_the_front_door() -> None:
    made = chart()
    assert [lane.name for lane in made.lanes] == ["gate", "ledger"]
    assert [lane.unit for lane in made.lanes] == ["spans", "spans"]
    assert made.lanes[1].failed_path
    assert made.lanes[1].bands[0].x == SCALE_OF(made)
    assert [lane.unit for lane in chart(Story(spans=False)).lanes] == ["log records"]


def SCALE_OF(made) -> float:  # noqa: ANN001, N802 - a helper beside its one use
    return next(marker.x for marker in made.markers if marker.name == "onset")


def test_the_leading_measure_of_a_supported_component_is_a_line() -> None:
    made = chart(Story(metric=True))
    gate, ledger = made.lanes
    assert gate.line is None
    assert ledger.line is not None
    assert ledger.line.title == "pool_waiting of ledger: 0 to 30"
    heights = {float(point.split()[1]) for point in ledger.line.path[1:].split("L")}
    assert heights == {ledger.top + 5, ledger.top + ledger.height - 5}
    assert "Dark lines, from lowest to highest value: pool_waiting of ledger." in made.notes
    assert chart().lanes[1].line is None


def alert(start: float, end: float | None, name: str = "Name") -> AlertFact:
    return AlertFact(
        name=name, service="gate", severity="page", start="", start_ns=T0 + int(start * NS), end=None,
        end_ns=None if end is None else T0 + int(end * NS), episodes=1, summary=None, event_id=name,
        resolved_event_id=None,
    )  # fmt: skip


def test_alert_names_stand_inside_long_bars_and_beside_short_ones() -> None:
    bars, count = alert_bars(
        [alert(0, 90), alert(10, 11), alert(99, None, "LongAlertNameThatNeedsRoom" * 2), alert(300, 400)],
        SCALE,
        0,
    )
    assert count == 3
    assert [bar.inside for bar in bars] == [True, False, False]
    assert bars[1].text_x > bars[1].x + bars[1].width
    assert bars[2].text_x < bars[2].x
    assert bars[2].open_ended
    assert alert_bars([alert(n, None) for n in range(20)], SCALE, 0)[1] == 20
    assert len(alert_bars([alert(n, None) for n in range(20)], SCALE, 0)[0]) == MAX_ALERTS


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=12))
def test_labels_of_changes_never_overlap(starts: list[float]) -> None:
    changes = [
        ChangeFact(
            time="", time_ns=T0 + int(start * NS), service=None, summary="a change of some length",
            actor=None, business=False, event_id=str(number),
        )
        for number, start in enumerate(sorted(starts))
    ]  # fmt: skip
    found, rows = diamonds(changes, SCALE, 0)
    assert len(found) == len(changes)
    assert rows <= 3
    labelled = [mark for mark in found if mark.label]
    for first in labelled:
        for second in labelled:
            if first is not second and first.y == second.y and first.x <= second.x:
                assert first.x + 26 + len(first.label) * 5.9 <= second.x


def test_pins_stand_apart_and_at_their_times() -> None:
    made = chart()
    assert made.pins
    for first in made.pins:
        for second in made.pins:
            if first is not second:
                assert (first.x - second.x) ** 2 + (first.y - second.y) ** 2 >= 18**2
    chosen = [pin for pin in made.pins if pin.selected]
    assert chosen
    assert all("H1" in pin.hypotheses for pin in chosen)
