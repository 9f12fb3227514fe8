"""One delivery, one alert, one identity; and the bundle that is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.ingest import open_bundle, read_alert, write_alert_bundle


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "EdgeErrors", "service": "edge", "severity": "page"},
        "annotations": {"summary": "edge answers 5xx"},
        "startsAt": "2026-11-23T08:06:11.547Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "e173ad147b50f2ba",
    } | changes


def webhook(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()


def test_a_webhook_is_read() -> None:
    read = read_alert(webhook(alert()), "a.json")
    assert read.status == "firing"
    assert read.title == "EdgeErrors: edge answers 5xx"
    assert (read.severity, read.service) == ("page", "edge")
    assert read.incident_id == "alert-e173ad147b50f2ba-20261123t080611-547"
    assert read.run_key == "e173ad147b50f2ba:2026-11-23T08:06:11.547Z"


def test_webhook_api_and_other_zones_have_the_same_identity() -> None:
    v2 = alert(status={"state": "active", "silencedBy": []}, startsAt="2026-11-23T10:06:11.547000+02:00")
    later = webhook(alert(annotations={}, endsAt="2030-01-01T00:00:00Z"))
    bodies = (webhook(alert()), json.dumps([v2]).encode(), later)
    keys = {read_alert(body, "a.json").run_key for body in bodies}
    assert keys == {"e173ad147b50f2ba:2026-11-23T08:06:11.547Z"}


def test_nanoseconds_are_kept() -> None:
    read = read_alert(webhook(alert(startsAt="2017-10-06T16:21:28.214665326+09:00")), "a.json")
    assert read.starts_at == "2017-10-06T07:21:28.214665326Z"


def test_the_earliest_firing_alert_is_the_incident_and_ties_go_by_fingerprint() -> None:
    body = webhook(
        alert(fingerprint="f" * 16, startsAt="2026-01-01T00:00:02Z"),
        alert(fingerprint="b" * 16, startsAt="2026-01-01T00:00:01.5Z"),
        alert(fingerprint="a" * 16, startsAt="2026-01-01T00:00:01.50Z"),
        alert(fingerprint="0" * 16, startsAt="2026-01-01T00:00:00Z", status="resolved"),
    )
    assert read_alert(body, "a.json").fingerprint == "a" * 16


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("resolved", "resolved"),
        ({"state": "suppressed"}, "suppressed"),
        ({"state": "unprocessed"}, "firing"),
        (None, "firing"),
    ],
)
def test_a_delivery_in_which_nothing_fires_is_no_error(status: object, expected: str) -> None:
    assert read_alert(webhook(alert(status=status)), "a.json").status == expected


def test_a_missing_fingerprint_is_computed_from_the_labels() -> None:
    plain = alert()
    del plain["fingerprint"]
    turned = plain | {"labels": dict(reversed(plain["labels"].items()))}
    first, second = (read_alert(webhook(it), "a.json") for it in (plain, turned))
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 16
    assert read_alert(webhook(alert(fingerprint="../../etc")), "a.json").fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "no valid JSON"),
        (b'{"status": "firing"}', "holds no alerts"),
        (b'{"alerts": []}', "holds no alerts"),
        (b"[]", "holds no alerts"),
        (b'"alerts"', "holds no alerts"),
        (b"[3]", "alerts/0: is no alert object"),
        (webhook(alert(), alert(startsAt="yesterday")), "alerts/1/startsAt: 'yesterday'"),
        (webhook(alert(startsAt=None)), "alerts/0/startsAt"),
        (webhook(alert(startsAt="0001-01-01T00:00:00Z")), "alerts/0/startsAt"),
        (webhook(alert(labels={}, fingerprint="")), "neither a fingerprint nor labels"),
        (webhook(alert(status="burning")), "alerts/0/status: 'burning'"),
        (b" " * (17 * 1024**2), "too many"),
    ],
)
def test_malformed_deliveries_name_the_place(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        read_alert(body, "a.json")
    assert caught.value.message.startswith("a.json: ")
    assert reason in caught.value.message
    assert "Alertmanager" in caught.value.diagnostics() or "JSON" in caught.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(
        st.sampled_from(["alerts", "labels", "startsAt", "status", "state", "fingerprint"]), children
    ),
    max_leaves=15,
)  # fmt: skip


@given(json_values)
@settings(deadline=None)  # a busy machine is no finding
def test_any_json_gives_an_alert_or_our_error(body: object) -> None:
    try:
        read_alert(json.dumps(body).encode(), "a.json")
    except MalformedInputError as error:
        assert "a.json" in error.message  # noqa: PT017 - either outcome is right


def test_the_bundle_of_an_alert_opens_and_stays_as_it_is(tmp_path: Path) -> None:
    data = webhook(alert())
    path = write_alert_bundle(read_alert(data, "delivery 1.json"), data, tmp_path / "alerts")
    assert path == tmp_path / "alerts" / "alert-e173ad147b50f2ba-20261123t080611-547"
    bundle = open_bundle(path, tmp_path / "scratch")
    assert bundle.problems == ()
    assert bundle.incident.detected_by == "alertmanager:e173ad147b50f2ba"
    assert bundle.incident.start_time == "2026-11-23T08:06:11.547Z"
    assert bundle.incident.services == ("edge",)
    (artifact,) = bundle.artifacts
    assert (artifact.entry.type, artifact.entry.uri) == ("alert", "alerts/delivery-1.json")
    assert artifact.path.read_bytes() == data
    before = (path / "incident.json").read_bytes()
    again = webhook(alert(annotations={"summary": "another wording"}))
    assert write_alert_bundle(read_alert(again, "other.json"), again, tmp_path / "alerts") == path
    assert (path / "incident.json").read_bytes() == before
    assert [it.name for it in (tmp_path / "alerts").iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["../../x", ".hidden", "-rf", "\x1b[31m", "", "n" * 300])
def test_a_hostile_name_becomes_a_plain_file_name(tmp_path: Path, name: str) -> None:
    data = webhook(alert(annotations={"summary": "\x1b[31mred\n\tand\u202e more"}))
    path = write_alert_bundle(read_alert(data, name), data, tmp_path)
    (file,) = (path / "alerts").iterdir()
    assert file.suffix == ".json"
    assert file.name.lstrip(".-") == file.name
    title = json.loads((path / "incident.json").read_text())["title"]
    assert title == "EdgeErrors: [31mred and more"
