"""Contributing factors, what went well or badly, luck, and open questions: only where facts carry them.

An empty section is an honest one. Factors are a list, never a single cause; people's actions are no
factors here, only states and behaviour of systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.wording import NS, clock, duration, number, plain, plural, quoted
from incident_pipeline.drafting.writer import Writer, sentence_of
from incident_pipeline.timeline import absence

if TYPE_CHECKING:
    from incident_pipeline.model.check import CheckResult
    from incident_pipeline.model.coverage import Coverage

PREDICTED: Final = {
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
    "==": "exactly",
    "!=": "other than",
}
"""Operators of predictions, in words."""
_SHOWN_CHECKS: Final = 2
_NEAR_NS: Final = 600 * NS
"""A business event up to ten minutes before the onset is worth a reviewer's look."""
_QUICK_S: Final = 300.0
_SHOWN_GAPS: Final = 4


def write_contributing_factors(writer: Writer) -> None:
    """Write each supported hypothesis with its mechanism and the checks that carry it."""
    inputs = writer.inputs
    for proposal, outcome in inputs.settled:
        if outcome.status != "supported":
            continue
        writer.say(
            "contributing_factors",
            f"{outcome.id}: {sentence_of(proposal.mechanism)}.",
            writer.hypothesis_citations(proposal.id),
            claim="inferred",
            derived=writer.hypothesis_derived(proposal.id, "status", "role"),
            components=[proposal.component],
        )
        index = inputs.outcome_index(outcome.id)
        for position, check in _telling_checks(outcome.checks):
            writer.say(
                "contributing_factors",
                f"The check {quoted(check.title, 120)} for {outcome.id} predicted "
                f"{PREDICTED[check.prediction.operator]} {_measured(check.prediction.value, check)} and "
                f"observed {_measured(check.value, check)}.",
                writer.hypothesis_citations(proposal.id),
                claim="inferred",
                derived=inputs.derived("validated_checks.json", f"/hypotheses/{index}/checks/{position}"),
            )
    _business_events(writer)


def write_went_well(writer: Writer) -> None:
    """Write what detection and mitigation did well, as far as times show it."""
    facts, inputs = writer.facts, writer.inputs
    lag = facts.time_to_detect_s
    if facts.first_alert is not None and lag is not None and 0 <= lag <= _QUICK_S:
        alert = facts.alerts[facts.first_alert]
        lead, spoke = "", "Monitoring was quick"
        if facts.first_human_message is not None:
            message = facts.messages[facts.first_human_message]
            if message.time_ns >= alert.start_ns:
                lead, spoke = " and before any message from a person", "Monitoring saw it by itself"
        writer.say(
            "went_well",
            f"{spoke}: {quoted(alert.name)} fired {duration(lag)} after the estimated onset{lead}.",
            writer.alert_citations(alert),
            derived=inputs.fact(f"/alerts/{facts.first_alert}", "/time_to_detect_s", "/first_human_message"),
        )
    if facts.mitigation is not None and facts.time_to_mitigate_s is not None:
        change = facts.changes[facts.mitigation.change]
        if facts.mitigation.failed_percent_after is not None:
            writer.say(
                "went_well",
                f"The change {quoted(change.summary)} was in place "
                f"{duration(facts.time_to_mitigate_s)} after the first alert, and failures fell after it.",
                writer.change_citations(change),
                derived=inputs.fact(
                    f"/changes/{facts.mitigation.change}", "/time_to_mitigate_s", "/mitigation"
                ),
            )


def write_went_badly(writer: Writer) -> None:
    """Write what failed before anything fired, and alerts that flapped."""
    facts, inputs = writer.facts, writer.inputs
    door = facts.front_door
    if door is not None and door.failed_before_alert:
        writer.say(
            "went_badly",
            f"{plural(door.failed_before_alert, 'request')} had already failed when the first alert fired.",
            inputs.citer.events(
                door.first_failed_event_id,
                facts.alerts[facts.first_alert or 0].event_id if facts.alerts else None,
            ),
            derived=inputs.fact("/front_door/failed_before_alert"),
        )
    for index, alert in enumerate(facts.alerts):
        if alert.episodes > 1 and inputs.diagnosis.verdict != "healthy":
            writer.say(
                "went_badly",
                f"The alert {quoted(alert.name)} flapped: it started firing {alert.episodes} times.",
                inputs.citer.events(alert.event_id, alert.resolved_event_id),
                derived=inputs.fact(f"/alerts/{index}"),
            )
    if facts.first_human_message is not None and facts.first_alert is not None:
        message, alert = facts.messages[facts.first_human_message], facts.alerts[facts.first_alert]
        if message.time_ns < alert.start_ns:
            writer.say(
                "went_badly",
                f"The first message from a person, at {clock(message.time_ns)} UTC, came before the first "
                f"alert at {clock(alert.start_ns)} UTC.",
                inputs.citer.events(message.event_id, alert.event_id),
                derived=inputs.fact(f"/messages/{facts.first_human_message}", f"/alerts/{facts.first_alert}"),
            )


