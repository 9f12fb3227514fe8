"""Pick the key entries: the few dozen events of thousands that tell what happened.

Rules, most telling first. Each finds its events by what the rows themselves say; none knows what is to
be found. Every pick says why it was picked.

    alert          first firing and last resolution of every alert, first of any other state
    change         every change, deploy, rollback and business event of the week before and since
    human          every message a person wrote in chat
    response       runbook steps, ticket entries, transcripts
    notice         the first automatic message about each alert that no alert event tells, and the very first
    kubernetes     first Warning per object's service and message
    failing span   first per service and operation
    failed request first and last request answered 5xx in an access log, per emitter
    error log      first of each template per service
    restart        a start or stop that a service has logged before
    warning log    first of each template per service
    new log        first of each other template that keeps coming and is not among a service's early records
    repeat         further firings and resolutions of an alert; first audited action per actor

At most `LIMIT` entries: each rule gets its share first, in this order, then what is left is filled in
this order. Over its share a rule keeps its beginning and its end. Merged events are never picked;
their count stands at the event they were merged into.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.signals.attributes import integers, numbers
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.order import RESOLVED_STATES
from incident_pipeline.timeline.scene import Scene, by_group, first_of, firsts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

LIMIT: Final = 80

_FIRING: Final = ("firing", "triggered", "alerting", "open", "active", "problem")
_BOT_SUBTYPES: Final = ("bot_message",)
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
_LEAD_NS: Final = 7 * 24 * 3600 * 1_000_000_000
"""How long before all other evidence a change may lie to be told."""


@dataclass(frozen=True)
class Pick:
    """A key entry: its row in the event table, and why it is one."""

    row: int
    why: str


@dataclass(frozen=True)
class Picked:
    """The chosen rows with their reasons, in timeline order, and how many found no room."""

    picks: tuple[Pick, ...]
    crowded_out: int


@dataclass(frozen=True)
class _Rule:
    find: Callable[[Scene], Iterator[tuple[int, str]]]
    share: int


def pick(scene: Scene, limit: int = LIMIT) -> Picked:
    """Apply the rules and give at most `limit` picks."""
    found: list[list[tuple[int, str]]] = []
    seen: set[int] = set()
    for rule in RULES:
        fresh = [(place, why) for place, why in sorted(dict(rule.find(scene)).items()) if place not in seen]
        seen.update(place for place, _ in fresh)
        found.append(_ends_first(fresh))
    chosen: dict[int, str] = {}
    for rule, fresh in zip(RULES, found, strict=True):
        chosen.update(fresh[: min(rule.share, limit - len(chosen))])
    for rule, fresh in zip(RULES, found, strict=True):
        chosen.update(fresh[rule.share : rule.share + limit - len(chosen)])
    picks = tuple(Pick(int(scene.row[place]), why) for place, why in sorted(chosen.items()))
    return Picked(picks, crowded_out=len(seen) - len(chosen))


def _ends_first(picks: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Order picks so that a cut keeps the beginning and, half as much, the end."""
    last = len(picks) - 1
    return [
        pick for _, pick in sorted(enumerate(picks), key=lambda item: min(item[0], 2 * (last - item[0]) + 1))
    ]


def _alerts(scene: Scene) -> Iterator[tuple[int, str]]:
    for states in _alert_states(scene).values():
        for state, places in states.items():
            again = f" (1 of {len(places)} times)" if len(places) > 1 else ""
            if state == "resolved":
                yield places[-1], "alert resolves" + (" for the last time" if len(places) > 1 else "")
            elif state == "firing":
                yield places[0], f"alert starts firing{again}"
            else:
                yield places[0], f"alert is {state}{again}"


def _repeats(scene: Scene) -> Iterator[tuple[int, str]]:
    for states in _alert_states(scene).values():
        for state, places in states.items():
            word = {"resolved": "resolves", "firing": "fires"}.get(state, f"is {state}")
            yield from ((place, f"alert {word} again") for place in places[1:])
            if state == "resolved" and len(places) > 1:
                yield places[0], "alert resolves for the first time"
    audited = scene.places(Kind.AUDIT)
    actions = [take(scene.events["actor"], audited), scene.template.take(pa.array(audited))]
    for members in by_group(audited, actions):
        yield int(members[0]), first_of(scene, members, "audited action")


def _alert_states(scene: Scene) -> dict[str, dict[str, list[int]]]:
    places = scene.places(Kind.ALERT)
    identity = pc.coalesce(
        scene.attributes(places, "fingerprint", "dedup_key", "incident_key"),
        pc.binary_join_element_wise(
            scene.attributes(places, "labels.alertname"),
            pc.fill_null(take(scene.events["service"], places).cast(pa.string()), ""),
            "/",
        ),
        take(scene.events["message"], places),
    )
    status = scene.attributes(places, "status", "state")
    alerts: dict[str, dict[str, list[int]]] = {}
    for place, alert, raw in zip(places.tolist(), identity.to_pylist(), status.to_pylist(), strict=True):
        word = (raw or "").strip().lower()
        state = "resolved" if word in RESOLVED_STATES else "firing" if not word or word in _FIRING else word
        alerts.setdefault(alert or "", {}).setdefault(state, []).append(place)
    return alerts


