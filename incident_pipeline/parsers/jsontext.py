"""JSON as evidence holds it: exact numbers, byte ranges of records, and values flattened to text.

RFC 8259 read strictly first (msgspec), then leniently: NaN and Infinity, control characters in
strings, bytes that are no UTF-8 and lone surrogates occur in real logs and must not lose the record.
Numbers with a fraction keep their text, because a float64 can't hold epoch seconds with nanoseconds.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE: Final = b" \t\r\n"
_GAP: Final = re.compile(rb"[ \t\r\n,]*")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STRUCTURE: Final = re.compile(rb'[\[\]{}"]')
_SCALAR: Final = re.compile(rb"[^\s,\[\]{}\"]+")
_BOM: Final = b"\xef\xbb\xbf"
_MAX_DEPTH: Final = 24
"""Deeper objects stay JSON text in one attribute."""
_TOO_DEEP: Final = 100
"""No record of a system is nested like this; code that walks values may recurse that far."""


class Number(str):
    """The text of a JSON number that has a fraction or an exponent."""

    __slots__ = ()


class NotJsonError(ValueError):
    """Bytes are no JSON value; the text says why."""


class Record(NamedTuple):
    """One JSON value: its bytes, its pointer when it is not the whole line, or what is wrong."""

    start: int
    end: int
    pointer: str | None
    value: Any
    problem: str | None = None


_DECODER: Final = msgspec.json.Decoder(float_hook=Number)
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def decode_json(data: bytes | memoryview) -> Any:
    """Decode one JSON value; numbers with a fraction come as `Number`.

    Raises:
        NotJsonError: it is none, even read leniently.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_leniently(bytes(data))
    except RecursionError as error:
        raise NotJsonError("nested too deeply") from error