def write_got_lucky(writer: Writer) -> None:
    """Write that it ended by itself, where the change log was held and records nothing."""
    facts, inputs = writer.facts, writer.inputs
    if facts.ended_ns is None or not facts.changes or inputs.diagnosis.verdict != "incident":
        return
    begun = facts.onset_ns
    if begun is None or any(
        not change.business and begun <= change.time_ns <= facts.ended_ns for change in facts.changes
    ):
        return
    first, last = facts.changes[0], facts.changes[-1]
    ending = "alerts resolved" if facts.ended_by == "alerts resolved" else "failures stopped"
    writer.say(
        "got_lucky",
        f"The {ending} although the change log records no change between {clock(begun)} and "
        f"{clock(facts.ended_ns)} UTC{_if_covered(inputs.coverage, begun, facts.ended_ns)}.",
        (*inputs.citer.events(first.event_id, last.event_id), *writer.bounds),
        claim="inferred",
        derived=inputs.fact("/onset", "/ended", "/changes"),
    )


def _if_covered(coverage: Coverage | None, start_ns: int, end_ns: int) -> str:
    """Give what to add where the change logs that are held do not cover a window from end to end."""
    if coverage is None:
        return ""
    logs = [source for source in coverage.sources if source.type == "change" and source.role == "incident"]
    if absence(logs, start_ns, end_ns).answer == "absent":
        return ""
    return "; whether it covers that time is not certain"


def write_open_questions(writer: Writer) -> None:
    """Write what checks left open and what the evidence does not hold."""
    inputs, facts = writer.inputs, writer.facts
    for proposal, outcome in inputs.settled:
        if outcome.status != "inconclusive":
            continue
        index = inputs.outcome_index(outcome.id)
        counted = facts.outcomes[index]
        why = (
            f"{counted.without_data} of {plural(counted.checks, 'check')} had no data"
            if counted.without_data
            else f"{counted.held} of {plural(counted.checks, 'check')} came out as predicted"
        )
        writer.say(
            "open_questions",
            f"{outcome.id} is open ({why}): {sentence_of(proposal.summary)}.",
            writer.hypothesis_citations(proposal.id),
            claim="inferred",
            derived=(
                *inputs.fact(f"/outcomes/{index}"),
                *writer.hypothesis_derived(proposal.id, "status"),
            ),
            components=[proposal.component],
        )
    for name, state in sorted(inputs.diagnosis.modalities.items()):
        if state == "present":
            continue
        gap = "holds none of them" if state == "missing" else f"has {state} for them"
        writer.say(
            "open_questions",
            f"What {name.replace('_', ' ')} would show is unknown: the evidence {gap}.",
            writer.bounds,
            claim="inferred",
            derived=inputs.derived("diagnosis.json", f"/modalities/{name}"),
        )
    _unread(writer)


def _unread(writer: Writer) -> None:
    inputs = writer.inputs
    reports = [
        (index, report) for index, report in enumerate(inputs.parse_report.artifacts) if report.quarantined
    ]
    for index, report in sorted(reports, key=lambda pair: (-pair[1].quarantined, pair[0]))[:_SHOWN_GAPS]:
        head = writer.head(report.artifact_sha256)
        writer.say(
            "open_questions",
            f"{plural(report.quarantined, 'record')} of {quoted(report.artifact_uri)} could not be read and "
            f"{'stands' if report.quarantined == 1 else 'stand'} in quarantine.",
            [head] if head else writer.bounds,
            derived=inputs.derived("parse_report.json", f"/artifacts/{index}"),
        )


def _measured(value: float | None, check: CheckResult) -> str:
    unit = plain(check.prediction.unit or "")
    return f"{'no value' if value is None else number(value)} {unit}".strip()


def _telling_checks(checks: tuple[CheckResult, ...]) -> list[tuple[int, CheckResult]]:
    """Choose the checks to tell: decisive ones that hold first."""
    held = [(index, check) for index, check in enumerate(checks) if check.outcome == "holds"]
    return sorted(held, key=lambda pair: (not pair[1].decisive, pair[0]))[:_SHOWN_CHECKS]


def _business_events(writer: Writer) -> None:
    facts = writer.facts
    if facts.onset_ns is None:
        return
    for index, change in enumerate(facts.changes):
        ahead = facts.onset_ns - change.time_ns
        if change.business and 0 <= ahead <= _NEAR_NS:
            writer.say(
                "contributing_factors",
                f"The calendar records {quoted(change.summary)} at {clock(change.time_ns)} UTC, shortly "
                f"before the estimated onset at {clock(facts.onset_ns)} UTC; nearness in time is no proof.",
                writer.change_citations(change),
                derived=writer.inputs.fact(f"/changes/{index}", "/onset"),
            )
