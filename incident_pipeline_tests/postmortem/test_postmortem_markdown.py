"""The Markdown rendering: complete, footnoted, and deaf to markup in evidence."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.drafting import draft
from incident_pipeline.postmortem import assemble, render_markdown
from incident_pipeline.postmortem.visible import markdown_code, markdown_text, visible
from incident_pipeline_tests.drafting.synthetic import Story, build


def render(story: Story) -> str:
    inputs = build(story)
    return render_markdown(*assemble(inputs, draft(inputs)))


def test_every_sentence_has_its_footnote() -> None:
    text = render(Story())
    used = re.findall(r"\[\^(S\d+)\](?!:)", text)
    defined = re.findall(r"^\[\^(S\d+)\]:", text, re.MULTILINE)
    assert sorted(used) == sorted(defined)
    assert len(set(used)) == len(used)
    assert re.search(r"`logs/app\.jsonl#line-\d+` `sha256:[0-9a-f]{16}…` bytes \d+-\d+: `", text)


def test_all_sections_are_there() -> None:
    text = render(Story())
    headings = (
        "Summary, Key times, Impact, Detection, Response, Contributing factors, What went well, "
        "What went badly, Open questions, Hypotheses, Timeline excerpt, Action items, Coverage, "
        "Problems with the evidence, How far to trust this"
    )
    for heading in headings.split(", "):
        assert f"## {heading}\n" in text
    assert "~~gate ran out of connections~~" in text
    assert "Where we got lucky" not in text


def test_hostile_text_makes_no_markup() -> None:
    text = render(
        Story(
            chat_text="[x](http://evil.example) <img src=x> www.evil.example | `code` \u202e",
            title="# <b>T</b>",
        )
    )
    body = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert "<" not in body
    assert not re.search(r"(?<!\\)\]\(", body)
    assert "http://evil" not in body
    assert "www.evil" not in body
    assert "\u202e" not in text
    assert text.startswith("# \\# &lt;b&gt;T&lt;/b&gt;\n")


def test_an_empty_incident_says_so() -> None:
    text = render(
        Story(hypotheses=False, verdict="insufficient_evidence", alerts=False, chat=False, changes=False)
    )
    assert "No hypothesis could be proposed from this evidence." in text
    assert "None follow from supported causes." in text


@given(st.text(max_size=80))
def test_code_spans_hold_any_text(text: str) -> None:
    code = markdown_code(text)
    fence = re.match(r"`+", code)
    assert fence is not None
    inner = code[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in inner.strip("`") or not inner.strip("`")
    assert "\n" not in code


@given(st.text(max_size=80))
def test_visible_text_has_no_hidden_characters(text: str) -> None:
    assert all(character.isprintable() or character.isspace() for character in visible(text))
    assert visible(visible(text)) == visible(text)


@given(st.text(alphabet="[]()<>*_`|#~!\\ab:/w.-+1", max_size=40))
def test_markdown_text_escapes_what_starts_markup(text: str) -> None:
    shown = markdown_text(text)
    assert "<" not in shown
    assert ">" not in shown
    for match in re.finditer(r"[\[\]*_`|#~]", shown):
        assert shown[match.start() - 1] == "\\"
