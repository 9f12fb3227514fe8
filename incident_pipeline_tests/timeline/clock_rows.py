"""Rows of small incidents whose clocks are known: calls between hosts, records that hang on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[str, Any]

START = 1_795_420_000_000_000_000
MILLI = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def calls(
    count: int = 20,
    *,
    server: str = "api-1",
    ahead: int | Callable[[int], int] = 0,
    client: str = "edge-1",
    uri: str = "traces.jsonl",
    tag: str = "t",
    network: int = MILLI,
) -> list[Row]:
    """Give `count` calls a second apart, the clock of the server `ahead` nanoseconds.

    Each call takes 20 ms at the client; the way there and back takes `network` each.
    """
    rows: list[Row] = []
    for number in range(count):
        at = START + number * SECOND
        by = ahead(number) if callable(ahead) else ahead
        trace = f"{tag}{number:031x}"
        caller = {"trace_id": trace, "span_id": f"{tag}c{number}", "kind": "span", "message": "GET api"}
        rows.append(
            caller
            | {
                "time_ns": at,
                "end_time_ns": at + 20 * MILLI,
                "host": client,
                "service": client.split("-", maxsplit=1)[0],
            }
            | {"attributes": {"span.kind": "client"}, "uri": uri}
        )
        rows.append(
            {"trace_id": trace, "span_id": f"{tag}s{number}", "parent_span_id": f"{tag}c{number}"}
            | {"time_ns": at + network + by, "end_time_ns": at + 20 * MILLI - network + by}
            | {"kind": "span", "message": "GET", "host": server, "service": server.split("-", maxsplit=1)[0]}
            | {"attributes": {"span.kind": "server"}, "uri": uri}
        )
    return rows


def records(
    count: int = 20,
    *,
    host: str | None = "api-1",
    ahead: int | Callable[[int], int] = 0,
    uri: str = "logs/api.log",
    tag: str = "t",
    basis: str = "explicit",
    precision: str = "ns",
    trace: bool = True,
) -> list[Row]:
    """Give log records 10 ms into each call, told by a clock `ahead` nanoseconds."""
    rows: list[Row] = []
    for number in range(count):
        by = ahead(number) if callable(ahead) else ahead
        names = {"trace_id": f"{tag}{number:031x}", "span_id": f"{tag}s{number}"} if trace else {}
        rows.append(
            {"time_ns": START + number * SECOND + 10 * MILLI + by, "message": f"served {number}"}
            | {"host": host, "service": "api", "uri": uri, "time_basis": basis, "time_precision": precision}
            | names
        )
    return rows
