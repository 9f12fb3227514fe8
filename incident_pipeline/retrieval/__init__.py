"""Cut the incident into distinct things and find them again: chunks, embeddings, hybrid search."""

from __future__ import annotations

from typing import Final

from incident_pipeline.retrieval.chunks import Chunk, make_chunks
from incident_pipeline.retrieval.embedder import Embedder, SentenceTransformerEmbedder, load_embedder
from incident_pipeline.retrieval.index import IndexReport, build_index
from incident_pipeline.retrieval.search import Candidate, search

CODE_VERSION: Final = "1"
"""Raised when the same tables would give other chunks."""

__all__ = [
    "CODE_VERSION",
    "Candidate",
    "Chunk",
    "Embedder",
    "IndexReport",
    "SentenceTransformerEmbedder",
    "build_index",
    "load_embedder",
    "make_chunks",
    "search",
]
