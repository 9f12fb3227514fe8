"""Values of OTLP/JSON as text: typed attributes, ids in hex or base64, enums by number or name."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.parsers.jsontext import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.formats.otlp_structs import AnyValue, KeyValue

_HEX_LENGTHS: Final = (32, 16)
_BASE64_LENGTHS: Final = {24: 16, 22: 16, 12: 8, 11: 8}
"""Text length of a base64 id, with and without padding -> bytes."""

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES: Final = ("unset", "ok", "error")


def attribute_map(attributes: Sequence[KeyValue] | None, prefix: str = "") -> dict[str, str]:
    """Give attributes as text by key; a later value of a key wins."""
    if not attributes:
        return {}
    return {
        prefix + item.key: item.value.string_value
        if item.value.string_value is not None
        else any_text(item.value)
        for item in attributes
        if item.value is not None
    }


def any_text(value: AnyValue) -> str:
    """Give a typed value as text: lists and maps as JSON, bytes as the base64 they are written in."""
    for plain in (value.string_value, value.int_value, value.bytes_value):
        if plain is not None:
            return str(plain)
    if value.bool_value is not None:
        return "true" if value.bool_value else "false"
    if value.double_value is not None:
        return text_of(value.double_value)
    nested = value.kvlist_value if value.kvlist_value is not None else value.array_value
    return text_of(_plain_list(nested)) if nested is not None else ""


def map_of(value: AnyValue) -> dict[str, Any] | None:
    """Give a key-value list as a plain object, None for any other value."""
    if value.kvlist_value is None:
        return None
    plain = _plain_list(value.kvlist_value)
    return plain if isinstance(plain, dict) else None


def _plain_list(nested: Any) -> Any:
    """Unwrap `{"values": [...]}`: key-value pairs to an object, typed values to a list."""
    values = nested.get("values") if isinstance(nested, dict) else None
    if not isinstance(values, list):
        return nested if not isinstance(nested, dict) or nested else []
    if values and all(isinstance(item, dict) and "key" in item for item in values):
        return {str(item["key"]): _plain(item.get("value")) for item in values}
    return [_plain(item) for item in values]


def _plain(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        return None if isinstance(value, dict) else value
    kind, inner = next(iter(value.items()))
    return _plain_list(inner) if kind in ("arrayValue", "kvlistValue") else inner


def normal_id(text: str | None) -> str | None:
    """Give a trace or span id in lower-case hex, whether hex or base64; all zeros and empty are None.

    What is neither stays as it is, in lower case.
    """
    if not text:
        return None
    size = _BASE64_LENGTHS.get(len(text))
    if size is not None and len(text) not in _HEX_LENGTHS:
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == size:
            text = raw.hex()
    lowered = text.lower()
    return lowered if lowered.strip("0") else None


def span_kind(value: int | str | None) -> str:
    """Give the kind of a span as a word."""
    return _enum(value, _KINDS, "SPAN_KIND_")


def status_code(value: int | str | None) -> str:
    """Give the status of a span as a word."""
    return _enum(value, _STATUSES, "STATUS_CODE_")


def _enum(value: int | str | None, words: Sequence[str], prefix: str) -> str:
    if isinstance(value, str) and not value.isdigit():
        word = value.removeprefix(prefix).lower()
        return word if word in words else words[0]
    index = int(value) if value is not None and len(str(value)) == 1 else 0
    return words[index] if 0 <= index < len(words) else words[0]


def severity_number(value: int | str | None) -> int | None:
    """Give a severity number 1-24; `SEVERITY_NUMBER_ERROR2` counts as 18."""
    if isinstance(value, str) and not value.isdigit():
        word = value.removeprefix("SEVERITY_NUMBER_")
        step = int(word[-1]) - 1 if word[-1:] in ("2", "3", "4") else 0
        base = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}.get(
            word.rstrip("234")
        )
        return base + step if base is not None else None
    number = int(value) if value is not None and len(str(value)) <= 2 else 0  # noqa: PLR2004 - two digits
    return number if 1 <= number <= 24 else None  # noqa: PLR2004 - the model's range
