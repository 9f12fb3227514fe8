"""The W3C extended log format, as IIS writes it: `#Fields:` names the columns of the lines that follow.

Times are UTC by the working draft, and IIS keeps to that; they tell when the request ended, `time-taken`
is in milliseconds. The columns in force outlive a part of a long stream, and may change within a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.http_requests import describe, put, seconds
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_NAMES: Final = {
    "c-ip": "client.address", "s-ip": "server.ip", "s-port": "server.port", "cs-host": "server.address",
    "cs(User-Agent)": "user_agent.original", "cs(Referer)": "http.request.header.referer",
    "sc-bytes": "http.response.size", "cs-bytes": "http.request.size",
}  # fmt: skip
_PLUS: Final = ("cs(User-Agent)", "cs(Referer)", "cs(Cookie)")
"""IIS writes their blanks as plus signs."""


class W3cExtended(Format):
    """The parser of W3C extended logs."""

    id = "w3c_extended"
    aliases = ("iis", "iis_w3c", "w3c", "iis_access")
    title = "W3C extended log format (IIS)"
    spec = "https://www.w3.org/TR/WD-logfile.html"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise the `#Fields:` directive among directives."""
        heads = [line for line in sample.lines if line.startswith(b"#")]
        named = any(line.startswith(b"#Fields:") for line in heads)
        return 0.97 if named and sample.lines[0].startswith(b"#") else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line by the columns in force."""
        for start, end in lines(data):
            text = text_of(data, start, end, rows)
            if text.startswith("#"):
                name, _, value = text[1:].partition(":")
                if name == "Fields":
                    rows.state["w3c.fields"] = value.split()
                elif name == "Date":
                    rows.state["w3c.date"] = value.split()[:1]
                told = Event(start, end, Kind.TOOL_OUTPUT, text, {"w3c.directive": name})
                rows.event(told)
                continue
            fields = rows.state.get("w3c.fields")
            values = _split(text)
            if not fields or len(values) != len(fields):
                rows.reject(start, end, "the line does not have the columns that #Fields names", own=True)
                continue
            rows.event(_event(dict(zip(fields, values, strict=True)), start, end, rows))


def _split(text: str) -> list[str]:
    if '"' not in text:
        return text.split()
    values: list[str] = []
    for index, piece in enumerate(text.split('"')):
        values += [piece] if index % 2 else piece.split()
    return values


def _event(fields: dict[str, str], start: int, end: int, rows: Rows) -> Event:
    attributes: dict[str, str] = {}
    stamp = _stamp(fields, rows)
    attributes["time.kind"] = "end"
    put(attributes, "duration_s", seconds(fields.pop("time-taken", None), 3))
    stem, query = fields.pop("cs-uri-stem", fields.pop("cs-uri", "-")), fields.pop("cs-uri-query", "-")
    method = fields.pop("cs-method", "-")
    url = stem if query == "-" else f"{stem}?{query}"
    version = fields.pop("cs-version", "-")
    line = f"{method} {url}" + ("" if version == "-" else f" {version}")
    told = describe(line if method != "-" else "-", fields.pop("sc-status", None), attributes)
    user = fields.pop("cs-username", "-")
    host = fields.pop("s-computername", "-")
    site = fields.pop("s-sitename", "-")
    for name, value in fields.items():
        put(attributes, _NAMES.get(name, name), value.replace("+", " ") if name in _PLUS else value)
    return Event(
        start=start, end=end, kind=Kind.LOG, message=told.message, attributes=attributes, stamp=stamp,
        service=site if site != "-" else None, host=host if host != "-" else None,
        actor=user if user != "-" else None, severity=told.severity,
    )  # fmt: skip


def _stamp(fields: dict[str, str], rows: Rows) -> Stamp:
    date, time = fields.pop("date", None), fields.pop("time", None)
    if time is None:
        return UNKNOWN
    if date is None:
        held = rows.state.get("w3c.date")
        if not held:
            return UNKNOWN._replace(raw=time)
        return parse_time(f"{held[0]} {time}Z")._replace(raw=time)
    return parse_time(f"{date} {time}Z")._replace(raw=f"{date} {time}")


FORMATS: Final[tuple[Format, ...]] = (W3cExtended(),)
