"""Recompute every citation of every ledger with nothing but the standard library.

    python incident_pipeline_tests/check_citations.py RESULTS

RESULTS holds one folder per incident and `.store/vault`. An object is read by its digest, hashed,
decompressed with zlib, and each excerpt compared with the bytes of its range. Independent of the
project's code on purpose: it imports none of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path


def decoded(vault: Path, digest: str, known: dict[str, bytes]) -> bytes:
    """Give the decompressed bytes of an object, its digest checked."""
    if digest not in known:
        path = vault / digest[:2] / digest[2:]
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise SystemExit(f"{path} does not hash to its name")
        known[digest] = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return known[digest]


def check(results: Path) -> tuple[int, int, list[str]]:
    """Give sentences, citations and complaints over all ledgers in a results folder."""
    vault = results / ".store" / "vault" / "objects"
    known: dict[str, bytes] = {}
    sentences = citations = 0
    wrong: list[str] = []
    for ledger in sorted(results.glob("*/ledger.json")):
        rows = json.loads(ledger.read_bytes())["sentences"]
        postmortem = json.loads((ledger.parent / "postmortem.json").read_bytes())
        for row in rows:
            sentences += 1
            if not row["citations"]:
                wrong.append(f"{ledger}: {row['id']} has no citation")
            if _at(postmortem, row["where"].split("#", 1)[1]) != row["text"]:
                wrong.append(f"{ledger}: {row['id']} does not stand at {row['where']}")
            for citation in row["citations"]:
                citations += 1
                data = decoded(vault, citation["sha256"], known)
                start, end = citation["byte_start"], citation["byte_end"]
                if data[start:end] != citation["excerpt"].encode():
                    wrong.append(f"{ledger}: {row['id']} excerpt differs at {citation['uri']}[{start}:{end}]")
                if citation["line"] is not None and data[:start].count(b"\n") + 1 != citation["line"]:
                    wrong.append(f"{ledger}: {row['id']} line differs at {citation['uri']}")
            for derived in row["derived_from"]:
                file = ledger.parent / derived["file"]
                if hashlib.sha256(file.read_bytes()).hexdigest() != derived["sha256"]:
                    wrong.append(f"{ledger}: {row['id']} {derived['file']} has another digest")
                _at(json.loads(file.read_bytes()), derived["json_pointer"])
    return sentences, citations, wrong


def _at(value: object, pointer: str) -> object:
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]  # type: ignore[index]
    return value


if __name__ == "__main__":
    counted_sentences, counted_citations, complaints = check(Path(sys.argv[1]))
    for complaint in complaints:
        sys.stdout.write(f"{complaint}\n")
    sys.stdout.write(
        f"{counted_sentences} sentences, {counted_citations} citations, {len(complaints)} wrong\n"
    )
    sys.exit(1 if complaints or not counted_citations else 0)
