"""Elasticsearch: fixtures of ours, written from the search, fields and bulk documentation."""

from __future__ import annotations

import json
from collections.abc import Callable

from conftest import Look

_TRACE = "0af7651916cd43dd8448eb211c80319c"


def _page() -> dict[str, object]:
    return {
        "took": 3,
        "timed_out": True,
        "_shards": {"total": 2, "failed": 1},
        "hits": {
            "total": {"value": 12, "relation": "eq"},
            "hits": [
                {
                    "_index": "logs-1",
                    "_id": "a",
                    "_source": {
                        "@timestamp": "2026-11-23T08:00:00.123Z",
                        "message": "no stock",
                        "log.level": "error",
                        "service": {"name": "cart"},
                        "trace": {"id": _TRACE},
                        "span.id": "b7ad6b7169203331",
                    },
                },
                {
                    "_index": "logs-1",
                    "_id": "b",
                    "fields": {
                        "@timestamp": ["2026-11-23T08:00:01.000Z"],
                        "message": ["m"],
                        "ip": ["1", "2"],
                    },
                },
                {
                    "_index": "traces-apm",
                    "_id": "c",
                    "_source": {
                        "@timestamp": "2026-11-23T08:00:02.000Z",
                        "timestamp": {"us": 1795420802000500},
                        "processor": {"event": "transaction"},
                        "transaction": {"id": "aa00000000000001", "name": "GET /", "duration": {"us": 1500}},
                        "parent": {"id": "aa00000000000002"},
                        "trace": {"id": _TRACE},
                        "event": {"outcome": "failure"},
                        "service": {"name": "cart"},
                    },
                },
            ],
        },
    }


def test_a_search_page_with_nested_and_dotted_names(look: Callable[..., Look]) -> None:
    page = _page()
    seen = look(json.dumps(page, indent=1))
    assert seen.parsed.report.format == "elastic_search"
    log, fields, span = seen.events
    assert (log["message"], log["severity"], log["service"]) == ("no stock", 17, "cart")
    assert (log["trace_id"], log["span_id"]) == (_TRACE, "b7ad6b7169203331")
    assert (log["attributes"]["_index"], log["attributes"]["_id"]) == ("logs-1", "a")
    assert (fields["message"], fields["attributes"]["ip"]) == ("m", '["1","2"]')
    assert fields["time_ns"] - log["time_ns"] == 877_000_000
    assert (span["kind"], span["message"], span["severity"]) == ("span", "GET /", 17)
    assert (span["time_ns"], span["end_time_ns"]) == (1795420802000500000, 1795420802002000000)
    assert (span["span_id"], span["parent_span_id"]) == ("aa00000000000001", "aa00000000000002")
    assert [row["json_pointer"] for row in seen.events] == [f"/hits/hits/{index}" for index in range(3)]
    assert [seen.json_of(row) for row in seen.events] == page["hits"]["hits"]  # type: ignore[index]
    assert set(seen.parsed.report.assumptions) >= {
        "the page holds 3 of 12 hits",
        "the search timed out: hits may be missing",
        "1 shards failed: hits may be missing",
    }


def test_dumped_hits_and_multi_searches(look: Callable[..., Look]) -> None:
    hits = _page()["hits"]["hits"]  # type: ignore[index]
    dumped = look("\n".join(json.dumps(hit) for hit in hits))
    assert [row["attributes"].get("_id") for row in dumped.events] == ["a", "b", "c"]
    multi = look(json.dumps({"responses": [_page(), {"error": {"type": "x"}}]}), pin="elastic_search")
    assert len(multi.events) == 3
    assert [row["reason"] for row in multi.quarantine] == ["a response without hits"]


def test_a_bulk_request_is_read_by_pairs_of_lines(look: Callable[..., Look]) -> None:
    document = '{"@timestamp":"2026-11-23T08:00:00Z","message":"a","log":{"level":"warn"}}'
    lines = [
        '{"index":{"_index":"logs","_id":"1"}}',
        document,
        '{"delete":{"_index":"logs","_id":"2"}}',
        '{"update":{"_index":"logs","_id":"3"}}',
        '{"doc":{"message":"b"}}',
        "{broken",
        '{"create":{"_index":"logs"}}',
    ]
    seen = look("\n".join(lines) + "\n")
    assert seen.parsed.report.format == "elastic_bulk"
    first, deleted, updated, alone = seen.events
    assert (first["message"], first["severity"], first["attributes"]["_id"]) == ("a", 13, "1")
    assert seen.bytes_of(first).decode() == "\n".join(lines[:2])
    assert (deleted["kind"], deleted["message"]) == ("object_state", "delete logs/2")
    assert (updated["message"], updated["attributes"]["bulk.action"]) == ("b", "update")
    assert alone["message"] == "create logs"
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"{broken"]
