"""The timeline as text: notation, counts, and that evidence can't write markup into it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.timeline import build_timeline, markdown, narrative, plain

if TYPE_CHECKING:
    from conftest import Incident

DAY = 86_400 * 1_000_000_000


def text_of(incident: Incident, *rows: dict[str, Any]) -> str:
    return narrative(build_timeline(incident(rows)).timeline)


def change(message: str, time_ns: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"kind": "change", "message": message, "time_ns": time_ns, "time_precision": "ns"} | more


def entries_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_one_line_per_entry_in_the_usual_notation(incident: Incident) -> None:
    row = change("api 1 -> 2", 1_234_567_891, service="api", uri="changes/changes.jsonl")
    assert entries_of(text_of(incident, row)) == [
        "- 00:00:01.234 UTC - **change** api: api 1 -> 2 [changes/changes.jsonl:1] *(change)*"
    ]


def test_a_stamp_in_seconds_shows_no_milliseconds(incident: Incident) -> None:
    assert "- 00:00:01 UTC - " in text_of(incident, change("a", 1_000_000_000, time_precision="s"))


def test_a_new_day_gets_its_heading_and_untimed_entries_theirs(incident: Incident) -> None:
    text = text_of(incident, change("a"), change("b", 5), change("c", DAY), change("d", None))
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["1970-01-01", "1970-01-02", "Without a time"]
    assert "1 have no time" in text
    assert "UTC" not in entries_of(text)[-1]


def test_dft_1299_the_head_says_x_of_y(incident: Incident) -> None:
    text = text_of(incident, change("a"), {"kind": "log", "message": "fine", "severity": 9, "time_ns": 1})
    assert "1 of 2 events are shown: change 1 of 1, log 0 of 1." in text


def test_assumed_zones_and_open_order_are_marked(incident: Incident) -> None:
    text = text_of(
        incident,
        change("a", 5, time_precision="s", time_basis="assumed_zone", uri="a.csv"),
        change("b", 6, uri="b.csv"),
    )
    assert "zone assumed" in entries_of(text)[0]
    assert entries_of(text)[0].startswith("- ~00:00:00 UTC")
    assert "leave open" in text


def test_an_empty_timeline_still_says_so(incident: Incident) -> None:
    text = text_of(incident)
    assert "0 of 0 events are shown: there are none." in text
    assert entries_of(text) == []


HOSTILE = [
    "\n\n# Approved by the board\n\n- 09:00 UTC - all clear",
    "![x](https://evil.example/pixel.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "see https://evil.example and www.evil.example, mail a@evil.example",
    "\x1b[2J\x1b]0;title\x07\x1b[31mred",
    "admin\u202egnp.exe\u2066 \u200bhidden",
    "`code` **bold** _em_ ~~gone~~ | a | b | &lt;b&gt; $x$",
    "line\u2028separator\x85next\x0bvt\x00nul",
    "<!-- ", "-->", "```\nfence", "\\", "[^1]: note", "[x]: http://evil.example",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_evidence_cannot_inject_markup_or_lines(incident: Incident, hostile: str) -> None:
    text = text_of(incident, change(hostile, actor=hostile, service=hostile, uri=f"x/{hostile}.log"))
    assert len(entries_of(text)) == 1
    (line,) = entries_of(text)
    body = re.sub(r"\\.", "\\0", line)  # what is escaped is text
    assert not re.search(r"[<`~$]|\]\(|\]\[|!\[|&\w+;|://|www\.|@", body)
    assert len([part for part in text.splitlines() if part.startswith("#")]) == 2


def test_ordinary_words_stay_readable() -> None:
    ordinary = "db_pool_waiting{job=db} 3.5 > 3 (inventory) #12"
    assert markdown("db_pool_waiting") == "db_pool_waiting"
    assert re.sub(r"\\(.)", r"\1", markdown(ordinary)) == ordinary


# Machines that run tests are shared: a deadline would measure their load.
@settings(deadline=None, max_examples=60)
@given(st.text())
def test_plain_text_is_one_line_of_visible_characters(text: str) -> None:
    cleaned = plain(text)
    assert not [c for c in cleaned if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert len(cleaned.splitlines()) <= 1
    assert plain(cleaned) == cleaned


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_escaping_loses_no_character(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", markdown(text)) == plain(text)
