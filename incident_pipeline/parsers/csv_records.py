"""Split CSV (RFC 4180) into records with byte ranges: quotes, doubled quotes, line ends inside quotes.

The `csv` module reads fields but does not say where a record lies, so records are cut here by the
parity of quotes. A quote that never closes costs one line, not the rest of the file.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS: Final = (",", ";", "\t", "|")
_BOM: Final = b"\xef\xbb\xbf"
_MAX_RECORD: Final = 1024**2


class CsvRecord(NamedTuple):
    """One record: its bytes, its fields, or what is wrong with it."""

    start: int
    end: int
    fields: tuple[str, ...]
    problem: str | None = None


def csv_records(data: bytes, delimiter: str) -> Iterator[CsvRecord]:
    """Give the records that are not blank."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    while at < len(data):
        end, problem = _end_of_record(data, at)
        text = data[at:end]
        stop = at + len(text.rstrip(b"\r\n \t"))
        if stop > at:
            yield _record(data, at, stop, delimiter, problem)
        at = end + 1


def sniff_delimiter(first_line: bytes) -> str:
    """Give the delimiter that the header has most of."""
    text = first_line.decode("utf-8", "replace")
    return max(DELIMITERS, key=text.count)


def _end_of_record(data: bytes, start: int) -> tuple[int, str | None]:
    """Give where the record's line end is, and what is wrong when its quotes never close."""
    at, quotes = start, 0
    first_end = None
    while True:
        end = data.find(b"\n", at)
        if end < 0:
            end = len(data)
        first_end = end if first_end is None else first_end
        quotes += data.count(b'"', at, end)
        if quotes % 2 == 0:
            return end, None
        if end >= len(data) or end - start > _MAX_RECORD:
            return first_end, "a quote that never closes"
        at = end + 1


def _record(data: bytes, start: int, end: int, delimiter: str, problem: str | None) -> CsvRecord:
    if problem is not None:
        return CsvRecord(start, end, (), problem)
    text = data[start:end].decode("utf-8", "replace")
    try:
        rows = list(csv.reader([text], delimiter=delimiter))
    except csv.Error as error:
        return CsvRecord(start, end, (), f"no CSV: {error}")
    return CsvRecord(start, end, tuple(field for row in rows for field in row))
