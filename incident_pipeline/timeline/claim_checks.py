"""What the record says of a claim: windows, comparisons, and one plain sentence for the verdict.

A claim is corroborated when a change, a Kubernetes event, a start-up or a measurement within a stated
window says the same, contradicted when one says otherwise, else reported. That nothing is on record
contradicts nothing, save where a service logs its starts and its log runs through the window without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from incident_pipeline.signals.metric_kind import MetricKind
from incident_pipeline.signals.series import words
from incident_pipeline.signals.tracks import FAILURES, SLOWNESS
from incident_pipeline.timeline.levels import hit_ratio, level
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.recovery import title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.timeline import ClaimState
    from incident_pipeline.timeline.claim_grammar import Said
    from incident_pipeline.timeline.claim_record import Measured, Record, Recorded

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_AFTERTHOUGHT: Final = 15 * _MINUTE
"""How long ago an act without a time may lie that a message tells of."""
_AHEAD: Final = 2 * _MINUTE
"""How much later its record may be stamped: tools write when they are done."""
_UNDER_WAY: Final = 10 * _MINUTE
_NEAR: Final = 2 * _MINUTE
"""How exact a time is that a person names."""
_ELSEWHEN: Final = 60 * _MINUTE
"""An act of the same kind within this much of the time named is the one that was meant."""
_LOOK: Final = _MINUTE
_DELAY: Final = 15 * _SECOND
_FELT: Final = (FAILURES, SLOWNESS, MetricKind.ERRORS, MetricKind.LATENCY, MetricKind.SUCCESS)
_MEASURES: Final[dict[str, tuple[str, ...]]] = {
    "errors": (FAILURES, MetricKind.ERRORS, MetricKind.SUCCESS),
    "latency": (SLOWNESS, MetricKind.LATENCY),
}
_NAMED: Final[dict[str, frozenset[str]]] = {
    "cpu": frozenset({"cpu"}),
    "memory": frozenset({"memory", "mem", "rss", "heap"}),
    "queue": frozenset({"queue", "queued", "backlog", "lag", "waiting", "pending"}),
    "connections": frozenset({"connections", "pool"}),
}
"""Levels that are told by the words of a metric's name."""
_ACT_WORDS: Final[dict[str, frozenset[str]]] = {
    "deploy": frozenset({"deploy", "deployed", "deployment", "release", "released", "rollout", "hotfix"}),
    "rollback": frozenset({"rollback", "rolled", "revert", "reverted", "undo"}),
    "restart": frozenset({"restart", "restarted", "reboot", "rebooted", "killing", "started", "recreate"}),
    "scale": frozenset({"scale", "scaled", "scaling", "replicas", "rescale", "resize", "resized"}),
    "purge": frozenset({"purge", "purged", "flush", "flushed", "invalidate", "invalidation", "cleared"}),
    "flag": frozenset({"flag", "feature", "toggle", "disabled", "enabled"}),
    "failover": frozenset({"failover", "promote", "promoted", "switchover"}),
    "stop": frozenset({"stop", "stopped", "paused", "drain", "drained", "cordon", "cordoned", "killing"}),
    "config": frozenset({"config", "configuration", "setting", "settings", "limit", "parameter", "patched"}),
}  # fmt: skip
"""By which words the record of an act shows that it is of this kind."""
PRONOUNS: Final = frozenset(
    {"it", "that", "this", "we", "all", "everything", "site", "things", "service", "services", "system",
     "users", "customers", "traffic", "prod", "production", ""}
)  # fmt: skip
"""Subjects that stand for the whole."""
_POINT: Final = 5 * _SECOND
_SAME: Final = 1.5
_BEYOND: Final = 1.1
_OTHER: Final = 3.0
"""Factors: within the first a value is the one claimed (people round), beyond the last it is another."""
_NOTHING: Final = 1e-9


@dataclass(frozen=True)
class Finding:
    """A verdict on a claim; `about` is the component that the record names."""

    state: ClaimState
    reason: str
    evidence: tuple[str, ...] = ()
    about: str = ""


def is_act(named: frozenset[str]) -> bool:
    """Say whether any of these words names an act of a kind that is known."""
    return any(named & vocabulary or kind in named for kind, vocabulary in _ACT_WORDS.items())


