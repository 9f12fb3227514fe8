"""Syslog as files and captures hold it: RFC 3164, RFC 5424, rsyslog's ISO files, and `journalctl` as text.

One parser for all, because collectors mix them: each record says by its own head what it is. Frames are told
by lines, or counted in octets (RFC 6587, 3.4.1), where messages may hold newlines and nothing stands between
them. RFC 3164 has neither year nor zone; they come from the stream's clock. Lines without a head continue the
record before. `repeat.count` says how often a message stood for (`last message repeated N times`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.inner import LEVELS as LEVEL_WORDS
from incident_pipeline.parsers.inner import read_line, trace_ids
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.syslog_auth import who_of
from incident_pipeline.parsers.syslog_priority import FACILITIES, HIGHEST, LEVELS, NAMES
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_ISO: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d| UTC)?"
BSD: Final = re.compile(
    rf"(?:<(?P<pri>\d{{1,3}})>)?(?:\d{{1,10}}: )?[*.]?(?P<mon>{_MONTHS})\ {{1,2}}(?P<day>\d{{1,2}})(?:\ "
    rf"(?P<year>\d{{4}}))?"
    r"\ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?=[ :]|$)(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_ISO_LINE: Final = re.compile(
    rf"(?:<(?P<pri>\d{{1,3}})>)?(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\ )?(?P<time>{_ISO}|\d{{10}}\.\d{{6}})"
    r"(?P<rest>\ \S.*)",
    re.ASCII | re.DOTALL,
)
_RFC5424: Final = re.compile(
    r"(?:<(?P<pri>\d{1,3})>(?P<version>[1-9]\d{0,2})\ )?(?P<time>-|\d{4}-\d\d-\d\dT\S{8,40})\ "
    r"(?P<host>\S{1,255})\ (?P<app>\S{1,255})"
    r"\ (?P<procid>\S{1,128})\ (?P<msgid>\S{1,128})\ (?P<rest>[-\[].*)",
    re.ASCII | re.DOTALL,
)
_BARE: Final = re.compile(r"<(?P<pri>\d{1,3})>(?P<rest>.*)", re.ASCII | re.DOTALL)
_BODY: Final = re.compile(
    r"(?P<host>[^\s:\[\]]{1,255}|\[?[0-9a-fA-F:.]{3,45}\]?)\ "
    r"(?P<tag>[^\s:\[\]\"'(){}=]{1,200}(?:\([^)\s]{0,80}\))?)(?:\[(?P<pid>[^\]\s]{0,64})\])?:(?:\ "
    r"(?P<message>.*)|$)",
    re.DOTALL,
)
_NO_HOST: Final = re.compile(
    r"(?P<tag>[^\s:\[\]\"'(){}=]{1,200})(?:\[(?P<pid>[^\]\s]{0,64})\])?:\ (?P<message>.*)", re.DOTALL
)
_HOST_ONLY: Final = re.compile(r"(?P<host>[A-Za-z0-9][\w.-]{0,254})\ (?P<message>.*)", re.DOTALL)
_REPEATED: Final = re.compile(r"(?:--- )?(?:last )?message repeated (\d{1,9}) times?")
_SD_ELEMENT: Final = re.compile(
    r"\[(?P<id>[^\s=\]\"]{1,64})(?P<params>(?:\ {1,4}[^\s=\]\"]{1,64}=\"(?:[^\"\\\]]|\\.|\\)*\")*)\ ?\]",
    re.DOTALL,
)
_SD_PARAM: Final = re.compile(r" {1,4}([^\s=\]\"]{1,64})=\"((?:[^\"\\\]]|\\.|\\)*)\"", re.DOTALL)
_SD_ESCAPE: Final = re.compile(r"\\([\"\\\]])")
FRAME: Final = re.compile(rb"\s*(\d{1,7}) (?=<\d{1,3}>)")
LEVEL_WORD: Final = re.compile(rf"(?:{LEVEL_WORDS}|stdout|stderr|INF|WRN|DBG)", re.IGNORECASE)
_JOURNALCTL: Final = re.compile(r"-- .{1,300} --$")
_OWN_LEVEL: Final = re.compile(
    rf"(?:\[ ?(?:{LEVEL_WORDS}|{LEVEL_WORDS.lower()}) ?\]|(?:{LEVEL_WORDS})[: ]|\{{|@cee:|level=|ts=|time=)"
)
_MAX_RECORD: Final = 4 * 1024**2
AUTH: Final = ("sshd", "sudo", "su", "login", "passwd", "useradd", "userdel", "usermod", "groupadd",
"CRON", "cron",
                "crond", "systemd-logind", "gdm", "polkitd", "vsftpd", "pam", "sshd-session")  # fmt: skip


class Syslog(Format):
    """The parser of syslog in all its forms."""

    id = "syslog"
    stands_alone = True
    aliases = (
        "syslog_rfc3164", "syslog_rfc5424", "syslog_iso", "syslog_auth", "rfc3164", "rfc5424", "rsyslog",
        "auth_log", "journalctl", "journalctl_text", "messages",
    )  # fmt: skip
    title = "Syslog"
    spec = "RFC 3164, RFC 5424, RFC 6587; rsyslog templates; journalctl -o short*"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "records"

    def score(self, sample: Sample) -> float:
        """Recognise heads; a priority, a named month with a tag, and counted frames are sure signs."""
        if not sample.lines:
            return 0.0
        if FRAME.match(sample.head) is not None and _frame_end(sample.head, 0) is not None:
            return 0.96
        heads = [_head_of(line.decode("utf-8", "replace")) for line in sample.lines]
        seen = [head.certainty if head is not None else 0.0 for head in heads]
        share = sum(seen) / len(seen)
        if seen[0]:  # lines without a head continue records
            hits = [value for value in seen if value]
            share = max(share, sum(hits) / len(hits) * min(1.0, 0.5 + len(hits) / len(seen)))
        return share

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a line has a head."""
        return _head_of(line.rstrip().decode("utf-8", "replace")) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        at = 0
        counted = FRAME.match(data) is not None
        while counted:
            frame = _frame_end(data, at)
            if frame is None:
                break
            start, end = frame
            self._take(data, start, end, rows)
            at = end
        start = end = first_end = -1
        head: _Head | None = None
        for line_start, line_end in lines(data) if not at else _lines_from(data, at):
            text = text_of(data, line_start, line_end, rows)
            found = _head_of(text)
            if found is not None:
                if head is not None:
                    self._take(data, start, end, rows, head if end == first_end else None)
                start, end, first_end, head = line_start, line_end, line_end, found
            elif head is not None and line_end - start <= _MAX_RECORD:
                end = line_end
            elif _JOURNALCTL.match(text) is not None:
                rows.event(Event(line_start, line_end, Kind.TOOL_OUTPUT, text, {}))
            else:
                rows.reject(line_start, line_end, "no syslog head, and no record before that it continues")
        if head is not None:
            self._take(data, start, end, rows, head if end == first_end else None)

    def _take(self, data: bytes, start: int, end: int, rows: Rows, head: _Head | None = None) -> None:
        """Take a record; `head` is what its only line was found to begin with."""
        if head is None:
            text = text_of(data, start, end, rows)
            frame = _COUNT.match(text)
            text = text[frame.end() :] if frame else text
            head = _head_of(text) or _Head(0.0, None, text)
        rows.event(_event(head, start, end, rows))


