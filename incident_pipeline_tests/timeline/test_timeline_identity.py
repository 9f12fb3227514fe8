"""The same bundle gives the same bytes, whatever the machine, its settings and the order of listing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.serialise import canonical_json, sha256_hex
from incident_pipeline.timeline import build_timeline

if TYPE_CHECKING:
    from conftest import Incident

SECOND = 1_000_000_000


def bundle(seed: int) -> list[dict[str, Any]]:
    """Write the rows of four artifacts: logs told twice, spans, alerts, chat; some stamped in seconds."""
    draw = random.Random(seed)  # noqa: S311 - test data
    rows: list[dict[str, Any]] = []
    for at in range(40):
        log = {
            "time_ns": draw.randrange(20) * SECOND // 2,
            "time_precision": draw.choice(["s", "ms"]),
            "message": f"pool {draw.randrange(4)} exhausted",
            "service": "api",
            "severity": 17,
        }
        rows += [log | {"uri": uri} for uri in draw.sample(["a.log", "b.log"], draw.randint(1, 2))]
        span = {"uri": "spans.json", "kind": "span", "trace_id": "t", "message": "GET /"}
        span |= {"span_id": f"s{at}", "parent_span_id": f"s{draw.randrange(40)}"}
        rows.append(span | {"time_ns": at * SECOND // 4, "service": draw.choice(["api", "db"])})
    said = ["who is on call?", "restarting the api", "ÄÖ é ß"]
    rows += [
        {"uri": "chat.json", "kind": "chat", "time_ns": 5 * SECOND, "actor": "ann", "message": text}
        for text in said
    ]
    return rows


def digest(incident: Incident, rows: list[dict[str, Any]], chunk: int | None = None) -> str:
    tables = incident(rows)
    if chunk is not None:
        parts = [tables.events.slice(at, chunk) for at in range(0, tables.events.num_rows, chunk)]
        tables = type(tables)(pa.concat_tables(parts), tables.samples, tables.series, tables.evidence)
    return sha256_hex(canonical_json(build_timeline(tables).timeline))


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 10_000), st.permutations(["a.log", "b.log", "spans.json", "chat.json"]), st.integers(1, 90)
)
def test_listing_and_chunks_do_not_show(incident: Incident, seed: int, uris: list[str], chunk: int) -> None:
    rows = bundle(seed)
    wanted = digest(incident, [row for uri in sorted(uris) for row in rows if row["uri"] == uri])
    assert digest(incident, [row for uri in uris for row in rows if row["uri"] == uri], chunk) == wanted


def test_threads_do_not_show(incident: Incident) -> None:
    before = pa.cpu_count()
    found = set()
    for threads in (1, 8):
        pa.set_cpu_count(threads)
        found.add(digest(incident, bundle(3)))
    pa.set_cpu_count(before)
    assert len(found) == 1


PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
from conftest import incident_of
from test_timeline_identity import bundle, digest
print(digest(incident_of, bundle(3)))
"""


@pytest.mark.parametrize(
    ("zone", "locale", "seed"),
    [("UTC", "C", "0"), ("Asia/Kathmandu", "C.UTF-8", "1"), ("America/St_Johns", "tr_TR.UTF-8", "2")],
)
def test_zone_locale_and_hash_seed_of_the_machine_do_not_show(
    incident: Incident, zone: str, locale: str, seed: str
) -> None:
    here = str(Path(__file__).parent)
    environ = os.environ | {"TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, here], env=environ, check=True, capture_output=True, text=True
    )
    assert done.stdout.split()[0] == digest(incident, bundle(3))
