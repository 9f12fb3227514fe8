"""Text without a shape of its own: raw stack traces, consoles, what `kubectl logs` and `docker logs` print.

Records are told by `traces`: frames, indented lines and what else a runtime prints below an exception
continue the record before; every other line is a record, read by `inner`, with or without a time. A time
is never made up: rows without one have none. ASP.NET's console puts the message on the line below `info:
Category[0]`; `set -x` traces of shells are rows of their own; a block that a collecting tool appended is
marked as its output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.inner import LEVELS, begins, read_line
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.traces import TraceJoiner, is_header

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_ASPNET: Final = re.compile(
    r"(?P<level>trce|dbug|info|warn|fail|crit): (?P<category>[\w.`+-]{1,200})\[(?P<event>-?\d{1,10})\]"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_ASPNET_LEVELS: Final = {
    "trce": Severity.TRACE, "dbug": Severity.DEBUG, "info": Severity.INFO, "warn": Severity.WARN,
    "fail": Severity.ERROR, "crit": Severity.CRITICAL,
}  # fmt: skip
_SHELL_TRACE: Final = re.compile(r"(?P<depth>\++) (?P<command>\S.*)")
_TOOL_BLOCK: Final = re.compile(r"={3,} ?[A-Z][A-Z0-9 _-]{3,80} ?={3,}$")
_SIGN: Final = re.compile(
    rf"\[?(?:{LEVELS})\b|(?:error|warning|info|debug|fatal|warn|trce|dbug|fail|crit)\b[:\[ ]"
    rf"|\[(?:error|warn|info|debug)\]"
    r"|Error from server|\++ \S|panic: "
)
_MAX_RECORD: Final = 4 * 1024**2
_ALONE: Final = 0.7
_HEAD: Final = 4_096
_MOSTLY: Final = 0.5
"""A text that is JSON to this share is left to the parsers of JSON."""


class _Records:
    """Split a text into records: the place and the text of each, and whether a tool's block has begun."""

    def __init__(self, data: bytes, rows: Rows) -> None:
        self._data = data
        self._rows = rows
        self._joiner = TraceJoiner()
        self._start = self._end = -1

    def read(self) -> None:
        data, rows = self._data, self._rows
        for start, end in _whole_lines(data):
            text = data[start:end].decode("utf-8", "replace")
            if _TOOL_BLOCK.match(text.strip()) is not None:
                self._flush()
                rows.state["console.tool"] = True
            continues = (
                self._start >= 0
                and end - self._start <= _MAX_RECORD
                and not begins(text)
                and self._joiner.joins(text)
            )
            if continues:
                self._end = end
                continue
            self._flush()
            self._joiner.begin(text)
            self._start, self._end = start, end
        self._flush()

    def _flush(self) -> None:
        if self._start < 0:
            return
        start, end = self._start, self._end
        self._start = -1
        lead = len(self._data[start:end]) - len(self._data[start:end].lstrip(b" \t\r"))
        text = text_of(self._data, start + lead, end, self._rows)
        self._rows.event(_event(text, start + lead, end, self._rows))


def _whole_lines(data: bytes) -> list[tuple[int, int]]:
    """Give the lines with the white space in front of them: in traces it has a meaning."""
    found = []
    for start, end in lines(data):
        at = start
        while at > 0 and data[at - 1 : at] in (b" ", b"\t"):
            at -= 1
        found.append((at, end))
    return found


def _event(text: str, start: int, end: int, rows: Rows) -> Event:
    if rows.state.get("console.tool"):
        return Event(start, end, Kind.TOOL_OUTPUT, text, {})
    aspnet = _ASPNET.match(text)
    if aspnet is not None:
        attributes = {"logger": aspnet["category"], "event.id": aspnet["event"]}
        message = "\n".join(line.strip() for line in aspnet["rest"].strip().split("\n")) or text
        level = aspnet["level"]
        found = read_line(message, rows.zone)
        return Event(
            start, end, Kind.LOG, message, attributes, severity=_ASPNET_LEVELS[level], severity_raw=level,
            trace_id=found.trace_id, span_id=found.span_id,
        )  # fmt: skip
    shell = _SHELL_TRACE.fullmatch(text)
    if shell is not None:
        attributes = {"shell.depth": str(len(shell["depth"])), "process.command_line": shell["command"]}
        return Event(start, end, Kind.LOG, text, attributes)
    found = read_line(text, rows.zone)
    severity, message = found.severity, found.message
    attributes = dict(found.attributes)
    first, newline, _ = text.partition("\n")
    if newline and is_header(text):
        message = text  # the level that it seems to begin with (`panic: `) is the head of a trace
    if severity is None and found.severity_raw is None and newline and is_header(message):
        attributes["exception.type"] = _type_of(first)
        severity = Severity.ERROR
    return Event(
        start=start, end=end, kind=Kind.LOG, message=message, attributes=attributes, stamp=found.stamp,
        service=found.service, host=found.host, severity=severity, severity_raw=found.severity_raw,
        trace_id=found.trace_id, span_id=found.span_id,
    )  # fmt: skip