def _decode_leniently(data: bytes) -> Any:
    text = data.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_float=Number, parse_constant=Number, strict=False)
        return _scrub(value) if "\\u" in text else value
    except RecursionError as error:
        raise NotJsonError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise NotJsonError(f"no JSON: {error.msg} at character {error.pos}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise NotJsonError(f"no usable JSON: {str(error)[:80]}") from error


def _scrub(value: Any) -> Any:
    """Replace lone surrogates, which no UTF-8 column can hold."""
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    return value


def lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Give the ranges of the lines that are not blank, without byte order mark and white space around."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    size = len(data)
    while at < size:
        end = data.find(b"\n", at)
        if end < 0:
            end = size
        start, stop = at, end
        if stop > start and (data[stop - 1] in _SPACE or data[start] in _SPACE):
            line = data[start:stop]
            start += len(line) - len(line.lstrip())
            stop = start + len(line.strip())
        if stop > start:
            yield start, stop
        at = end + 1


def records(data: bytes) -> Iterator[Record]:
    """Give the records of an artifact: JSON lines, or the elements of a top-level list, or the document.

    A list that stands on a line gives its elements with pointers. Broken lines, and what follows the
    last whole element of a cut-off list, come as records with a problem.
    """
    for start, end in documents(data):
        if data[start : start + 1] == b"[":
            yield from elements(data, start, end)
            continue
        yield _record(data, start, end, None)


def documents(data: bytes) -> Iterator[tuple[int, int]]:
    """Give the ranges of the JSON documents in an artifact: one per line, or documents over many lines.

    Documents that follow each other are told apart by their brackets; a line between them that is no
    JSON comes as it is, and so do all lines from a document on that has no end.
    """
    first = next(lines(data), None)
    if first is None:
        return
    if is_json(data[first[0] : first[1]]) or data[first[0] : first[0] + 1] not in (b"{", b"["):
        yield from lines(data)
        return
    whole = (first[0], len(data.rstrip(_SPACE)))
    if is_json(data[whole[0] : whole[1]]):
        yield whole
        return
    stop = value_end(data, *whole)
    if stop is None or not is_json(data[whole[0] : stop]):
        # Broken: a list gives its whole elements, other lines are told apart one by one.
        if data[whole[0] : whole[0] + 1] == b"[":
            yield whole
        else:
            yield from lines(data)
        return
    yield from _row_of(data, whole[0], whole[1])


def _row_of(data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Give the documents that stand one after the other, and the lines between them."""
    while at < end:
        stop = value_end(data, at, end) if data[at : at + 1] in (b"{", b"[") else None
        if stop is None or not is_json(data[at:stop]):
            newline = data.find(b"\n", at, end)
            stop = len(data[: newline if newline >= 0 else end].rstrip(_SPACE))
        yield at, stop
        at = stop
        while at < end and data[at : at + 1] in _SPACE:
            at += 1


def elements(data: bytes, start: int, end: int, pointer: str = "") -> Iterator[Record]:
    """Give the elements of the JSON array that stands at `start`, each with its pointer below `pointer`."""
    try:
        raws = _RAWS.decode(memoryview(data)[start:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from _salvage(data, start, end, pointer)
        return
    at = start + 1
    for index, raw in enumerate(raws):
        at = _after_gap(data, at)
        stop = at + len(memoryview(raw))
        yield _record(data, at, stop, f"{pointer}/{index}")
        at = stop


def _salvage(data: bytes, start: int, end: int, pointer: str) -> Iterator[Record]:
    """Give the whole elements of a broken or lenient array, then what is left as a problem.

    The brackets of a broken list of the top level are problems too: they may stand alone on their lines.
    """
    at = _after_gap(data, start + 1)
    index = 0
    broken = False
    while at < end and data[at : at + 1] != b"]":
        stop = value_end(data, at, end)
        if stop is None:
            broken = True
            break
        record = _record(data, at, stop, f"{pointer}/{index}")
        broken = broken or record.problem is not None
        yield record
        at = _after_gap(data, stop)
        index += 1
    if at < end and data[at : at + 1] != b"]":
        yield Record(at, end, None, None, "the list is cut off or broken here")
    elif data[at + 1 : end].strip():
        yield Record(at + 1, end, None, None, "text after the end of the list")
        broken = True
    if pointer == "" and (broken or at >= end):
        yield Record(start, start + 1, None, None, "the beginning of a list that is broken")
        if data[at : at + 1] == b"]" and at < end:
            yield Record(at, at + 1, None, None, "the end of a list that is broken")


def _record(data: bytes, start: int, end: int, pointer: str | None) -> Record:
    raw = data[start:end]
    if too_deep(raw):
        return Record(start, end, None, None, "nested too deeply")
    try:
        return Record(start, end, pointer, decode_json(raw))
    except NotJsonError as error:
        return Record(start, end, None, None, str(error))


def value_end(data: bytes, at: int, end: int) -> int | None:
    """Give where the JSON value at `at` ends, by its brackets and quotes; None when it is cut off."""
    first = data[at : at + 1]
    if first not in (b"{", b"["):
        match = (_STRING if first == b'"' else _SCALAR).match(data, at, end)
        return match.end() if match else None
    depth = 0
    while True:
        match = _STRUCTURE.search(data, at, end)
        if match is None:
            return None
        at = match.end()
        if match[0] == b'"':
            string = _STRING.match(data, match.start(), end)
            if string is None:
                return None
            at = string.end()
            continue
        depth += 1 if match[0] in b"{[" else -1
        if depth == 0:
            return at


def too_deep(data: bytes) -> bool:
    """Tell whether a JSON value is nested so deeply that it can't be a record."""
    if data.count(b"[") + data.count(b"{") <= _TOO_DEEP:
        return False
    depth = at = 0
    while match := _STRUCTURE.search(data, at):
        at = match.end()
        if match[0] == b'"':
            string = _STRING.match(data, match.start())
            at = string.end() if string else len(data)
            continue
        depth += 1 if match[0] in b"{[" else -1
        if depth > _TOO_DEEP:
            return True
    return False


def _after_gap(data: bytes, at: int) -> int:
    match = _GAP.match(data, at)
    return match.end() if match else at


def is_json(data: bytes) -> bool:
    """Tell whether bytes are one JSON value, read leniently."""
    try:
        decode_json(data)
    except NotJsonError:
        return False
    return True


def flatten(value: dict[str, Any]) -> dict[str, str]:
    """Give nested objects as one level with dotted keys, values as text, nulls left out, lists as JSON."""
    flat: dict[str, str] = {}
    _flatten_into(flat, value, "", 0)
    return flat


def _flatten_into(flat: dict[str, str], value: dict[str, Any], prefix: str, depth: int) -> None:
    for key, item in value.items():
        if type(item) is str:
            flat[prefix + key] = item
        elif type(item) is dict and item and depth < _MAX_DEPTH:
            _flatten_into(flat, item, f"{prefix}{key}.", depth + 1)
        elif item is not None:
            flat[prefix + key] = text_of(item)


def text_of(value: Any) -> str:
    """Give a JSON value as text: strings as they are, anything else as compact JSON."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return _compact(value)
    return str(value)


def _compact(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join([_compact(item) for item in value]) + "]"
    if isinstance(value, dict):
        pairs = [f"{json.dumps(key, ensure_ascii=False)}:{_compact(item)}" for key, item in value.items()]
        return "{" + ",".join(pairs) + "}"
    return text_of(value)
