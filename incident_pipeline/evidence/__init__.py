"""Keep evidence: vault, manifest, signing, verification, decoding and citation."""
