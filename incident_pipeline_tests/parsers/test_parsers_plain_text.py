from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_plain_text_joins_continuations(look: Callable[..., Look]) -> None:
    data = (
        "Starting up\n"
        "2026-11-23 08:05:47,097 ERROR [main] boom\n"
        "java.lang.IllegalStateException: x\n"
        "\tat a.b.C.d(C.java:1)\n\n"
        "[2026-11-23T08:05:48Z] [warn] slow\n"
        "2025-01-01 00:00:00.123456789:INFO:nano\n"
    )
    seen = look(data)
    assert seen.parsed.report.format == "plain_text"
    first, second, third = seen.events
    assert first["message"] == "ERROR [main] boom\njava.lang.IllegalStateException: x\n\tat a.b.C.d(C.java:1)"
    assert (first["severity"], first["time_basis"], first["line"]) == (17, "assumed_zone", 2)
    assert (second["severity_raw"], second["time_basis"], second["message"]) == (
        "warn",
        "explicit",
        "[warn] slow",
    )
    assert (third["time_precision"], third["severity"]) == ("ns", 9)
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"Starting up"]
