"""The story of an incident: what the moments, phases, claims and the telling places rest on.

Here the scene (events in order) meets the view (measurements): onset and episodes say when something
deviated, the scene says which events show it. No judgement of its own: each part has its module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.model.timeline import Deviation
from incident_pipeline.signals.attributes import integers
from incident_pipeline.signals.tracks import FAILURES, SLOWNESS
from incident_pipeline.timeline.claim_checks import is_act
from incident_pipeline.timeline.claim_grammar import asks
from incident_pipeline.timeline.claim_record import read_record
from incident_pipeline.timeline.claims import Message, read_claims
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.phases import phases_of
from incident_pipeline.timeline.places import Places, short
from incident_pipeline.timeline.recovery import episodes, improvement, restoration, title
from incident_pipeline.timeline.scene import Scene, messages
from incident_pipeline.timeline.selection import Told
from incident_pipeline.timeline.seven_times import Act, Course, Remark, Sign, attempts, seven_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from incident_pipeline.model.timeline import Claim, Moment, Phase
    from incident_pipeline.signals.view import View
    from incident_pipeline.timeline.claim_record import Record
    from incident_pipeline.timeline.recovery import Episode

MAX_DEVIATIONS: Final = 200
"""Of thousands of series hundreds may deviate; the file is for people."""
_MACHINES: Final = frozenset(
    {"ci", "cd", "bot", "system", "automation", "pipeline", "jenkins", "argocd", "flux", "spinnaker",
     "scheduler", "cron", "controller", "kubelet", "operator", "autoscaler", "terraform", "ansible"}
)  # fmt: skip
"""Words in the name of an actor that is no person."""
_ACKNOWLEDGED: Final = frozenset({"acknowledged", "acked", "ack"})
_WEIGHTS: Final = {
    Kind.CHANGE.value: 3,
    Kind.RUNBOOK_STEP.value: 2,
    Kind.AUDIT.value: 1,
    Kind.K8S_EVENT.value: 1,
}


@dataclass(frozen=True)
class Story:
    """What was found: for the timeline's own fields, and for the selection of key entries."""

    moments: tuple[Moment, ...]
    phases: tuple[Phase, ...]
    claims: tuple[Claim, ...]
    deviations: tuple[Deviation, ...]
    deviating: int
    """How many measurements deviate: `deviations` holds the strongest."""
    told: Told
    acts: frozenset[str]
    """Ids of the events that tell of acts after the onset."""


def tell(scene: Scene, view: View, own: NDArray[np.int64], zones: Mapping[str, str | None]) -> Story:
    """Tell the story.

    Args:
        scene: the incident's events in order, merged ones taken out.
        view: the measurements of the same incident.
        own: the rows of the incident's own events in the whole event table.
        zones: time zone by artifact digest, as the evidence record gives it.
    """
    record = read_record(view, own)
    at = Places(scene, own)
    remarks, claims = _remarks(scene, at, record, zones)
    firing, acknowledged, resolutions = _alerts(at)
    last_alert = max((sign.time for sign in (*firing, *resolutions)), default=None)
    found = episodes(view, last_alert)
    over = bool(resolutions) and _last_firing(at) <= resolutions[-1].time and _all_resolved(at)
    borders = {id(one): _borders(one, view, at) for one in found}
    course = Course(
        onset=view.onset,
        firing=firing,
        acknowledged=acknowledged,
        resolved=resolutions[-1] if over else None,
        alerts_open=bool(firing) and not over,
        remarks=remarks,
        acts=_acts(scene, at, record, remarks),
        improvement=improvement(found),
        restoration=restoration(found),
        first_signs=_signs(
            at,
            (
                borders[id(one)][0]
                for one in found
                if borders[id(one)] and view.onset is not None and one.start <= view.onset.latest
            ),
        ),
        last_signs=_signs(
            at,
            (places[-1] for one, places in zip(found, borders.values(), strict=True) if places and one.felt),
        ),
        components=frozenset(one.track.component for one in found),
        severity=view.tables.evidence.severity,
    )
    moments = seven_times(course)
    resting: dict[int, tuple[str, ...]] = {}
    for moment in moments:
        for event in moment.events:
            place = at.of_event.get(event)
            if place is not None:
                resting[place] = (*resting.get(place, ()), moment.name)
    by_event = {claim.event for claim in claims}
    return Story(
        moments=moments,
        phases=phases_of(moments, attempts(course), *_extent(scene, view, at)),
        claims=claims,
        deviations=tuple(_deviation(one, at, borders[id(one)]) for one in _strongest(found)),
        deviating=len(found),
        told=Told(
            statements=tuple(
                (at.of_event[remark.event], "statement of a person")
                for remark in remarks
                if remark.event in by_event
            ),
            contacts=tuple(_contacts(scene, view, at, found, borders)),
            boundaries=tuple(pair for one in found for pair in _named_borders(one, borders[id(one)])),
            moments=resting,
        ),
        acts=frozenset(act.event for act in attempts(course)),
    )


