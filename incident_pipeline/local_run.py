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
from incident_pipeline.errors import ConfigError, worst_exit_code
from incident_pipeline.progress import listener, listening
from incident_pipeline.stages import STAGES

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
    problems: list[Problem] = []
    outer = listener()

    def hear(incident: str, stage: str, line: str, found: tuple[Problem, ...]) -> None:
        # Problems are those this run met, not what an earlier one left in the results folder.
        problems.extend(problem for problem in found if problem not in problems)
        if outer is not None:
            outer(incident, stage, line, found)

    with listening(hear):
        result = _execute(workspace, key, wanted, instance)
    stage, message, code = _failure(result)
    return RunOutcome(
        key=key,
        run_id=result.run_id,
        success=result.success,
        failed_stage=stage,
        message=message,
        problems=tuple(problems),
        exit_code=worst_exit_code([code, *(problem.exit_code for problem in problems)]),
    )


def _execute(
    workspace: Workspace, key: str, wanted: tuple[str, ...], instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return (
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
