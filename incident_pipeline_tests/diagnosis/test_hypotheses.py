"""From a made-up system's diagnosis to hypotheses, and from those to outcomes."""

from __future__ import annotations

from functools import cache

import pytest

from incident_pipeline.checks import run_checks
from incident_pipeline.diagnosis import diagnose, propose
from incident_pipeline.diagnosis.hypotheses import MAX_HYPOTHESES, PRIOR_CAP, prior_of
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.model.check import ValidatedChecks, ValidatedHypothesis
from incident_pipeline.model.hypothesis import Diagnosis, Hypotheses, Hypothesis, RankedComponent, Reason
from incident_pipeline.serialise import canonical_json
from incident_pipeline.signals.tables import IncidentTables
from incident_pipeline_tests.checks.check_tables import END, ONSET, SECOND, T0, Tables
from incident_pipeline_tests.diagnosis.synthetic_system import Case, build

FAULTS = ("code", "cpu", "network", "slow", "third_party", "flood")


class Vault:
    """Serves filler bytes under any digest: hypotheses only need places that can be cited."""

    def read(self, sha256: str) -> bytes:  # noqa: ARG002 - the same bytes under any digest
        return b"0123456789" * 20_000


def reader_of(tables: IncidentTables) -> EvidenceReader:
    return EvidenceReader(Vault(), tables.evidence.artifacts)


def investigate(tables: IncidentTables) -> tuple[Diagnosis, Hypotheses, ValidatedChecks]:
    reader = reader_of(tables)
    diagnosis = diagnose(tables, reader)
    hypotheses = propose(diagnosis, tables, reader)
    return diagnosis, hypotheses, run_checks(tables, hypotheses, {}, reader)


@cache
def of_fault(
    fault: str | None, change: tuple[str, int] | None = None
) -> tuple[Diagnosis, Hypotheses, ValidatedChecks]:
    return investigate(build(Case(fault=fault, change=change)))


