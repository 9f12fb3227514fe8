from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def alert(status: str = "firing", **members: Any) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "Slow", "service": "api", "severity": "page"},
        "annotations": {"summary": "p95 above 1 s"},
        "startsAt": "2017-10-06T16:21:28.214665326+09:00",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2017-10-06T07:30:00Z",
        "fingerprint": "77219b85044057b4",
        **members,
    }


BODY = {
    "version": "4",
    "receiver": "hook",
    "groupKey": "{}:{}",
    "status": "firing",
    "alerts": [alert(), alert("resolved")],
}


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        (json.dumps(BODY, indent=1), ["/alerts/0", "/alerts/1"]),
        (json.dumps([BODY]), ["/0/alerts/0", "/0/alerts/1"]),
        (json.dumps(BODY) + "\n\n" + json.dumps(BODY), ["/alerts/0", "/alerts/1"] * 2),
        (
            json.dumps({"received_at": "2026-01-01T00:00:00Z", "payload": BODY}),
            ["/payload/alerts/0", "/payload/alerts/1"],
        ),
        (json.dumps(BODY["alerts"]), ["/0", "/1"]),
    ],
)
def test_every_form_of_a_delivery(look: Callable[..., Look], data: str, pointers: list[str]) -> None:
    seen = look(data)
    assert seen.parsed.report.format == "alertmanager_webhook"
    assert not seen.quarantine
    assert [row["json_pointer"] for row in seen.events] == pointers
    for row, expected in zip(seen.events, [alert(), alert("resolved")] * 2, strict=False):
        assert seen.json_of(row) == expected
        assert (row["kind"], row["service"], row["severity"], row["severity_raw"]) == (
            "alert",
            "api",
            18,
            "page",
        )
        assert row["time_ns"] == 1507274488214665326
        assert row["attributes"]["labels.alertname"] == "Slow"
        assert row["attributes"]["fingerprint"] == "77219b85044057b4"
    first, second = seen.events[:2]
    assert (first["message"], first["end_time_ns"]) == ("Slow firing: p95 above 1 s", None)
    assert (second["message"], second["end_time_ns"]) == ("Slow resolved: p95 above 1 s", 1507275000 * 10**9)


def test_delivery_is_kept(look: Callable[..., Look]) -> None:
    row = look(json.dumps({"received_at": "2026-01-01T00:00:00Z", "payload": BODY})).events[0]
    kept = {key: row["attributes"][key] for key in ("received_at", "receiver", "groupKey", "status")}
    assert kept == {
        "received_at": "2026-01-01T00:00:00Z",
        "receiver": "hook",
        "groupKey": "{}:{}",
        "status": "firing",
    }


def test_api_v2(look: Callable[..., Look]) -> None:
    item = alert(
        status={"state": "suppressed", "silencedBy": ["x"]},
        receivers=[{"name": "r"}],
        endsAt="2030-01-01T00:00:00Z",
    )  # type: ignore[arg-type]
    row = look(json.dumps([item])).event
    assert (row["attributes"]["status"], row["attributes"]["status.state"], row["end_time_ns"]) == (
        "firing",
        "suppressed",
        None,
    )


@pytest.mark.parametrize("text", ["[]", "[]\n", "", " \n", "{}"])
def test_nothing_is_no_failure(look: Callable[..., Look], text: str) -> None:
    seen = look(text, type="alert")
    assert (seen.events, seen.quarantine, seen.parsed.report.format) == ([], [], "empty")
    assert [problem.kind for problem in seen.parsed.problems] == ["empty"]
    assert seen.parsed.problems[0].exit_code == 0


def test_broken_alerts_are_quarantined_one_by_one(look: Callable[..., Look]) -> None:
    seen = look(json.dumps({**BODY, "alerts": [alert(), 5, alert()]}) + '\n{"x":1}\n', pin="alertmanager")
    assert len(seen.events) == 2
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"5", b'{"x":1}']
