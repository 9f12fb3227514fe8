"""The seven times of an incident, each actual, estimated or unknown, with what it rests on.

Began, detected, aware, classified, mitigated, restored, resolved are kept apart, as regulators ask (DORA's
incident reports, fields 2.2, 2.3 and 3.x). *Actual* is a time that stands in the evidence; *estimate* one
that was inferred from measurements, with its interval; *unknown* stays unknown. The begin is the onset that
the diagnosis uses, from the same function (`signals.onset`), so that no report shows two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.timeline import Moment
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.recovery import Ending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.model.timeline import Claim, MomentName, Standing
    from incident_pipeline.signals.onset import Onset
    from incident_pipeline.timeline.recovery import Episode

_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_LEAD: Final = (120 * _SECOND, 0.5)
"""An act helps at most so long before things got better: the longer of a time and a part of the incident."""
_LAG: Final = (10 * _SECOND, 0.1)
"""And its record is at most this much later: tools write down what they have finished."""
_SEVERITY: Final = re.compile(
    r"\b(?:sev(?:erity)?[ :-]?[0-5]|p[0-4]|(?:severity|priority)[ :]+(?:critical|high|medium|low)"
    r"|major incident)\b",
    re.IGNORECASE,
)
_OVER: Final = re.compile(
    r"\b(?:all clear|(?:incident|issue) (?:is )?(?:closed|resolved|over)|resolved|closing)\b", re.IGNORECASE
)
_GOOD: Final = re.compile(r"\b(?:hits?|traffic|rps|qps)\b", re.IGNORECASE)
"""What it is bad to see falling."""


@dataclass(frozen=True)
class Sign:
    """One event that tells of the incident's course: when, its id, and what it is in a few words."""

    time: int
    event: str
    what: str


@dataclass(frozen=True)
class Remark(Sign):
    """What a person wrote or said: the facts in it, and whether it shows work on the incident."""

    text: str
    claims: tuple[Claim, ...]
    on_it: bool


@dataclass(frozen=True)
class Act(Sign):
    """Something that was done: a change system's record weighs more than what was only said."""

    weight: int
    by_person: bool
    component: str | None = None


@dataclass(frozen=True)
class Course:
    """All that the moments are read from, each part in order of time."""

    onset: Onset | None
    firing: tuple[Sign, ...]
    """First firing of every alert."""
    acknowledged: tuple[Sign, ...]
    resolved: Sign | None
    """The last resolution, if nothing fired after it."""
    alerts_open: bool
    """Whether an alert still fires when the evidence ends."""
    remarks: tuple[Remark, ...]
    acts: tuple[Act, ...]
    improvement: Ending | None
    restoration: Ending | tuple[Episode, ...]
    first_signs: tuple[Sign, ...]
    """The first records of what deviates at the onset, and the last ones of what users feel."""
    last_signs: tuple[Sign, ...]
    components: frozenset[str]
    """All that deviate."""
    severity: str | None
    """As the incident record gives it, without a time."""


def seven_times(course: Course) -> tuple[Moment, ...]:
    """Give the seven moments in their order."""
    began = _began(course)
    detected = _detected(course)
    aware = _aware(course, detected)
    mitigated = _mitigated(course)
    restored = _restored(course, mitigated)
    return (began, detected, aware, _classified(course), mitigated, restored, _resolved(course, restored))


def attempts(course: Course) -> tuple[Act, ...]:
    """Give the acts after the onset that may have been meant to help."""
    onset = course.onset
    return () if onset is None else tuple(act for act in course.acts if act.time > onset.latest)


def _began(course: Course) -> Moment:
    onset = course.onset
    if onset is None:
        return _unknown("began", "Nothing that was measured deviates, and no alert fired.")
    if not onset.inferred:
        basis = "Nothing that was measured deviates; at the latest it began when the alert fired."
        return _unknown("began", basis, latest=onset.latest)
    count = f"{onset.components} component{'s' if onset.components != 1 else ''}"
    return _moment(
        "began",
        onset.estimate,
        "estimate",
        f"The measurements of {count} leave their calm; an early quantile of when each does.",
        bounds=(onset.earliest, onset.latest),
        events=[sign.event for sign in course.first_signs[:2]],
    )


def _detected(course: Course) -> Moment:
    since = course.onset.earliest if course.onset is not None and course.onset.inferred else None
    alerts = [sign for sign in course.firing if since is None or sign.time >= since] or list(course.firing)
    told = [
        remark
        for remark in course.remarks
        if since is not None
        and remark.time >= since
        and any(_tells_trouble(claim) for claim in remark.claims)
    ]
    first = min([*alerts[:1], *told[:1]], key=lambda sign: (sign.time, sign.event), default=None)
    if first is None:
        return _unknown("detected", "No alert and no message tells of it.")
    who = "A person told of it" if isinstance(first, Remark) else "The first alert fired"
    return _moment("detected", first.time, "actual", f"{who}: {first.what}.", events=(first.event,))


def _tells_trouble(claim: Claim) -> bool:
    bad = claim.action in ("down", "rising") or (claim.action == "falling" and _GOOD.search(claim.text))
    return bool(bad) and claim.state != "contradicted"


