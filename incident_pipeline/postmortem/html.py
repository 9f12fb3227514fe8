"""The postmortem as one self-contained HTML page.

No request leaves the page: style and script are inline and allowed by their SHA-256 in the
Content-Security-Policy, everything else is forbidden. Jinja2 escapes every value; evidence text passes
`visible` first, so that direction overrides and control characters show as what they are. The same
inputs give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final

import jinja2
import markupsafe

from incident_pipeline.drafting.wording import number
from incident_pipeline.postmortem.chart import build_chart
from incident_pipeline.postmortem.evidence_list import number_evidence
from incident_pipeline.postmortem.figures import cover_figures, key_moments, told_moments
from incident_pipeline.postmortem.visible import visible

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs
    from incident_pipeline.model.citation import Ledger
    from incident_pipeline.model.postmortem import Postmortem

_PACKAGE: Final = "incident_pipeline.postmortem"
_SYMBOLS: Final = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
_SECTIONS: Final = (
    ("Impact", "impact"),
    ("Detection", "detection"),
    ("Response", "response"),
    ("Contributing factors", "contributing_factors"),
    ("What went well", "went_well"),
    ("What went badly", "went_badly"),
    ("Where we got lucky", "got_lucky"),
    ("Open questions", "open_questions"),
)


def render_html(inputs: DraftInputs, postmortem: Postmortem, ledger: Ledger) -> str:
    """Render a postmortem with its picture, evidence and ledger as one page."""
    evidence = number_evidence(inputs, postmortem, ledger)
    leading = next((h.id for h in postmortem.top_hypotheses if h.status == "supported"), None)
    numbers = {item.citation: item.number for item in evidence}
    refs = {
        sentence.id: sorted({numbers[citation] for citation in sentence.citations})
        for sentence in ledger.sentences
    }
    style, script = _static("report.css"), _static("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            pm=postmortem,
            ledger=ledger,
            refs=refs,
            evidence=evidence,
            chart=build_chart(inputs, evidence, leading),
            leading=leading,
            queries=_queries(postmortem),
            figures=cover_figures(inputs),
            moments=key_moments(postmortem.key_times),
            moment_rows=told_moments(postmortem),
            sections=[(title, field, getattr(postmortem, field)) for title, field in _SECTIONS],
            artifacts=len(inputs.evidence.artifacts),
            style=style,
            script=script,
            policy=content_security_policy(style, script),
        )
    )


def content_security_policy(style: str, script: str) -> str:
    """Give the policy that allows exactly this inline style and script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _excerpt(text: str) -> markupsafe.Markup:
    """Escape text for a text node, where quotation marks are harmless: JSON is full of them."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return markupsafe.Markup(shown)  # noqa: S704 - escaped on the line above, for text nodes only


def _query(text: str) -> markupsafe.Markup:
    """Escape a query line by line: line ends stay, runs of spaces go."""
    return markupsafe.Markup("\n").join(_excerpt(" ".join(line.split())) for line in text.splitlines())


def _queries(postmortem: Postmortem) -> dict[str, int]:
    """Number the distinct queries of all checks, in the order in which a reader meets them."""
    queries = (check.sql for h in postmortem.top_hypotheses for check in h.validation_checks)
    return {sql: number for number, sql in enumerate(dict.fromkeys(queries), 1)}


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _static(name: str) -> str:
    return (resources.files(_PACKAGE) / "templates" / name).read_text("utf-8").strip()


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    environment.filters["figure"] = lambda value: "no value" if value is None else number(value)
    environment.filters["symbol"] = lambda operator: _SYMBOLS.get(operator, operator)
    environment.filters["excerpt"] = _excerpt
    environment.filters["query"] = _query
    return environment
