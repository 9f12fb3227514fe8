"""From a ranked component to a cause that can be refuted: what happened there, and what must then be seen.

The strongest reasons choose the mechanism; each further reason adds the check that looks at the same
thing again. Decisive are the checks without which the mechanism makes no sense; the rest lends weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.diagnosis.dependencies import dependency_drafts
from incident_pipeline.diagnosis.draft import (
    MIN_CHAINS,
    Draft,
    cited,
    failure_tests,
    limited,
    quoted,
    remedy_tests,
)
from incident_pipeline.diagnosis.failure_checks import (
    dose_response,
)
from incident_pipeline.diagnosis.latency_checks import (
    callers_wait,
    slow_by_itself,
    slow_with_load,
    slower_than_others,
    wait_is_specific,
)
from incident_pipeline.diagnosis.load_checks import (
    calls_per_request,
    load_rose,
)
from incident_pipeline.diagnosis.measure_checks import (
    callees_stay,
    measure_dose_response,
    measure_is_specific,
    measure_left_baseline,
    measure_precedes,
)
from incident_pipeline.diagnosis.measures import measure_name
from incident_pipeline.diagnosis.path_checks import (
    Feature,
    errors_are_specific,
    path_changed,
    path_is_specific,
    path_was_steady,
    template_appears,
)
from incident_pipeline.model.event import Severity

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.scene import Scene
    from incident_pipeline.model.check import CheckSpec
    from incident_pipeline.model.hypothesis import RankedComponent, Reason

_TELLING: Final = 0.25
"""A reason counts for the mechanism from this part of the component's strongest on."""


def component_drafts(scene: Scene, ranked: RankedComponent, prior: int) -> list[Draft]:
    """Give what the evidence against a ranked component suggests, the likeliest first."""
    if scene.is_external(ranked.component):
        return dependency_drafts(scene, ranked.component, prior, cited(ranked.reasons))
    # A change or an alert points at a component but says nothing of what happened there.
    reasons = [reason for reason in ranked.reasons if reason.term not in ("change", "alert")]
    telling = [reason for reason in reasons if reason.score >= _TELLING * reasons[0].score]
    if not telling:
        return []
    chosen = next((r for r in telling if r.term == "resource" and _measure(scene, r)), telling[0])
    build = {
        "resource": _resource, "gap": _network, "own_time": _slow, "symptom_metric": _moved, "load": _loaded,
    }  # fmt: skip
    summary, kind, mechanism, tests = build.get(chosen.term, _code)(scene, ranked, chosen)
    rerouted = chosen.term not in build and _called(scene, ranked.component, chosen) is not None
    for reason in telling:
        if reason is not chosen:
            tests = (*tests, *_checks_of(scene, ranked.component, reason))
    return [
        Draft(
            summary=summary,
            component=ranked.component,
            kind=kind,
            mechanism=mechanism,
            prior=prior,
            evidence=cited((chosen, *ranked.reasons)),
            tests=_challenged(scene, ranked.component, (*tests, *remedy_tests(scene, ranked.component))),
            raises_demand=rerouted and _more(chosen),
        )
    ]


