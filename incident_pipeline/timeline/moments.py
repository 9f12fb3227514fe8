"""Write UTC nanoseconds as RFC 3339, no finer than the source wrote them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_SECOND: Final = 1_000_000_000
_DIGITS: Final = {1: 9, 1_000: 6, 1_000_000: 3, _SECOND: 0}


def rfc3339(time_ns: int, unit_ns: int = 1) -> str:
    """Give `2026-11-23T08:00:00.123Z`: as many digits as a stamp of this unit has."""
    seconds, rest = divmod(time_ns, _SECOND)
    # Whole seconds only go through datetime, which knows no nanoseconds.
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = _DIGITS[unit_ns]
    return f"{text}.{rest:09d}"[: len(text) + 1 + digits] + "Z" if digits else f"{text}Z"
