"""From outcomes to a verdict: status, role and settled confidence. Pure, and the only place that decides.

Status. One decisive check that fails refutes. With none failing, more decisive checks must have held than
could not run for `supported`: one check that any rival would pass as well is no support. Otherwise the
hypothesis stays `inconclusive`.

Confidence. It starts at the prior. Each check that holds removes part of the remaining doubt (a decisive
one 30 %, another 12 %); each other check that fails takes a third of the confidence away. Then the caps:
95 always, 60 while a decisive check could not run, 40 while inconclusive, 10 once refuted (and a fifth of
what it was). All steps only multiply, so their order does not matter, and a failed check more never raises
the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.check import CheckResult, Outcome, Status

Role = Literal["root_cause", "contributing", "ruled_out"]

CAP: Final = 95
CAP_UNCHECKED: Final = 60
CAP_INCONCLUSIVE: Final = 40
CAP_REFUTED: Final = 10
_DOUBT_LEFT_DECISIVE: Final = 0.7
_DOUBT_LEFT_OTHER: Final = 0.88
_CONFIDENCE_LEFT: Final = 2 / 3
_REFUTED_LEFT: Final = 0.2

Finding = tuple[bool, "Outcome"]
"""Whether the check is decisive, and what came out."""


@dataclass(frozen=True)
class Settled:
    """A hypothesis after its checks, as far as roles depend on it."""

    id: str
    status: Status
    confidence: int
    explains: tuple[str, ...] = ()


def findings(results: Sequence[CheckResult]) -> list[Finding]:
    """Give what `settle_status` and `settle_confidence` look at."""
    return [(result.decisive, result.outcome) for result in results]


def settle_status(outcomes: Sequence[Finding]) -> Status:
    """Say whether a hypothesis is supported, refuted or neither."""
    decisive = [outcome for is_decisive, outcome in outcomes if is_decisive]
    if "fails" in decisive:
        return "refuted"
    held = decisive.count("holds")
    return "supported" if held > len(decisive) - held else "inconclusive"


def settle_confidence(prior: int, outcomes: Sequence[Finding]) -> int:
    """Compute the settled confidence, 0 to 95, from the prior (0 to 100) and the outcomes."""
    held = sum(1 for decisive, outcome in outcomes if decisive and outcome == "holds")
    held_other = sum(1 for decisive, outcome in outcomes if not decisive and outcome == "holds")
    failed_other = sum(1 for decisive, outcome in outcomes if not decisive and outcome == "fails")
    doubt = (1 - prior / 100) * _DOUBT_LEFT_DECISIVE**held * _DOUBT_LEFT_OTHER**held_other
    confidence = 100 * (1 - doubt) * _CONFIDENCE_LEFT**failed_other
    status = settle_status(outcomes)
    cap = CAP
    if any(decisive and outcome in ("no_data", "error") for decisive, outcome in outcomes):
        cap = CAP_UNCHECKED
    if status == "inconclusive":
        cap = min(cap, CAP_INCONCLUSIVE)
    elif status == "refuted":
        cap = CAP_REFUTED
        confidence *= _REFUTED_LEFT
    return round(min(confidence, cap))


def settle_roles(settled: Sequence[Settled]) -> list[Role]:
    """Give each hypothesis its role, in the order given (rank order).

    The root cause is the supported one with the highest confidence, the better ranked of equals, among those
    that no other supported one would bring about (a limit that is hit is no root cause once it is known
    what drove demand to it). Other supported ones contribute; refuted ones are ruled out. One that could not
    be settled is kept as contributing: nothing rules it out, and nothing makes it the root cause.
    """
    supported = [index for index, one in enumerate(settled) if one.status == "supported"]
    effects = {effect for index in supported for effect in settled[index].explains}
    first = [index for index in supported if settled[index].id not in effects] or supported
    root = max(first, key=lambda index: (settled[index].confidence, -index), default=None)
    roles: list[Role] = []
    for index, one in enumerate(settled):
        if index == root:
            roles.append("root_cause")
        else:
            roles.append("ruled_out" if one.status == "refuted" else "contributing")
    return roles
