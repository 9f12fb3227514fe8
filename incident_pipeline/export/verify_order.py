"""Verify the full order: the Merkle root that was signed is that of the rows that are there.

The statement of the timeline stage carries the root beside the digest of the file. A file can be written anew
with the same rows (another writer, another compression), and a digest says nothing of rows; the root does,
and anybody can build it from the rows (`timeline.leaves`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from incident_pipeline.evidence.merkle import leaf_hash, root_of_leaves
from incident_pipeline.ingest import open_regular
from incident_pipeline.timeline import TIMELINE, table_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_pipeline.evidence.verification import Findings
    from incident_pipeline.export.derivation import Derivation

ROOT_KEY: Final = "merkle_root"
"""What the root is called in the statement's configuration, and in `timeline.json`."""

_ORDER: Final = "timeline.parquet"
_ENTRIES: Final = "timeline.json"
_ROWS_AT_ONCE: Final = 131_072


def check_order(root: Path, statement: Derivation, findings: Findings) -> None:
    """Compare the signed root with the rows of the full order and with what the key entries say.

    Args:
        root: the results folder.
        statement: that of the timeline stage, its signature verified. One without a root promises none.
        findings: takes what is found.
    """
    signed = statement.predicate.configuration.get(ROOT_KEY)
    if signed is None:
        return
    try:
        found = _root_of_rows(root)
        with open_regular(root / _ENTRIES, name=_ENTRIES) as file:
            told = json.load(file).get(ROOT_KEY)
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        findings.add("derivation", _ORDER, "failed", f"{_ORDER}: its rows can't be read ({error}).")
        return
    for name, other in ((_ORDER, found), (_ENTRIES, told)):
        if other != signed:
            message = f"{name}: the Merkle root is {other}, signed was {signed}: rows were changed."
            findings.add("derivation", name, "failed", message)


def _root_of_rows(root: Path) -> str:
    with open_regular(root / _ORDER, name=_ORDER) as source, pq.ParquetFile(source) as file:

        def tables() -> Iterator[pa.Table]:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=TIMELINE.names):
                yield pa.Table.from_batches([batch])

        return root_of_leaves(leaf_hash(leaf) for leaf in table_leaves(tables())).hex()