def _signs(at: Places, places: Iterable[int]) -> tuple[Sign, ...]:
    return tuple(at.sign(place) for place in sorted(set(places), key=lambda place: (at.time[place], place)))


def _extent(scene: Scene, view: View, at: Places) -> tuple[int | None, int | None]:
    """Give the first and last time of the telemetry: changes and calendars may reach years back."""
    places = scene.places(Kind.LOG, Kind.SPAN, Kind.SPAN_EVENT, Kind.ALERT)
    times = [at.time[places[at.timed[places]]], *(series.incident.times for series, _ in view.series)]
    held = [part for part in times if len(part)]
    if not held:
        return None, None
    return min(int(part.min()) for part in held), max(int(part.max()) for part in held)


def _remarks(
    scene: Scene, at: Places, record: Record, zones: Mapping[str, str | None]
) -> tuple[tuple[Remark, ...], tuple[Claim, ...]]:
    chat, automatic = messages(scene)
    places = np.sort(np.concatenate([chat[~automatic], scene.places(Kind.TICKET, Kind.TRANSCRIPT)]))
    texts, digests, events, actors = (
        scene.texts(name, places) for name in ("message", "artifact_sha256", "event_id", "actor")
    )
    # A ticket says in its fields what people say in words.
    status = scene.attributes(places, "status", "state").to_pylist()
    severity = scene.attributes(places, "severity", "priority").to_pylist()
    kinds = scene.texts("kind", places)
    whole = [
        f"{text or ''}. {state or ''}. severity: {level or 'none'}" if kind == Kind.TICKET else text or ""
        for text, state, level, kind in zip(texts, status, severity, kinds, strict=True)
    ]
    said = [
        Message(
            event or "", int(at.time[place]) if at.timed[place] else None, text or "", zones.get(digest or "")
        )
        for place, event, text, digest in zip(places.tolist(), events, texts, digests, strict=True)
    ]
    claims = read_claims(said, record)
    by_event: dict[str, list[Claim]] = {}
    for claim in claims:
        by_event.setdefault(claim.event, []).append(claim)
    remarks = tuple(
        Remark(
            time=message.time,
            event=message.event,
            what=short(f"{actor}: {message.text}" if actor else message.text),
            text=text,
            claims=tuple(by_event.get(message.event, ())),
            on_it=message.event in by_event
            or asks(message.text)
            or record.component_in(message.text) is not None,
        )
        for message, text, actor in zip(said, whole, actors, strict=True)
        if message.time is not None
    )
    return tuple(sorted(remarks, key=lambda remark: (remark.time, at.of_event[remark.event]))), claims


def _alerts(at: Places) -> tuple[tuple[Sign, ...], tuple[Sign, ...], tuple[Sign, ...]]:
    """Give first firings, acknowledgements and last resolutions, each by time."""
    picked: dict[str, list[int]] = {"firing": [], "acknowledged": [], "resolved": []}
    for states in at.alerts.values():
        for state, places in states.items():
            timed = [place for place in places if at.timed[place]]
            if timed and state in ("firing", "resolved"):
                picked[state].append(timed[0] if state == "firing" else timed[-1])
            elif timed and state in _ACKNOWLEDGED:
                picked["acknowledged"].append(timed[0])
    firing, acknowledged, resolved = (
        tuple(at.sign(place) for place in sorted(places, key=lambda place: (at.time[place], place)))
        for places in picked.values()
    )
    return firing, acknowledged, resolved


def _all_resolved(at: Places) -> bool:
    """Say whether every alert that fired was resolved after it last did."""
    for states in at.alerts.values():
        fired = max((at.time[place] for place in states.get("firing", ())), default=None)
        resolved = max((at.time[place] for place in states.get("resolved", ())), default=None)
        if fired is not None and (resolved is None or resolved < fired):
            return False
    return True


def _last_firing(at: Places) -> int:
    """Give when an alert fired last."""
    places = [place for states in at.alerts.values() for place in states.get("firing", ()) if at.timed[place]]
    return int(at.time[places].max()) if places else -1


