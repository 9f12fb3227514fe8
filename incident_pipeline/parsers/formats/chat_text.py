"""Chat as text: logs of lines with a time and a name, and threads pasted as Markdown.

A thread in Markdown has its messages between blank lines, alert cards in block quotes, and often neither
times nor names: then both are unknown. Only what was collected as chat is read this way, since any prose
looks like it; lines such as `[2026-01-02 10:02] <ann> text` are known by themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import ISO_DATE, TIME_OF_DAY
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_OFFSET: Final = r"(?:[ ]?(?P<offset>[Zz]|UTC|[+-]\d\d:?\d\d))?"
_WHEN: Final = rf"\[?{ISO_DATE}[T ]{TIME_OF_DAY}{_OFFSET}\]?"
_WHEN_SHORT: Final = rf"\[?{ISO_DATE}[T ](?P<hour>\d\d):(?P<minute>\d\d){_OFFSET}\]?"
_NICK: Final = r"[ \t]+<[@+%~&]?(?P<actor>[^<>\s]{1,64})>[ \t](?P<message>.*)"
_NAME: Final = r"[ \t]+(?P<actor>[A-Za-z@][^:\[\]{}<>\n]{0,63}):[ \t](?P<message>.*)"
_CHAT_ONLY: Final = 0.8
_AUTHOR: Final = re.compile(r"(?:#{1,6} +|[-*] +)?\*\*@?([^*\n]{1,64}?):?\*\*:?")
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?(?![\d:])", re.ASCII
)
_TIME_WITHIN: Final = 120
_FENCE: Final = (b"```", b"~~~")


class ChatLog(LineFormat):
    """The parser of chat logs, one message per line."""

    id = "chat_log"
    aliases = ("irc_log", "chat_text")
    title = "Chat logs of lines with time and name"
    spec = "the logs of IRC clients and bots: `[2026-01-02 10:02:03] <name> text`"
    kinds = (Kind.CHAT,)
    generality = 3
    certainty = 0.85
    patterns = compile_verbose(
        *(when + who for who in (_NICK, _NAME) for when in (_WHEN, _WHEN_SHORT))
    )  # fmt: skip

    def score(self, sample: Sample) -> float:
        """Take names in angle brackets for chat, names before a colon only in what was collected as chat."""
        if sample.type == "chat":
            return super().score(sample)
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        hits = [any(pattern.match(text) for pattern in self.patterns[:2]) for text in texts]
        return self.certainty * sum(hits) / len(hits) if hits and hits[0] else 0.0


class MarkdownThread(Format):
    """The parser of threads pasted as Markdown."""

    id = "chat_markdown"
    aliases = ("markdown_thread", "chat_thread")
    title = "Chat thread as Markdown"
    spec = "messages between blank lines; CommonMark block quotes and fences"
    kinds = (Kind.CHAT,)
    generality = 8

    def score(self, sample: Sample) -> float:
        """Take any text that was collected as chat and is no JSON."""
        return 0.45 if sample.type == "chat" and sample.lines and not sample.records else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every block between blank lines into a message."""
        for start, end in _blocks(data):
            rows.event(_message(text_of(data, start, end, rows), start, end, rows))


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Give the stretches between blank lines; a fenced stretch of code is not cut."""
    start = end = -1
    fence: bytes | None = None
    for line_start, line_end in lines(data):
        head = data[line_start : line_start + 3]
        apart = fence is None and end >= 0 and data.count(b"\n", end, line_start) > 1
        if apart:
            yield start, end
            start = -1
        if start < 0:
            start = line_start
        if head in _FENCE and fence in (None, head):
            fence = head if fence is None else None
        end = line_end
    if start >= 0:
        yield start, end


def _message(text: str, start: int, end: int, rows: Rows) -> Event:
    author = _AUTHOR.match(text)
    when = _TIME.search(text, 0, _TIME_WITHIN) if author is not None else _TIME.match(text)
    stamp: Stamp = parse_time(when[0], rows.zone) if when is not None else UNKNOWN
    kept: dict[str, Any] = {}
    if text.startswith(">"):
        kept["markdown"] = "block_quote"
    return Event(
        start=start,
        end=end,
        kind=Kind.CHAT,
        message=text,
        attributes=kept,
        stamp=stamp,
        actor=author[1].strip() if author is not None else None,
    )


FORMATS: Final[tuple[Format, ...]] = (ChatLog(), MarkdownThread())
