"""The blameless linter, and our own drafts under it."""

from __future__ import annotations

import pytest

from incident_pipeline.drafting import draft
from incident_pipeline.postmortem import lint
from incident_pipeline_tests.drafting.synthetic import Story, build


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("The operator forgot the flag.", "person-as-fault"),
        ("An engineer misconfigured the proxy.", "person-as-fault"),
        ("It was the fault of the night shift.", "person-as-fault"),
        ("The alert should have fired.", "should-have"),
        ("The team shouldn't have deployed.", "should-have"),
        ("The cause was human error.", "human-error"),
        ("A rollback would have prevented it.", "counterfactual"),
        ("If only the limit were higher.", "counterfactual"),
        ("The root cause was a full disk.", "single-root-cause"),
        ("The only cause is load.", "single-root-cause"),
    ],
)
def test_blaming_or_hindsight_wording_is_found(text: str, rule: str) -> None:
    assert rule in {finding.rule for finding in lint(text)}
    assert all(finding.advice and finding.words in text for finding in lint(text))


@pytest.mark.parametrize(
    "text",
    [
        "gate answered 41 of 161 requests with a server error.",
        "A responder wrote: “human error, he should have known better”.",
        "The pool of ledger is exhausted and callers wait.",
        "Alerts must fire before users notice.",
    ],
)
def test_plain_sentences_and_quotations_pass(text: str) -> None:
    assert lint(text) == ()


def test_names_from_the_evidence_count_as_persons() -> None:
    assert lint("U_ONE broke the cache.") == ()
    assert lint("U_ONE broke the cache.", people=["U_ONE"])[0].rule == "person-as-fault"


@pytest.mark.parametrize(
    "story",
    [Story(), Story(supported=False), Story(verdict="healthy", hypotheses=False), Story(resolved=False)],
)
def test_our_own_drafts_are_blameless(story: Story) -> None:
    made = draft(build(story))
    for text in (*(s.text for s in made.sentences), *(a.action for a in made.actions)):
        assert lint(text, people=["U_ONE", "U_TWO"]) == ()
