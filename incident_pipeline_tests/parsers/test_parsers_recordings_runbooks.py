"""Captions, transcripts as text, runbooks, shell history and runs of automation. Fixtures are ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from record_fuzz import check_sane, iso_ns, mutants

from incident_pipeline.parsers import Assume, Source, parse_artifact
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conftest import Look

S = 10**9
T = 1767323045 * S  # 2026-01-02T03:04:05Z
ANCHOR = "2026-01-02T03:04:05Z"

VTT = b"""WEBVTT - bridge call
Kind: captions

NOTE recorded by the bridge

STYLE
::cue { color: red }

intro
00:01.500 --> 00:02.000 align:start position:10%
<v.loud Ann Lee>cart is <b>down</b> &amp; out</v>

01:00:00.000 --> 01:00:01.250
<v Bob>two</v>
<v Ann Lee>voices</v>
"""
ZOOM = b"""WEBVTT\r
\r
1\r
00:00:01.000 --> 00:00:02.000\r
Ann Lee: cart is down\r
\r
2\r
00:00:03.000 --> 00:00:04.500\r
Bob: rolling back\r
"""
SRT = b"""\xef\xbb\xbf1
00:00:01,500 --> 00:00:02,000
first

half

3
00:00:05,000 --> 00:00:06,000
second
4
00:00:07,000 --> 00:00:08,000
third
"""
MEET = b"""Bridge call - Transcript
Attendees
00:00:00

Ann Lee: cart is down
Bob: looking
00:05:00

Ann Lee: fixed
"""
TEAMS = "Ann Lee   0:03\ncart is down\nsince noon\n\nÖz Bob   1:00:10\nrolling back\n".encode()
ZOOM_TEXT = b"[Ann Lee] 14:03:22\ncart is down\n\n[Bob] 14:03:40\nlooking\n"
RUNBOOK = b"""# Cart down

Only when paged.

## Steps

1. Look at the pods
   ```
   kubectl get pods

   kubectl describe pod
   ```
2. [x] 2026-01-02T03:04:05Z restarted cart
- [ ] tell support
  in the channel

## Step 3: Watch
"""
BASH = b"""ls
#1767323045
kubectl get pods
#1767323046
for i in 1 2; do
  echo $i
