"""Inputs for measuring parsers, made from a seed: a four-hour incident with 48 statements in 14 services."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

SERVICES = (
    "cart", "checkout", "payment", "currency", "shipping", "email", "ad", "recommendation", "catalog", "frontend",
    "quote", "accounting", "fraud", "image",
)  # fmt: skip
VERBS = (
    "fetched", "stored", "failed to load", "retrying", "timed out on", "received", "evicted", "opened", "closed",
    "rejected", "charged", "queued",
)  # fmt: skip
NOUNS = ("order", "cart", "session", "payment", "connection", "cache entry", "message", "shipment")
FORMS = (
    "{verb} {noun} ord-{number} in {took}ms",
    "{verb} {noun} for user {number} from 10.{a}.{b}.{c}",
    "{noun} {word:012x} {verb}: status {status}",
    "{verb} {number} {noun}s from /api/{noun}/{number}?page={a}",
)
START = 1_795_420_800
SPAN = 4 * 3600 * 10**9
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
    "curl/8.4.0",
    "kube-probe/1.29",
)
COMPACT = (",", ":")


def times(count: int, rng: random.Random) -> Iterator[int]:
    """Give UTC nanoseconds, ascending, over four hours."""
    now = START * 10**9
    for _ in range(count):
        now += rng.randrange(1, 2 * SPAN // count)
        yield now


def message(rng: random.Random, statement: int) -> str:
    return FORMS[statement % 4].format(
        verb=VERBS[statement % 12], noun=NOUNS[statement % 8].replace(" ", "-"), number=rng.randrange(10**6),
        took=rng.randrange(1, 3000), a=rng.randrange(256), b=rng.randrange(256), c=rng.randrange(256),
        word=rng.getrandbits(48), status=rng.choice((200, 201, 404, 500, 503)),
    )  # fmt: skip


def json_lines(count: int) -> Iterator[str]:
    """Give lines as zap writes them; six in a hundred come twice, as re-shipped ones do."""
    rng = random.Random(1)  # noqa: S311 - seeded on purpose
    line = ""
    for now in times(count, rng):
        if not line or rng.random() > 0.06:
            statement = rng.randrange(48)
            service = SERVICES[statement % 14]
            level = rng.choices(("info", "debug", "warn", "error"), (80, 8, 6, 6))[0]
            record = {
                "level": level, "ts": float(f"{now / 1e9:.7f}"), "logger": service,
                "caller": f"{service}/handler.go:{40 + statement}", "msg": message(rng, statement),
                "service": service, "trace_id": f"{rng.getrandbits(128):032x}",
                "span_id": f"{rng.getrandbits(64):016x}", "http_status": rng.choice((200, 200, 200, 404, 500)),
                "duration_ms": round(rng.expovariate(1 / 30), 3), "pod": f"{service}-{rng.randrange(4)}",
                "region": "eu-west-1",
            }  # fmt: skip
            if level == "error":
                record["error"] = "context deadline exceeded"
            line = json.dumps(record, separators=COMPACT)
        yield line


def nginx(count: int) -> Iterator[str]:
    rng = random.Random(2)  # noqa: S311 - seeded on purpose
    for now in times(count, rng):
        when = datetime.fromtimestamp(now // 10**9, UTC)
        yield (
            f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)} - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "
            f'"{rng.choice(("GET", "GET", "POST"))} /api/{rng.choice(SERVICES)}/{rng.randrange(10**5)}?page={rng.randrange(9)}'
            f' HTTP/1.1" {rng.choice((200, 200, 200, 304, 404, 502))} {rng.randrange(10, 90000)} '
            f'"{rng.choice(("-", "https://shop.example.com/"))}" "{rng.choice(AGENTS)}"'
        )


def syslog(count: int) -> Iterator[str]:
    rng = random.Random(3)  # noqa: S311 - seeded on purpose
    for now in times(count, rng):
        when = datetime.fromtimestamp(now // 10**9, UTC)
        statement = rng.randrange(48)
        yield (
            f"{when:%b} {when.day:2d} {when:%H:%M:%S} node-{rng.randrange(9)} {SERVICES[statement % 14]}"
            f"[{rng.randrange(100, 40000)}]: {message(rng, statement)}"
        )


def otlp(count: int) -> Iterator[str]:
    """Give requests of up to 64 log records, as the collector's file exporter writes them."""
    rng = random.Random(4)  # noqa: S311 - seeded on purpose
    moments = list(times(count, rng))
    for first in range(0, count, 64):
        service, records = rng.choice(SERVICES), []
        for now in moments[first : first + 64]:
            statement = rng.randrange(48)
            number, word = rng.choices(
                ((9, "INFO"), (5, "DEBUG"), (13, "WARN"), (17, "ERROR")), (80, 8, 6, 6)
            )[0]
            attributes = [
                {"key": "http.status_code", "value": {"intValue": str(rng.choice((200, 404, 500)))}},
                {"key": "duration_ms", "value": {"doubleValue": round(rng.expovariate(1 / 30), 3)}},
                {"key": "code.function", "value": {"stringValue": f"handle{statement}"}},
            ]
            record = {
                "timeUnixNano": str(now), "observedTimeUnixNano": str(now + 1000), "severityNumber": number,
                "severityText": word, "body": {"stringValue": message(rng, statement)}, "attributes": attributes,
                "traceId": f"{rng.getrandbits(128):032x}", "spanId": f"{rng.getrandbits(64):016x}",
            }  # fmt: skip
            records.append(record)
        resource = [
            {"key": "service.name", "value": {"stringValue": service}},
            {"key": "k8s.pod.name", "value": {"stringValue": f"{service}-{rng.randrange(4)}"}},
        ]
        scope = {"scope": {"name": "app"}, "logRecords": records}
        yield json.dumps(
            {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]},
            separators=COMPACT,
        )


KINDS: dict[str, Callable[[int], Iterator[str]]] = {
    "json_lines": json_lines,
    "nginx": nginx,
    "syslog": syslog,
    "otlp": otlp,
}


def write(kind: str, count: int, path: Path) -> None:
    """Write `count` records of a kind, one line each (OTLP: one line for 64)."""
    with path.open("w") as file:
        for line in KINDS[kind](count):
            file.write(line + "\n")
