"""Run the checks of all hypotheses and settle them.

The predictions were written with the hypotheses, before anything ran; here each query runs once over the
locked tables (`database.py`), its one number is held against the prediction, and `settle.py` decides.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.checks.database import DECIMALS, CheckNotRunError, IncidentDatabase, QueryResult
from incident_pipeline.checks.settle import Settled, findings, settle_confidence, settle_roles, settle_status
from incident_pipeline.diagnosis.citations import Citer
from incident_pipeline.diagnosis.finding import EventPlace, Finding
from incident_pipeline.model.check import CheckResult, ValidatedChecks, ValidatedHypothesis
from incident_pipeline.serialise import compact_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.check import CheckSpec, Outcome, Prediction
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.model.hypothesis import Hypotheses, Hypothesis
    from incident_pipeline.signals.tables import IncidentTables

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}

MAX_RECORDS: Final = 6
"""Records cited per hypothesis beyond its own evidence."""


def run_checks(
    tables: IncidentTables,
    hypotheses: Hypotheses,
    inputs: Mapping[str, str],
    reader: EvidenceReader | None = None,
) -> ValidatedChecks:
    """Run every check of every hypothesis and settle them.

    Args:
        tables: the incident's events, samples and series.
        hypotheses: the proposal; its order is kept.
        inputs: SHA-256 of each table file the checks can read, by file name.
        reader: cites the records that check results name in columns ending in `event_id`; without one the
            citations are those of the proposal.

    Returns:
        All hypotheses with status, role, confidence and check results, refuted ones included.
    """
    with IncidentDatabase(tables) as database:
        results = [
            tuple(run_check(database, spec, inputs) for spec in hypothesis.tests)
            for hypothesis in hypotheses.hypotheses
        ]
    settled = [
        Settled(
            id=hypothesis.id,
            status=settle_status(findings(hypothesis.tests, checks)),
            confidence=settle_confidence(hypothesis.confidence, findings(hypothesis.tests, checks)),
            explains=hypothesis.explains,
        )
        for hypothesis, checks in zip(hypotheses.hypotheses, results, strict=True)
    ]
    roles = settle_roles(settled)
    return ValidatedChecks(
        incident_id=hypotheses.incident_id,
        hypotheses=tuple(
            ValidatedHypothesis(
                id=hypothesis.id,
                status=one.status,
                role=role,
                confidence=one.confidence,
                checks=checks,
                citations=_citations(hypothesis, checks, tables, reader),
            )
            for hypothesis, checks, one, role in zip(
                hypotheses.hypotheses, results, settled, roles, strict=True
            )
        ),
    )


def run_check(database: IncidentDatabase, spec: CheckSpec, inputs: Mapping[str, str]) -> CheckResult:
    """Run one check and say in a sentence what was predicted and what came out."""
    try:
        result = database.query(spec.sql, spec.parameters)
        value = value_of(result)
    except CheckNotRunError as error:
        result, value, outcome = QueryResult((), ()), None, "error"
        explanation = f"Could not be checked: {error}."
    else:
        outcome = judge(value, spec.prediction)
        explanation = explain(value, spec.prediction, outcome)
    return CheckResult(
        id=spec.id,
        title=spec.title,
        sql=spec.sql,
        parameters=spec.parameters,
        prediction=spec.prediction,
        decisive=spec.decisive,
        outcome=outcome,
        value=value,
        columns=result.columns,
        rows=result.rows,
        result_sha256=sha256_hex(
            compact_json({"columns": list(result.columns), "rows": [list(row) for row in result.rows]})
        ),
        inputs=dict(inputs),
        explanation=explanation,
    )


def value_of(result: QueryResult) -> float | None:
    """Give the number a check is about, or None when the tables hold nothing to say.

    Raises:
        CheckNotRunError: the query does not give one row with one column `value` that is a number.
    """
    if result.columns.count("value") != 1:
        message = "the query gives no single column named value"
        raise CheckNotRunError(message)
    if not result.rows:
        return None
    if len(result.rows) > 1:
        message = "the query gives more than one row"
        raise CheckNotRunError(message)
    cell = result.rows[0][result.columns.index("value")]
    if cell is None:
        return None
    if isinstance(cell, str):
        message = "the query's value is a text, not a number"
        raise CheckNotRunError(message)
    return round(float(cell), DECIMALS)


def judge(value: float | None, prediction: Prediction) -> Outcome:
    """Hold a value against what was predicted."""
    if value is None:
        return "no_data"
    return "holds" if _COMPARE[prediction.operator](value, prediction.value) else "fails"


def explain(value: float | None, prediction: Prediction, outcome: Outcome) -> str:
    """Say what was predicted and what came out, in one sentence."""
    unit = f" {prediction.unit}" if prediction.unit else ""
    predicted = f"{prediction.operator} {prediction.value:g}{unit}"
    if value is None:
        return f"Predicted {predicted}; the evidence holds nothing to compute it from."
    verb = "holds" if outcome == "holds" else "fails"
    return f"Predicted {predicted}, observed {value:g}{unit}: {verb}."


def _citations(
    hypothesis: Hypothesis,
    checks: tuple[CheckResult, ...],
    tables: IncidentTables,
    reader: EvidenceReader | None,
) -> tuple[Citation, ...]:
    """Give the proposal's evidence and then the records that its checks point at, each once."""
    named = dict.fromkeys(
        str(cell)
        for check in checks
        for row in check.rows
        for column, cell in zip(check.columns, row, strict=True)
        if column.endswith("event_id") and cell is not None
    )
    wanted = pa.array(list(named)[:MAX_RECORDS], pa.string())
    positions = pc.drop_null(pc.index_in(wanted, tables.events.column("event_id"))).to_pylist()
    places = tuple(EventPlace(position) for position in positions)
    found = Citer(tables, reader).cite(Finding(hypothesis.component, "alert", 0.0, "", places=places))
    seen: dict[tuple[str, int, int], Citation] = {}
    for citation in (*hypothesis.evidence, *found):
        seen.setdefault((citation.sha256, citation.byte_start, citation.byte_end), citation)
    return tuple(seen.values())
