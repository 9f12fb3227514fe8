"""`ui`: the Dagster UI on this installation, with the recorded incidents as partitions."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from incident_pipeline.cli.output import Output
from incident_pipeline.errors import ConfigError
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace


def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: Annotated[
        Path | None,
        typer.Option(help="DAGSTER_HOME, a folder with dagster.yaml; the current one by default."),
    ] = None,
) -> None:
    """Start the Dagster UI with its daemon: sensors run, alerts in the inbox start investigations."""
    import dagster as dg  # noqa: PLC0415 -- a second to import

    place = (home or Path(os.environ.get("DAGSTER_HOME", "."))).absolute()
    if not (place / "dagster.yaml").is_file():
        raise ConfigError(
            f"{place} has no dagster.yaml.", advice="Run it from the checkout, or give --home DIR."
        )
    program = shutil.which(
        "dg", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if program is None:
        raise ConfigError("The `dg` command is not installed.", advice="pip install 'incident-pipeline[ui]'")
    os.environ["DAGSTER_HOME"] = str(place)
    workspace = Workspace.from_settings(Settings.load())
    with dg.DagsterInstance.from_config(str(place)) as instance:
        instance.add_dynamic_partitions("incident", sorted(workspace.catalogue()))
    output = Output(as_json=False)
    output.line(f"inbox   {workspace.inbox}\nresults {workspace.out}\nUI      http://127.0.0.1:{port}")
    os.execv(program, [program, "dev", "--host", "127.0.0.1", "--port", str(port)])  # noqa: S606 -- our own program
