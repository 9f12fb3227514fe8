"""Columns of the event table as numpy arrays, attributes included.

Parsers keep the names of their sources (`st`, `http.status_code`, `alertname`), so an attribute is
asked for by all its usual names. Names follow OpenTelemetry's semantic conventions first, then the
habits of access logs and alert managers. Everything is vectorised: tables have up to millions of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NO_TIME: Final = np.iinfo(np.int64).min
"""Stands for an unknown time in integer arrays."""

HTTP_STATUS: Final = (
    "http.response.status_code", "http.status_code", "http.response.code", "status_code", "status", "st",
    "code", "response", "sc-status", "elb_status_code", "statuscode", "downstreamstatus",
)  # fmt: skip
HTTP_REQUEST: Final = (
    "http.request.method", "http.method", "method", "m", "verb", "request_method", "url.path", "url.full",
    "url.original", "http.target", "http.url", "uri", "path", "request", "request_uri", "http.route",
    "cs-method",
)  # fmt: skip
SPAN_KIND: Final = ("span.kind", "span_kind", "kind", "otel.span.kind")
SPAN_STATUS: Final = ("status.code", "otel.status_code", "status_code", "status", "error")
PEER: Final = ("peer.service", "server.address", "net.peer.name", "peer.hostname", "peer")

_SERVER: Final = frozenset({"server", "2", "span_kind_server", "consumer", "5", "span_kind_consumer"})
_CLIENT: Final = frozenset({"client", "3", "span_kind_client", "producer", "4", "span_kind_producer"})
_ERROR: Final = frozenset({"error", "2", "status_code_error", "true"})
_SERVER_ERROR: Final = 500
_ERROR_SEVERITY: Final = 17
"""OpenTelemetry's ERROR."""


def attribute(table: pa.Table, names: tuple[str, ...]) -> NDArray[np.object_]:
    """Give per row the first of these attributes that it has, else None.

    A key counts as `status` when it is `status` or ends in `.status`; earlier names win. Case aside.
    """
    out = np.full(table.num_rows, None, dtype=object)
    if not table.num_rows:
        return out
    column = table.column("attributes").combine_chunks()
    maps = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    # Offsets count in `keys` from its start also where the array is a slice of a longer one.
    offsets = maps.offsets.to_numpy()
    keys = maps.keys.dictionary_encode()
    codes = keys.indices.to_numpy(zero_copy_only=False)
    ranks = [_rank(str(key).lower(), names) for key in keys.dictionary.to_pylist()]
    for rank in sorted({rank for rank in ranks if rank is not None}, reverse=True):
        hits = np.flatnonzero(np.isin(codes, [code for code, value in enumerate(ranks) if value == rank]))
        rows = np.searchsorted(offsets, hits, side="right") - 1
        inside = (rows >= 0) & (rows < table.num_rows)
        out[rows[inside]] = np.array(maps.items.take(pa.array(hits[inside])).to_pylist(), dtype=object)
    return out


def _rank(spelling: str, names: tuple[str, ...]) -> int | None:
    for rank, name in enumerate(names):
        if spelling == name or spelling.endswith("." + name):
            return rank
    return None


def times(table: pa.Table, column: str = "time_ns") -> NDArray[np.int64]:
    """Give a time column in UTC nanoseconds, `NO_TIME` where it is unknown."""
    filled = pc.fill_null(table.column(column), NO_TIME)
    return np.asarray(filled.to_numpy(), dtype=np.int64)


def strings(table: pa.Table, column: str) -> NDArray[np.object_]:
    """Give a text column as objects, None where it is null."""
    out: NDArray[np.object_] = np.asarray(table.column(column).to_numpy(), dtype=object)
    return out


def http_status(table: pa.Table) -> NDArray[np.int64]:
    """Give the HTTP status of each row, 0 where there is none."""
    return np.asarray(_mapped(attribute(table, HTTP_STATUS), _status, 0), dtype=np.int64)


def _status(text: str) -> int:
    digits = text.strip()
    is_status = len(digits) == 3 and digits.isascii() and digits.isdigit() and "1" <= digits[0] <= "5"  # noqa: PLR2004 - an HTTP status has three digits
    return int(digits) if is_status else 0


def is_request(table: pa.Table) -> NDArray[np.bool_]:
    """Say of each row whether it names an HTTP method or path."""
    return np.asarray(attribute(table, HTTP_REQUEST) != None, dtype=bool)  # noqa: E711 - elementwise on objects


def is_server_span(table: pa.Table) -> NDArray[np.bool_]:
    """Say of each span whether it serves a request."""
    return _in(attribute(table, SPAN_KIND), _SERVER)


def is_client_span(table: pa.Table) -> NDArray[np.bool_]:
    """Say of each span whether it calls somebody else."""
    return _in(attribute(table, SPAN_KIND), _CLIENT)


def is_error(table: pa.Table) -> NDArray[np.bool_]:
    """Say of each row whether it reports an error: severity, span status or a 5xx status."""
    severity = pc.fill_null(table.column("severity"), 0).to_numpy()
    spans = strings(table, "kind") == "span"
    failed = _in(attribute(table, SPAN_STATUS), _ERROR) & spans
    return np.asarray((severity >= _ERROR_SEVERITY) | failed | (http_status(table) >= _SERVER_ERROR))


def _in(values: NDArray[np.object_], allowed: frozenset[str]) -> NDArray[np.bool_]:
    mapped = _mapped(values, lambda text: int(text.strip().lower() in allowed), 0)
    return np.asarray(mapped, dtype=bool)


def _mapped(values: NDArray[np.object_], convert: Callable[[str], int], missing: int) -> NDArray[np.int64]:
    """Convert texts that repeat a lot: each distinct one once."""
    encoded = pa.array(values, pa.string()).dictionary_encode()
    distinct = [convert(text) for text in encoded.dictionary.to_pylist()]
    codes = pc.fill_null(encoded.indices, len(distinct)).to_numpy()
    return np.asarray(np.array([*distinct, missing], dtype=np.int64)[codes], dtype=np.int64)
