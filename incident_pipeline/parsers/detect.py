"""Tell the format of an artifact from the structure of its first 64 KiB, never from its name.

Every parser scores the sample between 0 and 1; the best wins, and the runner-up is kept in the report.
A pin (a parser's id or alias) overrides detection, a family narrows it, and an unknown name counts as
not given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.parsers.json_places import completed
from incident_pipeline.parsers.jsontext import (
    NotJsonError,
    Record,
    decode_json,
    documents,
    elements,
    is_json,
    lines,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.format import Format

SAMPLE_BYTES: Final = 65_536
MIN_SCORE: Final = 0.2
"""Below this nothing is recognised."""
_MAX_RECORDS: Final = 64
_MAX_BANNER: Final = 8
"""A tool says no more than this many lines before its answer."""
_OPENS: Final = re.compile(rb'\{\s*"|\[\s*\{')
_NOTHING: Final = (b"", b"[]", b"{}", b"null")


@dataclass(frozen=True)
class Sample:
    """The head of an artifact, and what was said of its type."""

    head: bytes
    truncated: bool
    type: str = "unknown"

    @classmethod
    def of(cls, data: bytes, artifact_type: str) -> Sample:
        """Take the first 64 KiB of a decoded stream."""
        return cls(data[:SAMPLE_BYTES], len(data) > SAMPLE_BYTES, artifact_type)

    @cached_property
    def is_binary(self) -> bool:
        """Whether it holds NUL bytes: only formats that are declared `binary` read such."""
        return b"\0" in self.head

    @cached_property
    def lines(self) -> tuple[bytes, ...]:
        """The first lines that are not blank, without one that is cut off."""
        found = [self.head[start:end] for start, end in islice(lines(self.head), _MAX_RECORDS + 1)]
        if self.truncated and len(found) > 1 and len(found) <= _MAX_RECORDS:
            found.pop()
        return tuple(found[:_MAX_RECORDS])

    @cached_property
    def records(self) -> tuple[Any, ...]:
        """The first JSON values: of lines, of a list's elements, or the document; cut-off ones left out."""
        return tuple(record.value for record in islice(self._whole_records(), _MAX_RECORDS))

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """The first JSON values, or what is whole of a document that is longer than the sample."""
        first = self.lines[0] if self.lines else b""
        if not first.startswith((b"{", b"[")):
            return self.records
        if self.records and (first.startswith(b"[") or is_json(first)):
            return self.records
        if self.records and self.is_one_document:
            return self.records
        found = completed(self.head)
        if found is None:
            return self.records
        return tuple(found[:_MAX_RECORDS]) if isinstance(found, list) else (found,)

    @cached_property
    def json_share(self) -> float:
        """Which share of the first lines (or of the list's elements) is JSON."""
        if not self.records:
            return 0.0
        if self.is_one_document:
            return 1.0
        return min(1.0, len(self.records) / max(1, len(self.lines)))

    @cached_property
    def is_one_document(self) -> bool:
        """Whether one JSON value spans the lines."""
        first = next(documents(self.head), (0, 0))
        return b"\n" in self.head[first[0] : first[1]] or len(self.lines) <= 1

    def share(self, keys: Sequence[str], *, need: int = 1) -> float:
        """Give the share of the first records that are objects with at least `need` of these keys."""
        if not self.records:
            return 0.0
        hits = [isinstance(item, dict) and sum(key in item for key in keys) >= need for item in self.records]
        return sum(hits) / len(hits) * self.json_share

    def has_member(self, name: str) -> bool:
        """Tell whether the head is of a JSON object in which a member of this name occurs."""
        if not self.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return False
        return re.search(rb'"' + name.encode() + rb'"\s*:', self.head) is not None

    def _whole_records(self) -> Any:
        for start, end in documents(self.head):
            if self.head[start : start + 1] == b"[":
                yield from (record for record in elements(self.head, start, end) if record.problem is None)
                continue
            try:
                yield Record(start, end, None, decode_json(self.head[start:end]))
            except NotJsonError:
                continue


@dataclass(frozen=True)
class Choice:
    """Which parser reads an artifact, and how sure that is."""

    parser: Format | None
    score: float
    runner_up: str | None = None
    runner_up_score: float = 0.0
    pinned: bool = False
    notes: tuple[str, ...] = field(default=())


def choose(sample: Sample, parsers: Sequence[Format], name: str | None) -> Choice:
    """Choose a parser; `name` is a parser id, an alias, a family, or a name unknown to us."""
    named = by_name(parsers, name)
    ranking = rank(sample, parsers)
    if len(named) == 1:
        score = next((score for score, parser in ranking if parser is named[0]), 0.0)
        other = next(((score, parser.id) for score, parser in ranking if parser is not named[0]), (0.0, None))
        return Choice(named[0], score, other[1], other[0], pinned=True)
    notes: tuple[str, ...] = ()
    if name and not named:
        notes = (f"the format name {name!r} is not one of ours: the format was detected",)
    candidates = [pair for pair in ranking if pair[1] in named] or ranking
    if not candidates:
        return Choice(None, 0.0, notes=notes)
    (score, parser), *rest = candidates
    if score < MIN_SCORE:
        return Choice(None, 0.0, parser.id, score, notes=notes)
    runner_up = rest[0] if rest else None
    return Choice(
        parser,
        score,
        runner_up[1].id if runner_up else None,
        runner_up[0] if runner_up else 0.0,
        notes=notes,
    )


def rank(sample: Sample, parsers: Sequence[Format]) -> list[tuple[float, Format]]:
    """Give the parsers that recognise anything with their scores, best first, equals in list order."""
    able = [parser for parser in parsers if parser.binary or not sample.is_binary]
    scores = [(round(parser.score(sample), 3), parser) for parser in able]
    return sorted([pair for pair in scores if pair[0] > 0], key=lambda pair: -pair[0])


def by_name(parsers: Sequence[Format], name: str | None) -> list[Format]:
    """Give the parsers that a name stands for: by id, by alias, else by family (the id's first word)."""
    if not name:
        return []
    wanted = name.strip().lower().replace("-", "_")
    exact = [parser for parser in parsers if wanted == parser.id or wanted in parser.aliases]
    return exact or [parser for parser in parsers if wanted == parser.id.partition("_")[0]]


def banner_of(head: bytes) -> int:
    """Give where the first JSON document begins behind a few lines that a tool wrote; 0 when there are none.

    Only a document that spans lines counts: JSON lines begin records of their own.
    """
    for number, (start, end) in enumerate(islice(lines(head), _MAX_BANNER + 1)):
        line = head[start:end]
        if line[:1] not in (b"{", b"["):
            continue
        if number == 0 or is_json(line) or not _OPENS.match(head, start):
            return 0
        return head.rfind(b"\n", 0, start) + 1
    return 0


def holds_nothing(data: bytes) -> bool:
    """Tell whether an artifact is empty or an empty JSON value: a query that found nothing."""
    return len(data) < SAMPLE_BYTES and data.removeprefix(b"\xef\xbb\xbf").strip() in _NOTHING
