"""Read the protobuf wire format with byte ranges: which field, of which wire type, from where to where.

(https://protobuf.dev/programming-guides/encoding/.) Generated classes forget where a message stood, and
a row must point at the bytes of its own record; so the wire is walked here. Input is hostile: varints end
after ten bytes, lengths never lead out of their message, groups (wire types 3 and 4) are refused.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_MAX_VARINT: Final = 10
_LAST: Final = 0x7F
"""A byte up to this is the last of its varint: it has no continuation bit."""
_MAX_FIELD: Final = 2**29 - 1
_UINT64: Final = struct.Struct("<Q")
_INT64: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_UINT32: Final = struct.Struct("<I")


class WireError(ValueError):
    """Bytes are no protobuf message; `at` is where it went wrong."""

    def __init__(self, reason: str, at: int) -> None:
        """Keep the place."""
        super().__init__(f"{reason} at byte {at}")
        self.at = at


class Field(NamedTuple):
    """One field: its number and wire type, a varint's value, and where its content stands.

    `is_cut` says that its length leads out of the message; the content then ends with the message.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int
    is_cut: bool = False


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """Give the fields of the message that stands at `start`.

    Raises:
        WireError: it is no message, or ends inside a number.
    """
    at = start
    while at < end:
        key = data[at]
        at += 1
        if key > _LAST:
            key, at = varint(data, at - 1, end)
        number, wire = key >> 3, key & 7
        if not 0 < number <= _MAX_FIELD:
            raise WireError(f"field number {number}", at)
        if wire == BYTES:
            size = data[at] if at < end else _LAST + 1
            at += 1
            if size > _LAST:
                size, at = varint(data, at - 1, end)
            stop = at + size
            if stop > end:
                yield Field(number, wire, size, at, end, is_cut=True)
                return
            yield Field(number, wire, size, at, stop)
            at = stop
        elif wire == VARINT:
            stood = at
            value, at = varint(data, at, end)
            yield Field(number, wire, value, stood, at)
        elif wire in (FIXED64, FIXED32):
            stop = at + (8 if wire == FIXED64 else 4)
            if stop > end:
                raise WireError("the message ends inside a number", at)
            yield Field(number, wire, 0, at, stop)
            at = stop
        else:
            raise WireError(f"wire type {wire}", at)


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read an unsigned varint of at most 64 bits; give it and where it ends.

    Raises:
        WireError: it doesn't end.
    """
    value = shift = 0
    for index in range(at, min(end, at + _MAX_VARINT)):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte <= _LAST:
            return value & 0xFFFF_FFFF_FFFF_FFFF, index + 1
        shift += 7
    raise WireError("a varint that does not end", at)


def signed(value: int) -> int:
    """Give a varint as the int64 it stands for (two's complement)."""
    return value - 2**64 if value >= 2**63 else value


def zigzag(value: int) -> int:
    """Give a varint as the sint32 or sint64 it stands for."""
    return (value >> 1) ^ -(value & 1)


def uint64(data: bytes, field: Field) -> int:
    """Give a fixed64."""
    return int(_UINT64.unpack_from(data, field.start)[0])


def int64(data: bytes, field: Field) -> int:
    """Give an sfixed64."""
    return int(_INT64.unpack_from(data, field.start)[0])


def uint32(data: bytes, field: Field) -> int:
    """Give a fixed32."""
    return int(_UINT32.unpack_from(data, field.start)[0])


def double(data: bytes, field: Field) -> float:
    """Give a double."""
    return float(_DOUBLE.unpack_from(data, field.start)[0])


def packed_doubles(data: bytes, field: Field) -> list[float]:
    """Give a repeated double, packed or one of its elements."""
    count = (field.end - field.start) // 8
    return list(struct.unpack_from(f"<{count}d", data, field.start))


def packed_uint64(data: bytes, field: Field) -> list[int]:
    """Give a repeated fixed64, packed or one of its elements."""
    count = (field.end - field.start) // 8
    return list(struct.unpack_from(f"<{count}Q", data, field.start))


def string(data: bytes, field: Field) -> str:
    """Give a string; what is no UTF-8 in it is read as Latin-1, so that nothing is lost."""
    piece = data[field.start : field.end]
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return piece.decode("latin-1")
