"""The postmortem as Markdown: complete, with one footnote per sentence.

A footnote names each citation as `uri#line-N sha256:abcd…` and shows the excerpt as code. All texts that
come from evidence are escaped: Markdown made of them has no links, markup or HTML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.postmortem.figures import LABELS, told_moments
from incident_pipeline.postmortem.ledger import place_of
from incident_pipeline.postmortem.visible import markdown_code, markdown_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.model.citation import Ledger, Sentence
    from incident_pipeline.model.postmortem import Postmortem, Statement, TopHypothesis

_TEXT_SECTIONS: Final = (
    ("Impact", "impact"),
    ("Detection", "detection"),
    ("Response", "response"),
    ("Contributing factors", "contributing_factors"),
    ("What went well", "went_well"),
    ("What went badly", "went_badly"),
    ("Where we got lucky", "got_lucky"),
    ("Open questions", "open_questions"),
)


def render_markdown(postmortem: Postmortem, ledger: Ledger) -> str:
    """Render a postmortem and its ledger as one Markdown document."""
    blocks = [
        f"# {markdown_text(postmortem.title)}",
        _head(postmortem),
        "## Summary",
        _paragraph(postmortem.summary_statements) or "Nothing could be stated from this evidence.",
        *_moments(postmortem),
    ]
    for title, field in _TEXT_SECTIONS:
        statements: tuple[Statement, ...] = getattr(postmortem, field)
        if statements:
            blocks += [f"## {title}", _bullets(statements)]
    blocks += ["## Hypotheses", *_hypotheses(postmortem.top_hypotheses)]
    if postmortem.claims:
        blocks += ["## What people said", _claims(postmortem)]
    blocks += ["## Timeline excerpt", _excerpt(postmortem)]
    blocks += ["## Action items", _actions(postmortem)]
    blocks += ["## Coverage", _coverage(postmortem)]
    blocks += ["\n".join(f"- {markdown_text(remark)}" for remark in postmortem.coverage_remarks)]
    if postmortem.problems:
        rows = [
            (p.kind, markdown_text(p.uri), markdown_text(p.detail), markdown_text(p.advice))
            for p in postmortem.problems
        ]
        blocks += ["## Problems with the evidence", _table(("Kind", "Artifact", "What", "Advice"), rows)]
    blocks += ["## How far to trust this", _honesty(postmortem)]
    blocks += ["## Evidence", *(_footnote(sentence) for sentence in ledger.sentences)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(postmortem: Postmortem) -> str:
    rows = [
        ("Incident", markdown_text(postmortem.incident_id)),
        ("Severity", markdown_text(postmortem.severity or "not stated")),
        ("State", postmortem.state.replace("_", " ")),
        ("Verdict", postmortem.verdict.replace("_", " ")),
        ("Drafted by", markdown_text(postmortem.drafted_by)),
        ("Sealed evidence", f"`sha256:{postmortem.evidence_root}`"),
        ("Timeline root", f"`{postmortem.merkle_root}`"),
    ]
    return _table(("", ""), rows)


def _paragraph(statements: Iterable[Statement]) -> str:
    return " ".join(f"{markdown_text(statement.text)}[^{statement.id}]" for statement in statements)


def _bullets(statements: Iterable[Statement]) -> str:
    return "\n".join(f"- {markdown_text(statement.text)}[^{statement.id}]" for statement in statements)


def _moments(postmortem: Postmortem) -> list[str]:
    if not postmortem.moments:
        return ["## Key times", _key_times(postmortem)]
    rows = [
        (
            row.label,
            row.time or "not in the evidence",
            row.bounds,
            row.standing,
            _cited(row.basis) or ("no record can be cited" if row.time else ""),
        )
        for row in told_moments(postmortem)
    ]
    blocks = ["## Moments", _table(("", "UTC", "Within", "Standing", "Rests on"), rows)]
    if postmortem.phases:
        borders = [
            (phase.name, phase.start or "unknown", phase.end or "unknown", phase.standing)
            for phase in postmortem.phases
        ]
        blocks += ["## Phases", _table(("", "From (UTC)", "To (UTC)", "Standing"), borders)]
    return blocks


def _cited(statement: Statement | None) -> str:
    return "" if statement is None else f"{markdown_text(statement.text)}[^{statement.id}]"


def _claims(postmortem: Postmortem) -> str:
    rows = [
        (row.time or "time unknown", _cited(row.statement), row.state.upper(), _cited(row.reason))
        for row in postmortem.claims
    ]
    return _table(("UTC", "Statement", "State", "What the record says"), rows)


def _key_times(postmortem: Postmortem) -> str:
    rows = []
    for label, field in LABELS:
        moment = getattr(postmortem.key_times, field)
        rows.append((label, moment.time, moment.basis) if moment else (label, "not in the evidence", ""))
    return _table(("", "UTC", "Basis"), rows)


def _hypotheses(hypotheses: tuple[TopHypothesis, ...]) -> list[str]:
    if not hypotheses:
        return ["No hypothesis could be proposed from this evidence."]
    blocks = []
    for hypothesis in hypotheses:
        summary = markdown_text(hypothesis.summary)
        shown = f"~~{summary}~~" if hypothesis.status == "refuted" else summary
        role = hypothesis.role.replace("_", " ")
        blocks.append(f"### {hypothesis.id}: {shown}[^{hypothesis.sentence_id}]")
        blocks.append(
            f"{hypothesis.status}, {role}, confidence {hypothesis.confidence} of 100 "
            f"(before checks {hypothesis.prior}), component {markdown_code(hypothesis.component)}"
        )
        rows = [
            (
                markdown_text(check.title),
                f"{markdown_text(check.prediction.operator)} {check.prediction.value:g}"
                + (f" {markdown_text(check.prediction.unit)}" if check.prediction.unit else ""),
                "no value" if check.value is None else f"{check.value:g}",
                check.outcome.replace("_", " "),
                "decisive" if check.decisive else "",
            )
            for check in hypothesis.validation_checks
        ]
        blocks.append(_table(("Check", "Predicted", "Observed", "Outcome", ""), rows))
    return blocks


def _excerpt(postmortem: Postmortem) -> str:
    rows = [
        (row.time or "time unknown", row.type, f"{markdown_text(row.event)}[^{row.sentence_id}]")
        for row in postmortem.timeline_excerpt
    ]
    shown = f"{len(rows)} of {postmortem.timeline_total} events."
    return shown + "\n\n" + _table(("UTC", "Kind", "Event"), rows) if rows else shown


def _actions(postmortem: Postmortem) -> str:
    if not postmortem.action_items:
        return "None follow from supported causes."
    rows = [
        (
            item.priority,
            markdown_text(item.owner),
            f"{markdown_text(item.action)}[^{item.sentence_id}]",
            item.deadline,
            item.type,
            item.hypothesis or "",
        )
        for item in postmortem.action_items
    ]
    return _table(("Priority", "Owner", "Action", "Deadline", "Type", "Cause"), rows)


def _coverage(postmortem: Postmortem) -> str:
    rows = [
        (
            markdown_text(row.uri),
            f"`{row.sha256[:12]}`",
            row.type,
            row.role,
            markdown_text(row.format or "not parsed"),
            str(row.events),
            str(row.samples),
            str(row.quarantined),
            f"{row.first_time or '?'} to {row.last_time or '?'}" if row.first_time or row.last_time else "",
            markdown_text("; ".join((*(f"{gap.kind}: {gap.detail}" for gap in row.shortfalls), *row.notes))),
        )
        for row in postmortem.coverage
    ]
    head = (
        "Artifact",
        "sha256",
        "Type",
        "Role",
        "Format",
        "Events",
        "Samples",
        "Quarantined",
        "UTC",
        "Notes",
    )
    return _table(head, rows)


def _honesty(postmortem: Postmortem) -> str:
    count = postmortem.honesty
    settled = (
        f"{count.hypotheses_supported} supported, {count.hypotheses_refuted} refuted, "
        f"{count.hypotheses_inconclusive} inconclusive"
    )
    lines = (
        f"{count.sentences_with_citations} of {count.sentences} sentences carry citations that resolve",
        f"{count.citations} citations, each equal to the bytes it names",
        f"{count.refused_statements} statements were refused and left out",
        f"{count.checks_run} checks ran, {count.checks_without_data} of them without data",
        f"hypotheses: {settled}",
    )
    return "\n".join(f"- {line}" for line in lines)


def _footnote(sentence: Sentence) -> str:
    cited = [
        f"    - {markdown_code(place_of(citation))} `sha256:{citation.sha256[:16]}…` "
        f"bytes {citation.byte_start}-{citation.byte_end}: {markdown_code(citation.excerpt)}"
        for citation in sentence.citations
    ]
    derived = [
        f"    - from `{place.file}#{place.json_pointer}` `sha256:{place.sha256[:16]}…`"
        for place in sentence.derived_from
    ]
    return "\n".join((f"[^{sentence.id}]: {sentence.claim_type}.", *cited, *derived))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines.extend("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join(lines)
