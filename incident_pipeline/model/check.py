"""Checks as data: a query, a prediction written before it runs, and what came out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_pipeline.model.base import Frozen
from incident_pipeline.model.citation import Citation

Operator = Literal[">", ">=", "<", "<=", "==", "!="]
Outcome = Literal["holds", "fails", "no_data", "error"]
Status = Literal["supported", "refuted", "inconclusive"]
Scalar = str | int | float | bool | None


class Prediction(Frozen):
    """What the hypothesis says the query's single value will be."""

    operator: Operator
    value: float
    unit: str | None = None


class CheckSpec(Frozen):
    """A check: one read-only SQL query over the incident's tables that gives one number.

    The query's result has one row with the column `value` (number or null: null means no data) and
    may have further columns that explain it. `decisive` checks refute the hypothesis when they fail;
    the others only lower its confidence.
    """

    id: str
    title: str
    kind: str
    """precedes, absent_before, dose_response, specific, reversal, change_nearby, errors, ..."""
    sql: str
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    """Bound as DuckDB named parameters `$name`."""
    prediction: Prediction
    decisive: bool = True
    why: str
    """What it would mean if the prediction did not hold."""


class CheckResult(Frozen):
    """A check that was really run, with its result as rows and their digest."""

    id: str
    title: str
    sql: str
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    prediction: Prediction
    decisive: bool
    outcome: Outcome
    value: float | None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Scalar, ...], ...] = ()
    result_sha256: str
    """SHA-256 of the compact JSON of columns and rows."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each table the checks could read."""
    explanation: str
    """One sentence: what was predicted, what came out."""


class ValidatedHypothesis(Frozen):
    """A hypothesis after its checks ran."""

    id: str
    status: Status
    role: Literal["root_cause", "contributing", "ruled_out"]
    confidence: int = Field(ge=0, le=100)
    """Settled: computed from the prior and the outcomes, capped where checks could not run."""
    checks: tuple[CheckResult, ...]
    citations: tuple[Citation, ...] = ()


class ValidatedChecks(Frozen):
    """All hypotheses with their settled status, refuted ones included."""

    schema_version: Literal[1] = 1
    incident_id: str
    hypotheses: tuple[ValidatedHypothesis, ...]
