"""What every format declares, and the list made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_pipeline.parsers import all_formats
from incident_pipeline.parsers.catalogue import catalogue
from incident_pipeline.parsers.detect import Sample

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("item", all_formats(), ids=lambda item: item.id)
def test_every_format_says_what_it_is(item: object) -> None:
    assert item.title.strip()  # type: ignore[attr-defined]  # parametrised objects have no type
    assert item.spec.strip()  # type: ignore[attr-defined]  # as above
    assert item.id == item.id.lower()  # type: ignore[attr-defined]  # as above


def test_the_documented_list_is_made_from_the_declarations() -> None:
    assert (PROJECT / "docs" / "formats.md").read_text() == catalogue()


def test_nothing_recognises_noise() -> None:
    noise = bytes(range(33, 127)) * 40
    scores = {item.id: item.score(Sample.of(noise, "unknown")) for item in all_formats()}
    assert not {name: score for name, score in scores.items() if score >= 0.2}


def test_scores_stay_between_nothing_and_one() -> None:
    heads = (
        b"",
        b"{}",
        b"[]",
        b"a,b\n1,2\n",
        b"2026-01-02T03:04:05Z x\n",
        b'{"time":1}\n',
        b"# x\n",
        b"\xff\n",
    )
    for item in all_formats():
        assert all(0 <= item.score(Sample.of(head, "unknown")) <= 1 for head in heads), item.id
