"""The inbox: oldest first, nothing replaced, nothing read half."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.ingest import Inbox
from incident_pipeline.ingest.inbox import is_cut_off


def drop(root: Path, name: str, data: bytes = b"[1]", age: float = 0.0) -> Path:
    root.mkdir(exist_ok=True)
    path = root / name
    path.write_bytes(data)
    stamp = time.time() - age
    os.utime(path, (stamp, stamp))
    return path


def test_deliveries_come_oldest_first_and_ties_by_name(tmp_path: Path) -> None:
    for name, age in (("new", 100.0), ("b", 500.0), ("a", 500.0)):
        path = drop(tmp_path, name)
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert [path.name for path in Inbox(tmp_path).pending()] == ["a", "b", "new"]


def test_what_is_no_delivery_is_passed_over(tmp_path: Path) -> None:
    for name in (".hidden", "a.json.part", "b.tmp", "README.md", "good.json"):
        drop(tmp_path, name)
    (tmp_path / "claimed").mkdir()
    (tmp_path / "link.json").symlink_to("good.json")
    os.mkfifo(tmp_path / "pipe.json")
    assert [path.name for path in Inbox(tmp_path).pending()] == ["good.json"]
    assert Inbox(tmp_path / "nowhere").pending() == []


def test_a_delivery_that_still_grows_waits(tmp_path: Path) -> None:
    path = drop(tmp_path, "growing.json", b'[{"a": ')
    drop(tmp_path, "whole.json")

    def go_on() -> None:
        time.sleep(0.1)
        path.write_bytes(b'[{"a": 1}]')

    writer = threading.Thread(target=go_on)
    writer.start()
    assert [it.name for it in Inbox(tmp_path).pending()] == ["whole.json"]
    writer.join()
    assert sorted(it.name for it in Inbox(tmp_path).pending()) == ["growing.json", "whole.json"]


def test_a_delivery_that_stays_cut_off_is_handed_on(tmp_path: Path) -> None:
    drop(tmp_path, "cut.json", b'{"alerts": [')
    drop(tmp_path, "old.json", b'{"alerts": [', age=60)
    assert [it.name for it in Inbox(tmp_path).pending()] == ["old.json", "cut.json"]


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (b"", True), (b'{"a": ', True), (b'{"a": "x', True), (b'{"a": "\xc3', True), (b"[1, ", True),
        (b"[1]", False), (b"nonsense", False), (b'{"a": 1}}', False), (b"\xff\xfe", False),
    ],
)  # fmt: skip
def test_cut_off_json_is_told_from_wrong_json(data: bytes, cut: bool) -> None:
    assert is_cut_off(data) is cut


def test_claiming_never_replaces_an_earlier_delivery_of_the_same_name(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    moved = [inbox.claim(drop(tmp_path, "a.json", data)) for data in (b"[1]", b"[2]", b"[3]")]
    assert [path.relative_to(tmp_path).as_posix() for path in moved] == [
        "claimed/a.json", "claimed/a-1.json", "claimed/a-2.json",
    ]  # fmt: skip
    assert [path.read_bytes() for path in moved] == [b"[1]", b"[2]", b"[3]"]
    assert inbox.pending() == []


def test_rejecting_leaves_the_reason_beside_the_file(tmp_path: Path) -> None:
    moved = Inbox(tmp_path).reject(drop(tmp_path, "a.json", b"x"), "a.json: no valid JSON.\n")
    assert moved == tmp_path / "rejected" / "a.json"
    assert (tmp_path / "rejected" / "a.json.reason.txt").read_text() == "a.json: no valid JSON.\n"


def test_a_delivery_that_another_took_is_missing(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.json")
    path.unlink()
    with pytest.raises(MissingArtifactError, match=r"a\.json'?: is no longer in the inbox"):
        Inbox(tmp_path).claim(path)
