"""Text of any encoding as UTF-8 for the parsers, with every byte's place in the decoded stream kept.

Byte ranges count in the decoded stream, which is never transcoded; parsers see UTF-8. What is told by the
head of a stream (UTF-16, lone CR as line end, NUL bytes between lines) is done chunk by chunk by `AsText`;
bytes that are no UTF-8 are read as Windows-1252 part by part (`as_utf8`), once a format that reads text
was chosen. Nothing is replaced by a question mark, so no two different records become one text; only
half a surrogate pair of UTF-16, which is no character at all, becomes U+FFFD.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from incident_pipeline.parsers.part import Part

_HEAD: Final = 65_536
_LOOK: Final = 4_096
"""Characters by which UTF-16 without a mark is told."""
_ASCII_SHARE: Final = 0.7
"""UTF-16 without a mark is believed when that many of its first characters are ASCII."""
_ZERO_SHARE: Final = 0.05
"""Few characters have a low byte of zero."""
_TEXT_CONTROLS: Final = b"\x00\x07\x08\t\n\x0b\x0c\r\x1b"
_CONTROLS: Final = bytes(byte for byte in range(32) if byte not in _TEXT_CONTROLS)
_SURROGATE: Final = 0xD800
_LOW: Final = 0xDC00
_ABOVE: Final = 0xE000
_REPLACEMENT: Final = 0xFFFD
_BYTE: Final = 0x80
_TWO: Final = 0x800
_FOUR: Final = 0x10000
_ESCAPED: Final = 0xDC00
"""Where the surrogates of PEP 383 begin that stand for single bytes."""

UTF16_NOTE: Final = "UTF-16 text: byte ranges count in it as it lies there"
BROKEN_NOTE: Final = "bytes that are no UTF-8 were read as Windows-1252"
CR_NOTE: Final = "lines end in CR alone"
NUL_NOTE: Final = "NUL bytes between lines were read as blanks"


class AsText:
    """The chunks of a decoded stream as text in UTF-8, or as they are if they need nothing."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Look at the head of these chunks."""
        self._chunks = iter(chunks)
        head: list[bytes] = []
        size = 0
        while size < _HEAD and (chunk := next(self._chunks, None)) is not None:
            head.append(chunk)
            size += len(chunk)
        first = b"".join(head)
        self._ahead = first
        self.order = utf16_order(first)
        """The byte order of UTF-16, `<` or `>`; empty for anything else."""
        self.size = 0
        """How long the decoded stream is, as far as it was read."""
        self._maps: list[tuple[int, NDArray[np.int64]]] = []
        self._made = 0
        text = _utf16(first[: len(first) & ~1], self.order, 0)[0] if self.order else first
        is_text = len(text.translate(None, _CONTROLS)) == len(text)
        self.lone_cr = is_text and b"\r" in text.rstrip() and b"\n" not in text
        self.nul = is_text and b"\0" in text and bool(text.strip(b"\0 \t\r\n")) and _is_utf8(text)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the encoding."""
        told = ((bool(self.order), UTF16_NOTE), (self.lone_cr, CR_NOTE), (self.nul, NUL_NOTE))
        return tuple(note for holds, note in told if holds)

    def __iter__(self) -> Iterator[bytes]:
        """Give the chunks."""
        for chunk in self._utf16_chunks() if self.order else self._raw():
            text = chunk.replace(b"\r", b"\n") if self.lone_cr else chunk
            yield text.replace(b"\0", b" ") if self.nul else text

    def places(self, start: int, end: int) -> NDArray[np.int64] | None:
        """Give where each byte of a range of the text (and its end) stands in the decoded stream.

        None when it stands where it is. Ranges are asked for in order; what lies before is forgotten.
        """
        if not self.order:
            return None
        found = [at[max(start - first, 0) : end - first] for first, at in self._maps if first < end]
        last = next(
            (int(at[end - first]) for first, at in self._maps if first <= end < first + len(at)), self.size
        )
        self._maps = [(first, at) for first, at in self._maps if first + len(at) > end]
        return np.concatenate([*found, np.array([last], np.int64)])

    def _raw(self) -> Iterator[bytes]:
        ahead, self._ahead = self._ahead, b""
        if ahead:
            self.size += len(ahead)
            yield ahead
        for chunk in self._chunks:
            self.size += len(chunk)
            yield chunk

    def _utf16_chunks(self) -> Iterator[bytes]:
        """Transcode chunk by chunk; half a character or half a pair waits for the next chunk."""
        rest, at = b"", 0
        for chunk in self._raw():
            data = rest + chunk
            keep = len(data) & ~1
            if keep and _is_high(data[keep - 2 : keep], self.order):
                keep -= 2
            rest = data[keep:]
            if keep:
                yield self._made_of(data[:keep], at)
                at += keep
        if rest:
            # An odd byte at the end is a character that was cut off: its own range, as U+FFFD.
            whole = (
                rest
                if len(rest) % 2 == 0
                else rest[:-1] + (b"\xfd\xff" if self.order == "<" else b"\xff\xfd")
            )
            yield self._made_of(whole, at)

    def _made_of(self, data: bytes, at: int) -> bytes:
        text, places = _utf16(data, self.order, at)
        self._maps.append((self._made, places))
        self._made += len(text)
        return text


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def utf16_order(head: bytes) -> str:
    """Tell the byte order of UTF-16 by its mark, else by where NUL bytes stand; empty for anything else."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return ""
    if head.startswith(codecs.BOM_UTF16_LE):
        return "<"
    if head.startswith(codecs.BOM_UTF16_BE):
        return ">"
    look = head[: min(2 * _LOOK, len(head) & ~1)]
    if len(look) < 4:  # noqa: PLR2004 - two characters tell nothing
        return ""
    pairs = np.frombuffer(look, np.uint8).reshape(-1, 2)
    zero = pairs == 0
    for order, high, low in (("<", 1, 0), (">", 0, 1)):
        printable = (pairs[:, low] >= 32) | np.isin(pairs[:, low], (9, 10, 13, 27))  # noqa: PLR2004 - ASCII
        ascii_share = (zero[:, high] & printable & (pairs[:, low] < _BYTE)).mean()
        if ascii_share >= _ASCII_SHARE and zero[:, low].mean() <= _ZERO_SHARE:
            return order
    return ""


