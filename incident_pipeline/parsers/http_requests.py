"""Turn the fields of a served request, however a server or proxy wrote them, into an event.

Attributes carry OpenTelemetry's names where it has one (`http.request.method`, `http.response.status_code`,
`url.original`, `client.address`); the message tells the request in short, the severity comes from the status.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from incident_pipeline.parsers.severity import status_severity

_REQUEST: Final = re.compile(
    r"(?P<method>[!-~]{1,40}) (?P<url>\S.*?)(?: (?P<protocol>[A-Za-z]{2,8}/\d(?:\.\d)?))?$", re.DOTALL
)
_STATUS: Final = re.compile(r"[1-5]\d\d", re.ASCII)
_URL_IN_MESSAGE: Final = 200


class Request(NamedTuple):
    """The message and severity of a request."""

    message: str
    severity: int | None


def describe(request: str, status: str | None, attributes: dict[str, str], *, fallback: str = "") -> Request:
    """Put the request line and status into attributes; give what the row says.

    `request` is the line as the client sent it; it may be empty, `-` or garbage, which is kept as
    `http.request.line`.
    """
    match = _REQUEST.match(request)
    if match is not None and match["url"] != "-":
        method, url, protocol = match.group("method", "url", "protocol")
        attributes["http.request.method"] = method
        attributes["url.original"] = url
        if protocol:
            attributes["http.protocol"] = protocol
        told = f"{method} {url.partition('?')[0][:_URL_IN_MESSAGE]}"
    else:
        if request and request != "-":
            attributes["http.request.line"] = request
        told = request if request not in ("", "-") else fallback or "no request"
    if status is None or _STATUS.fullmatch(status) is None:
        if status and status != "-":
            attributes["http.response.status_code"] = status
        return Request(told, None)
    attributes["http.response.status_code"] = status
    return Request(f"{told} -> {status}", status_severity(int(status)))


def put(attributes: dict[str, str], name: str, value: str | None) -> None:
    """Keep a field unless it is absent: not there, empty, or a dash."""
    if value and value != "-":
        attributes[name] = value


def address(attributes: dict[str, str], name: str, value: str | None) -> None:
    """Keep `address:port` as two attributes below `name`."""
    if not value or value == "-":
        return
    host, colon, port = value.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        put(attributes, f"{name}.address", host.strip("[]"))
        attributes[f"{name}.port"] = port
    else:
        attributes[f"{name}.address"] = value


def seconds(text: str | None, places: int = 0) -> str | None:
    """Give a duration in seconds as plain decimal text; `places` is how far below the second its unit is."""
    if not text or not re.fullmatch(r"\d{1,15}(?:\.\d{1,12})?", text, re.ASCII):
        return None
    whole, _, fraction = text.partition(".")
    if not places:
        return text
    digits = whole.rjust(places + 1, "0")
    joined = f"{digits[:-places]}.{digits[-places:]}{fraction}".rstrip("0")
    return joined.rstrip(".") or "0"


def nanos(text: str | None) -> int | None:
    """Give seconds as plain decimal text in nanoseconds."""
    if not text:
        return None
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int((fraction + "0" * 9)[:9])
