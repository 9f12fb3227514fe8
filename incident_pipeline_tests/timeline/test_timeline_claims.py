"""People's statements: which are claims of fact, and what the record says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outage import at, change, log, outage, said

from incident_pipeline.timeline import build_timeline
from incident_pipeline.timeline.claim_grammar import asks, read_statements
from incident_pipeline.timeline.claim_words import ACTS

if TYPE_CHECKING:
    from conftest import Incident

    from incident_pipeline.model.timeline import Claim


def told(text: str) -> list[tuple[str, str]]:
    return [(statement.kind, statement.action) for statement in read_statements(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rolled back api to 2.3.0", [("act", "rollback")]),
        ("ok, rolling back api now", [("act", "rollback")]),
        ("I restarted it at 14:02", [("act", "restart")]),
        ("scaled api to 10", [("act", "scale")]),
        ("added two more replicas", [("act", "scale")]),
        ("disabled the new-checkout flag", [("act", "flag")]),
        ("disabled the cache warmer", [("act", "config")]),
        ("purged the cdn cache", [("act", "purge")]),
        ("failed over to the replica", [("act", "failover")]),
        ("increased the connection limit", [("act", "config")]),
        ("deployed 2.4.1, errors dropping", [("act", "deploy"), ("state", "falling")]),
        ("checkout is down", [("state", "down")]),
        ("api's down again", [("state", "down")]),
        ("api is back", [("state", "up")]),
        ("5xx climbing", [("state", "rising")]),
        ("errors increased since 14:02", [("state", "rising")]),
        ("error rate is 12 %", [("value", "value")]),
        ("p99 is 3.5 s now", [("value", "value")]),
        ("recovering, hit ratio back over 80%", [("state", "up"), ("value", "value")]),
        ("it was slow. restarted api; all clear", [("state", "down"), ("act", "restart"), ("state", "up")]),
    ],
)
def test_statements_of_fact(text: str, expected: list[tuple[str, str]]) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "should we roll back?",
        "did the deploy break something",
        "rolled back already?",
        "going to restart api",
        "we'll restart api and purge the cache",
        "once I have restarted api, scaled it and purged the cache",
        "if api is down we fail over",
        "I didn't restart api",
        "api has not been restarted",
        "nobody deployed",
        "api is not down",
        "maybe api is down",
        "I think the cache is broken",
        "let's get api restarted",
        "tried to roll back",
        "> rolled back api",
        'customer wrote "checkout is down"',
        "`api is down`",
        "```\nrolled back api\n```",
        "requests are blocked",
        "cleared up with the vendor",
        "see https://status.example/api-is-down",
        "deployed yesterday",
        "",
        "looking",
    ],
)
def test_questions_plans_doubts_negations_and_quotes_are_no_claims(text: str) -> None:
    assert told(text) == []


def test_a_quoted_line_does_not_swallow_the_next() -> None:
    assert told("> is api down?\nrestarted api") == [("act", "restart")]


def test_values_and_times_are_read() -> None:
    (value,) = read_statements("error rate back under 2.5 % since 09:15")
    assert (value.measure, value.operator, value.number, value.unit) == ("errors", "<", 2.5, "%")
    assert value.clock is not None
    assert (value.clock.seconds, value.clock.length, value.clock.since) == (9 * 3600 + 15 * 60, 60, True)
    (act,) = read_statements("restarted api at 14:02:30 +02:00")
    assert act.clock is not None
    assert (act.clock.seconds, act.clock.length, act.clock.offset) == (50_550, 1, 7_200)


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_failure(text: str) -> None:
    for statement in read_statements(text):
        assert statement.kind in ("act", "state", "value")
        assert statement.kind != "act" or statement.action in ACTS
    asks(text)


@given(
    st.sampled_from(["not", "never", "going to have", "if we had", "should we have"]),
    st.sampled_from(sorted(ACTS)),
)
def test_no_act_survives_a_negation_or_a_plan(word: str, act: str) -> None:
    done = {"rollback": "reverted", "flag": "toggled", "purge": "purged"}.get(act, ACTS[act][0][0])
    assert told(f"we {word} {done} the cache flag") == []


def claims_of(incident: Incident, *rows: dict[str, Any], **more: Any) -> list[Claim]:
    return list(build_timeline(incident(outage(*rows, **more))).timeline.claims)


def states(incident: Incident, *rows: dict[str, Any]) -> list[str]:
    return [claim.state for claim in claims_of(incident, *rows)]


ROLLBACK = change(99.5, "rollback", "api 2 -> 1")


def test_an_act_on_record_corroborates_with_its_event(incident: Incident) -> None:
    (claim,) = claims_of(incident, ROLLBACK, said(105, "rolled back api"))
    assert (claim.state, claim.about, claim.action) == ("corroborated", "api", "rollback")
    assert len(claim.evidence) == 1
    assert claim.said_time_ns == at(105)


def test_an_act_under_way_is_looked_for_ahead_and_one_that_is_done_behind(incident: Incident) -> None:
    assert states(incident, ROLLBACK, said(60, "rolling back api")) == ["corroborated"]
    assert states(incident, change(170, "rollback", "api 2 -> 1"), said(5, "rolled back api")) == ["reported"]


def test_no_record_is_no_contradiction(incident: Incident) -> None:
    assert states(incident, said(105, "rolled back api")) == ["reported"]
    assert states(incident, change(99, "rollback", "x", service="edge"), said(105, "rolled back api")) == [
        "reported"
    ]


def test_another_time_than_the_record_contradicts(incident: Incident) -> None:
    (claim,) = claims_of(
        incident, change(1_500, "rollback", "api 2 -> 1"), said(1_600, "rolled back api at 08:01")
    )
    assert claim.state == "contradicted"
    assert claim.said_time_ns == at(60)
    assert "08:25:00" in claim.reason


def test_a_service_that_logs_its_starts_contradicts_a_restart_it_never_made(incident: Incident) -> None:
    chatter = [log(second, "handled") for second in range(0, 3_000, 10)]
    restart = said(1_500, "restarted api at 08:20")
    silent = states(incident, *chatter, restart)
    assert silent == ["reported"]
    assert states(incident, log(1, "service started"), *chatter, restart) == ["contradicted"]
    assert states(incident, log(1, "service started"), log(1_201, "service started"), *chatter, restart) == [
        "corroborated"
    ]


def test_states_are_held_against_measurements(incident: Incident) -> None:
    assert states(incident, said(80, "api is down")) == ["corroborated"]
    assert states(incident, said(30, "api is down")) == ["contradicted"]
    assert states(incident, said(80, "api is healthy")) == ["contradicted"]
    assert states(incident, said(150, "api is back")) == ["corroborated"]
    assert states(incident, said(80, "billing is down")) == ["reported"]


def test_nothing_is_claimed_of_a_time_that_is_not_covered(incident: Incident) -> None:
    (claim,) = claims_of(incident, said(9_000, "api is down"))
    assert claim.state == "reported"
    assert "No measurement" in claim.reason


def test_values_are_measured(incident: Incident) -> None:
    everything = said(110, "error rate is 66 %")
    assert states(incident, everything) == ["corroborated"]
    assert states(incident, said(30, "error rate is 40 %")) == ["contradicted"]
    assert states(incident, said(30, "p95 is under 1 s")) == ["corroborated"]
    assert states(incident, said(30, "p95 is 3 s")) == ["contradicted"]


def test_what_names_nothing_goes_on_about_what_was_named(incident: Incident) -> None:
    about = [
        claim.about for claim in claims_of(incident, said(30, "api looks clean, p95 flat. billing is down"))
    ]
    assert about == ["api", "api", ""]


def test_times_are_read_in_the_zone_of_the_source(incident: Incident) -> None:
    tables = incident(outage(said(1_600, "rolled back api at 09:01")))
    zoned = tuple(
        artifact.model_copy(update={"timezone": "+01:00"}) for artifact in tables.evidence.artifacts
    )
    evidence = tables.evidence.model_copy(update={"artifacts": zoned})
    (claim,) = build_timeline(
        type(tables)(tables.events, tables.samples, tables.series, evidence)
    ).timeline.claims
    assert claim.said_time_ns == at(60)


def test_what_a_program_says_is_no_claim(incident: Incident) -> None:
    assert claims_of(incident, said(80, "api is down", attributes={"subtype": "bot_message"})) == []


def test_kubernetes_events_speak_for_acts(incident: Incident) -> None:
    event = {
        "kind": "k8s_event",
        "uri": "k8s/e.json",
        "time_ns": at(99),
        "service": "api",
        "message": "Scaled up replica set api-7 to 6",
        "attributes": {"type": "Normal", "reason": "ScalingReplicaSet"},
    }
    (claim,) = claims_of(incident, event, said(105, "scaled api to 6"))
    assert (claim.state, len(claim.evidence)) == ("corroborated", 1)
