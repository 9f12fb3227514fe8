"""What becomes a chunk: distinct things with a place, in an order that does not depend on listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_pipeline.retrieval import make_chunks
from incident_pipeline.retrieval.chunks import MAX_TEXT, SCHEMA, chunk_table

if TYPE_CHECKING:
    from conftest import Incident

SECOND = 1_000_000_000


def texts(incident: Incident, rows: list[dict[str, Any]], *more: Any, **options: Any) -> list[str]:
    return [chunk.text for chunk in make_chunks(incident(rows, *more, **options))]


def log(message: str, mask: str, **more: Any) -> dict[str, Any]:
    return {
        "message": message,
        "mask_id": mask,
        "service": "api",
        "severity_raw": "ERROR",
        "severity": 17,
    } | more


def test_a_log_template_is_one_chunk_with_its_first_record_and_count(incident: Incident) -> None:
    rows = [
        log("took 31 ms", "m", time_ns=9),
        log("took 7 ms", "m", time_ns=2),
        log("took 9 ms", "m", time_ns=5),
    ]
    (chunk,) = make_chunks(incident(rows))
    assert chunk.text == "api ERROR log (3 records): took 7 ms"
    assert (chunk.byte_start, chunk.time_ns) == (100, 2)


def test_the_same_template_of_another_service_or_severity_is_another(incident: Incident) -> None:
    rows = [log("x", "m"), log("x", "m", service="db"), log("x", "m", severity=13, severity_raw="WARN")]
    assert sorted(texts(incident, rows)) == ["api ERROR log: x", "api WARN log: x", "db ERROR log: x"]


def test_alerts_messages_and_changes_stand_one_by_one_with_who_and_what(incident: Incident) -> None:
    rows = [
        {"kind": "chat", "message": "rolling back", "actor": "U1", "time_ns": 3},
        {"kind": "alert", "message": "Slow", "attributes": {"status": "firing"}, "time_ns": 2},
        {"kind": "change", "message": "api 2", "attributes": {"change.kind": "deploy"}, "service": "api"},
    ]
    assert texts(incident, rows) == [
        "api change: deploy: api 2",
        "alert: firing: Slow",
        "chat: U1: rolling back",
    ]


def test_an_operation_sums_up_its_spans_and_points_at_the_slowest_failing_one(incident: Incident) -> None:
    def span(number: int, milliseconds: int, **attributes: str) -> dict[str, Any]:
        end = number * SECOND + milliseconds * 1_000_000
        row = {"kind": "span", "trace_id": "t", "span_id": f"s{number}", "service": "api", "message": "GET /"}
        return row | {
            "time_ns": number * SECOND,
            "end_time_ns": end,
            "attributes": attributes,
            "event_id": f"e{number}",
        }

    rows = [
        span(0, 10),
        span(1, 50, **{"status.code": "error"}),
        span(2, 40),
        span(3, 20, **{"status.code": "error"}),
    ]
    (chunk,) = make_chunks(incident(rows))
    assert chunk.text == "api spans GET /: 4 in the incident, 2 failed, p50 20.0 ms, p95 50.0 ms"
    assert (chunk.kind, chunk.event_id, chunk.service) == ("operation", "e1", "api")


def test_a_metric_tells_its_baseline_and_peak(incident: Incident) -> None:
    waiting = {"name": "db_pool_waiting", "service": "inventory", "values": [0, 0, 0, 0, 2, 9, 4, 1]}
    (chunk,) = make_chunks(incident([], [waiting]))
    assert chunk.text == (
        "metric db_pool_waiting of inventory: baseline 0 (median of the first quarter), "
        "peak 9 at 1970-01-01T00:00:05.000Z, from 0 to 9, last 1"
    )
    assert (chunk.series_id, chunk.json_pointer, chunk.byte_start) == ("s0", "/0", None)


def test_a_metric_that_falls_tells_its_low(incident: Incident) -> None:
    (text,) = texts(incident, [], [{"name": "up", "service": "db", "values": [1, 1, 1, 1, 1, 0, 1, 1]}])
    assert "baseline 1 (median of the first quarter), low 0 at 1970-01-01T00:00:05.000Z" in text


def test_a_metric_that_comes_late_has_no_baseline(incident: Incident) -> None:
    calm = {"name": "rps", "service": "db", "values": range(9)}
    late = {"name": "errors", "service": "db", "values": [float("nan")] * 5 + [3, 4, 5]}
    (text,) = (text for text in texts(incident, [], [calm, late]) if "errors" in text)
    assert "no samples in the first quarter, peak 5 at" in text


def test_a_metrics_baseline_is_the_reference_where_there_is_one(incident: Incident) -> None:
    calm = {"name": "waiting", "service": "db", "values": [5, 5, 5], "uri": "calm.json"}
    hot = {"name": "waiting", "service": "db", "values": [7, 9]}
    (text,) = texts(incident, [], [calm, hot], references=["calm.json"])
    assert "baseline 5 (median of the calm period), peak 9" in text


def test_a_constant_metric_says_so(incident: Incident) -> None:
    (text,) = texts(incident, [], [{"name": "up", "service": "db", "values": [1, 1]}])
    assert text == "metric up of db: constant 1 over 2 samples"


def test_background_gives_runbooks_but_no_telemetry(incident: Incident) -> None:
    rows = [
        log("calm noise", "m", uri="calm.log"),
        {"kind": "runbook_step", "message": "Restart the pool", "uri": "runbook.yaml"},
    ]
    chunks = make_chunks(incident(rows, references=["calm.log", "runbook.yaml"]))
    assert [(chunk.text, chunk.role) for chunk in chunks] == [("runbook step: Restart the pool", "reference")]


def test_a_very_long_text_is_cut_with_a_mark(incident: Incident) -> None:
    (text,) = texts(incident, [log("x" * 9_000, "m")])
    assert len(text) == MAX_TEXT
    assert text.endswith("…")


def test_order_and_ids_do_not_depend_on_how_artifacts_were_listed(incident: Incident) -> None:
    one = [log("a", "ma", uri="a.log", time_ns=5), log("b", "mb", uri="a.log")]
    other = [log("c", "mc", uri="b.log", time_ns=5), {"kind": "change", "message": "d", "uri": "b.log"}]
    first, second = make_chunks(incident(one + other)), make_chunks(incident(other + one))
    assert first == second
    assert len({chunk.chunk_id for chunk in first}) == 4


def test_the_table_has_the_documented_schema(incident: Incident) -> None:
    table = chunk_table(make_chunks(incident([log("a", "m")])))
    assert table.schema == SCHEMA
    assert chunk_table([]).num_rows == 0
    assert make_chunks(incident([])) == []
