"""Analysis assets: events, index, timeline, hypotheses and the checks that settle them."""

import dagster as dg

from incident_pipeline import checks, diagnosis, parsers, retrieval, stages, timeline
from incident_pipeline.defs.evidence import sealed_evidence
from incident_pipeline.defs.outcome import Value, attempt, materialized
from incident_pipeline.defs.partitions import incidents
from incident_pipeline.defs.previews import (
    check_rows,
    coverage_rows,
    hypothesis_rows,
    moment_rows,
    parse_rows,
    ranking_rows,
    timeline_picture,
    timeline_rows,
)
from incident_pipeline.defs.resources import WorkspaceResource

OWNERS = ["team:incident-analysis"]


@dg.asset(
    partitions_def=incidents,
    deps=[sealed_evidence],
    group_name="analysis",
    owners=OWNERS,
    kinds={"parquet"},
    code_version=parsers.CODE_VERSION,
)
def parsed_events(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[None]:
    """Every record of the evidence as a row with its byte range; measurements and quarantine beside."""
    place, key = workspace.open(), context.partition_key
    report = attempt(lambda: stages.parse_events(place, key))
    extra: dict[str, Value] = {
        "dagster/row_count": report.counts["events"],
        "artifacts": parse_rows(place.folder(key)),
    }
    return materialized(report, extra)


@dg.asset(
    partitions_def=incidents,
    deps=[parsed_events],
    group_name="analysis",
    owners=OWNERS,
    kinds={"lancedb", "huggingface"},
    code_version=retrieval.CODE_VERSION,
    pool="embedder",
)
def embeddings(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
    """Distinct things of the evidence as vectors and full text, for retrieval; no verdict rests on them."""
    return materialized(attempt(lambda: stages.embed(workspace.open(), context.partition_key)))


# The embeddings come before timeline and hypotheses in order only: nothing there reads a vector.
@dg.asset(
    partitions_def=incidents,
    deps=[parsed_events, embeddings],
    group_name="analysis",
    owners=OWNERS,
    kinds={"parquet", "json"},
    code_version=timeline.CODE_VERSION,
    name="timeline",
)
def timeline_asset(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[None]:
    """One order of everything that happened, with what was merged and how each place was fixed."""
    place, key = workspace.open(), context.partition_key
    report = attempt(lambda: stages.order_timeline(place, key))
    folder = place.folder(key)
    extra: dict[str, Value] = {
        "picture": timeline_picture(folder),
        "moments": moment_rows(folder),
        "entries": timeline_rows(folder),
        "coverage": coverage_rows(folder),
    }
    return materialized(report, extra)


@dg.asset(
    partitions_def=incidents,
    deps=[parsed_events, embeddings, timeline_asset],
    group_name="analysis",
    owners=OWNERS,
    kinds={"json"},
    code_version=diagnosis.CODE_VERSION,
)
def hypotheses(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
    """A ranking of what went wrong, and at most five causes with tests that could refute them."""
    place, key = workspace.open(), context.partition_key
    report = attempt(lambda: stages.rank_hypotheses(place, key))
    folder = place.folder(key)
    return materialized(report, {"ranking": ranking_rows(folder), "proposed": hypothesis_rows(folder)})


@dg.asset(
    partitions_def=incidents,
    deps=[hypotheses, parsed_events],
    group_name="analysis",
    owners=OWNERS,
    kinds={"duckdb", "sql"},
    code_version=checks.CODE_VERSION,
)
def validated_checks(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[None]:
    """Every hypothesis after its checks were run on the evidence; refuted ones stay."""
    place, key = workspace.open(), context.partition_key
    report = attempt(lambda: stages.validate(place, key))
    return materialized(report, {"outcomes": check_rows(place.folder(key))})
