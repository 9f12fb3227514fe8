"""A small grammar of what people say they did, or saw, in the middle of an incident.

Three kinds of statement are facts that other evidence can speak to: an act that is done or under way
("rolled back api"), a state ("checkout is down", "5xx climbing"), a measured value ("error rate is 12 %").
Questions, plans, wishes, conditions, guesses, negations and quotations are none, and neither is anything
outside the grammar: a statement that is missed stays a message, one that is invented would be a lie.
Plain text in, plain values out; whether a statement is true is asked in `claims`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.timeline import claim_words as words
from incident_pipeline.timeline.claim_words import any_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Statement = Literal["act", "state", "value"]

LONGEST: Final = 4_000
"""Characters of a message that are read: what is longer is a log or a dump, not talk."""


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_LEVEL: Final = rf"\b(?P<what>{any_of(tuple(w for levels in words.LEVELS.values() for w in levels))})\b"
_IS: Final = any_of(words.IS)
_ADVERB: Final = rf"(?:{any_of(words.ADVERBS)}\s+)"
_LEADS: Final = rf"^(?:{any_of(words.LEADS)}[ ,]+)*"
_VALUE: Final = _compiled(
    rf"{_LEVEL}\s*(?:{_IS}\s|back\s|=|:)?\s*(?:{_ADVERB}|back\s+)*"
    rf"(?:(?P<above>{any_of(words.ABOVE)})|(?P<below>{any_of(words.BELOW)})|{any_of(words.ABOUT)})?\s*"
    rf"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>{any_of(words.UNITS)})?(?![\w.])"
)
_TREND: Final = _compiled(
    rf"{_LEVEL}\s*(?:{_IS}\s+)?{_ADVERB}*"
    rf"(?:(?P<up>{any_of(words.RISES)})|(?P<down>{any_of(words.FALLS)})|(?P<flat>flat|normal|fine))\b"
)
_STATE: Final = _compiled(
    rf"\b(?P<subject>[\w./-]+)(?:\s+|(?='))(?:{_IS})\s+{_ADVERB}*"
    rf"(?:(?P<bad>{any_of(words.DOWN)})|(?P<good>{any_of(words.UP)}))\b"
)
_OVER: Final = _compiled(rf"{_LEADS}{any_of(words.OVER)}\b")
_DONE: Final = tuple((act, _compiled(rf"\b{any_of(done)}\b")) for act, (done, _) in words.ACTS.items())
_DOING: Final = tuple(
    (act, _compiled(rf"{_LEADS}{any_of(doing)}\b")) for act, (_, doing) in words.ACTS.items()
)
_SUFFERED: Final = _compiled(r"\b(?:is|are|being|gets?|getting|got)\s+(?:\w+\s+)?$")
_STORE: Final = _compiled(rf"\b{any_of(words.STORES)}\b")
_SWITCH: Final = _compiled(rf"\b{any_of(words.SWITCHES)}\b")
_QUESTION: Final = _compiled(rf"^(?:(?:so|and|but|hm+|ok|okay|wait)[ ,]+)*{any_of(words.QUESTIONS)}\b")
_UNREAL: Final = _compiled(rf"(?:\b|(?=')){any_of(words.UNREAL)}\b")
_NEGATED: Final = _compiled(rf"\b{any_of(words.NEGATIONS)}\b|n't\b")
_NEW_SUBJECT: Final = _compiled(r"^(?:i|we|they|he|she|it)\b")
_QUOTED: Final = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|^[ \t]*(?:>|&gt;)[^\n]*",
    re.DOTALL | re.MULTILINE,
)
_LINK: Final = re.compile(r"<?\bhttps?://\S+")
_SENTENCE_END: Final = re.compile(
    r"(?<=[.!?;])\s+|[\n;]+|\s(?:-+>?|=>|\u2014|\u2013|\u2192)\s"
    r"|,\s+(?:but|so|and(?: then)?)\s+|\s+(?:but|because|so that|and then)\s+"
)
_CLAUSE_END: Final = re.compile(r",\s+|\s+and\s+")
_CLOCK: Final = _compiled(
    r"\b(?P<how>at|since|from|by|around)\s+~?(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d))?\s*(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b)?"
)


@dataclass(frozen=True)
class Clock:
    """A time of day in words: seconds since midnight, length in seconds, offset from UTC if it names one."""

    seconds: int
    length: int
    offset: int | None
    since: bool
    """Whether it is the begin of something that goes on."""


@dataclass(frozen=True)
class Said:
    """One statement of fact. `action` is the act, `down` or `up`, or `rising`, `falling`, `flat`, `value`."""

    kind: Statement
    action: str
    text: str
    """The words of the clause."""
    subject: str = ""
    """What a state is said of, as written."""
    under_way: bool = False
    measure: str = ""
    """What a level is of: a key of `claim_words.LEVELS`."""
    quantile: float | None = None
    """Of a latency such as `p95`."""
    operator: Literal["", ">", "<", "="] = ""
    number: float | None = None
    unit: str = ""
    clock: Clock | None = None


def read_statements(message: str) -> tuple[Said, ...]:
    """Give the statements of fact in a message, in order; at most one per clause."""
    text = message[:LONGEST].replace("\u2019", "'")
    text = _LINK.sub(" ", _QUOTED.sub(" ", text))
    found = (_read(clause) for clause, asking, unreal in _clauses(text) if not asking and not unreal)
    return tuple(said for said in found if said is not None)


def asks(message: str) -> bool:
    """Say whether any clause of a message is a question."""
    return any(asking for _, asking, _ in _clauses(_LINK.sub(" ", message[:LONGEST])))


def _is_question(clause: str) -> bool:
    return clause.rstrip().endswith("?") or _QUESTION.search(clause) is not None


def _clauses(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Give every clause, whether it asks, and whether it tells of something that is not so, or not yet."""
    for sentence in _SENTENCE_END.split(text):
        asking, unreal = sentence.rstrip().endswith("?"), False
        for part in _CLAUSE_END.split(sentence):
            clause = " ".join(part.split())
            # All of a question is a question, and a plan goes on until somebody else acts.
            unreal = (unreal and not _NEW_SUBJECT.search(clause)) or bool(_UNREAL.search(clause))
            if clause:
                yield clause, asking or _is_question(clause), unreal or bool(_NEGATED.search(clause))


