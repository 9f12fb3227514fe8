"""The `incident-pipeline` command: one module per command group, wiring only."""
