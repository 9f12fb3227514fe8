"""When deviations end: windows of rates, relapses, single samples, and evidence that ends too early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from outage import SECOND, START, alert, at, requests

from incident_pipeline.parsers.table import SAMPLES, SERIES
from incident_pipeline.signals import IncidentTables
from incident_pipeline.signals.view import build_view
from incident_pipeline.timeline.recovery import Ending, episodes, improvement, restoration

if TYPE_CHECKING:
    from conftest import Incident

    from incident_pipeline.signals.view import View
    from incident_pipeline.timeline.recovery import Episode


def measured(incident: Incident, values: dict[str, Any], *, alert_at: float = 70) -> View:
    """Give a view with one sample per second of each series, named `component metric`."""
    base = incident([alert(alert_at)])
    digest = base.evidence.artifacts[0].sha256
    series, samples = [], []
    for name, points in values.items():
        component, metric = name.split(" ", 1)
        series.append(
            dict.fromkeys(SERIES.names)
            | {
                "series_id": name,
                "name": metric,
                "labels": [("service", component)],
                "service": component,
                "artifact_sha256": digest,
                "artifact_uri": "metrics/m.json",
            }
        )
        samples += [
            dict.fromkeys(SAMPLES.names)
            | {"series_id": name, "time_ns": START + i * SECOND, "value": float(v)}
            for i, v in enumerate(points)
        ]
    return build_view(
        IncidentTables(
            base.events,
            pa.Table.from_pylist(samples, schema=SAMPLES),
            pa.Table.from_pylist(series, schema=SERIES),
            base.evidence,
        )
    )


def level(high: tuple[int, int], *, length: int = 180, relapse: tuple[int, int] = (0, 0)) -> list[float]:
    calm = 1 + 0.01 * (np.arange(length) % 3)
    calm[slice(*high)] += 5
    calm[slice(*relapse)] += 5
    return list(calm)


def only(view: View, until: int | None = None) -> Episode:
    (episode,) = episodes(view, until)
    return episode


def test_an_episode_has_its_first_and_last_deviating_sample_and_the_calm_after(incident: Incident) -> None:
    episode = only(measured(incident, {"api latency_seconds": level((60, 100))}))
    assert [(t - START) // SECOND for t in (episode.start, episode.last, episode.calm or 0)] == [60, 99, 100]
    assert episode.covered > 0.95
    assert episode.felt


def test_the_window_that_a_rate_names_is_taken_off(incident: Incident) -> None:
    view = measured(incident, {"api rate(process_cpu_seconds_total[15s])": level((60, 115))})
    assert only(view).ended == at(99)


def test_a_short_relapse_belongs_to_it_and_a_late_one_does_not(incident: Incident) -> None:
    soon = measured(incident, {"api latency_seconds": level((60, 100), relapse=(110, 115))})
    late = measured(incident, {"api latency_seconds": level((60, 100), relapse=(140, 145))})
    assert only(soon).last == at(114)
    assert only(late).last == at(99)
    assert only(late, at(150)).last == at(144), "while alerts come and go it is one episode"


def test_a_single_late_sample_is_no_relapse(incident: Incident) -> None:
    view = measured(incident, {"api latency_seconds": level((60, 100), relapse=(110, 111))})
    assert only(view).last == at(99)


@pytest.mark.parametrize("length", [100, 102])
def test_without_lasting_calm_after_it_nothing_has_ended(incident: Incident, length: int) -> None:
    found = episodes(measured(incident, {"api latency_seconds": level((60, 100), length=length)}))
    assert found[0].calm is None
    assert improvement(found) is None
    going_on = restoration(found)
    assert isinstance(going_on, tuple)
    assert len(going_on) == 1


def test_the_improvement_is_the_middle_of_the_components_and_not_of_the_series(incident: Incident) -> None:
    many = {f"api cpu_{i}_usage": level((60, 120)) for i in range(9)}
    found = episodes(
        measured(
            incident, many | {"db latency_seconds": level((60, 100)), "web latency_seconds": level((60, 101))}
        )
    )
    better = improvement(found)
    assert better is not None
    assert (better.estimate - START) // SECOND == 100
    assert better.components == ("api", "db", "web")
    assert better.earliest <= better.estimate <= better.latest


def test_resources_that_stay_changed_do_not_hold_up_the_restoration(incident: Incident) -> None:
    found = episodes(
        measured(incident, {"api latency_seconds": level((60, 100)), "api resident_memory": level((60, 180))})
    )
    back = restoration(found)
    assert isinstance(back, Ending)
    assert back.components == ("api",)
    assert back.latest == at(100)


def test_what_users_feel_and_still_deviates_holds_it_up(incident: Incident) -> None:
    found = episodes(
        measured(incident, {"api latency_seconds": level((60, 100)), "web latency_seconds": level((60, 180))})
    )
    going_on = restoration(found)
    assert isinstance(going_on, tuple)
    assert [episode.track.component for episode in going_on] == ["web"]


def test_failing_spans_make_episodes_of_their_own(incident: Incident) -> None:
    found = episodes(build_view(incident([*requests((60, 100)), alert(70)])))
    assert {(one.track.component, one.track.measures) for one in found} == {
        ("api", "failures"),
        ("edge", "failures"),
    }
    assert all(abs(one.last - at(98)) <= 2 * SECOND for one in found)


def test_calm_telemetry_has_no_episodes(incident: Incident) -> None:
    assert episodes(build_view(incident(requests(None)))) == ()
    assert improvement(()) is None
    assert restoration(()) == ()


def test_no_improvement_while_half_of_the_components_still_deviate(incident: Incident) -> None:
    back, not_back = level((60, 100)), level((60, 180))
    two = episodes(
        measured(
            incident, {"a latency_seconds": back, "b latency_seconds": back, "c latency_seconds": not_back}
        )
    )
    better = improvement(two)
    assert better is not None
    assert better.components == ("a", "b")
    one = episodes(
        measured(
            incident,
            {"a latency_seconds": back, "b latency_seconds": not_back, "c latency_seconds": not_back},
        )
    )
    assert improvement(one) is None
