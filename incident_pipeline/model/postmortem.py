"""The postmortem as data. Every text of type `Statement` has a row in the ledger."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.base import Frozen
from incident_pipeline.model.check import CheckResult, Status
from incident_pipeline.model.coverage import Shortfall
from incident_pipeline.model.hypothesis import Verdict
from incident_pipeline.model.timeline import ClaimState, MomentName, PhaseName, Standing


class Statement(Frozen):
    """A sentence with the id of its ledger row."""

    id: str
    text: str


class Moment(Frozen):
    """A point in time, whether it was measured or estimated, and the event it comes from."""

    time: str
    basis: Literal["actual", "estimate"]
    event_id: str | None = None


class KeyTimes(Frozen):
    """The seven times that regulators and reviewers ask for; unknown ones are null."""

    occurred_at: Moment | None = None
    detected_at: Moment | None = None
    aware_at: Moment | None = None
    classified_at: Moment | None = None
    service_restored_at: Moment | None = None
    root_cause_fixed_at: Moment | None = None
    resolved_at: Moment | None = None


class MomentRow(Frozen):
    """One of the seven times with its bounds; `basis` says what it rests on, where that can be cited."""

    name: MomentName
    time: str | None
    earliest: str | None
    latest: str | None
    standing: Standing
    basis: Statement | None


class PhaseRow(Frozen):
    """A stretch between two moments; a border that no moment gives is null."""

    name: PhaseName
    start: str | None
    end: str | None
    standing: Standing


class ClaimRow(Frozen):
    """What a person said, and what the record says of it, with the evidence that says so."""

    state: ClaimState
    about: str
    time: str | None
    statement: Statement
    reason: Statement | None


class TimelineExcerptRow(Frozen):
    """A row of the excerpt: when, what, and where it stands in the evidence."""

    time: str | None
    event: str
    sentence_id: str
    type: str
    artifact: str
    """`uri (sha256:...)`."""


class TopHypothesis(Frozen):
    """A hypothesis joined with the outcome of its checks."""

    id: str
    rank: int
    summary: str
    sentence_id: str
    component: str
    kind: str
    status: Status
    role: Literal["root_cause", "contributing", "ruled_out"]
    confidence: int
    prior: int
    evidence: tuple[str, ...]
    """`uri#line-N` or `uri#bytes-A-B` of each citation."""
    validation_checks: tuple[CheckResult, ...]


class ActionItem(Frozen):
    """Something to do, who owns it, by when, and the hypothesis it follows from."""

    owner: str
    action: str
    deadline: str
    type: Literal["prevent", "detect", "mitigate", "process", "other"]
    priority: Literal["P1", "P2", "P3"]
    sentence_id: str
    hypothesis: str | None = None


class ShortfallRow(Frozen):
    """One way in which a source falls short."""

    kind: Shortfall
    detail: str


class CoverageRow(Frozen):
    """What was held of one artifact: counts, time range, and what was left out."""

    uri: str
    sha256: str
    type: str
    role: str
    format: str | None
    runner_up: str | None
    events: int
    samples: int
    quarantined: int
    first_time: str | None
    last_time: str | None
    notes: tuple[str, ...] = ()
    asked_start: str | None = None
    asked_end: str | None = None
    """The window that was asked of the source, where the bundle says."""
    shortfalls: tuple[ShortfallRow, ...] = ()
    clock: str = ""
    """What is known of its clocks, in plain words."""


class Honesty(Frozen):
    """The numbers on the cover that say how far the text can be trusted."""

    sentences: int
    sentences_with_citations: int
    citations: int
    refused_statements: int
    hypotheses_supported: int
    hypotheses_refuted: int
    hypotheses_inconclusive: int
    checks_run: int
    checks_without_data: int


class Postmortem(Frozen):
    """The whole postmortem: what happened, why, how sure we are, and what follows."""

    schema_version: Literal[1] = 1
    incident_id: str
    title: str
    severity: str | None
    state: Literal["draft", "in_review", "approved"] = "draft"
    drafted_by: str
    verdict: Verdict
    summary: str
    summary_statements: tuple[Statement, ...]
    timeline_excerpt: tuple[TimelineExcerptRow, ...]
    timeline_total: int = 0
    """Events in the full order, of which the excerpt shows some."""
    top_hypotheses: tuple[TopHypothesis, ...]
    action_items: tuple[ActionItem, ...]
    impact: tuple[Statement, ...] = ()
    detection: tuple[Statement, ...] = ()
    response: tuple[Statement, ...] = ()
    contributing_factors: tuple[Statement, ...] = ()
    went_well: tuple[Statement, ...] = ()
    went_badly: tuple[Statement, ...] = ()
    got_lucky: tuple[Statement, ...] = ()
    open_questions: tuple[Statement, ...] = ()
    key_times: KeyTimes = Field(default_factory=KeyTimes)
    moments: tuple[MomentRow, ...] = ()
    phases: tuple[PhaseRow, ...] = ()
    claims: tuple[ClaimRow, ...] = ()
    coverage: tuple[CoverageRow, ...] = ()
    coverage_remarks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    honesty: Honesty
    evidence_root: str
    merkle_root: str
