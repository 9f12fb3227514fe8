"""Hypotheses before they have a rank, and what every story about failures must show.

What belongs here: the value that mechanisms and competitors build, and the checks that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.failure_checks import absent_before, origin, precedes, reversal
from incident_pipeline.diagnosis.prediction import DISCRIMINATING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.diagnosis.scene import Scene
    from incident_pipeline.model.check import CheckSpec
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.model.hypothesis import Reason

MAX_TESTS: Final = 7
MIN_CHAINS: Final = 5
"""Failing chains below which checks on failures have too little to count."""
_QUOTE: Final = 80


@dataclass(frozen=True)
class Draft:
    """A hypothesis before it has a rank."""

    summary: str
    component: str
    kind: str
    mechanism: str
    prior: int
    evidence: tuple[Citation, ...]
    tests: tuple[CheckSpec, ...]
    change_row: int | None = None
    """The change in the event table that it blames, if it blames one."""
    raises_demand: bool = False
    """It puts more work on what its component calls."""
    follows: str | None = None
    """The component whose failures it presupposes."""


def cited(reasons: Iterable[Reason]) -> tuple[Citation, ...]:
    """Give the citations of reasons, each once, in order."""
    return tuple(dict.fromkeys(citation for reason in reasons for citation in reason.citations))


def quoted(text: str) -> str:
    """Cut evidence text to what fits a sentence, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _QUOTE else f"{line[: _QUOTE - 1].rstrip()}…"


def limited(tests: Iterable[CheckSpec]) -> tuple[CheckSpec, ...]:
    """Keep each check once, decisive ones first, then those that tell rivals apart; no more than are read."""
    unique: dict[tuple[str, str], CheckSpec] = {}
    for test in tests:
        unique.setdefault((test.sql, str(sorted(test.parameters.items()))), test)
    ordered = sorted(unique.values(), key=lambda test: (not test.decisive, test.kind not in DISCRIMINATING))
    return tuple(ordered[:MAX_TESTS])


def failure_tests(scene: Scene, component: str) -> tuple[CheckSpec, ...]:
    """Give what must be seen if the failures begin at a component; nothing where hardly anything fails."""
    if scene.failing_chains() < MIN_CHAINS:
        return ()
    window = scene.windows.events
    return (origin(component, window), absent_before(component, window), *first_tests(scene, component))


def first_tests(scene: Scene, component: str) -> tuple[CheckSpec, ...]:
    """Give what must be seen of the order, if a component's failures reach the border."""
    if scene.entry is None or scene.entry == component or not scene.fails_requests(scene.entry):
        return ()
    return (precedes(component, scene.entry, scene.windows.events),)


def remedy_tests(scene: Scene, component: str) -> tuple[CheckSpec, ...]:
    """Give what must be seen after somebody changed something to end it."""
    if not scene.remedies or scene.failing_chains(component) < MIN_CHAINS:
        return ()
    return (reversal(component, scene.remedies[0].time_ns, scene.windows.events),)
