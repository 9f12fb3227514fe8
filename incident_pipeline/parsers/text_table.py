"""Tables as command line tools print them: a line of headings, then cells below them, padded with spaces.

Go's tabwriter puts at least two spaces (kubectl three) between columns and begins every cell below its
heading. Tables that were filtered or pasted keep one of the two, so both are tried.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_CELL: Final = re.compile(r"\S+(?: \S+)*")
_GAP: Final = re.compile(r"\t+| {2,}\t*")
_WORD: Final = re.compile(r"[^\s(]\S*(?: \([^()]{1,80}\))?|\([^()]{1,80}\)|\S+")
_HEADING: Final = re.compile(r"[A-Z%][A-Z0-9%()./:_-]*(?:\([a-z]{1,20}\))?")
_NAMES: Final = frozenset([
    "NAME", "NAMESPACE", "POD", "KIND", "AGE", "STATUS", "READY", "NODE", "TYPE", "REASON", "OBJECT",
    "MESSAGE", "RESTARTS", "DATA", "ENDPOINTS", "CPU", "MEMORY", "CPU(cores)", "MEMORY(bytes)", "ROLES",
    "VERSION", "CAPACITY", "VOLUME", "PROVISIONER", "COMPLETIONS", "SCHEDULE", "LASTSEEN", "SECRETS",
    "REVISION", "CONTAINER", "HOSTS", "CLASS", "REFERENCE", "DESIRED", "AVAILABLE", "IMAGE", "PHASE",
    "LABELS", "RESTART",
])  # fmt: skip
_LEAST: Final = 2
_MAX_LINE: Final = 20_000


class Column(NamedTuple):
    """A heading and where it begins in the line."""

    name: str
    start: int


def header_of(line: str) -> tuple[Column, ...] | None:
    """Read a line of headings; None when it is none."""
    if len(line) > _MAX_LINE or not line.isascii():
        return None
    cells = [Column(match[0], match.start()) for match in _CELL.finditer(line)]
    words = line.split()
    if len(words) < _LEAST or not all(_HEADING.fullmatch(word) for word in words):
        return None
    if sum(word in _NAMES for word in words) < _LEAST:
        return None
    if len(cells) == 1:  # one space between headings
        cells = _joined([Column(match[0], match.start()) for match in re.finditer(r"\S+", line)])
    return tuple(cells)


def cells_of(line: str, columns: tuple[Column, ...]) -> dict[str, str] | None:
    """Give the cells of a row by their headings; None when the line is no row of this table."""
    line = line[:_MAX_LINE]
    names = [column.name for column in columns]
    ways = (_CELL.findall(line), _GAP.split(line.strip(), maxsplit=len(names) - 1), _WORD.findall(line))
    exact = next((cells for cells in ways if len(cells) == len(names)), None)
    if exact is not None:
        return dict(zip(names, exact, strict=True))
    below = _below(line, columns)
    if below is not None:
        return below
    cells = ways[0]
    if _LEAST <= len(cells) < len(names):  # cut off, or with cells that were left empty
        return dict(zip(names, cells, strict=False)) if len(cells) * 2 >= len(names) else None
    head = line.split(None, len(names) - 1)
    if len(head) == len(names) and len(cells) < len(names):  # the last column holds text
        return dict(zip(names, head, strict=True))
    return None


def _below(line: str, columns: tuple[Column, ...]) -> dict[str, str] | None:
    """Cut a row where the headings begin; None when a cell stands across a border."""
    cells: dict[str, str] = {}
    for index, column in enumerate(columns):
        if 0 < column.start <= len(line) and not line[column.start - 1].isspace():
            return None
        stop = columns[index + 1].start if index + 1 < len(columns) else len(line)
        value = line[column.start : stop].strip()
        if value:
            cells[column.name] = value
    return cells if len(cells) >= _LEAST else None


_PAIRS: Final = (
    ("LAST", "SEEN"), ("FIRST", "SEEN"), ("NOMINATED", "NODE"), ("READINESS", "GATES"), ("ACCESS", "MODES"),
    ("RECLAIM", "POLICY"), ("NODE", "SELECTOR"), ("LAST", "SCHEDULE"), ("CREATED", "AT"), ("OS-IMAGE", ""),
)  # fmt: skip


def _joined(words: list[Column]) -> list[Column]:
    """Put headings of two words together again where a line has single spaces."""
    found: list[Column] = []
    for word in words:
        if found and (found[-1].name, word.name) in _PAIRS:
            found[-1] = Column(f"{found[-1].name} {word.name}", found[-1].start)
        else:
            found.append(word)
    return found