def _read(clause: str) -> Said | None:
    text = clause.rstrip(" .!")
    return _value(text) or _trend(text) or _act(text) or _state(text)


def _value(text: str) -> Said | None:
    found = _VALUE.search(text)
    if found is None:
        return None
    return Said(
        "value",
        "value",
        text,
        measure=_measure(found["what"]),
        quantile=int(found["what"][1:]) / 100 if re.fullmatch(r"[pP]\d\d", found["what"]) else None,
        operator=">" if found["above"] else "<" if found["below"] else "=",
        number=float(found["number"].replace(",", ".")),
        unit=(found["unit"] or "").lower(),
        clock=_clock(text),
    )


def _trend(text: str) -> Said | None:
    found = _TREND.search(text)
    if found is None:
        return None
    action = "rising" if found["up"] else "falling" if found["down"] else "flat"
    return Said("state", action, text, measure=_measure(found["what"]), clock=_clock(text))


def _act(text: str) -> Said | None:
    for under_way, patterns in ((False, _DONE), (True, _DOING)):
        for act, pattern in patterns:
            found = pattern.search(text)
            if found is None or (act in words.SUFFERED and _SUFFERED.search(text[: found.start()])):
                continue
            if act == "purge" and not _STORE.search(text):
                continue
            # Something is switched; a flag only where one is named.
            named = "config" if act == "flag" and not _SWITCH.search(text) else act
            return Said("act", named, text, under_way=under_way, clock=_clock(text))
    return None


def _state(text: str) -> Said | None:
    found = _STATE.search(text)
    if found is not None:
        action = "down" if found["bad"] else "up"
        return Said("state", action, text, subject=found["subject"], clock=_clock(text))
    return Said("state", "up", text, clock=_clock(text)) if _OVER.search(text) else None


def _measure(written: str) -> str:
    return next(
        name for name, levels in words.LEVELS.items() if re.fullmatch(any_of(levels), written, re.IGNORECASE)
    )


def _clock(text: str) -> Clock | None:
    found = _CLOCK.search(text)
    if found is None:
        return None
    seconds = int(found["hour"]) * 3_600 + int(found["minute"]) * 60 + int(found["second"] or 0)
    zone = (found["zone"] or "").upper()
    offset = None
    if zone:
        named = zone in ("Z", "UTC", "GMT")
        offset = 0 if named else int(zone[1:3]) * 3_600 + int(zone[-2:]) * 60
        offset = -offset if zone.startswith("-") else offset
    return Clock(
        seconds,
        length=1 if found["second"] else 60,
        offset=offset,
        since=found["how"].lower() in ("since", "from"),
    )
