"""What tests of measurements share: rows as plain values, and that no line of the input is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Look


def measured(seen: Look) -> list[tuple[str | None, dict[str, str], int | None, float | None]]:
    """Give name, labels, time and value of every measurement."""
    series = {row["series_id"]: row for row in seen.series}
    return [
        (
            series[row["series_id"]]["name"],
            series[row["series_id"]]["labels"],
            row["time_ns"],
            row["value"],
        )
        for row in seen.samples
    ]


def check_covered(seen: Look, *, remark: bytes = b"\0") -> None:
    """Check that ranges lie in the data, and that no line but remarks is left out."""
    data = seen.data
    rows: list[dict[str, Any]] = seen.events + seen.samples + seen.quarantine
    ranges = sorted((row["byte_start"], row["byte_end"]) for row in rows)
    assert all(0 <= start < end <= len(data) for start, end in ranges)
    assert {row["series_id"] for row in seen.samples} <= {row["series_id"] for row in seen.series}
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    reach = index = 0
    for line in data[at:].split(b"\n"):
        start, stop = at, at + len(line)
        at = stop + 1
        while index < len(ranges) and ranges[index][0] < max(stop, start + 1):
            reach = max(reach, ranges[index][1])
            index += 1
        if line.strip() and not line.strip().startswith(remark):
            assert reach > start, (line[:80], data[:300])
