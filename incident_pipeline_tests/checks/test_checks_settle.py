from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.checks.settle import (
    CAP,
    CAP_INCONCLUSIVE,
    CAP_REFUTED,
    CAP_UNCHECKED,
    Finding,
    Settled,
    settle_confidence,
    settle_roles,
    settle_status,
)
from incident_pipeline.model.check import Outcome, Status

outcomes = st.sampled_from(get_args(Outcome))
findings = st.lists(st.tuples(st.booleans(), outcomes), max_size=9)
priors = st.integers(0, 100)


def test_the_status_follows_the_decisive_checks() -> None:
    assert settle_status([(True, "holds"), (True, "holds"), (False, "fails")]) == "supported"
    assert settle_status([(True, "holds"), (True, "fails")]) == "refuted"
    assert settle_status([(False, "holds")]) == "inconclusive"
    assert settle_status([(True, "no_data"), (True, "error")]) == "inconclusive"
    assert settle_status([]) == "inconclusive"


def test_one_check_that_held_is_no_support_while_another_could_not_run() -> None:
    assert settle_status([(True, "holds"), (True, "no_data")]) == "inconclusive"
    assert settle_status([(True, "holds"), (True, "holds"), (True, "no_data")]) == "supported"


def test_figures_as_documented() -> None:
    assert settle_confidence(50, []) == 40
    assert settle_confidence(50, [(True, "holds")]) == 65
    assert settle_confidence(50, [(True, "holds"), (False, "holds")]) == 69
    assert settle_confidence(50, [(True, "holds"), (False, "fails")]) == 43
    assert settle_confidence(90, [(True, "fails")]) == 10
    assert settle_confidence(20, [(True, "fails")]) == 4
    assert settle_confidence(90, [(True, "holds")] * 4) == CAP
    assert settle_confidence(90, [(True, "holds"), (True, "holds"), (True, "no_data")]) == CAP_UNCHECKED


@given(priors, findings, st.booleans())
def test_one_more_failed_check_never_raises_confidence(
    prior: int, done: list[Finding], decisive: bool
) -> None:
    assert settle_confidence(prior, [*done, (decisive, "fails")]) <= settle_confidence(prior, done)


@given(priors, findings, st.integers(0, 8))
def test_a_check_that_fails_instead_of_holding_never_raises_confidence(
    prior: int, done: list[Finding], index: int
) -> None:
    if index < len(done):
        decisive = done[index][0]
        failed = [*done[:index], (decisive, "fails"), *done[index + 1 :]]
        held = [*done[:index], (decisive, "holds"), *done[index + 1 :]]
        assert settle_confidence(prior, failed) <= settle_confidence(prior, held)


@given(priors, findings)
def test_caps_hold(prior: int, done: list[Finding]) -> None:
    confidence = settle_confidence(prior, done)
    status = settle_status(done)
    assert 0 <= confidence <= CAP
    assert status != "refuted" or confidence <= CAP_REFUTED
    assert status != "inconclusive" or confidence <= CAP_INCONCLUSIVE
    if any(decisive and outcome in ("no_data", "error") for decisive, outcome in done):
        assert confidence <= CAP_UNCHECKED


@given(priors, findings)
def test_the_order_of_checks_does_not_matter(prior: int, done: list[Finding]) -> None:
    mixed = sorted(done, key=str)
    assert settle_confidence(prior, mixed) == settle_confidence(prior, done)


@given(priors, priors, findings)
def test_a_likelier_prior_never_ends_lower(first: int, second: int, done: list[Finding]) -> None:
    low, high = sorted((first, second))
    assert settle_confidence(low, done) <= settle_confidence(high, done)


def settled(name: str, status: Status, confidence: int, *explains: str) -> Settled:
    return Settled(name, status, confidence, explains)


def test_the_best_supported_is_the_root_cause_and_others_contribute() -> None:
    roles = settle_roles(
        [
            settled("H1", "refuted", 10),
            settled("H2", "supported", 70),
            settled("H3", "supported", 90),
            settled("H4", "inconclusive", 40),
        ]
    )
    assert roles == ["ruled_out", "contributing", "root_cause", "contributing"]


def test_of_equals_the_better_ranked_is_the_root_cause() -> None:
    assert settle_roles([settled("H1", "supported", 80), settled("H2", "supported", 80)])[0] == "root_cause"


def test_what_another_supported_one_brings_about_is_no_root_cause() -> None:
    limit, demand = settled("H1", "supported", 92), settled("H2", "supported", 76, "H1")
    assert settle_roles([limit, demand]) == ["contributing", "root_cause"]
    refuted = settled("H2", "refuted", 5, "H1")
    assert settle_roles([limit, refuted]) == ["root_cause", "ruled_out"]


def test_a_circle_of_explanations_still_has_a_root_cause() -> None:
    circle = [settled("H1", "supported", 60, "H2"), settled("H2", "supported", 70, "H1")]
    assert settle_roles(circle) == ["contributing", "root_cause"]


def test_without_support_there_is_no_root_cause() -> None:
    assert settle_roles([settled("H1", "inconclusive", 40), settled("H2", "refuted", 3)]) == [
        "contributing",
        "ruled_out",
    ]
