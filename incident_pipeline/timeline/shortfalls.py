"""Ways in which one source falls short, each as one plain sentence with the window concerned.

What the seal and the parse said of the artifact, what of the window asked for is not held, where the source
was silent, where it was cut, and what of it could not be read or stands on an assumption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.coverage import Gap
from incident_pipeline.model.event import TimeBasis
from incident_pipeline.parsers.timestamps import parse_time
from incident_pipeline.signals.attributes import integers
from incident_pipeline.timeline.clock_words import length_words
from incident_pipeline.timeline.columns import booleans
from incident_pipeline.timeline.gaps import others_go_on, rhythm
from incident_pipeline.timeline.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from incident_pipeline.model.artifact import Problem, SealedArtifact
    from incident_pipeline.model.coverage import Shortfall
    from incident_pipeline.model.report import ArtifactReport

_MOST_GAPS: Final = 12
"""Gaps of one source that are told one by one, the longest; the rest is one sentence."""

_PROBLEMS: Final[dict[str, Shortfall]] = {
    "missing": "missing",
    "unreachable": "missing",
    "hash_mismatch": "unreadable",
    "unsafe_archive": "unreadable",
    "unsafe_path": "unreadable",
    "malformed": "unreadable",
    "unreadable": "unreadable",
    "empty": "empty",
}
"""Problems that leave a source short; the others are remarks."""

_CUT: Final = re.compile(
    r"(?i)\b(?:truncat\w*|cut off|incomplete|next[ _-]?(?:page|token|cursor)|more (?:pages|results)|row limit"
    r"|limit reached|partial(?:ly)?)\b"
)

_EXPIRED: Final = re.compile(r"(?i)\b(?:retention|expired|rolled (?:off|over)|rotated away|aged out)\b")

_LIMIT: Final = re.compile(r"(?i)\b(?:limit|head|tail|top|size|max_?results|page_?size)\b\D{0,4}(\d+)")

_ROUND: Final = frozenset(base * 10**power for base in (1, 2, 5) for power in range(2, 7))
"""Counts that programs take as limits of a page."""


@dataclass(frozen=True)
class Held:
    """What one artifact holds: times in order, and the ids of the first and last record."""

    times: NDArray[np.int64]
    scraped: bool
    first: str | None
    last: str | None


def told_problems(problems: Iterable[Problem]) -> Iterator[Gap]:
    """Say what seal and parse could not take as asked."""
    for problem in problems:
        if (kind := shortfall_of(problem)) is not None:
            yield Gap(kind=kind, detail=problem.detail)


def holds_nothing(read: ArtifactReport | None, problems: Iterable[Problem], names: set[str]) -> Iterator[Gap]:
    """Say so where an artifact was understood and yet gave no records, and no problem tells that."""
    if read is None or read.events or read.samples or any(problem.uri in names for problem in problems):
        return
    if not read.quarantined:
        yield Gap(kind="empty", detail="it holds no records: the source had none, or the query found none")


def shortfall_of(problem: Problem) -> Shortfall | None:
    """Give the way in which a problem leaves its source short, None where it is a remark only."""
    kind = _PROBLEMS.get(problem.kind)
    if kind in ("missing", "unreadable") and _EXPIRED.search(problem.detail):
        return "retention_expired"
    return kind


def outside_window(artifact: SealedArtifact, own: Held) -> Iterator[Gap]:
    """Say what of the window asked for lies before the first and after the last record."""
    start, end = (moment(text) for text in artifact.window or (None, None))
    usual = usual_spacing(own)
    # Few records have no rhythm: then any silence at the borders is as good as none.
    if not own.times.size or usual is None:
        return
    first, last = int(own.times[0]), int(own.times[-1])
    if start is not None and first - start > usual:
        kind: Shortfall = "gap"
        yield Gap(
            kind=kind,
            detail=f"asked from {_clock(start)}, held only from {_clock(first)}: retention, or a cut",
            start_ns=start,
            end_ns=first,
        )
    if end is not None and end - last > usual:
        yield Gap(
            kind="gap",
            detail=f"asked until {_clock(end)}, held only until {_clock(last)}",
            start_ns=last,
            end_ns=end,
        )


def silences(artifact: SealedArtifact, own: Held, times: Mapping[str, NDArray[np.int64]]) -> Iterator[Gap]:
    """Say when the source was silent for far longer than it usually is."""
    found = rhythm(own.times, scraped=own.scraped)
    if found is None:
        return
    ranked = sorted(found.gaps, key=lambda gap: (gap[0] - gap[1], gap[0]))
    what = "sample" if own.scraped else "record"
    for start, end in sorted(ranked[:_MOST_GAPS]):
        others = others_go_on(start, end, artifact.sha256, times)
        yield Gap(
            kind="gap",
            detail=f"no {what} for {length_words(end - start)} from {_clock(start)}, usual are at most "
            f"{length_words(found.longest)}"
            + (f"; {others} other sources go on" if others > 1 else "; another goes on" if others else ""),
            start_ns=start,
            end_ns=end,
        )
    if rest := sorted(ranked[_MOST_GAPS:]):
        yield Gap(
            kind="gap",
            detail=f"{len(rest)} shorter stretches without a {what}",
            start_ns=rest[0][0],
            end_ns=max(end for _, end in rest),
        )


def cuts(artifact: SealedArtifact, read: ArtifactReport | None) -> Iterator[Gap]:
    """Say where a page, a row limit or a retention seems to have cut the source."""
    if read is None:
        return
    for note in read.assumptions:
        if _EXPIRED.search(note):
            yield Gap(kind="retention_expired", detail=note)
        elif _CUT.search(note):
            yield Gap(kind="truncated", detail=note)
    rows = max(read.events + read.quarantined, read.series)
    limits = {int(number) for number in _LIMIT.findall(artifact.query or "")}
    if read.events and limits & {rows, read.lines}:
        yield Gap(
            kind="truncated", detail=f"the query asks for at most {rows:,} records, and as many are held"
        )
    elif read.events in _ROUND:
        yield Gap(kind="truncated", detail=f"exactly {read.events:,} records: a row limit may have cut it")


def unparsed(
    artifact: SealedArtifact, read: ArtifactReport | None, quarantine: pa.Table
) -> tuple[float, NDArray[np.int64]]:
    """Give the share of the decoded bytes that is in quarantine, and where it starts."""
    rows = quarantine.filter(pc.equal(quarantine["artifact_sha256"].cast(pa.string()), artifact.sha256))
    start, end = integers(rows["byte_start"]), integers(rows["byte_end"])
    total = (read.bytes_decoded if read else 0) or artifact.size
    share = min(int((end - start).sum()) / total, 1.0) if total else 0.0
    return round(share, 6), start


def unread(
    artifact: SealedArtifact, read: ArtifactReport | None, quarantine: pa.Table, events: pa.Table
) -> Iterator[Gap]:
    """Say what of the source is in quarantine, and what has no time."""
    share, starts = unparsed(artifact, read, quarantine)
    if starts.size:
        own = events.filter(pc.equal(events["artifact_sha256"].cast(pa.string()), artifact.sha256))
        first, last = _around(own, starts)
        yield Gap(
            kind="unparsed",
            detail=f"{starts.size:,} stretches, {share:.2%} of its bytes, could not be parsed",
            start_ns=first,
            end_ns=last,
            share=share,
        )
    if read is not None and read.events_without_time:
        yield Gap(
            kind="untimed",
            detail=f"{read.events_without_time:,} of {read.events:,} records have no time",
            share=round(read.events_without_time / read.events, 6) if read.events else None,
        )


def _around(own: pa.Table, starts: NDArray[np.int64]) -> tuple[int | None, int | None]:
    """Give the times of the records around the bytes in quarantine, None where there is none on that side.

    Only of sources whose records are in order of time: elsewhere the place in the file says nothing.
    """
    use = booleans(pc.and_(pc.is_valid(own["time_ns"]), pc.is_valid(own["byte_start"])))
    place, time = integers(own["byte_start"])[use], integers(own["time_ns"])[use]
    order = np.argsort(place, kind="stable")
    place, time = place[order], time[order]
    if not place.size or np.any(np.diff(time) < 0):
        return None, None
    before = int(np.searchsorted(place, starts.min())) - 1
    after = int(np.searchsorted(place, starts.max()))
    return int(time[before]) if before >= 0 else None, int(time[after]) if after < time.size else None


def assumed(bases: Mapping[str, int]) -> Iterator[Gap]:
    """Say how many times stand on an assumption; `bases` counts them by how they were arrived at."""
    total = sum(bases.values())
    for basis, kind, what in (
        (TimeBasis.ASSUMED_ZONE, "assumed_zone", "zone"),
        (TimeBasis.ASSUMED_YEAR, "assumed_year", "year"),
    ):
        count = bases.get(basis.value, 0)
        if count:
            yield Gap(
                kind=kind,
                detail=f"{count:,} of {total:,} times name no {what}; it was assumed",
                share=round(count / total, 6),
            )


def usual_spacing(own: Held) -> int | None:
    """Give the longest stretch between records that counts as usual, None where they are too few."""
    found = rhythm(own.times, scraped=own.scraped)
    return found.longest if found else None


def moment(text: str | None) -> int | None:
    """Give UTC nanoseconds of a border of a window, None where there is none."""
    return parse_time(text).time_ns if text else None


def _clock(time_ns: int) -> str:
    return rfc3339(time_ns, 1_000_000)
