"""Assembly and ledger: every statement has a row, every row leads to bytes."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from incident_pipeline.drafting import ClaimGuard, draft
from incident_pipeline.model.citation import Ledger
from incident_pipeline.model.postmortem import Postmortem
from incident_pipeline.postmortem import assemble, assemble_with_refusals
from incident_pipeline.postmortem.excerpt import choose_entries, event_text
from incident_pipeline.serialise import canonical_json
from incident_pipeline_tests.drafting.synthetic import Story, build

STORIES = [
    Story(),
    Story(spans=False, access_log=False),
    Story(hypotheses=False, verdict="insufficient_evidence"),
    Story(chat=False, changes=False, alerts=False),
    Story(message="<script>alert(1)</script> \u202ex"),
]


def made(story: Story) -> tuple[Postmortem, Ledger]:
    inputs = build(story)
    return assemble(inputs, draft(inputs))


def resolve(document: Any, where: str) -> Any:
    file, _, pointer = where.partition("#")
    assert file == "postmortem.json"
    for token in pointer.split("/")[1:]:
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


@pytest.mark.parametrize("story", STORIES)
def test_every_row_points_at_its_own_text(story: Story) -> None:
    postmortem, ledger = made(story)
    document = json.loads(canonical_json(postmortem))
    assert ledger.sentences
    for row in ledger.sentences:
        assert resolve(document, row.where) == row.text


@pytest.mark.parametrize("story", STORIES)
def test_every_citation_equals_its_bytes(story: Story) -> None:
    inputs = build(story)
    guard = ClaimGuard(inputs)
    _, ledger = assemble(inputs, draft(inputs))
    for row in ledger.sentences:
        assert row.citations
        assert all(guard.resolves(citation) for citation in row.citations)
        assert all(guard.value(place) is not ... for place in row.derived_from)


@pytest.mark.parametrize("story", STORIES)
def test_every_statement_of_the_postmortem_has_a_row(story: Story) -> None:
    postmortem, ledger = made(story)
    rows = {row.id: row.text for row in ledger.sentences}
    statements = [
        *postmortem.summary_statements, *postmortem.impact, *postmortem.detection, *postmortem.response,
        *postmortem.contributing_factors, *postmortem.went_well, *postmortem.went_badly,
        *postmortem.got_lucky, *postmortem.open_questions,
    ]  # fmt: skip
    texts = {statement.id: statement.text for statement in statements}
    texts |= {row.sentence_id: row.event for row in postmortem.timeline_excerpt}
    texts |= {item.sentence_id: item.summary for item in postmortem.top_hypotheses}
    texts |= {item.sentence_id: item.action for item in postmortem.action_items}
    assert texts == rows
    assert postmortem.summary == " ".join(statement.text for statement in postmortem.summary_statements)


def test_the_seed_samples_fields_are_there() -> None:
    document = json.loads(canonical_json(made(Story())[0]))
    assert {"incident_id", "summary", "timeline_excerpt", "top_hypotheses", "action_items"} <= set(document)
    assert {"time", "event", "artifact"} <= set(document["timeline_excerpt"][0])
    assert {"id", "summary", "confidence", "evidence", "validation_checks"} <= set(
        document["top_hypotheses"][0]
    )
    assert {"owner", "action", "deadline"} <= set(document["action_items"][0])
    assert document["timeline_excerpt"][0]["artifact"].startswith("changes/changes.jsonl (sha256:")
    assert "#line-" in document["top_hypotheses"][0]["evidence"][0]


def test_refuted_hypotheses_stay_and_come_last() -> None:
    postmortem, _ = made(Story())
    assert [(h.id, h.status) for h in postmortem.top_hypotheses] == [
        ("H1", "supported"),
        ("H3", "inconclusive"),
        ("H2", "refuted"),
    ]
    assert postmortem.honesty.hypotheses_refuted == 1
    assert postmortem.honesty.checks_without_data == 1


def test_a_models_invented_summary_is_refused_but_its_card_stays() -> None:
    inputs = build()
    first = inputs.hypotheses.hypotheses[0].model_copy(
        update={"origin": "model", "summary": "ledger lost 12345 connections"}
    )
    changed = inputs.hypotheses.model_copy(update={"hypotheses": (first, *inputs.hypotheses.hypotheses[1:])})
    inputs = type(inputs)(**{**_fields(inputs), "hypotheses": changed})
    postmortem, _, refused = assemble_with_refusals(inputs, draft(inputs))
    card = postmortem.top_hypotheses[0]
    assert card.id == "H1"
    assert "12345" not in card.summary
    assert "12345" not in postmortem.summary
    assert postmortem.honesty.refused_statements == len(refused) >= 2
    assert all("12345" in item.text for item in refused if item.section in ("summary", "top_hypotheses"))


def _fields(inputs: Any) -> dict[str, Any]:
    return {name: getattr(inputs, name) for name in type(inputs).__dataclass_fields__}


def test_key_times_name_their_events() -> None:
    times = made(Story())[0].key_times
    assert times.occurred_at is not None
    assert times.occurred_at.basis == "estimate"
    for moment in (times.detected_at, times.aware_at, times.service_restored_at, times.resolved_at):
        assert moment is not None
        assert moment.event_id
    assert times.classified_at is None


def test_honesty_counts_what_is_there() -> None:
    postmortem, ledger = made(Story())
    honesty = postmortem.honesty
    assert honesty.sentences == honesty.sentences_with_citations == len(ledger.sentences)
    assert honesty.citations == sum(len(row.citations) for row in ledger.sentences)
    assert honesty.refused_statements == 0
    assert postmortem.problems[0].kind == "missing"
    assert any(row.quarantined == 2 for row in postmortem.coverage)


def test_the_excerpt_keeps_alerts_and_spreads_the_rest() -> None:
    entries = build(Story()).timeline.entries
    many = [entries[2].model_copy(update={"type": "log", "position": n}) for n in range(100)]
    alert = entries[0].model_copy(update={"type": "alert", "position": 100})
    chosen = choose_entries([*many, alert], limit=10)
    assert len(chosen) == 10
    assert chosen[-1] == (100, alert)
    gaps = [b[0] - a[0] for a, b in pairwise(chosen[:-1])]
    assert max(gaps) - min(gaps) <= 1


def test_event_text_is_one_short_line() -> None:
    entry = build(Story()).timeline.entries[0]
    long = entry.model_copy(update={"message": "word \n" * 5_000, "service": "gate"})
    assert len(event_text(long)) == 280
    assert "\n" not in event_text(long)


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert canonical_json(made(Story())[0]) == canonical_json(made(Story())[0])
    assert canonical_json(made(Story())[1]) == canonical_json(made(Story())[1])
