from __future__ import annotations

import pytest

from incident_pipeline.checks import run_checks
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.model.check import CheckSpec, Prediction, ValidatedChecks
from incident_pipeline.model.citation import Citation
from incident_pipeline.model.hypothesis import Hypotheses, Hypothesis
from incident_pipeline.serialise import canonical_json, compact_json, sha256_hex
from incident_pipeline_tests.checks.check_tables import INCIDENT, REFERENCE, Tables, steady

INPUTS = {"events.parquet": "1" * 64, "samples.parquet": "2" * 64}


class Vault:
    """Serves filler bytes under any digest."""

    def read(self, sha256: str) -> bytes:  # noqa: ARG002 - the same bytes under any digest
        return b"0123456789" * 1_000


def spec(sql: str, operator: str = ">", value: float = 0, *, decisive: bool = True) -> CheckSpec:
    return CheckSpec(
        id="c",
        title="a check",
        kind="test",
        sql=sql,
        prediction=Prediction.model_validate({"operator": operator, "value": value, "unit": "spans"}),
        decisive=decisive,
        why="it would not be so",
    )


def hypothesis(*tests: CheckSpec, name: str = "H1", evidence: tuple[Citation, ...] = ()) -> Hypothesis:
    return Hypothesis(
        rank=1, id=name, summary="s", component="shop", kind="code", mechanism="m", confidence=60,
        evidence=evidence, tests=tests,
    )  # fmt: skip


def run(
    *hypotheses: Hypothesis, tables: Tables | None = None, reader: EvidenceReader | None = None
) -> ValidatedChecks:
    proposal = Hypotheses(incident_id="checked", hypotheses=hypotheses)
    return run_checks((tables or steady(failing_status=429)).build(), proposal, INPUTS, reader)


@pytest.mark.parametrize(
    ("sql", "operator", "value", "outcome"),
    [
        ("SELECT count(*) AS value FROM spans", ">", 0, "holds"),
        ("SELECT count(*) AS value FROM spans", "<", 1, "fails"),
        ("SELECT 2 AS value", "==", 2, "holds"),
        ("SELECT 2 AS value", "!=", 2, "fails"),
        ("SELECT 2.0000000001 AS value", "<=", 2, "holds"),
        ("SELECT true AS value", ">=", 1, "holds"),
        ("SELECT NULL AS value", ">", 0, "no_data"),
        ("SELECT avg(duration_ns) AS value FROM spans WHERE service = 'nobody'", ">", 0, "no_data"),
        ("SELECT 1 AS value WHERE false", ">", 0, "no_data"),
        ("SELECT 'nan'::DOUBLE AS value", ">", 0, "no_data"),
        ("SELECT 'ten' AS value", ">", 0, "error"),
        ("SELECT 1 AS other", ">", 0, "error"),
        ("SELECT 1 AS value, 2 AS value", ">", 0, "error"),
        ("SELECT service AS name, 1 AS value FROM spans", ">", 0, "error"),
        ("SELECT missing AS value FROM spans", ">", 0, "error"),
        ("DROP TABLE spans", ">", 0, "error"),
    ],
)
def test_a_result_is_held_against_its_prediction(sql: str, operator: str, value: float, outcome: str) -> None:
    result = run(hypothesis(spec(sql, operator, value))).hypotheses[0].checks[0]
    assert result.outcome == outcome
    assert (result.value is None) == (outcome in ("no_data", "error"))
    assert result.inputs == INPUTS
    assert result.explanation


def test_the_digest_is_over_columns_and_rows() -> None:
    result = run(hypothesis(spec("SELECT 1.23456789 AS value, 'why' AS note"))).hypotheses[0].checks[0]
    assert result.columns == ("value", "note")
    assert result.rows == ((1.234568, "why"),)
    assert result.result_sha256 == sha256_hex(
        compact_json({"columns": ["value", "note"], "rows": [[1.234568, "why"]]})
    )
    assert result.explanation == "Predicted > 0 spans, observed 1.23457 spans: holds."


def test_one_bad_check_does_not_stop_the_others() -> None:
    checked = run(
        hypothesis(spec("nonsense"), spec("SELECT 1 AS value"), name="H1"),
        hypothesis(spec("SELECT 1 AS value", "<", 1), name="H2"),
    )
    assert [[check.outcome for check in one.checks] for one in checked.hypotheses] == [
        ["error", "holds"],
        ["fails"],
    ]
    assert [one.status for one in checked.hypotheses] == ["inconclusive", "refuted"]
    assert [one.role for one in checked.hypotheses] == ["contributing", "ruled_out"]


def test_no_hypotheses_give_no_checks() -> None:
    assert run().hypotheses == ()


def test_two_runs_give_the_same_bytes() -> None:
    sql = "SELECT avg(duration_ns) AS value, arg_min(event_id, time_ns) AS first_event_id FROM spans"
    assert canonical_json(run(hypothesis(spec(sql)))) == canonical_json(run(hypothesis(spec(sql))))


def test_records_that_a_result_names_are_cited_beside_the_evidence() -> None:
    tables = steady(failing_status=429)
    built = tables.build()
    reader = EvidenceReader(Vault(), built.evidence.artifacts)
    own = Citation(uri="a.jsonl", sha256=INCIDENT, byte_start=0, byte_end=4, excerpt="0123")
    sql = (
        "SELECT 1 AS value, arg_min(event_id, time_ns) AS first_event_id, 'gone' AS other_event_id FROM spans"
    )
    citations = (
        run(hypothesis(spec(sql), evidence=(own,)), tables=tables, reader=reader).hypotheses[0].citations
    )
    assert citations[0] == own
    assert [(c.sha256, c.byte_start, c.byte_end) for c in citations[1:]] == [(INCIDENT, 0, 9)]
    assert all(c.sha256 != REFERENCE for c in citations)
