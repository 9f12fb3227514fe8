"""Service maps as text: a service, who calls it, and the tree of what it calls.

`[Service]: x`, `[Upstream (Called By)]: a, b`, `[Downstream (Calls)]:` with a tree below; every call is a
row of the caller and the callee, as in the map's JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_HEAD: Final = re.compile(
    r"\s{0,40}\[(?P<key>Service|Upstream|Downstream|Callers?|Calls|Dependencies|Dependents)"
    r"(?: \([^()\]]{1,60}\))?\]:"
    r"[ \t]{0,20}(?P<value>.{0,20000})"
)
_BRANCH: Final = re.compile(r"(?P<branch>[\s│|]{0,400}(?:[├└|`+][─-]{1,3}|[-*>])\s?)(?P<name>\S.{0,500})")
_NOTE: Final = re.compile(r"(?P<name>[^\s(\[]\S{0,250}?)(?:\s{1,10}(?P<note>[(\[].{0,500}))?$")
_NOTHING: Final = ("none", "(none)", "n/a", "-", "[]", "null")
_CALLERS: Final = ("Upstream", "Caller", "Callers", "Dependents")


class ServiceMapText(Format):
    """The parser of service maps as text."""

    id = "service_map_text"
    aliases = ("topology_text", "service_dependencies")
    title = "Service map as text"
    spec = "own shape: a service, its callers, and a tree of what it calls"
    kinds = (Kind.OBJECT_STATE,)

    def score(self, sample: Sample) -> float:
        """Recognise the heading of a service beside one of callers or calls."""
        found = {
            match["key"]
            for line in sample.lines
            if (match := _HEAD.match(line.decode("utf-8", "replace"))) is not None
        }
        return 0.96 if "Service" in found and len(found) > 1 else 0.6 if found else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every heading and every branch."""
        service: str | None = None
        section = ""
        branches: list[tuple[int, str]] = []
        for start, end in lines(data):
            begin = data.rfind(b"\n", 0, start) + 1
            text = data[begin:start].decode("utf-8", "replace") + text_of(data, start, end, rows)
            head, branch = _HEAD.match(text), _BRANCH.match(text)
            if head is not None:
                section, branches = head["key"], []
                if section == "Service":
                    service = head["value"].strip() or None
                facts = {"record": "service map", "section": section.lower()}
                if section == "Service" or not _names(head["value"]) or service is None:
                    rows.event(
                        _row(
                            start,
                            end,
                            text.strip(),
                            {**facts, **({"service": service} if service else {})},
                            service,
                        )
                    )
                    continue
                for name, note in _names(head["value"]):
                    rows.event(_edge(service, name, start, end, note=note, up=section in _CALLERS))
            elif branch is not None and service is not None:
                depth = len(branch["branch"])
                while branches and branches[-1][0] >= depth:
                    branches.pop()
                above = branches[-1][1] if branches else service
                name, note = _name(branch["name"])
                branches.append((depth, name))
                rows.event(_edge(above, name, start, end, note=note, up=section in _CALLERS))
            elif service is not None and section and _names(text):
                for name, note in _names(text):
                    rows.event(_edge(service, name, start, end, note=note, up=section in _CALLERS))
            else:
                rows.reject(start, end, "no heading and no branch of a service map")


def _names(text: str) -> list[tuple[str, str | None]]:
    """Give the names of a list in a line, with what is noted of each."""
    found = [part.strip() for part in text.split(",")]
    return [_name(part) for part in found if part and part.lower() not in _NOTHING]


def _name(text: str) -> tuple[str, str | None]:
    match = _NOTE.match(text.strip())
    return (match["name"], match["note"]) if match is not None else (text.strip(), None)


def _edge(service: str, other: str, start: int, end: int, *, note: str | None, up: bool) -> Event:
    caller, callee = (other, service) if up else (service, other)
    facts = {"caller": caller, "callee": callee, "record": "call", **({"note": note} if note else {})}
    return _row(start, end, f"{caller} -> {callee}", facts, None)


def _row(start: int, end: int, message: str, facts: dict[str, str], service: str | None) -> Event:
    return Event(start, end, Kind.OBJECT_STATE, message, facts, service=service)


FORMATS: Final[tuple[Format, ...]] = (ServiceMapText(),)
