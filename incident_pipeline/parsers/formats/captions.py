"""Captions of recordings: WebVTT (W3C) and SubRip, as recorders and meeting tools write them.

Cue times are offsets from the start of the recording. With its start given (`anchor`) they become times
marked `relative`; without it a cue's time is unknown and its offsets stay in `offset.start_ms` and
`offset.end_ms`. Voice tags and the `Name: text` of Zoom give the speaker. Headers, notes and styles of
WebVTT are rows of their own, because tools put the recording's metadata there.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind, Precision, TimeBasis
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_BOM: Final = b"\xef\xbb\xbf"
_POINT: Final = rb"(?:(\d{1,6}):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_TIMING: Final = re.compile(rb"[ \t]*+" + _POINT + rb"[ \t]*+-->[ \t]*+" + _POINT + rb"(?![\d.,:])")
_NUMBER: Final = re.compile(rb"\d{1,9}")
_VOICE: Final = re.compile(r"<v(?:\.[^\s>]{0,100})?[ \t]{1,10}([^>]{1,200})>")
_TAG: Final = re.compile(r"</?(?:[cibuv]|ruby|rt|lang|font)(?:[.\s][^<>]{0,200})?>|<\d[\d:.]{0,15}>")
_NAMED: Final = re.compile(r"([^\W\d_][^:<>\n]{0,63}):[ \t]{1,10}(?=\S)")
_SECTIONS: Final = (b"NOTE", b"STYLE", b"REGION")
_MILLI: Final = 10**6
_MAX_MS: Final = 10**12
_NAMED_SHARE: Final = 0.5


class Line(NamedTuple):
    """A line without its end and the white space around; blank ones have no length."""

    start: int
    end: int


class Cue(NamedTuple):
    """A cue: the range of its lines, its id, its timing line and its text."""

    start: int
    end: int
    name: str
    timing: re.Match[bytes]
    settings: str
    text: str


class WebVtt(Format):
    """The parser of WebVTT."""

    id = "webvtt"
    aliases = ("vtt", "transcript", "zoom_vtt", "teams_vtt")
    title = "WebVTT captions (Zoom, Teams, recorders)"
    spec = "https://www.w3.org/TR/webvtt1/"
    kinds = (Kind.TRANSCRIPT, Kind.OBJECT_STATE)

    def score(self, sample: Sample) -> float:
        """Recognise the signature that every file begins with."""
        return 0.99 if _has_signature(sample.head) else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read cues into transcript events, and headers, notes and styles into object states."""
        cues: list[Cue] = []
        for number, block in enumerate(_blocks(data)):
            first = data[block[0].start : block[0].end]
            is_header = number == 0 and _has_signature(data)
            found = list(_cues(data, block[is_header:], rows))
            cues += found
            if is_header:
                head = block[:1] if found else block
                if len(head) > 1 or len(first) > len("WEBVTT"):
                    rows.event(_section(data, head, rows))
            elif not found and first.split(None, 1)[0] in _SECTIONS:
                _emit(cues, rows)
                cues = []
                rows.event(_section(data, block, rows))
            elif not found:
                rows.reject(block[0].start, block[-1].end, "a block of WebVTT without times")
        _emit(cues, rows)


