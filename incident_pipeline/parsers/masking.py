"""Mask what varies in a message, so that messages of one template become equal.

Masks are applied in a fixed order: colour codes away, then paths, identifiers, times, addresses,
numbers with their units, and hex. The patterns keep to what RE2 and `re` read alike, so a single
message and a whole column (masked once per distinct message) give the same text.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_TIME: Final = (
    r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_MASKS: Final = (
    (r"\x1b\[[0-9;?]*[ -/]*[@-~]", ""),
    (r"""(^|[ "'=(\[,:>])(?:[a-z][a-z0-9+.-]*://|/)[^ "'<>()\[\],;|]+""", r"\1<path>"),
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<uuid>"),
    (_TIME, "<time>"),
    (r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?\b", "<ip>"),
    (r"\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b", "<ip>"),
    (r"\b[0-9]+(?:[.,:][0-9]+)*(?:e[+-]?[0-9]+)?(?:ns|us|ms|s|m|h|d|B|[kKMGT]i?B)?\b", "<num>"),
    (r"\b(?:0x[0-9a-fA-F]+|[0-9a-fA-F]{7,})\b", "<hex>"),
)  # fmt: skip
_COMPILED: Final = tuple((re.compile(pattern, re.ASCII), text) for pattern, text in _MASKS)


def mask(message: str) -> str:
    """Give the message with what varies replaced by placeholders."""
    for pattern, text in _COMPILED:
        message = pattern.sub(text, message)
    return message


def mask_id(message: str) -> str:
    """Give the id of a message's masked text: 16 hex digits of its SHA-256."""
    return _id_of(mask(message))


def mask_ids(messages: pa.Array) -> pa.Array:
    """Give the mask ids of a string column; null stays null."""
    encoded = pc.dictionary_encode(messages)
    masked = encoded.dictionary
    for pattern, text in _MASKS:
        masked = pc.replace_substring_regex(masked, pattern=pattern, replacement=text)
    distinct = pc.dictionary_encode(masked)
    ids = pa.array([_id_of(text) for text in distinct.dictionary.to_pylist()], pa.string())
    return ids.take(distinct.indices).take(encoded.indices)


def _id_of(masked: str) -> str:
    return hashlib.sha256(masked.encode()).hexdigest()[:16]
