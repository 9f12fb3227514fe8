from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, parse_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _docker(text: str, second: int = 5, stream: str = "stdout") -> str:
    return (
        json.dumps({"log": text, "stream": stream, "time": f"2024-01-02T03:04:0{second}.123456789Z"}) + "\n"
    )


def test_docker_reads_the_line_inside_and_keeps_the_outer_time(look: Callable[..., Look]) -> None:
    inner = json.dumps({"level": "error", "msg": "boom", "ts": 1.5, "trace_id": _TRACE}) + "\n"
    seen = look(_docker(inner) + _docker("2024-01-01 00:00:00,000 WARN [main] slow\n", 6, "stderr"))
    assert seen.parsed.report.format == "docker_json_file"
    first, second = seen.events
    assert first["time_ns"] == _ns("2024-01-02T03:04:05.123456+00:00") + 789
    assert (first["message"], first["severity"], first["trace_id"]) == ("boom", 17, _TRACE)
    assert (second["severity_raw"], second["attributes"]["stream"]) == ("WARN", "stderr")
    assert second["attributes"]["inner.time"] == "2024-01-01 00:00:00,000"


def test_docker_joins_pieces_per_stream_in_source_order(look: Callable[..., Look]) -> None:
    seen = look(
        _docker("a")
        + _docker("other\n", 6, "stderr")
        + _docker("b", 7)
        + _docker("c\n", 8)
        + _docker("cut", 9)
    )
    joined, other, cut = seen.events
    assert (joined["message"], other["message"], cut["message"]) == ("abc", "other", "cut")
    assert seen.bytes_of(joined).count(b"\n") == 3
    assert cut["attributes"]["log.partial"] == "true"
    assert [row["byte_start"] for row in seen.events] == sorted(row["byte_start"] for row in seen.events)


def test_cri_takes_names_from_the_path(look: Callable[..., Look]) -> None:
    seen = look(
        "2024-01-02T03:04:05.1Z stdout P I0102 03:04:05.000000 1 a.go:1] on\n"
        "2024-01-02T03:04:05.2Z stderr F level=error msg=bad\n"
        "2024-01-02T03:04:05.3Z stdout F e\nnonsense\n",
        uri="pods/shop_cart-7d9_8f0c1c5e-0c4b-4f0e-9a9c-3d5f0c1c5e00/api/0.log",
    )
    joined, bad = seen.events
    assert (joined["message"], joined["severity"], joined["severity_raw"]) == ("one", 9, "I")
    assert joined["time_ns"] == _ns("2024-01-02T03:04:05.1+00:00")
    assert (joined["service"], joined["host"]) == ("api", "cart-7d9")
    assert joined["attributes"]["k8s.namespace.name"] == "shop"
    assert (bad["message"], bad["severity"], bad["attributes"]["stream"]) == ("bad", 17, "stderr")
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"nonsense"]


def test_compose_prefixes_colours_and_times(look: Callable[..., Look]) -> None:
    redis, web = look(
        "\x1b[2Kredis-1  | 2024-04-25T05:32:35.019558005Z 1:C 25 Apr 2024 05:32:35.018 # Warning: x\n"
        '\x1b[36mweb-2    |\x1b[0m {"level":"info","msg":"up","time":"2024-04-25T05:32:36Z"}\n'
    ).events
    assert (redis["service"], redis["severity"], redis["message"]) == ("redis", 13, "Warning: x")
    assert redis["attributes"]["inner.time"] == "25 Apr 2024 05:32:35.018"
    assert (web["service"], web["message"], web["attributes"]["container.replica"]) == ("web", "up", "2")
    assert web["time_ns"] == _ns("2024-04-25T05:32:36+00:00")


def test_kubectl_prefix_and_timestamps(look: Callable[..., Look]) -> None:
    row = look("[pod/cart-1/api] 2024-01-02T03:04:05.123456789Z level=warn msg=slow\n").event
    assert (row["service"], row["host"], row["severity"], row["message"]) == ("api", "cart-1", 13, "slow")
    assert row["time_ns"] == _ns("2024-01-02T03:04:05.123456+00:00") + 789


def test_fluent_bit_with_and_without_a_time(look: Callable[..., Look]) -> None:
    kubernetes = {
        "namespace_name": "shop",
        "pod_name": "cart-1",
        "labels": {"app": "cart"},
        "container_name": "c",
    }
    lines = [
        {
            "time": "2024-01-02T03:04:05.5+02:00",
            "log": "1:M 02 Jan 2024 00:00:00.000 # x",
            "kubernetes": kubernetes,
        },
        {"log": '{"level":30,"time":1704164645678,"msg":"pino"}', "kubernetes": kubernetes},
        {"log": "undated", "kubernetes": kubernetes, "previous": True},
    ]
    seen = look("\n".join(map(json.dumps, lines)))
    assert seen.parsed.report.format == "fluent_bit"
    outer, inner, undated = seen.events
    assert outer["time_ns"] == _ns("2024-01-02T03:04:05.5+02:00")
    assert (outer["service"], outer["host"], outer["severity"]) == ("cart", "cart-1", 13)
    assert (inner["time_ns"], inner["message"]) == (1_704_164_645_678_000_000, "pino")
    assert (undated["time_ns"], undated["attributes"]["previous"]) == (None, "true")


def test_journald_bytes_repeats_and_priorities(look: Callable[..., Look]) -> None:
    base = {"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1534860261221373", "_BOOT_ID": "b", "_HOSTNAME": "n1"}
    lines = [
        {**base, "PRIORITY": "3", "SYSLOG_IDENTIFIER": "app", "MESSAGE": [104, 105, 255]},
        {
            **base,
            "_SOURCE_REALTIME_TIMESTAMP": "1534860261000001",
            "MESSAGE": "level=warn msg=slow",
            "X": ["1", "2"],
        },
        {**base, "MESSAGE": None},
    ]
    seen = look("\n".join(map(json.dumps, lines)))
    assert seen.parsed.report.format == "journald_json"
    first, second, third = seen.events
    assert (first["message"], first["severity"], first["severity_raw"]) == ("hi\u00ff", 17, "3")
    assert (first["service"], first["host"], first["time_ns"]) == ("app", "n1", 1534860261221373000)
    assert first["attributes"]["__CURSOR"] == "s=1"
    assert (second["time_ns"], second["severity"], second["message"]) == (1534860261000001000, 13, "slow")
    assert second["attributes"]["X"] == '["1","2"]'
    assert third["attributes"]["message.too_long"] == "true"


def _cri(text: str, tag: str, stream: str) -> str:
    return f"2024-01-02T03:04:05.1Z {stream} {tag} {text}\n"


_PIECES = st.lists(
    st.tuples(
        st.sampled_from(["a", "stdout", "stderr b"]), st.booleans(), st.sampled_from(["stdout", "stderr"])
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("name", ["docker_json_file", "cri"])
def test_a_line_in_pieces_is_one_row_wherever_the_stream_is_cut(name: str) -> None:
    @given(_PIECES, st.integers(1, 600))
    def same(pieces: list[tuple[str, bool, str]], size: int) -> None:
        lines = [
            _cri(text, "F" if whole else "P", stream)
            if name == "cri"
            else _docker(text + "\n" * whole, stream=stream)
            for text, whole, stream in pieces
        ]
        data = "".join(lines).encode()
        source = Source(sha256="ab" * 32, uri="x")
        cut, uncut = (parse_artifact(data, source, pin=name, part_bytes=bytes_) for bytes_ in (size, 10**9))
        assert (cut.events, cut.quarantine, cut.report) == (uncut.events, uncut.quarantine, uncut.report)

    same()
