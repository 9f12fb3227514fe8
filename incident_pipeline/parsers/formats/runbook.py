"""Runbooks in Markdown: every step is a row, with its section and whether it was ticked off.

Steps are items of lists (numbered, bulleted or with check boxes) at the outer level and headings such as
`Step 3`; what is indented below, and fenced commands, belong to the step. A step has a time only where it
begins with one. Prose between the steps is kept as the state of the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, leading_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_HEADING: Final = re.compile(rb"(#{1,6})[ \t]{1,8}(\S.*)")
_STEP_HEADING: Final = re.compile(
    rb"#{1,6}[ \t]{1,8}(?:\*\*)?(?:step[ \t]{0,3})?\d{1,3}[.):\s]", re.IGNORECASE
)
_ITEM: Final = re.compile(rb"(?:[-*+]|(\d{1,3})[.)])[ \t]{1,8}(?:\[([ xX])\][ \t]{1,8})?(?=\S)")
_FENCE: Final = re.compile(rb"```|~~~")
_MIN_ITEMS: Final = 2
_INDENTED: Final = 2


class MarkdownRunbook(Format):
    """The parser of runbooks in Markdown."""

    id = "runbook_markdown"
    aliases = ("runbook", "markdown")
    title = "Runbook in Markdown"
    spec = "https://spec.commonmark.org/ (headings, lists, fences); check boxes as GitHub has them"
    kinds = (Kind.RUNBOOK_STEP, Kind.OBJECT_STATE)
    generality = 7

    def score(self, sample: Sample) -> float:
        """Recognise a heading and the items of a list; anything in text that was collected as a runbook."""
        if not sample.lines or sample.records:
            return 0.0
        items = sum(_ITEM.match(line) is not None for line in sample.lines)
        headed = any(_HEADING.match(line) for line in sample.lines[:3])
        if sample.type == "runbook":
            return 0.6 if items or headed else 0.3
        return 0.4 if headed and items >= _MIN_ITEMS else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read steps into runbook steps, headings and prose into the state of the document."""
        section = ""
        for start, end, what, match in _blocks(data):
            text = text_of(data, start, end, rows)
            if what == "heading":
                section = text.lstrip("# \t").strip()
            rows.event(_event(text, start, end, what, match, section, rows))


def _event(
    text: str, start: int, end: int, what: str, match: re.Match[bytes] | None, section: str, rows: Rows
) -> Event:
    kept = {"record": what}
    if section:
        kept["section"] = section
    message = text
    if match is not None and what == "step" and match.re is _ITEM:
        message = text[len(match[0]) :]
        if match[1] is not None:
            kept["step"] = match[1].decode("ascii")
        if match[2] is not None:
            kept["done"] = "false" if match[2] == b" " else "true"
    is_step = what == "step" or (what == "heading" and match is not None)
    return Event(
        start=start,
        end=end,
        kind=Kind.RUNBOOK_STEP if is_step else Kind.OBJECT_STATE,
        message=message,
        attributes=kept,
        stamp=(leading_time(message[:64], rows.zone) if is_step else None) or UNKNOWN,
    )


def _blocks(data: bytes) -> Iterator[tuple[int, int, str, re.Match[bytes] | None]]:
    """Give headings, steps with what belongs to them, and stretches of prose."""
    start, end = -1, -1
    what = "text"
    match: re.Match[bytes] | None = None
    fence: bytes | None = None
    for line_start, line_end in lines(data):
        indent = line_start - (data.rfind(b"\n", 0, line_start) + 1)
        mark = _FENCE.match(data, line_start, line_end)
        if fence is not None:
            end = line_end
            fence = None if mark is not None and mark[0] == fence else fence
            continue
        item = _ITEM.match(data, line_start, line_end) if indent < _INDENTED else None
        heading = _HEADING.match(data, line_start, line_end) if indent < _INDENTED else None
        apart = data.count(b"\n", end, line_start) > 1 if end >= 0 else True
        belongs = start >= 0 and item is None and heading is None and (
            mark is not None or indent >= _INDENTED or (not apart and what != "heading")
        )  # fmt: skip
        if not belongs:
            if start >= 0:
                yield start, end, what, match
            start = line_start
            what = "heading" if heading is not None else "step" if item is not None else "text"
            match = item if heading is None else _STEP_HEADING.match(data, line_start, line_end)
        end = line_end
        if mark is not None:
            fence = mark[0]
    if start >= 0:
        yield start, end, what, match


FORMATS: Final[tuple[Format, ...]] = (MarkdownRunbook(),)
