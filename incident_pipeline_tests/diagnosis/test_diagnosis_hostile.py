"""Odd and hostile evidence changes what can be said, never whether a diagnosis can be written."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from incident_pipeline.diagnosis import diagnose
from incident_pipeline.diagnosis.finding import shown
from incident_pipeline.model.hypothesis import Diagnosis
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES
from incident_pipeline.serialise import canonical_json
from incident_pipeline.signals.tables import IncidentTables
from incident_pipeline.signals.view import time_ns
from incident_pipeline_tests.checks.check_tables import END, ONSET, Tables
from incident_pipeline_tests.diagnosis.synthetic_system import Case, build


def written(tables: IncidentTables) -> Diagnosis:
    diagnosis = diagnose(tables, None)
    assert canonical_json(diagnosis)
    return diagnosis


def with_column(tables: IncidentTables, name: str, value: object) -> IncidentTables:
    index = tables.events.schema.get_field_index(name)
    column = pa.array([value] * tables.events.num_rows, EVENTS.field(name).type)
    return replace(tables, events=tables.events.set_column(index, EVENTS.field(name), column))


def test_nothing_at_all() -> None:
    tables = build(Case())
    empty = IncidentTables(
        EVENTS.empty_table(),
        SAMPLES.empty_table(),
        SERIES.empty_table(),
        tables.evidence.model_copy(update={"start_time": None}),
    )
    diagnosis = written(empty)
    assert (diagnosis.verdict, diagnosis.ranking, diagnosis.onset) == ("insufficient_evidence", (), None)


@pytest.mark.parametrize("value", [1e308, -1e308, float("inf"), float("nan")])
def test_measurements_no_instrument_gives(value: float) -> None:
    tables = build(Case(fault="cpu"))
    samples = tables.samples.to_pylist()
    for row in samples[::7]:
        row["value"] = value
    written(replace(tables, samples=pa.Table.from_pylist(samples, schema=SAMPLES)))


@pytest.mark.parametrize(
    "name", ["service", "trace_id", "span_id", "parent_span_id", "end_time_ns", "time_ns", "message"]
)
def test_a_column_that_nobody_filled(name: str) -> None:
    written(with_column(build(Case(fault="code")), name, None))


def test_one_message_and_one_span_id_for_everything() -> None:
    written(with_column(with_column(build(Case(fault="code")), "span_id", "1"), "message", "x" * 5000))


def test_two_broken_clocks_do_not_stretch_the_incident() -> None:
    tables = build(Case(fault="slow"))
    events = tables.events.to_pylist()
    events[10]["time_ns"] = -(2**62)
    events[20]["time_ns"] = 2**62
    diagnosis = written(replace(tables, events=pa.Table.from_pylist(events, schema=EVENTS)))
    assert diagnosis.ranking[0].component == "catalog"


def test_an_end_before_the_start() -> None:
    tables = build(Case(fault="slow"))
    events = tables.events.to_pylist()
    for row in events[::5]:
        row["end_time_ns"] = 0
    written(replace(tables, events=pa.Table.from_pylist(events, schema=EVENTS)))


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", "2026-01-01T00:00:00", ""]
)
def test_a_start_time_that_can_not_be_one_is_no_start_time(text: str) -> None:
    assert time_ns(text) is None
    tables = build(Case(fault="slow"))
    diagnosis = written(replace(tables, evidence=tables.evidence.model_copy(update={"start_time": text})))
    assert diagnosis.ranking[0].component == "catalog"


def test_evidence_text_stays_on_one_short_line() -> None:
    assert shown("a\nb\x1b[31m\tc") == "a b [31m c"
    assert len(shown("x" * 10_000)) == 120


def test_a_circle_of_parents_hides_no_failures() -> None:
    tables = Tables()
    for second in range(END):
        bad = second >= ONSET and second % 2 == 0
        trace = f"{second:032x}"
        front = tables.span(second, "front", "GET /", trace=trace, failed=bad)
        shop = tables.span(second + 0.001, "shop", "GET /p", trace=trace, parent=front, failed=bad)
        tables.events[-2]["parent_span_id"] = shop
    diagnosis = written(tables.build())
    assert (diagnosis.verdict, diagnosis.ranking[0].component) == ("incident", "shop")


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_a_broken_exporter_hides_no_peer_that_reports_the_same(value: float) -> None:
    tables = Tables()
    tables.measure("queue", "shop", [1.0 + 0.1 * (s % 2) + (40 if s >= ONSET else 0) for s in range(END)])
    tables.measure("queue", "front", [value] * END)
    tables.event("alert", ONSET + 5, service="shop", message="slow", attributes={"status": "firing"})
    diagnosis = written(tables.build())
    assert (diagnosis.verdict, diagnosis.ranking[0].component) == ("incident", "shop")
