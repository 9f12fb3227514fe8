"""Summary and impact: what users saw, the leading cause, how it was found, how it ended.

Systems are the subjects. Where nothing is supported the summary says that the evidence cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import clock, duration, joined, percent, plural, quoted
from incident_pipeline.drafting.writer import Writer, sentence_of

if TYPE_CHECKING:
    from incident_pipeline.model.facts import FrontDoor

_NAMED_ALERTS: Final = 4


def write_summary(writer: Writer) -> None:
    """Write three to five sentences: what users saw, the leading cause, how it was found, how it ended."""
    facts = writer.facts
    if writer.inputs.diagnosis.verdict == "healthy":
        _healthy(writer)
        return
    if facts.front_door is not None:
        _failures(writer, facts.front_door, "summary")
    elif facts.first_alert is not None:
        tell_first_alert(writer, "summary")
    _cause(writer)
    _found(writer)
    tell_end(writer, "summary")


def write_impact(writer: Writer) -> None:
    """Write how many requests failed, with which status, for how long."""
    facts = writer.facts
    door = facts.front_door
    if door is None:
        if writer.inputs.diagnosis.verdict != "healthy":
            _no_failures(writer)
        return
    cited = writer.inputs.citer.events(door.first_failed_event_id, door.last_failed_event_id)
    _failures(writer, door, "impact")
    if door.statuses:
        parts = [f"{status} ({count} times)" for status, count in door.statuses.items()]
        writer.say(
            "impact",
            f"The failed requests carry the status {joined(parts)}.",
            cited,
            derived=writer.inputs.fact("/front_door/statuses", "/front_door/failed"),
        )
    writer.say(
        "impact",
        f"From the first to the last failed request {duration(door.duration_s)} passed; the {door.source} "
        f"of {door.component} holds {plural(door.requests_total, 'request')} in all.",
        cited,
        derived=writer.inputs.fact("/front_door/duration_s", "/front_door/requests_total"),
        components=[door.component],
    )


def _no_failures(writer: Writer) -> None:
    """Write what the alerts say where no request is seen to fail."""
    facts = writer.facts
    if not facts.alerts:
        return
    names = [quoted(alert.name) for alert in facts.alerts[:_NAMED_ALERTS]]
    effect = f"the effect shows in {'the alert' if len(names) == 1 else 'the alerts'} {joined(names)}" + (
        "" if len(facts.alerts) <= _NAMED_ALERTS else ", among others"
    )
    if facts.requests_seen:
        seen = plural(facts.requests_seen, "request")
        text = f"None of the {seen} seen at {facts.requests_component} failed with a server error; {effect}."
    else:
        text = f"The evidence holds no requests of users; {effect}."
    writer.say(
        "impact",
        text,
        [c for alert in facts.alerts[:_NAMED_ALERTS] for c in writer.alert_citations(alert)],
        derived=writer.inputs.fact("/alerts", "/front_door", "/requests_seen"),
        components=[facts.requests_component],
    )


def _healthy(writer: Writer) -> None:
    reason = sentence_of(writer.inputs.diagnosis.verdict_reason)
    writer.say(
        "summary",
        f"The evidence shows no incident: {reason}.",
        writer.bounds,
        claim="inferred",
        derived=writer.inputs.derived("diagnosis.json", "/verdict", "/verdict_reason"),
    )
    if writer.facts.first_alert is not None:
        tell_first_alert(writer, "summary")
        tell_end(writer, "summary")


def _failures(writer: Writer, door: FrontDoor, section: str) -> None:
    inputs = writer.inputs
    sampled = "" if door.source == "access log" else " seen in its server spans"
    lead = f"{door.component} answered {door.failed} of {plural(door.requests, 'request')}{sampled}"
    writer.say(
        "summary" if section == "summary" else "impact",
        f"{lead} ({percent(door.failed_percent)}) with a server error between "
        f"{clock(door.first_failed_ns)} and {clock(door.last_failed_ns)} UTC"
        + (f" on {inputs.facts.date}." if section == "summary" and inputs.facts.date else "."),
        inputs.citer.events(door.first_failed_event_id, door.last_failed_event_id),
        derived=inputs.fact("/front_door", "/date"),
        components=[door.component],
    )


def tell_first_alert(writer: Writer, section: str) -> None:
    """Write which alert fired first, and how long after the onset."""
    facts = writer.facts
    if facts.first_alert is None:
        return
    alert = facts.alerts[facts.first_alert]
    lag = facts.time_to_detect_s
    if lag is None:
        when = ""
    elif lag >= 0:
        when = f", {duration(lag)} after the estimated onset"
    else:
        when = f", {duration(-lag)} before the estimated onset"
    writer.say(
        "summary" if section == "summary" else "detection",
        f"The first alert, {quoted(alert.name)}, fired at {clock(alert.start_ns)} UTC{when}.",
        writer.alert_citations(alert),
        derived=writer.inputs.fact(f"/alerts/{facts.first_alert}", "/time_to_detect_s"),
    )


def _cause(writer: Writer) -> None:
    inputs, facts = writer.inputs, writer.facts
    leading = next((pair for pair in inputs.settled if pair[1].status == "supported"), None)
    if leading is not None:
        proposal, outcome = leading
        writer.say(
            "summary",
            f"The best supported cause is {outcome.id}, with a confidence of "
            f"{outcome.confidence} of 100: {sentence_of(proposal.summary)}.",
            writer.hypothesis_citations(proposal.id),
            claim="inferred",
            derived=writer.hypothesis_derived(proposal.id, "status", "role", "confidence"),
            components=[proposal.component],
        )
        return
    if inputs.diagnosis.verdict == "insufficient_evidence":
        text = f"This evidence cannot tell what caused it: {sentence_of(inputs.diagnosis.verdict_reason)}."
    elif not inputs.settled:
        text = "This evidence cannot tell what caused it: no hypothesis could be proposed."
    else:
        text = (
            f"This evidence cannot tell what caused it: no proposed hypothesis is supported by its checks, "
            f"{facts.hypotheses_refuted} {_are(facts.hypotheses_refuted)} refuted and "
            f"{facts.hypotheses_inconclusive} {_are(facts.hypotheses_inconclusive)} inconclusive."
        )
    writer.say(
        "summary",
        text,
        writer.bounds,
        claim="inferred",
        derived=(
            *inputs.derived("diagnosis.json", "/verdict", "/verdict_reason"),
            *inputs.fact("/hypotheses_refuted", "/hypotheses_inconclusive"),
        ),
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _found(writer: Writer) -> None:
    inputs, facts = writer.inputs, writer.facts
    leading = next((pair for pair in inputs.settled if pair[1].status == "supported"), None)
    if leading is None:
        return
    index = inputs.outcome_index(leading[0].id)
    outcome = facts.outcomes[index]
    refuted = facts.hypotheses_refuted
    tail = (
        ""
        if not refuted
        else f"; {plural(refuted, 'other hypothesis', 'other hypotheses')} "
        + ("was refuted" if refuted == 1 else "were refuted")
    )
    writer.say(
        "summary",
        f"{outcome.held} of {plural(outcome.checks, 'check')} run on the sealed evidence came out as "
        f"{outcome.id} predicts{tail}.",
        writer.hypothesis_citations(outcome.id),
        claim="inferred",
        derived=(
            *inputs.fact(f"/outcomes/{index}", "/hypotheses_refuted"),
            *inputs.derived("validated_checks.json", f"/hypotheses/{index}/status"),
        ),
    )


def tell_end(writer: Writer, section: str) -> None:
    """Write the effect of the mitigating change and the end, or that no end is in the evidence."""
    facts, inputs = writer.facts, writer.inputs
    target = "summary" if section == "summary" else "response"
    if facts.mitigation is not None:
        change = facts.changes[facts.mitigation.change]
        before, after = facts.mitigation.failed_percent_before, facts.mitigation.failed_percent_after
        if before is not None and after is not None:
            door = facts.front_door.component if facts.front_door else "the front door"
            writer.say(
                "summary" if target == "summary" else "response",
                f"Around the change {quoted(change.summary)} of {clock(change.time_ns)} UTC the share of "
                f"failed requests at {door} went from {percent(before)} to {percent(after)}.",
                writer.change_citations(change),
                derived=inputs.fact("/mitigation", f"/changes/{facts.mitigation.change}"),
            )
    if facts.ended_ns is not None and facts.ended_by == "alerts resolved":
        last = max((a for a in facts.alerts if a.end_ns is not None), key=lambda a: a.end_ns or 0)
        since = facts.time_to_recover_s
        tail = f", {duration(since)} after the estimated onset" if since is not None and since > 0 else ""
        writer.say(
            "summary" if target == "summary" else "response",
            f"The last alert resolved at {clock(facts.ended_ns)} UTC{tail}.",
            writer.alert_citations(last, resolved=True),
            derived=inputs.fact("/ended", "/time_to_recover_s", f"/alerts/{facts.alerts.index(last)}"),
        )
    elif facts.ended_ns is None and inputs.diagnosis.verdict == "incident" and facts.alerts:
        writer.say(
            "summary" if target == "summary" else "response",
            "The evidence ends before the last alert resolves.",
            writer.bounds[-1:],
            derived=inputs.fact("/ended", "/alerts"),
        )
