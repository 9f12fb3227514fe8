"""Read the line an application wrote, wherever it was found: behind a container's or a shipper's envelope.

Docker, CRI, compose, Fluent Bit, journald and Loki carry lines of any logger. `read_line` recognises a
JSON object, logfmt, klog, Redis, a console line of zap or Istio, a leading time and a leading level, and
gives what the line says of itself: message, severity, ids, time. Which time holds is the envelope's
business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_pipeline.parsers.clock import MONTHS
from incident_pipeline.parsers.formats.json_lines import log_event
from incident_pipeline.parsers.json_fields import plan_of
from incident_pipeline.parsers.jsontext import NotJsonError, Record, decode_json, flatten, too_deep
from incident_pipeline.parsers.logfmt import pairs
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, civil_stamp, leading_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.timestamps import Zone

LEVELS: Final = (
    r"TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|SEVERE|PANIC|ALERT|EMERG|DPANIC"
    r"|FINE|FINER|FINEST|CONFIG"
)
"""Level words of loggers, upper case, for patterns."""

ANSI: Final = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")
"""Colours, cursor movements and titles of terminals (ECMA-48)."""

_NAME: Final = r"[\w.$/@-]{1,200}"
_LEVEL: Final = re.compile(
    rf"(?P<open>[\[(<|]?)\s{{0,4}}(?P<word>{LEVELS}|trace|debug|info|notice|warn|warning|error|err|critical"
    rf"|crit"
    rf"|fatal|panic|Trace|Debug|Info|Notice|Warn|Warning|Error|Critical|Fatal)(?P<close>\s{{0,4}}[\])>|]"
    rf"|:|(?=\s|$))"
)
_FURTHER_LEVEL: Final = re.compile(
    rf"\b({LEVELS})\b"
    r"|[\[(<]([Tt]race|[Dd]ebug|[Ii]nfo|[Nn]o(?:tice|te)|[Ww]arn(?:ing)?|[Ee]rr(?:or)?|[Cc]"
    r"rit(?:ical)?|[Ff]atal)[\])>]"
)
_LEVEL_WITHIN: Final = 80
"""A level stands near the front of a line; further on it is part of the message."""
_KLOG: Final = re.compile(
    r"(?P<level>[IWEFD])(?P<month>\d\d)(?P<day>\d\d) (?P<clock>(?P<hour>\d\d):(?P<minute>\d\d)"
    r":(?P<second>\d\d)"
    r"\.(?P<fraction>\d{1,9}))\s+(?P<thread>\d+) (?P<source>[^\s\]]+?:\d+)\] ?(?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_REDIS: Final = re.compile(
    r"(?P<pid>\d+):(?P<role>[XCSM]) (?P<day>\d\d) (?P<mon>[A-Z][a-z]{2})(?: (?P<year>\d{4}))?"
    r" (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)\.(?P<fraction>\d{3}) (?P<level>[.*#-])"
    r" (?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_PYTHON: Final = re.compile(
    rf"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<logger>{_NAME}):(?P<message>.*)", re.DOTALL
)
_TRACE_ID: Final = re.compile(
    r"(?i:trace[_.-]?id)[\"']?\s{0,2}[=:]\s{0,2}[\"']?(?P<id>[0-9a-fA-F]{32}|[0-9a-fA-F]{16})(?![0-9a-zA-Z])"
    r"|traceparent[\"']?[=:]\s?[\"']?[0-9a-f]{2}-(?P<parent>[0-9a-f]{32})-(?P<parent_span>[0-9a-f]{16})"
)
_SPAN_ID: Final = re.compile(
    r"(?i:span[_.-]?id)[\"']?\s{0,2}[=:]\s{0,2}[\"']?(?P<id>[0-9a-fA-F]{16})(?![0-9a-zA-Z])"
)
_LOGFMT: Final = re.compile(r"[A-Za-z_@][\w.@/-]{0,80}=(?:\"|\S|\s|$)")
_LOGFMT_KEYS: Final = frozenset(
    ["ts", "time", "t", "timestamp", "level", "lvl", "severity", "msg", "message"]
)
_NOWHERE: Final = Record(0, 0, None, None)
_MAX_LOOK: Final = 8_192
"""Ids are looked for in this many characters."""
REDIS_LEVELS: Final = {"#": 13, "*": 10, "-": 9, ".": 5}
"""Redis: warning, notice, verbose, debug (redis.conf, loglevel)."""


class Inner(NamedTuple):
    """What a line says of itself."""

    message: str
    attributes: dict[str, str]
    stamp: Stamp = UNKNOWN
    severity: int | None = None
    severity_raw: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    service: str | None = None
    host: str | None = None


def read_line(text: str, zone: Zone | None = None) -> Inner:
    """Read one line (or one joined record) of an application; `zone` holds for times without one."""
    line = ANSI.sub("", text) if "\x1b" in text else text
    line = line.rstrip("\r\n")
    bare = line.lstrip()
    if not bare:
        return Inner(line, {})
    first = bare[0]
    if first == "{":
        found = _json(bare, zone)
        if found is not None:
            return found
    if first in "IWEFD":
        match = _KLOG.match(bare)
        if match is not None:
            return _klog(match)
    if first.isdigit():
        match = _REDIS.match(bare)
        if match is not None:
            return _redis(match, zone)
    if _LOGFMT.match(bare) is not None:
        found = read_logfmt(bare, zone)
        if found is not None:
            return found
    return _plain(bare if first == "[" or first.isdigit() else line, zone)


def begins(text: str) -> bool:
    """Tell whether a line begins a record beyond doubt: it carries a time or is a whole JSON object."""
    line = ANSI.sub("", text) if "\x1b" in text else text
    first = line[:1]
    if first == "{":
        return line.rstrip().endswith("}")
    if first == "[" or first.isdigit():
        return leading_time(line[:80]) is not None or _REDIS.match(line[:80] + " ") is not None
    if first in ("I", "W", "E", "F", "D") and _KLOG.match(line) is not None:
        return True
    return first.isalpha() and line.startswith(("ts=", "time=", "level=", "t="))


def trace_ids(text: str) -> tuple[str | None, str | None]:
    """Find a trace id and a span id that a text names (`trace_id=...`, `traceparent: ...`)."""
    head = text[:_MAX_LOOK]
    if "race" not in head and "RACE" not in head:
        return None, None
    match = _TRACE_ID.search(head)
    if match is None:
        return None, None
    if match["parent"]:
        return match["parent"], match["parent_span"]
    span = _SPAN_ID.search(head)
    trace_id = match["id"].lower()
    return (trace_id if trace_id.strip("0") else None), (span["id"].lower() if span else None)


def read_logfmt(line: str, zone: Zone | None) -> Inner | None:
    """Read a line of key=value pairs; None when no logger writes such a line."""
    found = pairs(line)
    if found is None or len(found) < 2 or not _LOGFMT_KEYS.intersection(found):  # noqa: PLR2004 - one pair is prose
        return None
    return _from_fields(found, line, zone)


def _json(line: str, zone: Zone | None) -> Inner | None:
    if not line.rstrip().endswith("}"):
        return None
    raw = line.encode("utf-8", "replace")
    if too_deep(raw):
        return None
    try:
        value: Any = decode_json(raw)
    except NotJsonError:
        return None
    return _from_fields(flatten(value), line, zone) if isinstance(value, dict) else None


def _from_fields(fields: dict[str, str], whole: str, zone: Zone | None) -> Inner:
    event = log_event(_NOWHERE, fields, plan_of(tuple(fields)), zone, service=None, message=whole)
    return Inner(
        message=event.message or whole,
        attributes=fields,
        stamp=event.stamp,
        severity=event.severity,
        severity_raw=event.severity_raw,
        trace_id=event.trace_id,
        span_id=event.span_id,
        service=event.service,
        host=event.host,
    )


def _klog(match: re.Match[str]) -> Inner:
    time = match.string[match.start("month") : match.end("clock")]
    level = match["level"]
    attributes = {"thread": match["thread"], "code.location": match["source"]}
    message = match["message"]
    if message.startswith('"'):  # structured klog: "message" key="value" ...
        structured = _structured_klog(message)
        if structured is not None:
            message, extra = structured
            attributes |= extra
    # No year: the envelope's time says when it was.
    stamp = Stamp(None, None, UNKNOWN.basis, time)
    trace_id, span_id = trace_ids(match["message"])
    return Inner(message, attributes, stamp, severity_of(level), level, trace_id, span_id)


def _structured_klog(text: str) -> tuple[str, dict[str, str]] | None:
    end = 1
    while (end := text.find('"', end)) > 0 and text[end - 1] == "\\":
        end += 1
    if end <= 0:
        return None
    rest = text[end + 1 :].strip()
    extra = pairs(rest) if rest else {}
    if extra is None:
        return None
    return text[1:end].replace('\\"', '"'), extra


def _redis(match: re.Match[str], zone: Zone | None) -> Inner:
    raw = match.string[match.start("day") : match.end("fraction")]
    stamp = Stamp(None, None, UNKNOWN.basis, raw)
    month = MONTHS.get(match["mon"].lower())
    if match["year"] and month:
        clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
        stamp = civil_stamp(
            (int(match["year"]), month, int(match["day"])), clock, match["fraction"], None, zone, raw
        )
    level = match["level"]
    attributes = {"process.pid": match["pid"], "redis.role": match["role"]}
    return Inner(match["message"], attributes, stamp, REDIS_LEVELS[level], level)


def _plain(line: str, zone: Zone | None) -> Inner:
    attributes: dict[str, str] = {}
    stamp = leading_time(line[:_LEVEL_WITHIN], zone)
    rest = line
    if stamp is not None:
        end = line.index(stamp.raw or "") + len(stamp.raw or "")
        rest = line[end:].lstrip("]:|, \t") if line[0] == "[" else line[end:].lstrip(":|, \t")
        rest = rest.removeprefix("- ")
    else:
        python = _PYTHON.match(line)
        if python is not None:
            attributes["logger"] = python["logger"]
            level = python["level"]
            return _with_ids(python["message"], attributes, UNKNOWN, level, line)
    match = _LEVEL.match(rest)
    if match is not None and _is_level(match, timed=stamp is not None):
        level = match["word"]
        message = rest[match.end() :].lstrip(" \t-|") or rest
        return _with_ids(message, attributes, stamp or UNKNOWN, level, line)
    further = _FURTHER_LEVEL.search(rest, 0, _LEVEL_WITHIN) if stamp is not None else None
    word = (further[1] or further[2]) if further is not None else None
    return _with_ids(rest or line, attributes, stamp or UNKNOWN, word, line)


def _is_level(match: re.Match[str], *, timed: bool) -> bool:
    """Tell a level from a first word of prose: `Error reading x` is none, `error: x` and `[error] x` are."""
    marked = bool(match["open"].strip()) or bool(match["close"].strip())
    return marked or (match["word"].isupper() or timed)


def _with_ids(message: str, attributes: dict[str, str], stamp: Stamp, level: str | None, line: str) -> Inner:
    trace_id, span_id = trace_ids(line)
    return Inner(message, attributes, stamp, severity_of(level), level, trace_id, span_id)
