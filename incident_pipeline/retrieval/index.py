"""The search index of one incident: a LanceDB folder with texts, vectors and a full-text index.

It is built beside its place and moved there when whole, so that a crash leaves a whole index or none.
An incident has hundreds to thousands of chunks: vectors are searched exactly (flat), and that is fast
enough. Vectors serve finding only: no ranking, citation or digest hangs on them, so a missing or
refused model costs the vectors and nothing else.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa

from incident_pipeline.errors import IncidentPipelineError
from incident_pipeline.model.base import Frozen
from incident_pipeline.parsers.table import write_table
from incident_pipeline.retrieval.chunks import chunk_table
from incident_pipeline.serialise import compact_json, sha256_hex, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.retrieval.chunks import Chunk
    from incident_pipeline.retrieval.embedder import Embedder

Mode = Literal["hybrid", "full text"]

TABLE: Final = "chunks"
CARD: Final = "index.json"
"""What the index was built with, beside the table."""

MAX_EMBEDDED: Final = 2_000
"""Chunks that get a vector, in their order; the rest is found by its words only. About 50 ms each."""

_ASIDE: Final = ".building"
_OUTGOING: Final = ".outgoing"


class IndexCard(Frozen):
    """What an index was built with: a search with another model must not use its vectors."""

    schema_version: Literal[1] = 1
    mode: Mode
    embedder: str
    weights_sha256: str | None
    chunks: int
    embedded: int
    data_version: str


@dataclass(frozen=True)
class IndexReport:
    """What was indexed. `note` says why vectors are missing, if any are."""

    chunks: int
    embedded: int
    embedder: str
    weights_sha256: str | None
    mode: Mode
    data_version: str
    """SHA-256 over the chunk ids and the digest of the weights; not over vectors."""
    note: str = ""


@dataclass(frozen=True)
class _Vectors:
    matrix: Any
    """Rows of float32 for the first chunks, or None."""
    embedder: str
    weights_sha256: str | None
    note: str


def build_index(
    chunks: Sequence[Chunk],
    folder: ResultsFolder,
    embedder: Embedder | None,
    *,
    max_embedded: int = MAX_EMBEDDED,
) -> IndexReport:
    """Write `chunks.parquet` and the index of an incident, replacing an older one.

    Without an embedder, or with one that fails, the index holds full text only and the report says why.
    """
    table = chunk_table(chunks)
    vectors = _embed([chunk.text for chunk in chunks[:max_embedded]], embedder)
    embedded = 0 if vectors.matrix is None else len(vectors.matrix)
    card = IndexCard(
        mode="hybrid" if embedded else "full text",
        embedder=vectors.embedder,
        weights_sha256=vectors.weights_sha256,
        chunks=table.num_rows,
        embedded=embedded,
        data_version=data_version(chunks, vectors.weights_sha256),
    )
    aside = _empty(folder.index.with_name(folder.index.name + _ASIDE))
    _fill(aside, _with_vectors(table, vectors.matrix))
    write_json(aside / CARD, card)
    write_table(folder.chunks, table)
    _publish(aside, folder.index)
    note = vectors.note
    if embedded and embedded < table.num_rows:
        note = f"vectors for the first {embedded:,} chunks; the others are found by their words"
    return IndexReport(
        chunks=card.chunks,
        embedded=card.embedded,
        embedder=card.embedder,
        weights_sha256=card.weights_sha256,
        mode=card.mode,
        data_version=card.data_version,
        note=note,
    )


def data_version(chunks: Sequence[Chunk], weights_sha256: str | None) -> str:
    """Give the version of what is indexed: SHA-256 over chunk ids and the digest of the weights."""
    return sha256_hex(compact_json([[chunk.chunk_id for chunk in chunks], weights_sha256]))


def read_card(index: Path) -> IndexCard | None:
    """Read what an index was built with; None where there is no whole index."""
    path = index / CARD
    return IndexCard.model_validate_json(path.read_bytes()) if path.is_file() else None


def open_table(index: Path) -> Any:
    """Open the LanceDB table of an index."""
    import lancedb  # noqa: PLC0415 - two seconds to import

    return lancedb.connect(index).open_table(TABLE)


def _embed(texts: list[str], embedder: Embedder | None) -> _Vectors:
    if embedder is None:
        return _Vectors(None, "none", None, "no embedder is configured")
    try:
        digest = embedder.weights_sha256()
        matrix = embedder.embed(texts) if texts else None
    except IncidentPipelineError as error:
        return _Vectors(None, "none", None, f"full text only: {error.message}")
    return _Vectors(matrix, embedder.name, digest, "")


def _with_vectors(table: pa.Table, matrix: Any) -> pa.Table:
    if matrix is None:
        return table
    count, width = matrix.shape
    # LanceDB takes no nulls among vectors; what has none is marked and never searched by vector.
    padded = np.zeros((table.num_rows, width), np.float32)
    padded[:count] = matrix
    column = pa.FixedSizeListArray.from_arrays(pa.array(padded.ravel()), width)
    has_vector = pa.array(np.arange(table.num_rows) < count)
    return table.append_column("vector", column).append_column("has_vector", has_vector)


def _fill(place: Path, table: pa.Table) -> None:
    import lancedb  # noqa: PLC0415 - two seconds to import
    from lancedb.index import FTS  # noqa: PLC0415 - as above

    stored = lancedb.connect(place).create_table(TABLE, table)
    # Stop words stay out and words are stemmed; positions would serve phrases, which nobody asks for.
    stored.create_index("text", config=FTS(with_position=False))


def _empty(place: Path) -> Path:
    if place.exists():
        shutil.rmtree(place)
    place.mkdir(parents=True)
    return place


def _publish(aside: Path, place: Path) -> None:
    """Put a whole folder in the place of another. Between the two renames there is none."""
    outgoing = place.with_name(place.name + _OUTGOING)
    if outgoing.exists():
        shutil.rmtree(outgoing)
    if place.exists():
        place.rename(outgoing)
    aside.rename(place)
    if outgoing.exists():
        shutil.rmtree(outgoing)
