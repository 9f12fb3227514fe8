"""The Dagster entry: everything under `defs/`, run in one process per incident by default.

In-process because a process per step costs about three CPU seconds of imports each, ten times the
work of a small incident. Incidents run beside each other; a huge one can use the job
`investigate_incident_in_steps`.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Load the wiring and set the default executor."""
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(executor=dg.in_process_executor),
    )
