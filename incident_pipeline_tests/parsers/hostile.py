"""Damaged inputs over all formats, and what must hold of any input: the body of the fuzzing.

The inputs come from a seed, so that a number names each of them; `benchmarks/hostile.py` runs them by the
ten thousand, a test runs a sample.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.parsers import Source, all_formats, parse_artifact
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from incident_pipeline.parsers import ParsedArtifact

SECONDS: Final = 2.0
"""An input that takes longer hangs (CPU seconds)."""
_HARD_STOP: Final = 30
_SEEDS: Final = Path(__file__).with_name("format_seeds.jsonl")
_SCALAR: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null')
_SWAPS: Final = (
    b"null", b"[]", b"{}", b"true", b"-1", b"1e400", b'"\\ud800"', b'"x"', b"9" * 23, b"NaN", b'[{"a":[1]}]',
    b'{"a":{"b":null}}', b'"2026-13-45T99:99:99Z"', b'""', b"0", b"-9223372036854775808", b"1e-400",
    b"Infinity",
)  # fmt: skip
_JUNK: Final = (
    b"\xff\xfe", b"{", b"[" * 300, b'{"a":' * 3000, b'"', b"\n", b"\r\n\r\n", b"-->", b"\\", b"\x1b[31m",
    b"9" * 5000, b"<" * 500, b"\0" * 64, b"=" * 3000, b" " * 20_000, b"a=" * 20_000, b"\xc3", b"\xe2\x80\xa8",
    b"|" * 2000, b"%" * 99,    b",;" * 5000, b"1.1 " * 20_000, b"a" * 200_000,
    b"\\" * 50_000, b"- " * 5000, b"(" * 5000, b"at a.b(C:1)\n" * 500,
)  # fmt: skip


class Failure(NamedTuple):
    """What is wrong with how an input was read."""

    what: str
    data: bytes
    pin: str | None


class TooLongError(Exception):
    """An input was still being parsed when its time was over."""


def seeds() -> dict[str, list[bytes]]:
    """Give the inputs that are damaged, by format."""
    found: dict[str, list[bytes]] = {}
    for line in _SEEDS.read_text().splitlines():
        item = json.loads(line)
        found.setdefault(item["format"], []).append(base64.b64decode(item["data"]))
    return found


def hostile_input(number: int, inputs: dict[str, list[bytes]]) -> tuple[bytes, str | None]:
    """Give the damaged input of a number, and the format it is pinned to, if any."""
    random = Random(number)  # noqa: S311 - repeatable, not secret
    names = sorted(inputs)
    name = names[number % len(names)]
    data = random.choice(inputs[name])
    for _ in range(random.randint(1, 4)):
        data = random.choice(_DAMAGES)(data, random, inputs)[:1_000_000]
    return data, name if random.random() < 0.4 else None


def check_input(data: bytes, pin: str | None) -> Failure | None:
    """Parse an input; None when it is well."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TooLongError

    source = Source(sha256=sha256_hex(data), uri="logs/app.log", collected_at="2026-11-24T00:00:00Z")
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_HARD_STOP)
    began = time.process_time()
    try:
        parsed = parse_artifact(data, source, pin=pin)
    except TooLongError:
        return Failure(f"still busy after {_HARD_STOP} s", data, pin)
    except Exception as error:  # noqa: BLE001 - any exception at all is the finding
        return Failure(f"{type(error).__name__}: {str(error)[:200]}", data, pin)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    took = time.process_time() - began
    if took > SECONDS:
        return Failure(f"took {took:.1f} s", data, pin)
    wrong = uncovered(data, parsed)
    return Failure(wrong, data, pin) if wrong else None


