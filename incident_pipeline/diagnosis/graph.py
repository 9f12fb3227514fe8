"""Who calls whom: the service graph, and who answers for a span.

Edges come from spans (a parent in one service, its child in another; a client span that names its
peer) and from topology artifacts. A remote system without telemetry of its own, seen only through the
client spans of its callers, is a component too: the time and the failures of those leaf spans are its.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.signals.attributes import MISSING, Coded, lookup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.view import View

_TELLING: Final = ("log", "span", "span_event", "alert", "change", "k8s_event")
"""Kinds of events whose service is a running component; people's words may name anything."""


@dataclass(frozen=True)
class Graph:
    """The components of an incident and their calls. `below` lists what can be reached, self excluded."""

    callees: dict[str, tuple[str, ...]]
    callers: dict[str, tuple[str, ...]]
    owner: Coded
    """Per span: the component that answers for the span's own time and failure."""
    callee: Coded
    """Per outbound span (leaf or not): the component that was called; `MISSING` elsewhere."""

    @property
    def components(self) -> tuple[str, ...]:
        """Give all components, by name."""
        return tuple(self.callees)

    def below(self, component: str) -> frozenset[str]:
        """Give everything reachable from a component through calls."""
        return _reach(component, self.callees)

    def above(self, component: str) -> frozenset[str]:
        """Give everything that reaches a component through calls."""
        return _reach(component, self.callers)


def build_graph(view: View) -> Graph:
    """Build the graph from spans, topology, and every component that any telemetry names."""
    spans = view.spans
    names = sorted(_component_names(view))
    position = {name: index for index, name in enumerate(names)}
    service = _recode(spans.service, position)
    peer = _recode(spans.peer, position)
    child_service = np.full(len(spans), MISSING, dtype=np.int32)
    held = np.flatnonzero(spans.parent >= 0)
    child_service[spans.parent[held]] = service[held]
    leaf = spans.children == 0
    remote_child = (child_service != MISSING) & (child_service != service) & ~leaf
    callee = np.where(remote_child, child_service, np.where(spans.outbound, peer, MISSING)).astype(np.int32)
    owner = np.where(spans.outbound & leaf & (callee != MISSING), callee, service).astype(np.int32)

    pairs: set[tuple[str, str]] = set()
    pairs |= _pairs(service[spans.parent[held]], service[held], names)
    pairs |= _pairs(service, callee, names) | _topology(view)
    callees: dict[str, set[str]] = {name: set() for name in names}
    callers: dict[str, set[str]] = {name: set() for name in names}
    for caller_name, callee_name in pairs:
        if caller_name != callee_name:
            callees[caller_name].add(callee_name)
            callers[callee_name].add(caller_name)
    return Graph(
        callees={name: tuple(sorted(callees[name])) for name in names},
        callers={name: tuple(sorted(callers[name])) for name in names},
        owner=Coded(owner, tuple(names)),
        callee=Coded(callee, tuple(names)),
    )


def _component_names(view: View) -> set[str]:
    names = set(view.spans.service.names) | set(view.spans.peer.names)
    names |= {series.component for series, _ in view.series if series.component}
    names |= {name for pair in _topology(view) for name in pair}
    events = view.tables.events
    telling = events.filter(pc.is_in(events.column("kind").cast(pa.string()), pa.array(_TELLING)))
    services = pc.unique(telling.column("service").cast(pa.string())).to_pylist()
    return names | {str(name) for name in services if name}


def _recode(column: Coded, position: dict[str, int]) -> NDArray[np.int32]:
    mapping = np.array([position[name] for name in column.names] + [MISSING], dtype=np.int32)
    return mapping[column.codes]


def _pairs(caller: NDArray[np.int32], callee: NDArray[np.int32], names: list[str]) -> set[tuple[str, str]]:
    both = (caller >= 0) & (callee >= 0) & (caller != callee)
    keys = np.unique(caller[both].astype(np.int64) * max(len(names), 1) + callee[both])
    return {(names[int(key) // len(names)], names[int(key) % len(names)]) for key in keys}


def _topology(view: View) -> set[tuple[str, str]]:
    events = view.tables.events
    states = events.filter(pc.equal(events.column("kind").cast(pa.string()), "object_state"))
    callers = lookup(states, "caller").to_pylist()
    callees = lookup(states, "callee").to_pylist()
    return {(a, b) for a, b in zip(callers, callees, strict=True) if a and b}


def _reach(start: str, edges: dict[str, tuple[str, ...]]) -> frozenset[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        for following in edges.get(queue.pop(), ()):
            if following not in seen and following != start:
                seen.add(following)
                queue.append(following)
    return frozenset(seen)
