"""Make text of the evidence harmless in Markdown: it can't steer a terminal, a reader's eye or the page.

Control, format and bidirectional characters (Unicode categories C*, which include what Trojan Source,
CVE-2021-42574, uses) and ANSI sequences go; runs of white space become one space; what CommonMark and
its GitHub dialect read as markup, links, entities or mathematics is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ANSI: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]"
)
_MARKUP: Final = re.compile(r"[\\`*<~$]|(?<![^\W_])_|_(?![^\W_])|[!\]](?=[\[(:])|\[(?=\^)|&(?=#?\w+;)")
"""What marks nothing stays readable: underscores inside words, lone brackets, `>` within a line."""
_AUTOLINK: Final = re.compile(r"://|\bwww\.|@|\bmailto:|\bxmpp:", re.IGNORECASE)


def plain(text: str) -> str:
    """Give text on one line, without ANSI sequences and invisible or direction-changing characters."""
    seen = _ANSI.sub("", text)
    # White space first: line ends are control characters too, and words must not run together.
    visible = (" " if c.isspace() else c for c in seen if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(visible).split())


def markdown(text: str) -> str:
    """Give `plain` text escaped, so that Markdown shows it as it is."""
    escaped = _MARKUP.sub(lambda match: "\\" + match[0], plain(text))
    return _AUTOLINK.sub(_defuse, escaped)


def _defuse(match: re.Match[str]) -> str:
    """Break what would become a link without brackets, by a backslash that doesn't show."""
    found = match[0]
    return found.replace("/", "\\/") if found == "://" else f"{found[:-1]}\\{found[-1]}"
