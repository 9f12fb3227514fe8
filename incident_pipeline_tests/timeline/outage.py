"""A made-up outage of two services as plain rows: requests every quarter of a second, some of which fail."""

from __future__ import annotations

from typing import Any

SECOND = 1_000_000_000
START = 1_795_420_800 * SECOND
"""2026-11-23T08:00:00Z."""


def at(second: float) -> int:
    return START + int(second * SECOND)


def requests(
    failing: tuple[float, float] | None, *, until: float = 180, every: float = 0.25
) -> list[dict[str, Any]]:
    """Spans of `edge` that call `api`, which answers 500 in the failing stretch, all in seconds."""
    rows = []
    for number in range(int(until / every)):
        second = number * every
        bad = failing is not None and failing[0] <= second < failing[1]
        status = {"status.code": "ERROR", "http.response.status_code": "500"} if bad else {}
        # Durations differ a little, in the same way all the time.
        duration = 20_000_000 + (number * 7919 % 13) * 100_000
        for service, parent, shift in (("edge", None, 0), ("api", "edge", 1_000_000)):
            begin = at(second) + shift
            rows.append(
                {
                    "kind": "span",
                    "uri": f"otlp/{service}.jsonl",
                    "time_ns": begin,
                    "end_time_ns": begin + duration - 4 * shift,
                    "service": service,
                    "message": "GET /",
                    "trace_id": f"t{number:06x}",
                    "span_id": f"{service}{number:06x}",
                    "parent_span_id": None if parent is None else f"{parent}{number:06x}",
                    "attributes": {"span.kind": "server"} | status,
                }
            )
    return rows


def alert(second: float, status: str = "firing", *, began: float | None = None) -> dict[str, Any]:
    row = {
        "kind": "alert",
        "uri": "alerts/a.json",
        "service": "edge",
        "message": "Errors: too many",
        "time_ns": at(second if began is None else began),
        "attributes": {"labels.alertname": "Errors", "status": status, "fingerprint": "f"},
    }
    return row | ({"end_time_ns": at(second)} if status == "resolved" else {})


def change(
    second: float, kind: str, message: str, *, actor: str = "ci", service: str = "api"
) -> dict[str, Any]:
    return {
        "kind": "change",
        "uri": "changes/c.jsonl",
        "time_ns": at(second),
        "service": service,
        "actor": actor,
        "message": message,
        "attributes": {"change.kind": kind},
    }


def said(second: float, text: str, *, actor: str = "U1", **more: Any) -> dict[str, Any]:
    return {
        "kind": "chat",
        "uri": "chat/c.json",
        "time_ns": at(second),
        "actor": actor,
        "message": text,
    } | more


def log(second: float, text: str, *, severity: int = 9, service: str = "api") -> dict[str, Any]:
    return {
        "kind": "log",
        "uri": f"logs/{service}.jsonl",
        "time_ns": at(second),
        "service": service,
        "severity": severity,
        "message": text,
        "mask_id": text,
    }


def outage(*more: dict[str, Any], failing: tuple[float, float] = (60, 100)) -> list[dict[str, Any]]:
    """Requests that fail, an alert that fires ten seconds after the first and ends ten after the last."""
    rows = requests(failing)
    rows.append(alert(failing[0] + 10))
    if failing[1] < 180:
        rows.append(alert(failing[1] + 10, "resolved", began=failing[0] + 10))
    return [*rows, *more]
