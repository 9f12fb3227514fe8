r"""Split a logfmt line into its pairs, as Go's kr/logfmt and go-logfmt read it.

`key=value key="quoted \"value\"" bare`: a value ends at white space unless it is quoted; a key without a
value is true. A key that occurs twice keeps both values, as a JSON list.
"""

from __future__ import annotations

import json
import re
from typing import Final

_PAIR: Final = re.compile(
    r"\s*(?:(?P<key>[^\s=\"]+)(?:=(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"(?=\s|$)|(?P<value>[^\s]*)))?)",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_MAX_BARE: Final = 0.5
"""More bare words than this share, and the line is prose."""


def pairs(line: str) -> dict[str, str] | None:
    """Give the pairs of a line in their order; None when it is no logfmt."""
    found: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    bare = 0
    at, size = 0, len(line.rstrip())
    while at < size:
        match = _PAIR.match(line, at)
        if match is None or match.end() == at:
            return None
        at = match.end()
        key, quoted, value = match.group("key", "quoted", "value")
        if quoted is not None:
            value = unescape(quoted) if "\\" in quoted else quoted
        elif value is None:
            bare += 1
            value = "true"
        if key in found:
            repeated.setdefault(key, [found[key]]).append(value)
        else:
            found[key] = value
    if not found or bare > _MAX_BARE * len(found):
        return None
    for key, values in repeated.items():
        found[key] = json.dumps(values, ensure_ascii=False)
    return found


def unescape(text: str) -> str:
    """Undo the backslashes of a quoted value."""
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        number = int(code[1:], 16)
        return "\ufffd" if 0xD800 <= number <= 0xDFFF else chr(number)  # noqa: PLR2004 - lone surrogates
    return _ESCAPED.get(code, code)
