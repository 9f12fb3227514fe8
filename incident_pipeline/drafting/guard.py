"""The claim guard: what may stand in a postmortem.

A statement is refused when a citation does not resolve to its bytes, when it has none, when it states a
number, time or quotation that neither a cited excerpt nor a derived value holds, or when it names a
component that is not in the evidence. The deterministic drafter and an assistant pass the same guard;
refused text goes to the audit trail only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import NS, clock, day, instant_ns, plain
from incident_pipeline.errors import IncidentPipelineError
from incident_pipeline.model.draft import DraftAction, DraftSentence, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Citation, Derived

_QUOTE = re.compile(r"“([^”]*)”")
_CLOCK = re.compile(r"\b(\d{2}:\d{2}:\d{2})(?:\.\d+)?\b")
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
_COMPOUND = re.compile(r"\b(?:(\d+) h )?(?:(\d+) min)(?: (\d+) s)?\b|\b(\d+) h\b")
_NUMBER = re.compile(r"(?<![\w.,:/#-])(-?\d+(?:[.,]\d{3})*(?:\.\d+)?(?:e-?\d+)?)(?![\w:/]|\.\d)( ?%)?")
_ANY_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_HEX_ID = re.compile(r"\b(?=[0-9]*[a-fA-F])[0-9a-fA-F]{16,}\b", re.ASCII)
_NAMED = re.compile(
    r"\b([A-Za-z][\w.-]*) (?:service|component|workload|deployment|pod|host|database|cluster)\b"
    r"|\bteam:([\w.-]+)"
)
_ORDINARY: Final = frozenset(
    ["a", "affected", "an", "and", "another", "any", "backing", "called", "calling", "each", "every",
     "external", "failing", "first", "following", "for", "in", "internal", "its", "leading", "named", "no",
     "of", "one", "or", "other", "per", "production", "remote", "same", "second", "shared", "single", "that",
     "the", "their", "this", "to", "upstream", "downstream", "which", "whole"]
)  # fmt: skip
"""Words before "service" and the like that are no names."""
_SCALE = re.compile(r"\bof 100\b")
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_ROUNDING: Final = 1e-9
_EPOCHS: Final = ((19, 1), (16, 1_000), (13, 1_000_000), (10, NS))
"""Digits of an epoch number and how many nanoseconds one unit has."""


@dataclass(frozen=True)
class Support:
    """All that a statement may state: the text of its citations and its derived values."""

    texts: tuple[str, ...]

    @cached_property
    def flat(self) -> str:
        """The supporting text on one line, also with JSON escapes undone."""
        return "\n".join(
            dict.fromkeys(form for text in self.texts for form in (plain(text), plain(_unescape(text))))
        )

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """Every number in the supporting text; the digits within ids and digests are none."""
        plain_texts = (_HEX_ID.sub(" ", text) for text in self.texts)
        return tuple(float(match[0]) for text in plain_texts for match in _ANY_NUMBER.finditer(text))

    @cached_property
    def moments(self) -> frozenset[str]:
        """Clock times and days that the supporting text holds, in UTC."""
        found: set[str] = set()
        for text in self.texts:
            found.update(_CLOCK.findall(text))
            found.update(_DAY.findall(text))
            instants = [
                instant_ns(match[0]) for match in re.finditer(r"\d{4}-\d{2}-\d{2}[^,;\"]{0,40}", text)
            ]
            instants += [_epoch(match[0]) for match in re.finditer(r"\d{10,19}(?:\.\d+)?", text)]
            for instant in instants:
                if instant is not None:
                    found.update((clock(instant), day(instant)))
        return frozenset(found)

    def holds_number(self, text: str, *, share: bool) -> bool:
        """Say whether a number is there, up to the rounding that its digits show."""
        cleaned = text.replace(",", "")
        value = float(cleaned)
        decimals = len(cleaned.partition(".")[2]) if "e" not in cleaned else 0
        slack = 0.5 * 10**-decimals + _ROUNDING
        if "e" in cleaned or abs(value) >= 1000:  # noqa: PLR2004 - written with three digits
            slack = max(slack, abs(value) * 0.005)
        return any(
            abs(abs(value) - abs(candidate)) <= slack or (share and abs(value - 100 * candidate) <= slack)
            for candidate in self.numbers
        )

    def holds_duration(self, seconds: int, slack: float) -> bool:
        """Say whether a duration in seconds is there."""
        return any(abs(seconds - abs(candidate)) <= slack for candidate in self.numbers)


class ClaimGuard:
    """Accepts or refuses statements against the evidence of one incident."""

    def __init__(self, inputs: DraftInputs) -> None:
        """Guard statements about this incident."""
        self._inputs = inputs

    @cached_property
    def known_components(self) -> frozenset[str]:
        """Names that stand in the evidence as components."""
        inputs = self._inputs
        names: set[str] = {ranked.component for ranked in inputs.diagnosis.ranking}
        names.update(inputs.evidence.services)
        for caller, callees in inputs.diagnosis.graph.items():
            names.update((caller, *callees))
        for table in (inputs.tables.events, inputs.tables.series):
            names.update(name for name in table.column("service").unique().to_pylist() if name)
        names.update(hypothesis.component for hypothesis in inputs.hypotheses.hypotheses)
        if inputs.facts.front_door is not None:
            names.add(inputs.facts.front_door.component)
        return frozenset(names)

    def refusal(self, statement: DraftSentence | DraftAction) -> str | None:
        """Give the reason to refuse a statement, or None when it may stand."""
        text = (
            statement.text
            if isinstance(statement, DraftSentence)
            else f"{statement.owner}: {statement.action}"
        )
        if plain(text) != text:
            return "the text holds control or direction characters"
        if not statement.citations:
            return "no citation"
        return (
            self._unresolved(statement.citations, statement.derived_from)
            or self._unsupported(text, self._support(statement.citations, statement.derived_from))
            or self._unknown(text, statement.components, statement.citations)
        )

    def sift(
        self, statements: Iterable[DraftSentence], actions: Iterable[DraftAction]
    ) -> tuple[tuple[DraftSentence, ...], tuple[DraftAction, ...], tuple[Refusal, ...]]:
        """Split statements into those that may stand and the refused ones with their reasons."""
        sentences: list[DraftSentence] = []
        kept: list[DraftAction] = []
        refused: list[Refusal] = []
        for sentence in statements:
            reason = self.refusal(sentence)
            if reason is None:
                sentences.append(sentence)
            else:
                refused.append(Refusal(section=sentence.section, text=sentence.text, reason=reason))
        for action in actions:
            reason = self.refusal(action)
            if reason is None:
                kept.append(action)
            else:
                refused.append(Refusal(section="action_items", text=action.action, reason=reason))
        return tuple(sentences), tuple(kept), tuple(refused)

    def resolves(self, citation: Citation) -> bool:
        """Say whether a citation's excerpt equals the bytes it names."""
        try:
            artifact = self._inputs.reader.artifact(citation.sha256)
            data = self._inputs.reader.decoded(citation.sha256)
        except (KeyError, IncidentPipelineError):
            return False
        known = citation.uri in (artifact.uri, *artifact.also_known_as)
        inside = 0 <= citation.byte_start < citation.byte_end <= len(data)
        return known and inside and data[citation.byte_start : citation.byte_end] == citation.excerpt.encode()

    def value(self, derived: Derived) -> object:
        """Give the value that a derived place names.

        Raises:
            KeyError: there is no such file, digest or place.
        """
        if self._inputs.digests.get(derived.file) != derived.sha256:
            raise KeyError(derived.file)
        value = self._inputs.values[derived.file]
        for token in derived.json_pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise KeyError(derived.json_pointer)
        return value

    def _unresolved(self, citations: tuple[Citation, ...], derived: tuple[Derived, ...]) -> str | None:
        for citation in citations:
            if not self.resolves(citation):
                place = f"{citation.uri} bytes {citation.byte_start}-{citation.byte_end}"
                return f"the excerpt is not what stands at {place}"
        for item in derived:
            try:
                self.value(item)
            except KeyError:
                return f"nothing at {item.file}#{item.json_pointer}"
        return None

    def _support(self, citations: tuple[Citation, ...], derived: tuple[Derived, ...]) -> Support:
        texts = [form for citation in citations for form in (citation.excerpt, citation.uri)]
        # A quotation with tokens in it stands in no excerpt, for those keep off redacted bytes.
        texts.extend(filter(None, map(self._inputs.reader.redacted_record, citations)))
        texts.extend(_as_text(self.value(item)) for item in derived)
        return Support(tuple(texts))

    def _unsupported(self, text: str, support: Support) -> str | None:
        for quote in _QUOTE.findall(text):
            body = quote.removesuffix("…").strip()
            if (
                body
                and body not in support.flat
                and body not in support.flat.replace("“", '"').replace("”", '"')
            ):
                return f"the quotation {quote[:60]!r} is in no cited excerpt"
        rest = _SCALE.sub(" ", _QUOTE.sub(" ", text))
        for pattern in (_CLOCK, _DAY):
            for moment in pattern.findall(rest):
                if moment not in support.moments:
                    return f"the time {moment} is in no cited excerpt and no derived value"
            rest = pattern.sub(" ", rest)
        for match in _COMPOUND.finditer(rest):
            hours, minutes, seconds = (int(match[group] or 0) for group in (1, 2, 3))
            total = (hours + int(match[4] or 0)) * 3600 + minutes * 60 + seconds
            if not support.holds_duration(total, 60 if match[1] or match[4] else 1):
                return f"the duration {match[0]!r} is in no cited excerpt and no derived value"
        rest = _COMPOUND.sub(" ", rest)
        for number, share in _NUMBER.findall(rest):
            if not support.holds_number(number, share=bool(share)):
                return f"the number {number} is in no cited excerpt and no derived value"
        return None

    def _unknown(self, text: str, components: tuple[str, ...], citations: tuple[Citation, ...]) -> str | None:
        named = list(components)
        for match in _NAMED.finditer(_QUOTE.sub(" ", text)):
            name = match[1] or match[2]
            if name.lower() not in _ORDINARY:
                named.append(name)
        excerpts = "\n".join(citation.excerpt for citation in citations)
        for name in named:
            if name not in self.known_components and not re.search(
                rf"(?<!\w){re.escape(name)}(?!\w)", excerpts
            ):
                return f"the component {name!r} is not in the evidence"
        return None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _unescape(text: str) -> str:
    """Undo JSON string escapes in a fragment that need not be a whole string."""

    def one(match: re.Match[str]) -> str:
        try:
            return str(json.loads(f'"{match[0]}"'))
        except ValueError:
            return match[0]

    return _ESCAPE.sub(one, text)


def _epoch(text: str) -> int | None:
    whole, _, fraction = text.partition(".")
    for digits, unit in _EPOCHS:
        if len(whole) == digits:
            return int(whole) * unit + (int(fraction[:9].ljust(9, "0")) if fraction and unit == NS else 0)
    return None