def _type_of(line: str) -> str:
    match = re.search(r"[\w$.]*(?:Exception|Error|Throwable)\b|panic|panicked|Traceback", line[:2_000])
    return match[0] if match is not None else line[:80]


class StackTraces(Format):
    """The parser of raw stack traces."""

    id = "stack_traces"
    stands_alone = True
    aliases: ClassVar[tuple[str, ...]] = ("stack_trace", "traceback", "exceptions")
    title = "Raw stack traces"
    spec = "the printers of Java, V8, .NET, CPython, Ruby, PHP, Go, Rust and Dart"
    kinds = (Kind.LOG,)
    generality = 7
    splitting: ClassVar[Splitting] = "records"
    joins_indented = True

    def takes(self, line: Sample) -> float:
        """Recognise the first line of a trace, or a frame."""
        text = line.head.decode("utf-8", "replace")[:_HEAD]
        return _ALONE if is_header(text) or _FRAME_SIGN.match(text) is not None else 0.0

    def score(self, sample: Sample) -> float:
        """Recognise a text most of whose lines continue traces, and none has a time."""
        texts = [
            sample.head[start : min(end, start + _HEAD)].decode("utf-8", "replace")
            for start, end in _whole_lines(sample.head)[:64]
        ]
        if len(texts) < 2 or texts[0].startswith(('{"', "[", "<", "#", "---", "|")):  # noqa: PLR2004 - a trace has frames
            return 0.0
        joiner, joined, framed = TraceJoiner(), 0, 0
        joiner.begin(texts[0])
        for text in texts[1:]:
            if begins(text):
                return 0.0
            if joiner.joins(text):
                joined += 1
                framed += _FRAME_SIGN.search(text) is not None
            else:
                joiner.begin(text)
        if framed < 2 and not (framed and is_header(texts[0])):  # noqa: PLR2004 - indentation alone is no trace
            return 0.0
        return 0.7 * joined / (len(texts) - 1) * min(1.0, 2 * framed / max(1, joined))

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a line begins a record beyond doubt."""
        return begins(line.decode("utf-8", "replace")[:_HEAD])

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        _Records(data, rows).read()


_FRAME_SIGN: Final = re.compile(
    r"^\s*(?:eval )?at \S|^\s+File \"|(?<=\S):\d+:in |^#\d+ |^\t\S+\.go:\d+|\(0x[0-9a-f]"
    r"|^goroutine |^\s+\d+: |^Caused by:"
    r"|\.\w{1,4}:\d+"
)


class ConsoleText(StackTraces):
    """The parser of container and console output of mixed shapes."""

    id = "console_text"
    aliases = ("container_text", "aspnet_console", "aspnet", "shell_trace", "kubectl_logs_text")
    title = "Console output of mixed shapes"
    spec = "last resort but one: lines read one by one, traces joined"
    generality = 8

    def takes(self, line: Sample) -> float:
        """Recognise a line that carries a level or a shape of its own."""
        return self.score(line)

    def score(self, sample: Sample) -> float:
        """Recognise lines that carry a level or a shape that `inner` knows, with or without times."""
        if not sample.lines or sample.json_share >= _MOSTLY:
            return 0.0
        texts = [line.decode("utf-8", "replace")[:_HEAD] for line in sample.lines]
        known = sum(_is_log(text) for text in texts)
        if known * 3 <= len(texts):
            return 0.0
        # Where nothing but dated lines is known, plain text reads them as well and joins the rest to them.
        undated = any(_is_log(text) and not begins(text) for text in texts)
        return (0.32 if undated else 0.2) + 0.1 * known / len(texts)


def _is_log(text: str) -> bool:
    if _SIGN.match(text) is not None:
        return True
    if text[:1] == "{" or "=" in text[:40]:
        found = read_line(text)
        return found.severity_raw is not None or found.stamp.time_ns is not None
    return begins(text) and read_line(text).severity_raw is not None


FORMATS: Final[tuple[Format, ...]] = (StackTraces(), ConsoleText())
