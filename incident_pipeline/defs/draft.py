"""Draft asset: the postmortem, its ledger and the report page."""

import dagster as dg

from incident_pipeline import postmortem as postmortem_stage
from incident_pipeline import stages
from incident_pipeline.defs.analysis import hypotheses, timeline_asset, validated_checks
from incident_pipeline.defs.outcome import attempt, materialized
from incident_pipeline.defs.partitions import incidents
from incident_pipeline.defs.resources import WorkspaceResource


@dg.asset(
    partitions_def=incidents,
    deps=[timeline_asset, hypotheses, validated_checks],
    group_name="draft",
    owners=["team:incident-review"],
    kinds={"html", "markdown", "json"},
    code_version=postmortem_stage.CODE_VERSION,
)
def postmortem(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
    """The draft that people review: every sentence with its evidence, as JSON, Markdown and one HTML page."""
    place, key = workspace.open(), context.partition_key
    report = attempt(lambda: stages.write_postmortem(place, key))
    return materialized(report, {"report": dg.MetadataValue.path(place.folder(key).report)})
