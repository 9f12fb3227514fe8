"""What a tool says in place of data: it was refused, it found nothing, or what time it is.

`Error from server (BadRequest): ...` where a pod's log should be is a failure of the source, not of the
application. Nothing found is a finding. The tool that tells the time says so in a sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_REFUSED: Final = re.compile(
    r"(?:Error from server(?: \((?P<reason>\w{1,60})\))?:"
    r"|error: (?:the server|unable|a container name|timed out|no|You must)"
    r"|The connection to the server |Unable to connect to the server:|unable to retrieve container logs"
    r"|failed to try resolving symlinks|(?:ERROR|Error): (?:failed|unable|could not|cannot|timeout"
    r"|connection|query)"
    r"|(?:Command|command|Tool|tool|Query|query|Request|request)\b.{0,80}\b(?:failed|timed out)\b)",
    re.IGNORECASE,
)
_NOTHING: Final = re.compile(
    r"[(\[]?(?:there (?:are|were) )?no (?:[\w'/-]{1,40} ){1,6}?"
    r"(?:found|matched|available|returned|match|exist|present|recorded|detected|reported)\b.{0,400}"
    r"|\(no [\w' -]{1,80}\)|[(\[]?(?:none|empty|no results?|no data|no matches|nothing found)[)\].]?"
    r"|0 (?:results|rows|matches|events|lines)\b.{0,100}",
    re.IGNORECASE,
)
_NOW: Final = re.compile(
    r"The current (?:UTC )?(?:date and time|time|date) (?:is|are|in UTC is)(?: now)?:? (?P<time>\S.{0,100})",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[T ,]{1,3}(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
    r"\s?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?"
)
_MOST: Final = 8
"""A message in place of data is short."""


class ToolMessage(Format):
    """The parser of what tools say in place of data."""

    id = "tool_message"
    aliases = ("collector_message", "api_server_error", "current_time")
    title = "What a tool says in place of data (refusals, nothing found, the current time)"
    spec = "own shape: sentences of kubectl, collectors and query tools"
    kinds = (Kind.TOOL_OUTPUT,)
    generality = 4

    def score(self, sample: Sample) -> float:
        """Recognise a short text that begins with such a sentence."""
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        if not texts or len(texts) > _MOST or sample.truncated:
            return 0.0
        good = sum(_known(text) for text in texts)
        if good == len(texts):
            return 0.88
        return 0.5 if _known(texts[0]) else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line into a row."""
        for start, end in lines(data):
            rows.event(_event(text_of(data, start, end, rows), start, end, rows))


def _known(text: str) -> bool:
    return bool(_REFUSED.match(text) or _NOTHING.fullmatch(text) or _NOW.match(text))


def refusal(text: str) -> re.Match[str] | None:
    """Tell whether a text is a tool's refusal."""
    return _REFUSED.match(text)


def _event(text: str, start: int, end: int, rows: Rows) -> Event:
    refused, now = _REFUSED.match(text), _NOW.match(text)
    found = Event(start, end, Kind.TOOL_OUTPUT, text, {"record": "message"}, severity=Severity.INFO)
    if refused is not None:
        facts = {"record": "refusal", "tool.failed": "true"}
        if refused["reason"]:
            facts["reason"] = refused["reason"]
        return found._replace(attributes=facts, severity=Severity.ERROR, severity_raw="Error")
    if now is not None:
        match = _TIME.search(now["time"])
        zone = "Z" if match is None or match["zone"] in (None, "UTC", "Z") else match["zone"]
        if match is not None and match["zone"] is None and "utc" not in text.lower():
            zone = ""
        stamp = (
            parse_time(f"{match['date']}T{match['clock']}{zone}", rows.zone) if match is not None else UNKNOWN
        )
        raw = match[0].strip() if match is not None else None
        return found._replace(
            attributes={"record": "current time", "time.kind": "observed"}, stamp=stamp._replace(raw=raw)
        )
    return found._replace(attributes={"record": "nothing found"}) if _NOTHING.fullmatch(text) else found


FORMATS: Final[tuple[Format, ...]] = (ToolMessage(),)
