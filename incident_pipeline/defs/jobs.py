"""Jobs: one run investigates one incident."""

import dagster as dg

investigate_incident = dg.define_asset_job(
    "investigate_incident",
    selection=dg.AssetSelection.all(),
    description="From bundle to postmortem for one incident, in one process.",
)

investigate_incident_in_steps = dg.define_asset_job(
    "investigate_incident_in_steps",
    selection=dg.AssetSelection.all(),
    executor_def=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    description="The same with a process per step, for a single huge incident.",
)
