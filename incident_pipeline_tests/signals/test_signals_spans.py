"""Spans as a table: joins, own time, duplicates, call targets and failures."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers.table import EVENTS, SAMPLES, SERIES, event_id
from incident_pipeline.signals.spans import Spans, operation_name, read_spans, span_codes
from incident_pipeline.signals.tables import IncidentTables

SHA, CALM = "a" * 64, "b" * 64


def span(
    name: str,
    start: int,
    end: int,
    *,
    span_id: str,
    parent: str | None = None,
    service: str = "shop",
    sha256: str = SHA,
    trace: str = "t1",
    **attributes: str,
) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(EVENTS.names)
    return row | {
        "event_id": event_id(sha256, start, end, int(span_id, 16)),
        "time_basis": "explicit",
        "kind": "span",
        "message": name,
        "time_ns": start,
        "end_time_ns": end,
        "service": service,
        "trace_id": trace,
        "span_id": span_id,
        "parent_span_id": parent,
        "artifact_sha256": sha256,
        "artifact_uri": "traces",
        "attributes": sorted((key.replace("_", "."), value) for key, value in attributes.items()),
    }


def tables_of(rows: list[dict[str, object]]) -> IncidentTables:
    artifacts = tuple(
        SealedArtifact(
            sha256=sha, size=1, stored_sha256=sha, uri="traces", type="trace", source="x", role=role
        )
        for sha, role in ((SHA, "incident"), (CALM, "reference"))
    )
    evidence = SealedEvidence(
        incident_id="i",
        incident_key="i",
        title=None,
        start_time=None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=artifacts,
        problems=(),
        evidence_root="0" * 64,
    )
    return IncidentTables(
        pa.Table.from_pylist(rows, schema=EVENTS),
        pa.Table.from_pylist([], schema=SAMPLES),
        pa.Table.from_pylist([], schema=SERIES),
        evidence,
    )


def read(*rows: dict[str, object]) -> Spans:
    return read_spans(tables_of(list(rows)))


def test_own_time_is_what_the_children_leave() -> None:
    spans = read(
        span("root", 0, 100, span_id="01"),
        span("a", 10, 40, span_id="02", parent="01"),
        span("b", 50, 70, span_id="03", parent="01"),
    )
    assert spans.own.tolist() == [50, 30, 20]
    assert spans.parent.tolist() == [-1, 0, 0]
    assert spans.children.tolist() == [2, 0, 0]


def test_own_time_is_clipped_where_children_outlive_their_parent() -> None:
    spans = read(span("root", 0, 10, span_id="01"), span("later", 5, 500, span_id="02", parent="01"))
    assert spans.own.tolist() == [0, 495]


def test_a_duplicated_span_counts_once() -> None:
    child = span("a", 10, 40, span_id="02", parent="01")
    again = child | {"event_id": "f" * 32}
    spans = read(span("root", 0, 100, span_id="01"), child, again)
    assert len(spans) == 2
    assert spans.own.tolist() == [70, 30]


def test_equal_span_ids_of_two_traces_are_two_spans() -> None:
    spans = read(span("a", 0, 1, span_id="01"), span("a", 0, 1, span_id="01", trace="t2"))
    assert len(spans) == 2


def test_a_parent_that_is_not_held_and_a_span_that_is_its_own_parent_have_none() -> None:
    spans = read(span("a", 0, 1, span_id="01", parent="99"), span("b", 2, 3, span_id="02", parent="02"))
    assert spans.parent.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("attributes", "peer"),
    [
        ({"span_kind": "client", "server_address": "billing"}, "billing"),
        ({"span_kind": "client", "peer_service": "mail", "server_address": "10.0.0.7"}, "mail"),
        ({"span_kind": "client", "server_address": "10.0.0.7", "db_system": "postgresql"}, "postgresql"),
        ({"span_kind": "client", "server_address": "localhost"}, None),
        ({"span_kind": "server", "server_address": "billing"}, None),
    ],
)
def test_the_call_target_is_a_name_and_only_of_outbound_spans(
    attributes: dict[str, str], peer: str | None
) -> None:
    spans = read(span("call", 0, 1, span_id="01", **attributes))
    code = int(spans.peer.codes[0])
    assert (spans.peer.names[code] if code >= 0 else None) == peer


@pytest.mark.parametrize(
    ("attributes", "failed"),
    [
        ({"status_code": "error"}, True),
        ({"status_code": "ok"}, False),
        ({"http.response.status_code": "503"}, True),
        ({"http.response.status_code": "404"}, False),
        ({"http.response.status_code": "429"}, False),
        ({"http.response.status_code": "429", "span_kind": "client"}, True),
        ({"http.response.status_code": "not a number"}, False),
    ],
)
def test_what_counts_as_failed(attributes: dict[str, str], failed: bool) -> None:
    row = span("call", 0, 1, span_id="01")
    names = {"span_kind": "span.kind", "status_code": "status.code"}
    row["attributes"] = sorted((names.get(key, key), value) for key, value in attributes.items())
    assert read(row).failed.tolist() == [failed]


def test_ids_in_span_names_are_masked() -> None:
    assert operation_name("GET /orders/12345") == "GET /orders/*"
    assert operation_name("GET /api/v1/orders") == "GET /api/v1/orders"
    assert operation_name("GET /u/0f8fad5b-d9cb-469f-a165-70867728950e") == "GET /u/*"


def test_reference_spans_are_marked() -> None:
    spans = read(span("a", 0, 1, span_id="01"), span("a", 2, 3, span_id="02", sha256=CALM))
    assert spans.reference.tolist() == [False, True]


def test_records_find_the_span_they_hang_from() -> None:
    spans = read(span("a", 0, 1, span_id="01"), span("b", 2, 3, span_id="02"))
    found = span_codes(spans, pa.chunked_array([["t1", "t1", None]]), pa.chunked_array([["02", "77", "01"]]))
    assert found.tolist() == [1, -1, -1]


def test_no_spans_at_all() -> None:
    assert len(read()) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 9)), max_size=12), st.randoms()
)
def test_the_order_of_rows_does_not_matter(drawn: list[tuple[int, int, int]], mixer: random.Random) -> None:
    rows = [
        span(f"op{start % 3}", start, start + took, span_id=f"{index:02x}", parent=f"{parent:02x}")
        for index, (start, took, parent) in enumerate(drawn)
    ]
    mixed = list(rows)
    mixer.shuffle(mixed)
    plain, other = read_spans(tables_of(rows)), read_spans(tables_of(mixed))
    for name in ("start", "own", "parent", "children", "failed"):
        assert np.array_equal(getattr(plain, name), getattr(other, name))
    assert plain.operation.names == other.operation.names
