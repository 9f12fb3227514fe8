"""The claim guard: what it lets through and what it refuses, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from incident_pipeline.drafting import ClaimGuard, draft
from incident_pipeline.model.citation import Derived
from incident_pipeline.model.draft import DraftAction, DraftSentence
from incident_pipeline_tests.drafting.synthetic import build

if TYPE_CHECKING:
    from incident_pipeline.drafting import DraftInputs


@pytest.fixture(scope="module")
def inputs() -> DraftInputs:
    return build()


@pytest.fixture(scope="module")
def accepted(inputs: DraftInputs) -> DraftSentence:
    return next(s for s in draft(inputs).sentences if s.section == "summary")


def refusal(inputs: DraftInputs, sentence: DraftSentence, **changes: Any) -> str | None:
    return ClaimGuard(inputs).refusal(sentence.model_copy(update=changes))


def test_a_true_sentence_may_stand(inputs: DraftInputs, accepted: DraftSentence) -> None:
    assert refusal(inputs, accepted) is None


def test_a_sentence_without_citation_is_refused(inputs: DraftInputs, accepted: DraftSentence) -> None:
    assert refusal(inputs, accepted, citations=()) == "no citation"


@pytest.mark.parametrize(
    "change",
    [
        {"excerpt": "something else"},
        {"byte_start": 1},
        {"byte_end": 10**9},
        {"sha256": "0" * 64},
        {"uri": "logs/another.jsonl"},
    ],
)
def test_a_citation_must_equal_its_bytes(
    inputs: DraftInputs, accepted: DraftSentence, change: dict[str, Any]
) -> None:
    broken = accepted.citations[0].model_copy(update=change)
    assert "is not what stands at" in (refusal(inputs, accepted, citations=(broken,)) or "")


@pytest.mark.parametrize(
    ("file", "sha256", "pointer"),
    [
        ("facts.json", "0" * 64, "/front_door"),
        ("facts.json", None, "/front_door/absent"),
        ("facts.json", None, "/alerts/99"),
        ("other.json", None, "/front_door"),
    ],
)
def test_derived_values_must_be_there(
    inputs: DraftInputs, accepted: DraftSentence, file: str, sha256: str | None, pointer: str
) -> None:
    digest = sha256 or inputs.digests.get(file, "1" * 64)
    place = Derived(file=file, sha256=digest, json_pointer=pointer)
    assert "nothing at" in (refusal(inputs, accepted, derived_from=(place,)) or "")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("41 of", "47 of", "number 47"),
        ("25.5 %", "26.4 %", "number 26.4"),
        ("09:00:42", "09:00:44", "time 09:00:44"),
        ("2025-10-09", "2025-10-10", "time 2025-10-10"),
    ],
)
def test_figures_and_times_must_be_in_the_evidence(
    inputs: DraftInputs, accepted: DraftSentence, old: str, new: str, word: str
) -> None:
    assert old in accepted.text
    assert word in (refusal(inputs, accepted, text=accepted.text.replace(old, new)) or "")


def test_rounding_shows_in_the_digits(inputs: DraftInputs, accepted: DraftSentence) -> None:
    place = inputs.fact("/front_door/failed_percent")  # 25.5
    for share, stands in (("25.5", True), ("26", True), ("25.47", False), ("24", False), ("27", False)):
        text = f"gate answered {share} % of requests with a server error."
        assert (refusal(inputs, accepted, text=text, derived_from=place) is None) == stands, share


def test_a_quotation_must_be_verbatim(inputs: DraftInputs) -> None:
    sentence = next(s for s in draft(inputs).sentences if "responder wrote" in s.text)
    assert refusal(inputs, sentence) is None
    assert "quotation" in (refusal(inputs, sentence, text="A responder wrote: “the ledger is fine”.") or "")


def test_durations_are_read_back(inputs: DraftInputs) -> None:
    sentence = next(s for s in draft(inputs).sentences if s.text.startswith("The first alert"))
    assert refusal(inputs, sentence) is None
    assert "number 17" in (refusal(inputs, sentence, text=sentence.text.replace("15 s", "17 s")) or "")
    assert "duration" in (refusal(inputs, sentence, text=sentence.text.replace("15 s", "3 min 20 s")) or "")


@pytest.mark.parametrize("text", ["The billing service failed.", "Escalated to team:billing at once."])
def test_components_must_be_known(inputs: DraftInputs, accepted: DraftSentence, text: str) -> None:
    assert "component 'billing" in (refusal(inputs, accepted, text=text) or "")
    assert refusal(inputs, accepted, text="The gate service failed.") is None
    assert "'billing'" in (refusal(inputs, accepted, text="It failed.", components=("billing",)) or "")


@pytest.mark.parametrize("text", ["gate failed.\x1b[31m", "gate \u202edeliaf", "gate\nfailed"])
def test_control_and_direction_characters_are_refused(
    inputs: DraftInputs, accepted: DraftSentence, text: str
) -> None:
    assert "control or direction" in (refusal(inputs, accepted, text=text) or "")


def test_sifting_keeps_refused_text_apart(inputs: DraftInputs, accepted: DraftSentence) -> None:
    lie = accepted.model_copy(update={"text": "gate failed 9999 requests."})
    action = DraftAction(
        owner="team:gate",
        action="Add 77 more instances.",
        deadline="2025-10-23",
        type="prevent",
        priority="P1",
        hypothesis=None,
        citations=accepted.citations,
    )
    sentences, actions, refused = ClaimGuard(inputs).sift([accepted, lie], [action])
    assert sentences == (accepted,)
    assert actions == ()
    assert [item.section for item in refused] == ["summary", "action_items"]
    assert "9999" in refused[0].reason
