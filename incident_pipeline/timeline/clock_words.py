"""What is known of a clock, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.timeline.skew import ONE_SIDED

if TYPE_CHECKING:
    from incident_pipeline.model.coverage import ClockEstimate

_SECOND: Final = 1_000_000_000


def sure(clock: ClockEstimate) -> bool:
    """Say whether other evidence ties the clock from both sides and nothing speaks against it."""
    return clock.tied and clock.zone_hours is None and not clock.contradicted and _two_sided(clock)


def _two_sided(clock: ClockEstimate) -> bool:
    return clock.high_ns - clock.low_ns < ONE_SIDED


def clock_bounds(clocks: list[ClockEstimate]) -> tuple[int, int]:
    """Give the least and greatest offset that any of the clocks may have, in nanoseconds."""
    # What is open on one side is as good as not known.
    known = [clock for clock in clocks if clock.tied and _two_sided(clock)]
    # An offset that was not applied leaves 0 possible, and so does knowing of none.
    low = min((clock.low_ns if clock.applied else min(clock.low_ns, 0) for clock in known), default=0)
    high = max((clock.high_ns if clock.applied else max(clock.high_ns, 0) for clock in known), default=0)
    return low, high


def clock_words(clock: ClockEstimate) -> str:
    """Say of one clock how it stands to its reference."""
    if not clock.tied or clock.reference == clock.clock:
        return f"{clock.clock}: {clock.basis}"
    if clock.applied:
        offset = ahead(clock.offset_ns)
        return f"{clock.clock}: runs {offset} of {clock.reference}, which the order reckons with"
    if clock.zone_hours is not None:
        return (
            f"{clock.clock}: zone in doubt by {clock.zone_hours:+g} h against {clock.reference}, not applied"
        )
    if clock.contradicted:
        return f"{clock.clock}: contradicted against {clock.reference}. {clock.note}"
    low, high = length_words(clock.low_ns, sign=True), length_words(clock.high_ns, sign=True)
    if not _two_sided(clock):
        side = f"at least {low}" if -clock.low_ns < clock.high_ns else f"at most {high}"
        return f"{clock.clock}: {side} against {clock.reference}, more is not known"
    return f"{clock.clock}: agrees with {clock.reference} within {low} to {high}"


def ahead(offset_ns: int) -> str:
    """Say `3 s ahead`."""
    return f"{length_words(abs(offset_ns))} {'ahead' if offset_ns > 0 else 'behind'}"


def length_words(length_ns: int, *, sign: bool = False) -> str:
    """Say `0.25 s`, or with `sign` `+0.25 s`."""
    text = f"{length_ns / _SECOND:+.4g}" if sign else f"{length_ns / _SECOND:.4g}"
    return f"{text} s"
