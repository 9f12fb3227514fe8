"""Refusals around the redacted view, met through `verify`: card, span maps, views and citations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from incident_pipeline.errors import SealError
from incident_pipeline.evidence.redacted_view import apply_spans
from incident_pipeline.model.redaction import RedactedArtifact, RedactedSpan, Redaction, SpanMap
from incident_pipeline.serialise import canonical_json, sha256_hex, write_bytes, write_json
from incident_pipeline_tests.evidence.sealed_case import LOG, Case


def stretch_of(offset: int, length: int) -> RedactedSpan:
    return RedactedSpan.model_validate(
        {"offset": offset, "length": length, "kind": "name", "token": "[name:1]"}
    )


STRETCH = stretch_of(LOG.index(b"stock"), 5)


def redact(case: Case, *, stretch: RedactedSpan = STRETCH, **card: Any) -> None:
    """Write the redacted view of a tiny incident, with one stretch of the log replaced."""
    sealed = case.seal()
    reader = case.reader(sealed)
    artifacts = []
    for it in sealed.evidence.artifacts:
        spans = (stretch,) if it.uri == "logs/app.log" else ()
        data = reader.decoded(it.sha256)
        view = apply_spans(data, spans)
        listed = canonical_json(SpanMap(sha256=it.sha256, spans=spans))
        write_bytes(case.results.redacted / f"{it.sha256}.bin", view)
        write_bytes(case.results.redacted / f"{it.sha256}.spans.json", listed)
        artifacts.append(
            RedactedArtifact(
                sha256=it.sha256,
                uri=it.uri,
                state="redacted",
                decoded_sha256=sha256_hex(data),
                redacted_sha256=sha256_hex(view),
                redacted_size=len(view),
                span_map_sha256=sha256_hex(listed),
            )
        )
    values = {"incident_id": "INC-1", "ruleset": "1", "key_id": "k", "artifacts": artifacts, "tables": ()}
    write_json(case.results.redaction, Redaction.model_validate({**values, **card}))


def edit_card(case: Case, change: Callable[[RedactedArtifact], RedactedArtifact]) -> None:
    card = Redaction.model_validate_json(case.results.redaction.read_bytes())
    artifacts = tuple(change(it) for it in card.artifacts)
    write_json(case.results.redaction, card.model_copy(update={"artifacts": artifacts}))


def test_a_view_that_fits_its_evidence_holds(sealed_case: Case) -> None:
    redact(sealed_case)
    assert sealed_case.verify() == (0, [])


def test_a_view_that_says_something_else_is_refused(sealed_case: Case) -> None:
    redact(sealed_case)
    for path in sealed_case.results.redacted.glob("*.bin"):
        whole = path.read_bytes()
        path.write_bytes(whole + b"!")
        code, messages = sealed_case.verify()
        assert code == 1
        assert "with the tokens of its span map" in messages[0]
        path.write_bytes(whole)
    edit_card(sealed_case, lambda it: it.model_copy(update={"redacted_sha256": "0" * 64}))
    code, messages = sealed_case.verify()
    assert (code, len(messages)) == (1, 2)


def test_a_span_map_that_is_another_is_refused(sealed_case: Case) -> None:
    redact(sealed_case)
    edit_card(sealed_case, lambda it: it.model_copy(update={"span_map_sha256": "0" * 64}))
    code, messages = sealed_case.verify()
    assert code == 1
    assert "is not the span map that redaction.json names" in messages[0]


def test_a_card_of_other_artifacts_is_refused(sealed_case: Case) -> None:
    redact(sealed_case, artifacts=())
    assert sealed_case.verify() == (1, ["redaction.json speaks of other artifacts than were sealed."])


def test_a_citation_may_not_show_what_is_redacted(sealed_case: Case) -> None:
    redact(sealed_case, stretch=STRETCH.model_copy(update={"offset": LOG.index(b"caf"), "length": 3}))
    code, messages = sealed_case.verify()
    assert code == 1
    assert messages == ["S1, citation 1 shows bytes of logs/app.log that are redacted."]


def test_without_a_vault_views_could_not_be_compared(sealed_case: Case) -> None:
    redact(sealed_case)
    sealed_case.vault.root.rename(sealed_case.root / "gone")
    code, messages = sealed_case.verify()
    assert code == 3
    assert sum(it.startswith("redacted/") and "there is no vault" in it for it in messages) == 2


@pytest.mark.parametrize(("offset", "length"), [(3, 0), (3, -1), (-1, 2), (9, 2), (10, 1)])
def test_stretches_that_do_not_fit_the_text_are_refused(offset: int, length: int) -> None:
    span = stretch_of(offset, length)
    with pytest.raises(SealError, match="out of order or place"):
        apply_spans(b"0123456789", [span])


def test_stretches_that_overlap_or_go_back_are_refused() -> None:
    first = stretch_of(4, 3)
    for offset in (0, 5, 6):
        with pytest.raises(SealError, match="out of order or place"):
            apply_spans(b"0123456789", [first, first.model_copy(update={"offset": offset, "length": 1})])
