"""Mask what varies in a message, so that messages of one template become equal.

Masks are applied in a fixed order: colour codes away, then paths, identifiers, times, addresses,
numbers with their units, and hex. The patterns keep to what RE2 and `re` read alike, so a single
message and a whole column (masked once per distinct message) give the same text.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
_NEEDED: Final = ("\x1b", "/", "-", ":", ".", ":", "", "")
"""What a message must hold for each of the masks to change it: looked for first, it costs little."""
_DIGIT: Final = re.compile("[0-9]")
_ALIKE: Final = np.arange(256, dtype=np.uint8)
_ALIKE[ord("2") : ord("9") + 1] = ord("1")
_ALIKE[ord("0")] = ord("1")
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
    """Give the mask ids of a string column; null stays null.

    No mask tells one digit from another, so messages that differ in digits only are masked once, unless
    digits are left over in the masked text.
    """
    alike = _without_digits(messages)
    encoded = pc.dictionary_encode(alike)
    ids, settled = _ids_of(encoded.dictionary)
    found = ids.take(encoded.indices)
    if settled.all():
        return found
    open_ = ~settled[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    chosen = pa.array(open_)
    own = pc.dictionary_encode(messages.filter(chosen))
    rest, _ = _ids_of(own.dictionary)
    return pc.replace_with_mask(found, chosen, rest.take(own.indices))


def _ids_of(messages: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Give the mask ids of distinct messages, and whether no digit is left in the masked text."""
    masked = messages
    for (pattern, text), needed in zip(_MASKS, _NEEDED, strict=True):
        masked = _replace(masked, pattern, text, needed)
    distinct = pc.dictionary_encode(masked)
    texts = distinct.dictionary.to_pylist()
    ids = pa.array([_id_of(text) for text in texts], pa.string()).take(distinct.indices)
    without = np.array([_DIGIT.search(text) is None for text in texts], bool)
    return ids, without[distinct.indices.to_numpy(zero_copy_only=False)] if texts else without


def _replace(messages: pa.Array, pattern: str, text: str, needed: str) -> pa.Array:
    """Replace what a pattern finds, which looks only at messages that hold `needed`."""
    if not needed:
        return pc.replace_substring_regex(messages, pattern=pattern, replacement=text)
    holding = pc.match_substring(messages, needed)
    count = holding.true_count
    if count == len(messages):
        return pc.replace_substring_regex(messages, pattern=pattern, replacement=text)
    if not count:
        return messages
    found = pc.replace_substring_regex(messages.filter(holding), pattern=pattern, replacement=text)
    return pc.replace_with_mask(messages, holding, found)


def _without_digits(messages: pa.Array) -> pa.Array:
    """Give the messages with every digit as 1; the 0 of `0x`, which the mask of hex asks for, stays."""
    _, offsets, data = messages.buffers()
    if data is None or not len(messages):
        return messages
    text = np.frombuffer(data, np.uint8)
    alike = _ALIKE[text]
    marks = np.flatnonzero((text[:-1] == ord("0")) & (text[1:] == ord("x")))
    alike[marks] = ord("0")
    return pa.Array.from_buffers(
        pa.string(),
        len(messages),
        [messages.buffers()[0], offsets, pa.py_buffer(alike)],
        offset=messages.offset,
    )


def _id_of(masked: str) -> str:
    return hashlib.sha256(masked.encode()).hexdigest()[:16]
