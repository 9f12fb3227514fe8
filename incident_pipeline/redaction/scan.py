"""Find all that must be redacted, in a whole text or in one that comes in chunks: the same either way.

A text is looked at in windows of fixed size, each with a margin on both sides that is wider than any
rule looks. A window answers for the stretches that begin in its core. So memory is bounded, and where
chunks end makes no difference: they are cut anew before anything is looked at.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from incident_pipeline.redaction.encoded import find_encoded
from incident_pipeline.redaction.formats import find_formats
from incident_pipeline.redaction.keyed import find_keyed
from incident_pipeline.redaction.personal import find_personal
from incident_pipeline.redaction.spans import Found, Rules, Text, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WINDOW: Final = 1_048_576
MARGIN: Final = 65_536
"""Wider than the longest stretch (a private key, a value in base64) with the name before it."""
DEPTH: Final = 2
"""Disguises within disguises that are followed."""


def find(data: bytes, rules: Rules | None = None) -> list[Found]:
    """Give the stretches of a whole text, in order, none overlapping another."""
    return list(find_in_chunks((data,), rules))


def find_in_chunks(
    chunks: Iterable[bytes],
    rules: Rules | None = None,
    *,
    window: int = WINDOW,
    margin: int = MARGIN,
) -> Iterator[Found]:
    """Give the stretches of a text that comes in chunks of any size, with places in the whole text."""
    rules = rules or Rules()
    last: Found | None = None
    for begin, core, core_end, data in _windows(chunks, window, margin):
        for found in _look(Text(data, rules), DEPTH):
            if not core <= begin + found.start < core_end:
                continue
            placed = Found(begin + found.start, begin + found.end, found.kind)
            if last is not None and placed.start < last.end:
                last = last._replace(end=max(last.end, placed.end))
                continue
            if last is not None:
                yield last
            last = placed
    if last is not None:
        yield last


def _windows(chunks: Iterable[bytes], window: int, margin: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Cut chunks into (where the bytes begin, core begin, core end, bytes)."""
    held = bytearray()
    begin = core = 0
    for chunk in chunks:
        held += chunk
        while begin + len(held) >= core + window + margin:
            stop = core + window + margin - begin
            yield begin, core, core + window, bytes(held[:stop])
            core += window
            drop = max(0, core - margin - begin)
            del held[:drop]
            begin += drop
    if begin + len(held) > core:
        # What is left may be longer than a window by less than its margin.
        if begin + len(held) > core + window:
            yield begin, core, core + window, bytes(held)
            core += window
            drop = max(0, core - margin - begin)
            del held[:drop]
            begin += drop
        yield begin, core, begin + len(held), bytes(held)


def _look(text: Text, depth: int) -> list[Found]:
    return merged(
        chain(find_formats(text), find_keyed(text), find_personal(text), find_encoded(text, _look, depth))
    )
