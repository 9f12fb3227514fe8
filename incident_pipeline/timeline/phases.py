"""The phases of an incident, from its moments: who knew, who acted, and when it was over.

Each phase ends where the next begins, so that together they cover the evidence. A border that no moment
gives is unknown, and so is the phase; a phase may have no length (one act that helped at once).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.timeline import Phase
from incident_pipeline.timeline.moments import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.timeline import Moment, PhaseName, Standing
    from incident_pipeline.timeline.seven_times import Sign

_MILLISECOND: Final = 1_000_000


def phases_of(
    moments: Sequence[Moment], attempts: Sequence[Sign], first: int | None, last: int | None
) -> tuple[Phase, ...]:
    """Give the six phases; `attempts` are acts meant to help, `first` and `last` bound the telemetry."""
    by_name = {moment.name: moment for moment in moments}
    began, detected, mitigated, restored = (
        by_name[name] for name in ("began", "detected", "mitigated", "restored")
    )
    if began.time_ns is None:
        basis = "The begin is unknown, so the evidence can't be cut into phases."
        return (_phase("baseline", None, None, "unknown", basis),)
    noticed = _after(detected.time_ns, began.time_ns)
    helped = _after(mitigated.time_ns, noticed)
    tried = [
        act
        for act in attempts
        if noticed is not None and act.time >= noticed and (helped is None or act.time <= helped)
    ]
    first_act = min((act.time for act in tried), default=None)
    back = _after(restored.time_ns, helped)
    alert, end = "detected: " + detected.basis, "restored: " + restored.basis
    acts = f"first act: {tried[0].what}" if tried else "no act is on record"
    diagnosed = first_act if first_act is not None else helped
    return (
        _phase("baseline", first, began.time_ns, began.standing, "up to began: " + began.basis),
        _phase("undetected", began.time_ns, noticed, _weakest(began, detected), f"began to {alert}"),
        _phase("diagnosis", noticed, diagnosed, _weakest(detected, mitigated), f"{alert} To {acts}."),
        _phase(
            "mitigation",
            first_act,
            helped if first_act is not None else None,
            mitigated.standing if first_act is not None else "unknown",
            f"{acts[0].upper()}{acts[1:]}; mitigated: {mitigated.basis}",
        ),
        _phase("recovery", helped, back, _weakest(mitigated, restored), f"mitigated to {end}"),
        _phase("stable", back, last, restored.standing, f"from {end}"),
    )


def _after(time: int | None, floor: int | None) -> int | None:
    """Give a border, never before the border ahead of it: moments overlap within their intervals."""
    return None if time is None else time if floor is None else max(time, floor)


def _weakest(*moments: Moment) -> Standing:
    ranks: tuple[Standing, ...] = ("unknown", "estimate", "actual")
    return min((moment.standing for moment in moments), key=ranks.index)


def _phase(name: PhaseName, start: int | None, end: int | None, standing: Standing, basis: str) -> Phase:
    known = start is not None and end is not None
    return Phase(
        name=name,
        start=None if start is None else rfc3339(start, _MILLISECOND),
        end=None if end is None else rfc3339(end, _MILLISECOND),
        start_ns=start,
        end_ns=end,
        standing=standing if known else "unknown",
        basis=basis,
    )
