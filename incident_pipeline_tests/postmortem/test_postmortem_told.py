"""Moments, phases, claims and coverage in the postmortem: what is said of them is cited, or not said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from incident_pipeline.drafting import ClaimGuard, DraftInputs, draft
from incident_pipeline.drafting.wording import NS, rfc3339
from incident_pipeline.model.citation import Ledger
from incident_pipeline.model.coverage import Coverage, Gap, SourceCoverage
from incident_pipeline.model.postmortem import Postmortem
from incident_pipeline.model.timeline import Claim, Deviation, Moment, Phase
from incident_pipeline.postmortem import assemble, assemble_with_refusals, render_html, render_markdown
from incident_pipeline_tests.drafting.synthetic import ALERT, FIX, ONSET, T0, Story, build


def moment(name: str, second: float | None, standing: str, basis: str, *events: str) -> Moment:
    ns = None if second is None else T0 + int(second * NS)
    time = None if ns is None else rfc3339(ns)
    low, high = (None, None) if ns is None else (ns - NS, ns + 2 * NS) if standing == "estimate" else (ns, ns)
    return Moment(
        name=name, time=time, time_ns=ns, earliest_ns=low, latest_ns=high, standing=standing, basis=basis,
        events=events,
    )  # type: ignore[arg-type]  # names and standings are of the literals  # fmt: skip


def phase(name: str, start: float | None, end: float | None, standing: str = "actual") -> Phase:
    times = [None if second is None else T0 + int(second * NS) for second in (start, end)]
    texts = [None if ns is None else rfc3339(ns) for ns in times]
    return Phase(
        name=name, start=texts[0], end=texts[1], start_ns=times[0], end_ns=times[1], standing=standing,
        basis="b",
    )  # type: ignore[arg-type]  # as above  # fmt: skip


def of_kind(inputs: DraftInputs, kind: str) -> list[dict[str, Any]]:
    return [row for row in inputs.tables.events.to_pylist() if row["kind"] == kind]


@pytest.fixture
def inputs() -> DraftInputs:
    made = build(Story())
    alert, chat = of_kind(made, "alert")[0]["event_id"], of_kind(made, "chat")[1]
    sha = made.parse_report.artifacts[0].artifact_sha256
    timeline = made.timeline.model_copy(
        update={
            "moments": (
                moment("began", ONSET, "estimate", "Measurements leave their calm.", alert),
                moment("detected", ALERT, "actual", "The first alert fires.", alert),
                moment("aware", ALERT + 5, "actual", "A person writes.", chat["event_id"]),
                moment("classified", None, "unknown", "Nothing gives a severity."),
                moment("mitigated", FIX, "estimate", "Measurements come back."),
            ),
            "phases": (
                phase("baseline", 0, ONSET),
                phase("undetected", ONSET, ALERT),
                phase("diagnosis", ALERT, FIX),
                phase("recovery", FIX, None, "unknown"),
            ),
            "claims": (
                Claim(
                    event=chat["event_id"], text="ledger pool is full", about="ledger", action="down",
                    said_time_ns=chat["time_ns"], state="corroborated", evidence=(alert,),
                    reason="An alert of ledger fires.",
                ),
                Claim(
                    event="0" * 32, text="nobody wrote this", about="", action="up",
                    state="reported", reason="It can't be told.",
                ),
            ),
        }
    )  # fmt: skip
    coverage = Coverage(
        incident_id="INC-7",
        sources=(
            SourceCoverage(
                artifact_uri=made.parse_report.artifacts[0].artifact_uri, artifact_sha256=sha, type="logs",
                source="app", role="incident", format="json_lines", asked_start_ns=T0, events=1, samples=0,
                quarantined=0, unparsed_share=0.0,
                shortfalls=(Gap(kind="gap", detail="no record for <b>9 s</b>"),),
            ),
            SourceCoverage(
                artifact_uri="logs/never.log", artifact_sha256="", type="logs", source="app",
                role="incident", format=None, events=0, samples=0, quarantined=0, unparsed_share=0.0,
                shortfalls=(Gap(kind="missing", detail="not there"),),
            ),
        ),
        remarks=("No reference was given.",),
    )  # fmt: skip
    return replace(made, timeline=timeline, coverage=coverage)


@pytest.fixture
def made(inputs: DraftInputs) -> tuple[Postmortem, Ledger]:
    return assemble(inputs, draft(inputs))


def test_what_a_moment_rests_on_is_cited_or_not_said(made: tuple[Postmortem, Ledger]) -> None:
    postmortem, ledger = made
    rows = {row.id: row for row in ledger.sentences}
    by_name = {row.name: row for row in postmortem.moments}
    for name, claim_type in (("began", "inferred"), ("detected", "observed"), ("aware", "reported")):
        basis = by_name[name].basis
        assert basis is not None
        assert rows[basis.id].claim_type == claim_type
        assert rows[basis.id].citations
        assert rows[basis.id].derived_from[0].file == "timeline.json"
    # No event can be cited: the time stands as a value, and nothing is said about it.
    assert by_name["mitigated"].time
    assert by_name["mitigated"].basis is None
    assert by_name["classified"].time is None
    assert "Nothing gives a severity." not in {row.text for row in ledger.sentences}


def test_a_claim_stands_with_its_message_and_the_record_with_its_evidence(
    inputs: DraftInputs, made: tuple[Postmortem, Ledger]
) -> None:
    postmortem, ledger = made
    (claim,) = postmortem.claims
    rows = {row.id: row for row in ledger.sentences}
    said = rows[claim.statement.id]
    assert said.text.endswith("“ledger pool is full”")
    assert said.claim_type == "reported"
    assert "ledger pool is full" in said.citations[0].excerpt
    assert claim.reason is not None
    assert rows[claim.reason.id].citations == (inputs.citer.event(inputs.timeline.claims[0].evidence[0]),)


def test_a_deviation_that_a_reason_names_is_cited_by_its_border_records(inputs: DraftInputs) -> None:
    border = of_kind(inputs, "log")[0]["event_id"]
    claim = inputs.timeline.claims[0].model_copy(
        update={"evidence": (), "reason": "ledger: share of failing spans deviates."}
    )
    deviation = Deviation(
        component="ledger", measure="share of failing spans", kind="failures", start_ns=T0, end_ns=None,
        calm_ns=None, peak=9.0, events=(border,),
    )  # fmt: skip
    timeline = inputs.timeline.model_copy(update={"claims": (claim,), "deviations": (deviation,)})
    changed = replace(inputs, timeline=timeline)
    postmortem, ledger = assemble(changed, draft(changed))
    reason = postmortem.claims[0].reason
    assert reason is not None
    (row,) = [row for row in ledger.sentences if row.id == reason.id]
    assert row.citations == (changed.citer.event(border),)


def test_every_citation_of_them_resolves(inputs: DraftInputs, made: tuple[Postmortem, Ledger]) -> None:
    guard = ClaimGuard(inputs)
    for row in made[1].sentences:
        assert all(guard.resolves(citation) for citation in row.citations)
        assert all(guard.value(place) is not ... for place in row.derived_from)


def test_words_that_stand_in_no_message_are_refused(inputs: DraftInputs) -> None:
    forged = inputs.timeline.claims[0].model_copy(update={"text": "I deleted the database"})
    changed = replace(inputs, timeline=inputs.timeline.model_copy(update={"claims": (forged,)}))
    postmortem, _, refused = assemble_with_refusals(changed, draft(changed))
    assert postmortem.claims == ()
    assert any("I deleted the database" in one.text for one in refused)
    assert "deleted the database" not in render_markdown(*assemble(changed, draft(changed)))


def test_key_times_are_those_of_the_moments(made: tuple[Postmortem, Ledger]) -> None:
    times = made[0].key_times
    assert times.detected_at is not None
    assert (times.detected_at.time, times.detected_at.basis) == (rfc3339(T0 + ALERT * NS), "actual")
    assert times.classified_at is None
    assert times.resolved_at is None


def test_the_page_shows_them(inputs: DraftInputs, made: tuple[Postmortem, Ledger]) -> None:
    page = render_html(inputs, *made)
    assert '<span class="standing estimate">estimate</span>' in page
    assert "-1.0 s to +2.0 s" in page
    assert '<span class="claim corroborated">corroborated</span>' in page
    for name in ("baseline", "undetected", "diagnosis", "recovery"):
        assert f'<g class="phase {name}">' in page
    assert "15 s</b><span>to detect" in page.replace("\n", "")
    assert 'id="h-moments"' in page


def test_the_coverage_names_what_each_source_lacks(
    inputs: DraftInputs, made: tuple[Postmortem, Ledger]
) -> None:
    page, text = render_html(inputs, *made), render_markdown(*made)
    assert '<b class="gap">gap</b> no record for &lt;b&gt;9 s&lt;/b&gt;' in page
    assert "gap: no record for &lt;b&gt;9 s&lt;/b&gt;" in text
    assert "logs/never.log" in page
    assert "missing: not there" in text
    assert "No reference was given." in page
    assert [row.asked_start for row in made[0].coverage if row.asked_start] == [rfc3339(T0)]


def test_the_markdown_shows_them(made: tuple[Postmortem, Ledger]) -> None:
    text = render_markdown(*made)
    assert "## Moments" in text
    assert "| Classified | not in the evidence |  | unknown |  |" in text
    assert "| recovery | 2025-10-09T09:01:20Z | unknown | unknown |" in text
    assert "| CORROBORATED |" in text


def test_results_without_moments_keep_the_key_times() -> None:
    inputs = build(Story())
    postmortem, ledger = assemble(inputs, draft(inputs))
    assert postmortem.moments == ()
    assert "## Key times" in render_markdown(postmortem, ledger)
    assert "Key times" in render_html(inputs, postmortem, ledger)
