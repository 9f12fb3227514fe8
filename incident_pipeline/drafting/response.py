"""Detection and response: when it showed, what responders said, which changes were recorded.

People appear as responders, never by name; their words are quoted (claim type `reported`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.narrative import tell_end, tell_first_alert
from incident_pipeline.drafting.wording import clock, instant_ns, joined, quoted

if TYPE_CHECKING:
    from incident_pipeline.drafting.writer import Writer
    from incident_pipeline.model.facts import Facts, MessageFact

_QUOTED_MESSAGES: Final = 6
_NAMED_ALERTS: Final = 4


def write_detection(writer: Writer) -> None:
    """Write when the first alert fired, how long after the onset, and what failed before it."""
    facts, diagnosis = writer.facts, writer.inputs.diagnosis
    if facts.onset_ns is not None and diagnosis.onset_interval is not None:
        earliest = instant_ns(diagnosis.onset_interval.earliest)
        latest = instant_ns(diagnosis.onset_interval.latest)
        if earliest is not None and latest is not None:
            reasons = diagnosis.ranking[0].reasons if diagnosis.ranking else ()
            leading = next((reason for reason in reasons if reason.citations), None)
            writer.say(
                "detection",
                f"The telemetry leaves its baseline at about {clock(facts.onset_ns)} UTC "
                f"(between {clock(earliest)} and {clock(latest)} UTC).",
                leading.citations if leading else writer.bounds,
                claim="inferred",
                derived=(
                    *writer.inputs.fact("/onset"),
                    *writer.inputs.derived("diagnosis.json", "/onset", "/onset_interval"),
                ),
            )
    if facts.first_alert is not None:
        tell_first_alert(writer, "detection")
        others = len(facts.alerts) - facts.first_alert - 1
        if others > 0:
            following = facts.alerts[facts.first_alert + 1 :]
            named = joined([quoted(alert.name) for alert in following[:_NAMED_ALERTS]])
            writer.say(
                "detection",
                f"{'Further alerts followed' if others > 1 else 'A further alert followed'}: {named}"
                f"{'' if others <= _NAMED_ALERTS else ' and others'}.",
                [c for alert in following[:_NAMED_ALERTS] for c in writer.alert_citations(alert)],
                derived=writer.inputs.fact("/alerts"),
            )


def write_response(writer: Writer) -> None:
    """Write what responders said and which changes were recorded after detection."""
    facts = writer.facts
    begun = _begun(facts)
    told: list[tuple[int, int]] = [(message.time_ns, index) for index, message in _telling(writer)]
    changed = [
        (change.time_ns, index)
        for index, change in enumerate(facts.changes)
        if not change.business and begun is not None and change.time_ns >= begun
    ]
    for _, is_change, index in sorted(
        [(time, False, index) for time, index in told] + [(time, True, index) for time, index in changed]
    ):
        if is_change:
            _change(writer, index)
        else:
            _message(writer, index)
    tell_end(writer, "response")


def _message(writer: Writer, index: int) -> None:
    message = writer.facts.messages[index]
    row = writer.inputs.citer.row(message.event_id)
    text = "" if row is None else str(writer.inputs.tables.events.column("message")[row].as_py() or "")
    if text.strip():
        writer.say(
            "response",
            f"At {clock(message.time_ns)} UTC a responder wrote: {quoted(text)}.",
            writer.inputs.citer.events(message.event_id),
            claim="reported",
            derived=writer.inputs.fact(f"/messages/{index}"),
        )


def _change(writer: Writer, index: int) -> None:
    change = writer.facts.changes[index]
    writer.say(
        "response",
        f"At {clock(change.time_ns)} UTC the change log records {quoted(change.summary)}.",
        writer.change_citations(change),
        derived=writer.inputs.fact(f"/changes/{index}"),
    )


def _begun(facts: Facts) -> int | None:
    if facts.onset_ns is not None:
        return facts.onset_ns
    return None if facts.first_alert is None else facts.alerts[facts.first_alert].start_ns


def _telling(writer: Writer) -> list[tuple[int, MessageFact]]:
    """Choose the messages of people to quote: the key entries of the timeline, else the first ones."""
    begun = _begun(writer.facts)
    people = [
        (index, message)
        for index, message in enumerate(writer.facts.messages)
        if not message.automated and (begun is None or message.time_ns >= begun)
    ]
    key = {entry.hash for entry in writer.inputs.timeline.entries}
    chosen = [item for item in people if item[1].event_id in key] or people
    return chosen[:_QUOTED_MESSAGES]
