"""Points in time as records and alerts state them (RFC 3339), kept to the digit.

Only what ingest must understand: the start of an incident and of an alert. The time stamps inside
evidence are the parsers' business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,12}))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
NEVER = "0001-01-01T00:00:00Z"
"""How Go writes a time that was not set."""


@dataclass(frozen=True, order=True)
class Instant:
    """A point in time: whole seconds, and the fraction as digits without trailing zeros."""

    second: datetime
    fraction: str
    assumed_utc: bool = False

    @property
    def utc(self) -> str:
        """Give the one spelling of this instant: `2026-01-31T23:59:59.5Z`."""
        stem = f"{self.second:%Y-%m-%dT%H:%M:%S}" if self.second.year >= 1000 else NEVER[:-1]  # noqa: PLR2004
        return f"{stem}.{self.fraction}Z" if self.fraction else f"{stem}Z"

    @property
    def compact(self) -> str:
        """Give it as `20260131t235959`, with `-5` for a fraction: fit for an incident id."""
        return f"{self.second:%Y%m%dt%H%M%S}" + (f"-{self.fraction}" if self.fraction else "")


def parse_instant(text: str) -> Instant | None:
    """Read an RFC 3339 time; None when it is none. Without a zone it is taken as UTC and says so."""
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        return None
    zone = match["zone"] or "Z"
    try:
        second = datetime.fromisoformat(f"{match['date']}T{match['time']}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return Instant(second, (match["fraction"] or "").rstrip("0"), assumed_utc=match["zone"] is None)
