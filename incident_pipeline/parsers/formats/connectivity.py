"""Reports of TCP connections: which host and port answers, per service and node.

Lines as nc and bash probes print them (`host (ip:port) open`, `Connection Succeeded`, `Connection refused`),
under headings of a service and a node. Every result is a row; headings belong to the rows below them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_HEAD: Final = re.compile(
    r"(?:[=#*-]{1,10}\s{0,4})?(?P<key>Service|Node|Host|Pod|Source|From|Target|Endpoint|Namespace|Destination|Port)"
    r"(?:\s?[Nn]ame)?:\s{0,20}(?P<value>\S.{0,300}?)(?:\s{0,4}[=#*-]{1,10})?$"
)
_ENDPOINT: Final = re.compile(
    r"(?P<host>[\w.-]{1,253})?\s{0,4}[\[(]?(?P<ip>\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]{3,45})"
    r"(?:\]?:|\]?\)? (?:port )?)(?P<port>\d{1,5})\b"
)
_GOOD: Final = re.compile(
    r"\bopen\b|\b(?:connection )?succe(?:eded|ss(?:ful(?:ly)?)?)\b|\bconnected\b|\breachable\b", re.IGNORECASE
)
_BAD: Final = re.compile(
    r"\brefused\b|\btimed? ?out\b|\bunreachable\b|\bno route to host\b|\b(?:connection )?fail(?:ed|ure)\b"
    r"|\bclosed\b|\bfiltered\b|\breset by peer\b|\bcould not resolve\b"
    r"|\bname or service not known\b|\bnot connected\b",
    re.IGNORECASE,
)
_NEAR: Final = re.compile(r"connect|\bport\b|:\d{1,5}\b|tcp|\bnc:", re.IGNORECASE)
_MAX_LINE: Final = 2_000


class Connectivity(Format):
    """The parser of reports of TCP connections."""

    id = "connectivity_report"
    aliases = ("tcp_connectivity", "tcp_check", "netcat")
    title = "Reports of TCP connections"
    spec = "own shape: results of nc and the like under headings of services and nodes"
    kinds = (Kind.TOOL_OUTPUT,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise results with an endpoint, or results below headings."""
        texts = [line.decode("utf-8", "replace")[:_MAX_LINE] for line in sample.lines]
        results = [text for text in texts if _is_result(text)]
        if not results:
            return 0.0
        heads = sum(_HEAD.match(text) is not None for text in texts)
        placed = any(_ENDPOINT.search(text) for text in results)
        share = (len(results) + heads) / len(texts)
        return (0.85 if placed else 0.7 if heads else 0.0) * share if share >= 0.5 else 0.0  # noqa: PLR2004 - most

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every result."""
        heads: dict[str, tuple[int, int, str]] = {}
        fresh = False
        for start, end in lines(data):
            text = text_of(data, start, end, rows)
            head = _HEAD.match(text[:_MAX_LINE])
            if head is not None and not _is_result(text):
                key = head["key"].lower()
                if fresh and key in ("service", "node", "namespace"):
                    heads = heads if key == "node" else {}
                fresh = False
                heads[key] = (start, end, head["value"])
                rows.event(
                    Event(start, end, Kind.TOOL_OUTPUT, text, {"record": "heading", key: head["value"]})
                )
            elif _is_result(text):
                fresh = True
                rows.event(_result(text, start, end, {key: value for key, (_, _, value) in heads.items()}))
            else:
                rows.reject(start, end, "no result of a connection and no heading")


def _is_result(text: str) -> bool:
    text = text[:_MAX_LINE]
    outcome = _GOOD.search(text) or _BAD.search(text)
    return outcome is not None and _NEAR.search(text) is not None


def _result(text: str, start: int, end: int, heads: dict[str, str]) -> Event:
    head = text[:_MAX_LINE]
    failed = _BAD.search(head)
    outcome = failed or _GOOD.search(head)
    place = _ENDPOINT.search(head)
    facts = {**heads, "record": "connection", "connection": "failed" if failed else "open"}
    if outcome is not None:
        facts["result"] = outcome[0]
    if place is not None:
        pairs = (
            ("server.host", place["host"]),
            ("server.address", place["ip"]),
            ("server.port", place["port"]),
        )
        facts |= {key: value for key, value in pairs if value}
    return Event(
        start=start,
        end=end,
        kind=Kind.TOOL_OUTPUT,
        message=text,
        attributes=facts,
        service=heads.get("service"),
        host=heads.get("node") or heads.get("host") or heads.get("pod"),
        severity=Severity.ERROR if failed else Severity.INFO,
        severity_raw=outcome[0] if outcome is not None else None,
    )


FORMATS: Final[tuple[Format, ...]] = (Connectivity(),)
