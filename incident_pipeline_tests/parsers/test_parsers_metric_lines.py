"""Graphite plaintext, StatsD and DogStatsD. The lines are ours, written from the manuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from sample_cover import check_covered, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

GRAPHITE = """\
servers.db-1.cpu.load 1.25 1700000000
servers.db-1.cpu.load -3e2 1700000060.5
disk.used;datacenter=eu;rack=a1;server=web-1 42 1700000000
servers.db-1.up 1 -1
servers.db-1.temp nan 1700000000
"""
STATSD = """\
page.views:1|c
page.views:5|c|@0.1
fuel.level:0.5|g|#service:shop,env:prod,canary
fuel.level:-4|g
song.length:240:250|h|@0.5
users.uniques:x1|s
query:3.5|ms|#service:db|c:abc123|T1700000000
_e{6,14}:Deploy|rolled\\nout|ok|d:1700000001|h:web-1|k:agg|p:low|s:ci|t:warning|#service:shop
_sc|redis.can_connect|2|d:1700000002|h:cache-1|#env:dev|m:timed out | after 10s
"""


def test_graphite_lines(look: Callable[..., Look]) -> None:
    seen = look(GRAPHITE)
    assert (seen.parsed.report.format, seen.quarantine) == ("graphite", [])
    assert measured(seen) == [
        ("servers.db-1.cpu.load", {}, 1_700_000_000_000_000_000, 1.25),
        ("servers.db-1.cpu.load", {}, 1_700_000_060_500_000_000, -300.0),
        ("disk.used", {"datacenter": "eu", "rack": "a1", "server": "web-1"}, 1_700_000_000_000_000_000, 42.0),
        ("servers.db-1.up", {}, None, 1.0),
        ("servers.db-1.temp", {}, 1_700_000_000_000_000_000, None),
    ]
    # The second opinion: words split at white space.
    words = [line.split() for line in GRAPHITE.splitlines()]
    assert [seen.bytes_of(row).decode().split() for row in seen.samples] == words
    assert any("arrival" in text for text in seen.parsed.report.assumptions)
    broken = look("a.b 1\na.b x 1700000000\na.b 1 1700000000\n", pin="graphite")
    assert [broken.bytes_of(row) for row in broken.quarantine] == [b"a.b 1", b"a.b x 1700000000"]


def test_statsd_metrics_have_no_times_but_those_sent(look: Callable[..., Look]) -> None:
    seen = look(STATSD)
    assert (seen.parsed.report.format, seen.quarantine) == ("statsd", [])
    assert measured(seen) == [
        ("page.views", {"type": "counter"}, None, 1.0),
        ("page.views", {"type": "counter", "sample_rate": "0.1"}, None, 5.0),
        ("fuel.level", {"type": "gauge", "service": "shop", "env": "prod", "canary": "true"}, None, 0.5),
        ("fuel.level", {"type": "gauge", "delta": "true"}, None, -4.0),
        ("song.length", {"type": "histogram", "sample_rate": "0.5"}, None, 240.0),
        ("song.length", {"type": "histogram", "sample_rate": "0.5"}, None, 250.0),
        ("users.uniques", {"type": "set", "member": "x1"}, None, None),
        ("query", {"type": "timer", "service": "db", "container": "abc123"}, 1_700_000_000_000_000_000, 3.5),
    ]
    lines = STATSD.encode().splitlines()
    assert [seen.bytes_of(row) for row in seen.samples] == [*lines[:5], lines[4], *lines[5:7]]


def test_statsd_events_and_checks(look: Callable[..., Look]) -> None:
    event, check = look(STATSD).events
    assert (event["kind"], event["message"], event["host"], event["service"]) == (
        "alert",
        "Deploy",
        "web-1",
        "shop",
    )
    assert (event["severity"], event["severity_raw"], event["time_ns"]) == (
        13,
        "warning",
        1_700_000_001 * 10**9,
    )
    assert event["attributes"]["text"] == "rolled\nout|ok"
    assert event["attributes"]["source_type_name"] == "ci"
    assert (check["kind"], check["message"], check["host"]) == (
        "object_state",
        "timed out | after 10s",
        "cache-1",
    )
    assert (check["severity_raw"], check["attributes"]["status"], check["attributes"]["env"]) == (
        "2",
        "CRITICAL",
        "dev",
    )


@pytest.mark.parametrize(
    "line",
    ["a|c", "a:1", "a:1|x", "a:b|c", "a:1|c|@x", "a:1:|c", "_e{9,9}:a|b", "_e{1,1}:ab", "_sc|a|7", ":1|c"],
)
def test_broken_datagrams_go_to_quarantine(look: Callable[..., Look], line: str) -> None:
    seen = look(f"{line}\na:1|c\n", pin="dogstatsd")
    assert [seen.bytes_of(row).decode() for row in seen.quarantine] == [line]
    assert len(seen.samples) == 1


@given(mutants((GRAPHITE.encode(), STATSD.encode())), st.sampled_from(["graphite", "statsd", None]))
@settings(max_examples=200, deadline=None)
def test_damaged_lines_are_covered(look: Callable[..., Look], data: bytes, pin: str | None) -> None:
    seen = look(data, pin=pin)
    if seen.parsed.report.format in ("graphite", "statsd"):
        check_covered(seen)
