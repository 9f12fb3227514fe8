"""Explanations: the entry asked for, its bytes, its merges, and what the order rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from outage import alert, at, change, log, said
from stored_results import store

from incident_pipeline.errors import ConfigError, HashMismatchError, MissingArtifactError
from incident_pipeline.evidence import EvidenceReader
from incident_pipeline.model.explanation import Explanation
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.results import ResultsFolder
from incident_pipeline.timeline.dedupe import SAME_RECORD
from incident_pipeline.timeline.explain import explain_entry, find_entry, merge_reason
from incident_pipeline.timeline.explain_text import explanation_lines
from incident_pipeline.timeline.native_ids import NATIVE_IDS
from incident_pipeline.timeline.stored import StoredOrder

if TYPE_CHECKING:
    from conftest import Incident

ROWS = [
    change(1, "deploy", "api 1 -> 2"),
    log(5, "told twice") | {"uri": "logs/a.jsonl"},
    log(5, "told twice") | {"uri": "logs/b.jsonl"},
    alert(7),
    alert(20, "resolved", began=7),
    said(8.25, "rolling back"),
    log(8, "coarse", service="db") | {"time_precision": "s"},
    log(9, "no time") | {"time_ns": None},
]


class Vault:
    """Every artifact is the same hundred lines of a hundred bytes."""

    def read(self, sha256: str) -> bytes:
        assert len(sha256) == 64
        return (("record " * 14) + "\n").encode() * 100


class AlteredVault:
    def read(self, sha256: str) -> bytes:
        raise HashMismatchError(f"{sha256} was altered")


class EmptyVault:
    def read(self, sha256: str) -> bytes:
        raise MissingArtifactError(f"no object {sha256}")


@pytest.fixture
def folder(incident: Incident, tmp_path: Path) -> ResultsFolder:
    return store(incident(ROWS), tmp_path / "inc-1")[0]


@pytest.fixture
def explained(folder: ResultsFolder, incident: Incident) -> Any:
    def explain(entry: str, vault: Any = None) -> Explanation:
        artifacts = incident(ROWS).evidence.artifacts
        reader = None if vault is None else EvidenceReader(vault, artifacts)
        timeline = Timeline.model_validate_json(folder.timeline.read_bytes())
        with StoredOrder(folder) as order:
            return explain_entry(folder, order, find_entry(order, timeline, entry), reader)

    return explain


def lines_of(explanation: Explanation) -> str:
    return "\n".join(f"{head}|{line}" for head, line in explanation_lines(explanation))


@pytest.mark.parametrize(
    "entry", ["0", "#0", "08:00:01", "08:00:01.000 UTC", "2026-11-23T08:00:01Z", "2026-11-23T09:00:01+01:00"]
)
def test_an_entry_is_found_by_position_and_time(explained: Any, entry: str) -> None:
    found = explained(entry)
    assert (found.position, found.message) == (0, "deploy by ci: api 1 -> 2")


def test_an_entry_is_found_by_its_id_and_its_beginning(explained: Any) -> None:
    whole = explained("0").event_id
    assert explained(whole).position == 0
    assert explained(whole[:10]).position == 0


def test_of_several_at_a_time_the_key_entry_is_meant(explained: Any) -> None:
    assert explained("08:00:08").message == "U1: rolling back"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("99", "No entry"),
        ("08:59", "No entry"),
        ("ffffffff", "No entry"),
        ("nonsense", "no position"),
        ("08:00", "several"),
    ],
)
def test_what_names_no_single_entry_is_refused_with_advice(explained: Any, entry: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as error:
        explained(entry)
    assert error.value.advice


def test_it_says_where_it_was_read_and_shows_the_bytes(explained: Any) -> None:
    found = explained("0", Vault())
    assert found.reading.outcome == "matches"
    assert (found.reading.byte_start, found.reading.byte_end) == (0, 99)
    assert found.reading.excerpt.startswith("record record")
    text = lines_of(found)
    assert f"sha256 {found.artifact.sha256}" in text
    assert "changes/c.jsonl:1 bytes 0 to 99" in text


@pytest.mark.parametrize("vault", [None, EmptyVault()])
def test_could_not_check_is_never_verified(explained: Any, vault: Any) -> None:
    found = explained("0", vault)
    assert found.reading.outcome == "could_not_check"
    assert "NOT CHECKED" in lines_of(found)
    assert "they have this digest" not in lines_of(found)


def test_altered_bytes_are_an_error(explained: Any) -> None:
    with pytest.raises(HashMismatchError):
        explained("0", AlteredVault())


def test_a_merge_is_told_from_both_sides_with_its_rule(explained: Any) -> None:
    kept, merged = explained("1"), explained("2")
    (member,) = kept.members
    assert (member.event.event_id, member.rule) == (merged.event_id, SAME_RECORD)
    assert merged.merged_into is not None
    assert merged.merged_into.event.event_id == kept.event_id
    assert {member.event.artifact.uri, kept.artifact.uri} == {"logs/a.jsonl", "logs/b.jsonl"}
    assert "same message of the same emitter" in lines_of(kept)
    assert "It stands with" in lines_of(merged)


def test_dft_1311_neighbours_whose_order_is_open_are_named(explained: Any) -> None:
    coarse = explained("4")
    assert coarse.message == "coarse"
    assert coarse.order_basis == "undetermined"
    assert [one.message for one in coarse.undetermined] == ["U1: rolling back"]
    assert coarse.undetermined_total == 1
    assert "Order against 1 entry of other artifacts" in lines_of(coarse)
    assert explained("0").undetermined == ()
    # The finer of two is placed by its clock, and yet the coarser may have come before it.
    fine = explained("08:00:08")
    assert fine.order_basis == "clock"
    assert [one.message for one in fine.undetermined] == ["coarse"]


def test_a_resolved_alert_stands_where_it_ended(explained: Any) -> None:
    found = explained("08:00:20")
    assert found.stamp.time_ns == at(20)
    assert found.stamp.is_end
    assert "when the alert ended" in lines_of(found)


def test_an_untimed_entry_says_that_it_has_no_time(explained: Any) -> None:
    found = explained(str(len(ROWS) - 1))
    assert found.stamp.time is None
    assert "It has no time" in found.order_reason
    assert "Time|none" in lines_of(found)


def test_key_entries_say_by_which_rule_and_others_that_they_are_none(explained: Any) -> None:
    assert explained("0").key.rule == "change"
    assert "(rule change, 1 of 1 by it are shown)" in lines_of(explained("0"))
    assert explained("1").key is None
    assert "Key entry|no:" in lines_of(explained("1"))


def test_the_neighbours_are_those_that_stand_for_themselves(explained: Any) -> None:
    found = explained("3")
    assert (found.before.position, found.after.position) == (1, 4)
    assert explained("0").before is None


def test_every_rule_of_dedupe_has_words() -> None:
    for rule in [SAME_RECORD, *(native.rule for native in NATIVE_IDS)]:
        assert "not one of this version" not in merge_reason(rule)
    assert "not one of this version" in merge_reason("made up")


def test_evidence_cannot_steer_the_terminal(incident: Incident, tmp_path: Path) -> None:
    hostile = "\x1b[2J\u202eevil\nnew line"
    folder, built = store(incident([change(1, "deploy", hostile, actor=hostile)]), tmp_path / "i")
    with StoredOrder(folder) as order:
        found = explain_entry(folder, order, find_entry(order, built.timeline, "0"), None)
    for _, line in explanation_lines(found):
        assert line.isprintable()
