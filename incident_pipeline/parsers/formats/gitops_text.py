"""GitOps as text: what `argocd app` and Flux print about applications, operations, history and diffs.

An operation and a row of the history have times, written as Go prints them (`2026-01-02 10:00:00 +0000
UTC`). Applications, resources and diffs have none. The lines of one thing are one row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_FIELD: Final = re.compile(r"([A-Z][A-Za-z ]{1,30}):[ \t]{1,30}(\S.{0,4000})")
_TIME_TEXT: Final = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[ ]?(?:[+-]\d{4}|[+-]\d\d:\d\d|Z))?"
_TIME: Final = re.compile(_TIME_TEXT)
_APP: Final = re.compile(r"Name:[ \t]+(\S+)")
_OPERATION: Final = re.compile(r"Operation:[ \t]+(\S+)")
_HISTORY: Final = re.compile(
    rf"(?P<id>\d{{1,9}})[ \t]{{2,40}}(?P<time>{_TIME_TEXT})(?:[ ][A-Z]{{3,4}})?"
    r"[ \t]{1,40}(?P<change__commit>\S.{0,400})"
)
_DIFF: Final = re.compile(
    r"=====[ ](?P<group>[^\s/]{0,100})/(?P<kind>[A-Za-z]{1,60})[ ](?P<name>\S{1,300})[ ]======$"
)
_FLUX: Final = re.compile(
    r"flux[ ](?P<kind>[A-Za-z]{1,60})/(?P<name>\S{1,300})[ \t]{1,8}"
    r"(?P<before>[^\s.]{1,200})\.\.(?P<change__commit>\S{1,200})"
    r"(?:[ \t]{1,8}\(reconciled[ ](?P<time>[^()\n]{1,60})\))?$"
)
_READY: Final = re.compile(
    r"[├└│─ \t]{0,40}(?P<kind>[A-Z][A-Za-z]{1,60})[ ](?P<name>[^\s/]{1,200}/\S{1,200})[ ]"
    r"\(Ready=(?P<status>\w{1,10})\)"
)
_MARKS: Final = {
    "diff": _DIFF, "flux_change": _FLUX, "source": _READY, "operation": _OPERATION, "application": _APP,
}  # fmt: skip
"""What a line begins, and the form by which it is known."""
_TABLES: Final = {
    ("NAME", "CLUSTER", "NAMESPACE"): "application",
    ("GROUP", "KIND", "NAMESPACE"): "resource",
    ("ID", "DATE", "REVISION"): "history",
}
_PRINTED_BY_ARGO: Final = ("REPO", "SYNCPOLICY", "REVISION", "HOOK")
_COLUMN: Final = re.compile(r"\S+")
_APP_FIELDS: Final = ("Sync Status", "Health Status")
_CHANGES: Final = ("operation", "history", "diff", "flux_change")


class Piece(NamedTuple):
    """What a row is made of: its lines, and what they are."""

    start: int
    end: int
    what: str
    columns: tuple[tuple[str, int], ...] = ()


class GitOpsText(Format):
    """The parser of what `argocd app get|list|history|diff` and Flux print."""

    id = "gitops_text"
    aliases = ("argocd_text", "flux_text")
    title = "argocd app get, list, history and diff; Flux changes and trees, as printed"
    spec = "https://argo-cd.readthedocs.io/en/stable/user-guide/commands/argocd_app/"
    kinds = (Kind.CHANGE, Kind.OBJECT_STATE)

    def score(self, sample: Sample) -> float:
        """Recognise the marks that only these tools print."""
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        if not texts:
            return 0.0
        first = texts[0]
        if any(_MARKS[name].match(first) for name in ("diff", "flux_change", "source")):
            return 0.95
        if _table_of(first) is not None:
            return 0.9 if any(word in first.split() for word in _PRINTED_BY_ARGO) else 0.6
        fields = {match[1] for text in texts if (match := _FIELD.match(text)) is not None}
        return 0.95 if _APP.match(first) and all(name in fields for name in _APP_FIELDS) else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every application, operation, row of a table and diff."""
        for piece in _pieces(data):
            text = text_of(data, piece.start, piece.end, rows)
            if piece.what == "unknown":
                rows.reject(piece.start, piece.end, "text before anything that is known")
            else:
                rows.event(_event(piece, text, rows))


