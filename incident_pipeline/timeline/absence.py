"""When "nothing was found" may be said: only of a window that the sources cover from end to end.

A missing record proves nothing where records could be missing (SOLVE-IT DFT-1231: absence read as
deletion). So the question is put to the coverage statement first, and every way in which a source falls
short inside the window is a reason not to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.coverage import Absence
from incident_pipeline.timeline.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.coverage import Gap, SourceCoverage

_SETTLED_BY_A_TIE: Final = ("assumed_zone", "assumed_year")
"""What was assumed of a clock is no doubt any more where other evidence ties the clock."""

_HARMLESS: Final = ("clock_offset",)
"""An offset that was applied is in the bounds of the clock already."""


def absence(sources: Sequence[SourceCoverage], start_ns: int, end_ns: int) -> Absence:
    """Say whether finding nothing in these sources means that there was nothing from `start_ns` to `end_ns`.

    Args:
        sources: all that hold records of the source asked about: its artifacts, rotated ones included.
        start_ns: first moment of the window, UTC nanoseconds.
        end_ns: last moment of the window.

    Returns:
        `absent` with the records that bound what is held, or `cannot_tell` with all reasons.
    """
    uris = tuple(sorted({source.artifact_uri for source in sources}))
    reasons: list[str] = []
    if end_ns < start_ns:
        reasons.append("the window ends before it starts")
    if not sources:
        reasons.append("no artifact of this source was collected")
    for source in sorted(sources, key=lambda source: (source.artifact_uri, source.artifact_sha256)):
        reasons += [
            f"{source.artifact_uri}: {gap.detail}"
            for gap in source.shortfalls
            if _matters(source, gap, start_ns, end_ns)
        ]
    held = _stretch(sources, start_ns, end_ns)
    if sources and held is None:
        reasons.append(_not_held(sources, start_ns, end_ns))
    if reasons or held is None:
        return Absence(
            answer="cannot_tell",
            start_ns=start_ns,
            end_ns=end_ns,
            sources=uris,
            reasons=tuple(dict.fromkeys(reasons)),
        )
    first, last = held
    return Absence(
        answer="absent",
        start_ns=start_ns,
        end_ns=end_ns,
        sources=uris,
        first_event=first.first_event,
        last_event=last.last_event,
    )


def sure_window(source: SourceCoverage) -> tuple[int, int] | None:
    """Give the window that a source holds whatever its clock's offset is within its bounds."""
    if source.held_start_ns is None or source.held_end_ns is None:
        return None
    start, end = source.held_start_ns - source.clock_low_ns, source.held_end_ns - source.clock_high_ns
    return (start, end) if start <= end else None


def _stretch(
    sources: Sequence[SourceCoverage], start_ns: int, end_ns: int
) -> tuple[SourceCoverage, SourceCoverage] | None:
    """Give the sources with the first and the last record of one held stretch around the window.

    Artifacts of one source follow each other (rotated logs): they join where the time between them is no
    longer than is usual within both.
    """
    windows = [
        (window, source) for source in sources if source.first_event and (window := sure_window(source))
    ]
    windows.sort(key=lambda item: (*item[0], item[1].artifact_sha256))
    first = last = None
    reach = start_ns
    for (begin, end), source in windows:
        if first is None or last is None:
            if begin <= start_ns <= end:
                first = last = source
                reach = end
            continue
        usual = min(first.usual_spacing_ns or 0, source.usual_spacing_ns or 0, last.usual_spacing_ns or 0)
        if begin > reach + usual:
            break
        if end > reach:
            last, reach = source, end
    return (first, last) if first is not None and last is not None and reach >= end_ns else None


def _matters(source: SourceCoverage, gap: Gap, start_ns: int, end_ns: int) -> bool:
    if gap.kind in _HARMLESS or (gap.kind in _SETTLED_BY_A_TIE and source.clock_tied):
        return False
    # Borders are by the source's own clock: they count as wide as that may be off.
    begins = gap.start_ns is None or gap.start_ns - max(source.clock_high_ns, 0) <= end_ns
    ends = gap.end_ns is None or gap.end_ns - min(source.clock_low_ns, 0) >= start_ns
    return begins and ends


def _not_held(sources: Sequence[SourceCoverage], start_ns: int, end_ns: int) -> str:
    windows = [window for source in sources if (window := sure_window(source)) is not None]
    asked = f"{rfc3339(start_ns)} to {rfc3339(end_ns)}"
    if not windows:
        return f"{asked} is not held: no record has a time"
    held = f"{rfc3339(min(start for start, _ in windows))} to {rfc3339(max(end for _, end in windows))}"
    return f"{asked} does not lie in one stretch that is held; records run from {held}"
