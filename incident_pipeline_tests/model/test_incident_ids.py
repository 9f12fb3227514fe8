from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.model.incident import ArtifactEntry, fold_incident_id, is_incident_key


@given(st.text(min_size=1, max_size=200))
def test_every_id_folds_to_a_valid_key(incident_id: str) -> None:
    try:
        key = fold_incident_id(incident_id)
    except UnicodeEncodeError:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", key)
    assert is_incident_key(key)


@pytest.mark.parametrize(
    ("incident_id", "key"),
    [
        ("INC-2026-0001", "inc-2026-0001"),
        ("  Payment/API: down!! ", "payment-api-down"),
        ("ok-already", "ok-already"),
    ],
)
def test_known_folds(incident_id: str, key: str) -> None:
    assert fold_incident_id(incident_id) == key


def test_long_ids_keep_55_characters_and_stay_apart() -> None:
    first, second = (fold_incident_id("x" * 80 + end) for end in "ab")
    assert first != second
    assert first[:56] == second[:56] == "x" * 55 + "-"
    assert len(first) == 64


@pytest.mark.parametrize(
    ("given_hash", "expected"),
    [
        ("sha256:" + "A" * 64, "a" * 64),
        ("b" * 64, "b" * 64),
        ("sha256:...", None),
        ("sha256:" + "a" * 63, None),
        (None, None),
    ],
)
def test_a_hash_that_is_not_64_hex_digits_counts_as_not_given(
    given_hash: str | None, expected: str | None
) -> None:
    assert ArtifactEntry(uri="x", hash=given_hash).given_sha256 == expected


def test_a_cut_at_a_hyphen_still_gives_a_key() -> None:
    assert is_incident_key(fold_incident_id("a" * 54 + "-" + "b" * 20))
