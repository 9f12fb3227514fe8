"""The redacted form of the event table and of the series: what all stages after parsing read.

Parsed text has no offsets of its own, so two ways lead to a redacted row: the rules look at every
distinct text (and at attributes with their names), and what the artifact's span map marks inside the
bytes of a row is replaced in the row's text too. The second way catches what only its surroundings give
away, such as one line of a private key. Ids, times and places stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.evidence import spans_within
from incident_pipeline.redaction.keyed import accepted, kind_of_key
from incident_pipeline.redaction.scan import find
from incident_pipeline.redaction.spans import Rules
from incident_pipeline.redaction.tokens import plain_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from incident_pipeline.model.redaction import RedactedSpan
    from incident_pipeline.redaction.tokens import TokenKey

TEXT_COLUMNS: Final = ("message", "actor", "host", "source", "severity_raw")
NAME_COLUMNS: Final = ("service",)
"""Names of components: a public address may be one, and then it is the system's and not a person's."""

_BORDER: Final = b"\n\0\n"
_SHORTEST: Final = 4
"""Bytes: what is shorter would be replaced by chance."""


@dataclass(frozen=True)
class Redactor:
    """Redacts texts of one incident."""

    key: TokenKey
    incident: str
    rules: Rules

    def texts(self, texts: Sequence[str], names: Sequence[str] | None = None) -> list[str]:
        """Redact texts; `names` are the names of the fields they are values of."""
        heads = [f"{name}=".encode() for name in names] if names else [b""] * len(texts)
        raw = [text.encode("utf-8", "surrogatepass").replace(b"\0", b"\1") for text in texts]
        whole = bytearray()
        begins = []
        for head, text in zip(heads, raw, strict=True):
            whole += _BORDER + head
            begins.append(len(whole))
            whole += text
        data = bytes(whole)
        found = find(data, self.rules)
        starts, ends = [one.start for one in found], [one.end for one in found]
        redacted = []
        for index, (text, begin) in enumerate(zip(raw, begins, strict=True)):
            kind = kind_of_key(names[index].encode(), self.rules) if names else None
            if kind is not None and accepted(text, kind):
                redacted.append(self.key.token(self.incident, kind, text))
                continue
            within = spans_within(starts, ends, begin, begin + len(text))
            if not within:
                redacted.append(texts[index])
                continue
            parts, at = [], begin
            for place in within:
                start, end = max(begin, starts[place]), min(begin + len(text), ends[place])
                token = self.key.token(self.incident, found[place].kind, data[start:end])
                parts += [data[at:start], token.encode()]
                at = end
            parts.append(data[at : begin + len(text)])
            redacted.append(b"".join(parts).decode("utf-8", "replace"))
        return redacted

    def text(self, text: str) -> str:
        """Redact one text."""
        return self.texts([text])[0]


def redact_events(
    events: pa.Table,
    redactor: Redactor,
    spans: Mapping[str, Sequence[RedactedSpan]],
    decoded: Callable[[str], bytes],
) -> tuple[pa.Table, int]:
    """Redact an event table; give it with the number of rows that changed.

    Args:
        events: the table as parsed (schema `parsers.table.EVENTS`).
        redactor: of the incident.
        spans: what was found in the artifacts, by digest.
        decoded: gives the decoded stream of an artifact.
    """
    quiet = Redactor(redactor.key, redactor.incident, Rules("none", redactor.rules.keys))
    columns = {name: _column(events.column(name), redactor) for name in TEXT_COLUMNS}
    columns |= {name: _column(events.column(name), quiet) for name in NAME_COLUMNS}
    attributes = _map(events.column("attributes"), redactor)
    marked = _marked_rows(events, spans, decoded)
    if marked:
        columns["message"] = _replace(columns["message"], marked)
        columns["actor"] = _replace(columns["actor"], marked)
        attributes = _replace_in_map(attributes, marked)
    table = events
    for name, column in (*columns.items(), ("attributes", attributes)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, events.schema.field(name), column)
    changed = np.zeros(events.num_rows, bool)
    for name in (*TEXT_COLUMNS, *NAME_COLUMNS):
        changed |= _differs(events.column(name), table.column(name))
    changed |= _map_differs(events.column("attributes"), attributes)
    return table, int(changed.sum())


def redact_series(series: pa.Table, redactor: Redactor) -> tuple[pa.Table, int]:
    """Redact names and labels of the series; give the table with the number of rows that changed."""
    labels = _map(series.column("labels"), redactor)
    place = series.schema.get_field_index("labels")
    table = series.set_column(place, series.schema.field("labels"), labels)
    return table, int(_map_differs(series.column("labels"), labels).sum())


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return flat.cast(pa.string()) if pa.types.is_dictionary(flat.type) else flat


def _column(column: pa.ChunkedArray, redactor: Redactor) -> pa.Array:
    """Redact a text column: every distinct value once."""
    encoded = pc.dictionary_encode(_flat(column))
    texts = [str(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(redactor.texts(texts), pa.string()).take(encoded.indices)


def _map(column: pa.ChunkedArray, redactor: Redactor) -> pa.Array:
    """Redact the values of a map column: every distinct pair of name and value once."""
    maps = column.combine_chunks()
    keys, items = _flat(maps.keys), _flat(maps.items)
    if not len(keys):
        return maps
    names, values = pc.dictionary_encode(keys), pc.dictionary_encode(items)
    width = len(values.dictionary) + 1
    codes = np.asarray(names.indices, np.int64) * width + np.asarray(
        pc.fill_null(values.indices, width - 1), np.int64
    )
    distinct, back = np.unique(codes, return_inverse=True)
    held = distinct % width < width - 1
    name_texts, value_texts = names.dictionary.to_pylist(), values.dictionary.to_pylist()
    pairs = distinct[held].tolist()
    redacted = redactor.texts(
        [value_texts[code % width] for code in pairs], [name_texts[code // width] for code in pairs]
    )
    by_code: list[str | None] = [None] * len(distinct)
    for place, text in zip(np.flatnonzero(held).tolist(), redacted, strict=True):
        by_code[place] = text
    return _with_items(maps, keys, pa.array(by_code, pa.string()).take(pa.array(back)))


def _with_items(maps: pa.Array, keys: pa.Array, items: pa.Array) -> pa.Array:
    """Give the same maps with other values."""
    # `keys` and `items` are cut to what the offsets span, so offsets count from the first.
    offsets = np.asarray(maps.offsets, np.int32)
    missing = np.append(np.asarray(maps.is_null().to_numpy(zero_copy_only=False), bool), [False])
    return pa.MapArray.from_arrays(pa.array(offsets - offsets[0], pa.int32(), mask=missing), keys, items)


def _marked_rows(
    events: pa.Table, spans: Mapping[str, Sequence[RedactedSpan]], decoded: Callable[[str], bytes]
) -> dict[int, list[tuple[str, str]]]:
    """Give per row the texts (as they may stand in it) that the span map marks in its bytes, with tokens."""
    digests = _flat(events.column("artifact_sha256")).to_pylist()
    begins, stops = events.column("byte_start").to_pylist(), events.column("byte_end").to_pylist()
    marked: dict[int, list[tuple[str, str]]] = {}
    starts = {sha256: [span.offset for span in found] for sha256, found in spans.items() if found}
    ends = {sha256: [span.offset + span.length for span in spans[sha256]] for sha256 in starts}
    for row, (sha256, begin, stop) in enumerate(zip(digests, begins, stops, strict=True)):
        if sha256 not in starts or begin is None or stop is None:
            continue
        for place in spans_within(starts[sha256], ends[sha256], begin, stop):
            span = spans[sha256][place]
            data = decoded(sha256)[max(begin, span.offset) : min(stop, span.offset + span.length)]
            if len(data) >= _SHORTEST:
                marked.setdefault(row, []).extend((form, span.token) for form in _forms(data))
    return marked


def _forms(raw: bytes) -> Iterable[str]:
    """Give how raw bytes may read in a parsed text: as they are, and with JSON escapes undone."""
    return dict.fromkeys((raw.decode(errors="replace"), plain_value(raw).decode(errors="replace")))


def _replace(column: pa.Array, marked: Mapping[int, list[tuple[str, str]]]) -> pa.Array:
    texts = column.to_pylist()
    for row, pairs in marked.items():
        if texts[row]:
            texts[row] = _without(texts[row], pairs)
    return pa.array(texts, pa.string())


def _replace_in_map(maps: pa.Array, marked: Mapping[int, list[tuple[str, str]]]) -> pa.Array:
    offsets = np.asarray(maps.offsets)
    items = maps.items.to_pylist()
    for row, pairs in marked.items():
        for place in range(int(offsets[row] - offsets[0]), int(offsets[row + 1] - offsets[0])):
            if items[place]:
                items[place] = _without(items[place], pairs)
    return _with_items(maps, _flat(maps.keys), pa.array(items, pa.string()))


def _without(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for value, token in pairs:
        if value in text:
            text = text.replace(value, token)
    return text


def _differs(before: pa.ChunkedArray, after: pa.ChunkedArray) -> np.ndarray:
    unequal = pc.not_equal(_flat(before), _flat(after))
    return np.asarray(pc.fill_null(unequal, False).to_numpy(zero_copy_only=False), bool)


def _map_differs(before: pa.ChunkedArray, after: pa.Array) -> np.ndarray:
    old = before.combine_chunks()
    changed = _differs(pa.chunked_array([old.items]), pa.chunked_array([after.items]))
    offsets = np.asarray(after.offsets)
    total = np.concatenate([[0], np.cumsum(changed)])
    return np.asarray(total[offsets[1:] - offsets[0]] - total[offsets[:-1] - offsets[0]] > 0)
