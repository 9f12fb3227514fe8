"""Index and search: hybrid with the real model, by words without one, and never broken by a query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import HashMismatchError, MissingArtifactError
from incident_pipeline.parsers.table import read_table
from incident_pipeline.results import ResultsFolder
from incident_pipeline.retrieval import build_index, load_embedder, make_chunks, search
from incident_pipeline.retrieval import index as index_module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Incident
    from numpy.typing import NDArray

    from incident_pipeline.retrieval import Chunk, Embedder

MESSAGES = [
    "connection pool exhausted: 50 of 50 in use, waited 30 s",
    "certificate for payments.internal expires in 3 days",
    "GET /p/sku-015 answered 200 in 31 ms",
    "out of memory: killed process 4711 (api)",
    "cache purge requested for all product pages",
    "disk usage on /var/lib/db is 97 %",
    "deploy finished, version 2.4.0",
]


class CountingEmbedder:
    """Vectors from letters: cheap, and always the same."""

    name = "letters"

    def __init__(self, weights: str = "0" * 64) -> None:
        self.weights = weights

    def weights_sha256(self) -> str:
        return self.weights

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(c) + 0.01 for c in "abcdefghijklmnop"] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


class BrokenEmbedder(CountingEmbedder):
    def weights_sha256(self) -> str:
        raise HashMismatchError("model.safetensors has another digest.")


@pytest.fixture(scope="session")
def chunks(incident: Incident) -> list[Chunk]:
    rows = [
        {"message": message, "mask_id": str(i), "service": "api", "time_ns": i}
        for i, message in enumerate(MESSAGES)
    ]
    return make_chunks(incident(rows))


@pytest.fixture(scope="session")
def model() -> Embedder | None:
    return load_embedder("")


def found(folder: ResultsFolder, query: str, **options: Any) -> list[str]:
    return [candidate.text for candidate in search(folder, query, **options)]


def test_the_real_model_finds_a_paraphrase_that_shares_no_word(
    chunks: list[Chunk], folder: ResultsFolder, model: Embedder
) -> None:
    report = build_index(chunks, folder, model)
    assert (report.mode, report.embedded, report.chunks) == ("hybrid", len(MESSAGES), len(MESSAGES))
    assert report.weights_sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

    question = "why could nobody reach the database"
    best = search(folder, question, embedder=model)[0]
    assert "connection pool exhausted" in best.text or "disk usage" in best.text
    assert best.vector_rank == 1
    assert best.text_rank is None
    assert "killed process" in found(folder, "the service ran short of RAM", embedder=model)[0]
    assert found(folder, "the service ran short of RAM") == []


def test_a_word_and_its_meaning_together_win(chunks: list[Chunk], folder: ResultsFolder) -> None:
    build_index(chunks, folder, CountingEmbedder())
    candidates = search(folder, "cache purge", embedder=CountingEmbedder())
    assert "cache purge" in candidates[0].text
    assert candidates[0].text_rank == 1
    # All chunks stay candidates by vector, each with how it was found.
    assert [candidate.rank for candidate in candidates] == list(range(1, len(MESSAGES) + 1))
    for candidate in candidates:
        ranks = [rank for rank in (candidate.vector_rank, candidate.text_rank) if rank]
        assert candidate.score == pytest.approx(sum(1 / (60 + rank) for rank in ranks), abs=1e-6)


def test_without_an_embedder_words_count(chunks: list[Chunk], folder: ResultsFolder) -> None:
    report = build_index(chunks, folder, None)
    assert (report.mode, report.embedded, report.weights_sha256) == ("full text", 0, None)
    assert report.note == "no embedder is configured"
    (hit,) = search(folder, "Exhausted POOLS", embedder=CountingEmbedder())
    assert hit.vector_rank is None
    assert (hit.artifact_uri, hit.byte_start, hit.service) == ("logs/a.jsonl", 0, "api")


def test_refused_weights_degrade_to_full_text_and_say_why(chunks: list[Chunk], folder: ResultsFolder) -> None:
    report = build_index(chunks, folder, BrokenEmbedder())
    assert report.mode == "full text"
    assert "model.safetensors" in report.note
    assert len(found(folder, "pool")) == 1


def test_vectors_of_another_model_are_not_compared(chunks: list[Chunk], folder: ResultsFolder) -> None:
    build_index(chunks, folder, CountingEmbedder())
    candidates = search(folder, "pool", embedder=CountingEmbedder("1" * 64))
    assert [candidate.vector_rank for candidate in candidates] == [None]
    assert [c.vector_rank for c in search(folder, "pool", embedder=BrokenEmbedder())] == [None]


def test_chunks_past_the_limit_are_still_found_by_their_words(
    chunks: list[Chunk], folder: ResultsFolder
) -> None:
    report = build_index(chunks, folder, CountingEmbedder(), max_embedded=2)
    assert (report.embedded, report.chunks) == (2, 7)
    assert "first 2 chunks" in report.note
    candidates = search(folder, "deploy finished", embedder=CountingEmbedder())
    last = next(candidate for candidate in candidates if "deploy finished" in candidate.text)
    assert (last.vector_rank, last.text_rank) == (None, 1)


HOSTILE = [
    '"',
    "(pool",
    "pool AND",
    "pool^2~",
    "text:pool OR *",
    "' OR 1=1 --",
    "\x00",
    "{}[]",
    "pool\n",
    "\ud800x",
]


@pytest.fixture(scope="module")
def built(chunks: list[Chunk], tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    folder = ResultsFolder(tmp_path_factory.mktemp("hostile"))
    build_index(chunks, folder, CountingEmbedder())
    return folder


@pytest.mark.parametrize("query", HOSTILE)
def test_a_hostile_query_is_only_words(built: ResultsFolder, query: str) -> None:
    words = {word.lower() for word in re.findall(r"\w+", query)}
    for text in found(built, query, embedder=None):
        assert words & set(re.findall(r"\w+", text.lower()))
    assert len(found(built, query, embedder=CountingEmbedder())) == len(MESSAGES)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_any_query_gives_an_answer(built: ResultsFolder, query: str) -> None:
    assert len(found(built, query, k=3, embedder=CountingEmbedder())) <= 3


def test_a_very_long_query_is_bounded(built: ResultsFolder) -> None:
    assert found(built, "word " * 50_000 + "pool") == []


def test_equal_chunks_rank_the_same_way_every_time(incident: Incident, folder: ResultsFolder) -> None:
    rows = [
        {"message": "pool exhausted", "mask_id": "m", "service": f"s{i}", "uri": f"{i}.log"}
        for i in range(40)
    ]
    chunks = make_chunks(incident(rows))
    build_index(chunks, folder, CountingEmbedder())
    first = [candidate.chunk_id for candidate in search(folder, "pool exhausted", 5, CountingEmbedder())]
    build_index(chunks, folder, CountingEmbedder())
    assert [c.chunk_id for c in search(folder, "pool exhausted", 5, CountingEmbedder())] == first


def test_an_empty_incident_has_an_empty_index(folder: ResultsFolder) -> None:
    report = build_index([], folder, CountingEmbedder())
    assert (report.chunks, report.embedded, report.mode) == (0, 0, "full text")
    assert search(folder, "pool") == []


def test_no_index_is_an_error_with_advice(folder: ResultsFolder) -> None:
    with pytest.raises(MissingArtifactError, match="no search index"):
        search(folder, "pool")


def test_chunks_are_written_beside_the_index(chunks: list[Chunk], folder: ResultsFolder) -> None:
    build_index(chunks, folder, None)
    assert read_table(folder.chunks)["chunk_id"].to_pylist() == [chunk.chunk_id for chunk in chunks]
    before = folder.chunks.read_bytes()
    build_index(chunks, folder, CountingEmbedder())
    assert folder.chunks.read_bytes() == before


def test_the_data_version_follows_chunks_and_weights_not_vectors(
    chunks: list[Chunk], folder: ResultsFolder
) -> None:
    first = build_index(chunks, folder, CountingEmbedder()).data_version
    assert build_index(chunks, folder, CountingEmbedder()).data_version == first
    assert build_index(chunks, folder, CountingEmbedder("1" * 64)).data_version != first
    assert build_index(chunks[1:], folder, CountingEmbedder()).data_version != first


def test_a_crash_while_building_leaves_the_old_index_whole(
    chunks: list[Chunk], folder: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(chunks, folder, None)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index_module, "_publish", crash)
        with pytest.raises(KeyboardInterrupt):
            build_index(chunks[:1], folder, None)
    assert len(found(folder, "pool")) == 1
    assert found(folder, "purge") != []

    # What the crash left behind does not stand in the way of the next run.
    build_index(chunks[:1], folder, None)
    assert found(folder, "purge") == []
    assert sorted(path.name for path in folder.root.iterdir()) == ["chunks.parquet", "index.lance"]


def test_a_crash_between_the_renames_leaves_none_and_the_next_run_mends_it(
    chunks: list[Chunk], folder: ResultsFolder
) -> None:
    build_index(chunks, folder, None)
    folder.index.rename(folder.index.with_name("index.lance.outgoing"))
    with pytest.raises(MissingArtifactError):
        search(folder, "pool")
    build_index(chunks, folder, None)
    assert len(found(folder, "pool")) == 1
    assert sorted(path.name for path in folder.root.iterdir()) == ["chunks.parquet", "index.lance"]
