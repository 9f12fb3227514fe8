"""Injected faults are found, and what must not matter does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from incident_pipeline.diagnosis import diagnose
from incident_pipeline.model.hypothesis import Diagnosis
from incident_pipeline.serialise import canonical_json
from incident_pipeline_tests.diagnosis.synthetic_system import CALM, ROLES, SECOND, Case, build

FAULTS = {
    "cpu": ("store", "resource"),
    "slow": ("catalog", "own_time"),
    "network": ("cart", "gap"),
    "code": ("catalog", "structure"),
    "third_party": ("payments", "error"),
    "flood": ("front", "structure"),
}


def run(case: Case) -> Diagnosis:
    return diagnose(build(case), None)


def scores(diagnosis: Diagnosis) -> dict[str, float]:
    return {ranked.component: ranked.score for ranked in diagnosis.ranking}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items())
def test_each_fault_is_ranked_first_by_the_analysis_made_for_it(
    fault: str, expected: tuple[str, str]
) -> None:
    diagnosis = run(Case(fault=fault))
    first = diagnosis.ranking[0]
    assert (first.component, first.reasons[0].term) == expected
    assert diagnosis.verdict == "incident"
    assert first.score >= 2 * diagnosis.ranking[1].score


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", [2, 3])
def test_other_random_draws_give_the_same_first(fault: str, seed: int) -> None:
    assert run(Case(fault=fault, seed=seed)).ranking[0].component == FAULTS[fault][0]


def test_every_component_is_listed_also_the_one_without_telemetry() -> None:
    assert sorted(scores(run(Case(fault="slow")))) == sorted(ROLES)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_renaming_every_component_changes_names_only(fault: str | None) -> None:
    names = dict(zip(ROLES, ("zeta", "alpha", "omega", "beta", "gamma"), strict=True))
    plain, renamed = run(Case(fault=fault)), run(Case(fault=fault, names=names))
    assert scores(renamed) == {names[role]: score for role, score in scores(plain).items()}
    assert (plain.verdict, plain.onset) == (renamed.verdict, renamed.onset)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_shifting_all_clocks_changes_times_only(fault: str | None) -> None:
    plain, shifted = run(Case(fault=fault)), run(Case(fault=fault, shift_ns=7 * 60 * SECOND))
    assert scores(plain) == scores(shifted)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_the_order_of_rows_changes_nothing(fault: str | None) -> None:
    plain, mixed = run(Case(fault=fault)), run(Case(fault=fault, shuffled=5))
    assert canonical_json(plain) == canonical_json(mixed)


def test_two_runs_give_the_same_bytes() -> None:
    tables = build(Case(fault="code", change=("cart", 10)))
    assert canonical_json(diagnose(tables, None)) == canonical_json(diagnose(tables, None))


@pytest.mark.parametrize("fault", ["slow", "code"])
def test_a_component_with_a_twin_ties_with_it(fault: str) -> None:
    first, second = run(Case(fault=fault, twin="twin")).ranking[:2]
    assert (first.component, second.component) == ("catalog", "twin")
    assert first.score == second.score > 0
    assert (first.tied_with, second.tied_with) == (("twin",), ("catalog",))


@pytest.mark.parametrize("alert", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_calm_system_is_healthy(alert: bool, seed: int) -> None:
    diagnosis = run(Case(alert=alert, seed=seed))
    assert diagnosis.verdict == "healthy"
    assert diagnosis.ranking[0].score < 0.1


def test_more_traffic_alone_is_no_incident_and_is_reported_as_load() -> None:
    diagnosis = run(Case(traffic=3.0))
    assert diagnosis.verdict == "healthy"
    assert diagnosis.ranking[0].reasons[0].term == "load"


@pytest.mark.parametrize("fault", ["cpu", "slow", "network", "code"])
def test_more_traffic_does_not_hide_a_fault(fault: str) -> None:
    assert run(Case(fault=fault, traffic=3.0)).ranking[0].component == FAULTS[fault][0]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_innocent_deploy_shortly_before_is_not_blamed(fault: str) -> None:
    innocent = "catalog" if FAULTS[fault][0] != "catalog" else "cart"
    diagnosis = run(Case(fault=fault, change=(innocent, 10)))
    assert diagnosis.ranking[0].component == FAULTS[fault][0]


def test_a_deploy_of_the_faulty_component_is_a_reason_and_raises_its_score() -> None:
    without, with_change = run(Case(fault="code")), run(Case(fault="code", change=("catalog", 5)))
    first = with_change.ranking[0]
    assert [reason.term for reason in first.reasons if reason.term == "change"] == ["change"]
    assert first.score > without.ranking[0].score


def test_a_deploy_after_the_onset_is_no_reason() -> None:
    ranking = run(Case(fault="code", change=("catalog", -40))).ranking
    assert all(reason.term != "change" for ranked in ranking for reason in ranked.reasons)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_onset_interval_holds_the_true_onset(fault: str) -> None:
    diagnosis = run(Case(fault=fault))
    assert diagnosis.onset_interval is not None
    low, high = (
        float(text[14:16]) * 60 + float(text[17:-1])
        for text in (diagnosis.onset_interval.earliest, diagnosis.onset_interval.latest)
    )
    assert low - 10 <= CALM <= high + 10


def test_metrics_alone_still_find_a_starved_component() -> None:
    diagnosis = run(Case(fault="cpu", traces=False))
    assert diagnosis.ranking[0].component == "store"
    assert diagnosis.modalities == {"logs": "missing", "metrics": "present", "traces": "missing"}


def test_an_alert_alone_is_insufficient_evidence() -> None:
    diagnosis = run(Case(traces=False, metrics=False))
    assert diagnosis.verdict == "insufficient_evidence"
    assert "besides the alert" in diagnosis.verdict_reason


def test_an_alert_on_a_component_without_telemetry_is_insufficient_evidence() -> None:
    diagnosis = run(replace(Case(traces=False), names={"front": "front"}))
    assert diagnosis.verdict == "healthy"
    tables = build(Case(traces=False))
    events = tables.events.set_column(
        tables.events.schema.get_field_index("service"),
        "service",
        [["somewhere-else"] * tables.events.num_rows],
    )
    assert diagnose(replace(tables, events=events), None).verdict == "insufficient_evidence"


def test_reasons_carry_what_a_check_needs() -> None:
    reason = run(Case(fault="code")).ranking[0].reasons[0]
    assert {"service", "operation", "feature", "p0", "p1", "n0", "n1"} <= set(reason.facts)
    assert reason.baseline is not None
    assert reason.observed is not None
    assert reason.detail.endswith(".")


def test_the_graph_knows_who_calls_whom() -> None:
    graph = run(Case(fault="slow")).graph
    assert graph == {"cart": ["payments", "store"], "catalog": ["store"], "front": ["cart", "catalog"]}
