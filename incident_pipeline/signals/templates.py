"""Log templates: which messages are instances of one statement in the code.

A message that names its place in the code (`OrderService#115`, `order.py:88`, or the OpenTelemetry
attributes `code.file.path` and `code.line.number`) has that place as its template: nothing is better.
Otherwise masked messages (`parsers.masking`) of one service with the same number of words are merged
when enough of their words agree, in the manner of Drain (He et al., ICWS 2017) but over the sorted set
of distinct masked messages, so that neither the order of rows nor chunking matters.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.parsers.masking import mask, mask_ids
from incident_pipeline.signals.attributes import coded, lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

WILDCARD: Final = "<*>"
MAX_WORDS: Final = 60
"""Words beyond these do not tell templates apart: they are payload."""
_AGREE: Final = 0.6
_PLACE: Final = re.compile(
    r"(?:^|[\s\[(])((?:[A-Za-z_$][\w$]*[./])*[A-Za-z_$][\w$]*(?:#|\.[a-z]{1,4}:)\d{1,6})(?=$|[\s\])]|:\s)"
)
_MAYBE_PLACE: Final = r"[#:][0-9]"
_NEVER: Final = 2**63 - 1
"""Stands for no time where the first is looked for."""
_PLACE_WITHIN: Final = 120
"""Characters: a place stands at the head of a message, or it belongs to a stack trace."""
_SPLIT: Final = re.compile(r"(\s+|[\[\](){},;=|]+)")
_EXAMPLE: Final = 400

SCHEMA: Final = pa.schema(
    [
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("template", pa.string(), nullable=False),
        pa.field("services", pa.list_(pa.string()), nullable=False),
        pa.field("mask_ids", pa.list_(pa.string()), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("severity", pa.int8()),
        pa.field("first_time_ns", pa.int64()),
        pa.field("last_time_ns", pa.int64()),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("message", pa.string()),
    ]
)
"""One row per template; `severity` is the highest seen, `event_id` and `message` the first instance."""


@dataclass(frozen=True)
class Templates:
    """The template of every log record: `rows` index the event table, `codes` index `ids`."""

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]
    ids: tuple[str, ...]
    texts: tuple[str, ...]


def assign_templates(events: pa.Table, kinds: tuple[str, ...] = ("log",)) -> Templates:
    """Give the template of every event of these kinds that has a message."""
    telling = pc.and_(
        pc.is_in(events.column("kind").cast(pa.string()), pa.array(kinds)),
        pc.is_valid(events.column("message")),
    )
    rows = np.flatnonzero(pc.fill_null(telling, False).to_numpy(zero_copy_only=False))
    logs = events.select(["service", "message", "mask_id", "attributes"]).take(pa.array(rows))
    service, message = coded(logs.column("service")), coded(logs.column("message"))
    place = coded(_places(logs))
    width = max(len(message.names), 1) + 1
    depth = max(len(place.names), 1) + 1
    key = ((service.codes.astype(np.int64) + 1) * depth + place.codes + 1) * width + message.codes + 1
    distinct, position = np.unique(key, return_inverse=True)
    # Code 0 stands for a missing value; the names are looked up once per distinct row, not rebuilt.
    services, places, messages = ("", *service.names), ("", *place.names), ("", *message.names)
    texts = _texts(
        [
            (services[k // (width * depth)], places[k // width % depth], messages[k % width])
            for k in distinct.tolist()
        ]
    )
    names = sorted(set(texts))
    index = {text: i for i, text in enumerate(names)}
    of_distinct = np.array([index[text] for text in texts], dtype=np.int64)
    codes = of_distinct[position] if len(distinct) else np.zeros(0, np.int64)
    return Templates(rows, codes, tuple(template_id(text) for text in names), tuple(names))


MINED: Final = (
    "event_id", "time_ns", "kind", "service", "severity", "message", "attributes", "mask_id",
)  # fmt: skip
"""The columns of the event table that templates are mined from."""


def mine_templates(events: pa.Table) -> pa.Table:
    """Give the templates of all log records, by id."""
    return mine_batches([events])


def mine_batches(batches: Iterable[pa.Table]) -> pa.Table:
    """Give the templates of all log records, by id; what is held grows with the distinct masked messages."""
    groups: dict[_Key, _Group] = {}
    for events in batches:
        _gather(events, groups)
    keys = sorted(groups)
    texts = _merged([_told(key, groups[key].message) for key in keys])
    of_text: dict[str, list[_Key]] = {}
    for key, text in zip(keys, texts, strict=True):
        of_text.setdefault(text, []).append(key)
    rows = []
    for text, own in of_text.items():
        parts = [groups[key] for key in own]
        first = min(parts, key=lambda part: (part.first, part.event_id))
        rows.append(
            {
                "template_id": template_id(text),
                "template": text,
                "services": sorted({key.service for key in own if key.service}),
                "mask_ids": sorted({key.mask_id for key in own if key.mask_id}),
                "count": sum(part.count for part in parts),
                "severity": max((part.severity for part in parts if part.severity is not None), default=None),
                "first_time_ns": first.first if first.first < _NEVER else None,
                "last_time_ns": max((part.last for part in parts if part.last is not None), default=None),
                "event_id": first.event_id,
                "message": first.message[:_EXAMPLE],
            }
        )
    rows.sort(key=lambda row: str(row["template_id"]))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


class _Key(NamedTuple):
    """What tells log records apart: service, place in the code by attributes and by text, masked message."""

    service: str
    place: str
    named: str
    mask_id: str


@dataclass
class _Group:
    """What is kept of the records of one key: a message, of the first of them, stands for all."""

    count: int
    severity: int | None
    first: int
    last: int | None
    event_id: str
    message: str

    def take(self, other: _Group) -> None:
        """Take the records of another batch."""
        self.count += other.count
        self.severity = max((s for s in (self.severity, other.severity) if s is not None), default=None)
        self.last = max((t for t in (self.last, other.last) if t is not None), default=None)
        if (other.first, other.event_id) < (self.first, self.event_id):
            self.first, self.event_id, self.message = other.first, other.event_id, other.message


def _gather(events: pa.Table, groups: dict[_Key, _Group]) -> None:
    """Add the log records of a batch to the groups."""
    telling = pc.and_(
        pc.equal(events.column("kind").cast(pa.string()), "log"), pc.is_valid(events.column("message"))
    )
    logs = events.filter(pc.fill_null(telling, False)).combine_chunks()
    if not logs.num_rows:
        return
    messages = logs.column("message").combine_chunks()
    masks = pc.coalesce(logs.column("mask_id").combine_chunks(), mask_ids(messages))
    told = [coded(column) for column in (logs.column("service"), _places(logs), _named(messages), masks)]
    key = np.zeros(logs.num_rows, np.int64)
    for part in told:
        # Codes are numbered anew after each column, so that their product never passes 64 bits.
        key = np.unique(key * (len(part.names) + 1) + part.codes + 1, return_inverse=True)[1]
    times = pc.fill_null(logs.column("time_ns").combine_chunks(), _NEVER).to_numpy()
    order = np.lexsort((times, key))
    heads = np.flatnonzero(np.diff(key[order], prepend=-1))
    firsts = times[order][heads]
    lasts = np.maximum.reduceat(np.where(times == _NEVER, -_NEVER, times)[order], heads)
    severities = pc.fill_null(logs.column("severity").cast(pa.int64()), -1).to_numpy()
    highest = np.maximum.reduceat(severities[order], heads)
    counts = np.diff(np.append(heads, len(order)))
    # Among the records of the earliest time the one with the lowest id is the first.
    earliest = order[times[order] == np.repeat(firsts, counts)]
    ids = logs.column("event_id").take(pa.array(earliest)).to_pylist()
    chosen: dict[int, tuple[str, int]] = {}
    for row, code, event_id in zip(earliest.tolist(), key[earliest].tolist(), ids, strict=True):
        chosen[code] = min(chosen.get(code, (event_id, row)), (event_id, row))
    examples = [chosen[code][1] for code in range(len(heads))]
    names = [[("", *part.names)[code] for code in (part.codes[examples] + 1).tolist()] for part in told]
    texts = messages.take(pa.array(examples)).to_pylist()
    for code, (text, *name) in enumerate(zip(texts, *names, strict=True)):
        found = _Group(
            count=int(counts[code]),
            severity=int(highest[code]) if highest[code] >= 0 else None,
            first=int(firsts[code]),
            last=int(lasts[code]) if lasts[code] > -_NEVER else None,
            event_id=chosen[code][0],
            message=text,
        )
        held = groups.setdefault(_Key(*name), found)
        if held is not found:
            held.take(found)


def _named(messages: pa.Array) -> pa.ChunkedArray:
    """Give the place in the code that each message names at its head, if any."""
    heads = pc.utf8_slice_codeunits(messages, 0, _PLACE_WITHIN)
    maybe = pc.match_substring_regex(heads, _MAYBE_PLACE)
    found = []
    if maybe.true_count:
        texts = pc.dictionary_encode(heads.filter(maybe))
        named = pa.array([match[1] if (match := _PLACE.search(text)) else None
                          for text in texts.dictionary.to_pylist()], pa.string())  # fmt: skip
        found = [pc.replace_with_mask(pa.nulls(len(heads), pa.string()), maybe, named.take(texts.indices))]
    return pa.chunked_array(found or [pa.nulls(len(heads), pa.string())])


def _told(key: _Key, message: str) -> tuple[str, str, str]:
    """Give what the template of records is worked out from: its kind, its scope, its text."""
    if key.place:
        # One statement may write several texts; the level of detail stays that of the masked text.
        return ("text", key.service + "\t" + key.place, mask(message))
    return ("place", key.service, key.named) if key.named else ("text", key.service, mask(message))


def template_id(text: str) -> str:
    """Give the id of a template: 16 hex digits of its text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _places(logs: pa.Table) -> pa.Array:
    """Give the place in the code that each record's attributes name, if any."""
    path = lookup(logs, "code.file.path", "code.filepath")
    line = lookup(logs, "code.line.number", "code.lineno")
    return pc.binary_join_element_wise(path, line, ":")


