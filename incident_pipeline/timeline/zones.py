"""A zone that was misread: clocks that are apart by whole quarters of an hour.

All zones in use lie on quarters of an hour, and no clock drifts onto one. So an offset within a few
seconds of a quarter is put down to the zone (or to daylight saving that was not heeded, or to an offset
applied twice) and proposed: only who runs the source knows, so nothing is applied silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import TimeBasis

if TYPE_CHECKING:
    from incident_pipeline.timeline.skew import Bound

QUARTER: Final = 900_000_000_000
"""Nanoseconds in a quarter of an hour."""

NEAR: Final = 5_000_000_000
"""How far from the quarter the clock itself may be off."""


def misread_quarters(bound: Bound) -> int | None:
    """Give the quarters of an hour that a misread zone explains, None where it is not that.

    Exactly one quarter other than 0 lies within `NEAR` of the bound and 0 does not. Of a bound that is open
    on one side, only the side that the evidence forces counts.
    """
    forced = bound.middle
    low, high = (bound.low, bound.high) if bound.two_sided else (forced, forced)
    if low - NEAR <= 0 <= high + NEAR:
        return None
    first, last = -((NEAR - low) // QUARTER), (high + NEAR) // QUARTER
    return first if first == last else None


def zone_text(quarters: int) -> str:
    """Give `+05:45` for 23 quarters: what `timezone` is to be set to."""
    hours, rest = divmod(abs(quarters), 4)
    return f"{'-' if quarters < 0 else '+'}{hours:02d}:{rest * 15:02d}"


def advice(quarters: int, names: str, bases: frozenset[str]) -> str:
    """Say what to set for the artifacts `names`, by how their times were arrived at."""
    zone = zone_text(quarters)
    if bases & {TimeBasis.ASSUMED_ZONE.value, TimeBasis.ASSUMED_YEAR.value}:
        return (
            f"Its times name no zone and were read as if they did, {zone[1:]} hours too "
            f'{"late" if quarters > 0 else "early"}: set "timezone" for {names} in incident.json, '
            f'to "{zone}" if UTC was assumed.'
        )
    return (
        f"Its times name their zone but stand {zone[1:]} hours too {'late' if quarters > 0 else 'early'}: "
        f"the zone may have been applied twice, or wrongly, where they were written. Have {names} exported "
        "anew, in UTC."
    )
