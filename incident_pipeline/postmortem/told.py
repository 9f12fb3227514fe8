"""Moments, phases and claims of the timeline as rows of the postmortem.

Times, names and states are values of `timeline.json`; what is said about them is a sentence, and stands only
with the events it rests on. So a moment without a citable event has a time and no reason, and a claim
stands only with the words of the message it was made in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.drafting.citing import cite_place
from incident_pipeline.drafting.inputs import TIMELINE
from incident_pipeline.drafting.wording import plain, quoted, rfc3339
from incident_pipeline.model.postmortem import ClaimRow, KeyTimes, Moment, MomentRow, PhaseRow, Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Citation, ClaimType, Derived
    from incident_pipeline.model.timeline import Claim, MomentName

    Enter = Callable[[str, str, str, ClaimType, tuple[Citation, ...], tuple[Derived, ...]], Statement | None]
    """Takes section, pointer, text, claim type, citations and derived values; gives None where refused."""

_PEOPLE: Final = frozenset({"chat", "ticket", "transcript"})
_MAX_CITATIONS: Final = 4
_SERIES: Final = "series:"


def moment_rows(inputs: DraftInputs, enter: Enter) -> tuple[MomentRow, ...]:
    """Give the seven times; what each rests on is entered as a sentence where an event can be cited."""
    rows: list[MomentRow] = []
    for index, moment in enumerate(inputs.timeline.moments):
        citations = inputs.citer.events(*moment.events)[:_MAX_CITATIONS]
        people = any(_kind(inputs, event) in _PEOPLE for event in moment.events)
        claim_type: ClaimType = "inferred"
        if moment.standing == "actual":
            claim_type = "reported" if people else "observed"
        basis = None
        if citations and moment.time is not None:
            basis = enter(
                "moments",
                f"/moments/{len(rows)}/basis/text",
                plain(moment.basis),
                claim_type,
                citations,
                inputs.derived(TIMELINE, f"/moments/{index}"),
            )
        rows.append(
            MomentRow(
                name=moment.name,
                time=moment.time,
                earliest=_time(moment.earliest_ns),
                latest=_time(moment.latest_ns),
                standing=moment.standing,
                basis=basis,
            )
        )
    return tuple(rows)


def phase_rows(inputs: DraftInputs) -> tuple[PhaseRow, ...]:
    """Give the phases: their borders are the moments'."""
    return tuple(
        PhaseRow(name=phase.name, start=phase.start, end=phase.end, standing=phase.standing)
        for phase in inputs.timeline.phases
    )


def claim_rows(inputs: DraftInputs, enter: Enter) -> tuple[ClaimRow, ...]:
    """Give what people said with what the record says of it; a statement that can't be cited is left out."""
    rows: list[ClaimRow] = []
    for index, claim in enumerate(inputs.timeline.claims):
        derived = inputs.derived(TIMELINE, f"/claims/{index}")
        message = _message(inputs, claim)
        said = _entered_statement(inputs, claim, message, f"/claims/{len(rows)}", enter)
        if said is None:
            continue
        named = claim.evidence or _deviating(inputs, claim)
        evidence = tuple(dict.fromkeys(filter(None, (_cite(inputs, name) for name in named))))
        reason = enter(
            "claims",
            f"/claims/{len(rows)}/reason/text",
            plain(claim.reason),
            "inferred",
            evidence[:_MAX_CITATIONS] or message,
            derived,
        )
        rows.append(
            ClaimRow(
                state=claim.state,
                about=plain(claim.about),
                time=_time(claim.said_time_ns),
                statement=said,
                reason=reason,
            )
        )
    return tuple(rows)


def moments_as_key_times(inputs: DraftInputs, times: KeyTimes) -> KeyTimes:
    """Give the regulators' key times as the timeline tells them, where it does; the others stay.

    That a cause was removed is not among the seven moments: that time stays as it was found.
    """
    names: dict[str, MomentName] = {
        "occurred_at": "began", "detected_at": "detected", "aware_at": "aware", "classified_at": "classified",
        "service_restored_at": "restored", "resolved_at": "resolved",
    }  # fmt: skip
    by_name = {moment.name: moment for moment in inputs.timeline.moments}
    if not by_name:
        return times
    told: dict[str, Moment | None] = {}
    for field, name in names.items():
        moment = by_name.get(name)
        told[field] = (
            Moment(
                time=moment.time,
                basis="actual" if moment.standing == "actual" else "estimate",
                event_id=next(iter(moment.events), None),
            )
            if moment is not None and moment.time is not None
            else None
        )
    return times.model_copy(update=told)


def _entered_statement(
    inputs: DraftInputs,
    claim: Claim,
    message: tuple[Citation, ...],
    pointer: str,
    enter: Enter,
) -> Statement | None:
    if not message:
        return None
    row = inputs.citer.row(claim.event)
    actor = None if row is None else inputs.tables.events["actor"][row].as_py()
    text = f"{plain(actor)}: {quoted(claim.text)}" if actor else quoted(claim.text)
    # The words have to stand in the message itself: `timeline.json`, which quotes them, vouches for nothing.
    return enter("claims", f"{pointer}/statement/text", text, "reported", message, ())


def _message(inputs: DraftInputs, claim: Claim) -> tuple[Citation, ...]:
    """Cite the message of a claim by the part that holds its words."""
    row = inputs.citer.row(claim.event)
    if row is None:
        return ()
    record = inputs.tables.events.slice(row, 1).to_pylist()[0]
    cited = cite_place(
        inputs.reader,
        record["artifact_sha256"],
        record["byte_start"],
        record["byte_end"],
        record["json_pointer"],
        claim.text,
    )
    return () if cited is None else (cited,)


def _deviating(inputs: DraftInputs, claim: Claim) -> tuple[str, ...]:
    """Give the records at the borders of the deviations that a claim's reason names."""
    return tuple(
        name
        for one in inputs.timeline.deviations
        if f"{one.component}: {one.measure}" in claim.reason
        for name in (*one.events, *(f"{_SERIES}{series}" for series in one.series))
    )


def _cite(inputs: DraftInputs, name: str) -> Citation | None:
    """Cite an event, or the head of a series: its name and labels, and its first samples."""
    if not name.startswith(_SERIES):
        return inputs.citer.event(name)
    wanted = name.removeprefix(_SERIES)
    series = inputs.tables.series
    at = next((row for row, one in enumerate(series["series_id"].to_pylist()) if one == wanted), None)
    if at is None:
        return None
    record = series.slice(at, 1).to_pylist()[0]
    return cite_place(inputs.reader, record["artifact_sha256"], None, None, record["json_pointer"])


def _kind(inputs: DraftInputs, event: str) -> str | None:
    row = inputs.citer.row(event)
    return None if row is None else str(inputs.tables.events["kind"][row].as_py())


def _time(ns: int | None) -> str | None:
    return None if ns is None else rfc3339(ns)
