"""A check of the probe as data: what is asked of the store, what must happen, and how it came out.

What must work has worked; what must be refused was refused *and* the version is still there under its
lock. An answer that is no refusal (5xx, "not found", "not implemented") fails. What could not be asked
(a missing right, nothing to ask with) is neither good nor bad, and never counts as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incident_pipeline.evidence.doctor.bench import Bench, NotAskedError, NotAsPromisedError
from incident_pipeline.evidence.s3_errors import speaking

if TYPE_CHECKING:
    from collections.abc import Callable

Expectation = Literal["ok", "deny"]
CheckState = Literal["holds", "fails", "not_asked"]


@dataclass(frozen=True)
class Check:
    """One point of the probe. `run` gives what the store said, or raises."""

    id: str
    expect: Expectation
    title: str
    run: Callable[[Bench], str]


@dataclass(frozen=True)
class CheckOutcome:
    """How a check came out, and what the store said."""

    id: str
    expect: Expectation
    title: str
    state: CheckState
    reason: str


def run_check(check: Check, bench: Bench) -> CheckOutcome:
    """Ask the store one thing and judge the answer.

    Raises:
        ServiceError: the store does not answer any more.
        ConfigError: there are no usable credentials.
    """
    state: CheckState = "holds"
    try:
        with speaking(check.title):
            reason = check.run(bench)
    except NotAsPromisedError as error:
        state, reason = "fails", str(error)
    except NotAskedError as error:
        state, reason = "not_asked", str(error)
    return CheckOutcome(check.id, check.expect, check.title, state, reason)