done
"""
ZSH = b": 1767323045:12;kubectl get pods\n: 1767323060:0;echo a\\\nb\n"
FISH = b"- cmd: kubectl get pods\n  when: 1767323045\n- cmd: ls\n  when: 1767323046\n  paths:\n    - x\n"
PRINTED = b"  501  2026-01-02 03:04:05 kubectl get pods\n  502  2026-01-02 03:04:06 ls\n"
AWX = {
    "count": 1,
    "results": [
        {
            "id": 5,
            "type": "job_event",
            "created": "2026-01-02T03:04:05.123456Z",
            "event": "runner_on_failed",
            "event_display": "Host Failed",
            "counter": 3,
            "task": "restart",
            "host_name": "web1",
        }
    ],
}
RUNDECK = {
    "executions": [
        {
            "id": 1,
            "status": "succeeded",
            "project": "ops",
            "user": "ann",
            "job": {"name": "drain"},
            "date-started": {"unixtime": 1767323045000, "date": "2026-01-02T03:04:05Z"},
            "date-ended": {"unixtime": 1767323105000, "date": "2026-01-02T03:05:05Z"},
        }
    ]
}
STACKSTORM = {
    "id": "x",
    "action": {"ref": "core.remote"},
    "status": "succeeded",
    "start_timestamp": "2026-01-02T03:04:05.120000Z",
    "end_timestamp": "2026-01-02T03:04:09.120000Z",
    "context": {"user": "ann"},
    "log": [{"status": "requested", "timestamp": "2026-01-02T03:04:05.000000Z"}],
}

TEXTS = {
    "webvtt": (VTT, ZOOM),
    "srt": (SRT,),
    "meeting_transcript": (MEET, TEAMS, ZOOM_TEXT),
    "runbook_markdown": (RUNBOOK,),
    "shell_history": (BASH, ZSH, FISH, PRINTED),
}
BODIES = {"awx": AWX, "rundeck": RUNDECK, "stackstorm": STACKSTORM}
SAMPLES = (
    *(text for texts in TEXTS.values() for text in texts),
    *(json.dumps(body, indent=1).encode() for body in BODIES.values()),
)


def _anchored(data: bytes) -> list[dict[str, Any]]:
    parsed = parse_artifact(data, Source(sha256=sha256_hex(data), uri="call"), assume=Assume(anchor=ANCHOR))
    return [{**row, "attributes": dict(row["attributes"])} for row in parsed.events.to_pylist()]


@pytest.mark.parametrize("name", TEXTS)
def test_detected(look: Callable[..., Look], name: str) -> None:
    for text in TEXTS[name]:
        seen = look(text)
        assert (seen.parsed.report.format, seen.quarantine) == (name, []), text
        check_sane(seen)


def test_webvtt(look: Callable[..., Look]) -> None:
    header, note, style, first, second = look(VTT).events
    assert [row["kind"] for row in (header, note, style)] == ["object_state"] * 3
    assert (note["message"], header["message"].splitlines()[0]) == (
        "NOTE recorded by the bridge",
        "WEBVTT - bridge call",
    )
    assert (first["message"], first["actor"], first["kind"]) == (
        "cart is down & out",
        "Ann Lee",
        "transcript",
    )
    assert first["attributes"] == {
        "cue.id": "intro",
        "cue.settings": "align:start position:10%",
        "offset.start_ms": "1500",
        "offset.end_ms": "2000",
        "cue.text": "<v.loud Ann Lee>cart is <b>down</b> &amp; out</v>",
    }
    assert (first["time_ns"], first["end_time_ns"], first["time_raw"]) == (None, None, "00:01.500")
    assert (second["attributes"]["offset.start_ms"], second["attributes"]["cue.voices"]) == (
        "3600000",
        "Bob, Ann Lee",
    )


def test_cues_count_from_the_start_of_the_recording() -> None:
    cues = [row for row in _anchored(VTT) if row["kind"] == "transcript"]
    assert [(row["time_ns"], row["end_time_ns"]) for row in cues] == [
        (T + 1500 * 10**6, T + 2 * S),
        (T + 3600 * S, T + 3601 * S + 250 * 10**6),
    ]
    assert {(row["time_basis"], row["time_precision"]) for row in cues} == {("relative", "ms")}
    assert cues[1]["time_ns"] == iso_ns("2026-01-02T04:04:05+00:00")


def test_zoom_names_before_the_colon(look: Callable[..., Look]) -> None:
    seen = look(ZOOM)
    assert [(row["actor"], row["message"]) for row in seen.events] == [
        ("Ann Lee", "cart is down"),
        ("Bob", "rolling back"),
    ]
    plain = look(VTT.replace(b"<v Bob>two", b"Note: two").replace(b"<v Ann Lee>voices", b"voices"))
    assert plain.events[-1]["actor"] is None


def test_srt_blank_lines_and_missing_ones(look: Callable[..., Look]) -> None:
    seen = look(SRT)
    assert [(row["message"], row["attributes"]["cue.id"]) for row in seen.events] == [
        ("first\n\nhalf", "1"),
        ("second", "3"),
        ("third", "4"),
    ]
    assert seen.bytes_of(seen.events[1]) == b"3\n00:00:05,000 --> 00:00:06,000\nsecond"


def test_transcripts_as_text(look: Callable[..., Look]) -> None:
    _, _, first, second, third = _anchored(MEET)
    assert [(row["actor"], row["message"]) for row in (first, second, third)] == [
        ("Ann Lee", "cart is down"),
        ("Bob", "looking"),
        ("Ann Lee", "fixed"),
    ]
    assert [(row["time_ns"], row["end_time_ns"]) for row in (first, third)] == [
        (T, T + 300 * S),
        (T + 300 * S, None),
    ]
    spoken, other = look(TEAMS).events
    assert (spoken["actor"], spoken["message"], spoken["attributes"]["offset.start_ms"]) == (
        "Ann Lee",
        "cart is down\nsince noon",
        "3000",
    )
    assert (other["actor"], other["attributes"]["offset.start_ms"]) == ("Öz Bob", "3610000")
    assert [(row["time_ns"], row["attributes"]["time.of_day"]) for row in _anchored(ZOOM_TEXT)] == [
        (None, "14:03:22"),
        (None, "14:03:40"),
    ]


def test_runbook_steps(look: Callable[..., Look]) -> None:
    seen = look(RUNBOOK, type="runbook")
    steps = [row for row in seen.events if row["kind"] == "runbook_step"]
    assert [row["attributes"].get("section") for row in steps] == ["Steps", "Steps", "Steps", "Step 3: Watch"]
    look_at, restart, tell, watch = steps
    assert look_at["message"].endswith("```")
    assert look_at["attributes"]["step"] == "1"
    assert (restart["time_ns"], restart["attributes"]["done"]) == (T, "true")
    assert (tell["message"], tell["attributes"]["done"], tell["time_ns"]) == (
        "tell support\n  in the channel",
        "false",
        None,
    )
    assert watch["message"] == "## Step 3: Watch"
    assert [row["message"] for row in seen.events if row["kind"] == "object_state"] == [
        "# Cart down",
        "Only when paged.",
        "## Steps",
    ]


def test_shell_history(look: Callable[..., Look]) -> None:
    untimed, first, second = look(BASH).events
    assert (untimed["message"], untimed["time_ns"]) == ("ls", None)
    assert (first["message"], first["time_ns"], first["kind"]) == ("kubectl get pods", T, "runbook_step")
    assert second["message"] == "for i in 1 2; do\n  echo $i\ndone"
    ran, echo = look(ZSH).events
    assert (ran["message"], ran["time_ns"], ran["end_time_ns"]) == ("kubectl get pods", T, T + 12 * S)
    assert echo["message"] == "echo a\nb"
    assert [(row["message"], row["time_ns"]) for row in look(FISH).events] == [
        ("kubectl get pods", T),
        ("ls", T + S),
    ]
    printed = look(PRINTED, tz="+01:00").events
    assert [(row["message"], row["time_ns"]) for row in printed] == [
        ("kubectl get pods", T - 3600 * S),
        ("ls", T - 3599 * S),
    ]


@pytest.mark.parametrize("name", BODIES)
def test_runs_are_detected(look: Callable[..., Look], name: str) -> None:
    assert look(json.dumps(BODIES[name])).parsed.report.format == name


def test_runs_of_automation(look: Callable[..., Look]) -> None:
    awx = look(json.dumps(AWX)).event
    assert (awx["time_ns"], awx["host"], awx["message"]) == (
        T + 123_456_000,
        "web1",
        "Host Failed restart web1",
    )
    rundeck = look(json.dumps(RUNDECK)).event
    assert (rundeck["time_ns"], rundeck["end_time_ns"], rundeck["message"]) == (
        T,
        T + 60 * S,
        "drain: succeeded",
    )
    run, state = look(json.dumps(STACKSTORM)).events
    assert (run["end_time_ns"] - run["time_ns"], run["actor"]) == (4 * S, "ann")
    assert (state["message"], state["time_ns"]) == ("requested", T)


@settings(max_examples=150, deadline=None)
@given(data=mutants(SAMPLES))
def test_damaged_input_never_fails(look: Callable[..., Look], data: bytes) -> None:
    check_sane(look(data))
    for name in (*TEXTS, *BODIES):
        check_sane(look(data, pin=name))
