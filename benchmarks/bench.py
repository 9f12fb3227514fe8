"""What `make bench` runs: stage costs on the recordings, ratios against named baselines, and full counts.

    python benchmarks/bench.py [SECTION...]     sections: chain parse readers hash search redaction sealing timeline hostile

Ratios are CPU over CPU on the same bytes in one run, median of five, interleaved; absolutes are context.
`hostile` runs the property tests with many more examples than the test suite does.
"""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import redaction_corpus
import sealing
import timeline

from incident_pipeline import stages
from incident_pipeline.evidence import EvidenceReader
from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.progress import listening
from incident_pipeline.redaction import find
from incident_pipeline.retrieval import load_embedder, search
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace

PROJECT = Path(__file__).parent.parent
REPEATS = 5


@dataclass(frozen=True)
class Prepared:
    """The recordings after all stages ran, to measure single steps on."""

    workspace: Workspace
    keys: tuple[str, ...]


def cpu(step: Callable[[], object]) -> float:
    """Give the CPU seconds of a step, user and system, of this process."""
    before = time.process_time()
    step()
    return time.process_time() - before


def ratio(ours: Callable[[], object], baseline: Callable[[], object]) -> tuple[float, float, float]:
    """Give the median CPU of both and of their ratio, interleaved."""
    pairs = [(cpu(ours), cpu(baseline)) for _ in range(REPEATS)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def chain(prepared: Prepared) -> None:
    """Show the CPU of each stage over all recordings."""
    totals: dict[str, float] = {}
    for key in prepared.keys:
        for name, stage in (
            ("raw_artifacts", lambda key=key: stages.survey(prepared.workspace, key)),
            (
                "sealed_evidence",
                lambda key=key: stages.seal_evidence(prepared.workspace, key, now=datetime.now(UTC)),
            ),
            ("digests_match", lambda key=key: stages.check_seal(prepared.workspace, key)),
            ("parsed_events", lambda key=key: stages.parse_events(prepared.workspace, key)),
            ("embeddings", lambda key=key: stages.embed(prepared.workspace, key)),
            ("timeline", lambda key=key: stages.order_timeline(prepared.workspace, key)),
            ("hypotheses", lambda key=key: stages.rank_hypotheses(prepared.workspace, key)),
            ("validated_checks", lambda key=key: stages.validate(prepared.workspace, key)),
            ("postmortem", lambda key=key: stages.write_postmortem(prepared.workspace, key)),
        ):
            totals[name] = totals.get(name, 0.0) + cpu(stage)
    for name, seconds in totals.items():
        print(f"  {name:<17} {seconds:6.2f} CPU-s over {len(prepared.keys)} incidents")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  total {sum(totals.values()):.2f} CPU-s, peak {peak:.0f} MiB")


def parse(prepared: Prepared) -> None:
    """Compare parsing the largest traces with an orjson loop over the same lines (decoding alone, no table)."""
    evidence = stages.sealed(prepared.workspace.folder(prepared.keys[1]))
    reader = EvidenceReader(prepared.workspace.vault(), evidence.artifacts)
    for kind in ("trace", "logs"):
        largest = max((a for a in evidence.artifacts if a.type == kind), key=lambda a: a.size)
        data, source = reader.decoded(largest.sha256), Source.of(largest, "identity")
        rows = parse_artifact(data, source).events.num_rows
        ours, theirs, times = ratio(
            lambda data=data, source=source: parse_artifact(data, source),
            lambda data=data: [orjson.loads(line) for line in data.splitlines()],
        )
        print(f"  {largest.uri}: {rows:,} rows, {ours:.3f} CPU-s ({rows / ours:,.0f} rows per CPU-s), "
              f"{times:.1f} x a bare orjson loop ({theirs:.3f})")  # fmt: skip


def readers(_: Prepared) -> None:
    """Compare parsing a million records with other readers of the same bytes, and its memory at 1 and 3 GB."""
    command = [sys.executable, str(Path(__file__).parent / "parsing.py")]
    print(f"  {' '.join(command[1:])}")
    subprocess.run(command, cwd=PROJECT, check=True)


def hashing(prepared: Prepared) -> None:
    """Compare storing into the vault with hashing alone (hashlib.file_digest over the same file)."""
    with tempfile.TemporaryDirectory(dir=prepared.workspace.store) as name:
        big = Path(name) / "big.bin"
        big.write_bytes(os.urandom(1024**2) * 128)

        def store() -> None:
            vault = Workspace.from_settings(Settings(), out=Path(name) / os.urandom(4).hex()).vault()
            vault.put_file(big, name="big.bin")

        def digest() -> None:
            with big.open("rb") as file:
                hashlib.file_digest(file, "sha256")

        ours, theirs, times = ratio(store, digest)
    print(f"  128 MiB into the vault: {ours:.2f} CPU-s, {times:.2f} x hashlib.file_digest ({theirs:.2f})")


def searching(prepared: Prepared) -> None:
    """Show the cost of a hybrid query over one incident's index."""
    folder, embedder = prepared.workspace.folder(prepared.keys[1]), load_embedder("")
    search(folder, "warm up", embedder=embedder)
    spent = [cpu(lambda: search(folder, "why did requests fail", embedder=embedder)) for _ in range(REPEATS)]
    print(f"  hybrid query, top 30: {statistics.median(spent) * 1000:.0f} CPU-ms")


def redaction(prepared: Prepared) -> None:
    """Show precision and recall on the seeded corpus, the speed, and what is found in the recordings."""
    corpus, planted = redaction_corpus.build(2026, 200)
    scores, missed = redaction_corpus.score(corpus, planted)
    print(f"  {'kind':<16} {'planted':>7} {'recall':>7} {'found':>6} {'precision':>9}")
    for kind, one in scores.items():
        print(f"  {kind:<16} {one.planted:>7} {one.recall:>7.3f} {one.found:>6} {one.precision:>9.3f}")
    forms = sorted({(one.kind, one.form) for one in missed})
    print("  missed forms: " + "; ".join(f"{kind}: {form}" for kind, form in forms))
    for key in prepared.keys:
        folder = prepared.workspace.folder(key)
        evidence = stages.sealed(folder)
        reader = EvidenceReader(prepared.workspace.vault(), evidence.artifacts)
        data = [reader.decoded(artifact.sha256) for artifact in evidence.artifacts]
        seconds = cpu(lambda data=data: [find(one) for one in data])
        kinds = Counter(found.kind for one in data for found in find(one))
        size = sum(map(len, data)) / 1e6
        print(f"  {key}: {size:.1f} MB, {size / seconds:.1f} MB per CPU-s, {dict(sorted(kinds.items()))}")


def sealed(_: Prepared) -> None:
    """Compare sealing, encrypting and verifying with `sha256sum`, `openssl`, `cp` and `sync` (`sealing.py`)."""
    command = [sys.executable, str(Path(sealing.__file__)), "speed", "memory", "small"]
    subprocess.run(command, check=True)


def ordering(_: Prepared) -> None:
    """Compare dedupe, sort and causal depth of five million events with polars and DuckDB."""
    with tempfile.TemporaryDirectory() as name:
        timeline.run(Path(name))


def hostile(_: Prepared) -> None:
    """Run the property, flip and kill tests with the full counts."""
    environ = os.environ | {"HYPOTHESIS_PROFILE": "full"}
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q"]
    command += [f"incident_pipeline_tests/{name}" for name in ("ingest", "evidence", "parsers", "timeline")]
    print(f"  {' '.join(command[1:])}")
    subprocess.run(command, cwd=PROJECT, env=environ, check=True)


SECTIONS: dict[str, Callable[[Prepared], None]] = {
    "chain": chain,
    "parse": parse,
    "readers": readers,
    "hash": hashing,
    "search": searching,
    "redaction": redaction,
    "sealing": sealed,
    "timeline": ordering,
    "hostile": hostile,
}


def main(names: list[str]) -> None:
    """Prepare the recordings, then run the sections asked for (all by default)."""
    with tempfile.TemporaryDirectory() as name, listening(lambda *_: None):
        os.environ["INCIDENT_PIPELINE_CONFIG_DIR"] = f"{name}/config"
        workspace = Workspace.from_settings(
            Settings(incidents=str(PROJECT / "data" / "incidents")), out=Path(name)
        )
        prepared = Prepared(workspace, tuple(sorted(workspace.catalogue())))
        for section in dict.fromkeys(["chain", *(names or SECTIONS)]):
            print(f"{section}: {(SECTIONS[section].__doc__ or '').strip()}")
            SECTIONS[section](prepared)


if __name__ == "__main__":
    main(sys.argv[1:])
