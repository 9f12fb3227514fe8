"""The deterministic drafter: what it says, what it leaves unsaid, and that it is honest about it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from incident_pipeline.drafting import ClaimGuard, draft
from incident_pipeline.drafting.columns import attribute, http_status
from incident_pipeline.drafting.traffic import front_door
from incident_pipeline_tests.drafting.synthetic import ALERT, FIX, ONSET, T0, Story, build


def texts(story: Story, section: str) -> list[str]:
    return [s.text for s in draft(build(story)).sentences if s.section == section]


def test_the_summary_tells_what_users_saw_the_cause_and_the_end() -> None:
    summary = texts(Story(), "summary")
    assert 3 <= len(summary) <= 5
    assert summary[0].startswith("gate answered 41 of 161 requests (25.5 %) with a server error")
    assert "H1, with a confidence of 85 of 100: ledger ran out of connections" in summary[1]
    assert "1 other hypothesis was refuted" in summary[2]
    assert "from 25 % to 0 %" in summary[3]
    assert "55 s after the estimated onset" in summary[4]


def test_nothing_of_the_own_draft_is_refused() -> None:
    for story in (Story(), Story(spans=False), Story(access_log=False), Story(supported=False)):
        inputs = build(story)
        made = draft(inputs)
        assert made.refused == ()
        assert all(s.citations and ClaimGuard(inputs).refusal(s) is None for s in made.sentences)


def test_facts_follow_the_story() -> None:
    facts = build().facts
    door = facts.front_door
    assert door is not None
    assert (door.component, door.source, door.failed, door.requests) == ("gate", "access log", 41, 161)
    assert door.statuses == {"503": 41}
    assert door.failed_before_alert == ALERT - ONSET - 2
    assert [alert.name for alert in facts.alerts] == ["GateErrorRatio", "GateLatency"]
    assert [alert.episodes for alert in facts.alerts] == [1, 1]
    assert facts.time_to_detect_s == ALERT - ONSET
    assert facts.mitigation is not None
    assert facts.changes[facts.mitigation.change].summary == "ledger pool 8 -> 64"
    assert facts.changes[facts.mitigation.change].time_ns == T0 + FIX * 10**9
    assert [change.business for change in facts.changes] == [False, True, False]
    assert [message.automated for message in facts.messages] == [True, False, False]
    assert facts.date == "2025-10-09"


def test_server_spans_stand_in_for_a_missing_access_log() -> None:
    inputs = build(Story(access_log=False))
    traffic = front_door(inputs.tables.events, inputs.diagnosis.graph)
    assert traffic is not None
    assert (traffic.component, traffic.source) == ("gate", "server spans")
    assert "seen in its server spans" in texts(Story(access_log=False), "summary")[0]


def test_without_any_requests_the_first_alert_leads() -> None:
    story = Story(access_log=False, spans=False)
    assert texts(story, "summary")[0].startswith("The first alert, “GateErrorRatio”, fired at 09:00:55 UTC")
    assert "The evidence holds no requests of users" in texts(story, "impact")[0]


def test_nothing_supported_says_cannot_tell() -> None:
    summary = " ".join(texts(Story(supported=False), "summary"))
    assert "cannot tell what caused it" in summary
    assert "1 is refuted and 2 are inconclusive" in summary
    assert not any(item.priority == "P1" for item in draft(build(Story(supported=False))).actions)


def test_insufficient_evidence_and_healthy_are_said_plainly() -> None:
    insufficient = " ".join(texts(Story(verdict="insufficient_evidence", hypotheses=False), "summary"))
    assert "cannot tell what caused it: too little telemetry is held" in insufficient
    healthy = texts(Story(verdict="healthy", hypotheses=False, alerts=False), "summary")
    assert healthy == ["The evidence shows no incident: too little telemetry is held."]


def test_an_unresolved_alert_leaves_the_end_open() -> None:
    assert "The evidence ends before the last alert resolves." in texts(Story(resolved=False), "summary")
    assert build(Story(resolved=False)).facts.ended is None


def test_luck_needs_a_change_log_that_records_nothing() -> None:
    assert texts(Story(), "got_lucky") == []
    assert texts(Story(changes=False), "got_lucky") == []
    calm = Story(fixing_change=False)
    assert texts(calm, "got_lucky") == [
        "The alerts resolved although the change log records no change between 09:00:40 and 09:01:35 UTC."
    ]


def test_people_are_quoted_as_reported_and_never_named() -> None:
    made = draft(build())
    reported = [s for s in made.sentences if s.claim_type == "reported"]
    assert [s.section for s in reported] == ["response", "response"]
    assert not any("U_ONE" in s.text or "U_TWO" in s.text for s in made.sentences)


def test_open_questions_name_open_hypotheses_and_gaps() -> None:
    questions = texts(Story(), "open_questions")
    assert questions[0].startswith("H3 is open (1 of 1 check had no data)")
    assert "What metrics would show is unknown: the evidence holds none of them." in questions
    assert "2 records of “logs/app.jsonl” could not be read and stand in quarantine." in questions


def test_actions_have_roles_and_deadlines_from_evidence_time() -> None:
    actions = draft(build()).actions
    assert [(item.owner, item.priority, item.deadline) for item in actions] == [
        ("team:ledger", "P1", "2025-10-23"),
        ("team:ledger", "P2", "2025-11-06"),
        ("platform-oncall", "P2", "2025-11-06"),
        ("team:gate", "P3", "2025-12-04"),
    ]
    assert all(item.citations for item in actions)


def test_a_component_that_is_no_identifier_belongs_to_the_platform() -> None:
    actions = draft(build(Story(component="led ger; rm -rf"))).actions
    assert {item.owner for item in actions} <= {"platform-oncall", "team:gate"}


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\u202eevil\u202c", "a“b”c", "x" * 10_000, "\x1b[31mred"]
)
def test_hostile_chat_is_quoted_on_one_clean_line(text: str) -> None:
    inputs = build(Story(chat_text=text))
    made = draft(inputs)
    assert made.refused == ()
    quoted = next(s.text for s in made.sentences if "responder wrote" in s.text)
    assert len(quoted) < 250
    assert all(character.isprintable() for character in quoted)


def test_the_same_inputs_give_the_same_draft() -> None:
    assert draft(build()) == draft(build())


def test_attributes_are_found_by_their_usual_names_also_in_slices() -> None:
    rows = [
        {"attributes": [("alertname", "A"), ("labels.service", "s")]},
        {"attributes": []},
        {"attributes": [("http.response.status_code", "503"), ("status", "ok")]},
        {"attributes": [("st", "404")]},
        {"attributes": [("status", "1000")]},
        {"attributes": [("http.STATUS", "201")]},
    ]
    schema = pa.schema([pa.field("attributes", pa.map_(pa.string(), pa.string()))])
    table = pa.Table.from_pylist(rows, schema=schema)
    assert list(attribute(table, ("alertname",))) == ["A", None, None, None, None, None]
    assert list(http_status(table)) == [0, 0, 503, 404, 0, 201]
    assert list(http_status(table.slice(2, 2))) == [503, 404]
    assert list(http_status(table.slice(0, 0))) == []
