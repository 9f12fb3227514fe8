"""HAProxy's logs as they come through syslog: HTTP, TCP, connection errors, and plain messages.

The configuration manual, chapter 8.2, is the spec. A request has two times: syslog's, when it was logged, and
the accept date, when it began, to the millisecond. The accept date holds, and the end is that plus the total
time; where the two contradict each other (an assumed year says otherwise) syslog's holds, so that all lines
of a stream stay in one order.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.access_log import clf_stamp
from incident_pipeline.parsers.http_requests import address, describe, put, seconds
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.syslog_priority import HIGHEST, LEVELS
from incident_pipeline.parsers.timestamps import SECOND, UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_LINE: Final = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?(?:(?P<mon>[A-Z][a-z]{2})\ {1,2}(?P<day>\d{1,2})\ (?P<hour>\d\d)"
    r":(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:\.(?P<fraction>\d{1,9}))?|(?P<iso>\d{4}-\d\d-\d\dT[\d:.,]{8,18}(?:Z|[+-]\d\d:?\d\d)?))"
    r"\ (?:(?P<host>[^\s\[\]]{1,255})\ )?(?P<tag>haproxy[\w.-]{0,60})\[(?P<pid>\d{1,10})\]:\ (?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_ACCEPT: Final = (
    r"(?P<client>\S{1,120})\ \[(?P<accept>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3})\]"
    r"\ (?P<frontend>\S{1,200})"
)
_STAMP: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))()?", re.ASCII)
_COUNTS: Final = r"(?P<connections>\d+/\d+/\d+/\d+/\+?\d+)\ (?P<queues>\d+/\d+)"
_HTTP: Final = re.compile(
    rf"{_ACCEPT}\ (?P<backend>[^\s/]{{1,200}})/(?P<server>\S{{1,200}})(?:\ (?P<vhost>(?!-?\d+/)\S{{1,255}}))?"
    rf"\ (?P<timers>-?\d+/-?\d+/-?\d+/-?\d+)/(?P<total>\+?-?\d+)\ (?P<status>-1|\d{{3}})\ (?P<bytes>\+?\d+)"
    rf"\ (?P<request_cookie>\S+)\ (?P<response_cookie>\S+)\ (?P<state>\S{{4}})\ {_COUNTS}"
    r"(?:\ \{(?P<request_headers>[^}]*)\})?(?:\ \{(?P<response_headers>[^}]*)\})?\ \"(?P<request>.*)",
    re.ASCII | re.DOTALL,
)
_TCP: Final = re.compile(
    rf"{_ACCEPT}\ (?P<backend>[^\s/]{{1,200}})/(?P<server>\S{{1,200}})\ (?P<timers>-?\d+/-?\d+)"
    rf"/(?P<total>\+?-?\d+)"
    rf"\ (?P<bytes>\+?\d+)\ (?P<state>\S{{2}})\ {_COUNTS}",
    re.ASCII,
)
_ERROR: Final = re.compile(rf"{_ACCEPT}:\ (?P<reason>.*)", re.ASCII | re.DOTALL)
_CONNECT: Final = re.compile(
    r"Connect from (?P<client>\S{1,120}) to (?P<server>\S{1,120}) \((?P<frontend>[^/)]{1,200})"
    r"/(?P<mode>\w+)\)",
    re.ASCII,
)
_SERVER: Final = re.compile(
    r"(?P<kind>Server|Backend|Proxy) (?P<name>\S{1,200}) (?:is|has) (?P<what>.{1,200})", re.DOTALL
)
_DOWN: Final = re.compile(r"\b(?:DOWN|has no server available)\b")
_SLACK: Final = 2 * SECOND


class Haproxy(Format):
    """The parser of HAProxy's logs."""

    id = "haproxy"
    stands_alone = True
    aliases = ("haproxy_log", "haproxy_http", "haproxy_tcp")
    title = "HAProxy"
    spec = "https://docs.haproxy.org/3.0/configuration.html#8.2"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise syslog lines of a program called haproxy."""
        hits = sum(_LINE.match(line.decode("utf-8", "replace")) is not None for line in sample.lines)
        return 0.97 * hits / len(sample.lines) if sample.lines else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line."""
        for start, end in lines(data):
            text = text_of(data, start, end, rows)
            match = _LINE.match(text)
            if match is None:
                rows.reject(start, end, "no syslog line of HAProxy")
                continue
            rows.event(_event(match, start, end, rows))


