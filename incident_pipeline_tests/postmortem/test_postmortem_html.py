"""The HTML report as bytes: self-contained, escaped, deterministic, small, and right for odd incidents."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from incident_pipeline.drafting import draft
from incident_pipeline.postmortem import assemble, render_html
from incident_pipeline.postmortem.html import content_security_policy
from incident_pipeline_tests.drafting.synthetic import Story, build

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Checks nesting and collects what matters."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.sentences: dict[str, list[str]] = {}
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(values)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if (values.get("href") or "").startswith("#"):
            self.targets.append(str(values["href"])[1:])
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]  # inside a tag there is text
            self.stack.append(tag)
        self._open = values.get("data-sentence")
        if self._open:
            self.sentences[self._open] = []

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self.stack and self.stack[-1] == tag:
            self.stack.pop()
        elif tag not in ("rect", "path", "circle"):
            raise AssertionError(f"</{tag}> closes {self.stack[-3:]}")
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.sentences[self._open].append(data)


def render(story: Story | None = None) -> str:
    inputs = build(story or Story())
    return render_html(inputs, *assemble(inputs, draft(inputs)))


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.stack == []
    return reader


STORIES = [
    Story(),
    Story(spans=False),
    Story(access_log=False),
    Story(access_log=False, spans=False, alerts=False, chat=False, changes=False),
    Story(hypotheses=False, verdict="insufficient_evidence"),
    Story(verdict="healthy", hypotheses=False, alerts=False),
    Story(resolved=False),
    Story(metric=True, access_log=False, spans=False),
    Story(extra_services=30),
    Story(component="a-very-long-component-name-" * 6),
    Story(
        message="</pre><script>alert(1)</script>", chat_text="x" * 10_000, title="<b>\u202ehostile\u202c</b>"
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_the_page_is_sound_for_every_kind_of_incident(story: Story) -> None:
    page = render(story)
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.targets) <= set(reader.ids)
    assert len(page.encode()) < 120_000


@pytest.mark.parametrize("story", STORIES)
def test_each_sentence_is_one_text_node_equal_to_its_ledger_row(story: Story) -> None:
    inputs = build(story)
    postmortem, ledger = assemble(inputs, draft(inputs))
    reader = read(render_html(inputs, postmortem, ledger))
    assert {row.id: [row.text] for row in ledger.sentences} == reader.sentences


def test_nothing_is_fetched_and_nothing_inline_runs_but_ours() -> None:
    page = render()
    reader = read(page)
    assert not re.search(r"(?:src|href|action|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)
    assert not any(name.startswith("on") for name in reader.attributes)
    assert "style" not in reader.attributes
    assert not reader.tags & {"iframe", "object", "embed", "img", "form", "base"}
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert style is not None
    assert script is not None
    policy = content_security_policy(style[1], script[1])
    assert f'content="{policy}"'.replace("'", "&#39;") in page
    assert "unsafe-inline" not in page


def test_hostile_text_is_shown_and_inert() -> None:
    page = render(Story(message="</pre><script>alert(1)</script>", title="<b>\u202ehostile</b>"))
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert "<b>hostile" not in page


def test_hidden_characters_of_excerpts_are_spelt_out() -> None:
    page = render(Story(message="pool \u202efull\x1b[31m"))
    assert "⟨U+202E⟩" in page


def test_the_bytes_are_the_same_every_time() -> None:
    assert render() == render()


def test_supported_refuted_and_open_hypotheses_look_different() -> None:
    page = render()
    assert '<details class="hyp supported sel" data-hypothesis="H1" open>' in page
    assert re.search(r'class="hyp refuted" data-hypothesis="H2".*?<del><span id="S', page, re.DOTALL)
    assert '<span class="out fails">fails</span>' in page
    assert '<span class="out no_data">no data</span>' in page


def test_lanes_are_capped_and_the_cap_is_stated() -> None:
    page = render(Story(extra_services=30))
    assert "8 of 32 services are shown." in page


def test_the_picture_is_left_out_when_nothing_has_a_time() -> None:
    assert 'id="picture"' in render()
    quiet = render(Story(access_log=False, spans=False, alerts=False, chat=False, changes=False))
    assert "requests/s" not in quiet


def test_pins_link_to_evidence_and_stand_in_time_order() -> None:
    page = render()
    pins = [(int(n), float(x)) for n, x in re.findall(r'href="#E(\d+)" class="pin.*?cx="([\d.]+)"', page)]
    assert len(pins) >= 5
    assert [number for number, _ in pins] == sorted(number for number, _ in pins)
    assert all(later >= earlier - 30 for (_, earlier), (_, later) in pairwise(pins))
