"""The Dagster wiring: assets, jobs, sensors and resources. No logic that the CLI would have to repeat.

No module here postpones annotations: Dagster reads them from the functions it wraps.
"""
