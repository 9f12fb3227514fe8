from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_SPAN = "00f067aa0ba902b7"


def test_kafka_keeps_the_logger_and_joins_the_trace(look: Callable[..., Look]) -> None:
    seen = look(
        "[2018-10-31 15:03:32,474] ERROR [Broker id=1] failed (state.change.logger)\n"
        "java.io.IOException: x\n\tat a.B.c(B.java:1)\n"
        "[2018-10-31 15:03:33,000] [WARN ] [thread-7] [kafka.X] - slow\n",
        tz="-02:00",
    )
    first, second = seen.events
    assert seen.parsed.report.format == "kafka_log4j"
    assert first["time_ns"] == _ns("2018-10-31T15:03:32.474-02:00")
    assert first["message"] == "[Broker id=1] failed\njava.io.IOException: x\n\tat a.B.c(B.java:1)"
    assert (first["severity_raw"], first["attributes"]["logger"]) == ("ERROR", "state.change.logger")
    assert (second["severity_raw"], second["message"]) == ("WARN", "slow")


def test_elastics_servers_are_told_by_their_loggers(look: Callable[..., Look]) -> None:
    elastic = look("[2018-05-17T08:29:12,177][INFO ][o.e.n.Node               ] [node-1] started\n")
    assert elastic.parsed.report.format == "elasticsearch_text"
    assert (elastic.event["attributes"]["node"], elastic.event["message"]) == ("node-1", "started")
    logstash = look("[2018-05-17T08:29:12,177][WARN ][logstash.outputs.x       ][main] retry\n")
    assert logstash.parsed.report.format == "logstash_log"
    assert (logstash.event["attributes"]["pipeline"], logstash.event["severity"]) == ("main", 13)


def test_elasticsearch_objects_over_several_lines(look: Callable[..., Look]) -> None:
    head = (
        '{"type": "server", "timestamp": "2019-01-18T08:55:08,159+0100", '
        '"level": "WARN", "component": "o.e.x", '
    )
    seen = look(
        head + '"node.name": "n", "message": "one",\n"stacktrace": ["java.lang.Exception: {",\n"  at a"] }\n'
        + head + '"node.name": "n", "message": "two" }\n' + head + '"node.name": "n", "message": "cut\n'
    )  # fmt: skip
    assert [row["message"] for row in seen.events] == ["one", "two"]
    assert seen.events[0]["time_ns"] == _ns("2019-01-18T08:55:08.159+01:00")
    assert seen.json_of(seen.events[0])["stacktrace"][1] == "  at a"
    assert len(seen.quarantine) == 1


def test_spring_boot_with_ids(look: Callable[..., Look]) -> None:
    rows = look(
        f"2026-01-02 03:04:05.678  INFO [shop,{_TRACE},{_SPAN}] 1 --- [nio-8080-exec-1] c.e.Shop : hello\n"
        f"2026-01-02T03:04:05.678Z ERROR 1 --- [cart] [main] [{_TRACE}-{_SPAN}] c.e.Cart : "
        f"boom\n\tat x.Y.z(Y.java:3)\n"
        "2026-01-02 03:04:05.678  WARN 7 --- [main] o.s.b.X : plain\n"
    ).events
    assert [row["trace_id"] for row in rows] == [_TRACE, _TRACE, None]
    assert [row["span_id"] for row in rows] == [_SPAN, _SPAN, None]
    assert [row["service"] for row in rows] == ["shop", "cart", None]
    assert rows[1]["message"] == "boom\n\tat x.Y.z(Y.java:3)"
    assert rows[2]["time_ns"] == _ns("2026-01-02T03:04:05.678+00:00")


def test_usual_layouts_of_log4j_and_logback(look: Callable[..., Look]) -> None:
    expected = {
        "2022-10-03 09:00:01,042 [main] INFO  com.acme.Foo - hello": ("INFO", "com.acme.Foo", "hello"),
        "2022-10-03 09:00:01,042 WARN [t-1] [com.acme.Foo] hello": ("WARN", "com.acme.Foo", "hello"),
        "2022-10-03T09:00:01,042 ERROR [main     ] Foo      : hello": ("ERROR", "Foo", "hello"),
        "2022-10-03 09:00:01,042 INFO org.apache.hadoop.X: hello": ("INFO", "org.apache.hadoop.X", "hello"),
        "03-Oct-2022 09:00:01.042 SEVERE [main] org.apache.catalina.X hello": (
            "SEVERE", "org.apache.catalina.X", "hello",
        ),
        "Oct 03, 2022 9:00:01 AM com.acme.Foo run\nWARNING: hello": ("WARNING", "com.acme.Foo", "hello"),
    }  # fmt: skip
    for text, (level, logger, message) in expected.items():
        row = look(text + "\n", pin="java_log4j").event
        assert (row["severity_raw"], row["attributes"]["logger"], row["message"]) == (
            level,
            logger,
            message,
        ), text
        assert row["time_ns"] // 10**9 == _ns("2022-10-03T09:00:01+00:00") // 10**9, text


def test_zookeeper(look: Callable[..., Look]) -> None:
    row = look("2015-07-29 17:41:41,536 [myid:1] - INFO  [main:QuorumPeer@913] - tickTime set\n").event
    assert (row["service"], row["attributes"]["logger"], row["message"]) == (
        "zookeeper",
        "QuorumPeer",
        "tickTime set",
    )


def test_usual_layouts_of_python(look: Callable[..., Look]) -> None:
    expected = {
        "2024-01-02 03:04:05,678 - app.db - ERROR - boom": ("ERROR", "boom"),
        "2024-01-02 03:04:05.678 | SUCCESS | app.db:run:12 - boom": ("SUCCESS", "boom"),
        "[2024-01-02 03:04:05 +0000] [7] [INFO] boom": ("INFO", "boom"),
        "[2024-01-02 03:04:05,678: WARNING/MainProcess] boom": ("WARNING", "boom"),
        "[2024-01-02T03:04:05.678Z] [ERROR] cart - boom": ("ERROR", "boom"),
        "2024-01-02 03:04:05,678 WARNING boom": ("WARNING", "boom"),
        "2024-01-02 03:04:05.678 7 DEBUG nova.compute [req-1 - - -] boom": ("DEBUG", "boom"),
    }
    for text, (level, message) in expected.items():
        row = look(
            text + "\nTraceback (most recent call last):\n  x\nValueError: y\n", pin="python_logging"
        ).event
        assert (row["severity_raw"], row["message"].split("\n")[0]) == (level, message), text
        assert row["message"].endswith("ValueError: y")
        assert row["time_ns"] // 10**9 == _ns("2024-01-02T03:04:05+00:00") // 10**9, text
    undated = look("WARNING:root:boom\n", pin="python_logging").event
    assert (undated["time_ns"], undated["severity"], undated["message"]) == (None, 13, "boom")
