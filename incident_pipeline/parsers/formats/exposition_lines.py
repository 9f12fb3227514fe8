"""The lines of Prometheus and OpenMetrics text: sample, label set, number, time, description.

Both formats share the line `name{label="value"} number [time]`; OpenMetrics allows exactly one space
between its parts and exemplars after them. Names that need quotes stand inside the braces (`{"a.b",
c="d"} 1`). Everything is linear in the length of a line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.parsers.formats.alerts import SERVICE_LABELS
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.timestamps import Unit

_NAME: Final = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_BRACES: Final = rb'\{[^"}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"}]*+)*+\}'
_REAL: Final = rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+"
_NUMBER: Final = _REAL + rb"|[+-]?+[iI][nN][fF](?:[iI][nN][iI][tT][yY])?+|[nN][aA][nN]"

STRICT_SAMPLE: Final = re.compile(
    rb"(" + _NAME + rb"(?:" + _BRACES + rb")?+|" + _BRACES + rb") (" + _NUMBER + rb")(?: (" + _REAL + rb"))?"
    rb"(?: \# (" + _BRACES + rb") (" + _NUMBER + rb")(?: (" + _REAL + rb"))?)?"
)
"""Groups: series, value, time, exemplar's labels, its value, its time; to be matched in full."""
LENIENT_SAMPLE: Final = re.compile(
    rb"[ \t]*+(" + _NAME + rb"(?:[ \t]*+" + _BRACES + rb")?+|" + _BRACES + rb")[ \t]*+(?:=>[ \t]*+)?+"
    rb"(?<![a-zA-Z0-9_:])(" + _NUMBER + rb")(?:[ \t]++(?:@\[)?(" + _REAL + rb")\]?)?"
    rb"(?:[ \t]++\#[ \t]*+("
    + _BRACES
    + rb")[ \t]++("
    + _NUMBER
    + rb")(?:[ \t]++("
    + _REAL
    + rb"))?)?[ \t\r]*+"
)
"""The same groups; any white space, and the answers of promtool: `a => 1 @[1700000000.5]`."""
DESCRIPTION: Final = re.compile(
    rb"# (TYPE|HELP|UNIT) (" + _NAME + rb'|"[^"\\]*+(?:\\.[^"\\]*+)*+") (.*)', re.DOTALL
)  # fmt: skip
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+(?:\\.[^"\\]*+)*+)"(?:,|\Z)', re.DOTALL)
_ITEM: Final = re.compile(
    r'[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+)|"([^"\\]*+(?:\\.[^"\\]*+)*+)")'
    r'[ \t]*+(?:=[ \t]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t]*+)?(,|\Z)',
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "\\": "\\", '"': '"'}
_TRACE_LABELS: Final = ("trace_id", "traceID", "traceId", "traceid", "trace")
_FRAME: Final = 4
"""What surrounds a label: `=`, two quotes and a comma."""


class LabelError(ValueError):
    """A label set breaks the rules; the text says how."""


class Labelled(NamedTuple):
    """A series as a line names it."""

    name: str
    labels: dict[str, str]


def read_series(line_part: bytes, *, strict: bool) -> Labelled:
    """Read a name with its label set.

    Raises:
        LabelError: a label set is malformed or names a label twice, or there is no name.
    """
    text = decode(line_part, strict=strict)
    at = text.find("{")
    if at < 0:
        return Labelled(text, {})
    name = text[:at].rstrip()
    quoted, labels = _labels_of(text[at:], strict=strict)
    if quoted is None and not name:
        if "__name__" not in labels:
            raise LabelError("a sample without a name")
        quoted = labels.pop("__name__")
    elif quoted is not None and name:
        raise LabelError("two names")
    return Labelled(name or quoted or "", labels)


def read_labels(braces: bytes, *, strict: bool) -> dict[str, str]:
    """Read a label set in braces that stands alone.

    Raises:
        LabelError: it is malformed, names a label twice, or (when strict) is no UTF-8.
    """
    name, labels = _labels_of(decode(braces, strict=strict), strict=strict)
    if name is not None:
        raise LabelError("a name among the labels of an exemplar")
    return labels


def _labels_of(braces: str, *, strict: bool) -> tuple[str | None, dict[str, str]]:
    """Give the labels, and the quoted name that may stand first among them."""
    inside = braces[1:-1]
    if not inside:
        return None, {}
    pairs = _LABEL.findall(inside)
    name: str | None = None
    # Only labels without a gap between them are as long as all of it: one comma less than labels.
    if len("".join(map("".join, pairs))) + _FRAME * len(pairs) - 1 != len(inside):
        name, pairs = _items(inside, strict=strict)
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise LabelError("a label twice")
    if "\\" in inside:
        labels = {key: unescape(value) for key, value in labels.items()}
    return name, labels


def _items(inside: str, *, strict: bool) -> tuple[str | None, list[tuple[str, str]]]:
    """Read labels one by one: white space around them, quoted names, a comma at the end."""
    name: str | None = None
    pairs: list[tuple[str, str]] = []
    at, size = 0, len(inside)
    while at < size:
        match = _ITEM.match(inside, at)
        if match is None:
            if inside[at:].strip() or strict:
                raise LabelError("a malformed label set")
            break
        bare, quoted, value, comma = match.groups()
        if strict and (match[0][0] in " \t" or (comma and match.end() == size)):
            raise LabelError("white space or a comma too many in a label set")
        if value is not None:
            pairs.append((bare or unescape(quoted or ""), value))
        elif quoted is not None and at == 0:
            name = unescape(quoted)
        else:
            raise LabelError("a label without a value")
        at = match.end()
    return name, pairs


def decode(text: bytes, *, strict: bool) -> str:
    """Decode UTF-8; other bytes are read as Latin-1, unless that is not allowed.

    Raises:
        LabelError: it is no UTF-8, and must be.
    """
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        if strict:
            raise LabelError("no UTF-8") from None
        return text.decode("latin-1")


def unescape(text: str) -> str:
    r"""Undo `\\n`, `\\"` and `\\\\`; a backslash before anything else is one."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), text)


def number(text: bytes) -> float | None:
    """Give a value; NaN is kept as a row without one."""
    value = float(text)
    return None if value != value else value  # noqa: PLR0124 - NaN


@lru_cache(maxsize=65_536)
def stamp_of(text: bytes | None, unit: Unit) -> Stamp:
    """Read a time; the samples of one scrape share theirs. Times before 1970 are times here."""
    if text is None:
        return UNKNOWN
    digits = text.decode()
    if not digits.startswith("-"):
        return parse_epoch(digits.removeprefix("+"), unit)
    found = parse_epoch(digits[1:], unit)
    return found._replace(time_ns=None if found.time_ns is None else -found.time_ns, raw=digits)


def service_of(labels: Mapping[str, str]) -> str | None:
    """Give the service that a label names."""
    return next((labels[key] for key in SERVICE_LABELS if labels.get(key)), None)


def trace_of(labels: Mapping[str, str]) -> str | None:
    """Give the trace that an exemplar's labels name."""
    return next((normal_id(labels[key]) for key in _TRACE_LABELS if labels.get(key)), None)
