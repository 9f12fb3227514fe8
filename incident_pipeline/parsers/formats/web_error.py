"""Error logs of Apache httpd and nginx.

Apache: `[Wed Oct 11 14:32:52.123456 2023] [module:level] [pid 1:tid 2] [client 1.2.3.4:5] AH00163: message`
(ErrorLogFormat's default, 2.2 and 2.4). nginx: `2023/10/11 14:32:52 [error] 31#0: *1 message, client: ...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Severity
from incident_pipeline.parsers.http_requests import describe
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    import re

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Event, Rows

_NGINX_FIELDS: Final = {
    "client": "client.address", "server": "server.address", "request": "request", "upstream": "upstream.url",
    "host": "http.request.header.host", "referrer": "http.request.header.referer",
    "subrequest": "nginx.subrequest",
    "login": "user.name", "bytes from/to client": "nginx.bytes.client",
    "from/to upstream": "nginx.bytes.upstream",
}  # fmt: skip


class ApacheError(LineFormat):
    """The parser of Apache's error log."""

    id = "apache_error"
    aliases = ("httpd_error", "apache_error_log")
    title = "Apache httpd error log"
    spec = "https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat"
    service = "httpd"
    certainty = 0.95
    patterns = compile_verbose(
        r"""\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\ (?P<mon>[A-Z][a-z]{2})\ {1,2}(?P<day>\d{1,2})
            \ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?\ (?P<year>\d{4})\]
            \ \[(?:(?P<apache__module>[\w-]{0,60}):)?(?P<level>[a-z]+\d?)\]
            (?:\ \[pid\ (?P<process__pid>\d+)(?::tid\ (?P<thread__id>[\w-]+))?\])?
            (?:\ \[client\ (?P<client__address>[^\]\s]{1,255}?)(?::(?P<client__port>\d{1,5}))?\])?
            \ ?(?P<message>.*)"""
    )

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:
        """Give the number of a level; trace1 to trace8 are one."""
        if level and level.startswith("trace"):
            return Severity.TRACE
        return super().severity(level, groups)


class NginxError(LineFormat):
    """The parser of nginx's error log."""

    id = "nginx_error"
    aliases = ("nginx_error_log",)
    title = "nginx error log"
    spec = "https://nginx.org/en/docs/ngx_core_module.html#error_log"
    service = "nginx"
    certainty = 0.95
    patterns = compile_verbose(
        r"""(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)\ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)
            \ \[(?P<level>[a-z]+)\]\ (?P<process__pid>\d+)\#(?P<thread__id>\d+):
            \ (?:\*(?P<nginx__connection>\d+)\ )?(?P<message>.*)"""
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Read the `name: value` fields that nginx puts behind the message as well."""
        event = super().event(match, data, start, end, rows)
        attributes = dict(event.attributes)
        message = event.message or ""
        head, comma, fields = message.partition(", client: ")
        if not comma:
            return event
        for field in ("client: " + fields).split(", "):
            name, colon, value = field.partition(": ")
            key = _NGINX_FIELDS.get(name)
            if not colon or key is None:
                head += ", " + field
            elif key == "request":
                describe(value.strip('"'), None, attributes)
            else:
                attributes[key] = value.strip('"')
        return event._replace(message=head, attributes=attributes)


FORMATS: Final[tuple[Format, ...]] = (ApacheError(), NginxError())
