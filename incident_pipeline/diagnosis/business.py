"""Which entries of a change log are events of the business: people may come, but nobody changed a system.

Told by general signs alone: words in the source, the type or kind of the record, and columns that only such
records have (whom it reaches). File names and the free text are no signs: either may say anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Final = frozenset(
    {"broadcast", "business", "calendar", "campaign", "mailing", "marketing", "newsletter", "promo",
     "promotion", "sale"}
)  # fmt: skip
_REACH: Final = frozenset({"audience", "recipient", "subscriber"})
_TYPES: Final = ("change.kind", "kind", "type", "event_type", "category")
_NAMES: Final = ("summary", "title", "description", "message", "name", "event", "subject", "label")
_WORD: Final = re.compile(r"[a-z]+")


def is_business_event(source: str | None, attributes: Mapping[str, str]) -> bool:
    """Say whether a record of a change log is an event of the business.

    Args:
        source: where the record was collected from, as the manifest says.
        attributes: the record's own columns.
    """
    said = " ".join((source or "", *(attributes.get(key, "") for key in _TYPES)))
    columns = {word for key in attributes for word in _words(key)}
    return bool(_words(said) & _WORDS or columns & (_REACH | _WORDS))


def event_title(attributes: Mapping[str, str], message: str | None) -> str:
    """Name a change: by a column made for it, else by what a column of the business's words holds.

    A row of a table without any such column is told by all of its columns.
    """
    named = [attributes[key] for key in _NAMES if attributes.get(key, "").strip()]
    of_business = [
        value for key, value in sorted(attributes.items()) if _words(key) & _WORDS and value.strip()
    ]
    found = (*named, *of_business, message or "")
    return " ".join(next((text for text in found if text.strip()), "").split())


def _words(text: str) -> set[str]:
    """Give the words of a text in lower case, plurals as singulars."""
    return {word.removesuffix("s") for word in _WORD.findall(text.lower())}
