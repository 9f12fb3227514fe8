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

CONFIRMING, DISCRIMINATING_KINDS = ("measure", "path", "errors"), ("specific", "precedes")
outcomes = st.sampled_from(get_args(Outcome))
kinds = st.sampled_from((*CONFIRMING, *DISCRIMINATING_KINDS))
findings = st.lists(st.builds(Finding, kinds, st.booleans(), outcomes), max_size=9)
priors = st.integers(0, 100)

HOLDS = Finding("measure", True, "holds")
AGAIN = Finding("path", True, "holds")
APART = Finding("specific", False, "holds")


def test_support_needs_two_kinds_one_of_which_a_rival_would_fail() -> None:
    assert settle_status([HOLDS, APART]) == "supported"
    assert settle_status([HOLDS, Finding("origin", True, "holds")]) == "supported"
    assert settle_status([HOLDS]) == "inconclusive"
    assert settle_status([HOLDS, HOLDS]) == "inconclusive"
    assert settle_status([HOLDS, AGAIN]) == "inconclusive"
    assert settle_status([APART]) == "inconclusive"
    assert settle_status([]) == "inconclusive"


def test_a_decisive_check_that_fails_refutes_whatever_else_holds() -> None:
    assert settle_status([HOLDS, APART, Finding("path", True, "fails")]) == "refuted"


def test_a_rival_that_moved_as_much_takes_support_away_but_does_not_refute() -> None:
    rival = Finding("callees", False, "fails")
    assert settle_status([HOLDS, rival]) == "inconclusive"
    assert settle_status([HOLDS, APART, rival]) == "inconclusive"
    order = Finding("precedes", True, "holds")
    assert settle_status([HOLDS, APART, order, rival]) == "supported"
    assert settle_confidence(90, [HOLDS, APART, order, rival]) <= CAP_UNCHECKED


def test_checks_that_could_not_run_outweigh_as_many_that_held() -> None:
    gap = Finding("path", True, "no_data")
    assert settle_status([HOLDS, APART, gap]) == "inconclusive"
    assert settle_status([HOLDS, Finding("origin", True, "holds"), gap]) == "supported"


def test_figures_as_documented() -> None:
    assert settle_confidence(50, []) == CAP_INCONCLUSIVE
    assert settle_confidence(50, [HOLDS, APART]) == 76
    assert settle_confidence(50, [HOLDS, APART, Finding("slow", False, "holds")]) == 78
    assert settle_confidence(50, [HOLDS, APART, Finding("slow", False, "fails")]) == 50
    assert settle_confidence(90, [Finding("path", True, "fails")]) == CAP_REFUTED
    assert settle_confidence(20, [Finding("path", True, "fails")]) == 4
    assert settle_confidence(90, [HOLDS, AGAIN, APART, Finding("origin", True, "holds")]) == CAP
    unchecked = Finding("path", True, "no_data")
    assert settle_confidence(90, [HOLDS, Finding("origin", True, "holds"), unchecked]) == CAP_UNCHECKED


@given(priors, findings, kinds, st.booleans())
def test_one_more_failed_check_never_raises_confidence(
    prior: int, done: list[Finding], kind: str, decisive: bool
) -> None:
    more = [*done, Finding(kind, decisive, "fails")]
    assert settle_confidence(prior, more) <= settle_confidence(prior, done)


@given(priors, findings, st.integers(0, 8))
def test_a_check_that_fails_instead_of_holding_never_raises_confidence(
    prior: int, done: list[Finding], index: int
) -> None:
    if index < len(done):
        failed = [*done[:index], done[index]._replace(outcome="fails"), *done[index + 1 :]]
        held = [*done[:index], done[index]._replace(outcome="holds"), *done[index + 1 :]]
        assert settle_confidence(prior, failed) <= settle_confidence(prior, held)


@given(priors, findings)
def test_caps_hold(prior: int, done: list[Finding]) -> None:
    confidence = settle_confidence(prior, done)
    status = settle_status(done)
    assert 0 <= confidence <= CAP
    assert status != "refuted" or confidence <= CAP_REFUTED
    assert status != "inconclusive" or confidence <= CAP_INCONCLUSIVE
    if any(one.decisive and one.outcome in ("no_data", "error") for one in done):
        assert confidence <= CAP_UNCHECKED


@given(priors, findings)
def test_the_order_of_checks_does_not_matter(prior: int, done: list[Finding]) -> None:
    assert settle_confidence(prior, sorted(done, key=str)) == settle_confidence(prior, done)


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
