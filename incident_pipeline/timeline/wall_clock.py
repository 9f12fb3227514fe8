"""Times on a reader's wall clock, always with their offset; UTC stays beside them.

An hour of an autumn night comes twice and one of a spring night never; the offset tells which it was. The
machine's own zone is never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, Self
from zoneinfo import ZoneInfo

from incident_pipeline.parsers.timestamps import parse_zone

_WHOLE: Final = 19
"""Length of `2026-11-23T08:00:00`."""
_MILLIS: Final = 23


@dataclass(frozen=True)
class WallClock:
    """A zone with the name that the reader gave it. UTC times are RFC 3339 texts that end in `Z`."""

    name: str
    zone: tzinfo

    @classmethod
    def of(cls, name: str) -> Self:
        """Read an IANA zone name, an offset or `UTC`.

        Raises:
            ConfigError: there is no such zone.
        """
        found = parse_zone(name)
        return cls(name, found if isinstance(found, ZoneInfo) else timezone(timedelta(seconds=found)))

    def full(self, utc: str) -> str:
        """Give `2026-11-23T09:00:00.123+01:00`, with the digits that the UTC time has."""
        whole = datetime.fromisoformat(utc[:_WHOLE]).replace(tzinfo=UTC).astimezone(self.zone).isoformat()
        return whole[:_WHOLE] + utc[_WHOLE:].removesuffix("Z") + whole[_WHOLE:]

    def day(self, utc: str) -> str:
        """Give the day there: `2026-11-23`."""
        return self.full(utc)[:10]

    def time(self, utc: str) -> str:
        """Give the time of day there with its offset, to the millisecond: `09:00:00.123+01:00`."""
        return self.full(utc[:_MILLIS].removesuffix("Z") + "Z")[11:]
