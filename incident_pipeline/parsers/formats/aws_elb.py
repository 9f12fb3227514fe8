"""Access logs of AWS load balancers: classic (CLB), application (ALB) and network (NLB, TLS).

The user guides' field tables are the spec; fields are split by white space, quotes aside, and new ones at the
end are kept by number. CLB's time is when the request came; ALB's and NLB's is when the answer went or the
connection closed, so a row starts at ALB's `request_creation_time`, or at NLB's end minus its duration.
`X-Amzn-Trace-Id` is kept as it is: it is no W3C id.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.http_requests import address, describe, nanos, put, seconds
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import share_of, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_TIME: Final = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?"
_LINE: Final = re.compile(
    rb"(?:(?:https?|h2|grpcs?|wss?) " + _TIME + rb" app/\S+ \S+ \S+ -?[\d.]+ -?[\d.]+ -?[\d.]+ "
    rb"|tls [\d.]+ " + _TIME + rb" (?:net/)?\S+ \S+ \S+ \S+ "
    rb"|" + _TIME + rb" [\w-]{1,64} \S+:\d+ \S+ -?[\d.]+ -?[\d.]+ -?[\d.]+ \S+ \S+ -?\d+ -?\d+ \")"
)
_FIELD: Final = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^\s\"]\S*))", re.DOTALL)

_CLB: Final = (
    "time", "elb", "client", "target", "request_processing_time", "target_processing_time",
    "response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes",
    "request",
    "user_agent", "ssl_cipher", "ssl_protocol",
)  # fmt: skip
_ALB: Final = (
    "type", "time", "elb", "client", "target", "request_processing_time", "target_processing_time",
    "response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes",
    "request",
    "user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason",
    "target_port_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id",
)  # fmt: skip
_NLB: Final = (
    "type", "version", "time", "elb", "listener", "client", "target", "connection_time", "tls_handshake_time",
    "received_bytes", "sent_bytes", "incoming_tls_alert", "chosen_cert_arn", "chosen_cert_serial",
    "ssl_cipher",
    "ssl_protocol", "tls_named_group", "domain_name", "alpn_fe_protocol", "alpn_be_protocol",
    "alpn_client_preference_list", "tls_connection_creation_time",
)  # fmt: skip
_NAMES: Final = {
    "user_agent": "user_agent.original", "ssl_protocol": "tls.protocol.version", "ssl_cipher": "tls.cipher",
    "domain_name": "server.address", "sent_bytes": "http.response.size",
    "received_bytes": "http.request.size",
}  # fmt: skip
_TIMES: Final = ("request_processing_time", "target_processing_time", "response_processing_time")


class AwsElb(Format):
    """The parser of AWS load balancers' access logs."""

    id = "aws_elb"
    stands_alone = True
    aliases = ("elb", "alb", "nlb", "aws_alb", "aws_nlb", "elb_access", "alb_access")
    title = "AWS load balancer access logs (CLB, ALB, NLB)"
    spec = (
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html"
    )
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise type, time, balancer, addresses and processing times in their order."""
        return 0.97 * share_of(sample.lines, _LINE)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every request or connection."""
        for start, end in lines(data):
            if _LINE.match(data, start, end) is None:
                rows.reject(start, end, "no access log line of an AWS load balancer")
                continue
            rows.event(_event(text_of(data, start, end, rows), start, end, rows))


def _event(text: str, start: int, end: int, rows: Rows) -> Event:
    values = [quoted or plain for quoted, plain in _FIELD.findall(text)]
    names = _CLB if text[:1].isdigit() else _NLB if text.startswith("tls ") else _ALB
    fields = dict(zip(names, values, strict=False))
    attributes: dict[str, str] = {}
    for number, value in enumerate(values[len(names) :], len(names) + 1):
        put(attributes, f"elb.field.{number}", value)
    stamp = parse_time(fields.pop("time"), rows.zone)
    end_ns: int | None = None
    total = _total(fields)
    if total is not None:
        attributes["duration_s"] = f"{total // 10**9}.{total % 10**9:09d}".rstrip("0").rstrip(".")
    if names is _CLB:
        end_ns = stamp.time_ns + total if stamp.time_ns is not None and total is not None else None
    else:
        created = fields.get("request_creation_time") or fields.get("tls_connection_creation_time") or "-"
        begun = parse_time(created, rows.zone) if created != "-" else None
        if begun is not None and begun.time_ns is not None:
            attributes["time.end"] = stamp.raw or ""
            end_ns, stamp = stamp.time_ns, begun
        else:
            attributes["time.kind"] = "end"
    address(attributes, "client", fields.pop("client", None))
    address(attributes, "upstream", fields.pop("target", None))
    request = fields.pop("request", None)
    status = fields.pop("elb_status_code", None)
    balancer = fields.pop("elb", None)
    told = describe(
        request.strip() if request and request.strip("- ") else "-", status, attributes,
        fallback=f"{fields.get('type', 'tcp')} connection to {fields.get('domain_name', balancer)}",
    )  # fmt: skip
    for name, value in fields.items():
        put(attributes, _NAMES.get(name, f"elb.{name}"), value)
    return Event(
        start=start, end=end, kind=Kind.LOG, message=told.message, attributes=attributes, stamp=stamp,
        end_ns=end_ns,
        service=balancer, severity=told.severity,
    )  # fmt: skip


def _total(fields: dict[str, str]) -> int | None:
    """Give how long it took in nanoseconds: the sum of the processing times, or the connection's."""
    if "connection_time" in fields:
        return nanos(seconds(fields["connection_time"], 3))
    parts = [nanos(seconds(fields.get(name))) for name in _TIMES]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(_TIMES) else None


FORMATS: Final[tuple[Format, ...]] = (AwsElb(),)
