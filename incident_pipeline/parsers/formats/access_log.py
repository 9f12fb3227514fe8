"""Access logs in the Common Log Format and its many extensions: nginx, Apache, Traefik, ingress-nginx.

Apache's mod_log_config and nginx's `combined` are the spec. In front may stand a virtual host, lists of
forwarded addresses and users with a realm; behind may stand what ingress-nginx and Traefik add, or
`name=value` pairs. nginx and Apache stamp a request at its end (Apache's %t is the start, but lines of
both look alike), so rows are marked `time.kind` = end; Traefik's time is the start.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import MONTHS
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.http_requests import describe, nanos, put, seconds
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, civil_stamp

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp, Zone

STAMP: Final = re.compile(
    r"\[(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ([+-]\d{4}|Z|UTC))?\]",
    re.ASCII,
)
_AFTER: Final = re.compile(
    r"\ \"(?P<request>.*?)\"\ (?P<status>\d{3}|-)\ (?P<size>\d{1,20}|-)(?P<rest>(?:\ .*)?)$",
    re.DOTALL | re.ASCII,
)
_SSL: Final = re.compile(
    r"\ (?P<client>\S{1,255})\ (?P<tls>(?:TLS|SSL)v[\d.]{1,5}|-)\ (?P<cipher>[\w-]{1,80})\ "
    r"\"(?P<request>.*)\"\ (?P<size>\d{1,20}|-)$",
    re.DOTALL | re.ASCII,
)
_COMBINED: Final = re.compile(
    r"\ (?P<referrer>\"(?:[^\"\\]|\\.)*\"|-)\ (?P<agent>\"(?:[^\"\\]|\\.)*\"|-)(?P<more>(?:\ .*)?)$",
    re.DOTALL,
)
_INGRESS: Final = re.compile(
    r"\ (?P<length>\d{1,15})\ (?P<time>\d{1,9}\.\d{3})\ \[(?P<upstream>[^\]]{0,300})\]\ "
    r"\[(?P<alternative>[^\]]{0,300})\]"
    r"\ (?P<address>-|\S{1,200}(?:[,:]\ \S{1,200}){0,20})\ (?P<bytes>[\d,\ -]{1,200}?)\ "
    r"(?P<upstream_time>-|[\d.,\ -]{1,200}?)"
    r"\ (?P<upstream_status>-|[\d,\ -]{1,100}?)(?:\ (?P<request_id>[0-9a-fA-F-]{8,64}|-))?$",
    re.ASCII,
)
_TRAEFIK: Final = re.compile(
    r"\ (?P<count>\d{1,15})\ \"(?P<router>[^\"]{0,500})\"\ \"(?P<server>[^\"]{0,1000})\"\ "
    r"(?P<time>\d{1,12})ms$",
    re.ASCII,
)
_PAIR: Final = re.compile(r"([A-Za-z_][\w.]{0,60})=(?:\"([^\"]*)\"|(\S+))")
_QUOTED: Final = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|(\S+))", re.DOTALL)
_LEAD: Final = re.compile(
    r"(?:(?P<vhost>(?![0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,40}[ ,])[A-Za-z0-9*_][\w.*-]{0,253}(?::\d{1,5})?)"
    r" (?=\S))?(?P<clients>.*)",
    re.DOTALL,
)
_IP: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,42}", re.ASCII)
_PLACES: Final = {"request_time": 0, "rt": 0, "duration": 0, "request_duration": 0}
_HEAD: Final = 65_536


class AccessLog(Format):
    """The parser of access logs of the common kind."""

    id = "access_log"
    stands_alone = True
    aliases = (
        "nginx_combined", "nginx_access", "nginx", "apache_combined", "apache_access", "apache_common",
        "apache", "clf",
        "combined", "nginx_ingress", "ingress_nginx", "traefik_access", "traefik",
    )  # fmt: skip
    title = "Access logs: nginx, Apache, ingress-nginx, Traefik"
    spec = "https://httpd.apache.org/docs/2.4/logs.html#accesslog; https://nginx.org/en/docs/http/ngx_http_log_module.html"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise the bracketed time before a quoted request and its status."""
        if not sample.lines:
            return 0.0
        hits = sum(_parts(line.decode("utf-8", "replace")[:_HEAD]) is not None for line in sample.lines)
        return 0.94 * hits / len(sample.lines)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every request."""
        for start, end in lines(data):
            text = text_of(data, start, end, rows)
            parts = _parts(text[:_HEAD])
            if parts is None or end - start > _HEAD:
                rows.reject(start, end, "no access log line: no bracketed time before a quoted request")
                continue
            rows.event(_event(text, parts, start, end, rows))


def _parts(text: str) -> tuple[re.Match[str], re.Match[str]] | None:
    stamp = STAMP.search(text)
    if stamp is None:
        return None
    after = _AFTER.match(text, stamp.end()) if stamp.start() else _SSL.match(text, stamp.end())
    return (stamp, after) if after is not None else None


def _event(text: str, parts: tuple[re.Match[str], re.Match[str]], start: int, end: int, rows: Rows) -> Event:
    at, after = parts
    attributes: dict[str, str] = {}
    actor: str | None = None
    host: str | None = None
    end_ns: int | None = None
    stamp = clf_stamp(at, rows.zone)
    if at.start():
        actor, host = _who(text[: at.start()].rstrip(" "), attributes)
        kind = _rest(after["rest"], attributes)
        status = after["status"]
    else:
        put(attributes, "client.address", after["client"])
        put(attributes, "tls.protocol.version", after["tls"])
        put(attributes, "tls.cipher", after["cipher"])
        kind, status = "", None
    put(attributes, "http.response.body.size", after["size"])
    request = describe(after["request"], status, attributes)
    duration = nanos(attributes.get("duration_s"))
    if kind == "traefik" and stamp.time_ns is not None and duration is not None:
        end_ns = stamp.time_ns + duration
    elif kind != "traefik":
        attributes["time.kind"] = "end"
    return Event(
        start=start, end=end, kind=Kind.LOG, message=request.message, attributes=attributes, stamp=stamp,
        end_ns=end_ns, host=host, actor=actor, severity=request.severity,
    )  # fmt: skip


def clf_stamp(match: re.Match[str], zone: Zone | None) -> Stamp:
    """Give the time of `[10/Oct/2000:13:55:36 -0700]`."""
    day, mon, year, hour, minute, second, fraction, offset = match.groups()
    raw = match[0][1:-1]
    month = MONTHS.get(mon.lower())
    if month is None:
        return UNKNOWN._replace(raw=raw)
    date, clock = (int(year), month, int(day)), (int(hour), int(minute), int(second))
    return civil_stamp(date, clock, fraction or "", offset or None, zone, raw)


def _who(lead: str, attributes: dict[str, str]) -> tuple[str | None, str | None]:
    """Read what stands before the time: virtual host, addresses, identity and user; give user and host."""
    head, dashed, user = lead.partition(" - ")
    if not dashed:
        pieces = lead.rsplit(" ", 2)
        if len(pieces) == 3:  # noqa: PLR2004 - address, identity, user
            head, user = pieces[0], pieces[2]
            put(attributes, "client.identity", pieces[1])
        else:
            head, user = lead, ""
    vhost: str | None = None
    clients = head
    match = _LEAD.match(head)
    if match is not None and match["vhost"] and _IP.fullmatch(match["vhost"]) is None:
        vhost, clients = match["vhost"], match["clients"]
    addresses = [piece for piece in re.split(r"[\s,\"]+", clients) if piece and piece != "-"]
    if addresses:
        attributes["client.address"] = addresses[0]
        if len(addresses) > 1:
            attributes["network.peer.address"] = addresses[-1]
            attributes["http.forwarded_for"] = clients
    put(attributes, "server.address", vhost)
    user = user.strip().strip('"')
    return (user if user not in ("", "-") else None), None


def _rest(rest: str, attributes: dict[str, str]) -> str:
    """Read what stands behind the size; give what kind of server wrote it, where that can be told."""
    match = _COMBINED.match(rest)
    if match is None:
        _more(rest, attributes)
        return ""
    put(attributes, "http.request.header.referer", match["referrer"].strip('"'))
    put(attributes, "user_agent.original", match["agent"].strip('"'))
    more = match["more"]
    if not more:
        return ""
    ingress = _INGRESS.match(more)
    if ingress is not None:
        for name, group in _INGRESS_NAMES.items():
            put(attributes, name, ingress[group])
        attributes["duration_s"] = ingress["time"]
        return "ingress"
    traefik = _TRAEFIK.match(more)
    if traefik is not None:
        attributes["traefik.request_count"] = traefik["count"]
        put(attributes, "traefik.router", traefik["router"])
        put(attributes, "upstream.address", traefik["server"])
        put(attributes, "duration_s", seconds(traefik["time"], 3))
        return "traefik"
    _more(more, attributes)
    return ""


_INGRESS_NAMES: Final = {
    "http.request.size": "length", "upstream.name": "upstream", "upstream.alternative": "alternative",
    "upstream.address": "address", "upstream.response.length": "bytes",
    "upstream.response.time": "upstream_time",
    "upstream.status": "upstream_status", "http.request.id": "request_id",
}  # fmt: skip


def _more(text: str, attributes: dict[str, str]) -> None:
    """Keep fields that no known format has: named ones by name, others by their place."""
    if not text.strip():
        return
    found = _PAIR.findall(text)
    if found:
        for name, quoted, plain in found:
            value = quoted or plain
            attributes[name if name not in attributes else f"log.{name}"] = value
            if name in _PLACES and seconds(value) is not None:
                attributes.setdefault("duration_s", value)
        text = _PAIR.sub("", text)
    for number, (quoted, plain) in enumerate(_QUOTED.findall(text), 1):
        put(attributes, f"log.extra.{number}", quoted or plain)


FORMATS: Final[tuple[Format, ...]] = (AccessLog(),)
