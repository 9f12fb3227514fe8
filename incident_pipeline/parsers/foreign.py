"""Tell a line that begins a record of another format from one that goes on with the record before.

Text logs join what follows a record: traces, wrapped messages. A line that carries a time of its own in a
shape that some logger writes, at the very beginning of the line, is no continuation; it is left to the
second reading (`second`). Only shapes that are beyond doubt count: a JSON body in a message has no time
and level, a number at the front is no date.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.parsers.json_fields import LEVEL, MESSAGE, TIME
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, too_deep
from incident_pipeline.parsers.timestamps import leading_time

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK: Final = 256
_MAX_JSON: Final = 65_536
_LOGFMT: Final = re.compile(r"(?:ts|time|t|timestamp)=\"?\d{4}.{0,200}?\s(?:level|lvl|severity)=", re.ASCII)
_ACCESS: Final = re.compile(
    r"[\w.:-]{2,100} \S{1,100} \S{1,100} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] ", re.ASCII
)
_KLOG: Final = re.compile(
    r"[IWEF][01]\d[0-3]\d \d\d:\d\d:\d\d\.\d{1,9}\s+\d{1,10} \S{1,200}:\d+\] ", re.ASCII
)
_SYSLOG: Final = re.compile(
    r"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,255} [^\s\[\]:]{1,64}(?:\[\d{1,10}\])?: ",
    re.ASCII,
)
_SYSLOG_5424: Final = re.compile(r"<\d{1,3}>1 (?:-|\d{4}-\d\d-\d\dT)", re.ASCII)
_TIMES: Final = frozenset(TIME)
_SAYS: Final = frozenset((*LEVEL, *MESSAGE))


def is_foreign(line: str) -> bool:
    """Tell whether a line, with nothing stripped from its front, begins a record on its own."""
    test = _TESTS.get(line[:1])
    return test is not None and test(line)


def _json(line: str) -> bool:
    if not line.startswith('{"') or len(line) > _MAX_JSON or not line.rstrip().endswith("}"):
        return False
    raw = line.encode()
    try:
        value = None if too_deep(raw) else decode_json(raw)
    except NotJsonError:
        return False
    return isinstance(value, dict) and not _TIMES.isdisjoint(value) and not _SAYS.isdisjoint(value)


def _dated(line: str) -> bool:
    return leading_time(line[:80]) is not None


def _number(line: str) -> bool:
    return _dated(line) or _ACCESS.match(line[:_LOOK]) is not None


def _word(line: str) -> bool:
    head = line[:_LOOK]
    if head[0].isupper():
        return (_KLOG.match(head) or _SYSLOG.match(head) or _ACCESS.match(head)) is not None
    return (_LOGFMT.match(head) if head[0] == "t" else _ACCESS.match(head)) is not None


def _priority(line: str) -> bool:
    head = line[:_LOOK]
    return (_SYSLOG.match(head) or _SYSLOG_5424.match(head)) is not None


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "{": _json,
    "[": _dated,
    "<": _priority,
    **dict.fromkeys("0123456789", _number),
    **dict.fromkeys(_LETTERS + _LETTERS.upper(), _word),
}
"""By the first character, so that a line of a trace costs next to nothing."""
