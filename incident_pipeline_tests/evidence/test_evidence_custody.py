"""Custody entries: signed, in sequence, decided on all that came before, and never quietly removed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import IncidentPipelineError, SealError, SignatureError
from incident_pipeline.evidence import load_or_create_local_signer
from incident_pipeline.evidence.custody import CustodyLog, Decision, Entry, enter, read_custody
from incident_pipeline.evidence.retention import hold, release
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase


@pytest.fixture
def case(tmp_path: Path) -> EncryptedCase:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    return case


def entries(case: EncryptedCase) -> Path:
    return case.vault.root / "records" / "custody" / "inc-1"


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def hold_three(case: EncryptedCase) -> None:
    for matter in ("a", "b", "c"):
        hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel", matter=matter)


def test_holds_add_up_and_one_release_lifts_one(case: EncryptedCase) -> None:
    custodian = case.custodian()
    hold_three(case)
    assert hold(custodian, "inc-1", reason="again", authority="counsel", matter="a") is None
    assert release(custodian, "inc-1", reason="closed", authority="counsel", matter="b") is not None
    assert release(custodian, "inc-1", reason="closed", authority="counsel", matter="zzz") is None
    log = custodian.custody("inc-1")
    assert log.holds == ("a", "c")
    assert [entry.sequence for entry in log.entries] == [1, 2, 3, 4]
    assert log.entries[0].actor == case.signer.keyid
    code, failures, remarks = case.outcome()
    assert (code, failures) == (0, [])
    assert remarks == ["legal hold: inc-1 is under legal hold (a, c)."]


@pytest.mark.parametrize("name", ["000001", "000002"])
def test_a_removed_entry_is_noticed(case: EncryptedCase, name: str) -> None:
    hold_three(case)
    (entries(case) / f"{name}.sigstore.json").unlink()
    code, messages, _ = case.outcome()
    assert code == 1
    assert any("an entry was taken away" in it for it in messages)


def test_exchanged_entries_are_noticed(case: EncryptedCase) -> None:
    hold_three(case)
    first, second = (entries(case) / f"00000{number}.sigstore.json" for number in (1, 2))
    one, two = first.read_bytes(), second.read_bytes()
    rewrite(first, two)
    rewrite(second, one)
    with pytest.raises(SealError, match="inc-1/000001 does not follow"):
        case.custodian().custody("inc-1")


def test_an_entry_of_another_incident_does_not_count(case: EncryptedCase) -> None:
    hold_three(case)
    shutil.copytree(entries(case), entries(case).parent / "inc-2")
    with pytest.raises(SealError, match="inc-2/000001 does not follow"):
        case.custodian().custody("inc-2")


def test_an_entry_that_a_stranger_signed_does_not_count(case: EncryptedCase, tmp_path: Path) -> None:
    stranger = load_or_create_local_signer(tmp_path / "stranger", {})

    def decide(_: CustodyLog) -> Decision:
        return Decision("release", "because", "me")

    enter(case.vault, "inc-1", decide, signer=stranger.signer, keys=(), now="2026-01-01T00:00:00Z")
    code, messages, _ = case.outcome()
    assert code == 1
    assert any("which is not trusted" in it for it in messages)
    with pytest.raises(SignatureError):
        hold(case.custodian(), "inc-1", reason="x", authority="y")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_an_entry_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    case = _held(tmp_path_factory)
    file = entries(case) / "000001.sigstore.json"
    before = file.read_bytes()
    position = data.draw(st.integers(0, len(before) * 8 - 1))
    altered = bytearray(before)
    altered[position // 8] ^= 1 << position % 8
    rewrite(file, bytes(altered))
    try:
        with pytest.raises(IncidentPipelineError):
            read_custody(case.vault, "inc-1", case.custodian().trusted)
    finally:
        rewrite(file, before)


_CASES: list[EncryptedCase] = []


def _held(factory: pytest.TempPathFactory) -> EncryptedCase:
    if not _CASES:
        _CASES.append(EncryptedCase(factory.mktemp("held")))
        _CASES[0].seal_encrypted()
        hold_three(_CASES[0])
    return _CASES[0]


def test_of_two_that_enter_at_once_each_decides_on_what_the_other_entered(case: EncryptedCase) -> None:
    custodian = case.custodian()
    seen: list[int] = []

    def enter_one(number: int) -> Entry | None:
        def decide(log: CustodyLog) -> Decision:
            seen.append(len(log.entries))
            return Decision("hold", f"inquiry {number}", "counsel", matter=f"m{len(log.entries)}")

        return custodian.enter("inc-1", decide)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(enter_one, range(8)))
    assert sorted(entry.sequence for entry in done if entry) == list(range(1, 9))
    assert custodian.custody("inc-1").holds == tuple(f"m{number}" for number in range(8))
    assert len(seen) >= 8


def test_an_incident_without_a_seal_has_no_custody_to_add_to(case: EncryptedCase) -> None:
    with pytest.raises(IncidentPipelineError, match="no seal of inc-9"):
        hold(case.custodian(), "inc-9", reason="x", authority="y")
