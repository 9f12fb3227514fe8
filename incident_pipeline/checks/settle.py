"""From outcomes to a verdict: status, role and settled confidence. Pure, and the only place that decides.

A check confirms when it looks again at what the hypothesis was made from: a rival may well pass it, and
the series that pointed at a component will point at it again. A check discriminates when a rival would
fail it (`diagnosis.prediction.DISCRIMINATING` lists the kinds): nothing else moved as much, what lies below
stayed as it was, failing chains end here, it came first, it went away when the change was undone.

Status. One decisive check that fails refutes. `supported` asks for all of these, so that no single query
and no re-test of the finding itself can give it:

- checks of two different kinds held, among those that are decisive or discriminate;
- at least one of them discriminates, and of those that discriminate more held than failed;
- more decisive checks held than could not run.

Otherwise the hypothesis stays `inconclusive`, which is an answer.

Confidence. It starts at the prior. Each check that holds removes part of the remaining doubt (a decisive or
discriminating one 30 %, another 12 %); each other check that fails takes a third of the confidence away.
Then the caps: 95 always, 60 while a decisive check could not run or a discriminating one failed, 40 while
inconclusive, 10 once refuted (and a fifth of what it was). All steps only multiply, so their order does not
matter, and a failed check more never raises the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from incident_pipeline.diagnosis.prediction import DISCRIMINATING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.check import CheckResult, CheckSpec, Outcome, Status

Role = Literal["root_cause", "contributing", "ruled_out"]

CAP: Final = 95
CAP_UNCHECKED: Final = 60
CAP_INCONCLUSIVE: Final = 40
CAP_REFUTED: Final = 10
_DOUBT_LEFT_TELLING: Final = 0.7
_DOUBT_LEFT_OTHER: Final = 0.88
_CONFIDENCE_LEFT: Final = 2 / 3
_REFUTED_LEFT: Final = 0.2
_KINDS_NEEDED: Final = 2


class Finding(NamedTuple):
    """What a check's outcome counts for: its kind, whether its failure refutes, and what came out."""

    kind: str
    decisive: bool
    outcome: Outcome

    @property
    def discriminates(self) -> bool:
        """Say whether a rival of the hypothesis would fail this check."""
        return self.kind in DISCRIMINATING

    @property
    def tells(self) -> bool:
        """Say whether the check counts towards support when it holds."""
        return self.decisive or self.discriminates


@dataclass(frozen=True)
class Settled:
    """A hypothesis after its checks, as far as roles depend on it."""

    id: str
    status: Status
    confidence: int
    explains: tuple[str, ...] = ()


def findings(specs: Sequence[CheckSpec], results: Sequence[CheckResult]) -> list[Finding]:
    """Give what `settle_status` and `settle_confidence` look at: each check's kind beside its outcome."""
    return [
        Finding(spec.kind, result.decisive, result.outcome)
        for spec, result in zip(specs, results, strict=True)
    ]


def settle_status(outcomes: Sequence[Finding]) -> Status:
    """Say whether a hypothesis is supported, refuted or neither."""
    decisive = [one.outcome for one in outcomes if one.decisive]
    if "fails" in decisive:
        return "refuted"
    held = [one for one in outcomes if one.tells and one.outcome == "holds"]
    apart = sum(1 for one in held if one.discriminates)
    against = sum(1 for one in outcomes if one.discriminates and one.outcome == "fails")
    ran = decisive.count("holds")
    enough = len({one.kind for one in held}) >= _KINDS_NEEDED and ran > len(decisive) - ran
    return "supported" if enough and apart > against else "inconclusive"


def settle_confidence(prior: int, outcomes: Sequence[Finding]) -> int:
    """Compute the settled confidence, 0 to 95, from the prior (0 to 100) and the outcomes."""
    held = sum(1 for one in outcomes if one.tells and one.outcome == "holds")
    held_other = sum(1 for one in outcomes if not one.tells and one.outcome == "holds")
    failed_other = sum(1 for one in outcomes if not one.decisive and one.outcome == "fails")
    doubt = (1 - prior / 100) * _DOUBT_LEFT_TELLING**held * _DOUBT_LEFT_OTHER**held_other
    confidence = 100 * (1 - doubt) * _CONFIDENCE_LEFT**failed_other
    status = settle_status(outcomes)
    cap = CAP
    unchecked = any(one.decisive and one.outcome in ("no_data", "error") for one in outcomes)
    if unchecked or any(one.discriminates and one.outcome == "fails" for one in outcomes):
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
