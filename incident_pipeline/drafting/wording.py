"""How figures and times are written in sentences, and how a sentence reads back.

Clock times are `HH:MM:SS UTC`, durations are whole seconds or minutes, shares have at most one decimal.
The guard reads the same notations, so what is written here can be checked there.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from typing import Final

NS: Final = 1_000_000_000
MINUTE: Final = 60
HOUR: Final = 3600
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9})\d*)?\s*(Z|z|UTC|[+-]\d{2}:?\d{2})?"
)


def instant_ns(text: str) -> int | None:
    """Read an RFC 3339 time as UTC nanoseconds, or give None. No zone counts as UTC."""
    match = _RFC3339.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    try:
        moment = dt.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=dt.UTC)
    except ValueError:
        return None
    seconds = int((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(seconds=1))
    seconds += second - min(second, 59)
    zone = match[8] or "Z"
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * HOUR + int(digits[2:]) * MINUTE
        seconds -= offset if zone[0] == "+" else -offset
    return seconds * NS + int((match[7] or "0").ljust(9, "0"))


def rfc3339(ns: int) -> str:
    """Write UTC nanoseconds as RFC 3339 with as many digits as they need."""
    seconds, rest = divmod(ns, NS)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def clock(ns: int) -> str:
    """Write UTC nanoseconds as the clock a reader sees: `08:27:49`."""
    return rfc3339(ns)[11:19]


def day(ns: int) -> str:
    """Write the UTC day: `2026-11-23`."""
    return rfc3339(ns)[:10]


def duration(seconds: float) -> str:
    """Write a duration: `14 s`, `3 min 20 s`, `2 h 5 min`; below ten seconds with one decimal."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a decimal says something
        return f"{number(round(seconds, 1))} s"
    whole = round(seconds)
    if whole < 2 * MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        minutes, rest = divmod(whole, MINUTE)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // MINUTE, MINUTE)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def number(value: float) -> str:
    """Write a figure without noise: whole if whole, else three significant digits at least."""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - beyond that a float is no count
        return str(int(value))
    if abs(value) >= 100:  # noqa: PLR2004 - three digits are enough
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.2e}"  # noqa: PLR2004 - plain down to 0.0001


def percent(value: float) -> str:
    """Write a share given in percent, with the decimal only where it is not zero."""
    return f"{number(round(value, 1))} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun."""
    return f"{count} {one if count == 1 else (many or one + 's')}"


def plain(text: str) -> str:
    """Give text on one line without terminal sequences, control and direction characters."""
    bare = _TERMINAL.sub("", text)
    kept = (" " if character.isspace() else character for character in bare if not _invisible(character))
    return " ".join("".join(kept).split())


def _invisible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}


def quoted(text: str, limit: int = 160) -> str:
    """Quote evidence on one line, cut at `limit` characters; the cut is shown."""
    flat = plain(text).replace("“", '"').replace("”", '"')
    flat = flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
    return f"“{flat}”"


def joined(parts: list[str]) -> str:
    """Join names as a list in a sentence."""
    if len(parts) < 2:  # noqa: PLR2004 - one item needs no list
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
