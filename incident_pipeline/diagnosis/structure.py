"""What hangs from a span: child calls, log templates and attribute values, counted given the span.

For every operation and every feature the share of spans that have the feature is compared between the
calm and the incident by a two-proportion test. Counting given the span makes the test blind to
traffic: it sees exceptions (a new template), early returns (child calls vanish), retries and cache
misses (child calls appear, an attribute changes its value), and new code paths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.diagnosis.finding import EventPlace, Finding, shown, strongest
from incident_pipeline.signals.statistics import two_proportions
from incident_pipeline.signals.templates import WILDCARD, template_id
from incident_pipeline.signals.view import CALM, DURING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.diagnosis.graph import Graph
    from incident_pipeline.signals.view import View

_MIN_CALM: Final = 5
_MIN_DURING: Final = 2
_DEAD_ZONE: Final = 2.0
_RANGE: Final = 8.0
_PER_COMPONENT: Final = 3


@dataclass(frozen=True)
class _Features:
    """Pairs of a span and a feature it has, each once; labels of the features; an example row."""

    span: NDArray[np.int64]
    feature: NDArray[np.int64]
    row: NDArray[np.int64]
    labels: tuple[str, ...]
    what: str
    callee: tuple[str | None, ...] = ()
    """Per feature that is a child call: the component it reaches."""


def structure_findings(view: View, graph: Graph) -> list[Finding]:
    """Find the components whose spans changed in what hangs from them; the strongest few each."""
    if not (view.phase == DURING).any():
        return []
    findings: list[Finding] = []
    for features in (_child_calls(view, graph), _templates(view)):
        findings.extend(_tested(view, features))
    return strongest(findings, per_component=_PER_COMPONENT)


def _child_calls(view: View, graph: Graph) -> _Features:
    spans = view.spans
    child = np.flatnonzero(spans.parent >= 0)
    calls = _distinct(
        spans.parent[child],
        spans.operation.codes[child].astype(np.int64),
        spans.row[child],
        spans.operation.names,
        "child call",
    )
    reached = np.where(graph.callee.codes >= 0, graph.callee.codes, graph.owner.codes)
    callee: list[str | None] = [None] * len(spans.operation.names)
    for operation in np.unique(spans.operation.codes[child]):
        codes = reached[child][spans.operation.codes[child] == operation]
        counts = np.bincount(codes[codes >= 0], minlength=len(graph.owner.names))
        if counts.any():
            callee[operation] = graph.owner.names[int(np.argmax(counts))]
    return replace(calls, callee=tuple(callee))


def _templates(view: View) -> _Features:
    held = view.record_span >= 0
    records = view.records
    return _distinct(
        view.record_span[held], records.codes[held], records.rows[held], records.texts, "log template"
    )


def _distinct(
    span: NDArray[np.int64],
    feature: NDArray[np.int64],
    row: NDArray[np.int64],
    labels: tuple[str, ...],
    what: str,
) -> _Features:
    _, first = np.unique(span * max(len(labels), 1) + feature, return_index=True)
    return _Features(span[first], feature[first], row[first], labels, what)


def _tested(view: View, features: _Features) -> list[Finding]:
    spans, phase = view.spans, view.phase
    count = len(spans.operation.names)
    total0 = np.bincount(spans.operation.codes[phase == CALM], minlength=count).astype(np.float64)
    total1 = np.bincount(spans.operation.codes[phase == DURING], minlength=count).astype(np.float64)
    used = phase[features.span] >= 0
    span, feature, row = features.span[used], features.feature[used], features.row[used]
    operation = spans.operation.codes[span].astype(np.int64)
    pairs, code = np.unique(operation * max(len(features.labels), 1) + feature, return_inverse=True)
    calm, during = phase[span] == CALM, phase[span] == DURING
    hits0 = np.bincount(code[calm], minlength=len(pairs)).astype(np.float64)
    hits1 = np.bincount(code[during], minlength=len(pairs)).astype(np.float64)
    of = pairs // max(len(features.labels), 1)
    p0, p1, z = two_proportions(hits0, total0[of], hits1, total1[of])
    telling = (total0[of] >= _MIN_CALM) & (total1[of] >= _MIN_DURING) & (z > _DEAD_ZONE)
    findings = []
    for index in np.flatnonzero(telling):
        label = features.labels[int(pairs[index] % len(features.labels))]
        service, _, name = spans.operation.names[int(of[index])].partition("\t")
        if not service:
            continue
        members = np.flatnonzero((code == index) & (during if p1[index] > p0[index] else calm))
        example = int(row[members[0]]) if len(members) else None
        callee = features.callee[int(pairs[index] % len(features.labels))] if features.callee else None
        findings.append(
            _finding(
                view,
                features.what,
                service,
                name,
                label,
                example,
                callee,
                float(p0[index]),
                float(p1[index]),
                float(z[index]),
                int(total0[of[index]]),
                int(total1[of[index]]),
            )
        )
    return findings


def _finding(
    view: View,
    what: str,
    service: str,
    operation: str,
    label: str,
    example: int | None,
    callee: str | None,
    p0: float,
    p1: float,
    z: float,
    n0: int,
    n1: int,
) -> Finding:
    if what == "child call":
        owner, _, name = label.partition("\t")
        does = f"calls {shown(name)} of {owner}" if owner != service else f"calls {shown(name)}"
        facts = {"child_service": owner, "child_operation": name, "callee": callee}
    else:
        message = _message(view, example)
        does = f"logs \u201c{message}\u201d"
        place = label.removesuffix(f" {WILDCARD}")
        facts = {
            "template_id": template_id(label),
            "mask_id": _column(view, "mask_id", example),
            "event_id": _column(view, "event_id", example),
            # The place in the code stands verbatim in the message; other templates have masked parts.
            "contains": place if place in message else None,
            "example": message,
        }
    return Finding(
        component=service,
        term="structure",
        strength=min(1.0, (z - _DEAD_ZONE) / _RANGE),
        detail=(
            f"{shown(operation)} {does} in {100 * p1:.1f} % of {n1} spans, "
            f"against {100 * p0:.1f} % of {n0} before."
        ),
        baseline=100 * p0,
        observed=100 * p1,
        unit="%",
        fault_class="code",
        facts={
            "service": service,
            "operation": operation,
            "feature": what,
            "p0": p0,
            "p1": p1,
            "n0": n0,
            "n1": n1,
            "z": z,
            **facts,
        },
        places=() if example is None else (EventPlace(example),),
    )


def _column(view: View, name: str, row: int | None) -> str | None:
    return None if row is None else view.tables.events.column(name)[row].as_py()


def _message(view: View, row: int | None) -> str:
    return shown(_column(view, "message", row) or "")