def _event(line: re.Match[str], start: int, end: int, rows: Rows) -> Event:
    attributes = {"process.pid": line["pid"]}
    logged = parse_time(line["iso"], rows.zone) if line["iso"] else rows.clock.stamp(line)
    text = line["message"]
    raw = line["pri"]
    severity = LEVELS[int(raw) & 7] if raw and int(raw) <= HIGHEST else None
    message, stamp, end_ns = text, logged, None
    match = _HTTP.match(text) or _TCP.match(text) or _ERROR.match(text)
    if match is not None:
        groups = match.groupdict()
        address(attributes, "client", groups["client"])
        stamp, end_ns = _times(logged, groups, attributes, rows)
        _connection(groups, attributes)
        if groups.get("request") is not None:
            told = describe(groups["request"].removesuffix('"'), groups["status"], attributes)
            message, severity = told.message, told.severity or severity
        elif groups.get("reason"):
            message, severity = groups["reason"], severity or Severity.WARN
        else:
            message = f"{groups['frontend']} -> {groups['backend']}/{groups['server']} {groups['state']}"
    else:
        connect = _CONNECT.match(text)
        if connect is not None:
            address(attributes, "client", connect["client"])
            address(attributes, "server", connect["server"])
            attributes["haproxy.frontend"], attributes["haproxy.mode"] = connect["frontend"], connect["mode"]
        elif _SERVER.match(text) is not None and _DOWN.search(text[:400]) is not None:
            severity = Severity.ERROR
    return Event(
        start=start, end=end, kind=Kind.LOG, message=message, attributes=attributes, stamp=stamp,
        end_ns=end_ns,
        service=line["tag"], host=line["host"], severity=severity, severity_raw=raw,
    )  # fmt: skip


def _times(
    logged: Stamp, groups: dict[str, str], attributes: dict[str, str], rows: Rows
) -> tuple[Stamp, int | None]:
    """Choose between the accept date and syslog's time; give the start and the end."""
    match = _STAMP.match(groups["accept"])
    accepted = clf_stamp(match, rows.zone)._replace(raw=groups["accept"]) if match is not None else UNKNOWN
    total = groups.get("total") or ""
    lasted = int(total.lstrip("+")) * 10**6 if total.lstrip("+").isdigit() else None
    put(attributes, "duration_s", seconds(total.lstrip("+"), 3))
    if accepted.time_ns is None:
        return logged, None
    ended = accepted.time_ns + lasted if lasted is not None else None
    if logged.time_ns is None:
        return accepted, ended
    gap = logged.time_ns - accepted.time_ns
    if -_SLACK <= gap <= (lasted or 0) + 60 * SECOND:
        attributes["time.logged"] = logged.raw or ""
        return accepted, ended
    rows.assume("HAProxy's accept dates lie far from syslog's times: syslog's were taken")
    attributes["haproxy.accept_date"] = groups["accept"]
    attributes["time.kind"] = "end"
    return logged, None


def _connection(groups: dict[str, str], attributes: dict[str, str]) -> None:
    for name, group in _NAMES.items():
        put(attributes, f"haproxy.{name}", groups.get(group))
    put(attributes, "server.address", groups.get("vhost"))
    put(attributes, "http.response.size", groups.get("bytes"))


_NAMES: Final = {
    "frontend": "frontend", "backend": "backend", "server": "server", "timers_ms": "timers",
    "termination_state": "state", "connections": "connections", "queues": "queues",
    "request_cookie": "request_cookie", "response_cookie": "response_cookie",
    "request_headers": "request_headers", "response_headers": "response_headers",
}  # fmt: skip

FORMATS: Final[tuple[Format, ...]] = (Haproxy(),)
