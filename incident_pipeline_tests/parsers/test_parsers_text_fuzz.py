"""Broken text logs: whatever happens to the bytes, nothing raises and every line is a row or quarantined."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers import Source, parse_artifact

_SAMPLES = {
    "syslog": (
        b'<34>1 2003-10-11T22:14:15.003Z m su 1 ID47 [a@1 b="c"] x\nDec 31 23:59:58 h sshd[1]: '
        b"Failed password for root"
        b' from ::1 port 2 ssh2\n2024-04-25T05:32:35+02:00 n app[7]: {"level":"error"}\n12 <1>1 - - '
        b"- - - - x\n"
    ),
    "access_log": (
        b'10.0.0.1 - - [16/Nov/2019:09:46:42 +0200] "GET /a?b=1 HTTP/1.1" 200 12 "-" "x" 262 "r" '
        b'"http://b" 25ms\n'
        b'[10/Aug/2018:09:45:56 +0200] 1.1.1.1 TLSv1.3 AES "GET /x HTTP/1.1" 1375\n'
    ),
    "apache_error": (
        b"[Mon Dec 26 16:15:55.103522 2016] [core:error] [pid 1:tid 7] [client 1.1.1.1:4] AH1: x\n"
    ),
    "nginx_error": (
        b'2023/10/11 14:32:52 [error] 31#7: *9 up, client: 1.1.1.1, request: "GET /x HTTP/1.1", host: "a"\n'
    ),
    "haproxy": (
        b"Feb  6 12:14:14 h haproxy[1]: 1.1.1.2:3 [06/Feb/2009:12:14:14.655] f s/s 10/0/30/69/109 "
        b"200 2 - - ---- "
        b'1/1/1/1/0 0/0 {a} {} "GET / HTTP/1.1"\n'
    ),
    "aws_elb": (
        b'2015-05-13T23:39:43.945958Z lb 1.1.1.1:2817 1.0.0.1:80 0.1 0.2 0.3 200 200 0 29 "GET / '
        b'HTTP/1.1" "c" - -\n'
        b"tls 2.0 2018-12-20T02:59:40 net/n/c g 7.2.2.1:51341 1.1.1.1:443 5 2 98 246 - a - E t - d - - -\n"
    ),
    "envoy_access": (
        b'[2016-04-15T20:17:00.310Z] "POST /l HTTP/2" 204 - 154 0 226 100 "x" "n" "i" '
        b'"l" "tcp://1.1.1.1:80"\n'
    ),
    "tab_console": b'2024-01-01T00:00:00.123456Z\terror\tc\ta.go:12\tfailed\t{"pod": "a"}\n',
    "w3c_extended": (
        b"#Fields: date time cs-method cs-uri-stem sc-status time-taken\n2024-01-02 03:04:05 GET /a 500 12\n"
    ),
    "logfmt": b'ts=2024-01-02T03:04:05.678Z level=warn msg="a \\"b\\"" up n=1 n=2\n',
    "glog": b'E0517 15:04:22.619632  1 r.go:253] "Reconcile failed" err="not found"\n',
    "redis_log": b"1:M 25 Apr 2024 05:32:35.019 # Warning\n1:signal-handler (1714024483) Received\n",
    "mongodb_text": b"2018-02-05T13:44:56.657+0100 I STORAGE  [conn1] slow\n",
    "mongodb_structured": (
        b'{"t":{"$date":"2021-03-22T21:21:20.349+00:00"},"s":"E","c":"N","id":1,"ctx":"x","msg":"m"}\n'
    ),
    "rabbitmq_log": b"2024-01-02 03:04:05.678+02:00 [error] <0.123.0> closing\n",
    "kafka_log4j": (
        b"[2018-10-31 15:03:32,474] ERROR [Broker id=1] failed (state.change.logger)\n\tat a.B(C.java:1)\n"
    ),
    "elasticsearch_json": (
        b'{"type": "server", "timestamp": "2019-01-18T08:55:08,159+0100", "level": "WARN", "component": "o", '
        b'"node.name": "n", "message": "one",\n"stacktrace": ["a",\n"b"] }\n'
    ),
    "spring_boot": (
        b"2026-01-02 03:04:05.678  INFO [s,4bf92f3577b34da6,00f067aa0ba902b7] 1 --- [n] c.e.S : hello\n"
    ),
    "java_log4j": (
        b"2022-10-03 09:00:01,042 [main] INFO  com.acme.Foo - hello\nOct 03, 2022 9:00:01 "
        b"AM c.F run\nINFO: x\n"
    ),
    "python_logging": (
        b"2024-01-02 03:04:05,678 - app.db - ERROR - boom\nTraceback (most recent call last):\n"
    ),
    "stack_traces": (
        b'Traceback (most recent call last):\n  File "a", line 1\nKeyError: 1\npanic: x\n\ngoroutine 1 [r]:\n'
    ),
    "console_text": b'info: A.B[0]\n      x\n+ set -e\n{"level":50,"msg":"p"}\n==== QUERY METADATA ====\n',
    "docker_json_file": (
        b'{"log":"a","stream":"stdout","time":"2024-01-02T03:04:05Z"}\n{"log":"b\\n","stream":"stdout"}\n'
    ),
    "cri": b"2024-01-02T03:04:05.1Z stdout P on\n2024-01-02T03:04:05.3Z stdout F e\n",
    "docker_compose": (
        b"\x1b[2Kredis-1  | 2024-04-25T05:32:35.019Z 1:C 25 Apr 2024 05:32:35.018 # Warning: x\n"
    ),
    "kubectl_logs": b"[pod/cart-1/api] 2024-01-02T03:04:05.123456789Z level=warn msg=slow\n",
    "fluent_bit": b'{"time":"2024-01-02T03:04:05.5+02:00","log":"x","kubernetes":{"labels":{"app":"c"}}}\n',
    "journald_json": (
        b'{"__CURSOR":"s","__REALTIME_TIMESTAMP":"1534860261221373","MESSAGE":[104,255],"PRIORITY":"3"}\n'
    ),
}


def _mutated(draw: st.DrawFn, sample: bytes) -> bytes:
    data = bytearray(sample * draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        action = draw(st.sampled_from(["flip", "cut", "copy", "insert", "drop"]))
        if action == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "cut":
            del data[at:]
        elif action == "copy":
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
        elif action == "insert":
            data[at:at] = draw(
                st.sampled_from([b"\n", b'"', b"\\", b"=" * 50, b"[" * 120, b"9" * 40, b"\xff", b"{", b"%"])
            )
        else:
            del data[at : at + draw(st.integers(1, 20))]
    return bytes(data)


@pytest.mark.parametrize("name", _SAMPLES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_broken_input_is_covered(name: str, data: st.DataObject) -> None:
    raw = data.draw(st.composite(_mutated)(_SAMPLES[name]))
    parsed = parse_artifact(
        raw, Source(sha256="0" * 64, uri="log", collected_at="2026-01-01T00:00:00Z"), pin=name
    )
    spans = [
        (row["byte_start"], row["byte_end"])
        for table in (parsed.events, parsed.quarantine)
        for row in table.select(["byte_start", "byte_end"]).to_pylist()
    ]
    covered = bytearray(len(raw))
    for start, end in spans:
        assert 0 <= start < end <= len(raw)
        covered[start:end] = b"\1" * (end - start)
    at = 0
    for line in raw.split(b"\n"):
        if line.strip(b" \t\r\v\f\0\xef\xbb\xbf"):
            assert any(covered[at : at + len(line)]), line
        at += len(line) + 1


@pytest.mark.parametrize("name", _SAMPLES)
def test_samples_are_read_by_their_own_format(name: str) -> None:
    parsed = parse_artifact(_SAMPLES[name], Source(sha256="0" * 64, uri="log"), pin=name)
    assert parsed.report.format == name
    assert parsed.report.events > 0


@pytest.mark.parametrize("name", _SAMPLES)
def test_one_huge_line_does_not_hang(name: str) -> None:
    first = _SAMPLES[name].splitlines()[0]
    for filler in (b"a" * 300_000, b'="' * 60_000, b"[ " * 60_000, b"1.1 " * 60_000, b"\\" * 100_000):
        parse_artifact(first[:-1] + filler, Source(sha256="0" * 64, uri="log"), pin=name)


_IN_PIECES = ("cri", "docker_json_file")
"""A line in pieces that a cut parts is two rows: a cut can't know what came before (see `Pieces`)."""


@pytest.mark.parametrize("name", [name for name in _SAMPLES if name not in _IN_PIECES])
def test_rows_do_not_depend_on_where_the_stream_is_cut(name: str) -> None:
    data = _SAMPLES[name] * 20
    source = Source(sha256="0" * 64, uri="log", collected_at="2026-01-01T00:00:00Z")
    whole = parse_artifact(data, source, pin=name)
    for size in (len(_SAMPLES[name]) + 7, 700):
        parts = parse_artifact(data, source, pin=name, part_bytes=size)
        assert parts.events.equals(whole.events)
        assert parts.quarantine.equals(whole.quarantine)
