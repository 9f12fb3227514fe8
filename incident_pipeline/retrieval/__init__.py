"""Find evidence by meaning and by words: chunks, embedder, index and search."""
