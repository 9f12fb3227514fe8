"""What the selection rules look at: the events in timeline order, and questions about them.

A place is an index into the scene; who said what the first time is the question most rules ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import lookup
from incident_pipeline.signals.templates import assign_templates
from incident_pipeline.timeline.columns import booleans, number_groups, take
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.order import RESOLVED_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FIRING: Final = ("firing", "triggered", "alerting", "open", "active", "problem")
_BOT_SUBTYPES: Final = ("bot_message",)
_TEMPLATED: Final = (Kind.LOG, Kind.SPAN_EVENT, Kind.K8S_EVENT)
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class Scene:
    """What the rules look at: events in timeline order, merged ones taken out."""

    events: pa.Table
    row: NDArray[np.int64]
    """Row number in the whole event table."""
    failed: NDArray[np.bool_]
    """Whether the row is a span that failed."""
    emitter: pa.Array
    """Service, else host, else source, else artifact: whose first time counts."""
    template: pa.Array
    """Template of a worded event, else its message."""

    @classmethod
    def of(cls, events: pa.Table, order: NDArray[np.int64], failed: NDArray[np.bool_]) -> Scene:
        """Take the rows of `order` (without merged ones); `failed` is per row of the whole table."""
        shown = events.take(pa.array(order))
        columns = ("service", "host", "source", "artifact_uri")
        emitter = pc.coalesce(*(shown[name].cast(pa.string()) for name in columns)).combine_chunks()
        found = assign_templates(shown, tuple(kind.value for kind in _TEMPLATED))
        template = np.full(order.size, -1, np.int64)
        template[found.rows] = found.codes
        names = pa.array(found.ids, pa.string()).take(pa.array(template, mask=template < 0))
        message = shown["message"].cast(pa.string()).combine_chunks()
        return cls(shown, order, failed[order], emitter, pc.coalesce(names, message))

    def places(self, *kinds: Kind) -> NDArray[np.int64]:
        """Give the places of the events of these kinds."""
        wanted = pa.array([kind.value for kind in kinds])
        return np.flatnonzero(booleans(pc.is_in(self.events["kind"], wanted)))

    def texts(self, column: str, places: NDArray[np.int64]) -> list[str | None]:
        """Give a string column at some places."""
        texts: list[str | None] = take(self.events[column], places).to_pylist()
        return texts

    def attributes(self, places: NDArray[np.int64], *names: str) -> pa.Array:
        """Give the first of these attributes at some places."""
        return lookup(self.events.take(pa.array(places)), *names)

    def speakers(self, places: NDArray[np.int64]) -> list[pa.Array]:
        """Give what makes events the same thing said by the same party: emitter and template."""
        return [self.emitter.take(pa.array(places)), self.template.take(pa.array(places))]


def alert_states(scene: Scene) -> dict[str, dict[str, list[int]]]:
    """Give, per alert and state (`firing`, `resolved`, or the source's word for another), its places."""
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


def messages(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give the places of chat messages, and whether a program wrote each."""
    places = scene.places(Kind.CHAT)
    marked = pc.is_in(scene.attributes(places, "subtype"), pa.array(_BOT_SUBTYPES))
    bot = pc.is_valid(scene.attributes(places, "bot_id", "bot_profile.name"))
    said = pc.equal(scene.attributes(places, "automated", "is_bot"), "true")
    return places, booleans(marked) | booleans(bot) | booleans(said)


def firsts(scene: Scene, places: NDArray[np.int64], word: str) -> Iterator[tuple[int, str]]:
    """Give the first event of each emitter and template, with the number of them."""
    for members in by_group(places, scene.speakers(places)):
        yield int(members[0]), first_of(scene, members, word)


def first_of(scene: Scene, members: NDArray[np.int64], word: str) -> str:
    """Say that the first of these places stands for all of them, and how long they went on."""
    if members.size == 1:
        return f"only {word} like it"
    last = scene.events["time_ns"][int(members[-1])].as_py()
    until = f", the last at {rfc3339(last, _SECOND)[11:19]}" if last is not None else ""
    return f"{word}, first of {members.size:,} like it{until}"


def by_group(places: NDArray[np.int64], parts: list[pa.Array]) -> Iterator[NDArray[np.int64]]:
    """Give the places of each group of equal parts, in order."""
    if not places.size:
        return
    group = number_groups(parts)
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    yield from np.split(places[order], edges)
