"""A Dagster webserver and daemon on loopback for the length of a replay, ended as whole process groups.

Both programs start children (code servers, run workers); a signal to the parent alone leaves them
behind for tens of seconds, and a second daemon on the same home would fight the next one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_pipeline.workspace import Workspace

READY_SECONDS: Final = 180
_STOP_SECONDS: Final = 20
_WORKSPACE: Final = """\
load_from:
  - python_module:
      module_name: incident_pipeline.definitions
      location_name: incident_pipeline
"""
_HOME: Final = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: {cores}
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
"""


@contextmanager
def running_server(workspace: Workspace) -> Iterator[str]:
    """Start webserver and daemon on a home under the workspace's store; give the URL.

    Raises:
        ServiceError: it does not answer within `READY_SECONDS`; the log file is named.
    """
    home = workspace.store / "dagster-server"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(_HOME.format(cores=os.cpu_count() or 1))
    (home / "workspace.yaml").write_text(_WORKSPACE)
    port = _free_port()
    environ = os.environ | {
        "DAGSTER_HOME": str(home),
        "INCIDENT_PIPELINE_OUT": str(workspace.out),
        "INCIDENT_PIPELINE_VAULT": workspace.vault_setting,
        "INCIDENT_PIPELINE_VAULT_MODE": workspace.vault_mode,
        "INCIDENT_PIPELINE_VAULT_RETENTION_DAYS": workspace.vault_retention_days,
        "INCIDENT_PIPELINE_INBOX": str(workspace.inbox),
        "INCIDENT_PIPELINE_INCIDENTS": str(workspace.incidents),
        "INCIDENT_PIPELINE_EMBEDDER": workspace.embedder,
        "INCIDENT_PIPELINE_ENCRYPTION": workspace.encryption,
    }
    web = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(home / "workspace.yaml")]
    daemon = ["dagster._daemon", "run", "-w", str(home / "workspace.yaml")]
    with _program(web, home / "webserver.log", environ):
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, home / "webserver.log")
        # Only now the daemon: two programs that make the same SQLite files at once get in each other's way.
        with _program(daemon, home / "daemon.log", environ):
            yield url


@contextmanager
def _program(arguments: list[str], log: Path, environ: dict[str, str]) -> Iterator[None]:
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter and fixed arguments
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline and _group_lives(process):
            time.sleep(0.2)
    process.wait()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):  # noqa: S310 -- our own loopback server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise ServiceError(
        f"The Dagster webserver did not answer within {READY_SECONDS} s.", advice=f"See {log}."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
