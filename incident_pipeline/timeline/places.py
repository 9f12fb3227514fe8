"""Where events stand in a scene: by row of the whole event table, by id, and each as a sign in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import integers
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.scene import Scene, alert_states
from incident_pipeline.timeline.seven_times import Sign
from incident_pipeline.timeline.wording import message_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAID: Final = 100


class Places:
    """Where events stand in the scene: by row of the whole table, and by id for the few that are named."""

    def __init__(self, scene: Scene, own: NDArray[np.int64]) -> None:
        self.scene = scene
        self.of_row = np.full(int(own.max(initial=-1)) + 1, -1, np.int64)
        self.of_row[own[scene.row]] = np.arange(scene.row.size)
        self.alerts = alert_states(scene)
        ended = booleans(pc.is_valid(scene.events["end_time_ns"]))
        resolved = np.zeros(scene.row.size, np.bool_)
        for states in self.alerts.values():
            resolved[states.get("resolved", [])] = True
        start, end = integers(scene.events["time_ns"]), integers(scene.events["end_time_ns"])
        # A resolution tells of the end of its alert.
        self.time = np.where(resolved & ended, end, start)
        self.timed = booleans(pc.is_valid(scene.events["time_ns"])) | (resolved & ended)
        named = scene.places(
            Kind.ALERT, Kind.CHAT, Kind.CHANGE, Kind.TICKET, Kind.TRANSCRIPT, Kind.RUNBOOK_STEP
        )
        ids = take(scene.events["event_id"], named).to_pylist()
        self.of_event: dict[str, int] = dict(zip(ids, named.tolist(), strict=True))

    def row(self, full_row: int) -> int | None:
        """Give the place of a row of the whole table; None where it was merged or is a reference's."""
        place = int(self.of_row[full_row]) if full_row < self.of_row.size else -1
        return place if place >= 0 else None

    def event(self, place: int) -> str:
        """Give the id of the event at a place."""
        return str(self.scene.events["event_id"][place].as_py())

    def words(self, place: int) -> str:
        """Say in a few words what happened at a place."""
        row = self.scene.events.slice(place, 1).to_pylist()[0]
        row["attributes"] = dict(row["attributes"] or ())
        return short(message_of(row))

    def sign(self, place: int) -> Sign:
        """Give an event as a sign."""
        return Sign(int(self.time[place]), self.event(place), self.words(place))


def short(text: str) -> str:
    """Give the begin of a text on one line, fit to stand within a sentence."""
    line = " ".join(text.split())
    return line.rstrip(".?!") if len(line) <= _SAID else line[: _SAID - 1].rstrip() + "…"
