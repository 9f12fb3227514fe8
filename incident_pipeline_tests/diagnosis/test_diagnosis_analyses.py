"""Single analyses: delays on edges, kinds of metrics, habits of series, the load before a failure."""

from __future__ import annotations

import numpy as np
import pytest

from incident_pipeline.diagnosis.combine import EXPLAINED, WEIGHTS, rank_findings
from incident_pipeline.diagnosis.finding import Finding
from incident_pipeline.diagnosis.gap import _delays
from incident_pipeline.diagnosis.graph import Graph, build_graph
from incident_pipeline.diagnosis.load import Work, surge_before, work_of_components
from incident_pipeline.diagnosis.metrics import DEAD_ZONE, WHISPER, _habitual, deviations, score_of
from incident_pipeline.diagnosis.novelty import novelty_findings
from incident_pipeline.signals.attributes import Coded
from incident_pipeline.signals.metric_kind import MetricKind, metric_kind
from incident_pipeline.signals.series import Samples, Series
from incident_pipeline.signals.view import build_view
from incident_pipeline_tests.diagnosis.synthetic_system import SECOND, Case, build


def series(name: str, **labels: str) -> Series:
    empty = Samples(np.zeros(0, np.int64), np.zeros(0))
    pairs = tuple(sorted(labels.items()))
    return Series("svc", name, pairs, pairs, None, (), empty, empty, is_rate=False)


def graph_of(**callees: tuple[str, ...]) -> Graph:
    callers: dict[str, tuple[str, ...]] = {
        name: tuple(sorted(c for c, called in callees.items() if name in called)) for name in callees
    }
    nothing = Coded(np.zeros(0, np.int32), tuple(callees))
    return Graph(dict(callees), callers, nothing, nothing)


def test_a_delay_at_one_component_is_not_blamed_on_its_neighbours() -> None:
    # Component 0 calls 1, 2 and 3; every edge of 2 loses 100 ms, also its call to 3.
    edges = np.array([0 * 4 + 1, 0 * 4 + 2, 0 * 4 + 3, 2 * 4 + 3])
    delay = _delays(edges, np.array([0.0, 100.0, 0.0, 100.0]), np.full(4, 50), 4)
    assert delay[2] == pytest.approx(100.0)
    assert np.delete(delay, 2) == pytest.approx(np.zeros(3), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "labels", "kind"),
    [
        ("container_cpu_usage_percent", {}, MetricKind.RESOURCE),
        ("process_resident_memory_bytes", {}, MetricKind.RESOURCE),
        ("jvmThreadsLive", {}, MetricKind.RESOURCE),
        ("db_pool_waiting", {}, MetricKind.RESOURCE),
        ("node_cpu_usage_percent", {}, MetricKind.HOST),
        ("request_latency_p99_seconds", {}, MetricKind.LATENCY),
        ("http_server_request_duration_seconds", {}, MetricKind.LATENCY),
        ("availability_percent", {}, MetricKind.SUCCESS),
        ("pod_success_rate_percent", {}, MetricKind.SUCCESS),
        ("http_requests_total", {}, MetricKind.TRAFFIC),
        ("http_requests_total", {"code": "503"}, MetricKind.ERRORS),
        ("http_requests_total", {"code": "200"}, MetricKind.TRAFFIC),
        ("container_network_receive_bytes", {}, MetricKind.TRAFFIC),
        ("http_server_in_flight", {}, MetricKind.CONCURRENCY),
        ("up", {}, MetricKind.STATE),
        ("build_info", {"version": "2"}, MetricKind.STATE),
        ("basket_size", {}, MetricKind.OTHER),
    ],
)
def test_the_kind_of_a_metric_is_told_from_its_words(
    name: str, labels: dict[str, str], kind: MetricKind
) -> None:
    assert metric_kind(series(name, **labels)) is kind


def test_a_deviation_inside_the_dead_zone_only_whispers() -> None:
    assert score_of(0) == 0
    assert score_of(DEAD_ZONE) == WHISPER
    assert score_of(1e9) == 1
    assert score_of(7) > score_of(6)


