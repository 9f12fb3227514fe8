"""Evidence assets: what came in, and what was sealed."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from incident_pipeline import evidence, ingest, stages
from incident_pipeline.defs.outcome import attempt, materialized, rows
from incident_pipeline.defs.partitions import incidents
from incident_pipeline.defs.resources import WorkspaceResource
from incident_pipeline.errors import EvidenceError
from incident_pipeline.evidence.verify import VerificationReport
from incident_pipeline.workspace import Workspace

OWNERS = ["team:incident-evidence"]


@dg.asset(
    partitions_def=incidents,
    group_name="evidence",
    owners=OWNERS,
    kinds={"file"},
    code_version=ingest.CODE_VERSION,
)
def raw_artifacts(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> dg.MaterializeResult[None]:
    """The files of an incident's bundle as they came in, checked against the digests given with them."""
    return materialized(attempt(lambda: stages.survey(workspace.open(), context.partition_key)))


@dg.asset(
    partitions_def=incidents,
    deps=[raw_artifacts],
    group_name="evidence",
    owners=OWNERS,
    kinds={"file", "signature"},
    code_version=evidence.CODE_VERSION,
    check_specs=[
        dg.AssetCheckSpec(
            "digests_match",
            asset="sealed_evidence",
            blocking=True,
            description="The seal's signature holds and every sealed byte hashes to its digest.",
        )
    ],
)
def sealed_evidence(
    context: dg.AssetExecutionContext, workspace: WorkspaceResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The artifacts in write-once storage under a signed manifest; a failed check stops what follows."""
    place, key = workspace.open(), context.partition_key
    sealed = attempt(lambda: _sealed(place, key))
    if isinstance(sealed, EvidenceError):
        # The vault itself refused: there is nothing to materialize, but the check must say why.
        yield dg.AssetCheckResult(
            check_name="digests_match",
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description=sealed.diagnostics(),
        )
        return
    report, verification = sealed
    yield materialized(report, check_results=[_integrity(verification)])


def _sealed(place: Workspace, key: str) -> tuple[stages.StageReport, VerificationReport] | EvidenceError:
    try:
        return stages.seal_evidence(place, key, now=datetime.now(UTC)), stages.check_seal(place, key)
    except EvidenceError as error:
        return error


def _integrity(verification: VerificationReport) -> dg.AssetCheckResult:
    failed = verification.failures
    return dg.AssetCheckResult(
        check_name="digests_match",
        passed=verification.exit_code == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(item.message for item in failed) or "Signature and all digests hold.",
        metadata={
            "checked": len(verification.items),
            "failed": len(failed),
            "failures": rows([{"item": item.name, "what": item.message} for item in failed]),
        },
    )
