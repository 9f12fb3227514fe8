"""Signs that only some of what happened was recorded: traces with holes, traces that only others name.

A trace is whole when the parent of each span is held, when each call to a service that tells of itself
has its answer, and when traces that log records name are held. The reasons (head sampling, tail sampling,
lost batches) look alike from outside; what is counted is how much is missing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.coverage import Gap
from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import lookup
from incident_pipeline.timeline.columns import booleans

if TYPE_CHECKING:
    from incident_pipeline.signals.tables import IncidentTables

_RATES: Final = ("sampling.probability", "sampling.rate", "sampler.param", "SampleRate", "sampling.ratio")
_PEERS: Final = ("peer.service", "server.address", "net.peer.name")
_LOOKED_AT: Final = 2000
"""Spans per artifact whose attributes are searched for a sampling rate."""

_ALL_ZERO: Final = r"^0*$"


def sampling(tables: IncidentTables) -> dict[str, tuple[Gap, ...]]:
    """Give per digest the shortfalls of the artifacts that hold spans."""
    events = tables.events
    spans = events.filter(pc.equal(events["kind"].cast(pa.string()), Kind.SPAN.value))
    if not spans.num_rows:
        return {}
    found: dict[str, list[Gap]] = defaultdict(list)
    digest = spans["artifact_sha256"].combine_chunks().cast(pa.string())
    key = _key(spans["trace_id"], spans["span_id"])
    above = _key(spans["trace_id"], spans["parent_span_id"])
    named = ~booleans(
        pc.match_substring_regex(pc.fill_null(spans["parent_span_id"].cast(pa.string()), ""), _ALL_ZERO)
    )
    orphan = named & ~booleans(pc.is_in(above, key))
    for sha, count, total in _count(digest, orphan, named):
        found[sha].append(
            Gap(
                kind="sampled",
                detail=f"{count:,} of {total:,} spans name a parent that is not held",
                share=round(count / total, 6),
            )
        )
    services = pc.unique(spans["service"].cast(pa.string())).drop_null()
    calls = booleans(pc.equal(pc.utf8_lower(lookup(spans, "span.kind")), "client"))
    calls &= booleans(pc.is_in(lookup(spans, *_PEERS), services))
    unanswered = calls & ~booleans(pc.is_in(key, above.filter(pa.array(named))))
    for sha, count, total in _count(digest, unanswered, calls):
        found[sha].append(
            Gap(
                kind="sampled",
                detail=f"{count:,} of {total:,} calls to services that are traced have no span of the callee",
                share=round(count / total, 6),
            )
        )
    for sha, detail, share in _unheld_traces(events, spans):
        found[sha].append(Gap(kind="sampled", detail=detail, share=share))
    for sha in sorted(set(digest.to_pylist())):
        rate = _stated_rate(spans.filter(pc.equal(digest, sha)).slice(0, _LOOKED_AT))
        if rate is not None:
            found[sha].append(Gap(kind="sampled", detail=f"its spans state a sampling rate: {rate}"))
    return {sha: tuple(gaps) for sha, gaps in sorted(found.items())}


def _unheld_traces(events: pa.Table, spans: pa.Table) -> list[tuple[str, str, float]]:
    """Compare the traces that log records name with those held, within each role's own artifacts."""
    logs = events.filter(pc.equal(events["kind"].cast(pa.string()), Kind.LOG.value))
    named = pc.unique(logs["trace_id"].cast(pa.string())).drop_null()
    named = named.filter(pc.invert(pc.match_substring_regex(named, _ALL_ZERO)))
    held = pc.unique(spans["trace_id"].cast(pa.string())).drop_null()
    missing = int((~booleans(pc.is_in(named, held))).sum())
    if not missing:
        return []
    digests = sorted(set(spans["artifact_sha256"].cast(pa.string()).to_pylist()))
    text = f"no span is held of {missing:,} of the {len(named):,} traces that log records name"
    return [(sha, text, round(missing / len(named), 6)) for sha in digests]


def _count(
    digest: pa.Array,
    some: np.ndarray[tuple[int], np.dtype[np.bool_]],
    of: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> list[tuple[str, int, int]]:
    """Give (digest, count, out of) for the artifacts where the count is not zero."""
    encoded = digest.dictionary_encode()
    code = np.asarray(encoded.indices)
    size = len(encoded.dictionary)
    counts, totals = np.bincount(code[some], minlength=size), np.bincount(code[of], minlength=size)
    names = encoded.dictionary.to_pylist()
    return sorted((names[at], int(counts[at]), int(totals[at])) for at in np.flatnonzero(counts))


def _stated_rate(spans: pa.Table) -> str | None:
    rates = pc.unique(lookup(spans, *_RATES)).drop_null().to_pylist()
    shown = sorted({rate for rate in rates if rate and rate not in ("1", "1.0")})
    return ", ".join(shown[:3]) or None


def _key(traces: pa.ChunkedArray, spans: pa.ChunkedArray) -> pa.Array:
    traces = pc.fill_null(traces.cast(pa.string()), "")
    return pc.binary_join_element_wise(
        traces, pc.fill_null(spans.cast(pa.string()), ""), ":"
    ).combine_chunks()
