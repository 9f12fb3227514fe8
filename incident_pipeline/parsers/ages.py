"""Ages as Kubernetes tools print them (`5m12s`, `2d3h`, `44m (x9 over 60m)`), and the times they stand for.

An age counts back from when the output was collected, and is cut to its smallest written unit
(apimachinery, `duration.HumanDuration`). Without a time of collection there is no time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Precision, TimeBasis
from incident_pipeline.parsers.timestamps import SECOND, UNKNOWN, Stamp, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.rows import Rows

_UNITS: Final = {"y": 365 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
AGE: Final = r"(?:\d{1,6}[ydhms]){1,5}"
"""An age, for patterns."""
_AGE: Final = re.compile(AGE, re.ASCII)
_PART: Final = re.compile(r"(\d{1,6})([ydhms])", re.ASCII)
_REPEATED: Final = re.compile(
    rf"(?P<age>{AGE})(?: ago)?(?:\s{{0,4}}\(x(?P<count>\d{{1,9}})(?: over (?P<over>{AGE}))?\))?", re.ASCII
)


class Age(NamedTuple):
    """A length of time in seconds, and the unit it was cut to."""

    seconds: int
    unit: str


class Repeated(NamedTuple):
    """An age with how often something came up, and since when: `44m (x9 over 60m)`."""

    age: str
    times: str | None
    over: str | None


def age_of(text: str) -> Age | None:
    """Read an age; None when the text is none."""
    if not _AGE.fullmatch(text):
        return None
    parts = [(int(number), unit) for number, unit in _PART.findall(text)]
    return Age(sum(number * _UNITS[unit] for number, unit in parts), parts[-1][1])


def repeated(text: str) -> Repeated | None:
    """Read an age that may be followed by a count; None when the text is none."""
    match = _REPEATED.fullmatch(text.strip())
    return Repeated(match["age"], match["count"], match["over"]) if match is not None else None


def collected_ns(rows: Rows) -> int | None:
    """Give the moment that ages count back from: the one that was given, else that of collection."""
    if rows.anchor is not None:
        return rows.anchor
    return parse_time(rows.source.collected_at).time_ns if rows.source.collected_at else None


def before_collection(text: str, rows: Rows) -> Stamp:
    """Give the time that lies an age before the collection, with the age as its text."""
    age = age_of(text)
    if age is None:
        return UNKNOWN
    moment = collected_ns(rows)
    if moment is None:
        return Stamp(None, None, TimeBasis.NONE, text)
    return Stamp(moment - age.seconds * SECOND, Precision.SECOND, TimeBasis.RELATIVE, text)


def granularity(text: str | None) -> dict[str, str]:
    """Give how coarse the time from an age is, as an attribute."""
    age = age_of(text) if text else None
    return {"time.granularity": f"1{age.unit}"} if age is not None else {}
