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
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.parsers.masking import mask
from incident_pipeline.signals.attributes import coded, lookup

if TYPE_CHECKING:
    from numpy.typing import NDArray

WILDCARD: Final = "<*>"
MAX_WORDS: Final = 60
"""Words beyond these do not tell templates apart: they are payload."""
_AGREE: Final = 0.6
_PLACE: Final = re.compile(
    r"(?:^|[\s\[(])((?:[A-Za-z_$][\w$]*[./])*[A-Za-z_$][\w$]*(?:#|\.[a-z]{1,4}:)\d{1,6})(?=$|[\s\])]|:\s)"
)
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
    found = assign_templates(events)
    logs = events.take(pa.array(found.rows))
    table = pa.table(
        {
            "template": pa.array(found.codes),
            "service": logs.column("service").cast(pa.string()),
            "mask_id": logs.column("mask_id"),
            "severity": logs.column("severity"),
            "time_ns": logs.column("time_ns"),
            "event_id": logs.column("event_id"),
            "message": logs.column("message"),
        }
    ).sort_by([("template", "ascending"), ("time_ns", "ascending"), ("event_id", "ascending")])
    edges = np.searchsorted(table.column("template").to_numpy(), np.arange(len(found.ids) + 1))
    rows = []
    for code, template_id in enumerate(found.ids):
        part = table.slice(int(edges[code]), int(edges[code + 1] - edges[code]))
        first = part.slice(0, 1).to_pylist()[0]
        times = pc.min_max(part.column("time_ns")).as_py()
        rows.append(
            {
                "template_id": template_id,
                "template": found.texts[code],
                "services": sorted({s for s in pc.unique(part.column("service")).to_pylist() if s}),
                "mask_ids": sorted({m for m in pc.unique(part.column("mask_id")).to_pylist() if m}),
                "count": part.num_rows,
                "severity": pc.max(part.column("severity")).as_py(),
                "first_time_ns": times["min"],
                "last_time_ns": times["max"],
                "event_id": first["event_id"],
                "message": None if first["message"] is None else first["message"][:_EXAMPLE],
            }
        )
    rows.sort(key=lambda row: str(row["template_id"]))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


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
    merged = _Merge()
    keyed: list[tuple[str, str, str]] = []
    for service, place, message in distinct:
        head = _PLACE.search(message, 0, _PLACE_WITHIN)
        found = head[1] if head else ""
        if place:
            # One statement may write several texts; the level of detail stays that of the masked text.
            keyed.append(("text", service + "\t" + place, mask(message)))
        elif found:
            keyed.append(("place", service, found))
        else:
            keyed.append(("text", service, mask(message)))
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
