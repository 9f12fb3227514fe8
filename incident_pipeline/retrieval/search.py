"""Find chunks by meaning and by words, and keep how each was found.

Hybrid search after Cormack, Clarke and Buettcher (SIGIR 2009): reciprocal rank fusion of the exact
vector search and the full-text search (BM25). Every candidate keeps both ranks and scores, because
what was found, and what was not, belongs in the audit trail. Ties are broken by chunk id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import IncidentPipelineError, MissingArtifactError
from incident_pipeline.retrieval.chunks import SCHEMA
from incident_pipeline.retrieval.index import open_table, read_card

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.retrieval.embedder import Embedder
    from incident_pipeline.retrieval.index import IndexCard

RRF_K: Final = 60
"""The constant of reciprocal rank fusion, from the paper."""
MAX_QUERY_WORDS: Final = 64
_DECIMALS: Final = 6
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Candidate:
    """A chunk that was found, with its place, and how: ranks count from 1, None = not found that way."""

    rank: int
    score: float
    """Reciprocal rank fusion of both ways."""
    vector_rank: int | None
    vector_distance: float | None
    """Cosine distance, 0 to 2."""
    text_rank: int | None
    text_score: float | None
    """BM25."""
    chunk_id: str
    kind: str
    text: str
    role: str
    service: str | None
    time_ns: int | None
    event_id: str | None
    series_id: str | None
    artifact_sha256: str
    artifact_uri: str
    byte_start: int | None
    byte_end: int | None
    json_pointer: str | None


def search(
    folder: ResultsFolder, query: str, k: int = 30, embedder: Embedder | None = None
) -> list[Candidate]:
    """Find the `k` best chunks for a question in plain words, best first.

    Without an embedder, or when it fails or is not the one the index was built with, words alone count
    (`vector_rank` is None in all candidates).

    Raises:
        MissingArtifactError: there is no index.
    """
    card = read_card(folder.index)
    if card is None:
        advice = "Materialize embeddings for this incident first."
        raise MissingArtifactError(f"{folder.root.name}: no search index.", advice=advice)
    # A command line may carry bytes that are no text; no tokeniser takes those.
    query = query.encode(errors="replace").decode()
    if not card.chunks or not query.strip():
        return []
    table = open_table(folder.index)
    by_words = _ranked(_by_words(table, query, card.chunks), descending=True)
    by_meaning = _ranked(_by_meaning(table, query, card, embedder), descending=False)
    found = {row["chunk_id"]: row for row in (*by_words, *by_meaning)}
    words = {row["chunk_id"]: (rank, row["measure"]) for rank, row in enumerate(by_words, 1)}
    meaning = {row["chunk_id"]: (rank, row["measure"]) for rank, row in enumerate(by_meaning, 1)}
    candidates = [
        _candidate(row, meaning.get(chunk_id), words.get(chunk_id)) for chunk_id, row in found.items()
    ]
    candidates.sort(key=lambda candidate: (-candidate.score, candidate.chunk_id))
    return [replace(candidate, rank=rank) for rank, candidate in enumerate(candidates[:k], 1)]


def query_words(query: str) -> str:
    """Give the words of a query without anything that a query language could read.

    The query goes to a match on terms, which parses nothing; this also bounds how many there are.
    """
    return " ".join(_WORD.findall(query)[:MAX_QUERY_WORDS])


def _by_words(table: Any, query: str, chunks: int) -> list[dict[str, Any]]:
    from lancedb.query import MatchQuery  # noqa: PLC0415 - two seconds to import

    words = query_words(query)
    if not words:
        return []
    # All matches, so that a tie at the end of a page is not broken by the order of storage.
    match: Any = MatchQuery  # its defaults are hidden from type checkers
    found = table.search(match(words, "text")).limit(chunks).select([*SCHEMA.names, "_score"])
    return _rows(found, "_score")


def _by_meaning(table: Any, query: str, card: IndexCard, embedder: Embedder | None) -> list[dict[str, Any]]:
    if embedder is None or card.mode != "hybrid":
        return []
    try:
        if embedder.weights_sha256() != card.weights_sha256:
            return []
        vector = embedder.embed([query])[0]
    except IncidentPipelineError:
        return []
    found = table.search(vector).where("has_vector", prefilter=True).distance_type("cosine")
    return _rows(found.limit(card.embedded).select([*SCHEMA.names, "_distance"]), "_distance")


def _rows(found: Any, measure: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found.to_arrow().to_pylist()
    for row in rows:
        row["measure"] = round(row.pop(measure), _DECIMALS)
    return rows


def _ranked(rows: Iterable[dict[str, Any]], *, descending: bool) -> list[dict[str, Any]]:
    sign = -1 if descending else 1
    return sorted(rows, key=lambda row: (sign * row["measure"], row["chunk_id"]))


def _candidate(
    row: dict[str, Any], meaning: tuple[int, float] | None, words: tuple[int, float] | None
) -> Candidate:
    ranks = [found[0] for found in (meaning, words) if found]
    return Candidate(
        rank=0,
        score=round(sum(1 / (RRF_K + rank) for rank in ranks), _DECIMALS),
        vector_rank=meaning[0] if meaning else None,
        vector_distance=meaning[1] if meaning else None,
        text_rank=words[0] if words else None,
        text_score=words[1] if words else None,
        **{name: row[name] for name in SCHEMA.names},
    )
