"""Series: owners, pooled instances, counters as rates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES
from incident_pipeline.signals.series import Series, read_series, words
from incident_pipeline.signals.tables import IncidentTables

SHA, CALM = "a" * 64, "b" * 64
SECOND = 1_000_000_000


def read(
    *given: tuple[str, dict[str, str], str | None, str, list[float]], components: tuple[str, ...] = ()
) -> tuple[Series, ...]:
    """Read series given as (name, labels, service, artifact, values at 0 s, 10 s, ...)."""
    series, samples = [], []
    for index, (name, labels, service, sha, values) in enumerate(given):
        series.append(
            {
                "series_id": f"{index}",
                "name": name,
                "labels": sorted(labels.items()),
                "unit": None,
                "service": service,
                "artifact_sha256": sha,
                "artifact_uri": "m",
                "json_pointer": f"/{index}",
            }
        )
        for step, value in enumerate(values):
            samples.append({"series_id": f"{index}", "time_ns": step * 10 * SECOND, "value": value})
    evidence = SealedEvidence(
        incident_id="i",
        incident_key="i",
        title=None,
        start_time=None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=tuple(
            SealedArtifact(
                sha256=sha, size=1, stored_sha256=sha, uri="m", type="metrics", source="x", role=role
            )
            for sha, role in ((SHA, "incident"), (CALM, "reference"))
        ),
        problems=(),
        evidence_root="0" * 64,
    )
    tables = IncidentTables(
        pa.Table.from_pylist([], schema=EVENTS),
        pa.Table.from_pylist(samples, schema=SAMPLES),
        pa.Table.from_pylist(series, schema=SERIES),
        evidence,
    )
    return read_series(tables, components)


def test_pods_of_one_service_are_one_series_and_roles_stay_apart() -> None:
    (one,) = read(
        ("cpu", {"pod": "a-1"}, "a", SHA, [1.0, 2.0]),
        ("cpu", {"pod": "a-2"}, "a", SHA, [3.0]),
        ("cpu", {"pod": "a-9"}, "a", CALM, [5.0]),
    )
    assert sorted(one.incident.values) == [1.0, 2.0, 3.0]
    assert one.reference.values.tolist() == [5.0]
    assert one.series_ids == ("0", "1")


def test_labels_that_name_no_instance_tell_series_apart() -> None:
    found = read(("rps", {"code": "200"}, "a", SHA, [1.0]), ("rps", {"code": "500"}, "a", SHA, [1.0]))
    assert [one.title for one in found] == ["rps (code=200)", "rps (code=500)"]


def test_a_counter_becomes_a_rate_across_a_restart() -> None:
    counted = [*range(0, 1000, 50), 5, 55]
    (one,) = read(("requests_total", {}, "a", SHA, [float(value) for value in counted]))
    assert one.is_rate
    assert set(one.incident.values.tolist()) == {5.0}


def test_a_gauge_that_only_grows_stays_a_gauge() -> None:
    (one,) = read(("resident_memory_bytes", {}, "a", SHA, [1.0, 2.0, 3.0]))
    assert not one.is_rate
    assert one.incident.values.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("name", "labels", "owner"),
    [
        ('sum by (code) (rate(http_requests_total{job="cart"}[5m]))', {"code": "200"}, "cart"),
        ("sum by (result) (rate(cart_cache_requests_total[5m]))", {"result": "hit"}, "cart"),
        ("queue_depth", {"app": "cart"}, "cart"),
        ("queue_depth", {"queue": "x"}, None),
    ],
)
def test_query_results_without_a_service_find_their_owner(
    name: str, labels: dict[str, str], owner: str | None
) -> None:
    (one,) = read((name, labels, None, SHA, [1.0]), components=("cart", "shop"))
    assert one.component == owner


def test_values_that_are_no_numbers_are_left_out() -> None:
    (one,) = read(("cpu", {}, "a", SHA, [1.0, float("nan"), float("inf"), 2.0]))
    assert one.incident.values.tolist() == [1.0, 2.0]
    assert np.array_equal(one.incident.between(0, 10 * SECOND).values, [1.0])


def test_words_of_metric_names() -> None:
    assert words("jvmThreadsLive") == {"jvm", "threads", "live"}
    assert words("http_server.request-duration") == {"http", "server", "request", "duration"}
