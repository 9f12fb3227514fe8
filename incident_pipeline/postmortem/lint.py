"""The blameless and hindsight linter: wording that puts fault on people, or knows better afterwards.

It looks at our own sentences, never at quoted evidence: what people wrote in chat stands as they wrote
it. Rules follow common postmortem practice (Allspaw on blameless postmortems; Dekker on counterfactuals
and on "human error"; contributing factors instead of one root cause).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

RuleName = Literal["person-as-fault", "should-have", "human-error", "counterfactual", "single-root-cause"]

_QUOTED: Final = re.compile(r"“[^”]*”")
_FAULT: Final = (
    r"(?:caused|broke|forgot|failed to|neglected|ignored|missed|overlooked|mishandled|misconfigured|"
    r"crashed|took down|screwed up|was (?:at fault|careless|responsible|to blame)|is (?:at fault|to blame))"
)
_PERSON: Final = (
    r"(?:[Tt]he |[Aa]n? |[Oo]ur )?(?:on-call|operator|engineer|developer|responder|admin(?:istrator)?|"
    r"reviewer|team|colleague|employee|intern|contractor|user|he|she|they|somebody|someone)s?"
)


class _Rule(NamedTuple):
    name: RuleName
    pattern: re.Pattern[str]
    advice: str


def _rule(name: RuleName, advice: str, *patterns: str) -> _Rule:
    return _Rule(name, re.compile("|".join(patterns), re.IGNORECASE), advice)


_RULES: Final = (
    _Rule(
        "person-as-fault",
        re.compile(rf"\b{_PERSON} {_FAULT}\b"),
        "Make the system the subject: say what it allowed or did.",
    ),
    _rule(
        "person-as-fault",
        "Name the condition that made the outcome likely.",
        r"\b(?:fault|mistake|negligence|carelessness) (?:of|by)\b",
        r"\bblame[ds]?\b",
    ),
    _rule(
        "should-have",
        "Say what was known and done at that time.",
        r"\b(?:should|ought to|must|needed to)(?: not|n't)? have\b",
    ),
    _rule(
        "human-error",
        "Go on asking: what made the action sensible when it was taken?",
        r"\b(?:human|operator|user|pilot) errors?\b",
        r"\bfat[- ]finger",
    ),
    _rule(
        "counterfactual",
        "Tell what happened; put what to change into an action item.",
        r"\b(?:could|would)(?: not|n't)? have \w+",
        r"\bif only\b",
        r"\bhad \w+ (?:been |not |\w+ed )[^.]*\bwould\b",
    ),
    _rule(
        "single-root-cause",
        "Speak of contributing factors and of what the checks support.",
        r"\bthe (?:single |one |only |true |real )?root cause (?:is|was)\b",
        r"\bthe (?:single|one|only|sole) cause\b",
    ),
)


@dataclass(frozen=True)
class Finding:
    """Wording to change: the rule, the words, and how to say it instead."""

    rule: RuleName
    words: str
    advice: str


def lint(text: str, people: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Find blaming or hindsight wording in a sentence; quotations are left alone.

    Args:
        text: one sentence or several.
        people: names of people in the evidence, which then count as persons too.
    """
    own = _QUOTED.sub("“”", text)
    found = [
        Finding(rule.name, match[0], rule.advice) for rule in _RULES for match in rule.pattern.finditer(own)
    ]
    for name in people:
        pattern = re.compile(rf"(?<!\w){re.escape(name)} {_FAULT}\b")
        found += [Finding("person-as-fault", match[0], _RULES[0].advice) for match in pattern.finditer(own)]
    return tuple(dict.fromkeys(found))