def _aware(course: Course, detected: Moment) -> Moment:
    since = detected.time_ns
    if since is None and course.onset is not None:
        since = course.onset.earliest
    if since is None:
        return _unknown("aware", "Nothing says when it could have been noticed.")
    people: list[Sign] = [
        *(sign for sign in course.acknowledged if sign.time >= since),
        *(remark for remark in course.remarks if remark.time >= since and remark.on_it),
    ]
    if people:
        first = min(people, key=lambda sign: (sign.time, sign.event))
        return _moment(
            "aware",
            first.time,
            "actual",
            f"The first sign of a person on it: {first.what}.",
            events=(first.event,),
        )
    late: list[Sign] = [
        *(remark for remark in course.remarks if remark.time >= since),
        *(act for act in attempts(course) if act.by_person and act.time >= since),
    ]
    if late:
        first = min(late, key=lambda sign: (sign.time, sign.event))
        basis = f"Nobody is on record before this, who may have noticed since it was detected: {first.what}."
        return _moment(
            "aware", first.time, "estimate", basis, events=(first.event,), bounds=(since, first.time)
        )
    return _unknown("aware", "No message, acknowledgement or act of a person is on record.", earliest=since)


def _classified(course: Course) -> Moment:
    for remark in course.remarks:
        if _SEVERITY.search(remark.text) and "?" not in remark.text:
            return _moment(
                "classified",
                remark.time,
                "actual",
                f"A severity was given: {remark.what}.",
                events=(remark.event,),
            )
    given = f" The incident record says {course.severity}, without a time." if course.severity else ""
    return _unknown("classified", f"No message or ticket gives a severity.{given}")


def _mitigated(course: Course) -> Moment:
    done, better, onset = attempts(course), course.improvement, course.onset
    if onset is None or not onset.inferred:
        return _unknown("mitigated", "Without an onset it can't be said what got better.")
    if better is None:
        tried = (
            f" {len(done)} act{'s' if len(done) != 1 else ''} on record did not help measurably."
            if done
            else ""
        )
        events = tuple(act.event for act in done[-1:])
        return _unknown(
            "mitigated", f"Most of what deviates still does when the evidence ends.{tried}", events=events
        )
    lasted = max(0, better.estimate - onset.estimate)
    low = better.earliest - max(_LEAD[0], int(_LEAD[1] * lasted))
    high = better.latest + max(_LAG[0], int(_LAG[1] * lasted))
    near = [act for act in done if low <= act.time <= high]
    measured = (
        f"measurements of {', '.join(better.components)} come back about {rfc3339(better.estimate, _SECOND)}"
    )
    if not near:
        basis = f"No act is on record; {measured}, so whatever helped did by then."
        return _moment(
            "mitigated", better.estimate, "estimate", basis, bounds=(better.earliest, better.latest)
        )
    best = max(near, key=lambda act: (_related(act, course), act.weight, act.time, act.event))
    more = len(near) - 1
    others = f"; {more} other act{'s lie' if more > 1 else ' lies'} near" if more else ""
    related = _related(best, course)
    standing: Standing = "actual" if best.weight > 0 and related else "estimate"
    doubt = "" if related else f"; nothing of {best.component} deviates, so it may have been something else"
    basis = f"{best.what}, and {measured}{others}{doubt}."
    return _moment("mitigated", best.time, standing, basis, events=(best.event,))


def _related(act: Act, course: Course) -> bool:
    """Say whether an act is on something that deviates, or on nothing that is known."""
    return act.component is None or act.component in course.components


def _restored(course: Course, mitigated: Moment) -> Moment:
    found = course.restoration
    if not isinstance(found, Ending):
        if not found:
            return _unknown(
                "restored", "Nothing that deviates was measured, so nothing can be seen coming back."
            )
        names = ", ".join(sorted({episode.track.component for episode in found}))
        last = max(episode.last for episode in found)
        return _unknown(
            "restored",
            f"Measurements of {names} still deviate, or have no calm after, when the evidence ends.",
            earliest=last,
        )
    # Nothing is restored before it was mitigated.
    time = max(found.estimate, mitigated.time_ns or found.estimate)
    return _moment(
        "restored",
        time,
        "estimate",
        f"Errors and durations of {', '.join(found.components)} are as in the calm again.",
        bounds=(min(found.earliest, time), max(found.latest, time)),
        events=[sign.event for sign in course.last_signs[-1:]],
    )


def _resolved(course: Course, restored: Moment) -> Moment:
    if course.resolved is not None:
        what = f"{course.resolved.what}, and no alert fires after it"
        return _moment(
            "resolved",
            course.resolved.time,
            "actual",
            f"The last alert resolves: {what}.",
            events=(course.resolved.event,),
        )
    since = restored.time_ns or (course.onset.estimate if course.onset is not None else None)
    for remark in course.remarks:
        if (
            since is not None
            and remark.time >= since
            and _OVER.search(remark.text)
            and "?" not in remark.text
        ):
            return _moment(
                "resolved",
                remark.time,
                "actual",
                f"A person says that it is over: {remark.what}.",
                events=(remark.event,),
            )
    state = (
        "An alert still fires when the evidence ends."
        if course.alerts_open
        else "No alert, ticket or message says that it is over."
    )
    return _unknown("resolved", state)


def _moment(
    name: MomentName,
    time: int,
    standing: Standing,
    basis: str,
    *,
    events: Iterable[str] = (),
    bounds: tuple[int, int] | None = None,
) -> Moment:
    return Moment(
        name=name,
        time=rfc3339(time, _MILLISECOND),
        time_ns=time,
        earliest_ns=bounds[0] if bounds else time,
        latest_ns=bounds[1] if bounds else time,
        standing=standing,
        basis=basis,
        events=tuple(events),
    )


def _unknown(
    name: MomentName,
    basis: str,
    *,
    earliest: int | None = None,
    latest: int | None = None,
    events: tuple[str, ...] = (),
) -> Moment:
    return Moment(
        name=name,
        time=None,
        time_ns=None,
        earliest_ns=earliest,
        latest_ns=latest,
        standing="unknown",
        basis=basis,
        events=events,
    )
