"""The two stories of a dependency that others run, seen only through those that call it.

From a failing request, one that refuses too many calls and one that is down look alike. So both stories
are told, with checks that only one of them can pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.draft import Draft, first_tests, limited, remedy_tests
from incident_pipeline.diagnosis.failure_checks import absent_before, dose_response, origin
from incident_pipeline.diagnosis.load_checks import demand_rose_first, logs_errors, refused, successes_fell

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.scene import Scene
    from incident_pipeline.model.citation import Citation

_REFUSED_STATUS: Final = 429


def dependency_drafts(
    scene: Scene, component: str, prior: int, evidence: tuple[Citation, ...]
) -> list[Draft]:
    """Give the two stories of a failing dependency: asked for more than it grants, or broken itself."""
    window = scene.windows.events
    failures = [origin(component, window), absent_before(component, window)]
    down = Draft(
        summary=f"{component} serves less than it used to: it is down, slow or stricter",
        component=component,
        kind="external" if scene.is_external(component) else "unknown",
        mechanism=(
            f"{component} answers fewer calls than before although it is asked no more than before; its "
            "callers run into errors and time-outs and pass them on."
        ),
        prior=prior,
        evidence=evidence,
        tests=limited(
            (
                successes_fell(component, window),
                demand_rose_first(component, window, rose=False),
                *failures,
                *first_tests(scene, component),
                logs_errors(component, window),
                *remedy_tests(scene, component),
            )
        ),
    )
    calls = scene.during & (scene.peer == component)
    if not (scene.spans.status[calls] == _REFUSED_STATUS).any():
        return [down]
    limit = Draft(
        summary=f"{component} refuses calls (429): it is asked for more than it grants",
        component=component,
        kind="capacity",
        mechanism=(
            f"The demand on {component} rose beyond the limit that it grants its callers; it stays up and "
            "refuses the rest, and requests that need the answer fail."
        ),
        prior=prior,
        evidence=evidence,
        tests=limited(
            (
                refused(component, window),
                demand_rose_first(component, window),
                *failures,
                *first_tests(scene, component),
                dose_response(component, window),
                *remedy_tests(scene, component),
            )
        ),
    )
    # Which of the two holds is what their checks decide; neither is likelier before they ran.
    half = max(1, round(prior * 0.75))
    return [replace(limit, prior=half), replace(down, prior=half)]
