"""Envoy's and Istio's access logs (text), and their own logs.

Access: the default format string of Envoy and the one Istio sets, told apart by the fields behind the
response flags. START_TIME is when the request began, DURATION is in milliseconds. Own logs: Envoy's
`[time][thread][level][component] message` and the tab-separated console lines of zap that Istio, and many
Go programs, print.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.http_requests import address, describe, put, seconds
from incident_pipeline.parsers.inner import trace_ids
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, flatten, lines, too_deep
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z"
_LINE: Final = re.compile(
    rf"\[(?P<time>{_TIME})\]\s\"(?P<request>(?:[^\"\\]|\\.)*)\"\s(?P<status>\d{{1,3}}|-)"
    rf"\s(?P<flags>[A-Z,]{{1,60}}|-)\s(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_FIELD: Final = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^\s\"]\S*))", re.DOTALL)
_DEFAULT: Final = (
    "bytes_received", "bytes_sent", "duration", "upstream_service_time", "forwarded_for", "user_agent",
    "request_id",
    "authority", "upstream",
)  # fmt: skip
_ISTIO: Final = (
    "response_code_details", "connection_termination_details", "upstream_transport_failure_reason", *_DEFAULT,
    "upstream_cluster", "upstream_local_address", "downstream_local_address", "downstream_remote_address",
    "requested_server_name", "route_name",
)  # fmt: skip
_NAMES: Final = {
    "bytes_received": "http.request.size", "bytes_sent": "http.response.size",
    "user_agent": "user_agent.original",
    "request_id": "http.request.id", "authority": "server.address", "forwarded_for": "http.forwarded_for",
}  # fmt: skip


class EnvoyAccess(Format):
    """The parser of Envoy's access log."""

    id = "envoy_access"
    stands_alone = True
    aliases = ("envoy", "istio", "istio_access", "envoy_access_log")
    title = "Envoy and Istio access logs"
    spec = "https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise a bracketed UTC time, a quoted request, a code and flags."""
        hits = sum(_LINE.match(line.decode("utf-8", "replace")[:65_536]) is not None for line in sample.lines)
        return 0.96 * hits / len(sample.lines) if sample.lines else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every request."""
        for start, end in lines(data):
            match = _LINE.match(text_of(data, start, end, rows))
            if match is None:
                rows.reject(start, end, "no access log line of Envoy")
                continue
            rows.event(_event(match, start, end, rows))


def _event(match: re.Match[str], start: int, end: int, rows: Rows) -> Event:
    values = [quoted or plain for quoted, plain in _FIELD.findall(match["rest"])]
    # Envoy's own string has numbers first, Istio's has the details of the response.
    own = bool(values) and values[0].isdigit()
    names = _DEFAULT if own else _ISTIO
    fields = dict(zip(names, values, strict=False))
    attributes: dict[str, str] = {}
    for number, value in enumerate(values[len(names) :], len(names) + 1):
        put(attributes, f"envoy.field.{number}", value)
    put(attributes, "envoy.response_flags", match["flags"])
    duration = fields.pop("duration", "")
    put(attributes, "duration_s", seconds(duration, 3))
    stamp = parse_time(match["time"], rows.zone)
    end_ns = None
    if stamp.time_ns is not None and duration.isdigit() and len(duration) < 13:  # noqa: PLR2004 - no overflow
        end_ns = stamp.time_ns + int(duration) * 10**6
    address(attributes, "upstream", fields.pop("upstream", None))
    address(attributes, "client", fields.pop("downstream_remote_address", None))
    status = match["status"] if match["status"] != "0" else None
    told = describe(match["request"].strip(), status, attributes, fallback="TCP connection")
    for name, value in fields.items():
        put(attributes, _NAMES.get(name, f"envoy.{name}"), value)
    return Event(
        start=start, end=end, kind=Kind.LOG, message=told.message, attributes=attributes, stamp=stamp,
        end_ns=end_ns,
        service="envoy", severity=told.severity,
    )  # fmt: skip


class EnvoyLog(LineFormat):
    """The parser of Envoy's own log."""

    id = "envoy_log"
    title = "Envoy's own log"
    spec = "https://www.envoyproxy.io/docs/envoy/latest/operations/cli#cmdoption-log-format"
    service = "envoy"
    certainty = 0.95
    patterns = compile_verbose(
        r"""\[(?P<time>\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d\.\d{3})\]\[(?P<thread__id>\d+)\]\[(?P<level>[a-z]+)\]
            \[(?P<logger>[\w-]+)\]\ (?:\[(?P<code__location>[^\]\s]{1,300})\]\ )?(?P<message>.*)"""
    )


class TabConsole(LineFormat):
    """The parser of zap's console lines: time, level, logger or caller, message, fields; by tabs."""

    id = "tab_console"
    aliases = ("zap_console", "istio_log", "istiod", "pilot_agent")
    title = "Tab-separated console logs (zap, Istio)"
    spec = "https://pkg.go.dev/go.uber.org/zap/zapcore#NewConsoleEncoder"
    certainty = 0.93
    patterns = compile_verbose(
        r"""(?P<time>\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|\d{10}\.\d{1,9})\t
            (?:\x1b\[\d{1,3}m)?(?P<level>[A-Za-z]{4,6})(?:\x1b\[0m)?\t(?P<rest>.*)"""
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Split what stands behind the level by tabs: names first, fields in JSON last."""
        event = super().event(match, data, start, end, rows)
        attributes = dict(event.attributes)
        rest = attributes.pop("rest", "")
        continued = (event.message or "")[len(match.string) :] if end - start > len(match.string) else ""
        parts = rest.split("\t")
        names: list[str] = []
        while len(parts) > 1 and len(names) < 2 and _is_name(parts[0]):  # noqa: PLR2004 - logger and caller
            names.append(parts.pop(0))
        for name in names:
            attributes["code.location" if ":" in name else "logger"] = name
        if len(parts) > 1:
            _fields(parts.pop(), attributes)
        message = "\t".join(parts) + continued
        trace_id, span_id = trace_ids(rest)
        return event._replace(message=message, attributes=attributes, trace_id=trace_id, span_id=span_id)


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[\w./@-]{1,120}(?:\ [\w-]{1,40})?(?::\d+)?", text) is not None


def _fields(text: str, attributes: dict[str, str]) -> None:
    if text.startswith("{"):
        try:
            value = None if too_deep(text.encode()) else decode_json(text.encode())
        except NotJsonError:
            value = None
        if isinstance(value, dict):
            for name, item in flatten(value).items():
                attributes.setdefault(name, item)
            return
    name, _, value = text.partition("=")
    if value and re.fullmatch(r"[\w.]{1,60}", name):
        attributes.setdefault(name, value)
    else:
        attributes["fields"] = text


FORMATS: Final[tuple[Format, ...]] = (EnvoyAccess(), EnvoyLog(), TabConsole())