class _Head(NamedTuple):
    """How sure a text begins a record, and by which pattern."""

    certainty: float
    match: re.Match[str] | None
    text: str


_COUNT: Final = re.compile(r"\s*\d{1,7} (?=<)")


def _head_of(text: str) -> _Head | None:
    """Find the head that a text begins with; None when it begins no record."""
    first = text[:1]
    if first.isalpha():
        match = BSD.match(text)
        if match is not None:
            return _Head(0.88, match, text)
        return _iso_head(text, 0.6) if text[3:4] == " " else None
    if first == "<":
        bare = _BARE.match(text)
        if bare is None or int(bare["pri"]) > HIGHEST:
            return None
        match = _rfc5424(text) or BSD.match(text) or _ISO_LINE.match(text) or bare
        return _Head(0.95, match, text)
    return _iso_head(text, 0.62) if first.isdigit() else None


def _iso_head(text: str, certainty: float) -> _Head | None:
    match = _ISO_LINE.match(text)
    if match is None:
        return None
    body = _BODY.match(match["rest"].lstrip())
    if body is None:
        match = _rfc5424(text)
        return _Head(certainty, match, text) if match is not None else None
    levels = LEVEL_WORD.fullmatch(body["host"]) or LEVEL_WORD.fullmatch(body["tag"])
    return _Head(certainty, match, text) if levels is None else None


def _rfc5424(text: str) -> re.Match[str] | None:
    match = _RFC5424.match(text)
    if match is None or match["pri"] is not None:
        return match
    return match if _BODY.match(text[match.end("time") + 1 :]) is None else None


def _frame_end(data: bytes, at: int) -> tuple[int, int] | None:
    """Give where a counted frame begins (with its count) and ends; None when there is none."""
    match = FRAME.match(data, at)
    if match is None:
        return None
    end = match.end() + int(match[1])
    end = min(end, len(data))
    return (match.start(1), end)


def _lines_from(data: bytes, at: int) -> list[tuple[int, int]]:
    return [(start + at, end + at) for start, end in lines(data[at:])]