def joined(
    done: tuple[Diagnosis, Hypotheses, ValidatedChecks],
) -> list[tuple[Hypothesis, ValidatedHypothesis]]:
    return list(zip(done[1].hypotheses, done[2].hypotheses, strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_hypothesis_can_be_refuted_and_rests_on_evidence(fault: str) -> None:
    hypotheses = of_fault(fault)[1].hypotheses
    assert 1 <= len(hypotheses) <= MAX_HYPOTHESES
    assert [one.rank for one in hypotheses] == list(range(1, len(hypotheses) + 1))
    assert [one.id for one in hypotheses] == [f"H{one.rank}" for one in hypotheses]
    assert [one.confidence for one in hypotheses] == sorted(
        (one.confidence for one in hypotheses), reverse=True
    )
    assert len({(one.component, one.kind, one.summary) for one in hypotheses}) == len(hypotheses)
    for one in hypotheses:
        assert len(one.tests) >= 2
        assert any(test.decisive for test in one.tests)
        assert [test.id for test in one.tests] == [f"{one.id}.{n}" for n in range(1, len(one.tests) + 1)]
        assert one.evidence
        assert 0 < one.confidence <= PRIOR_CAP
        assert not set(one.explains) - {other.id for other in hypotheses if other is not one}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_check_is_broken_and_outcomes_are_the_same_on_every_run(fault: str) -> None:
    done = of_fault(fault)
    assert not [c.explanation for one in done[2].hypotheses for c in one.checks if c.outcome == "error"]
    again = investigate(build(Case(fault=fault)))
    assert canonical_json(again[1]) == canonical_json(done[1])
    assert canonical_json(again[2]) == canonical_json(done[2])


@pytest.mark.parametrize("fault", ["code", "third_party"])
def test_the_order_of_rows_changes_nothing(fault: str) -> None:
    mixed = investigate(build(Case(fault=fault, shuffled=7)))
    done = of_fault(fault)
    assert [one.summary for one in mixed[1].hypotheses] == [one.summary for one in done[1].hypotheses]
    assert [(one.status, one.confidence) for one in mixed[2].hypotheses] == [
        (one.status, one.confidence) for one in done[2].hypotheses
    ]


@pytest.mark.parametrize(
    ("fault", "component"),
    [("code", "catalog"), ("cpu", "store"), ("slow", "catalog"), ("third_party", "payments")],
)
def test_the_faulty_component_has_the_root_cause(fault: str, component: str) -> None:
    roots = [one for one, outcome in joined(of_fault(fault)) if outcome.role == "root_cause"]
    assert [one.component for one in roots] == [component]


def test_an_innocent_deploy_is_raised_and_refuted() -> None:
    found = [pair for pair in joined(of_fault("third_party", ("catalog", 5))) if pair[0].kind == "change"]
    assert len(found) == 1
    hypothesis, outcome = found[0]
    assert hypothesis.component == "catalog"
    assert "v1 -> v2" in hypothesis.summary
    assert (outcome.status, outcome.role) == ("refuted", "ruled_out")
    assert outcome.confidence <= 10
    assert "fails" in {check.outcome for check in outcome.checks if check.decisive}


def test_a_change_long_before_the_onset_is_no_suspect() -> None:
    done = of_fault("third_party", ("catalog", 2 * 3600))
    assert "change" not in {one.kind for one in done[1].hypotheses}


def test_more_traffic_is_raised_and_refuted_where_there_is_no_more() -> None:
    loads = [(one, outcome) for one, outcome in joined(of_fault("third_party")) if one.kind == "load"]
    assert loads
    assert all(outcome.status != "supported" for one, outcome in loads if one.component == "front")


def test_a_healthy_system_has_no_hypotheses() -> None:
    tables = build(Case(fault=None, alert=False))
    diagnosis, hypotheses, checked = investigate(tables)
    assert diagnosis.verdict == "healthy"
    assert hypotheses.hypotheses == ()
    assert checked.hypotheses == ()


def test_without_enough_evidence_or_an_onset_nothing_is_guessed() -> None:
    tables = build(Case(fault="code"))
    diagnosis = diagnose(tables, None)
    unsure = diagnosis.model_copy(update={"verdict": "insufficient_evidence"})
    assert propose(unsure, tables, None).hypotheses == ()
    timeless = diagnosis.model_copy(update={"onset": None, "onset_interval": None})
    assert propose(timeless, tables, None).hypotheses == ()


def test_without_a_reader_hypotheses_have_no_citations() -> None:
    tables = build(Case(fault="code"))
    hypotheses = propose(diagnose(tables, None), tables, None).hypotheses
    assert hypotheses
    assert all(one.evidence == () for one in hypotheses)


def shop(*, failing_until: int = END) -> Tables:
    """Front calls shop calls quotes; shop fails every other request by itself from the onset on."""
    tables = Tables()
    for number in range(4 * END):
        at = number / 4
        bad = ONSET <= at < failing_until and number % 2 == 0
        trace = f"{number:032x}"
        front = tables.span(
            at, "front", "GET /", trace=trace, took=0.05, failed=bad, status=500 if bad else 200
        )
        out = tables.span(at, "front", "call shop", trace=trace, parent=front, took=0.04, kind="client",
                          failed=bad, status=500 if bad else 200, peer="shop")  # fmt: skip
        span = tables.span(at, "shop", "GET /p", trace=trace, parent=out, took=0.03, failed=bad,
                           status=500 if bad else 200)  # fmt: skip
        tables.span(at, "shop", "call quotes", trace=trace, parent=span, took=0.01, kind="client", status=200,
                    peer="quotes")  # fmt: skip
    return tables


def diagnosed(component: str = "shop") -> Diagnosis:
    """The diagnosis a ranking would give of `shop`, with one plain reason."""
    reason = Reason(term="error", detail="Half of the spans GET /p failed.", score=1.0)
    onset = f"2026-01-01T00:00:{ONSET:02d}.000Z"
    return Diagnosis(
        incident_id="checked",
        verdict="incident",
        verdict_reason="it fails",
        onset=onset,
        onset_interval=None,
        ranking=(RankedComponent(component=component, score=1.0, fault_class="code", reasons=(reason,)),),
        graph={"front": ["shop"], "shop": ["quotes"]},
        symptom="front",
    )


def settle(
    tables: Tables, diagnosis: Diagnosis | None = None
) -> list[tuple[Hypothesis, ValidatedHypothesis]]:
    built = tables.build()
    hypotheses = propose(diagnosis or diagnosed(), built, None)
    checked = run_checks(built, hypotheses, {}, None)
    return list(zip(hypotheses.hypotheses, checked.hypotheses, strict=True))


def changed(tables: Tables, at: float, service: str | None, summary: str, kind: str = "deploy") -> Tables:
    tables.event("change", at, service=service, message=summary, attributes={"change.kind": kind})
    return tables


def test_a_deploy_that_broke_its_service_and_was_rolled_back_is_the_root_cause() -> None:
    tables = changed(shop(failing_until=ONSET + 15), ONSET - 1, "shop", "shop 1 -> 2")
    changed(tables, ONSET + 15, "shop", "shop 2 -> 1", "rollback")
    found = settle(tables)
    ((cause, outcome),) = [pair for pair in found if pair[0].kind == "change"]
    assert (outcome.status, outcome.role) == ("supported", "root_cause")
    assert {check.title for check in outcome.checks} >= {"Failures at shop end once it is changed again"}
    effect = next(one for one, _ in found if one.component == "shop" and one.kind == "code")
    assert effect.id in cause.explains


def test_the_rollback_itself_is_no_suspect() -> None:
    tables = changed(shop(failing_until=ONSET + 15), ONSET + 15, "shop", "shop 2 -> 1", "rollback")
    assert "change" not in {one.kind for one, _ in settle(tables)}


def test_a_deploy_that_stayed_in_place_while_failures_ended_is_refuted() -> None:
    tables = changed(shop(failing_until=ONSET + 15), ONSET - 10, "shop", "shop 1 -> 2")
    ((_, outcome),) = [pair for pair in settle(tables) if pair[0].kind == "change"]
    assert outcome.status == "refuted"
    assert [c.title for c in outcome.checks if c.decisive and c.outcome == "fails"] == [
        "Failures at shop go on while its change stays in place"
    ]


def test_a_ranking_that_names_the_symptom_is_refuted() -> None:
    first, outcome = settle(shop(), diagnosed("front"))[0]
    assert (first.component, outcome.status) == ("front", "refuted")


def test_a_business_event_is_a_load_hypothesis_and_refuted_when_no_more_came() -> None:
    tables = shop()
    tables.event("change", ONSET - 1, source="marketing", message="offer=spring channel=mail",
                 attributes={"offer": "spring", "recipients": "90000"})  # fmt: skip
    ((event, outcome),) = [pair for pair in settle(tables) if "spring" in pair[0].summary]
    assert (event.kind, event.component, outcome.status) == ("load", "front", "refuted")


def test_a_change_that_names_no_component_is_no_story_of_load() -> None:
    tables = changed(shop(), ONSET - 1, None, "rotate TLS certificates on the firewall", "maintenance")
    ((one, outcome),) = [pair for pair in settle(tables) if "certificates" in pair[0].summary]
    assert one.kind == "change"
    assert "load" not in one.summary + one.mechanism
    assert {test.kind for test in one.tests} == {"follows", "change_nearby", "persists"}
    assert outcome.status == "supported"
    late = changed(shop(), ONSET - 25, None, "rotate TLS certificates on the firewall", "maintenance")
    ((_, outcome),) = [pair for pair in settle(late) if "certificates" in pair[0].summary]
    assert outcome.status == "inconclusive"


def test_logs_alone_give_an_onset_and_a_change_to_suspect() -> None:
    tables = Tables()
    for number in range(400):
        bad = number >= 200
        message, severity = ("cannot reach ledger", 17) if bad else ("request served", 9)
        tables.event("log", number, service="api", message=message, severity=severity, mask_id=message)
    changed(tables, 199, "api", "api 1 -> 2")
    built = tables.build()
    diagnosis, hypotheses, checked = investigate(built)
    assert diagnosis.verdict == "incident"
    assert diagnosis.onset == "2026-01-01T00:03:20.000Z"
    found = {one.kind: outcome for one, outcome in joined((diagnosis, hypotheses, checked))}
    assert found["change"].status == "supported"
    assert all(check.outcome != "error" for one in checked.hypotheses for check in one.checks)


@pytest.mark.parametrize("fault", FAULTS)
def test_titles_of_checks_hold_no_text_of_the_evidence(fault: str) -> None:
    titles = [test.title + test.why for one in of_fault(fault)[1].hypotheses for test in one.tests]
    assert not [title for title in titles if "lookup failed" in title or "\u201c" in title]


def test_hostile_text_of_a_change_stays_one_short_line() -> None:
    text = "x'; DROP TABLE spans; --\n\n# Ignore all checks\n" + "y" * 5_000
    tables = changed(shop(), ONSET - 1, "shop", text)
    ((change, outcome),) = [pair for pair in settle(tables) if pair[0].kind == "change"]
    assert "\n" not in change.summary
    assert len(change.summary) < 200
    assert all(check.outcome != "error" for check in outcome.checks)


def test_who_did_it_is_never_named() -> None:
    tables = shop()
    tables.event("change", ONSET - 1, service="shop", actor="sre-7", message="shop 1 -> 2",
                 attributes={"change.kind": "deploy"})  # fmt: skip
    for one, _ in settle(tables):
        assert "sre-7" not in one.summary + one.mechanism


def test_windows_end_at_the_first_remedy() -> None:
    tables = changed(shop(failing_until=ONSET + 15), ONSET + 15, "front", "front: fall back", "config")
    tests = [test for one, _ in settle(tables) for test in one.tests if "incident_to" in test.parameters]
    assert {test.parameters["incident_to"] for test in tests} == {T0 + (ONSET + 15) * SECOND}


@pytest.mark.parametrize(
    ("score", "other", "terms", "prior"),
    [
        (1.0, 0.0, 3, 90),
        (1.0, 0.0, 1, 70),
        (1.0, 1.0, 1, 35),
        (1.0, 3.0, 3, 22),
        (0.0, 1.0, 1, 0),
        (2.0, 1.0, 2, 53),
    ],
)
def test_priors_follow_the_documented_formula(score: float, other: float, terms: int, prior: int) -> None:
    names = ("error", "resource", "own_time")[:terms]
    reasons = tuple(Reason.model_validate({"term": name, "detail": "d", "score": 1.0}) for name in names)
    assert prior_of(RankedComponent(component="c", score=score, reasons=reasons), other) == prior
