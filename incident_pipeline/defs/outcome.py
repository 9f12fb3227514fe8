"""Turn what a stage reports into Dagster's materialization, with metadata a person wants to see.

Also maps our errors: what can't be mended by trying again becomes a `Failure` that is not retried and
whose text is the error's own message and advice.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import dagster as dg

from incident_pipeline.errors import IncidentPipelineError, ServiceError
from incident_pipeline.model.artifact import Problem
from incident_pipeline.stages import StageReport

Value = dg.MetadataValue | str | int | float
Result = TypeVar("Result")


def attempt(stage: Callable[[], Result], *passed_on: type[IncidentPipelineError]) -> Result:
    """Run a stage; give its result or fail the step with a message that says what to do.

    Errors of the families in `passed_on`, and those worth another try, are raised as they are.
    """
    try:
        return stage()
    except IncidentPipelineError as error:
        if isinstance(error, (ServiceError, *passed_on)):
            raise
        raise dg.Failure(
            description=error.diagnostics(),
            metadata={"exit_code": error.exit_code},
            allow_retries=isinstance(error, ServiceError),
        ) from error


def materialized(
    report: StageReport,
    extra: Mapping[str, Value] | None = None,
    check_results: list[dg.AssetCheckResult] | None = None,
) -> dg.MaterializeResult[None]:
    """Give the materialization of a stage: its line, counts, digests and problems."""
    # The line first, then what a person looks at, then counts and digests: the UI keeps this order.
    metadata: dict[str, Value] = {"summary": report.line, **(extra or {}), **report.counts, **report.facts}
    if report.problems:
        metadata["problems"] = problem_table(report.problems)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata=metadata,
        check_results=check_results or [],
    )


def problem_table(problems: tuple[Problem, ...]) -> dg.TableMetadataValue:
    """Show problems as a table: what, where, and the remedy."""
    return rows([{"kind": p.kind, "file": p.uri, "what": p.detail, "remedy": p.advice} for p in problems])


def rows(records: list[dict[str, str | int | float | bool]]) -> dg.TableMetadataValue:
    """Show records as a table; all have the keys of the first."""
    names = list(records[0]) if records else ["none"]
    return dg.MetadataValue.table(
        records=[dg.TableRecord(record) for record in records],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]),
    )