def _acts(scene: Scene, at: Places, record: Record, remarks: tuple[Remark, ...]) -> tuple[Act, ...]:
    """Give what was done, on record and said, by time."""
    acts = []
    for one in record.acts:
        place = at.row(one.row)
        if place is None or not is_act(one.words):
            continue
        at.of_event[one.event] = place
        kind = str(scene.events["kind"][place].as_py())
        actor = scene.events["actor"][place].as_py() or ""
        person = bool(actor) and not (frozenset(actor.lower().replace("_", "-").split("-")) & _MACHINES)
        acts.append(Act(one.time, one.event, at.words(place), _WEIGHTS.get(kind, 0), person, one.component))
    acts += [
        Act(remark.time, remark.event, remark.what, weight=0, by_person=True)
        for remark in remarks
        if any(is_act(frozenset({claim.action})) and claim.state != "contradicted" for claim in remark.claims)
    ]
    return tuple(sorted(acts, key=lambda act: (act.time, act.event)))


def _contacts(
    scene: Scene, view: View, at: Places, found: tuple[Episode, ...], borders: Mapping[int, tuple[int, ...]]
) -> Iterator[tuple[int, str]]:
    """Give, per component that deviates, its first failing span, error record or slow span."""
    if view.onset is None or not found:
        return
    spans, names = view.spans, view.spans.service.names
    since = min(view.onset.earliest, *(one.start for one in found))
    errors = scene.places(Kind.LOG, Kind.SPAN_EVENT)
    severe = integers(take(scene.events["severity"], errors)) >= Severity.ERROR
    errors = errors[severe & at.timed[errors] & (at.time[errors] >= since)]
    emitters = take(scene.events["service"].cast(pa.string()), errors)
    failing = spans.failed & ~spans.reference & (spans.start >= since)
    for component in sorted({one.track.component for one in found}):
        candidates = errors[booleans(pc.equal(emitters, component))][:1].tolist()
        if component in names:
            rows = np.flatnonzero(failing & (spans.service.codes == names.index(component)))[:1]
            candidates += [place for row in rows if (place := at.row(int(spans.row[row]))) is not None]
        candidates += [
            place for one in found if one.track.component == component for place in borders[id(one)][:1]
        ]
        if candidates:
            yield min(candidates), f"first contact of {component} with the failure"


def _borders(one: Episode, view: View, at: Places) -> tuple[int, ...]:
    """Give the places of the first and last span that deviates, where spans were measured."""
    track, spans = one.track, view.spans
    if track.measures not in (FAILURES, SLOWNESS) or track.component not in spans.service.names:
        return ()
    code = spans.service.names.index(track.component)
    end = one.last + track.width
    inside = (
        (spans.service.codes == code) & ~spans.reference & (spans.start >= one.start) & (spans.start < end)
    )
    rows = np.flatnonzero(inside & spans.failed) if track.measures == FAILURES else np.flatnonzero(inside)
    if not len(rows):
        return ()
    if track.measures == SLOWNESS:
        first = rows[spans.start[rows] < one.start + track.width]
        last = rows[spans.start[rows] >= one.last]
        picked = [part[int(np.argmax(spans.duration[part]))] for part in (first, last) if len(part)]
    else:
        picked = [rows[0], rows[-1]]
    places = [at.row(int(spans.row[row])) for row in picked]
    return tuple(place for place in dict.fromkeys(places) if place is not None)


def _named_borders(one: Episode, places: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    words = ("begins to deviate", "deviates for the last time")
    for place, word in zip(places, words, strict=False):
        yield place, f"{title(one.track)} of {one.track.component} {word}"


def _strongest(found: tuple[Episode, ...]) -> tuple[Episode, ...]:
    """Give the episodes that deviate the longest and most, in their order."""
    ranked = sorted(range(len(found)), key=lambda i: (-found[i].covered, -found[i].peak, i))[:MAX_DEVIATIONS]
    return tuple(found[i] for i in sorted(ranked))


def _deviation(one: Episode, at: Places, borders: tuple[int, ...]) -> Deviation:
    series = one.track.series
    return Deviation(
        component=one.track.component,
        measure=title(one.track),
        kind=one.track.measures,
        start_ns=one.start,
        end_ns=None if one.calm is None else one.last,
        calm_ns=one.calm,
        peak=one.peak,
        events=tuple(at.event(place) for place in borders),
        series=series.series_ids if series is not None else (),
    )
