"""Find the bytes a JSON pointer (RFC 6901) names, without decoding the document.

A scanner over bytes: it skips values by their structure, so the offsets are those of the document as
it lies in the vault, whatever its spacing. Duplicate keys resolve to the last, as JSON parsers do. It
does not validate: in a document that is no JSON it finds something or raises, and never loops.
"""

from __future__ import annotations

import json
import re

from incident_pipeline.errors import MalformedInputError

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+")
_STRUCTURE = re.compile(rb'[\[\]{}"]')
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_BAD_ESCAPE = re.compile(r"~(?![01])")


def locate(data: bytes, pointer: str, start: int = 0) -> tuple[int, int]:
    """Give the byte range of the value that `pointer` names in the JSON document at `start`.

    Raises:
        MalformedInputError: there is no such value, or the document is no JSON there.
    """
    at = _skip_space(data, start)
    for token in _tokens(pointer):
        at = _member(data, at, token, pointer)
    return at, _end_of_value(data, at)


def _tokens(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/") or _BAD_ESCAPE.search(pointer):
        message = f"{pointer!r} is no JSON pointer."
        raise MalformedInputError(message, advice="It starts with '/', and ~ is written ~0 (RFC 6901).")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def _member(data: bytes, at: int, token: str, pointer: str) -> int:
    opener = data[at : at + 1]
    if opener == b"{":
        found = _object_member(data, at + 1, token)
    elif opener == b"[" and _INDEX.fullmatch(token):
        found = _array_member(data, at + 1, int(token))
    else:
        found = None
    if found is None:
        message = f"JSON pointer {pointer!r}: nothing at {token!r}."
        raise MalformedInputError(message)
    return found


def _object_member(data: bytes, at: int, token: str) -> int | None:
    found = None
    at = _skip_space(data, at)
    while data[at : at + 1] == b'"':
        match = _STRING.match(data, at)
        if match is None:
            break
        key = _key(match[0], at)
        at = _skip_space(data, match.end())
        at = _skip_space(data, at + 1)  # the colon
        if key == token:
            found = at
        at = _skip_space(data, _end_of_value(data, at))
        if data[at : at + 1] == b",":
            at = _skip_space(data, at + 1)
    return found


def _key(quoted: bytes, at: int) -> str:
    try:
        return str(json.loads(quoted.decode(), strict=False))
    except ValueError as error:
        message = f"no JSON key at byte {at} ({error})."
        raise MalformedInputError(message) from error


def _array_member(data: bytes, at: int, index: int) -> int | None:
    at = _skip_space(data, at)
    for _ in range(index):
        if data[at : at + 1] in (b"]", b""):
            return None
        at = _skip_space(data, _end_of_value(data, at))
        if data[at : at + 1] != b",":
            return None
        at = _skip_space(data, at + 1)
    return None if data[at : at + 1] in (b"]", b"") else at


def _end_of_value(data: bytes, at: int) -> int:
    first = data[at : at + 1]
    if first == b'"':
        match = _STRING.match(data, at)
    elif first in (b"{", b"["):
        return _end_of_container(data, at)
    else:
        match = _SCALAR.match(data, at)
    if match is None:
        message = f"no JSON value at byte {at}."
        raise MalformedInputError(message)
    return match.end()


def _end_of_container(data: bytes, at: int) -> int:
    depth = 0
    while True:
        match = _STRUCTURE.search(data, at)
        if match is None:
            message = f"the JSON document ends inside a value (after byte {at})."
            raise MalformedInputError(message)
        if match[0] == b'"':
            string = _STRING.match(data, match.start())
            if string is None:
                message = f"unclosed JSON string at byte {match.start()}."
                raise MalformedInputError(message)
            at = string.end()
            continue
        depth += 1 if match[0] in b"{[" else -1
        at = match.end()
        if depth == 0:
            return at


def _skip_space(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at
