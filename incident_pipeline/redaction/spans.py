"""A stretch of bytes that must not leave the evidence, and what the detectors are told.

What belongs here: the values that detectors give and take. Which bytes are found is `formats`, `keyed`,
`personal` and `encoded`; how they are put together is `scan`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast, get_args

from incident_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

RULESET: Final = "1"
"""Raised when the same bytes would be redacted otherwise."""

Addresses = Literal["public", "all", "none"]
"""IP addresses that are personal data: public ones and those that a key names as a client's; all; none."""


class Found(NamedTuple):
    """Bytes `[start, end)` of the text looked at, and what they are."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Rules:
    """What counts as personal data here, beyond what always does."""

    addresses: Addresses = "public"
    keys: tuple[str, ...] = ()
    """Further field names whose values are redacted, as `user_id`; matched without regard to case and
    to `-`, `.`, `_`, and as the last part of a longer name."""

    @classmethod
    def of(cls, addresses: str, keys: str) -> Rules:
        """Read the settings `redact_addresses` and `redact_keys`.

        Raises:
            ConfigError: they can't be meant.
        """
        if addresses not in get_args(Addresses):
            message = f"redact_addresses is {addresses!r}."
            raise ConfigError(message, advice="It is one of: public, all, none.")
        names = tuple(key.strip() for key in keys.split(",") if key.strip())
        wrong = [name for name in names if not _KEY.fullmatch(name)]
        if wrong:
            message = f"redact_keys: {', '.join(wrong)} can't be a field name."
            advice = "Give names of letters, digits, `_`, `-` and `.`, separated by commas."
            raise ConfigError(message, advice=advice)
        return cls(cast("Addresses", addresses), names)

    @cached_property
    def folded_keys(self) -> frozenset[str]:
        """The names of `keys`, folded as field names are."""
        return frozenset(fold(key.encode()) for key in self.keys if key.strip())

    def version(self) -> str:
        """Name ruleset and settings in one word: equal words, equal redaction."""
        keys = ",".join(sorted(self.folded_keys))
        return f"{RULESET}/{self.addresses}" + (f"/{keys}" if keys else "")


@dataclass(frozen=True)
class Text:
    """The bytes under examination with their lower-case form, which is made once."""

    data: bytes
    rules: Rules = field(default_factory=Rules)

    @cached_property
    def lower(self) -> bytes:
        """The text in lower-case ASCII, of the same length."""
        return self.data.lower()

    def places(self, anchor: bytes, *, folded: bool = False) -> Iterable[int]:
        """Give where a literal stands, in order; `folded` looks at the lower-case form."""
        text = self.lower if folded else self.data
        at = text.find(anchor)
        while at >= 0:
            yield at
            at = text.find(anchor, at + 1)


def fold(key: bytes) -> str:
    """Fold a field name: lower case, with `_` for what joins its words."""
    return _JOINTS.sub(b"_", key.strip().lower()).decode("ascii", "replace")


_KEY: Final = re.compile(r"[A-Za-z][\w.-]{1,40}", re.ASCII)
_JOINTS: Final = re.compile(rb"[-. ]+")


def merged(found: Iterable[Found]) -> list[Found]:
    """Put stretches in order and join those that overlap; the first, then the longest, names the kind."""
    joined: list[Found] = []
    for one in sorted(found, key=lambda item: (item.start, -item.end, item.kind)):
        if joined and one.start < joined[-1].end:
            last = joined[-1]
            if one.end > last.end:
                joined[-1] = last._replace(end=one.end)
        elif one.end > one.start:
            joined.append(one)
    return joined