def check_act(said: Said, about: str | None, named: int | None, moment: int, record: Record) -> Finding:
    """Look for a record of an act; `named` is the time in its words, `moment` that or the message's."""
    if named is not None:
        low, high = moment - _NEAR, moment + _NEAR + (said.clock.length if said.clock else 0) * _SECOND
    elif said.under_way:
        low, high = moment - _AHEAD, moment + _UNDER_WAY
    else:
        low, high = moment - _AFTERTHOUGHT, moment + _AHEAD
    alike = [act for act in record.acts if _same_act(act, said, about)]
    within = [act for act in alike if low <= act.time <= high]
    window = f"between {_at(low)} and {_at(high)}"
    if within:
        nearest = min(within, key=lambda act: (abs(act.time - moment), act.event))
        reason = f"A record of {nearest.kind} at {_at(nearest.time)} says the same ({window} was looked at)."
        return Finding("corroborated", reason, (nearest.event,), nearest.component or "")
    if said.action in ("restart", "deploy", "rollback") and about is not None:
        started = [(time, event) for time, event in record.starts.get(about, ()) if low <= time <= high]
        if started:
            time, event = started[0]
            return Finding("corroborated", f"{about} logged a start at {_at(time)}.", (event,))
        if said.action == "restart" and about in record.starts and record.logs_through(about, low, high):
            known = tuple(event for _, event in record.starts[about][:1])
            reason = f"{about} logs its starts and logged {window}, but no start among that."
            return Finding("contradicted", reason, known)
    if named is not None:
        other = [act for act in alike if about is not None and abs(act.time - moment) <= _ELSEWHEN]
        if other:
            nearest = min(other, key=lambda act: (abs(act.time - moment), act.event))
            reason = f"The record of {nearest.kind} has {_at(nearest.time)}, none {window}."
            return Finding("contradicted", reason, (nearest.event,))
    return Finding("reported", f"No record {window} speaks for or against it.")


def _same_act(act: Recorded, said: Said, about: str | None) -> bool:
    if about is not None and act.component is not None and act.component != about:
        return False
    return bool(act.words & _ACT_WORDS[said.action])


def check_state(said: Said, about: str | None, moment: int, record: Record) -> Finding:
    """Compare a state or a trend with what was measured about the time it was said."""
    if about is None and said.subject.lower() not in PRONOUNS and not said.measure:
        return Finding("reported", "It names nothing that any telemetry is held of.")
    tracks = _tracks(said, about, record)
    if said.action == "falling":
        return _hits_fell(about, moment, record) if said.measure == "hits" else _falling(tracks, moment)
    bad = said.action in ("down", "rising")
    # Trouble is told after it was seen; relief holds from then on.
    before, after = (_LOOK, _DELAY) if bad or said.action == "flat" else (_DELAY, _LOOK)
    low, high = moment - before, moment + after
    held = [one for one in tracks if len(one.track.times[one.between(low, high)])]
    if not held:
        return Finding("reported", f"No measurement of it is held between {_at(low)} and {_at(high)}.")
    # Nothing is said of a time that no sample lies in.
    low = max(low, min(int(one.track.times[0]) for one in held))
    high = min(high, max(int(one.track.times[-1]) for one in held) + 1)
    if bad:
        return _trouble(held, about, low, high)
    # "Recovering" is true of what deviates now and is calm soon.
    recovering = said.action == "up" and not said.subject
    since = max(moment, high - _DELAY) if recovering else low
    return _relief(held, since, high, whole=recovering or about is not None)


def _relief(held: Sequence[Measured], low: int, high: int, *, whole: bool) -> Finding:
    window = f"between {_at(low)} and {_at(high)}"
    held = [one for one in held if one.deviates[one.between(low, high)].size]
    deviating = [one for one in held if one.deviates[one.between(low, high)].any()]
    if not held:
        return Finding("reported", f"No measurement of it is held {window}.")
    if not deviating:
        return _found("corroborated", held, f"is as in the calm {window}")
    if not whole:
        return Finding("reported", "It names no component, and not all that was measured is as in the calm.")
    return _found("contradicted", deviating, f"deviates {window}")


