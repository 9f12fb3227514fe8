"""Run the assets of one incident in this process, on a Dagster instance that lives under OUT/.store.

What the command line uses: the same job as in the UI, with run history and lineage, but no server.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dagster as dg

from incident_pipeline.definitions import defs
from incident_pipeline.errors import ConfigError
from incident_pipeline.model.report import ParseReport
from incident_pipeline.stages import STAGES, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.model.artifact import Problem
    from incident_pipeline.workspace import Workspace

JOB: Final = "investigate_incident"
_HOME: Final = """\
# Written by the command line for its own runs.
telemetry:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


@dataclass(frozen=True)
class RunOutcome:
    """How the run of one incident ended: 0 good, 1 bad evidence, 3 something could not be read."""

    key: str
    run_id: str
    success: bool
    failed_stage: str | None
    message: str | None
    problems: tuple[Problem, ...]
    exit_code: int


@contextmanager
def local_instance(workspace: Workspace) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a workspace, making its home on first use."""
    home = workspace.store / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_HOME)
    # Dagster reads its home from the environment in places that take no instance.
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


def run_incident(
    workspace: Workspace, key: str, *, until: str | None = None, instance: dg.DagsterInstance
) -> RunOutcome:
    """Materialize an incident's assets up to `until` (all by default).

    Raises:
        ConfigError: `until` is no asset.
    """
    if until is not None and until not in STAGES:
        raise ConfigError(f"{until!r} is no asset.", advice=f"One of: {', '.join(STAGES)}.")
    wanted = STAGES if until is None else STAGES[: STAGES.index(until) + 1]
    instance.add_dynamic_partitions("incident", [key])
    result = (
        defs()
        .resolve_job_def(JOB)
        .execute_in_process(
            partition_key=key,
            instance=instance,
            asset_selection=[dg.AssetKey(stage) for stage in wanted],
            raise_on_error=False,
            tags={"incident/trigger": "command-line"},
            run_config={
                "resources": {"workspace": {"config": _resource_config(workspace)}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    )
    problems = problems_of(workspace, key)
    stage, message, code = _failure(result)
    codes = {problem.exit_code for problem in problems} | {code}
    return RunOutcome(
        key=key,
        run_id=result.run_id,
        success=result.success,
        failed_stage=stage,
        message=message,
        problems=problems,
        exit_code=worst(codes),
    )


def worst(codes: set[int]) -> int:
    """Give the exit code that speaks for all: wrong usage first, then bad evidence, then unreadable input."""
    return next((code for code in (2, 1, 3) if code in codes), 0)


def problems_of(workspace: Workspace, key: str) -> tuple[Problem, ...]:
    """Give all problems an incident's results name, in the order of the stages."""
    folder = workspace.folder(key)
    problems = sealed(folder).problems if folder.evidence.is_file() else ()
    if folder.parse_report.is_file():
        problems += ParseReport.model_validate_json(folder.parse_report.read_bytes()).problems
    return problems


def _resource_config(workspace: Workspace) -> dict[str, str]:
    return {
        "out": str(workspace.out),
        "vault": workspace.vault_setting,
        "vault_mode": workspace.vault_mode,
        "vault_retention_days": workspace.vault_retention_days,
        "inbox": str(workspace.inbox),
        "incidents": str(workspace.incidents),
        "embedder": workspace.embedder,
        "config_dir": str(workspace.config_dir or ""),
        "signer": workspace.signer,
        "tsa": workspace.tsa,
        "tsa_url": workspace.tsa_url,
        "encryption": workspace.encryption,
    }


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str | None, str | None, int]:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            return evaluation.asset_key.to_user_string(), evaluation.description, 1
    for event in result.all_events:
        if event.event_type_value != "STEP_FAILURE":
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None:
            code = data.user_failure_data.metadata.get("exit_code")
            return event.step_key, data.user_failure_data.description, int(str(code.value)) if code else 3
        if data.error is not None:
            cause = data.error.cause or data.error
            return event.step_key, f"internal error: {cause.to_string()}", 3
    return None, None, 0 if result.success else 3
