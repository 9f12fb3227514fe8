"""An explanation as lines for people: who, where, when, why here, why told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import TimeBasis
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.order import UNIT_NS
from incident_pipeline.timeline.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.model.explanation import Explanation, Merge, Neighbour
    from incident_pipeline.model.timeline import ArtifactRef

_SECOND: Final = 1_000_000_000
_BASES: Final = {
    TimeBasis.EXPLICIT.value: "the stamp names its zone, or counts from the epoch",
    TimeBasis.ASSUMED_ZONE.value: "the stamp has no zone; that of the artifact, or UTC, was assumed",
    TimeBasis.ASSUMED_YEAR.value: "the stamp has no year; it was assumed",
    TimeBasis.RELATIVE.value: "the stamp counts from the start of a recording",
    TimeBasis.NONE.value: "there is no stamp",
}
_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def explanation_lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Give (heading, line) pairs; the heading is empty where a line goes on with what is above it."""
    place = f"{explanation.position:,} of {explanation.total:,} in the full order"
    yield "Entry", f"{place}, event {explanation.event_id}"
    yield "What", f"{explanation.kind}: {plain(explanation.message)}"
    who = [
        f"{name} {plain(value)}"
        for name, value in (
            ("source", explanation.source), ("service", explanation.service), ("host", explanation.host),
            ("actor", explanation.actor), ("trace", explanation.trace_id), ("span", explanation.span_id),
            ("parent span", explanation.parent_span_id),
        )
        if value
    ]  # fmt: skip
    if who:
        yield "", ", ".join(who)
    yield from _where(explanation)
    yield from _when(explanation)
    yield from _why_here(explanation)
    yield from _merged(explanation)
    yield from _why_told(explanation)


def _where(one: Explanation) -> Iterator[tuple[str, str]]:
    yield "Read at", _place(one.artifact)
    yield "", f"sha256 {one.artifact.sha256}"
    reading = one.reading
    if reading.outcome == "matches":
        yield "", "The sealed bytes were read; they have this digest."
    else:
        yield "", f"NOT CHECKED: {plain(reading.note)}"
    if reading.excerpt:
        yield "", f"bytes {reading.byte_start} to {reading.byte_end}: {plain(reading.excerpt)}"


def _when(one: Explanation) -> Iterator[tuple[str, str]]:
    stamp = one.stamp
    if stamp.time is None:
        yield "Time", f"none: {_BASES[TimeBasis.NONE.value]}"
        return
    if stamp.is_end:
        yield "Time", f"{stamp.time}, when the alert ended; it began at {plain(stamp.raw or '')!r}"
    else:
        yield "Time", f"{stamp.time}, read as {plain(stamp.raw or '')!r}"
    unit = _UNITS.get(stamp.precision or "", "unknown units, counted as seconds")
    yield "", f"Written to {unit}; {_BASES.get(stamp.basis, stamp.basis)}."
    if stamp.low_ns is not None and stamp.high_ns is not None:
        low, high = rfc3339(stamp.low_ns), rfc3339(stamp.high_ns)
        length = _length(stamp.high_ns - stamp.low_ns)
        yield "", f"By the reference clock it lies in [{low}, {high}), {length} long."
    yield from _clock(one)


def _clock(one: Explanation) -> Iterator[tuple[str, str]]:
    clock = one.stamp.clock
    if clock is None:
        return
    name = plain(clock.clock)
    if clock.reference == clock.clock:
        yield "Clock", f"{name}, the reference that others are compared with; nothing is subtracted."
    elif not clock.tied:
        yield "Clock", f"{name}: {plain(clock.basis)}; nothing is subtracted."
    else:
        bounds = f"[{_signed(clock.low_ns)}, {_signed(clock.high_ns)}]"
        done = "subtracted for the order" if clock.applied else "not subtracted"
        offset = f"{_signed(clock.offset_ns)} against {plain(clock.reference)}"
        yield "Clock", f"{name} is {offset}, within {bounds}, {done}."
        yield "", f"From {clock.observations:,} observations: {plain(clock.basis)}."
    if clock.contradicted:
        yield "", "Its observations contradict each other."
    if clock.note:
        yield "", plain(clock.note)


def _why_here(one: Explanation) -> Iterator[tuple[str, str]]:
    yield "Why here", f"{one.order_basis.replace('_', ' ')}: {one.order_reason}"
    if one.depth is not None and one.depth >= 0:
        yield "", f"Causal depth within its trace: {one.depth}."
    for word, beside in (("before it", one.before), ("after it", one.after)):
        if beside is not None:
            yield "", f"{word}: {_told(beside)}"
    if one.undetermined_total:
        shown = len(one.undetermined)
        rest = "" if shown == one.undetermined_total else f", the nearest {shown}"
        noun = "entry" if one.undetermined_total == 1 else "entries"
        yield "Open", f"Order against {one.undetermined_total:,} {noun} of other artifacts{rest}:"
        yield from (("", _told(neighbour)) for neighbour in one.undetermined)


def _merged(one: Explanation) -> Iterator[tuple[str, str]]:
    if one.merged_into is not None:
        yield "Merged", f"It stands with {_other(one.merged_into)}"
    for number, member in enumerate(one.members):
        head = "Merged" if not number else ""
        yield head, f"It stands for {_other(member)}"


def _why_told(one: Explanation) -> Iterator[tuple[str, str]]:
    if one.key is None:
        yield "Key entry", "no: no selection rule named it, or its rule had no room left"
    else:
        counts = "" if one.key.found is None else f", {one.key.shown:,} of {one.key.found:,} by it are shown"
        yield "Key entry", f"{plain(one.key.why)} (rule {one.key.rule or 'unknown'}{counts})"
        if one.key.marker:
            yield "", f"Marker: {one.key.marker.replace('_', ' ')}."
    if one.moments:
        yield "Moments", f"{', '.join(one.moments)} rest{'s' if len(one.moments) == 1 else ''} on it"
    for number, claim in enumerate(one.claims):
        words = f"“{plain(claim.text)}” is {claim.state.upper()}: {plain(claim.reason)}"
        yield "Claims" if not number else "", words


def _other(merge: Merge) -> str:
    return f"{_told(merge.event)}; rule {merge.rule}: {merge.reason}"


def _told(one: Neighbour) -> str:
    who = f"{plain(one.service)}: " if one.service else ""
    time = one.time or "no time"
    return f"{one.position} {time} {one.kind} {who}{plain(one.message)} [{_place(one.artifact)}]"


def _place(at: ArtifactRef) -> str:
    line = f":{at.line}" if at.line is not None else ""
    pointer = f"#{at.json_pointer}" if at.json_pointer else ""
    span = f" bytes {at.byte_start} to {at.byte_end}" if at.byte_start is not None else ""
    return plain(f"{at.uri}{line}{pointer}{span}")


def _signed(nanoseconds: int) -> str:
    return f"{nanoseconds / _SECOND:+.6f} s"


def _length(nanoseconds: int) -> str:
    unit = next((name for name, size in UNIT_NS.items() if size == nanoseconds), None)
    return f"1 {unit}" if unit else f"{nanoseconds / _SECOND:.6g} s"
