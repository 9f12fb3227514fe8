"""Ties between sources that tell of the same thing: notifications, ids, requests, versions (see `ties`)."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.timestamps import parse_time
from incident_pipeline.signals.attributes import coded, lookup
from incident_pipeline.timeline.columns import booleans, take
from incident_pipeline.timeline.order import RESOLVED_STATES
from incident_pipeline.timeline.ties import DELIVERY, DISPATCH, FAR, REQUEST, Ties, pairs_apart, ties_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from incident_pipeline.timeline.order import Placed

_REQUEST_IDS: Final = (
    "request_id", "http.request_id", "requestId", "request.id", "x_request_id", "x-request-id",
    "correlation_id", "correlationId", "req_id", "http.request.header.x-request-id",
)  # fmt: skip
_NATIVE_IDS: Final[tuple[tuple[Kind, tuple[str, ...], str], ...]] = (
    (Kind.ALERT, ("fingerprint", "dedup_key", "incident_key"), "status"),
    (Kind.CHAT, ("client_msg_id", "message_id"), "subtype"),
    (Kind.AUDIT, ("auditID", "eventID"), "stage"),
    (Kind.LOG, ("insertId", "__CURSOR"), "logName"),
    (Kind.K8S_EVENT, ("metadata.uid",), "count"),
)
_VERSIONS: Final = ("resource.service.version", "service.version")
_NEW_VERSION: Final = re.compile(r"(?:->|→|=>|\bto\b)\s*v?(\d[\w.+-]*)")


def source_ties(events: pa.Table, placed: Placed, of: NDArray[np.int64]) -> Ties:
    """Find what ties the clocks of units across sources; `of` is the unit of each row."""
    held = _attribute_names(events)
    return Ties.joined(
        (
            _told_twice(events, placed, of, held),
            _alerts(events, placed, of),
            _requests(events, placed, of, held),
            _versions(events, placed, of, held),
        )
    )


def _attribute_names(events: pa.Table) -> frozenset[str]:
    """Give the names of all attributes: looking for one that no row has costs as much as finding it."""
    found: set[str] = set()
    for chunk in events["attributes"].chunks:
        found.update(pc.unique(chunk.keys).to_pylist())
    return frozenset(found)


def _told_twice(events: pa.Table, placed: Placed, of: NDArray[np.int64], held: frozenset[str]) -> Ties:
    """Tie tellings of one event under the id its source gave it: the k-th in one unit and in another."""
    found: list[Ties] = []
    for kind, spellings, and_also in _NATIVE_IDS:
        names = [name for name in spellings if name in held]
        if not names:
            continue
        rows = np.flatnonzero(booleans(pc.equal(events["kind"], kind.value)) & placed.timed)
        if np.unique(of[rows]).size < 2:  # noqa: PLR2004 -- two sources to tell it twice
            continue
        some = events.select(["attributes"]).take(pa.array(rows))
        ids = lookup(some, *names).to_pylist()
        rest = pc.fill_null(lookup(some, and_also), "").to_pylist()
        groups: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, name, also in zip(rows.tolist(), ids, rest, strict=True):
            if name:
                groups[name, also][int(of[row])].append(row)
        pairs = [pair for units in groups.values() for pair in _in_step(units, placed)]
        found.append(pairs_apart("told_twice", pairs, placed.time, placed.unit, of, DISPATCH, DISPATCH))
    return Ties.joined(found)


def _alerts(events: pa.Table, placed: Placed, of: NDArray[np.int64]) -> Ties:
    """Tie messages about alerts to the alerts: by when a notification arrived, else by when it was due."""
    alerts = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.ALERT.value)) & placed.timed)
    chats = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.CHAT.value)) & placed.timed)
    if not alerts.size or not chats.size:
        return Ties.joined(())
    some = events.take(pa.array(alerts))
    names = lookup(some, "labels.alertname").to_pylist()
    over = pc.is_in(pc.utf8_lower(lookup(some, "status", "state")), pa.array(RESOLVED_STATES)).to_pylist()
    arrivals = [_arrival(text) for text in lookup(some, "received_at").to_pylist()]
    said = _said(events, chats, {name for name in names if name})
    fired: dict[tuple[str, bool], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    arrived = placed.time.copy()
    stamped = np.zeros(placed.time.size, np.bool_)
    for row, name, resolved, arrival in zip(alerts.tolist(), names, over, arrivals, strict=True):
        if name:
            fired[name, bool(resolved)][int(of[row])].append(row)
        if arrival is not None:
            arrived[row], stamped[row] = arrival, True
    prompt: list[tuple[int, int]] = []
    due: list[tuple[int, int]] = []
    for key, rows in said.items():
        for tellings in fired.get(key, {}).values():
            # Only where each alert has its message is it known which belongs to which.
            if len(tellings) != len(rows):
                continue
            pairs = zip(
                sorted(rows, key=lambda row: (placed.time[row], row)),
                sorted(tellings, key=lambda row: (arrived[row], row)),
                strict=True,
            )
            for pair in pairs:
                (prompt if stamped[pair[1]] else due).append(pair)
    return Ties.joined(
        (
            pairs_apart("told_twice", prompt, arrived, placed.unit, of, DISPATCH, DISPATCH),
            pairs_apart("alert", due, arrived, placed.unit, of, DELIVERY, 0),
        )
    )


def _said(
    events: pa.Table, chats: NDArray[np.int64], names: Collection[str]
) -> dict[tuple[str, bool], list[int]]:
    """Give the messages about each alert, by its name and whether they say that it is over."""
    known = sorted(names, key=lambda name: (-len(name), name))
    said: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for row, text in zip(chats.tolist(), take(events["message"], chats).to_pylist(), strict=True):
        words = (text or "").lower()
        name = next((name for name in known if name.lower() in words), None)
        resolved = any(re.search(rf"\b{state}\b", words) for state in RESOLVED_STATES)
        if name and (resolved or re.search(r"\b(?:firing|triggered|alert(?:ing)?)\b", words)):
            said[name, resolved].append(row)
    return said


def _requests(events: pa.Table, placed: Placed, of: NDArray[np.int64], held: frozenset[str]) -> Ties:
    """Tie units whose records share a request id: the stretches they cover begin or end together."""
    rows = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.LOG.value)) & placed.timed)
    names = [name for name in _REQUEST_IDS if name in held]
    if not names or np.unique(of[rows]).size < 2:  # noqa: PLR2004 -- two units to tie
        return Ties.joined(())
    ids = coded(lookup(events.select(["attributes"]).take(pa.array(rows)), *names)).codes
    rows, ids = rows[ids >= 0], ids[ids >= 0].astype(np.int64)
    if not rows.size:
        return Ties.joined(())
    order = np.lexsort((placed.time[rows], of[rows], ids))
    rows, ids = rows[order], ids[order]
    begins = np.append(True, (ids[1:] != ids[:-1]) | (of[rows][1:] != of[rows][:-1]))
    first = np.flatnonzero(begins)
    last = np.append(first[1:], rows.size) - 1
    request, unit = ids[first], of[rows[first]]
    start, end = placed.time[rows[first]], placed.time[rows[last]] + placed.unit[rows[last]]
    # Stretches of one request stand next to each other: each is tied to the first unit's.
    lead = np.flatnonzero(np.append(True, request[1:] != request[:-1]))
    base = lead[np.searchsorted(lead, np.arange(request.size), side="right") - 1]
    tied = np.flatnonzero(base != np.arange(request.size))
    base = base[tied]
    ahead, behind = start[tied] - start[base], end[tied] - end[base]
    low, high = np.minimum(ahead, behind) - REQUEST, np.maximum(ahead, behind) + REQUEST
    return ties_of("request", unit[tied], unit[base], low, high, start[tied])


def _versions(events: pa.Table, placed: Placed, of: NDArray[np.int64], held: frozenset[str]) -> Ties:
    """Tie a change that names a new version to the first record that bears it."""
    changes = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.CHANGE.value)) & placed.timed)
    changed = pc.unique(take(events["service"], changes)).drop_null()
    of_changed = booleans(pc.is_in(events["service"].combine_chunks(), changed))
    spans = np.flatnonzero(booleans(pc.equal(events["kind"], Kind.SPAN.value)) & placed.timed & of_changed)
    names = [name for name in _VERSIONS if name in held]
    if not names or not spans.size:
        return Ties.joined(())
    bearing = lookup(events.select(["attributes"]).take(pa.array(spans)), *names)
    seen = pa.table(
        {
            "service": take(events["service"], spans).cast(pa.string()),
            "version": bearing,
            "row": pa.array(spans),
            "time": pa.array(placed.time[spans]),
        }
    ).sort_by([("time", "ascending"), ("row", "ascending")])
    firsts: dict[str, dict[str, int]] = defaultdict(dict)
    grouped = seen.group_by(["service", "version"], use_threads=False).aggregate([("row", "first")])
    for row in grouped.to_pylist():
        if row["service"] and row["version"]:
            firsts[row["service"]][row["version"]] = row["row_first"]
    pairs = []
    texts = zip(
        changes.tolist(),
        take(events["service"], changes).to_pylist(),
        take(events["message"], changes).to_pylist(),
        strict=True,
    )
    for row, service, text in texts:
        version = _NEW_VERSION.search(text or "")
        borne = firsts.get(service or "", {})
        first = borne.get(version[1]) if version else None
        # A version that was there when the records begin was not brought by this change.
        if first is not None and placed.time[first] > min(placed.time[other] for other in borne.values()):
            pairs.append((row, first))
    return pairs_apart("version", pairs, placed.time, placed.unit, of, 0, FAR)


def _in_step(units: dict[int, list[int]], placed: Placed) -> Iterator[tuple[int, int]]:
    """Pair the k-th telling of one unit with the k-th of the first, where both tell as many."""
    ordered = [
        sorted(rows, key=lambda row: (int(placed.time[row]), int(placed.offset[row]), row))
        for _, rows in sorted(units.items())
    ]
    for rows in ordered[1:]:
        if len(rows) == len(ordered[0]):
            yield from zip(rows, ordered[0], strict=True)


def _arrival(text: str | None) -> int | None:
    return parse_time(text).time_ns if text else None