def _challenged(scene: Scene, component: str, tests: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
    """Make sure that a hypothesis can be refuted, and not by one query alone."""
    window = scene.windows.events
    # Where reasons give too little to look at again: a component that went wrong hardly got faster.
    spare = (slow_by_itself(component, window), slower_than_others(component, window))
    other = tuple(test.model_copy(update={"decisive": False}) for test in spare)
    kept = limited((*tests, *other) if len(tests) < 2 and scene.services else tests)  # noqa: PLR2004 - one is no challenge
    if any(test.decisive for test in kept):
        return kept
    return (*(test.model_copy(update={"decisive": True}) for test in kept[:1]), *kept[1:])


Told = tuple[str, str, str, tuple["CheckSpec", ...]]
"""Summary, kind, mechanism and checks."""


def _resource(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    metric = reason.facts.get("metric")
    what = f": {quoted(str(metric))} left its baseline" if metric else ""
    return (
        f"{component} ran short of a resource{what}",
        "resource",
        f"{reason.detail} Work on {component} that needs it waits or fails, and so do its callers.",
        (*_measure_checks(scene, component, reason, decisive=True), *failure_tests(scene, component)),
    )


def _network(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    window = scene.windows.events
    return (
        f"Calls to {component} lose time on the way",
        "network",
        f"{reason.detail} The time passes between caller and callee, not in the work of either.",
        (
            callers_wait(component, window),
            wait_is_specific(component, window),
            *failure_tests(scene, component),
        ),
    )


def _slow(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    window = scene.windows.events
    return (
        f"{component} became slow in its own work",
        ranked.fault_class or "unknown",
        f"{reason.detail} Its callers wait for it.",
        (
            slow_by_itself(component, window),
            slower_than_others(component, window),
            *failure_tests(scene, component),
        ),
    )


def _moved(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    metric = quoted(str(reason.facts.get("metric", "a measurement")))
    return (
        f"{component} is where the trouble begins: {metric} left its baseline",
        ranked.fault_class or "unknown",
        f"{reason.detail} What depends on {component} shows the effect.",
        (*_measure_checks(scene, component, reason, decisive=True), *failure_tests(scene, component)),
    )


def _loaded(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    window = scene.windows.local
    failing = scene.failing_chains() >= MIN_CHAINS
    follows = dose_response(component, window) if failing else slow_with_load(component, window)
    return (
        f"{component} gets more work than before",
        "load",
        f"{reason.detail} What comes on top of the usual waits or fails.",
        (load_rose(component, window), follows),
    )


def _code(scene: Scene, ranked: RankedComponent, reason: Reason) -> Told:
    component = ranked.component
    child = _called(scene, component, reason)
    if child is not None:
        more = _more(reason)
        return (
            f"{component} calls {child} {'more' if more else 'less'} often per request than before",
            ranked.fault_class or "code",
            f"{reason.detail} What {component} does for a request has changed.",
            (*_rerouted(scene, component, child, more=more), *_checks_of(scene, component, reason)),
        )
    what = " and logs a message that is new or comes more often" if _logs_more(reason) else ""
    fails = 2 * scene.failing_chains(component) >= max(scene.failing_chains(), 1)
    does = "fails requests by itself" if fails else "handles requests differently than before"
    return (
        f"{component} {does}{what}",
        ranked.fault_class or "code",
        f"{reason.detail} The work of {component} itself goes wrong, not that of what it calls.",
        (*_first_deciding(_checks_of(scene, component, reason)), *failure_tests(scene, component)),
    )


def _rerouted(scene: Scene, component: str, child: str, *, more: bool) -> tuple[CheckSpec, ...]:
    window = scene.windows.events
    first = calls_per_request(component, child, window, more=more)
    if not more:
        return (first, *failure_tests(scene, component))
    early = calls_per_request(component, child, window, until_failure=True)
    return (first, early, load_rose(child, window)) if scene.failing_chains() >= MIN_CHAINS else (first,)


def _first_deciding(tests: tuple[CheckSpec, ...]) -> tuple[CheckSpec, ...]:
    return (*(test.model_copy(update={"decisive": True}) for test in tests[:1]), *tests[1:])


def _called(scene: Scene, component: str, reason: Reason) -> str | None:
    """Give whom the child calls go to that a reason is about, None where they stay inside the component."""
    owner, operation = reason.facts.get("child_service"), reason.facts.get("child_operation")
    if not isinstance(owner, str) or not owner or owner != component:
        return owner or None if isinstance(owner, str) else None
    label = f"{component}\t{operation}"
    if label not in scene.spans.operation.names:
        return None
    code = scene.spans.operation.names.index(label)
    called = [peer for peer in scene.peer[scene.spans.operation.codes == code] if peer is not None]
    return min(set(called), key=lambda name: (-called.count(name), name), default=None)


def _checks_of(scene: Scene, component: str, reason: Reason) -> tuple[CheckSpec, ...]:
    """Look again at what a reason is about, without letting it decide."""
    window = scene.windows.events
    match reason.term:
        case "resource" | "symptom_metric":
            return _measure_checks(scene, component, reason, decisive=False)[:1]
        case "own_time":
            return (slow_by_itself(component, window).model_copy(update={"decisive": False}),)
        case "gap":
            return (callers_wait(component, window).model_copy(update={"decisive": False}),)
    feature = _feature(component, reason)
    if feature is not None:
        changed = path_changed(feature, window, more=_more(reason)).model_copy(update={"decisive": False})
        return (
            changed,
            path_is_specific(component, scene.above(component), window),
            path_was_steady(feature, window),
        )
    mask = reason.facts.get("mask_id")
    if isinstance(mask, str) and _more(reason):
        appears = template_appears(mask, component, window)
        # Errors of others weigh against a message that is one; other messages have no such rival.
        severe = int(reason.facts.get("severity") or 0) >= Severity.ERROR
        return (
            (appears, errors_are_specific(component, scene.above(component), window))
            if severe
            else (appears,)
        )
    return ()


def _feature(component: str, reason: Reason) -> Feature | None:
    facts = {key: value for key, value in reason.facts.items() if isinstance(value, str)}
    operation = facts.get("operation")
    if operation is None:
        return None
    if "child_service" in facts and "child_operation" in facts:
        owner, child = facts["child_service"], facts["child_operation"]
        label = f"runs {child}" if owner == component else f"runs {child} of {owner}"
        return Feature(component, operation, label, child=(owner, child))
    if "mask_id" in facts:
        # Titles of checks are shown in places that evidence text must not reach: the template's id names it.
        label = f"logs the message {facts.get('template_id', facts['mask_id'])}"
        return Feature(component, operation, label, mask_id=facts["mask_id"])
    return None


def _logs_more(reason: Reason) -> bool:
    return isinstance(reason.facts.get("example"), str) and _more(reason)


def _more(reason: Reason) -> bool:
    return (reason.observed or 0) > (reason.baseline or 0)


def _measure(scene: Scene, reason: Reason) -> str | None:
    series = scene.series.get(str(reason.facts.get("series_id")))
    return None if series is None else measure_name(series)


def _measure_checks(scene: Scene, component: str, reason: Reason, *, decisive: bool) -> tuple[CheckSpec, ...]:
    series = scene.series.get(str(reason.facts.get("series_id")))
    if series is None:
        return ()
    measure = measure_name(series)
    fell = reason.facts.get("direction") in (-1, "down")
    direction: Literal["up", "down"] = "down" if fell else "up"
    window = scene.windows.measures
    tests = [measure_left_baseline(measure, direction, window).model_copy(update={"decisive": decisive})]
    failing = scene.failing_chains() >= MIN_CHAINS
    if failing and scene.entry is not None:
        tests.append(measure_precedes(measure, direction, scene.entry, window, scene.windows.events))
    alike = {one.component for one in scene.series.values() if one.name == series.name}
    callees = tuple(c for c in scene.diagnosis.graph.get(component, ()) if c in alike)
    # A symptom moves along the calls; only of a component's own state is it said that no other's moved.
    if alike - {component} and reason.term == "resource":
        tests.append(measure_is_specific(measure, series.name, component, direction, window))
    if callees:
        tests.append(callees_stay(series.name, component, callees, direction, window))
    if failing:
        tests.append(measure_dose_response(measure, direction, window))
    return tuple(tests)
