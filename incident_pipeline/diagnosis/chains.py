"""Where chains of failing spans end.

A request that fails at the border usually fails because a call below it failed. The failing span without
a failing child is where the chain ends: at the component whose own work failed, or, if that span is an
outbound call, at the one that was called. Most hypotheses about failures, and most of their checks,
count these ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.attributes import Coded
    from incident_pipeline.signals.spans import Spans


def names(column: Coded, codes: NDArray[np.int32]) -> NDArray[np.object_]:
    """Give the names behind codes; None for a missing one."""
    known = np.array([*column.names, None], dtype=object)
    return np.asarray(known[codes], dtype=object)


def peers(spans: Spans) -> NDArray[np.object_]:
    """Give, per span, whom it called: by the child's own name, else by the caller's; None for nobody."""
    service = names(spans.service, spans.service.codes)
    peer = _where(spans.outbound, names(spans.peer, spans.peer.codes))
    held = np.flatnonzero(spans.parent >= 0)
    answers = held[spans.outbound[spans.parent[held]] & (service[held] != service[spans.parent[held]])]
    peer[spans.parent[answers]] = service[answers]
    return peer


def origins(spans: Spans) -> NDArray[np.object_]:
    """Give, per span, the component at which a chain of failing spans ends here; None elsewhere."""
    passed_on = np.zeros(len(spans), dtype=bool)
    passed_on[spans.parent[(spans.parent >= 0) & spans.failed]] = True
    peer = peers(spans)
    service = names(spans.service, spans.service.codes)
    answers = np.asarray(np.where(_held(peer), peer, service), dtype=object)
    return _where(spans.failed & ~passed_on, answers)


def origin_callers(spans: Spans) -> NDArray[np.object_]:
    """Give, per span where a chain ends in a call that nobody answered, the caller; None elsewhere.

    Without an answer it can't be told whether the call ever left the caller (a pool that was empty, a
    name that did not resolve), so the caller may be the origin as well as the one it called.
    """
    silent = spans.outbound & (spans.children == 0) & (spans.status == 0)
    service = names(spans.service, spans.service.codes)
    return _where(silent & _held(origins(spans)), service)


def entries(spans: Spans) -> NDArray[np.bool_]:
    """Say, per span, whether work enters its service here."""
    inside = (spans.parent >= 0) & (spans.parent_service() == spans.service.codes)
    return np.asarray(~spans.outbound & ~inside, dtype=bool)


def _where(condition: NDArray[np.bool_], values: NDArray[np.object_]) -> NDArray[np.object_]:
    kept = values.copy()
    kept[~condition] = None
    return kept


def _held(values: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.fromiter((value is not None for value in values), dtype=bool, count=len(values))