def _trouble(held: Sequence[Measured], about: str | None, low: int, high: int) -> Finding:
    window = f"between {_at(low)} and {_at(high)}"
    deviating = [one for one in held if one.deviates[one.between(low, high)].any()]
    if deviating:
        return _found("corroborated", deviating, f"deviates {window}")
    if about is None:
        return Finding("reported", f"It names no component, and nothing that was measured deviates {window}.")
    return _found("contradicted", held, f"is as in the calm {window}")


def _falling(tracks: tuple[Measured, ...], moment: int) -> Finding:
    """Compare what was measured in the minute before with the minute after."""
    better: list[Measured] = []
    worse: list[Measured] = []
    for one in tracks:
        before = one.track.values[one.between(moment - _LOOK, moment)]
        after = one.track.values[one.between(moment, moment + _LOOK)]
        if len(before) and len(after):
            (better if float(np.mean(after)) < float(np.mean(before)) else worse).append(one)
    if better and not worse:
        return _found("corroborated", better, "is lower in the minute after than in the minute before")
    if worse and not better:
        return _found("contradicted", worse, "is no lower in the minute after than in the minute before")
    return Finding("reported", "Measurements of it disagree, or none is held.")


def check_value(said: Said, about: str | None, moment: int, record: Record) -> Finding:
    """Compare a value with what is measured: of something back, after it was said, else before."""
    before = level(said, about, moment - _LOOK, moment, record.view)
    now = [level(said, about, moment - near, moment + near, record.view) for near in (_POINT, _DELAY)]
    measured = [found for found in (before, *now) if found is not None]
    if not measured or said.number is None:
        return Finding("reported", "No measurement of it in that unit is held.")
    # People look at a chart of the last minute or at its last point; which of them is not known.
    verdicts = [(_compare(found.value, said.number, said.operator), found) for found in measured]
    state = next(
        (s for s in ("corroborated", "reported") if any(v == s for v, _ in verdicts)), "contradicted"
    )
    found = next(found for verdict, found in verdicts if verdict == state)
    return Finding(cast("ClaimState", state), f"Measured about {_at(moment)}: {found.shown}.", found.evidence)


def _compare(value: float, claimed: float, operator: str) -> ClaimState:
    if operator == ">":
        holds, fails = value * _BEYOND >= claimed, value * _OTHER < claimed
    elif operator == "<":
        holds, fails = value <= claimed * _BEYOND, value > claimed * _OTHER
    else:
        ratio = (value + _NOTHING) / (claimed + _NOTHING)
        holds, fails = 1 / _SAME <= ratio <= _SAME, not 1 / _OTHER <= ratio <= _OTHER
    return "corroborated" if holds else "contradicted" if fails else "reported"


def _hits_fell(about: str | None, moment: int, record: Record) -> Finding:
    """Compare the cache hit ratio of the minute before with that of the calm."""
    onset = record.view.onset
    calm = hit_ratio(record.view, about, 0, onset.earliest) if onset is not None else None
    now = hit_ratio(record.view, about, moment - _LOOK, moment)
    if calm is None or now is None:
        return Finding("reported", "No measurement of it is held.")
    fell = now.value * _SAME <= calm.value
    reason = f"Measured in the minute to {_at(moment)}: {now.shown}, against {calm.value:.1f} % in the calm."
    return Finding("corroborated" if fell else "contradicted", reason, now.evidence)


def _tracks(said: Said, about: str | None, record: Record) -> tuple[Measured, ...]:
    if said.measure in _NAMED:
        wanted = _NAMED[said.measure]
        return tuple(
            one
            for one in record.measured
            if one.track.series is not None
            and about in (None, one.track.component)
            and _metric_words(one) & wanted
        )
    if said.measure and said.measure not in _MEASURES:
        return ()
    return record.of(about, _MEASURES.get(said.measure, _FELT))


def _metric_words(one: Measured) -> frozenset[str]:
    return words(one.track.series.name) if one.track.series is not None else frozenset()


def _found(state: ClaimState, tracks: Sequence[Measured], how: str) -> Finding:
    one = tracks[0]
    more = f" (and {len(tracks) - 1} more)" if len(tracks) > 1 else ""
    series = tuple(
        f"series:{name}" for t in tracks for name in (t.track.series.series_ids if t.track.series else ())
    )
    return Finding(state, f"{one.track.component}: {title(one.track)} {how}{more}.", series[:4])


def _at(time_ns: int) -> str:
    return rfc3339(time_ns, _SECOND)
