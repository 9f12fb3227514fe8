"""Scan the `[time, "value"]` pairs of a Prometheus series with their byte ranges.

One regular expression walks the pairs and must tile the array without gaps; where it does not, the
array is read element by element and what is no pair is named as broken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.parsers.jsontext import elements, text_of
from incident_pipeline.parsers.timestamps import parse_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIR: Final = re.compile(
    rb'[ \t\r\n]*(\[[ \t\r\n]*([0-9][0-9.eE+]*)[ \t\r\n]*,[ \t\r\n]*"([^"\\]*)"[ \t\r\n]*\])[ \t\r\n]*([,\]])'
)


@dataclass
class Pairs:
    """Columns of measurements, and the ranges that are none."""

    times: list[int | None] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    broken: list[tuple[int, int, str]] = field(default_factory=list)


def scan_pairs(array: bytes, base: int) -> Pairs:
    """Read a JSON array of pairs that stands at `base`; every series of a query shares its time texts."""
    pairs = Pairs()
    at = 1
    closed = array.strip() == b"[]"
    while not closed:
        match = _PAIR.match(array, at)
        if match is None or not _take(pairs, match[2], match[3], base + match.start(1), base + match.end(1)):
            return _scan_slowly(array, base)
        at = match.end()
        closed = match[4] == b"]"
    return pairs if array[at:].strip() in (b"", b"]") else _scan_slowly(array, base)


def _take(pairs: Pairs, time: bytes, value: bytes, start: int, end: int) -> bool:
    time_ns = _time_ns(time)
    if time_ns is None:
        return False
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    pairs.times.append(time_ns)
    pairs.values.append(number if number == number else None)  # noqa: PLR0124 - NaN
    pairs.starts.append(start)
    pairs.ends.append(end)
    return True


@lru_cache(maxsize=65_536)
def _time_ns(text: bytes) -> int | None:
    """Read a time; the series of one query share theirs, so each text is read once."""
    return parse_epoch(text.decode(), "s").time_ns


def _scan_slowly(array: bytes, base: int) -> Pairs:
    pairs = Pairs()
    for record in elements(array, 0, len(array)):
        start, end = base + record.start, base + record.end
        pair = record.value
        good = (
            isinstance(pair, list)
            and len(pair) == 2  # noqa: PLR2004 - a pair
            and not isinstance(pair[0], (dict, list, bool))
            and not isinstance(pair[1], (dict, list))
            and _take(pairs, text_of(pair[0]).encode(), text_of(pair[1]).encode(), start, end)
        )
        if not good:
            pairs.broken.append((start, end, record.problem or "no pair of time and value"))
    return pairs


def histogram_pairs(array: bytes, base: int) -> Iterator[tuple[str, Pairs]]:
    """Read an array of `[time, {count, sum, buckets}]` as two sets of pairs, `_count` and `_sum`."""
    found = {"_count": Pairs(), "_sum": Pairs()}
    for record in elements(array, 0, len(array)):
        start, end = base + record.start, base + record.end
        pair: Any = record.value
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict)):  # noqa: PLR2004 - a pair
            found["_count"].broken.append((start, end, record.problem or "no pair of time and histogram"))
            continue
        for suffix, pairs in found.items():
            member = pair[1].get(suffix[1:])
            if member is not None:
                _take(pairs, text_of(pair[0]).encode(), text_of(member).encode(), start, end)
    yield from found.items()
