"""Examine a store: all 55 checks, one verdict.

The list grew out of what S3-compatible stores were found to get wrong: COMPLIANCE retention that can be
shortened, downgraded, or is forgotten by multipart uploads. A single such gap makes "write once" a
word, so nothing less than all 55 is good enough.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.evidence.doctor import buckets, compliance, governance, holds, writes
from incident_pipeline.evidence.doctor.bench import Bench
from incident_pipeline.evidence.doctor.check import CheckOutcome, run_check
from incident_pipeline.evidence.s3_errors import speaking

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

    from incident_pipeline.evidence.s3_lock import S3Location

_LAST: Final = "expiry-after"
CHECKS: Final = (
    *buckets.CHECKS,
    # Its object was locked early on; by the end the wait is short.
    *(check for check in compliance.CHECKS if check.id != _LAST),
    *writes.CHECKS,
    *governance.CHECKS,
    *holds.CHECKS,
    *(check for check in compliance.CHECKS if check.id == _LAST),
)
"""The 55 checks, in the order in which they run."""

REMARKS: Final = compliance.REMARKS


@dataclass(frozen=True)
class Examination:
    """What the store was found to do.

    `remarks` are not counted: gaps that a vault does not come near. `left` names what could not be
    removed afterwards.
    """

    vault: str
    outcomes: tuple[CheckOutcome, ...]
    remarks: tuple[CheckOutcome, ...]
    left: tuple[str, ...]

    @property
    def held(self) -> int:
        """Count the checks that hold."""
        return sum(outcome.state == "holds" for outcome in self.outcomes)

    @property
    def exit_code(self) -> Literal[0, 1, 3]:
        """Give 0 when all hold, 1 when the store is refused, 3 when something could not be asked."""
        states = {outcome.state for outcome in self.outcomes}
        if "fails" in states:
            return 1
        return 3 if "not_asked" in states or not states else 0

    @property
    def summary(self) -> str:
        """Give the verdict in one line."""
        verdict = {
            0: "this store keeps what is locked",
            1: "REFUSED: this store does not keep what is locked",
            3: "not all could be asked, so nothing is promised",
        }[self.exit_code]
        gaps = [it.id for it in self.remarks if it.state != "holds"]
        beside = f" Not counted, and not so: {', '.join(gaps)} (a vault never copies)." if gaps else ""
        states = [it.state for it in self.outcomes]
        lacking = f"; {states.count('fails')} fail, {states.count('not_asked')} not asked"
        rest = lacking if self.held < len(states) else ""
        return f"{self.held} of {len(states)}: {verdict} ({self.vault}{rest}).{beside}"

    def as_dict(self) -> dict[str, object]:
        """Give the examination as a JSON value."""
        return {
            "vault": self.vault,
            "held": self.held,
            "total": len(self.outcomes),
            "exit_code": self.exit_code,
            "summary": self.summary,
            "checks": [asdict(outcome) for outcome in self.outcomes],
            "remarks": [asdict(remark) for remark in self.remarks],
            "left": list(self.left),
        }


def examine(
    client: BaseClient,
    location: S3Location,
    *,
    seconds: int = 5,
    progress: Callable[[CheckOutcome], None] | None = None,
) -> Examination:
    """Run all checks against a store, then remove what was made, which waits for the last retention.

    Args:
        client: with rights to create and delete buckets, objects and locks: a custodian's, not those
            that sealing uses.
        location: the vault; objects are made below `doctor/` in it, buckets beside it.
        seconds: retention of what is stored. Nothing can remove it sooner.
        progress: told of each outcome as it comes.

    Raises:
        ConfigError: there is no such bucket, or the credentials are unusable.
        ServiceError: the store does not answer.
    """
    bench = Bench(client, location, seconds=seconds)
    with speaking(f"looking at bucket {location.bucket}"):
        bench.set_clock()
    outcomes: list[CheckOutcome] = []
    try:
        for check in CHECKS:
            outcomes.append(run_check(check, bench))
            if progress:
                progress(outcomes[-1])
        remarks = tuple(run_check(check, bench) for check in REMARKS)
    finally:
        with speaking("removing what the checks made"):
            left = bench.clear_up()
    return Examination(location.url, tuple(outcomes), remarks, left)
