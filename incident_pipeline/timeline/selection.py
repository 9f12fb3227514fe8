"""Pick the key entries: the few dozen events of thousands that tell what happened.

Rules, most telling first. Each finds its events by what the rows themselves say, or by what the story says
of them (`story`); none knows what is to be found. Every pick says which rule picked it, and why.

    alert          first firing and last resolution of every alert, first of any other state
    change         every change, deploy, rollback and business event of the week before and since
    statement      messages of people that state a fact: an act, a state, a value
    message        every other message a person wrote in chat
    response       runbook steps, ticket entries, transcripts
    contact        per service, its first contact with the failure
    notice         the first automatic message about each alert that no alert event tells, and the very first
    kubernetes     first Warning per object's service and message
    deviation      first and last record of what deviated: failing or slow spans of a service
    failing span   first per service and operation
    failed request first and last request answered 5xx in an access log, per emitter
    error log      first of each template per service
    restart        a start or stop that a service has logged before
    stopped log    last of a kind of record that came with the incident, when its service logs on
    warning log    first of each template per service
    new log        first of each other template that keeps coming and is not among a service's early records
    repeat         further firings and resolutions of an alert; first audited action per actor
    moment         what a moment rests on and no other rule names

At most `LIMIT` entries. What the moments of the incident rest on is always told. Each rule is sure of its
share, in this order; what room is left goes round by shares until it is full, and what found none is
counted per rule. Over its share a rule keeps its beginning and its end. Merged events are never picked;
their count stands at the event they were merged into.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.model.timeline import RuleCount
from incident_pipeline.signals.attributes import integers, numbers
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.scene import Scene, alert_states, by_group, first_of, firsts, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

LIMIT: Final = 40

_SERVER_ERROR: Final = 500
_HTTP_STATUS: Final = ("http.response.status_code", "http.status_code")
_HTTP_METHOD: Final = ("http.request.method", "http.method")
"""What tells an access log's record from a log that mentions a status."""
_LIFECYCLE: Final = (
    r"(?i)\b(?:(?:re|boot)?start(?:ed|ing|up)?|ready|shut(?:ting)? ?down|stopp(?:ed|ing)|exit(?:ed|ing)"
    r"|terminat(?:ed|ing)|killed|reload(?:ed|ing)|failover|promoted|elected)\b"
)
_EARLY_SHARE: Final = 4
"""What a service logs in the first quarter of its records' time is no news later."""
_KEEPS_COMING: Final = 3
_STOPPED: Final = 10
"""A kind of record has stopped when this many of its usual pauses passed without one."""
_LEAD_NS: Final = 7 * 24 * 3600 * 1_000_000_000
"""How long before all other evidence a change may lie to be told."""


@dataclass(frozen=True)
class Told:
    """What the story says of places in the scene: (place, why) per rule, and the moments resting on each."""

    statements: tuple[tuple[int, str], ...] = ()
    contacts: tuple[tuple[int, str], ...] = ()
    boundaries: tuple[tuple[int, str], ...] = ()
    moments: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pick:
    """A key entry: its row in the event table, the rule that picked it, and why."""

    row: int
    rule: str
    why: str
    moments: tuple[str, ...] = ()
    """The moments that rest on it."""


@dataclass(frozen=True)
class Picked:
    """The chosen rows with their reasons, in timeline order, and what found no room, in all and by rule."""

    picks: tuple[Pick, ...]
    crowded_out: int
    rules: tuple[RuleCount, ...]


@dataclass(frozen=True)
class _Rule:
    name: str
    find: Callable[[Scene, Told], Iterable[tuple[int, str]]]
    share: int


def pick(scene: Scene, told: Told | None = None, limit: int = LIMIT) -> Picked:
    """Apply the rules and give at most `limit` picks; `told` is what the story says."""
    told = told or Told()
    found: list[list[tuple[int, str]]] = []
    seen: set[int] = set()
    for rule in RULES:
        named = sorted(dict(rule.find(scene, told)).items())
        fresh = [(place, why) for place, why in named if place not in seen]
        seen.update(place for place, _ in fresh)
        # Stable: what a moment rests on comes first, then beginning and end.
        found.append(sorted(_ends_first(fresh), key=lambda one: one[0] not in told.moments))
    chosen: dict[int, tuple[str, str]] = {}
    for rule, fresh in zip(RULES, found, strict=True):
        resting = [(place, why) for place, why in fresh if place in told.moments]
        chosen.update((place, (rule.name, why)) for place, why in resting[: limit - len(chosen)])
    taken = Counter(rule for rule, _ in chosen.values())
    again = False
    while len(chosen) < min(limit, len(seen)):
        # Shares again and again: a flood of one kind fills no more than its part of the room left.
        for rule, fresh in zip(RULES, found, strict=True):
            start = taken[rule.name]
            room = max(1, rule.share) if again else max(0, rule.share - start)
            more = fresh[start : start + min(room, limit - len(chosen))]
            chosen.update((place, (rule.name, why)) for place, why in more)
            taken[rule.name] += len(more)
        again = True
    picks = tuple(
        Pick(int(scene.row[place]), rule, why, told.moments.get(place, ()))
        for place, (rule, why) in sorted(chosen.items())
    )
    rules = tuple(
        RuleCount(rule=rule.name, share=rule.share, found=len(fresh), shown=taken[rule.name])
        for rule, fresh in zip(RULES, found, strict=True)
        if fresh
    )
    return Picked(picks, len(seen) - len(chosen), rules)


