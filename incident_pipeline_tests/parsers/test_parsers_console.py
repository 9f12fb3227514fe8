from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


_JAVA = (
    "java.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n"
    "Caused by: java.io.IOException: y\n\t... 3 more\n"
)
_TRACES = {
    "java": _JAVA,
    "node": "TypeError: x is not a function\n    at run (/app/a.js:1:2)\n    at async /app/b.js:3:4\n",
    "python": (
        'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    g()\nKeyError: 1\n\n'
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/app/a.py", line 3, in f\n    h()\nValueError: boom\n'
    ),
    "go": (
        "panic: boom\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/app/main.go:3 "
        "+0x1d\nmain.main()\n\t/app/main.go:9 +0x2\nexit status 2\n"
    ),
    "rust": (
        "thread 'main' panicked at src/main.rs:2:5:\nboom\nstack backtrace:\n   0: "
        "std::panicking\n             at ./src/main.rs:2\nnote: run with `RUST_BACKTRACE=1`\n"
    ),
    "ruby": "NoMethodError (undefined method `x'):\n  app/a.rb:1:in `b'\n  app/c.rb:2:in `d'\n",
    "php": "exception 'Exception' with message 'x' in /a.php:5\nStack trace:\n#0 /a.php(9): f()\n#1 {main}\n",
    "csharp": (
        "System.Exception: x\n   at A.B() in c:/a.cs:line 3\n--- End of stack trace from "
        "previous location ---\n   at A.C()\n"
    ),
}


@pytest.mark.parametrize("name", _TRACES)
def test_a_raw_trace_is_one_record(look: Callable[..., Look], name: str) -> None:
    text = _TRACES[name]
    seen = look(text)
    assert seen.parsed.report.format == "stack_traces"
    row = seen.event
    assert seen.bytes_of(row) == text.strip().encode()
    assert (row["time_ns"], row["severity"]) == (None, 21 if name == "go" else 17)
    assert row["message"] == text.strip()


def test_traces_one_after_the_other_are_records_of_their_own(look: Callable[..., Look]) -> None:
    seen = look(_JAVA + _TRACES["python"] + "plain line\n" + _TRACES["node"])
    assert [row["message"].split("\n")[0] for row in seen.events] == [
        "java.lang.IllegalStateException: x",
        "Traceback (most recent call last):",
        "plain line",
        "TypeError: x is not a function",
    ]


def test_consoles_of_mixed_shapes(look: Callable[..., Look]) -> None:
    seen = look(
        "info: Microsoft.Hosting.Lifetime[0]\n      Now listening on http://+:80\n"
        "fail: App.Cart[7]\n      boom\n"
        "+ set -e\n"
        'level=error ts=2024-01-02T03:04:05Z caller=a.go:1 msg="disk full"\n'
        '{"level":50,"time":1704164645678,"msg":"pino"}\n'
        "[2024-01-02T03:04:05.678Z] [ERROR] cart - broken\n"
        "Error from server (BadRequest): no such container\n"
        "===== LOG QUERY METADATA =====\nquery: x\n"
    )
    assert seen.parsed.report.format == "console_text"
    info, fail, shell, disk, pino, cart, server, *tool = seen.events
    assert (info["message"], info["severity"]) == ("Now listening on http://+:80", 9)
    assert (fail["message"], fail["severity"], fail["severity_raw"]) == ("boom", 17, "fail")
    assert fail["attributes"]["logger"] == "App.Cart"
    assert shell["attributes"]["process.command_line"] == "set -e"
    assert (disk["message"], disk["severity"]) == ("disk full", 17)
    assert (pino["message"], pino["severity"], pino["time_ns"]) == ("pino", 17, 1_704_164_645_678_000_000)
    assert (cart["severity_raw"], cart["time_ns"]) == ("ERROR", _ns("2024-01-02T03:04:05.678+00:00"))
    assert server["time_ns"] is None
    assert {row["kind"] for row in tool} == {"tool_output"}
