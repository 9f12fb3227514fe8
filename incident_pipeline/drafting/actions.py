"""Action items: derived from the fault class of a supported cause and the checks that carry it.

Owners are roles (`team:<service>`, `platform-oncall`), never people. Deadlines count from the day of the
incident as the evidence has it, by priority: 2, 4 and 8 weeks, after Atlassian's service-level
objectives for priority actions.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from incident_pipeline.drafting.wording import plain, quoted
from incident_pipeline.model.draft import DraftAction

if TYPE_CHECKING:
    from incident_pipeline.drafting.writer import Writer
    from incident_pipeline.model.check import ValidatedHypothesis
    from incident_pipeline.model.hypothesis import Hypothesis

ActionType = Literal["prevent", "detect", "mitigate", "process", "other"]
Priority = Literal["P1", "P2", "P3"]

PLATFORM: Final = "platform-oncall"
DAYS: Final[dict[Priority, int]] = {"P1": 14, "P2": 28, "P3": 56}
_MAX_CITATIONS: Final = 4


class Advice(NamedTuple):
    """What to do about a class of fault: the wording takes `{c}`, the component."""

    type: ActionType
    text: str


_BY_CLASS: Final[dict[str, tuple[Advice, ...]]] = {
    "resource": (
        Advice("prevent", "Set tested limits and headroom for the resource of {c} that ran out"),
        Advice("detect", "Alert on the saturation of {c} before its callers see errors"),
    ),
    "capacity": (
        Advice("prevent", "Load-test {c} up to its limit and reject early what exceeds it"),
        Advice("detect", "Alert on the remaining capacity of {c} instead of on its failures"),
    ),
    "network": (
        Advice("mitigate", "Give calls to {c} deadlines and a retry budget with back-off"),
        Advice("detect", "Watch the time between caller and callee on every call to {c}"),
    ),
    "code": (
        Advice(
            "prevent",
            "Correct what made {c} behave as the cited records show, and keep them as a regression test",
        ),
        Advice("detect", "Alert on error templates of {c} that were never seen before"),
    ),
    "change": (
        Advice("prevent", "Roll changes to {c} out in stages that stop when the check for this cause fails"),
        Advice("mitigate", "Rehearse the way back for changes to {c} and write it into the runbook"),
    ),
    "external": (
        Advice("mitigate", "Put a fallback and a circuit breaker before calls to {c}"),
        Advice(
            "process", "Agree limits and escalation with whoever runs {c}, and write them into the runbook"
        ),
    ),
    "load": (
        Advice("prevent", "Limit or shed load before it reaches {c}, and keep retries from multiplying it"),
        Advice("detect", "Alert on the load of {c} against what it was tested for"),
    ),
    "unknown": (Advice("detect", "Instrument {c} so that the checks for this cause can tell more"),),
}


def write_actions(writer: Writer) -> list[DraftAction]:
    """Derive action items from the supported causes, detection and open checks."""
    items: list[DraftAction] = []
    if writer.facts.date is None or writer.inputs.diagnosis.verdict == "healthy":
        return items
    for proposal, outcome in writer.inputs.settled:
        if outcome.status == "supported":
            items.extend(_for_cause(writer, proposal, outcome))
    items.extend(_for_detection(writer))
    items.extend(_for_open_checks(writer))
    return _distinct(items)


def _for_cause(writer: Writer, proposal: Hypothesis, outcome: ValidatedHypothesis) -> list[DraftAction]:
    leading = outcome.role == "root_cause"
    priorities: tuple[Priority, ...] = ("P1", "P2") if leading else ("P2", "P3")
    foreign = not _has_own_telemetry(writer, proposal.component)
    advice = _BY_CLASS["external" if foreign else proposal.kind if proposal.kind in _BY_CLASS else "unknown"]
    decisive = next((check for check in outcome.checks if check.outcome == "holds" and check.decisive), None)
    index = writer.inputs.outcome_index(outcome.id)
    derived = writer.inputs.derived(
        "validated_checks.json", f"/hypotheses/{index}/status", f"/hypotheses/{index}/checks"
    ) + writer.inputs.derived(
        "hypotheses.json", f"/hypotheses/{writer.inputs.proposal_index(proposal.id)}/component"
    )
    found = []
    for position, (item, priority) in enumerate(zip(advice, priorities, strict=False)):
        text = item.text.format(c=proposal.component)
        if position == 0 and decisive is not None:
            text += f"; done when the check {quoted(decisive.title, 90)} no longer holds in a replay"
        found.append(
            DraftAction(
                owner=_owner(writer, proposal.component),
                action=plain(text) + ".",
                deadline=_deadline(writer, priority),
                type=item.type,
                priority=priority,
                hypothesis=outcome.id,
                citations=writer.hypothesis_citations(proposal.id)[:_MAX_CITATIONS],
                derived_from=derived,
                components=(proposal.component,),
            )
        )
    return found


def _for_detection(writer: Writer) -> list[DraftAction]:
    """Ask for an alert on the leading cause when the alerts name other components only."""
    facts = writer.facts
    leading = next((pair for pair in writer.inputs.settled if pair[1].status == "supported"), None)
    if leading is None or not facts.alerts:
        return []
    proposal = leading[0]
    named = any(
        alert.service == proposal.component
        or _mentions(alert.name, proposal.component)
        or _mentions(alert.summary or "", proposal.component)
        for alert in facts.alerts
    )
    if named:
        return []
    return [
        DraftAction(
            owner=PLATFORM,
            action=f"Add an alert that names {proposal.component}: those that fired name its neighbours.",
            deadline=_deadline(writer, "P2"),
            type="detect",
            priority="P2",
            hypothesis=proposal.id,
            citations=(
                *writer.hypothesis_citations(proposal.id)[:2],
                *writer.alert_citations(facts.alerts[facts.first_alert or 0]),
            ),
            derived_from=writer.inputs.fact("/alerts"),
            components=(proposal.component,),
        )
    ]


def _for_open_checks(writer: Writer) -> list[DraftAction]:
    found = []
    for proposal, outcome in writer.inputs.settled:
        if outcome.status != "inconclusive":
            continue
        index = writer.inputs.outcome_index(outcome.id)
        blind = next((check for check in outcome.checks if check.outcome in ("no_data", "error")), None)
        if blind is None:
            continue
        found.append(
            DraftAction(
                owner=_owner(writer, proposal.component),
                action=(
                    f"Collect what the check {quoted(blind.title, 90)} needs, so that {outcome.id} "
                    "can be settled."
                ),
                deadline=_deadline(writer, "P3"),
                type="process",
                priority="P3",
                hypothesis=outcome.id,
                citations=writer.hypothesis_citations(proposal.id)[:_MAX_CITATIONS],
                derived_from=writer.inputs.derived("validated_checks.json", f"/hypotheses/{index}/checks"),
                components=(proposal.component,),
            )
        )
    return found[:2]


def _has_own_telemetry(writer: Writer, component: str) -> bool:
    """Say whether a component reports about itself; others are known through their callers only."""
    tables = (writer.inputs.tables.events, writer.inputs.tables.series)
    return any(component in table.column("service").unique().to_pylist() for table in tables)


def _owner(writer: Writer, component: str) -> str:
    """Give the role that owns a component.

    Of a component that is run by others the one caller takes care; with several callers, or a name that
    is no plain identifier, the platform team.
    """
    if not _has_own_telemetry(writer, component):
        graph = writer.inputs.diagnosis.graph
        callers = sorted(caller for caller, callees in graph.items() if component in callees)
        component = callers[0] if len(callers) == 1 else ""
    return f"team:{component}" if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,62}", component) else PLATFORM


def _deadline(writer: Writer, priority: Priority) -> str:
    incident_day = dt.date.fromisoformat(writer.facts.date or "1970-01-01")
    return (incident_day + dt.timedelta(days=DAYS[priority])).isoformat()


def _mentions(text: str, component: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(component)}(?!\w)", text, re.IGNORECASE) is not None


def _distinct(items: list[DraftAction]) -> list[DraftAction]:
    """Keep the first of equal actions, by priority."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for item in sorted(items, key=lambda item: item.priority):
        if (item.owner, item.action) not in seen:
            seen.add((item.owner, item.action))
            kept.append(item)
    return kept
