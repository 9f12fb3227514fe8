"""The rules hold a floor of precision and recall on the seeded corpus of the benchmark."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "redaction_corpus.py"


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("redaction_corpus", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["redaction_corpus"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [1, 2])
def test_precision_and_recall_hold_their_floor(corpus: ModuleType, seed: int) -> None:
    scores, _ = corpus.score(*corpus.build(seed, 30))
    assert scores["all"].recall >= 0.95
    assert scores["all"].precision >= 0.98
    hard = {"api-key", "password", "ssn", "token"}
    for kind in corpus.VALUES:
        assert scores[kind].recall >= (0.75 if kind in hard else 0.97), kind


def test_the_corpus_is_the_same_for_the_same_seed(corpus: ModuleType) -> None:
    assert corpus.build(3, 5) == corpus.build(3, 5)
    assert corpus.build(3, 5) != corpus.build(4, 5)
