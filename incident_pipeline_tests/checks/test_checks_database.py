from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.checks.database import MAX_TEXT, IncidentDatabase, plain
from incident_pipeline_tests.checks.check_tables import END, INCIDENT, REFERENCE, Tables, steady


def rows(tables: Tables, sql: str) -> list[tuple[object, ...]]:
    with IncidentDatabase(tables.build()) as database:
        result = database._connection.execute(sql).fetchall()
    return [tuple(row) for row in result]


def test_chains_of_failing_spans_end_at_whom_the_deepest_call_went_to() -> None:
    tables = Tables()
    tables.request(1, status=429)
    tables.request(2, status=200)
    assert rows(tables, "SELECT DISTINCT origin FROM spans WHERE origin IS NOT NULL") == [("quotes",)]
    assert rows(tables, "SELECT count(*) FROM spans WHERE failed") == [(4,)]


def test_a_service_that_fails_without_a_failing_call_is_the_origin() -> None:
    tables = Tables()
    front = tables.span(1, "front", "GET /", trace="1", failed=True)
    out = tables.span(
        1, "front", "call shop", trace="1", parent=front, kind="client", failed=True, peer="shop"
    )
    shop = tables.span(1, "shop", "GET /p", trace="1", parent=out, failed=True)
    tables.span(1, "shop", "call quotes", trace="1", parent=shop, kind="client", status=200, peer="quotes")
    assert rows(tables, "SELECT origin, origin_caller FROM spans WHERE origin IS NOT NULL") == [
        ("shop", None)
    ]


def test_a_call_nobody_answered_may_not_have_left_its_caller() -> None:
    tables = Tables()
    shop = tables.span(1, "shop", "GET /p", trace="1", failed=True)
    tables.span(1, "shop", "SELECT", trace="1", parent=shop, kind="client", failed=True, peer="db")
    assert rows(tables, "SELECT origin, origin_caller FROM spans WHERE origin IS NOT NULL") == [
        ("db", "shop")
    ]


def test_calls_hold_those_to_components_without_telemetry_and_those_without_client_spans() -> None:
    tables = Tables()
    tables.request(1)
    outer = tables.span(2, "worker", "job", trace="2", kind="internal")
    tables.span(2, "store", "put", trace="2", parent=outer, kind="unspecified")
    assert sorted(rows(tables, "SELECT caller, callee FROM calls")) == [
        ("front", "shop"),
        ("shop", "quotes"),
        ("worker", "store"),
    ]


def test_work_enters_a_service_at_its_outermost_span() -> None:
    tables = Tables()
    outer = tables.span(1, "shop", "GET /p", trace="1")
    tables.span(1, "shop", "render", trace="1", parent=outer, kind="internal")
    assert rows(tables, "SELECT operation FROM spans WHERE entry") == [("GET /p",)]


def test_roles_come_from_the_seal_and_a_measurement_has_one_name_in_both() -> None:
    tables = Tables()
    tables.measure("queue", "shop", [1.0, 2.0], sha256=REFERENCE)
    tables.measure("queue", "shop", [5.0], sha256=INCIDENT)
    tables.event("log", 1, service="shop", message="x", sha256=REFERENCE)
    found = rows(tables, "SELECT measure, role, count(*) FROM measures GROUP BY ALL ORDER BY ALL")
    assert found == [('queue{service="shop"}', "incident", 1), ('queue{service="shop"}', "reference", 2)]
    assert rows(tables, "SELECT role FROM logs") == [("reference",)]


def test_changes_and_alerts_are_tables_of_their_own() -> None:
    tables = Tables()
    tables.event("change", 3, service="shop", message="v2", attributes={"change.kind": "deploy"})
    tables.event("alert", 5, service="front", message="errors")
    assert rows(tables, "SELECT service, change_kind, summary FROM changes") == [("shop", "deploy", "v2")]
    assert rows(tables, "SELECT service, message FROM alerts") == [("front", "errors")]


def test_empty_tables_load() -> None:
    assert rows(Tables(), "SELECT count(*) FROM spans") == [(0,)]
    assert rows(Tables(), "SELECT count(*) FROM measures") == [(0,)]


def test_sums_do_not_depend_on_the_run() -> None:
    sql = "SELECT sum(duration_ns / 7.0) AS value, count(*) AS n FROM spans"
    results = []
    for _ in range(2):
        with IncidentDatabase(steady(failing_status=503).build()) as database:
            results.append(database.query(sql, {}))
    assert results[0] == results[1]
    assert results[0].rows[0][1] == 4 * 2 * END


cells = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(cells)
def test_every_cell_becomes_what_json_can_hold(cell: object) -> None:
    value = plain(cell)
    json.dumps(value, allow_nan=False)
    assert not isinstance(value, str) or len(value) <= MAX_TEXT
    assert not isinstance(value, float) or value == round(value, 6)
