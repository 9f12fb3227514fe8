"""The Dagster wiring: assets, jobs, sensors and resources. No logic that the CLI would have to repeat."""
