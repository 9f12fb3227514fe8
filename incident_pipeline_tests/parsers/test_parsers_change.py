from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_changes(look: Callable[..., Look]) -> None:
    data = (
        '{"ts": "2026-11-23T08:05:47.097Z", "kind": "deploy", "actor": "ci", '
        '"summary": "api 1 -> 2", "service": "api", "commit": "9c1f2ab"}\n'
        '{"ts": "2026-11-23T08:06:38.034Z", "kind": "rollback", "actor": "sre", '
        '"summary": "back", "service": "api"}\n'
    )
    seen = look(data, type="change")
    assert seen.parsed.report.format == "change_events"
    first, second = seen.events
    assert (first["kind"], first["service"], first["actor"], first["message"]) == (
        "change",
        "api",
        "ci",
        "api 1 -> 2",
    )
    assert first["attributes"] == {"change.kind": "deploy", "change.commit": "9c1f2ab"}
    assert second["attributes"] == {"change.kind": "rollback"}
    assert [seen.bytes_of(row).decode() for row in seen.events] == data.splitlines()


@pytest.mark.parametrize(
    ("record", "kind", "message"),
    [
        (
            {"timestamp": "2026-06-20T09:18:00Z", "service": "pay", "commit_sha": "94e9", "version": "v1"},
            "deploy",
            "deploy pay: v1",
        ),
        (
            {
                "timestamp": "2026-06-20T09:18:00Z",
                "flag": "f",
                "service": "pay",
                "change": "off->on",
                "actor": "a",
            },
            "flag",
            "flag pay: f off->on",
        ),
        (
            {
                "sha": "0fa",
                "author": "a",
                "timestamp": "2026-06-20T09:18:00Z",
                "message": "tidy",
                "files_changed": ["x"],
            },
            "commit",
            "tidy",
        ),
    ],
)
def test_changes_known_by_shape(
    look: Callable[..., Look], record: dict[str, Any], kind: str, message: str
) -> None:
    seen = look(json.dumps([record], indent=2))
    assert seen.event["kind"] == "change"
    assert (seen.event["attributes"]["change.kind"], seen.event["message"]) == (kind, message)