def _changes(scene: Scene) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.CHANGE)
    others = np.setdiff1d(np.arange(scene.events.num_rows), places)
    times = integers(scene.events["time_ns"])
    started = times[others]
    # A calendar may reach years back: what lies long before all other evidence is no part of this story.
    earliest = started[started > 0].min(initial=np.iinfo(np.int64).max) - _LEAD_NS
    told = (times[places] <= 0) | (times[places] >= earliest) if started.any() else np.ones(places.size, bool)
    yield from ((place, "change") for place in places[told].tolist())


def _people(scene: Scene) -> Iterator[tuple[int, str]]:
    places, automatic = _messages(scene)
    yield from ((place, "message of a person") for place in places[~automatic].tolist())


def _response(scene: Scene) -> Iterator[tuple[int, str]]:
    words = {Kind.RUNBOOK_STEP: "runbook step", Kind.TICKET: "ticket entry", Kind.TRANSCRIPT: "spoken"}
    for kind, word in words.items():
        yield from ((place, word) for place in scene.places(kind).tolist())


def _notices(scene: Scene) -> Iterator[tuple[int, str]]:
    places, automatic = _messages(scene)
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


def _messages(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give the places of chat messages, and whether a program wrote each."""
    places = scene.places(Kind.CHAT)
    marked = pc.is_in(scene.attributes(places, "subtype"), pa.array(_BOT_SUBTYPES))
    bot = pc.is_valid(scene.attributes(places, "bot_id", "bot_profile.name"))
    said = pc.equal(scene.attributes(places, "automated", "is_bot"), "true")
    return places, booleans(marked) | booleans(bot) | booleans(said)


def _kubernetes(scene: Scene) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.K8S_EVENT)
    warning = booleans(pc.equal(pc.utf8_lower(scene.attributes(places, "type")), "warning"))
    severe = integers(take(scene.events["severity"], places)) >= Severity.WARN
    yield from firsts(scene, places[warning | severe], "Kubernetes warning")


def _failing_spans(scene: Scene) -> Iterator[tuple[int, str]]:
    yield from firsts(scene, np.flatnonzero(scene.failed), "failing span")


def _error_logs(scene: Scene) -> Iterator[tuple[int, str]]:
    yield from _severe_logs(scene, Severity.ERROR, 25, "error")


def _warning_logs(scene: Scene) -> Iterator[tuple[int, str]]:
    yield from _severe_logs(scene, Severity.WARN, Severity.ERROR, "warning")


def _severe_logs(scene: Scene, low: int, high: int, word: str) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.LOG, Kind.SPAN_EVENT)
    severity = integers(take(scene.events["severity"], places))
    places = places[(severity >= low) & (severity < high)]
    yield from firsts(scene, places, word)


def _failed_requests(scene: Scene) -> Iterator[tuple[int, str]]:
    places = scene.places(Kind.LOG)
    status = numbers(pc.fill_null(scene.attributes(places, *_HTTP_STATUS), ""))
    request = booleans(pc.is_valid(scene.attributes(places, *_HTTP_METHOD)))
    places = places[request & (status >= _SERVER_ERROR)]
    for members in by_group(places, [scene.emitter.take(pa.array(places))]):
        of = f" of {members.size:,} requests answered 5xx" if members.size > 1 else " request answered 5xx"
        yield int(members[-1]), f"last{of}"
        yield int(members[0]), f"first{of}" if members.size > 1 else f"only{of}"


def _restarts(scene: Scene) -> Iterator[tuple[int, str]]:
    places = _ordinary_logs(scene)
    message = take(scene.events["message"], places)
    places = places[booleans(pc.match_substring_regex(message, _LIFECYCLE))]
    for members in by_group(places, scene.speakers(places)):
        for number, place in enumerate(members[1:].tolist(), 2):
            yield place, f"start or stop again, {number} of {members.size}"


def _new_logs(scene: Scene) -> Iterator[tuple[int, str]]:
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
    _Rule(_alerts, 20),
    _Rule(_changes, 20),
    _Rule(_people, 20),
    _Rule(_response, 12),
    _Rule(_notices, 6),
    _Rule(_kubernetes, 8),
    _Rule(_failing_spans, 12),
    _Rule(_failed_requests, 6),
    _Rule(_error_logs, 12),
    _Rule(_restarts, 6),
    _Rule(_warning_logs, 8),
    _Rule(_new_logs, 6),
    _Rule(_repeats, 6),
)