class SubRip(Format):
    """The parser of SubRip."""

    id = "srt"
    aliases = ("subrip",)
    title = "SubRip captions"
    spec = "https://www.matroska.org/technical/subtitles.html#srt-subtitles"
    kinds = (Kind.TRANSCRIPT,)

    def score(self, sample: Sample) -> float:
        """Recognise a number followed by a line of times."""
        seen = sample.lines
        timings = [index for index, line in enumerate(seen) if _TIMING.match(line)]
        if not timings or _has_signature(sample.head):
            return 0.0
        numbered = sum(index > 0 and _NUMBER.fullmatch(seen[index - 1]) is not None for index in timings)
        early = timings[0] <= 1
        return (0.97 if numbered else 0.7) if early else 0.5

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read cues into transcript events; text behind a blank line still belongs to the cue before."""
        cues: list[Cue] = []
        for block in _blocks(data):
            found = list(_cues(data, block, rows))
            if found:
                cues += found
            elif cues:
                start, end = block[0].start, block[-1].end
                text = f"{cues[-1].text}\n\n{text_of(data, start, end, rows)}"
                cues[-1] = cues[-1]._replace(end=end, text=text)
            else:
                rows.reject(block[0].start, block[-1].end, "text before the first cue")
        _emit(cues, rows)


def offset_stamp(rows: Rows, offset_ms: int, raw: str) -> Stamp:
    """Give the time of an offset from the start of a recording; unknown while that is not given."""
    if rows.anchor is None or offset_ms > _MAX_MS:
        return Stamp(None, None, TimeBasis.NONE, raw)
    return Stamp(rows.anchor + offset_ms * _MILLI, Precision.MILLI, TimeBasis.RELATIVE, raw)


def speakers_are_named(texts: Sequence[str]) -> bool:
    """Tell whether most of these texts begin with a name and a colon, as Zoom writes them."""
    return bool(texts) and sum(_NAMED.match(text) is not None for text in texts) > _NAMED_SHARE * len(texts)


def split_speaker(text: str) -> tuple[str | None, str]:
    """Split `Name: text`."""
    match = _NAMED.match(text)
    return (match[1].strip(), text[match.end() :]) if match else (None, text)


def _has_signature(data: bytes) -> bool:
    head = data[:16].removeprefix(_BOM)
    return head.startswith(b"WEBVTT") and head[6:7] in (b"", b" ", b"\t", b"\n", b"\r")


def _blocks(data: bytes) -> Iterator[list[Line]]:
    """Give the stretches of lines between blank lines."""
    block: list[Line] = []
    at = len(_BOM) if data.startswith(_BOM) else 0
    while at < len(data):
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        line = data[at:stop]
        text = line.strip()
        if text:
            start = at + len(line) - len(line.lstrip())
            block.append(Line(start, start + len(text)))
        elif block:
            yield block
            block = []
        at = stop + 1
    if block:
        yield block


def _cues(data: bytes, block: list[Line], rows: Rows) -> Iterator[Cue]:
    """Give the cues of a block; usually it is one."""
    found = [(index, match) for index, line in enumerate(block)
             if (match := _TIMING.match(data, line.start, line.end)) is not None]  # fmt: skip
    for number, (index, timing) in enumerate(found):
        first = index
        if index > 0 and (number == 0 or _is_number(data, block[index - 1])):
            first = index - 1 if number else 0
        last = len(block) - 1
        if number + 1 < len(found):
            after = found[number + 1][0]
            last = after - 2 if _is_number(data, block[after - 1]) and after - 1 > index else after - 1
        name = text_of(data, block[first].start, block[index - 1].end, rows) if first < index else ""
        text = text_of(data, block[index + 1].start, block[last].end, rows) if last > index else ""
        settings = text_of(data, timing.end(), block[index].end, rows).strip()
        yield Cue(block[first].start, block[max(last, index)].end, name, timing, settings, text)


def _is_number(data: bytes, line: Line) -> bool:
    return _NUMBER.fullmatch(data, line.start, line.end) is not None


def _emit(cues: list[Cue], rows: Rows) -> None:
    named = speakers_are_named([cue.text for cue in cues])
    if named:
        rows.assume("speakers were taken from the names before a colon")
    for cue in cues:
        rows.event(_event(cue, rows, named=named))


def _event(cue: Cue, rows: Rows, *, named: bool) -> Event:
    groups = cue.timing.groups()
    begin, finish = _milliseconds(groups[:4]), _milliseconds(groups[4:])
    voices = [unescape(voice).strip() for voice in _VOICE.findall(cue.text)]
    message = unescape(_TAG.sub("", cue.text)) if "<" in cue.text or "&" in cue.text else cue.text
    actor = voices[0] if voices else None
    if actor is None and named:
        actor, message = split_speaker(message)
    kept = {"offset.start_ms": str(begin), "offset.end_ms": str(finish)}
    if cue.name:
        kept["cue.id"] = cue.name
    if cue.settings:
        kept["cue.settings"] = cue.settings
    if message != cue.text and "<" in cue.text:
        kept["cue.text"] = cue.text
    if len(set(voices)) > 1:
        kept["cue.voices"] = ", ".join(dict.fromkeys(voices))
    raw = cue.timing[0].decode("ascii").partition("-->")[0].strip()
    stamp = offset_stamp(rows, begin, raw)
    ends = stamp.time_ns is not None and begin <= finish <= _MAX_MS
    return Event(
        start=cue.start,
        end=cue.end,
        kind=Kind.TRANSCRIPT,
        message=message,
        attributes=kept,
        stamp=stamp,
        end_ns=(rows.anchor or 0) + finish * _MILLI if ends else None,
        actor=actor,
    )


def _milliseconds(parts: Sequence[bytes | None]) -> int:
    hours, minutes, seconds, millis = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis


def _section(data: bytes, block: Sequence[Line], rows: Rows) -> Event:
    start, end = block[0].start, block[-1].end
    text = text_of(data, start, end, rows)
    return Event(
        start=start,
        end=end,
        kind=Kind.OBJECT_STATE,
        message=text,
        attributes={"record": text.split(None, 1)[0].lower()},
    )


FORMATS: Final[tuple[Format, ...]] = (WebVtt(), SubRip())
