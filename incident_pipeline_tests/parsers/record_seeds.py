"""Collect what the fuzzing starts from: for each format the smallest inputs that its own tests parse.

Run from the project's folder: `python incident_pipeline_tests/parsers/record_seeds.py`. It runs the
tests of the parsers, keeps up to three inputs per format that gave rows, and writes `format_seeds.jsonl`.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from incident_pipeline.parsers import artifact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.parsers import Source

FOLDER = Path(__file__).parent
SEEDS = FOLDER / "format_seeds.jsonl"
_PER_FORMAT = 3
_LONGEST = 6_000


def main() -> int:
    """Run the tests and write the file."""
    found: dict[str, set[bytes]] = {}
    original = artifact.parse_stream

    def recording(chunks: Iterable[bytes], source: Source, *rest: Any) -> Any:
        data = b"".join(chunks)
        report, problems = original((data,), source, *rest)
        if report.format and len(data) <= _LONGEST and report.events + report.samples:
            found.setdefault(report.format, set()).add(data)
        return report, problems

    artifact.parse_stream = recording
    status = pytest.main([str(FOLDER), "-q", "-p", "no:cacheprovider", "-k", "not hostile and not fuzz"])
    lines = [
        json.dumps({"format": name, "data": base64.b64encode(data).decode()})
        for name, inputs in sorted(found.items())
        # The smallest that says something, the largest, and one between.
        for data in _chosen(sorted(inputs, key=lambda item: (len(item), item)))
    ]
    SEEDS.write_text("".join(f"{line}\n" for line in lines))
    return int(status)


def _chosen(inputs: list[bytes]) -> list[bytes]:
    picks = {0, len(inputs) // 2, len(inputs) - 1}
    return [inputs[index] for index in sorted(picks)][:_PER_FORMAT]


if __name__ == "__main__":
    sys.exit(main())
