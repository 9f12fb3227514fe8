"""`systemctl status`, of one unit or of many units on many nodes, with the tail of the journal.

A block begins with `Service:` or `Node:` of a collector or with the unit's dot; it is one row, at the time
since when the unit is as it is. Lines of the journal are logs of their own; they name no year and no zone.
CST and IST mean several zones and are refused unless a zone is given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.clock import TIME_OF_DAY
from incident_pipeline.parsers.envelope import wrapped
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_UNIT: Final = re.compile(
    r"(?:Status:\s{0,8})?[●○\u00d7↻*x]\s(?P<unit>[\w@.\\:-]{1,200})(?:\s-\s(?P<description>.{0,500}))?$"
)
_HEAD: Final = re.compile(r"(?P<key>Service|Node|Host|Unit):\s{1,20}(?P<value>\S.{0,300})$")
_FIELD: Final = re.compile(
    r"(?P<key>Loaded|Active|Docs|Main PID|Process|Tasks|Memory|CPU|CGroup|Status|TriggeredBy|Drop-In|IO|IP"
    r"|Invocation|Since):\s{1,20}(?P<value>\S.{0,4000})"
)
_ACTIVE: Final = re.compile(
    r"(?P<state>[a-z-]{1,40})(?: \((?P<sub>[\w: -]{1,80})\))?(?: \(Result: (?P<result>[\w-]{1,60})\))?"
)
_SINCE: Final = re.compile(
    rf"since (?P<raw>(?:[A-Z][a-z]{{2}} )?(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) {TIME_OF_DAY}"
    r"(?: (?P<offset>[+-]\d\d(?::?\d\d)?|[A-Z]{2,5}))?)",
    re.ASCII,
)
_JOURNAL: Final = re.compile(
    rf"(?P<raw>(?P<mon>[A-Z][a-z]{{2}}) {{1,2}}(?P<day>\d{{1,2}}) {TIME_OF_DAY}) (?P<host>[\w.-]{{1,200}}) "
    r"(?P<tag>[^\s\[\]:]{1,100})(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_WEIGHTS: Final = {
    "active": Severity.INFO, "reloading": Severity.INFO, "inactive": Severity.WARN, "failed": Severity.ERROR,
    "activating": Severity.WARN, "deactivating": Severity.WARN,
}  # fmt: skip


class Piece(NamedTuple):
    """A line of a block."""

    start: int
    end: int
    text: str


class SystemctlStatus(Format):
    """The parser of `systemctl status`."""

    id = "systemctl_status"
    aliases = ("systemd_status", "systemctl")
    title = "systemctl status, of one or many nodes"
    spec = "https://www.freedesktop.org/software/systemd/man/latest/systemctl.html"
    kinds = (Kind.OBJECT_STATE, Kind.LOG)

    def score(self, sample: Sample) -> float:
        """Recognise a unit's dot with what it is loaded from and whether it is active."""
        texts = [line.decode("utf-8", "replace").strip() for line in sample.lines]
        dots = any(_UNIT.match(text) for text in texts)
        fields = {match["key"] for text in texts if (match := _FIELD.match(text)) is not None}
        return (
            0.95
            if dots and {"Loaded", "Active"} <= fields
            else 0.85
            if {"Loaded", "Active"} <= fields
            else 0.0
        )

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every block and every line of a journal."""
        block: list[Piece] = []
        for start, end in lines(data):
            piece = Piece(start, end, text_of(data, start, end, rows))
            entry = _JOURNAL.match(piece.text)
            if _begins(piece.text, block):
                _take(block, rows)
                block = []
            if entry is not None:
                _take(block, rows)
                block = []
                _log(entry, piece, rows)
                continue
            block.append(piece)
        _take(block, rows)


def _begins(text: str, block: list[Piece]) -> bool:
    """Tell whether a line begins a block: a collector's heading after a unit, or a unit after a unit."""
    if not block:
        return False
    has_unit = any(_UNIT.match(piece.text) or _FIELD.match(piece.text) for piece in block)
    return has_unit and (_HEAD.match(text) is not None or _UNIT.match(text) is not None)


def _take(block: list[Piece], rows: Rows) -> None:
    """Hand over a block; without a unit or a state it is none, which goes to quarantine."""
    if not block:
        return
    facts: dict[str, str] = {}
    rest: list[str] = []
    for piece in block:
        head, unit, field = _HEAD.match(piece.text), _UNIT.match(piece.text), _FIELD.match(piece.text)
        if unit is not None:
            facts |= {key: value for key, value in unit.groupdict().items() if value}
        elif head is not None:
            facts[head["key"].lower()] = head["value"]
        elif field is not None:
            facts[field["key"].lower().replace(" ", "_")] = field["value"]
        else:
            rest.append(piece.text)
    if not facts:
        for piece in block:
            rows.reject(piece.start, piece.end, "no unit and no state of one")
        return
    if rest:
        facts["rest"] = "\n".join(rest)
    active = _ACTIVE.match(facts.get("active", ""))
    since = _SINCE.search(facts.get("active", ""))
    stamp = rows.clock.stamp(since, since["raw"]) if since is not None else UNKNOWN
    unit_name = facts.get("unit") or facts.get("service")
    state = active["state"] if active is not None else None
    node = facts.get("node") or facts.get("host")
    said = f"{unit_name or 'unit'}{f' on {node}' if node else ''}: {facts.get('active') or 'no state'}"
    rows.event(
        Event(
            start=block[0].start,
            end=block[-1].end,
            kind=Kind.OBJECT_STATE,
            message=said,
            attributes={**facts, "record": "unit"},
            stamp=stamp,
            service=(unit_name or "").removesuffix(".service") or None,
            host=node,
            severity=_WEIGHTS.get(state or ""),
            severity_raw=state,
        )
    )


def _log(match: re.Match[str], piece: Piece, rows: Rows) -> None:
    facts = {"process.pid": match["pid"]} if match["pid"] else {}
    stamp = rows.clock.stamp(match, match["raw"])
    event = wrapped(
        rows, piece.start, piece.end, match["message"], stamp, facts, service=match["tag"], host=match["host"]
    )
    rows.event(event)


FORMATS: Final[tuple[Format, ...]] = (SystemctlStatus(),)
