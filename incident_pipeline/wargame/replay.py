"""Replay incidents as a backfill through Dagster's GraphQL API, and tell how the runs ended.

The API goes through the backfill daemon; the older `dagster job backfill` submits runs itself and
calls the backfill a success whatever happened to them. So what counts here is the status of each run.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import ConfigError, IncidentIdError, ServiceError
from incident_pipeline.model.incident import is_incident_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOCATION: Final = "incident_pipeline"
_JOB: Final = "investigate_incident"
_SELECTOR: Final = {"repositoryName": "__repository__", "repositoryLocationName": _LOCATION}
_ENDED: Final = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
_POLL_SECONDS: Final = 2.0
_TRIES: Final = 3

_ADD: Final = """
mutation Add($key: String!, $selector: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: "incident", partitionKey: $key, repositorySelector: $selector) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message }
  }
}"""
_LAUNCH: Final = """
mutation Launch($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
    ... on PartitionSetNotFoundError { message }
  }
}"""
_RUNS: Final = """
query Runs($backfill: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $backfill}]}) {
    __typename ... on Runs { results { runId status tags { key value } } } ... on PythonError { message }
  }
  partitionBackfillOrError(backfillId: $backfill) {
    __typename ... on PartitionBackfill { status error { message } }
  }
}"""


@dataclass(frozen=True)
class ReplayedRun:
    """The run of one incident and how it ended."""

    incident: str
    run_id: str
    status: str


@dataclass(frozen=True)
class ReplayResult:
    """All runs of a replay, by incident."""

    backfill_id: str
    runs: tuple[ReplayedRun, ...]

    @property
    def succeeded(self) -> int:
        """How many runs ended well."""
        return sum(run.status == "SUCCESS" for run in self.runs)

    def as_dict(self) -> dict[str, object]:
        """Give the result as a JSON value."""
        runs = [asdict(run) for run in self.runs]
        return {"backfill_id": self.backfill_id, "succeeded": self.succeeded, "runs": runs}


def replay(
    url: str, keys: Sequence[str], *, timeout: float, on_change: Callable[[str], None] = lambda _line: None
) -> ReplayResult:
    """Launch a backfill over incident keys on a running Dagster server and wait for its runs.

    Raises:
        IncidentIdError: a key is none.
        ServiceError: the server does not answer, refuses, or runs are still going after `timeout` seconds.
    """
    for key in keys:
        if not is_incident_key(key):
            raise IncidentIdError(f"{key!r} is no incident key.")
        added = _ask_again(url, _ADD, {"key": key, "selector": _SELECTOR})["addDynamicPartition"]
        if added["__typename"] not in {"AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"}:
            raise ServiceError(
                f"Dagster refused partition {key}: {added.get('message', added['__typename'])}."
            )
    launched = _ask(url, _LAUNCH, {"backfill": _backfill(keys)})["launchPartitionBackfill"]
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise ServiceError(
            f"Dagster refused the backfill: {launched.get('message', launched['__typename'])}."
        )
    return _wait(url, launched["backfillId"], keys, timeout, on_change)


def _backfill(keys: Sequence[str]) -> dict[str, object]:
    return {
        "selector": {"partitionSetName": f"{_JOB}_partition_set", "repositorySelector": _SELECTOR},
        "partitionNames": list(keys),
        "tags": [{"key": "incident/replay", "value": "wargame"}],
        "title": f"War game over {len(keys)} recorded incidents",
    }


def _wait(
    url: str, backfill: str, keys: Sequence[str], timeout: float, on_change: Callable[[str], None]
) -> ReplayResult:
    deadline = time.monotonic() + timeout
    before = ""
    while True:
        answer = _ask_again(url, _RUNS, {"backfill": backfill})
        runs = tuple(
            sorted(map(_run, answer["runsOrError"].get("results", [])), key=lambda run: run.incident)
        )
        counts = {
            status: sum(run.status == status for run in runs) for status in sorted({r.status for r in runs})
        }
        line = f"{len(runs)} of {len(keys)} runs: " + ", ".join(
            f"{n} {status}" for status, n in counts.items()
        )
        if line != before:
            on_change(line)
            before = line
        if len(runs) == len(keys) and all(run.status in _ENDED for run in runs):
            return ReplayResult(backfill, runs)
        state = answer["partitionBackfillOrError"].get("status", "")
        if state.endswith("FAILED") and all(run.status in _ENDED for run in runs):
            return ReplayResult(backfill, runs)
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Backfill {backfill} is not done after {timeout:.0f} s ({line}).",
                advice="Is the daemon running? `dg dev` starts one.",
            )
        time.sleep(_POLL_SECONDS)


def _run(value: dict[str, Any]) -> ReplayedRun:
    tags = {tag["key"]: tag["value"] for tag in value["tags"]}
    return ReplayedRun(tags.get("dagster/partition", ""), value["runId"], value["status"])


def _ask_again(url: str, query: str, variables: dict[str, object]) -> dict[str, Any]:
    """Ask what may be asked twice: on SQLite a busy database answers 500 now and then."""
    for _ in range(_TRIES - 1):
        try:
            return _ask(url, query, variables)
        except ServiceError:
            time.sleep(_POLL_SECONDS)
    return _ask(url, query, variables)


def _ask(url: str, query: str, variables: dict[str, object]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is no http address.", advice="Give it as http://127.0.0.1:3000")
    request = urllib.request.Request(  # noqa: S310 -- the scheme was checked above
        f"{url.rstrip('/')}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 -- as above
            answer: dict[str, Any] = json.load(response)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ServiceError(
            f"Dagster at {url} does not answer: {error}.", advice="Is `dg dev` running?"
        ) from error
    if answer.get("errors"):
        raise ServiceError(f"Dagster at {url} refused the query: {answer['errors'][0]['message']}.")
    data: dict[str, Any] = answer["data"]
    return data
