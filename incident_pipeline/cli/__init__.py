"""The `incident-pipeline` command: one module per command group, wiring only."""

from __future__ import annotations

from incident_pipeline.cli.app import main

__all__ = ["main"]
