"""What is held of each source, how it falls short, and when absence may be claimed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.coverage import Gap, SourceCoverage
from incident_pipeline.model.report import ArtifactReport, ParseReport
from incident_pipeline.parsers.table import QUARANTINE
from incident_pipeline.timeline import absence, build_timeline, cover
from incident_pipeline.timeline.gaps import rhythm
from incident_pipeline_tests.timeline.clock_rows import HOUR, SECOND, START, calls, records

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.model.coverage import Coverage, Shortfall
    from incident_pipeline.signals.tables import IncidentTables

    Incident = Callable[..., IncidentTables]


def log(at: int, uri: str = "logs/app.log", **more: Any) -> dict[str, Any]:
    return {"time_ns": START + at * SECOND, "message": f"record {at}", "service": "app", "uri": uri} | more


def report_of(tables: IncidentTables, **changes: Any) -> ParseReport:
    """Give the report that a parse of these tables would write."""
    uris = tables.events["artifact_uri"].to_pylist()
    reports = []
    for artifact in tables.evidence.artifacts:
        given_ = {
            "artifact_sha256": artifact.sha256, "artifact_uri": artifact.uri, "type": artifact.type,
            "role": artifact.role, "format": "json_lines", "score": 1.0, "runner_up": None,
            "runner_up_score": 0.0, "pinned": False, "bytes_decoded": 10_000, "encoding": "identity",
            "lines": uris.count(artifact.uri), "events": uris.count(artifact.uri), "events_without_time": 0,
            "samples": 0, "series": 0, "quarantined": 0, "first_time": None, "last_time": None,
        }  # fmt: skip
        reports.append(ArtifactReport(**(given_ | changes.get(artifact.uri, {}))))
    return ParseReport(artifacts=tuple(reports), problems=changes.get("problems", ()))


def covered(
    tables: IncidentTables, quarantine: list[dict[str, Any]] | None = None, **changes: Any
) -> Coverage:
    held = pa.Table.from_pylist(quarantine or [], schema=QUARANTINE)
    return cover(tables, report_of(tables, **changes), held, build_timeline(tables).correction)


def source(coverage: Coverage, uri: str = "logs/app.log") -> SourceCoverage:
    return next(item for item in coverage.sources if item.artifact_uri == uri)


def kinds(item: SourceCoverage) -> set[Shortfall]:
    return {gap.kind for gap in item.shortfalls}


def asked(item: SourceCoverage, start: int, end: int) -> tuple[str, tuple[str, ...]]:
    answer = absence([item], START + start * SECOND, START + end * SECOND)
    return answer.answer, answer.reasons


def test_inside_coverage_absence_is_said_with_the_records_that_bound_it(incident: Incident) -> None:
    tables = incident([log(at) for at in range(60)])
    item = source(covered(tables))
    answer = absence([item], START + 10 * SECOND, START + 20 * SECOND)
    ids = tables.events["event_id"].to_pylist()
    assert (answer.answer, answer.reasons) == ("absent", ())
    assert (answer.first_event, answer.last_event) == (ids[0], ids[59])


def test_dft_1231_a_silence_is_no_deletion_and_no_absence(incident: Incident) -> None:
    rows = [log(at) for at in range(100) if not 40 <= at < 70]
    others = [log(at, "logs/other.log") for at in range(100)]
    item = source(covered(incident([*rows, *others])))
    gap = next(gap for gap in item.shortfalls if gap.kind == "gap")
    assert (gap.start_ns, gap.end_ns) == (START + 39 * SECOND, START + 70 * SECOND)
    assert "another goes on" in gap.detail
    assert asked(item, 50, 60)[0] == "cannot_tell"
    assert asked(item, 35, 80)[0] == "cannot_tell"
    assert asked(item, 5, 30)[0] == "absent"


@pytest.mark.parametrize(("start", "end"), [(-10, -5), (-5, 5), (50, 70), (70, 80), (20, 10)])
def test_outside_of_what_is_held_nothing_is_claimed(incident: Incident, start: int, end: int) -> None:
    item = source(covered(incident([log(at) for at in range(60)])))
    answer, reasons = asked(item, start, end)
    assert answer == "cannot_tell"
    assert reasons


def test_dft_1228_what_was_not_parsed_is_counted_and_blocks_absence_around_it(incident: Incident) -> None:
    tables = incident([log(at) for at in range(60)])
    sha = tables.evidence.artifacts[0].sha256
    lost = [{"artifact_sha256": sha, "byte_start": 3099, "byte_end": 3100, "reason": "no JSON"}]
    item = source(covered(tables, lost, **{"logs/app.log": {"quarantined": 1}}))
    assert item.unparsed_share == 0.0001
    gap = next(gap for gap in item.shortfalls if gap.kind == "unparsed")
    assert (gap.start_ns, gap.end_ns) == (START + 30 * SECOND, START + 31 * SECOND)
    assert asked(item, 25, 35)[0] == "cannot_tell"
    assert asked(item, 40, 50)[0] == "absent"


def test_dft_1229_an_archived_copy_that_is_missing_leaves_its_window_open(incident: Incident) -> None:
    coverage = covered(
        incident([log(at) for at in range(100, 160)]),
        problems=(Problem(kind="missing", uri="logs/app.log.1", detail="the file is not there."),),
    )
    assert kinds(source(coverage, "logs/app.log.1")) == {"missing"}
    both = [item for item in coverage.sources if item.artifact_uri.startswith("logs/app.log")]
    assert absence(both, START + 110 * SECOND, START + 120 * SECOND).answer == "cannot_tell"
    assert absence(both[-1:], START + 50 * SECOND, START + 60 * SECOND).answer == "cannot_tell"


def test_dft_1230_rotated_files_cover_one_stretch_together(incident: Incident) -> None:
    rows = [log(at, "logs/app.log.1") for at in range(60)] + [log(at) for at in range(60, 120)]
    coverage = covered(incident(rows))
    start, end = START + 50 * SECOND, START + 70 * SECOND
    assert absence(coverage.sources, start, end).answer == "absent"
    assert absence([source(coverage)], start, end).answer == "cannot_tell"
    # Where the one ends long before the other begins, what lies between is not held.
    apart = covered(incident([row for row in rows if not 30 <= (row["time_ns"] - START) // SECOND < 90]))
    assert absence(apart.sources, start, end).answer == "cannot_tell"


def test_dft_1233_imprecise_stamps_say_so_in_their_interval(incident: Incident) -> None:
    rows = [
        log(0, time_precision="s"),
        log(1, time_precision="ms"),
        log(2, "logs/b.log", time_precision="us"),
    ]
    told = build_timeline(incident(rows)).table.to_pylist()
    assert [row["interval_high_ns"] - row["interval_low_ns"] for row in told] == [SECOND, 10**6, 1000]


def test_dft_1233_untimed_records_are_counted(incident: Incident) -> None:
    tables = incident([*(log(at) for at in range(60)), {"message": "when?", "uri": "logs/app.log"}])
    item = source(covered(tables, None, **{"logs/app.log": {"events_without_time": 1}}))
    assert "untimed" in kinds(item)
    assert asked(item, 10, 20)[0] == "cannot_tell"


def test_dft_1234_an_assumed_zone_blocks_absence_unless_other_evidence_ties_the_clock(
    incident: Incident,
) -> None:
    alone = source(covered(incident([log(at, time_basis="assumed_zone") for at in range(60)])))
    assert "assumed_zone" in kinds(alone)
    assert asked(alone, 10, 20)[0] == "cannot_tell"
    rows = [*calls(60), *records(60, basis="assumed_zone")]
    tied = source(covered(incident(rows)), "logs/api.log")
    assert "assumed_zone" in kinds(tied)
    assert asked(tied, 10, 20)[0] == "absent"
    wrong = [*calls(60), *calls(60, server="db-1", tag="u"), *records(60, basis="assumed_zone", ahead=HOUR)]
    doubt = source(covered(incident(wrong)), "logs/api.log")
    assert absence([doubt], START + HOUR + 10 * SECOND, START + HOUR + 20 * SECOND).answer == "cannot_tell"
    assert any('"timezone"' in gap.detail for gap in doubt.shortfalls)


def test_an_offset_that_was_applied_moves_the_window_that_is_held(incident: Incident) -> None:
    rows = [*calls(60), *calls(60, server="db-1", tag="u"), *records(60, ahead=20 * SECOND)]
    item = source(covered(incident(rows)), "logs/api.log")
    assert item.clock_offset_ns is not None
    assert abs(item.clock_offset_ns - 20 * SECOND) < SECOND
    assert item.held_start_ns == START + 20 * SECOND + SECOND // 100
    assert "clock_offset" in kinds(item)
    assert asked(item, 5, 50)[0] == "absent"
    assert asked(item, 5, 70)[0] == "cannot_tell"


def test_a_window_that_was_asked_for_and_is_not_held_is_a_gap(incident: Incident) -> None:
    tables = incident([log(at) for at in range(100, 160)])
    (artifact,) = tables.evidence.artifacts
    artifact = artifact.model_copy(update={"window": ("2026-11-23T07:46:40Z", "2026-11-23T08:10:00Z")})
    evidence = tables.evidence.model_copy(update={"artifacts": (artifact,)})
    tables = type(tables)(tables.events, tables.samples, tables.series, evidence)
    item = source(covered(tables))
    assert item.asked_start_ns == START
    gaps = [(gap.start_ns, gap.end_ns) for gap in item.shortfalls if gap.kind == "gap"]
    assert (START, START + 100 * SECOND) in gaps


@pytest.mark.parametrize(
    ("query", "count", "kind"),
    [("app | head 60", 60, {"truncated"}), ("app | head 70", 60, set()), (None, 100, {"truncated"})],
)
def test_a_row_limit_that_was_reached_is_told(
    incident: Incident, query: str | None, count: int, kind: set[str]
) -> None:
    tables = incident([log(at) for at in range(count)])
    (artifact,) = tables.evidence.artifacts
    changed = tables.evidence.model_copy(
        update={"artifacts": (artifact.model_copy(update={"query": query}),)}
    )
    tables = type(tables)(tables.events, tables.samples, tables.series, changed)
    assert kinds(source(covered(tables))) == kind


def test_traces_with_holes_are_sampled(incident: Incident) -> None:
    rows = [row for row in calls(60) if not (row["host"] == "edge-1" and row["span_id"].endswith("7"))]
    item = source(covered(incident([*rows, log(1, trace_id="f" * 32)])), "traces.jsonl")
    details = [gap.detail for gap in item.shortfalls if gap.kind == "sampled"]
    assert details == [
        "6 of 60 spans name a parent that is not held",
        "no span is held of 1 of the 1 traces that log records name",
    ]
    assert asked(item, 10, 20)[0] == "cannot_tell"


def test_problems_of_the_seal_are_shortfalls_and_the_rest_remarks(incident: Incident) -> None:
    coverage = covered(
        incident([log(1)]),
        problems=(
            Problem(kind="unreachable", uri="s3:x", detail="the retention of the bucket has passed"),
            Problem(kind="malformed", uri="bad.json", detail="no JSON"),
            Problem(kind="duplicate", uri="twice.log", detail="the same bytes"),
        ),
    )
    assert kinds(source(coverage, "s3:x")) == {"retention_expired"}
    assert kinds(source(coverage, "bad.json")) == {"unreadable"}
    assert "twice.log: the same bytes" in coverage.remarks


@settings(deadline=None, max_examples=300)
@given(
    held=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    clock=st.tuples(st.integers(-5, 5), st.integers(0, 5)),
    gaps=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=3),
    window=st.tuples(st.integers(-20, 120), st.integers(-20, 120)),
)
def test_absence_is_never_claimed_outside_of_coverage(
    held: tuple[int, int], clock: tuple[int, int], gaps: list[tuple[int, int]], window: tuple[int, int]
) -> None:
    low, high = clock[0], clock[0] + clock[1]
    item = SourceCoverage(
        artifact_uri="a", artifact_sha256="0", type="logs", source="a", role="incident", format="x",
        held_start_ns=min(held), held_end_ns=max(held), events=9, samples=0, quarantined=0,
        unparsed_share=0.0, clock_low_ns=low, clock_high_ns=high, first_event="f", last_event="l",
        shortfalls=tuple(Gap(kind="gap", detail="-", start_ns=at, end_ns=at + by) for at, by in gaps),
    )  # fmt: skip
    answer = absence([item], *window)
    # By the true clock, whichever it is within its bounds, the source holds [start - o, end - o].
    truths = [(min(held) - o, max(held) - o, o) for o in range(low, high + 1)]
    sound = window[0] <= window[1] and all(
        start <= window[0]
        and window[1] <= end
        and not any(at - o <= window[1] and at + by - o >= window[0] for at, by in gaps)
        for start, end, o in truths
    )
    if answer.answer == "absent":
        assert sound
        assert (answer.first_event, answer.last_event) == ("f", "l")
    else:
        assert answer.reasons


@given(st.lists(st.integers(0, 10**12), min_size=20, max_size=60, unique=True))
def test_gaps_are_stretches_between_neighbouring_records(times: list[int]) -> None:
    found = rhythm(np.array(times))
    assert found is not None
    ordered = sorted(times)
    expected = [(a, b) for a, b in pairwise(ordered) if b - a > found.longest]
    assert list(found.gaps) == expected


def test_few_records_have_no_rhythm() -> None:
    assert rhythm(np.arange(19)) is None


def test_two_missed_scrapes_are_a_gap() -> None:
    times = np.array([at for at in range(0, 600, 15) if at not in (300, 315, 330)]) * SECOND
    found = rhythm(times, scraped=True)
    assert found is not None
    assert found.gaps == ((285 * SECOND, 345 * SECOND),)
