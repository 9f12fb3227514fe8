"""Fuzz every format: `python benchmarks/hostile.py [--count N] [--first N] [--show N]`.

Reads N damaged inputs (20,000 by default; see `incident_pipeline_tests/parsers/hostile.py`) and prints one
line of JSON: how many failed, how long the slowest took, peak memory. Exit status 1 when one failed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "incident_pipeline_tests" / "parsers"))

from hostile import check_input, hostile_input, seeds

_MEMORY_MB = 1_500
"""No input may take the process over this."""


def main(arguments: list[str]) -> int:
    """Run the inputs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--show", type=int, default=20, help="how many failures are printed")
    given = options.parse_args(arguments)
    inputs = seeds()
    failed, slowest, size = 0, 0.0, 0
    for number in range(given.first, given.first + given.count):
        data, pin = hostile_input(number, inputs)
        size += len(data)
        began = time.process_time()
        failure = check_input(data, pin)
        slowest = max(slowest, time.process_time() - began)
        if failure is not None:
            failed += 1
            if failed <= given.show:
                print(json.dumps({"input": number, "pin": pin, "failed": failure.what}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {"inputs": given.count, "formats": len(inputs), "bytes": size, "failed": failed,
              "slowest_s": round(slowest, 3), "peak_mb": peak}  # fmt: skip
    print(json.dumps(result))
    return int(failed > 0 or peak > _MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