def _ends_first(picks: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Order picks so that a cut keeps the beginning and, half as much, the end."""
    last = len(picks) - 1
    return [
        pick for _, pick in sorted(enumerate(picks), key=lambda item: min(item[0], 2 * (last - item[0]) + 1))
    ]


def _alerts(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    for states in alert_states(scene).values():
        for state, places in states.items():
            again = f" (1 of {len(places)} times)" if len(places) > 1 else ""
            if state == "resolved":
                yield places[-1], "alert resolves" + (" for the last time" if len(places) > 1 else "")
            elif state == "firing":
                yield places[0], f"alert starts firing{again}"
            else:
                yield places[0], f"alert is {state}{again}"


def _repeats(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    for states in alert_states(scene).values():
        for state, places in states.items():
            word = {"resolved": "resolves", "firing": "fires"}.get(state, f"is {state}")
            yield from ((place, f"alert {word} again") for place in places[1:])
            if state == "resolved" and len(places) > 1:
                yield places[0], "alert resolves for the first time"
    audited = scene.places(Kind.AUDIT)
    actions = [take(scene.events["actor"], audited), scene.template.take(pa.array(audited))]
    for members in by_group(audited, actions):
        yield int(members[0]), first_of(scene, members, "audited action")


def _changes(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.CHANGE)
    others = np.setdiff1d(np.arange(scene.events.num_rows), places)
    times = integers(scene.events["time_ns"])
    started = times[others]
    # A calendar may reach years back: what lies long before all other evidence is no part of this story.
    earliest = started[started > 0].min(initial=np.iinfo(np.int64).max) - _LEAD_NS
    told = (times[places] <= 0) | (times[places] >= earliest) if started.any() else np.ones(places.size, bool)
    yield from ((place, "change") for place in places[told].tolist())


def _people(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places, automatic = messages(scene)
    yield from ((place, "message of a person") for place in places[~automatic].tolist())


def _statements(_: Scene, told: Told) -> Iterable[tuple[int, str]]:
    return told.statements


def _contacts(_: Scene, told: Told) -> Iterable[tuple[int, str]]:
    return told.contacts


def _boundaries(_: Scene, told: Told) -> Iterable[tuple[int, str]]:
    return told.boundaries


def _moments(_: Scene, told: Told) -> Iterator[tuple[int, str]]:
    yield from (
        (place, f"what {' and '.join(names)} rest on") for place, names in sorted(told.moments.items())
    )


def _response(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    words = {Kind.RUNBOOK_STEP: "runbook step", Kind.TICKET: "ticket entry", Kind.TRANSCRIPT: "spoken"}
    for kind, word in words.items():
        yield from ((place, word) for place in scene.places(kind).tolist())


def _notices(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places, automatic = messages(scene)
    places = places[automatic]
    alerts = scene.places(Kind.ALERT)
    names = sorted({name for name in scene.attributes(alerts, "labels.alertname").to_pylist() if name})
    first = True
    for place, text in zip(places.tolist(), scene.texts("message", places), strict=True):
        told = any(name in (text or "") for name in names)
        if told and first:
            yield place, "first automatic message about an alert"
        first = first and not told
        if not told:
            yield place, "automatic message"


def _kubernetes(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.K8S_EVENT)
    warning = booleans(pc.equal(pc.utf8_lower(scene.attributes(places, "type")), "warning"))
    severe = integers(take(scene.events["severity"], places)) >= Severity.WARN
    yield from firsts(scene, places[warning | severe], "Kubernetes warning")


def _failing_spans(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    yield from firsts(scene, np.flatnonzero(scene.failed), "failing span")


def _error_logs(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    yield from _severe_logs(scene, Severity.ERROR, 25, "error")


def _warning_logs(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    yield from _severe_logs(scene, Severity.WARN, Severity.ERROR, "warning")


def _severe_logs(scene: Scene, low: int, high: int, word: str) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.LOG, Kind.SPAN_EVENT)
    severity = integers(take(scene.events["severity"], places))
    places = places[(severity >= low) & (severity < high)]
    yield from firsts(scene, places, word)


def _failed_requests(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.LOG)
    status = numbers(pc.fill_null(scene.attributes(places, *_HTTP_STATUS), ""))
    request = booleans(pc.is_valid(scene.attributes(places, *_HTTP_METHOD)))
    places = places[request & (status >= _SERVER_ERROR)]
    for members in by_group(places, [scene.emitter.take(pa.array(places))]):
        of = f" of {members.size:,} requests answered 5xx" if members.size > 1 else " request answered 5xx"
        yield int(members[-1]), f"last{of}"
        yield int(members[0]), f"first{of}" if members.size > 1 else f"only{of}"


def _restarts(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = _ordinary_logs(scene)
    message = take(scene.events["message"], places)
    places = places[booleans(pc.match_substring_regex(message, _LIFECYCLE))]
    for members in by_group(places, scene.speakers(places)):
        for number, place in enumerate(members[1:].tolist(), 2):
            yield place, f"start or stop again, {number} of {members.size}"


def _stopped_logs(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.LOG)
    request = booleans(pc.is_valid(scene.attributes(places, *_HTTP_METHOD)))
    places = places[~request & booleans(pc.is_valid(take(scene.events["time_ns"], places)))]
    # Whatever a service is heard of by: it may log nothing else than what stopped.
    heard = np.flatnonzero(booleans(pc.is_valid(scene.events["time_ns"])))
    when = integers(scene.events["time_ns"])
    begin, end = np.zeros(scene.row.size, np.int64), np.zeros(scene.row.size, np.int64)
    for members in by_group(heard, [scene.emitter.take(pa.array(heard))]):
        begin[members], end[members] = when[members].min(), when[members].max()
    for members in by_group(places, scene.speakers(places)):
        first, last = int(members[0]), int(members[-1])
        came_late = when[first] > begin[first] + (end[first] - begin[first]) // _EARLY_SHARE
        # It has to have stopped, not just paused: longer before the end than its usual pause, many times.
        pause = (when[last] - when[first]) // max(1, members.size - 1)
        if members.size >= _KEEPS_COMING and came_late and end[last] - when[last] > _STOPPED * pause:
            yield last, f"last of {members.size:,} like it, then no more"


def _new_logs(scene: Scene, _: Told) -> Iterator[tuple[int, str]]:
    places = _ordinary_logs(scene)
    places = places[booleans(pc.is_valid(take(scene.events["time_ns"], places)))]
    time = integers(take(scene.events["time_ns"], places))
    early = np.zeros(scene.row.size, np.int64)
    for members in by_group(np.arange(places.size), [scene.emitter.take(pa.array(places))]):
        start, end = time[members].min(), time[members].max()
        early[places[members]] = start + (end - start) // _EARLY_SHARE
    when = dict(zip(places.tolist(), time.tolist(), strict=True))
    for members in by_group(places, scene.speakers(places)):
        first = int(members[0])
        if members.size >= _KEEPS_COMING and when[first] > early[first]:
            yield first, first_of(scene, members, "new kind of record")


def _ordinary_logs(scene: Scene) -> NDArray[np.int64]:
    """Give the places of log records below warning that are no requests of an access log."""
    places = scene.places(Kind.LOG)
    request = booleans(pc.is_valid(scene.attributes(places, *_HTTP_METHOD)))
    return places[~request & (integers(take(scene.events["severity"], places)) < Severity.WARN)]


RULES: Final = (
    _Rule("alert", _alerts, 8),
    _Rule("change", _changes, 5),
    _Rule("statement", _statements, 4),
    _Rule("message", _people, 3),
    _Rule("response", _response, 2),
    _Rule("contact", _contacts, 4),
    _Rule("notice", _notices, 1),
    _Rule("kubernetes", _kubernetes, 2),
    _Rule("deviation", _boundaries, 2),
    _Rule("failing span", _failing_spans, 2),
    _Rule("failed request", _failed_requests, 2),
    _Rule("error log", _error_logs, 1),
    _Rule("restart", _restarts, 1),
    _Rule("stopped log", _stopped_logs, 1),
    _Rule("warning log", _warning_logs, 1),
    _Rule("new log", _new_logs, 1),
    _Rule("repeat", _repeats, 0),
    _Rule("moment", _moments, 0),
)
"""In order of precedence; the shares sum to `LIMIT`."""
