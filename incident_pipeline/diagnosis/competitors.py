"""The explanations that a responder raises first, whether or not the ranking does: they are worth refuting.

A change shortly before the onset, more load, a dependency that is down, callers that repeat failing
calls. Each is proposed only where the evidence gives occasion for it, with a prior that never exceeds
`CAP`: nearness in time is a prior and never a proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.change_checks import (
    calm_after_change,
    event_persists,
    event_then_failures,
    event_undone,
    failures_after_change,
    log_calm_after_change,
    log_errors_after_change,
    persists_while_in_place,
)
from incident_pipeline.diagnosis.dependencies import dependency_drafts
from incident_pipeline.diagnosis.draft import MIN_CHAINS, Draft, limited, quoted
from incident_pipeline.diagnosis.failure_checks import dose_response, failures_follow, reversal_of_change
from incident_pipeline.diagnosis.latency_checks import slow_by_itself, slow_with_load, slower_than_others
from incident_pipeline.diagnosis.load_checks import (
    calls_per_request,
    load_rose,
    load_rose_after,
    repeated_after_failure,
)
from incident_pipeline.diagnosis.scene import LOOKBACK

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.scene import Change, Scene
    from incident_pipeline.model.check import CheckSpec

CAP: Final = 45
_MAX_CHANGES: Final = 3


def competing_drafts(scene: Scene) -> list[Draft]:
    """Give the competing explanations of a scene, unordered."""
    changes = [_change(scene, change) for change in scene.suspects[:_MAX_CHANGES]]
    explained = any(draft.kind == "load" for draft in changes)
    return [*changes, *_dependencies(scene), *_repeats(scene), *([] if explained else _load(scene))]


def _change(scene: Scene, change: Change) -> Draft:
    if change.component is not None:
        return _change_of(scene, change, change.component)
    return _business_event(scene, change) if change.business else _unattributed(scene, change)


def _change_of(scene: Scene, change: Change, service: str) -> Draft:
    what, kind = _title(change), change.kind or "change"
    failing = scene.failing_chains() >= MIN_CHAINS or service not in scene.services
    return Draft(
        summary=f"The {kind} “{what}” on {service} {'broke it' if failing else 'slowed it down'}",
        component=service,
        kind="change",
        mechanism=(
            f"With “{what}” in place, {service} itself fails or slows down, and what depends on it follows."
        ),
        prior=_change_prior(scene, change),
        evidence=scene.cite(change.row),
        tests=limited(_change_tests(scene, change, service)),
        change_row=change.row,
    )


def _business_event(scene: Scene, change: Change) -> Draft:
    what, entry = _title(change), scene.entry or ""
    window = scene.windows.events
    return Draft(
        summary=f"The event “{what}” brought more load than the system serves",
        component=entry or what,
        kind="load",
        mechanism=(
            f"After “{what}” more requests reach {entry or 'the system'} than before, and failures "
            "rise with them."
        ),
        prior=_change_prior(scene, change),
        evidence=scene.cite(change.row),
        tests=limited(
            (
                load_rose_after(entry, change.time_ns, window),
                failures_follow(change.time_ns, window),
                dose_response(entry, window),
            )
        ),
        change_row=change.row,
        raises_demand=True,
    )


def _unattributed(scene: Scene, change: Change) -> Draft:
    """Say no more than that something was changed which no held component is named for."""
    what, kind = _title(change), change.kind or "change"
    window = scene.windows.events
    later = [remedy for remedy in scene.remedies if remedy.component is None and not remedy.business]
    tests = [failures_follow(change.time_ns, window), event_then_failures(change.time_ns, window)]
    if later:
        tests.append(event_undone(later[0].time_ns, window))
    elif not scene.remedies:
        tests.append(event_persists(change.time_ns, window))
    return Draft(
        summary=f"The {kind} “{what}”, which names no component of the system, disturbed it",
        component=scene.entry or what,
        kind="change",
        mechanism=(
            f"“{what}” changed something that the evidence does not name as a component; requests go wrong "
            "from then on."
        ),
        prior=_change_prior(scene, change),
        evidence=scene.cite(change.row),
        tests=limited(tests),
        change_row=change.row,
    )


def _title(change: Change) -> str:
    return quoted(change.summary) or "unnamed"


def _change_tests(scene: Scene, change: Change, service: str) -> tuple[CheckSpec, ...]:
    window = scene.windows.events
    if scene.failing_chains() < MIN_CHAINS and service not in scene.services:
        return (
            log_errors_after_change(service, change.time_ns, window),
            log_calm_after_change(service, change.time_ns, window),
        )
    if scene.failing_chains() < MIN_CHAINS:
        # That its service leads in slowness does not tell the change from another cause at that service.
        leads = slower_than_others(service, window).model_copy(update={"kind": "leads"})
        return (slow_by_itself(service, window), leads)
    undone = [remedy for remedy in scene.remedies if remedy.component == service]
    tests = (
        failures_after_change(service, change.time_ns, window),
        calm_after_change(service, change.time_ns, window),
    )
    if undone:
        return (*tests, reversal_of_change(service, undone[0].time_ns, window))
    if scene.remedies:
        return (*tests, failures_follow(change.time_ns, window))
    return (*tests, persists_while_in_place(service, change.time_ns, window))


def _change_prior(scene: Scene, change: Change) -> int:
    """Give 15, up to 15 for nearness to the onset, and 15 on the component ranked first or beside it."""
    age = max(0, scene.windows.events.onset - change.time_ns)
    top = scene.diagnosis.ranking[0].component if scene.diagnosis.ranking else None
    near = {top, *scene.diagnosis.graph.get(top or "", ()), *scene.callers(top or "")}
    return min(
        CAP, round(15 + 15 * (1 - age / LOOKBACK) + (15 if (change.component or scene.entry) in near else 0))
    )


def _dependencies(scene: Scene) -> list[Draft]:
    drafts: list[Draft] = []
    total = scene.failing_chains()
    callees = {callee for called in scene.diagnosis.graph.values() for callee in called}
    for component in sorted(callees):
        ends = scene.during & (scene.origin == component)
        failing = int(ends.sum())
        if failing < MIN_CHAINS or not scene.is_external(component):
            continue
        # A call without an answer may never have left the caller, so it counts half.
        silent = sum(1 for caller in scene.origin_caller[ends] if caller is not None)
        prior = round(15 + 55 * (failing - silent / 2) / total)
        first = [int(row) for row in scene.spans.row[ends][:1]]
        drafts.extend(dependency_drafts(scene, component, prior, scene.cite(*first)))
    return drafts


def _repeats(scene: Scene) -> list[Draft]:
    """Propose that a caller repeats failing calls, where one failing request holds several of them."""
    drafts: list[Draft] = []
    spans = scene.spans
    failing = scene.during & spans.outbound & spans.failed
    service = spans.service.codes
    pairs: dict[tuple[str, str], list[int]] = {}
    for index in np.flatnonzero(failing):
        callee = scene.peer[index]
        if callee is not None and service[index] >= 0:
            pairs.setdefault((spans.service.names[service[index]], callee), []).append(int(index))
    for (caller, callee), calls in sorted(pairs.items()):
        requests = len({int(spans.trace[index]) for index in calls})
        repeats = len(calls) / requests
        if requests < MIN_CHAINS or repeats < 1.2:  # noqa: PLR2004 - one request in five repeats
            continue
        window = scene.windows.events
        drafts.append(
            Draft(
                summary=f"{caller} repeats failing calls to {callee} and multiplies the load on it",
                component=caller,
                kind="load",
                mechanism=(
                    f"A failing call from {caller} to {callee} is tried again within the same request, so "
                    f"{callee} is asked most when it can answer least."
                ),
                prior=min(CAP, round(15 + 15 * min(repeats - 1, 2))),
                evidence=scene.cite(*(int(spans.row[index]) for index in calls[:2])),
                tests=limited(
                    (
                        repeated_after_failure(caller, callee, window),
                        calls_per_request(caller, callee, window),
                        dose_response(callee, window),
                    )
                ),
                follows=callee,
            )
        )
    return drafts


def _load(scene: Scene) -> list[Draft]:
    entry = scene.entry
    if entry is None or entry not in scene.services:
        return []
    window = scene.windows.events
    evidence = scene.cite(*scene.alert_rows[:1])
    failing = scene.failing_chains() >= MIN_CHAINS
    follows = dose_response(entry, window) if failing else slow_with_load(entry, window)
    tests = (load_rose(entry, scene.windows.local), follows)
    return [
        Draft(
            summary=f"More requests than usual reached {entry}",
            component=entry,
            kind="load",
            mechanism=(
                f"Demand on {entry} rose beyond what the system serves; what comes on top fails or waits."
            ),
            prior=15,
            evidence=evidence,
            tests=limited(tests),
            raises_demand=True,
        )
    ]