def _event(head: _Head, start: int, end: int, rows: Rows) -> Event:
    attributes: dict[str, str] = {}
    stamp: Stamp = UNKNOWN
    match = head.match
    if match is not None and match.re is _RFC5424:
        stamp = parse_time(match["time"], rows.zone) if match["time"] != "-" else UNKNOWN
        host, tag = _present(match["host"]), _present(match["app"])
        for name, group in _FIELDS_5424:
            value = _present(match[group])
            if value:
                attributes[name] = value
        message = _structured(match["rest"], attributes)
    else:
        if match is not None and match.re is BSD:
            last = "fraction" if match["fraction"] else "second"
            stamp = rows.clock.stamp(match, head.text[match.start("mon") : match.end(last)])
        elif match is not None and match.re is _ISO_LINE:
            stamp = parse_time(match["time"], rows.zone)
        host, tag, pid, message = _body(match["rest"] if match is not None else head.text)
        if pid:
            attributes["process.pid"] = pid
    severity, severity_raw = _priority(match["pri"] if match is not None else None, attributes)
    return _finished(message, attributes, stamp, host, tag, severity, severity_raw, start, end, rows)


_FIELDS_5424: Final = (
    ("process.pid", "procid"), ("syslog.msgid", "msgid"), ("syslog.version", "version"),
)  # fmt: skip


def _finished(
    message: str, attributes: dict[str, str], stamp: Stamp, host: str | None, tag: str | None,
    severity: int | None, severity_raw: str | None, start: int, end: int, rows: Rows,
) -> Event:  # fmt: skip
    repeated = _REPEATED.match(message.lstrip())
    actor: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    if repeated is not None:
        attributes["repeat.count"] = repeated[1]
    elif tag in AUTH:
        actor, more = who_of(tag or "", message)
        attributes.update(more)
    elif _OWN_LEVEL.match(message) is not None:
        inner = read_line(message.removeprefix("@cee:"), rows.zone)
        for name, value in inner.attributes.items():
            attributes[f"inner.{name}" if name in attributes else name] = value
        message, trace_id, span_id = inner.message, inner.trace_id, inner.span_id
        if inner.stamp.raw:
            attributes["inner.time"] = inner.stamp.raw
        if inner.severity is not None:
            if severity_raw is not None:
                attributes["syslog.priority"] = severity_raw
            severity, severity_raw = inner.severity, inner.severity_raw
        if inner.service and tag:
            attributes["inner.service"] = inner.service
    else:
        trace_id, span_id = trace_ids(message)
    return Event(
        start=start, end=end, kind=Kind.LOG, message=message, attributes=attributes, stamp=stamp,
        service=tag, host=host, actor=actor, severity=severity, severity_raw=severity_raw,
        trace_id=trace_id, span_id=span_id,
    )  # fmt: skip


def _priority(text: str | None, attributes: dict[str, str]) -> tuple[int | None, str | None]:
    if text is None:
        return None, None
    number = int(text)
    if number > HIGHEST:
        return None, text
    attributes["syslog.facility"] = FACILITIES[number >> 3]
    attributes["syslog.severity"] = NAMES[number & 7]
    return LEVELS[number & 7], text


def _body(rest: str) -> tuple[str | None, str | None, str | None, str]:
    """Split what stands behind the time of RFC 3164 into host, tag, process id and message."""
    bare = rest.removeprefix(":").lstrip(" ")
    if rest.startswith(":") or bare.startswith("---"):
        return None, None, None, bare
    match = _BODY.match(bare)
    if match is not None:
        return match["host"], match["tag"], match["pid"], match["message"] or ""
    match = _NO_HOST.match(bare)
    if match is not None:
        return None, match["tag"], match["pid"], match["message"]
    match = _HOST_ONLY.match(bare)
    if match is not None:
        return match["host"], None, None, match["message"]
    return None, None, None, bare


def _present(value: str | None) -> str | None:
    return None if value is None or value == "-" else value


def _structured(rest: str, attributes: dict[str, str]) -> str:
    """Take the structured data into attributes and give the message behind it."""
    at = 0
    if rest.startswith("-"):
        at = 1
    else:
        while (element := _SD_ELEMENT.match(rest, at)) is not None:
            at = element.end()
            name = element["id"]
            params = _SD_PARAM.findall(element["params"])
            if not params:
                attributes[f"sd.{name}"] = ""
            for key, value in params:
                attributes[f"sd.{name}.{key}"] = _SD_ESCAPE.sub(r"\1", value)
    return rest[at:].removeprefix(" ").removeprefix("\ufeff")


FORMATS: Final[tuple[Format, ...]] = (Syslog(),)
