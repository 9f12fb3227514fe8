"""What tests of formats share: damaged samples, a second reader of times, and what must hold of any input."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from conftest import Look

_SCALAR = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null')
_SWAPS = (
    b"null",
    b"[]",
    b"{}",
    b"true",
    b"-1",
    b"1e400",
    b'"\\ud800"',
    b'"x"',
    b"99999999999999999999999",
    b"NaN",
    b'[{"a":[1]}]',
    b'{"a":{"b":null}}',
    b'"2026-13-45T99:99:99Z"',
    b'""',
    b"0",
)
_JUNK = (
    b"\xff\xfe",
    b"{",
    b"[" * 300,
    b'"',
    b"\n",
    b"\r\n\r\n",
    b"-->",
    b"\\",
    b"\x1b[31m",
    b"9" * 5000,
    b"<" * 500,
)


def iso_ns(text: str) -> int:
    """Read an RFC 3339 time with the standard library: the second opinion on ours."""
    moment = datetime.fromisoformat(text)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000


@st.composite
def mutants(draw: Any, samples: tuple[bytes, ...]) -> bytes:
    """Damage a sample: flip, cut, double or splice bytes, change the type of a value."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        to = draw(st.integers(at, min(len(data), at + 400)))
        what = draw(st.sampled_from(("flip", "cut", "drop", "double", "splice", "junk", "swap", "swap")))
        if what == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif what == "cut":
            data = data[:at]
        elif what == "drop":
            data = data[:at] + data[to:]
        elif what == "double":
            data = data[:to] + data[at:]
        elif what == "splice":
            other = draw(st.sampled_from(samples))
            data = data[:at] + other[draw(st.integers(0, len(other))) :]
        elif what == "junk":
            data = data[:at] + draw(st.sampled_from(_JUNK)) + data[at:]
        else:
            found = list(_SCALAR.finditer(data))
            if found:
                match = found[draw(st.integers(0, len(found) - 1))]
                data = data[: match.start()] + draw(st.sampled_from(_SWAPS)) + data[match.end() :]
    return data


def check_sane(seen: Look) -> None:
    """Check ranges, pointers and that no line is lost; a whole document is covered by its records."""
    data = seen.data
    covered = []
    for row in seen.events + seen.quarantine:
        assert 0 <= row["byte_start"] < row["byte_end"] <= len(data)
        covered.append((row["byte_start"], row["byte_end"]))
    assert all(row["time_ns"] != 0 for row in seen.events)
    if _is_document(data):
        return
    covered.sort()
    reach = index = 0
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True) if b"\r" not in data else []:
        start, stop = at, at + len(line)
        at = stop
        if not line.strip() or line.strip() == b"WEBVTT":
            continue
        while index < len(covered) and covered[index][0] < stop:
            reach = max(reach, covered[index][1])
            index += 1
        assert reach > start, (line[:80], data[:300])


def _is_document(data: bytes) -> bool:
    try:
        json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return False
    return True
