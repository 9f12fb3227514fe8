from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from incident_pipeline.parsers import Assume, Source, parse_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


def test_rfc5424_with_structured_data_from_the_rfc(look: Callable[..., Look]) -> None:
    # RFC 5424, 6.5, examples 1 and 3: facility 4 severity 2, and 20/5 with structured data and a BOM.
    data = (
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed "
        "for lonvick\n"
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" '
        'eventSource="App\\"lic\\]ation"][other x="1"] An application event\n'
    )
    seen = look(data, uri="messages")
    assert seen.parsed.report.format == "syslog"
    first, second = seen.events
    assert (first["severity"], first["severity_raw"], first["service"], first["host"]) == (
        18,
        "34",
        "su",
        "mymachine.example.com",
    )
    assert first["message"] == "'su root' failed for lonvick"
    assert first["time_ns"] == _ns("2003-10-11T22:14:15.003+00:00")
    assert first["attributes"]["syslog.facility"] == "auth"
    assert second["attributes"]["sd.exampleSDID@32473.eventSource"] == 'App"lic]ation'
    assert second["attributes"]["sd.other.x"] == "1"
    assert (second["severity"], second["attributes"]["syslog.facility"]) == (10, "local4")
    assert second["message"] == "An application event"


def test_frames_counted_in_octets_may_hold_newlines(look: Callable[..., Look]) -> None:
    messages = [
        "<1>3 - - - - - - hello\nworld",
        "<4>11 - - - - - -",
        "<13>1 2024-01-01T00:00:00Z h a - - - ü",
    ]
    data = b"".join(b"%d %s" % (len(text.encode()), text.encode()) for text in messages)
    seen = look(data)
    assert [row["message"] for row in seen.events] == ["hello\nworld", "", "ü"]
    assert [seen.bytes_of(row).split(b" ", 1)[1].decode() for row in seen.events] == messages
    assert [row["time_ns"] for row in seen.events] == [None, None, _ns("2024-01-01T00:00:00+00:00")]


def test_rfc3164_takes_year_and_zone_from_what_is_known(look: Callable[..., Look]) -> None:
    data = (
        "Dec 31 23:59:58 web-1 kernel: [  1.0] sda2: rw=0\n"
        "Jan  1 00:00:01 web-1 /usr/sbin/cron[12]: started\n"
        "\twrapped\n"
        "Jan  1 00:00:02 last message repeated 3 times\n"
    )
    seen = look(data, collected_at="2026-01-01T12:00:00Z", tz="-02:00")
    kernel, cron, repeat = seen.events
    assert kernel["time_ns"] == _ns("2025-12-31T23:59:58-02:00")
    assert cron["time_ns"] == _ns("2026-01-01T00:00:01-02:00")
    assert kernel["time_basis"] == "assumed_zone+assumed_year"
    assert (cron["service"], cron["attributes"]["process.pid"]) == ("/usr/sbin/cron", "12")
    assert cron["message"].endswith("wrapped")
    assert repeat["attributes"]["repeat.count"] == "3"
    undated = look(data)
    assert {row["time_ns"] for row in undated.events} == {None}


def test_login_messages_name_who_acted(look: Callable[..., Look]) -> None:
    data = "".join(
        f"2024-02-03T04:05:06.000001+00:00 box {line}\n"
        for line in (
            "sshd[1]: Failed password for invalid user bob from 10.0.0.1 port 22 ssh2",
            "sudo:  alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls",
            "su: pam_unix(su:session): session opened for user root(uid=0) by carol(uid=1000)",
            "CRON[9]: (dave) CMD (run-parts /etc/cron.hourly)",
        )
    )
    rows = look(data).events
    assert [row["actor"] for row in rows] == ["bob", "alice", "carol", "dave"]
    assert rows[0]["attributes"]["client.address"] == "10.0.0.1"
    assert rows[0]["attributes"]["auth.outcome"] == "Failed"
    assert rows[1]["attributes"]["process.command_line"] == "/bin/ls"
    assert rows[2]["attributes"]["user.target.name"] == "root"


def test_iso_lines_and_journalctl_frames(look: Callable[..., Look]) -> None:
    data = (
        "-- Boot 4c1a --\n"
        "2024-04-25T05:32:35+0200 node-1 systemd[1]: Started x.\n"
        '2024-04-25T05:32:36+0200 node-1 app[7]: {"level":"error","msg":"boom","trace_id":"'
        "4bf92f3577b34da6a3ce929d0e0e4736"
        '"}\n'
    )
    seen = look(data, pin="syslog")
    frame, started, app = seen.events
    assert (frame["kind"], frame["time_ns"]) == ("tool_output", None)
    assert started["time_ns"] == _ns("2024-04-25T05:32:35+02:00")
    assert (app["message"], app["severity"], app["trace_id"]) == (
        "boom",
        17,
        "4bf92f3577b34da6a3ce929d0e0e4736",
    )


def test_years_turn_once_and_disorder_does_not_turn_them(look: Callable[..., Look]) -> None:
    lines = ["Feb 28", "Dec 30", "Nov 30", "Jan  2", "Dec 31", "Jan  3"]
    data = "".join(f"{day} 01:00:00 h app: x\n" for day in lines).encode()
    parsed = parse_artifact(data, Source(sha256="0" * 64, uri="messages"), assume=Assume(year=2020))
    years = [datetime.fromtimestamp(ns // 10**9, UTC).year for ns in parsed.events["time_ns"].to_pylist()]
    assert years == [2020, 2020, 2020, 2021, 2020, 2021]
