"""What is merged, what is not, and that counts stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import build_timeline

if TYPE_CHECKING:
    from conftest import Incident

SECOND = 1_000_000_000


def log(name: str, time_ns: int, uri: str, message: str = "pool exhausted", **more: Any) -> dict[str, Any]:
    row = {
        "event_id": name,
        "time_ns": time_ns,
        "uri": uri,
        "message": message,
        "service": "api",
        "severity": 17,
    }
    return row | more


def alert(name: str, status: str, starts: int, time_ns: int | None = None, **more: Any) -> dict[str, Any]:
    attributes = {"fingerprint": "f1", "status": status, "labels.alertname": "Slow", "startsAt": str(starts)}
    row = {"event_id": name, "kind": "alert", "time_ns": starts if time_ns is None else time_ns}
    return row | {"attributes": attributes, "message": f"Slow {name}", "uri": "alerts.jsonl"} | more


def merges(incident: Incident, *rows: dict[str, Any]) -> dict[str, tuple[str, str]]:
    table = build_timeline(incident(rows)).table.to_pylist()
    return {row["event_id"]: (row["merged_into"], row["rule"]) for row in table if row["merged_into"]}


def test_repeated_deliveries_of_an_alert_are_one(incident: Incident) -> None:
    rows = [
        alert("one", "firing", 5),
        alert("again", "firing", 5),
        alert("snapshot", "firing", 5, uri="api.json"),
    ]
    found = merges(incident, *rows)
    assert len(found) == 2
    assert {rule for _, rule in found.values()} == {"alert_fingerprint"}
    assert len({target for target, _ in found.values()}) == 1


def test_resolution_and_a_new_firing_are_entries_of_their_own(incident: Incident) -> None:
    rows = [alert("one", "firing", 5), alert("end", "resolved", 5, 9), alert("two", "firing", 20)]
    assert merges(incident, *rows) == {}
    assert build_timeline(incident(rows)).timeline.shown == 3


def test_deliveries_at_other_times_of_one_firing_are_one(incident: Incident) -> None:
    assert merges(incident, alert("one", "firing", 5, 6), alert("two", "firing", 5, 60)) == {
        "two": ("one", "alert_fingerprint")
    }


def test_alerts_without_native_id_are_not_guessed_at(incident: Incident) -> None:
    rows = [alert(name, "firing", 5, attributes={"status": "firing"}) for name in ("one", "two")]
    assert merges(incident, *rows) == {}


def test_a_chat_message_that_repeats_an_alert_stays(incident: Incident) -> None:
    bot = {"kind": "chat", "time_ns": 5, "message": "Slow one", "uri": "chat.json", "event_id": "bot"}
    assert merges(incident, alert("one", "firing", 5), bot) == {}


def test_spans_exported_twice_are_one_and_shared_ids_are_not(incident: Incident) -> None:
    span = {
        "kind": "span",
        "trace_id": "t",
        "span_id": "s",
        "time_ns": 1,
        "end_time_ns": 3,
        "message": "GET /",
    }
    rows = [
        span | {"event_id": "one", "service": "api"},
        span | {"event_id": "two", "service": "api"},
        span | {"event_id": "server side", "service": "db"},
    ]
    assert merges(incident, *rows) == {"two": ("one", "span_id")}


def test_an_edited_chat_message_is_not_its_first_version(incident: Incident) -> None:
    said = {"kind": "chat", "time_ns": 1, "attributes": {"client_msg_id": "m1"}}
    rows = [
        said | {"event_id": "one", "message": "restarting"},
        said | {"event_id": "copy", "message": "restarting", "uri": "export2.json"},
        said | {"event_id": "edit", "message": "restarting the api"},
    ]
    found = merges(incident, *rows)
    assert len(found) == 1
    assert "edit" not in found


def test_the_same_record_in_two_artifacts_is_one(incident: Incident) -> None:
    assert merges(incident, log("one", 7, "a.log"), log("two", 7, "b.log")) in (
        {"two": ("one", "same_record")},
        {"one": ("two", "same_record")},
    )


def test_repeats_inside_one_artifact_are_real(incident: Incident) -> None:
    assert merges(incident, *(log(f"n{i}", 7, "a.log") for i in range(5))) == {}


# Machines that run tests are shared: a deadline would measure their load.
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_the_kth_repeat_pairs_with_the_kth(incident: Incident, one: int, two: int, three: int) -> None:
    counts = {"a.log": one, "b.log": two, "c.log": three}
    rows = [log(f"{uri}{i}", 7, uri) for uri, count in counts.items() for i in range(count)]
    # As many remain as the artifact with the most of them holds.
    assert len(merges(incident, *rows)) == len(rows) - max(counts.values())


def test_the_coarser_precision_decides_and_the_finer_record_stays(incident: Incident) -> None:
    rows = [
        log("coarse", 7 * SECOND, "a.log", time_precision="s"),
        log("fine", 7 * SECOND + 300_000_000, "b.log", time_precision="ms"),
        log("fine, later", 8 * SECOND, "b.log", time_precision="ms"),
    ]
    assert merges(incident, *rows) == {"coarse": ("fine", "same_record")}


def test_equal_precision_needs_equal_times(incident: Incident) -> None:
    assert merges(incident, log("one", 7, "a.log"), log("two", 8, "b.log")) == {}


def test_colours_and_spacing_do_not_tell_records_apart_but_values_do(incident: Incident) -> None:
    rows = [
        log("plain", 7, "a.log", "took 31 ms"),
        log("coloured", 7, "b.log", "\x1b[31mtook  31 ms\x1b[0m\n"),
        log("other", 7, "c.log", "took 32 ms"),
    ]
    found = merges(incident, *rows)
    assert len(found) == 1
    assert "other" not in found


def test_another_emitter_severity_or_trace_is_another_record(incident: Incident) -> None:
    rows = [
        log("one", 7, "a.log", trace_id="t1"),
        log("service", 7, "b.log", service="db"),
        log("severity", 7, "c.log", severity=13),
        log("trace", 7, "d.log", trace_id="t2"),
    ]
    assert merges(incident, *rows) == {}


def test_records_without_time_or_message_are_never_merged(incident: Incident) -> None:
    blank = [log("a", 7, "a.log", message=""), log("b", 7, "b.log", message="")]
    untimed = [log("c", 7, "a.log") | {"time_ns": None}, log("d", 7, "b.log") | {"time_ns": None}]
    assert merges(incident, *blank, *untimed) == {}


def test_merged_events_stay_in_the_order_and_stand_as_members(incident: Incident) -> None:
    built = build_timeline(incident([alert("one", "firing", 5), alert("two", "firing", 5)]))
    entry = built.timeline.entries[0]
    assert (entry.hash, entry.members) == ("one", ("two",))
    assert built.timeline.merged == 1
    assert built.table["event_id"].to_pylist() == ["one", "two"]


def test_a_chain_of_both_rules_ends_at_one_event(incident: Incident) -> None:
    said = {
        "kind": "chat",
        "time_ns": 1,
        "message": "ok",
        "service": "ops",
        "attributes": {"client_msg_id": "m"},
    }
    rows = [
        said | {"event_id": "x", "uri": "a.json"},
        said | {"event_id": "y", "uri": "b.json"},
        said | {"event_id": "z", "uri": "c.json", "attributes": {}},
    ]
    found = merges(incident, *rows)
    assert len(found) == 2
    assert len({target for target, _ in found.values()}) == 1