def uncovered(data: bytes, parsed: ParsedArtifact) -> str | None:
    """Say which bytes no row and no quarantine covers, or which range is none."""
    spans: list[tuple[int, int]] = []
    for table in (parsed.events, parsed.quarantine, parsed.samples):
        starts, ends = table.column("byte_start").to_pylist(), table.column("byte_end").to_pylist()
        spans += [
            (start, end)
            for start, end in zip(starts, ends, strict=True)
            if start is not None and end is not None
        ]
    for start, end in spans:
        if not 0 <= start < end <= len(data):
            return f"no range: {start}-{end} of {len(data)}"
    if 0 in parsed.events.column("time_ns").to_pylist():
        return "a time in 1970"
    found = {item.id: item for item in all_formats()}.get(parsed.report.format or "")
    if parsed.report.format == "empty" or (found is not None and found.splitting == "whole"):
        return None
    if any("UTF-16" in text for text in parsed.report.assumptions):
        return None  # its lines are no lines of bytes; tests of their own look at its ranges
    if found is not None and found.splitting == "json":
        spans += _documents(data)
    spans.sort()
    reach = index = at = 0
    for line in data.split(b"\n"):
        stop = at + len(line)
        while index < len(spans) and spans[index][0] < max(stop, at + 1):
            reach = max(reach, spans[index][1])
            index += 1
        is_remark = parsed.report.format in _WITH_REMARKS and line.lstrip(_BLANK).startswith(b"#")
        if line.translate(None, _BLANK) and reach <= at and not is_remark:
            return (
                f"line at {at} is neither in a row nor in quarantine ({parsed.report.format}): {line[:80]!r}"
            )
        at = stop + 1
    return None


_WITH_REMARKS: Final = ("prometheus_text", "openmetrics_text", "influx_line")
"""Measurements whose `#` lines are read into the series, or say nothing."""
_BLANK: Final = b" \t\r\v\f\0\x1c\x1d\x1e\x1f\x85\xa0,[]\xef\xbb\xbf\xfe\xff"
"""Bytes that make no record: white space, marks of byte order, what stands between the elements of a list."""


def _documents(data: bytes) -> list[tuple[int, int]]:
    """Give the ranges of whole JSON documents over lines: their rows need not cover all their lines."""
    ranges = []
    text = data.replace(b"\0", b" ").decode("latin-1")
    decoder, at = json.JSONDecoder(strict=False), 0
    for line in re.finditer(r"^[ \t\r\xef\xbb\xbf]*(?=[{\[])|(?=[{\[][ \t\r]*$)", text, re.MULTILINE):
        if line.end() < at:
            continue
        try:
            _, at = decoder.raw_decode(text, line.end())
        except (ValueError, RecursionError):
            continue
        ranges.append((line.end(), at))
    return ranges


def _flip(data: bytes, random: Random, _: object) -> bytes:
    changed = bytearray(data)
    for _i in range(random.choice((1, 1, 3, 30))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(data: bytes, random: Random, _: object) -> bytes:
    return data[: random.randint(0, len(data))]


def _behead(data: bytes, random: Random, _: object) -> bytes:
    return data[random.randint(0, len(data)) :]


def _double(data: bytes, random: Random, _: object) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at = random.randrange(len(lines))
    return b"".join([*lines[:at], lines[at] * random.choice((2, 2, 400)), *lines[at:]])


def _splice(data: bytes, random: Random, inputs: dict[str, list[bytes]]) -> bytes:
    other = random.choice(inputs[random.choice(sorted(inputs))])
    at = (
        data.find(b"\n", random.randint(0, len(data))) + 1
        if random.random() < 0.7
        else random.randint(0, len(data))
    )
    return data[:at] + other + (b"\n" if random.random() < 0.5 else b"") + data[at:]


def _interleave(data: bytes, random: Random, inputs: dict[str, list[bytes]]) -> bytes:
    other = random.choice(inputs[random.choice(sorted(inputs))]).splitlines(keepends=True)
    mixed: list[bytes] = []
    for line in data.splitlines(keepends=True):
        mixed.append(line)
        if other and random.random() < 0.3:
            mixed.append(other.pop(0))
    return b"".join(mixed + other)


def _junk(data: bytes, random: Random, _: object) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_JUNK) + data[at:]


def _swap(data: bytes, random: Random, _: object) -> bytes:
    found = list(_SCALAR.finditer(data))
    if not found:
        return data
    match = random.choice(found)
    return data[: match.start()] + random.choice(_SWAPS) + data[match.end() :]


def _recode(data: bytes, random: Random, _: object) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = random.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1", "utf-32"))
    return text.encode(encoding, "replace")


def _ends(data: bytes, random: Random, _: object) -> bytes:
    return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"\r\r\n")))


_DAMAGES: Final[tuple[Callable[[bytes, Random, dict[str, list[bytes]]], bytes], ...]] = (
    _flip, _flip, _cut, _behead, _double, _splice, _splice, _interleave, _junk, _junk, _swap, _swap, _swap,
    _recode, _ends,
)  # fmt: skip
