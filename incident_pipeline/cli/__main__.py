"""`python -m incident_pipeline.cli` is the same command."""

from __future__ import annotations

from incident_pipeline.cli.app import main

main()