def test_what_the_calm_period_does_now_and_then_is_a_habit() -> None:
    quiet = np.ones(60)
    busy = quiet.copy()
    busy[20:26] = 5.0
    assert _habitual(quiet, 6) == (0.0, 0.0)
    assert _habitual(busy, 6) == (4.0, 0.0)


def test_resource_use_is_judged_against_the_traffic() -> None:
    view = build_view(build(Case(traffic=3.0)))
    flat = {d.series.component: d.z for d in deviations(view, {})}
    allowed = {d.series.component: d.z for d in deviations(view, dict.fromkeys(flat, 3.0))}
    assert min(flat.values()) > DEAD_ZONE > max(allowed.values())


def test_load_that_came_before_the_failures_is_told_from_load_that_followed() -> None:
    calm = np.arange(0, 100 * SECOND, SECOND)
    flood = np.arange(100 * SECOND, 120 * SECOND, SECOND // 5)
    work = Work(np.concatenate([calm, flood]), 1.0, 5.0, 100.0, 20.0)
    after_the_flood = np.arange(115 * SECOND, 118 * SECOND, SECOND)
    before_the_flood = np.arange(96 * SECOND, 99 * SECOND, SECOND)
    assert surge_before(work, after_the_flood) > 2
    assert surge_before(work, before_the_flood) == 1.0
    assert surge_before(work, np.zeros(0, np.int64)) == 1.0


def test_several_attempts_under_one_call_are_one_piece_of_work() -> None:
    view = build_view(build(Case(fault="slow")))
    work = work_of_components(view, build_graph(view))
    assert work["payments"].calm_per_second == pytest.approx(work["cart"].calm_per_second)
    assert work["front"].ratio == pytest.approx(1.0, abs=0.1)


def test_callers_keep_only_what_their_callees_do_not_explain() -> None:
    graph = graph_of(a=("b",), b=("c",), c=())
    found = [
        Finding(name, "error", strength, name) for name, strength in (("a", 0.9), ("b", 0.8), ("c", 0.7))
    ]
    ranked = {suspect.component: suspect.score for suspect in rank_findings(found, graph, WEIGHTS)}
    assert ranked["c"] == pytest.approx(2 * 0.7)
    assert ranked["b"] == pytest.approx(2 * (0.8 - EXPLAINED * 0.7))
    assert ranked["a"] == pytest.approx(2 * (0.9 - EXPLAINED * 0.8))


def test_a_starving_caller_is_its_own_cause() -> None:
    graph = graph_of(a=("b",), b=())
    found = [Finding(name, "resource", 0.5, name) for name in ("a", "b")]
    assert len({suspect.score for suspect in rank_findings(found, graph, WEIGHTS)}) == 1


def test_cycles_in_the_graph_do_no_harm() -> None:
    graph = graph_of(a=("b",), b=("a",))
    assert graph.below("a") == {"b"}
    assert rank_findings([Finding("a", "error", 1.0, "x")], graph, WEIGHTS)[0].component == "a"


def test_records_without_a_span_show_a_new_error_template() -> None:
    tables = build(Case(fault="code"))
    loose = tables.events.set_column(
        tables.events.schema.get_field_index("trace_id"),
        "trace_id",
        [
            [
                None if k == "log" else t
                for k, t in zip(
                    tables.events["kind"].to_pylist(), tables.events["trace_id"].to_pylist(), strict=True
                )
            ]
        ],
    )
    chatter = loose.slice(0, 200).to_pylist()
    for row in chatter:
        row.update(kind="log", message="request served", severity=9, service="front", trace_id=None)
    import pyarrow as pa  # noqa: PLC0415 - only this test makes rows by hand

    events = pa.concat_tables([loose, pa.Table.from_pylist(chatter, schema=loose.schema)])
    view = build_view(type(tables)(events, tables.samples, tables.series, tables.evidence))
    found = [finding for finding in novelty_findings(view, {}) if finding.component == "catalog"]
    assert found
    assert "item lookup failed" in found[0].detail
    assert found[0].facts["calm_count"] == 0
