"""The report in a real browser: no errors, no requests, clicks do what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from incident_pipeline.drafting import draft
from incident_pipeline.postmortem import assemble, render_html
from incident_pipeline_tests.drafting.synthetic import Story, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - heavy, and only here

    inputs = build(Story(message="pool <script>window.hacked = 1</script> full"))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(inputs, *assemble(inputs, draft(inputs))), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.seen_errors = []  # type: ignore[attr-defined]  # collected for the tests below
        opened.seen_requests = []  # type: ignore[attr-defined]  # the same
        opened.on("console", lambda message: opened.seen_errors.append(message.text))  # type: ignore[attr-defined]  # set above
        opened.on("pageerror", lambda error: opened.seen_errors.append(str(error)))  # type: ignore[attr-defined]  # set above
        opened.on("request", lambda request: opened.seen_requests.append(request.url))  # type: ignore[attr-defined]  # set above
        opened.goto(path.as_uri())
        yield opened
        browser.close()


def test_the_page_opens_without_errors_or_requests(page: Page) -> None:
    assert page.seen_errors == []  # type: ignore[attr-defined]  # set by the fixture
    outside = [url for url in page.seen_requests if not url.startswith(("file:", "data:"))]  # type: ignore[attr-defined]  # set by the fixture
    assert outside == []
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_pin_leads_to_its_evidence(page: Page) -> None:
    pin = page.locator(".pin").first
    target = pin.get_attribute("data-evidence")
    pin.click()
    assert page.url.endswith(f"#{target}")
    assert "hit" in (page.locator(f"#{target}").get_attribute("class") or "")
    assert "hit" in (pin.get_attribute("class") or "")


def test_a_sentence_shows_its_ledger_row_and_escape_closes_it(page: Page) -> None:
    panel = page.locator("#panel")
    page.locator("[data-sentence=S1]").click()
    assert panel.is_visible()
    assert "observed" in panel.inner_text()
    assert "sha256" in panel.inner_text()
    assert "facts.json #/front_door" in panel.inner_text()
    page.keyboard.press("Escape")
    assert panel.is_hidden()


def test_the_keyboard_reaches_sentences(page: Page) -> None:
    page.locator("[data-sentence=S2]").focus()
    page.keyboard.press("Enter")
    assert page.locator("#panel").is_visible()
    page.locator("#panel button").click()
    assert page.locator("#panel").is_hidden()


def test_a_hypothesis_fills_its_pins(page: Page) -> None:
    assert page.locator(".pin.on").count() > 0
    page.locator("[data-hypothesis=H2] .status").click()
    chosen = page.locator(".pin.on")
    for index in range(chosen.count()):
        assert "H2" in (chosen.nth(index).get_attribute("data-hypotheses") or "")


def test_small_screens_do_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    page.set_viewport_size({"width": 1280, "height": 900})
