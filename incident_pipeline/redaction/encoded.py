"""Secrets in disguise: percent-encoded, escaped as in JSON, in base64. Decode what may hide one, then look.

Percent and unicode escapes keep their place: what is found in the decoded text is a stretch of the raw
one. Base64 is found as a whole, since part of it can't be shown without the rest. A disguise within a
disguise is followed to a small depth.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.redaction.spans import Found, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Look = Callable[[Text, int], list[Found]]

MAX_RUN: Final = 4_096
"""Bytes of escaped text looked at in one piece."""
MAX_BASE64: Final = 32_768

_ESCAPES: Final = (
    (b"%", re.compile(rb"%([0-9A-Fa-f]{2})")),
    (b"\\u00", re.compile(rb"\\u00([0-9A-Fa-f]{2})")),
)
_LEFT: Final = re.compile(rb"[^\s\"'<>\0]{0,512}$")
_RIGHT: Final = re.compile(rb"[^\s\"'<>\0]{0,%d}" % MAX_RUN)
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{20,%d}={0,2}" % MAX_BASE64)
_HEX: Final = re.compile(rb"[0-9a-fA-F-]+")
_SHOWN: Final = bytes(range(32, 127)) + b"\t\r\n"
_SHORTEST: Final = 12


def find_encoded(text: Text, look: Look, depth: int) -> Iterator[Found]:
    """Find secrets in disguise; `look` searches plain text with the depth that is left."""
    if depth <= 0:
        return
    for anchor, pattern in _ESCAPES:
        yield from _escaped(text, anchor, pattern, look, depth)
    yield from _base64(text, look, depth)


def _escaped(
    text: Text, anchor: bytes, pattern: re.Pattern[bytes], look: Look, depth: int
) -> Iterator[Found]:
    done = 0
    for at in text.places(anchor):
        if at < done or not pattern.match(text.data, at):
            continue
        left = _LEFT.search(text.data, max(done, at - 512), at)
        begin = left.start() if left else at
        right = _RIGHT.match(text.data, at)
        end = right.end() if right else at
        done = end
        plain, places = _unescape(text.data[begin:end], pattern)
        for found in look(Text(plain, text.rules), depth - 1):
            yield Found(begin + places[found.start], begin + places[found.end], found.kind)


def _unescape(raw: bytes, pattern: re.Pattern[bytes]) -> tuple[bytes, list[int]]:
    """Give the plain bytes, and for each of them (and the end) where it stands in the raw ones."""
    plain = bytearray()
    places: list[int] = []
    at = 0
    for match in pattern.finditer(raw):
        plain += raw[at : match.start()]
        places.extend(range(at, match.start()))
        plain.append(int(match[1], 16))
        places.append(match.start())
        at = match.end()
    plain += raw[at:]
    places.extend(range(at, len(raw) + 1))
    return bytes(plain), places


def _base64(text: Text, look: Look, depth: int) -> Iterator[Found]:
    for match in _BASE64.finditer(text.data):
        value = match[0]
        if _HEX.fullmatch(value):  # ids and digests, by far the most of what looks like base64
            continue
        # Readable text in base64 never lacks one of lower case, upper case and (nearly) digits.
        if value.islower() or value.isupper():
            continue
        plain = _decode(value)
        if plain is None:
            continue
        found = look(Text(plain, text.rules), depth - 1)
        if found:
            yield Found(match.start(), match.end(), found[0].kind)


def _decode(value: bytes) -> bytes | None:
    """Give what base64 text says, if that is text."""
    standard = value.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    head = _try(standard[:24])
    if head is None or _binary(head):
        return None
    plain = _try(standard)
    return None if plain is None or len(plain) < _SHORTEST or _binary(plain) else plain


def _try(standard: bytes) -> bytes | None:
    whole = standard[: len(standard) - 1] if len(standard) % 4 == 1 else standard
    try:
        return base64.b64decode(whole + b"=" * (-len(whole) % 4), validate=True)
    except binascii.Error:
        return None


def _binary(plain: bytes) -> bool:
    """Say whether decoded bytes are no text: control characters, or no UTF-8."""
    if not plain.translate(None, _SHOWN):
        return False
    # The head of a base64 text may end inside a character.
    text = plain.decode("utf-8", "ignore").encode()
    return len(plain) - len(text) > 3 or bool(re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", plain))  # noqa: PLR2004 - bytes of a cut character
