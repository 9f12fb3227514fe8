"""Rows as CSV (RFC 4180) that a spreadsheet shows as text and never computes.

A cell that begins with `=`, `+`, `-`, `@` or a full-width form of these would be a formula (OWASP, CSV
Injection), and so would what follows a separator once a program splits the line at semicolons: such
places get an apostrophe in front. Every cell is quoted, and control and direction characters are taken
out. Exact texts stand in the JSON formats and in the evidence itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.timeline.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_FORMULA: Final = re.compile(r"(^|[;,|\t])(\s*)(?=[=+\-@＝＋－＠])")  # noqa: RUF001 - the full-width forms are meant


def csv_line(cells: Iterable[Any]) -> str:
    """Give one line with its line end."""
    return ",".join(f'"{cell(value)}"' for value in cells) + "\r\n"


def cell(value: Any) -> str:
    """Give a value as the inside of a quoted cell."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        text = plain(text)
    if _NUMBER.fullmatch(text):
        return text
    return _FORMULA.sub(r"\1'\2", text).replace('"', '""')
