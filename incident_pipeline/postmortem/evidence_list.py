"""The numbered evidence of a report: every cited record once, in order of its time.

Numbers are given in time order, so that the pins in the picture count from left to right; records
without a time come last.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.drafting.columns import NO_TIME, strings, times
from incident_pipeline.drafting.wording import clock

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Citation, Ledger
    from incident_pipeline.model.postmortem import Postmortem

_QUOTE = re.compile(r"“([^”]*)”")
_MAX_MARK: Final = 160
_MIN_MARK: Final = 3


@dataclass(frozen=True)
class EvidenceItem:
    """One cited record: where it stands, when it happened, who cites it, which words carry the claim."""

    number: int
    citation: Citation
    event_id: str | None
    kind: str | None
    service: str | None
    time_ns: int | None
    clock: str
    sentences: tuple[str, ...]
    hypotheses: tuple[str, ...]
    in_summary: bool
    pieces: tuple[tuple[str, bool], ...]
    """The excerpt cut into (text, cited) pieces."""

    @property
    def id(self) -> str:
        """The id in the report: `E7`."""
        return f"E{self.number}"


def number_evidence(inputs: DraftInputs, postmortem: Postmortem, ledger: Ledger) -> tuple[EvidenceItem, ...]:
    """Number all records that the ledger cites."""
    cited_by: dict[Citation, list[str]] = {}
    quotes: dict[Citation, list[str]] = {}
    for sentence in ledger.sentences:
        for citation in sentence.citations:
            cited_by.setdefault(citation, []).append(sentence.id)
            quotes.setdefault(citation, []).extend(_QUOTE.findall(sentence.text))
    hypotheses = {hypothesis.sentence_id: hypothesis.id for hypothesis in postmortem.top_hypotheses}
    summary = {statement.id for statement in postmortem.summary_statements}
    finder = _Finder(inputs)
    found = [(citation, finder.event(citation)) for citation in cited_by]
    found.sort(
        key=lambda pair: (
            (pair[1].time_ns is None, pair[1].time_ns or 0) if pair[1] else (True, 0),
            pair[0].uri,
            pair[0].byte_start,
            pair[0].byte_end,
        )
    )
    items = []
    for number, (citation, event) in enumerate(found, 1):
        needles = [*quotes[citation], *([event.message] if event and event.message else [])]
        items.append(
            EvidenceItem(
                number=number,
                citation=citation,
                event_id=event.event_id if event else None,
                kind=event.kind if event else None,
                service=event.service if event else None,
                time_ns=event.time_ns if event else None,
                clock=clock(event.time_ns) if event and event.time_ns is not None else "",
                sentences=tuple(cited_by[citation]),
                hypotheses=tuple(hypotheses[s] for s in cited_by[citation] if s in hypotheses),
                in_summary=any(s in summary for s in cited_by[citation]),
                pieces=_pieces(citation.excerpt, needles),
            )
        )
    return tuple(items)


@dataclass(frozen=True)
class _Event:
    event_id: str
    kind: str
    service: str | None
    message: str | None
    time_ns: int | None


class _Finder:
    """Finds the event whose record a citation lies in."""

    def __init__(self, inputs: DraftInputs) -> None:
        events = inputs.tables.events
        self._events = events
        # A resolution carries the time of the first firing too; it happened at the end.
        self._resolved = {
            alert.resolved_event_id: alert.end_ns
            for alert in inputs.facts.alerts
            if alert.resolved_event_id != alert.event_id
        }
        self._artifact = strings(events, "artifact_sha256")
        self._start = times(events, "byte_start")
        self._end = times(events, "byte_end")

    def event(self, citation: Citation) -> _Event | None:
        """Give the tightest event around a citation, else the only one inside it."""
        same = self._artifact == citation.sha256
        around = same & (self._start <= citation.byte_start) & (self._end >= citation.byte_end)
        rows = np.flatnonzero(around & (self._start != NO_TIME))
        if len(rows):
            row = int(rows[np.argmin(self._end[rows] - self._start[rows])])
        else:
            inside = same & (self._start >= citation.byte_start) & (self._end <= citation.byte_end)
            rows = np.flatnonzero(inside & (self._start != NO_TIME))
            if len(rows) != 1:  # a stretch of several records is no event
                return None
            row = int(rows[0])
        record = self._events.slice(row, 1).to_pylist()[0]
        return _Event(
            event_id=record["event_id"],
            kind=record["kind"],
            service=record["service"],
            message=record["message"],
            time_ns=self._resolved.get(record["event_id"]) or record["time_ns"],
        )


def _pieces(excerpt: str, needles: list[str]) -> tuple[tuple[str, bool], ...]:
    """Cut an excerpt so that the cited words stand apart; nothing is marked when all of it is cited."""
    spans: list[tuple[int, int]] = []
    for needle in needles:
        words = needle.removesuffix("…").strip()[:_MAX_MARK]
        for form in (words, json.dumps(words, ensure_ascii=False)[1:-1]):
            at = excerpt.find(form) if len(form) >= _MIN_MARK else -1
            if at >= 0:
                spans.append((at, at + len(form)))
                break
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    if merged == [(0, len(excerpt))]:
        return ((excerpt, False),)
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in merged:
        pieces += [(excerpt[at:start], False), (excerpt[start:end], True)]
        at = end
    pieces.append((excerpt[at:], False))
    return tuple(piece for piece in pieces if piece[0])