def as_utf8(part: Part) -> tuple[Part, bool]:
    """Give a part whose broken bytes are read as Windows-1252, and whether there were any."""
    if part.data.isascii():
        return part, False
    try:
        part.data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return part, False
    # Each broken byte comes as a lone surrogate of its own (PEP 383), which valid UTF-8 never gives.
    escaped = part.data.decode("utf-8", "surrogateescape").encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(escaped, "<u4")
    broken = (points >= _ESCAPED) & (points < _ESCAPED + 256)
    lengths = np.where(broken, 1, _utf8_lengths(points))
    points = np.where(broken, _CP1252[points & 0xFF], points).astype("<u4")
    begins = np.cumsum(lengths) - lengths
    within = np.repeat(begins, _utf8_lengths(points))
    places = part.streamed(np.append(within, len(part.data)))
    return part._replace(data=points.tobytes().decode("utf-32-le").encode(), places=places), True


def _utf8_lengths(points: NDArray[np.uint32]) -> NDArray[np.int64]:
    wide = (points >= _BYTE).astype(np.int64) + (points >= _TWO) + (points >= _FOUR)
    return wide + 1


def _utf16(data: bytes, order: str, at: int) -> tuple[bytes, NDArray[np.int64]]:
    """Give UTF-16 as UTF-8, and for each byte the place of its character; `at` is the place of the first."""
    units = np.frombuffer(data, f"{order}u2").astype(np.uint16)
    high = (units >= _SURROGATE) & (units < _LOW)
    low = (units >= _LOW) & (units < _ABOVE)
    paired_high = high & np.append(low[1:], False)
    paired_low = low & np.append(False, high[:-1])
    units = np.where((high & ~paired_high) | (low & ~paired_low), np.uint16(_REPLACEMENT), units)
    lengths = np.where(units < _BYTE, 1, np.where(units < _TWO, 2, 3))
    lengths[paired_high] = 4
    lengths[paired_low] = 0
    places = np.repeat(at + 2 * np.arange(len(units), dtype=np.int64), lengths)
    return units.astype("<u2").tobytes().decode("utf-16-le").encode(), places


def _is_high(unit: bytes, order: str) -> bool:
    value = int.from_bytes(unit, "little" if order == "<" else "big")
    return _SURROGATE <= value < _LOW


_CP1252: Final = np.array(
    [ord(bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte))) for byte in range(256)],
    np.uint32,
)
"""Each byte as Windows-1252 has it; the five that it leaves open as Latin-1 has them."""