def _pieces(data: bytes) -> Iterator[Piece]:
    """Cut the text into its things: a line that begins one, and the lines that go on with it."""
    held: Piece | None = None
    table: tuple[str, tuple[tuple[str, int], ...]] | None = None
    last = 0
    for start, end in lines(data):
        text = data[start:end].decode("utf-8", "replace")
        heading = _table_of(text)
        mark = "table" if heading is not None else next((n for n, m in _MARKS.items() if m.match(text)), None)
        apart = data.count(b"\n", last, start) > 1
        last = end
        if heading is not None:
            table = heading, _columns(text)
        elif mark is not None or apart:
            table = None
        if held is not None and mark is None and table is None:
            held = held._replace(end=end)
            continue
        if held is not None:
            yield held
        if mark is None and table is not None:
            indent = start - (data.rfind(b"\n", 0, start) + 1)
            columns = tuple((name, max(0, at - indent)) for name, at in table[1])
            held = Piece(start, end, table[0], columns)
        else:
            held = Piece(start, end, mark or "unknown")
    if held is not None:
        yield held


def _table_of(text: str) -> str | None:
    words = text.split(None, 3)[:3]
    return _TABLES.get((words[0], words[1], words[2])) if len(words) == 3 else None  # noqa: PLR2004


def _columns(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((match[0], match.start()) for match in _COLUMN.finditer(text))


def _event(piece: Piece, text: str, rows: Rows) -> Event:
    first_line = text.partition("\n")[0]
    if piece.what in ("application", "operation") and not piece.columns:
        fields = _fields(text)
        message = _said(piece.what, fields) or first_line
    elif piece.columns and piece.what != "history":
        fields = _cells(text, piece.columns)
        message = (
            " ".join(fields[key] for key in ("kind", "name", "status", "health") if key in fields) or text
        )
    else:
        form = _HISTORY if piece.what == "history" else _MARKS.get(piece.what)
        match = form.match(first_line) if form is not None else None
        found = match.groupdict() if match is not None else {}
        fields = {key.replace("__", "."): value for key, value in found.items() if value}
        message = text
    stamp = _stamp(fields.pop("time", None) or fields.get("Start"), rows)
    ended = _stamp(fields.get("Finished"), rows).time_ns
    late = ended is not None and stamp.time_ns is not None and ended >= stamp.time_ns
    name = (fields.get("name") or fields.get("Name") or "").rpartition("/")[2]
    return Event(
        start=piece.start,
        end=piece.end,
        kind=Kind.CHANGE if piece.what in _CHANGES else Kind.OBJECT_STATE,
        message=message,
        attributes={**fields, "record": piece.what},
        stamp=stamp,
        end_ns=ended if late else None,
        service=name or None,
    )


def _fields(text: str) -> dict[str, str]:
    found = (_FIELD.match(line.strip()) for line in text.split("\n"))
    return {match[1]: match[2].strip() for match in found if match is not None}


def _said(what: str, fields: dict[str, str]) -> str:
    keys = ("Name", *_APP_FIELDS) if what == "application" else ("Operation", "Phase", "Message")
    return " ".join(fields[key] for key in keys if key in fields)


def _cells(text: str, columns: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Cut a row of a table at its columns."""
    cells = {}
    for index, (name, start) in enumerate(columns):
        stop = columns[index + 1][1] if index + 1 < len(columns) else len(text)
        value = text[start:stop].strip()
        if value:
            cells[name.lower()] = value
    return cells


def _stamp(text: str | None, rows: Rows) -> Stamp:
    match = _TIME.match(text.strip()) if text else None
    return parse_time(match[0], rows.zone) if match is not None else UNKNOWN


FORMATS: Final[tuple[Format, ...]] = (GitOpsText(),)
