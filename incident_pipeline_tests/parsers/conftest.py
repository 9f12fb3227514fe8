"""What the parser tests share: parse bytes as an artifact, and look at rows as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from incident_pipeline.parsers import Assume, ParsedArtifact, Source, parse_artifact
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Look:
    """The tables of one artifact as lists of dicts; attributes as a dict."""

    data: bytes
    parsed: ParsedArtifact

    @property
    def events(self) -> list[dict[str, Any]]:
        return [{**row, "attributes": dict(row["attributes"])} for row in self.parsed.events.to_pylist()]

    @property
    def event(self) -> dict[str, Any]:
        (event,) = self.events
        return event

    @property
    def samples(self) -> list[dict[str, Any]]:
        return list(self.parsed.samples.to_pylist())

    @property
    def series(self) -> list[dict[str, Any]]:
        return [{**row, "labels": dict(row["labels"])} for row in self.parsed.series.to_pylist()]

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        return list(self.parsed.quarantine.to_pylist())

    def bytes_of(self, row: dict[str, Any]) -> bytes:
        return self.data[row["byte_start"] : row["byte_end"]]

    def json_of(self, row: dict[str, Any]) -> Any:
        return json.loads(self.bytes_of(row))


@pytest.fixture(scope="session")
def look() -> Callable[..., Look]:
    def parse(
        data: bytes | str,
        *,
        uri: str = "logs/app.jsonl",
        pin: str | None = None,
        tz: str | None = None,
        **known: str,
    ) -> Look:
        raw = data.encode() if isinstance(data, str) else data
        source = Source(sha256=sha256_hex(raw), uri=uri, **known)
        return Look(raw, parse_artifact(raw, source, pin=pin, assume=Assume(tz=tz)))

    return parse
