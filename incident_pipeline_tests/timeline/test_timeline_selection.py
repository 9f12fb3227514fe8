"""Which events become key entries, why, and that the rest is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outage import START, change, outage, said

from incident_pipeline.timeline import build_timeline, narrative
from incident_pipeline.timeline.selection import LIMIT, RULES

if TYPE_CHECKING:
    from conftest import Incident

    from incident_pipeline.model.timeline import Timeline

SECOND = 1_000_000_000


def timeline_of(incident: Incident, rows: list[dict[str, Any]]) -> Timeline:
    stamped = [{"time_ns": i * SECOND} | row for i, row in enumerate(rows)]
    return build_timeline(incident(stamped)).timeline


def told(incident: Incident, *rows: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry.message, entry.why_key) for entry in timeline_of(incident, list(rows)).entries]


def alert(status: str, name: str = "Slow") -> dict[str, Any]:
    attributes = {"labels.alertname": name, "status": status, "fingerprint": name}
    return {"kind": "alert", "message": f"{name}: too slow", "attributes": attributes}


def log(message: str, severity: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "log",
        "message": message,
        "severity": severity,
        "service": "api",
        "mask_id": message,
    } | more


def test_an_alert_gives_its_first_firing_and_last_resolution_before_its_repeats(incident: Incident) -> None:
    states = ["firing", "resolved", "firing", "acknowledged", "resolved"]
    assert told(incident, *map(alert, states)) == [
        ("firing: Slow: too slow", "alert starts firing (1 of 2 times); detected rests on it"),
        ("resolved: Slow: too slow", "alert resolves for the first time"),
        ("firing: Slow: too slow", "alert fires again"),
        ("acknowledged: Slow: too slow", "alert is acknowledged; aware rests on it"),
        ("resolved: Slow: too slow", "alert resolves for the last time; resolved rests on it"),
    ]


def test_changes_and_people_are_all_told_with_who_and_what(incident: Incident) -> None:
    deploy = {
        "kind": "change",
        "message": "api 1 -> 2",
        "actor": "ci",
        "attributes": {"change.kind": "deploy"},
    }
    said = {"kind": "chat", "message": "rolling back", "actor": "U1"}
    assert told(incident, deploy, said) == [
        ("deploy by ci: api 1 -> 2", "change"),
        ("U1: rolling back", "statement of a person"),
    ]


def test_of_automatic_messages_the_first_about_an_alert_and_those_about_anything_else(
    incident: Incident,
) -> None:
    bot = {"kind": "chat", "attributes": {"subtype": "bot_message"}}
    messages = ["[FIRING] Slow", "[FIRING] Slow again", "deploy finished"]
    rows = [alert("firing"), *(bot | {"message": message} for message in messages)]
    assert told(incident, *rows)[1:] == [
        ("[FIRING] Slow", "first automatic message about an alert"),
        ("deploy finished", "automatic message"),
    ]


def test_first_of_each_error_template_per_service_with_its_count(incident: Incident) -> None:
    rows = [
        log("pool exhausted", 17),
        log("pool exhausted", 17),
        log("pool exhausted", 17, service="db"),
        log("slow query", 13),
        log("started", 9),
    ]
    assert told(incident, *rows) == [
        ("pool exhausted", "error, first of 2 like it, the last at 00:00:01"),
        ("pool exhausted", "only error like it"),
        ("slow query", "only warning like it"),
    ]


def test_failing_spans_tell_how_they_failed(incident: Incident) -> None:
    span = {"kind": "span", "trace_id": "t", "service": "api", "message": "GET /"}
    failing = {"attributes": {"status.code": "ERROR", "http.response.status_code": "503"}}
    rows = [
        span | {"span_id": "a", "end_time_ns": SECOND},
        span | {"span_id": "b", "end_time_ns": SECOND + 2_500_000} | failing,
        span | {"span_id": "c", "end_time_ns": 3 * SECOND} | failing,
    ]
    assert told(incident, *rows) == [
        ("GET / failed with 503 after 2.5 ms", "failing span, first of 2 like it, the last at 00:00:02")
    ]


def test_first_and_last_failed_request_of_an_access_log(incident: Incident) -> None:
    rows = [
        {
            "message": f"GET /{code}",
            "host": "edge",
            "attributes": {"http.request.method": "GET", "http.response.status_code": code},
        }
        for code in ["200", "502", "503", "404", "504", "200"]
    ]
    assert told(incident, *rows) == [
        ("GET /502", "first of 3 requests answered 5xx"),
        ("GET /504", "last of 3 requests answered 5xx"),
    ]


def test_kubernetes_warnings_but_not_normal_events(incident: Incident) -> None:
    rows = [
        {"kind": "k8s_event", "message": message, "attributes": {"type": kind}}
        for message, kind in [("Back-off restarting", "Warning"), ("Pulled image", "Normal")]
    ]
    assert told(incident, *rows) == [("Back-off restarting", "only Kubernetes warning like it")]


def test_dft_1299_a_selection_says_how_much_of_what_it_shows(incident: Incident) -> None:
    timeline = timeline_of(incident, [alert("firing"), *(log("fine", 9) for _ in range(7)), log("bad", 17)])
    assert (timeline.shown, timeline.total) == (2, 9)
    kinds = {kind: (count.shown, count.total) for kind, count in timeline.kinds.items()}
    assert kinds == {"alert": (1, 1), "log": (1, 8)}


def test_a_flood_of_one_kind_crowds_out_no_other_kind_and_is_counted(incident: Incident) -> None:
    flood = [{"kind": "chat", "message": f"message {i}", "actor": "U1"} for i in range(300)]
    timeline = timeline_of(incident, [alert("firing"), *flood, log("bad", 17), alert("resolved")])
    assert timeline.shown == LIMIT
    assert timeline.crowded_out == 303 - LIMIT
    assert timeline.kinds["alert"].shown == 2
    assert timeline.kinds["log"].shown == 1
    # Beginning and end of the conversation stay.
    messages = [entry.message for entry in timeline.entries]
    assert {"U1: message 0", "U1: message 299"} <= set(messages)


def test_an_event_that_two_rules_name_stands_once(incident: Incident) -> None:
    row = log("boom", 17, attributes={"http.request.method": "GET", "http.response.status_code": "500"})
    assert told(incident, row) == [("boom", "only request answered 5xx")]


def test_a_service_that_starts_again_is_told_and_its_first_start_is_not(incident: Incident) -> None:
    rows = [log("service started", 9), log("service started", 9), log("service started", 9, service="db")]
    assert told(incident, *rows) == [("service started", "start or stop again, 2 of 2")]


def test_a_new_kind_of_record_that_keeps_coming_is_told(incident: Incident) -> None:
    usual = [log("handled", 9) for _ in range(5)]
    new = [log("cache dropped", 9) for _ in range(3)]
    assert told(incident, *usual, *new, log("once", 9)) == [
        ("cache dropped", "new kind of record, first of 3 like it, the last at 00:00:07")
    ]


def test_a_resolved_alert_stands_at_its_end(incident: Incident) -> None:
    resolved = alert("resolved") | {"time_ns": SECOND, "end_time_ns": 9 * SECOND}
    timeline = timeline_of(
        incident, [resolved, {"kind": "change", "message": "rollback", "time_ns": 5 * SECOND}]
    )
    assert [entry.time_ns for entry in timeline.entries] == [5 * SECOND, 9 * SECOND]


def test_a_merged_event_is_not_picked_but_counted_where_it_went(incident: Incident) -> None:
    rows = [log("bad", 17, uri="a.log", time_ns=5), log("bad", 17, uri="b.log", time_ns=5)]
    timeline = timeline_of(incident, rows)
    assert [len(entry.members) for entry in timeline.entries] == [1]


def test_recorded_by_is_never_empty(incident: Incident) -> None:
    rows = [
        {"kind": "change", "message": "a", "actor": "sre-1"},
        {"kind": "change", "message": "b", "source": "spinnaker", "uri": "changes/x.jsonl"},
        {"kind": "change", "message": "c", "uri": "changes/x.jsonl"},
    ]
    entries = timeline_of(incident, rows).entries
    assert [entry.recorded_by for entry in entries] == ["sre-1", "spinnaker via changes", "changes"]


def test_a_long_message_is_cut_with_a_mark(incident: Incident) -> None:
    (entry,) = timeline_of(incident, [{"kind": "change", "message": "x" * 5000}]).entries
    assert len(entry.message) == 400
    assert entry.message.endswith("…")


def test_the_shares_of_the_rules_fill_the_page_exactly() -> None:
    assert sum(rule.share for rule in RULES) == LIMIT
    assert LIMIT == 40


def test_every_entry_says_which_rule_picked_it_and_each_rule_what_it_left_out(incident: Incident) -> None:
    flood = [{"kind": "chat", "message": f"message {i}", "actor": "U1"} for i in range(300)]
    timeline = timeline_of(incident, [alert("firing"), *flood, log("bad", 17)])
    assert {entry.rule for entry in timeline.entries} == {"alert", "message", "error log"}
    counts = {count.rule: (count.found, count.shown) for count in timeline.selection}
    assert counts == {"alert": (1, 1), "message": (300, 38), "error log": (1, 1)}
    assert timeline.crowded_out == sum(count.found - count.shown for count in timeline.selection)
    assert "message 38 of 300" in narrative(timeline)


def test_two_floods_share_the_room_that_is_left(incident: Incident) -> None:
    chat = [{"kind": "chat", "message": f"message {i}", "actor": "U1"} for i in range(300)]
    failing = [log(f"{chr(97 + i % 26)}{chr(97 + i // 26)}x broke", 17) for i in range(300)]
    shown = {count.rule: count.shown for count in timeline_of(incident, [*chat, *failing]).selection}
    assert shown["message"] + shown["error log"] == LIMIT
    assert shown["message"] == 3 * shown["error log"]


def test_a_kind_of_record_that_came_and_stopped_is_told_at_both_ends(incident: Incident) -> None:
    usual = [log("handled", 9, time_ns=i * SECOND) for i in range(200)]
    dropped = [log("cache dropped", 9, time_ns=(80 + i) * SECOND) for i in range(20)]
    rows = sorted([*usual, *dropped], key=lambda row: row["time_ns"])
    assert told(incident, *rows) == [
        ("cache dropped", "new kind of record, first of 20 like it, the last at 00:01:39"),
        ("cache dropped", "last of 20 like it, then no more"),
    ]


def test_a_kind_of_record_that_only_pauses_has_not_stopped(incident: Incident) -> None:
    usual = [log("handled", 9, time_ns=i * SECOND) for i in range(200)]
    slow = [log("checkpoint", 9, time_ns=(60 + 45 * i) * SECOND) for i in range(4)]
    rows = sorted([*usual, *slow], key=lambda row: row["time_ns"])
    assert [why for _, why in told(incident, *rows)] == [
        "new kind of record, first of 4 like it, the last at 00:03:15"
    ]


def test_each_service_is_told_at_its_first_contact_with_the_failure(incident: Incident) -> None:
    timeline = build_timeline(incident(outage())).timeline
    contacts = {e.service: e.time_ns for e in timeline.entries if e.rule == "contact"}
    assert set(contacts) == {"api", "edge"}
    assert all(60 * SECOND <= (time or 0) - START < 61 * SECOND for time in contacts.values())


def test_what_deviates_is_told_at_its_first_and_last_record(incident: Incident) -> None:
    timeline = build_timeline(incident(outage())).timeline
    failing = [one for one in timeline.deviations if one.kind == "failures"]
    assert {one.component for one in failing} == {"api", "edge"}
    shown = {entry.hash for entry in timeline.entries}
    for one in failing:
        assert len(one.events) == 2
        assert one.end_ns is not None
        assert one.calm_ns is not None
        assert one.start_ns < one.end_ns < one.calm_ns
    assert {one.events[1] for one in failing} <= shown


def test_what_a_moment_rests_on_is_never_crowded_out(incident: Incident) -> None:
    chatter = [said(61 + i * 0.1, f"message {i}") for i in range(300)]
    rollback = change(99.5, "rollback", "api 2 -> 1", actor="sre-1")
    releases = [change(130 + i * 0.1, "deploy", f"web {i}", service="web") for i in range(200)]
    timeline = build_timeline(incident(outage(*chatter, rollback, *releases))).timeline
    assert len(timeline.entries) == LIMIT
    resting = {event for moment in timeline.moments for event in moment.events}
    assert resting <= {entry.hash for entry in timeline.entries}
    assert any("mitigated" in entry.why_key for entry in timeline.entries)


def test_jelis_markers(incident: Incident) -> None:
    rows = outage(
        change(50, "deploy", "api 1 -> 2"),
        said(75, "does anybody know why?"),
        said(90, "rolling back api"),
        change(99.5, "rollback", "api 2 -> 1"),
    )
    timeline = build_timeline(incident(rows)).timeline
    marked = {e.message: e.marker for e in timeline.entries if e.type in ("change", "chat", "alert")}
    assert marked == {
        "deploy by ci: api 1 -> 2": "key_moment",
        "firing: Errors: too many": "detection",
        "U1: does anybody know why?": "diagnosis",
        "U1: rolling back api": "repair",
        "rollback by ci: api 2 -> 1": "repair",
        "resolved: Errors: too many": "key_moment",
    }
