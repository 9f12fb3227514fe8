"""Make hostile evidence text harmless to look at, without hiding that it is hostile.

Control characters, terminal sequences and direction overrides (Unicode TR 36, "Trojan source") are shown
as `⟨U+202E⟩`; nothing is removed. Escaping for HTML or Markdown is a separate step of each renderer.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#!|~$^@]|:(?=//)|(?<=www)\.|^[+-]|^\d+(?=[.)]))")
"""Characters that could start markup, and what GitHub would turn into a link by itself."""


def visible(text: str) -> str:
    """Give text whose invisible characters are spelt out; line ends and tabs become `⏎` and `→`."""
    return "".join(_show(character) for character in text)


def _show(character: str) -> str:
    if character == "\n":
        return "⏎"
    if character == "\t":
        return "→"
    if unicodedata.category(character) in _HIDDEN:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def markdown_text(text: str) -> str:
    """Escape text for a Markdown paragraph or table cell: no markup, no HTML, no links come of it."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(_escape, shown)


def _escape(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def markdown_code(text: str) -> str:
    """Put text into a Markdown code span: the fence is longer than any run of backticks inside."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