def _texts(distinct: list[tuple[str, str, str]]) -> list[str]:
    """Give the template text of each distinct (service, place, message)."""
    keyed = []
    for service, place, message in distinct:
        head = _PLACE.search(message, 0, _PLACE_WITHIN)
        keyed.append(_told(_Key(service, place, head[1] if head else "", ""), message))
    return _merged(keyed)


def _merged(keyed: list[tuple[str, str, str]]) -> list[str]:
    """Give the template text for each of what `_told` gives."""
    merged = _Merge()
    for kind, scope, text in sorted(set(keyed)):
        if kind == "text":
            merged.add(scope, text)
    return [
        f"{text} {WILDCARD}" if kind == "place" else merged.template(scope, text)
        for kind, scope, text in keyed
    ]


class _Merge:
    """Merge masked messages whose words mostly agree; texts must be added in sorted order."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int, str], list[list[str]]] = {}
        self._of: dict[tuple[str, str], list[str]] = {}

    def add(self, scope: str, text: str) -> None:
        """Put a text into the cluster it agrees with best, or found one."""
        parts = _SPLIT.split(text)[: 2 * MAX_WORDS]
        clusters = self._groups.setdefault((scope, len(parts), parts[0]), [])
        best, agreed = None, 0.0
        for cluster in clusters:
            share = _agreement(cluster, parts)
            if share > agreed:
                best, agreed = cluster, share
        if best is None or agreed < _AGREE:
            best = list(parts)
            clusters.append(best)
        else:
            for index, part in enumerate(parts):
                if best[index] != part:
                    best[index] = WILDCARD
        self._of[(scope, text)] = best

    def template(self, scope: str, text: str) -> str:
        """Give the template that a text ended up in."""
        return "".join(self._of[(scope, text)])


def _agreement(cluster: list[str], parts: list[str]) -> float:
    """Give the share of words (separators aside) that agree; words that look masked count half."""
    words = Counter(cluster[i] == parts[i] for i in range(0, len(parts), 2))
    return words[True] / max(1, words[True] + words[False])
