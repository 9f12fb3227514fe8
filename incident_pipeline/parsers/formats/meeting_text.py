"""Transcripts of meetings as text: Google Meet, Microsoft Teams, Zoom.

Meet writes a mark every few minutes and `Name: text` between: an utterance lies between two marks. Teams
puts name and offset over each paragraph; Zoom `[Name]` and the time of day, which without its date is no
time. Offsets count from the start of the recording (`anchor`); without it times are unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind, Precision
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.captions import offset_stamp, split_speaker
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_MARK: Final = re.compile(rb"(\d{1,2}):(\d\d):(\d\d)")
_UNDER_NAME: Final = re.compile(
    rb"(?P<name>[A-Za-z\x80-\xff][^:\t\n\[\]{}=<>|]{0,60}?)(?:[ ]{1,8}|\t)"
    rb"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d\d)"
)
_BRACKET: Final = re.compile(rb"\[(?P<name>[^\[\]:\n]{1,60})\][ \t]{1,4}(?P<clock>\d\d:\d\d:\d\d)")
_SPOKEN: Final = re.compile(rb"[A-Za-z\x80-\xff][^:\n]{0,60}: \S")
_MIN_HEADS: Final = 2
_SHARE: Final = 0.3


class Speech(NamedTuple):
    """What somebody said: its lines, where its text begins, who, and the offset or the time of day."""

    start: int
    end: int
    body: int
    name: str | None
    offset_s: int | None
    clock: str | None
    raw: str


class MeetingText(Format):
    """The parser of transcripts as text."""

    id = "meeting_transcript"
    aliases = ("meet_transcript", "teams_transcript", "zoom_transcript")
    title = "Meeting transcript as text (Google Meet, Teams, Zoom)"
    spec = "the text of transcripts that Google Meet, Microsoft Teams and Zoom save"
    kinds = (Kind.TRANSCRIPT, Kind.OBJECT_STATE)
    generality = 4

    def score(self, sample: Sample) -> float:
        """Recognise names with times over paragraphs, or marks between spoken lines."""
        seen = sample.lines
        heads = sum(
            _UNDER_NAME.fullmatch(line) is not None or _BRACKET.fullmatch(line) is not None for line in seen
        )
        if heads >= _MIN_HEADS and heads >= _SHARE * len(seen):
            return 0.85
        marks = sum(_MARK.fullmatch(line) is not None for line in seen)
        spoken = sum(_SPOKEN.match(line) is not None for line in seen)
        return 0.8 if marks and spoken >= _MIN_HEADS and marks + spoken >= len(seen) / 2 else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read what was said, and what stands before it."""
        headed = any(
            _UNDER_NAME.fullmatch(data, start, end) or _BRACKET.fullmatch(data, start, end)
            for start, end in lines(data)
        )
        if headed:
            for speech in _headed(data):
                rows.event(_event(data, speech, rows))
        else:
            _read_marked(data, rows)


def _headed(data: bytes) -> Iterator[Speech]:
    """Give paragraphs under a line with name and time; what stands before the first has neither."""
    held: Speech | None = None
    for start, end in lines(data):
        match = _UNDER_NAME.fullmatch(data, start, end) or _BRACKET.fullmatch(data, start, end)
        if match is None and held is not None:
            held = held._replace(end=end, body=start if held.body == held.end else held.body)
            continue
        if held is not None:
            yield held
        if match is None:
            held = Speech(start, end, start, None, None, None, "")
            continue
        groups = match.groupdict()
        name = groups["name"].decode("utf-8", "replace").strip()
        clock = groups.get("clock")
        seconds = None
        if clock is None:
            seconds = int(groups["h"] or 0) * 3600 + int(groups["m"]) * 60 + int(groups["s"])
        raw = data[match.end("name") : end].decode("ascii", "replace").strip("] \t")
        held = Speech(start, end, end, name, seconds, clock.decode("ascii") if clock else None, raw)
    if held is not None:
        yield held


def _read_marked(data: bytes, rows: Rows) -> None:
    """Read `Name: text` lines between marks; each lies between the mark before and the one after."""
    rows.assume("what was said lies between two marks of time: the first is its time, the second its end")
    block: list[Event] = []
    offset_s: int | None = None
    mark: re.Match[bytes] | None = None
    raw = ""
    for start, end in lines(data):
        match = _MARK.fullmatch(data, start, end)
        if match is not None:
            offset_s = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])
            _emit(block, offset_s, rows)
            block = [] if mark is None else [_mark_alone(mark)]
            mark, raw = match, match[0].decode("ascii")
            continue
        name, _ = split_speaker(text_of(data, start, end, rows))
        body = start if name is None else data.index(b":", start) + 1
        begins = mark.start() if mark is not None else start
        speech = Speech(begins, end, body, name if offset_s is not None else None, offset_s, None, raw)
        block.append(_event(data, speech, rows))
        mark = None
    _emit(block, None, rows)
    if mark is not None:
        rows.event(_mark_alone(mark))


def _mark_alone(mark: re.Match[bytes]) -> Event:
    text = mark[0].decode("ascii")
    return Event(mark.start(), mark.end(), Kind.OBJECT_STATE, text, {"record": "mark"})


def _emit(block: list[Event], after_s: int | None, rows: Rows) -> None:
    ends = offset_stamp(rows, after_s * 1000, "").time_ns if after_s is not None else None
    for event in block:
        begins = event.stamp.time_ns
        timed = ends is not None and begins is not None and ends >= begins
        rows.event(event._replace(end_ns=ends if timed else None))


def _event(data: bytes, speech: Speech, rows: Rows) -> Event:
    said = text_of(data, speech.body, speech.end, rows).strip() if speech.body < speech.end else ""
    kept: dict[str, str] = {}
    stamp = UNKNOWN
    if speech.offset_s is not None:
        kept["offset.start_ms"] = str(speech.offset_s * 1000)
        stamp = offset_stamp(rows, speech.offset_s * 1000, speech.raw)
        if stamp.time_ns is not None:
            stamp = stamp._replace(precision=Precision.SECOND)
    elif speech.clock is not None:
        kept["time.of_day"] = speech.clock
    spoken = speech.offset_s is not None or speech.clock is not None
    return Event(
        start=speech.start,
        end=speech.end,
        kind=Kind.TRANSCRIPT if spoken else Kind.OBJECT_STATE,
        message=said or text_of(data, speech.start, speech.end, rows),
        attributes=kept,
        stamp=stamp,
        actor=speech.name,
    )


FORMATS: Final[tuple[Format, ...]] = (MeetingText(),)
