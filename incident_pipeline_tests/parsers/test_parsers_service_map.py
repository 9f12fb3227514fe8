from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def test_service_map(look: Callable[..., Look]) -> None:
    data = json.dumps(
        {"edges": [["web", "api"], {"source": "api", "target": "db", "rps": 3}, ["odd"]]}, indent=1
    )
    seen = look(data, type="topology", pin="service_map")
    first, second = seen.events
    assert (first["message"], first["attributes"], first["json_pointer"], first["time_ns"]) == (
        "web -> api",
        {"caller": "web", "callee": "api"},
        "/edges/0",
        None,
    )
    assert seen.json_of(first) == ["web", "api"]
    assert second["attributes"]["rps"] == "3"
    assert [seen.json_of(row) for row in seen.quarantine] == [["odd"]]
    assert look('{"edges": [["a", "b"]]}').parsed.report.format == "service_map"
