"""Killed and starved sealers: whole seals or none, one entry for each, and a retry finishes the work."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incident_pipeline.errors import ServiceError
from incident_pipeline.evidence import AccessLog, DataKeys
from incident_pipeline.evidence.log import unlogged
from incident_pipeline.evidence.log_view import read_log
from incident_pipeline.evidence.manifest import read_manifest
from incident_pipeline.evidence.sweep import Ground, collect
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline_tests.evidence.log_case import LogCase
from incident_pipeline_tests.evidence.sealing_process import SealingProcess

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"  # `make bench`
ROUNDS = 200 if FULL else 10


@pytest.fixture
def logged(tmp_path: Path) -> LogCase:
    return LogCase(tmp_path)


def bundle_of(case: LogCase, sealer: str, number: int) -> Path:
    """Write new evidence for a sealer: of an incident of its own, or every other time of a shared one."""
    folder = case.root / "bundles" / sealer
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(4):
        (folder / f"{index}.log").write_bytes(f"{sealer} {number} {index}\n".encode() * 4_000)
    incident = "INC-1" if number % 2 else f"INC-{sealer}"
    entries = [{"type": "logs", "uri": f"{index}.log"} for index in range(4)]
    (folder / "incident.json").write_text(json.dumps({"incident_id": incident, "artifacts": entries}))
    return folder


def test_two_sealers_killed_at_random_moments_leave_whole_seals(
    logged: LogCase, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL to two processes that seal into one vault, partly the same incident; the next ones go on."""
    _ = logged.signer
    chance = random.Random(20260131)  # noqa: S311 -- moments, no secrets
    killed = unfinished = 0
    seen: set[tuple[str, int]] = set()
    for number in range(ROUNDS):
        sealers = [SealingProcess(logged.root, bundle_of(logged, name, number)) for name in ("a", "b")]
        for sealer in chance.sample(sealers, 2):
            time.sleep(chance.uniform(0.0, 0.03))
            killed += sealer.kill()
        _new_seals_are_whole(logged, seen)
        unfinished += len(unlogged(logged.vault)) if logged.vault.sealed_keys() else 0
    assert SealingProcess(logged.root, bundle_of(logged, "a", ROUNDS)).finish() == "sealed"
    _everything_is_in_the_log(logged)
    assert killed > ROUNDS // 4
    orphans = _orphans(logged)
    swept = _swept(logged)
    assert (swept, _orphans(logged)) == (orphans, 0)
    _everything_is_in_the_log(logged)
    if FULL:
        with capsys.disabled():
            log = logged.log()
            sys.stdout.write(
                f"\n{ROUNDS} rounds: {killed} of {2 * ROUNDS} sealers killed while sealing, {log.size} whole "
                f"seals, {unfinished} entered or finished by a later run, {orphans} orphans before a sweep "
                f"and {_orphans(logged)} after it\n"
            )


def _new_seals_are_whole(logged: LogCase, seen: set[tuple[str, int]]) -> None:
    """Check the seals that were not there before, what they name, and the whole log."""
    vault = logged.vault
    for key in vault.sealed_keys():
        for number in vault.seal_sequences(key):
            if (key, number) not in seen:
                manifest = read_manifest(vault.read_seal(key, number), logged.keys)
                for subject in manifest.statement.subject:
                    vault.check(subject.digest.sha256)
                seen.add((key, number))
    read_log(vault, logged.keys)


def _orphans(logged: LogCase) -> int:
    """Count the objects that no seal names: what a killed run stored, and the next would adopt."""
    vault = logged.vault
    named = set()
    for entry in logged.log().entries:
        statement = read_manifest(vault.read_seal(*entry.seal), logged.keys).statement
        named |= {subject.digest.sha256 for subject in statement.subject}
    return sum(1 for path in (vault.root / "objects").rglob("*") if path.is_file()) - len(named)


def _swept(logged: LogCase) -> int:
    """Sweep the vault, a day later; count what was collected."""
    ground = Ground(
        logged.vault,
        DataKeys(logged.vault.root / "keys"),
        AccessLog(logged.root / "access.jsonl"),
        logged.keys,
    )
    later = datetime.now(UTC) + timedelta(hours=25)
    return sum(it.state == "collected" for it in collect(ground, later, authority="the custodian"))


def _everything_is_in_the_log(logged: LogCase) -> None:
    report = verify_results(logged.vault.root, config_dir=logged.config)
    assert (report.exit_code, report.failures) == (0, ())
    assert [it.name for it in report.remarks if it.kind == "log"] == []
    vault = logged.vault
    seals = {(key, number) for key in vault.sealed_keys() for number in vault.seal_sequences(key)}
    entries = [entry.seal for entry in logged.log().entries]
    assert len(entries) == len(set(entries))
    assert set(entries) == seals
    for key in vault.sealed_keys():
        assert vault.seal_sequences(key) == tuple(range(1, len(vault.seal_sequences(key)) + 1))
    assert [path for path in vault.root.rglob(".*") if path.is_file()] == []


@contextlib.contextmanager
def failing(
    monkeypatch: pytest.MonkeyPatch, call: str, code: int, nth: int, *, short: bool = False
) -> Iterator[list[int]]:
    """Let the nth call of an `os` function fail from then on; gives the number of calls so far."""
    real: Callable[..., int] = getattr(os, call)
    calls = [0]

    def fail(*args: object, **options: object) -> int:
        calls[0] += 1
        if calls[0] >= nth:
            if short and call == "write" and calls[0] == nth:
                handle, data = args
                assert isinstance(data, memoryview)
                return real(handle, data[: len(data) // 2])
            raise OSError(code, os.strerror(code))
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        yield calls


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_disk_that_fails_at_any_step_leaves_whole_seals_and_a_retry_works(
    logged: LogCase, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    logged.seals(1)
    with failing(monkeypatch, call, code, 10**9) as calls:
        logged.seals(1, first=1)
    steps = calls[0]
    assert steps >= 5
    for nth in range(1, steps + 1):
        number = nth + 1
        with (
            failing(monkeypatch, call, code, nth, short=nth % 2 == 0),
            pytest.raises((ServiceError, OSError)),
        ):
            logged.seals(1, first=number)
        report = verify_results(logged.vault.root, config_dir=logged.config)
        assert (report.exit_code, report.failures) == (0, ())
        (_,) = logged.seals(1, first=number)
        assert logged.verify() == (0, [])
    _everything_is_in_the_log(logged)
    assert logged.log().size == steps + 2


def test_a_full_file_system_leaves_whole_seals_and_a_retry_works(logged: LogCase) -> None:
    """A real limit rather than a patched call: no file that the sealing process writes may pass it."""
    _ = logged.signer
    logged.seals(1)
    small = logged.bundle({"a.log": b"small"}, incident_id="INC-2")
    assert SealingProcess(logged.root, small, file_limit=65_536).finish() == "sealed"
    big = logged.bundle({"big.log": b"0123456789" * 20_000}, incident_id="INC-3")
    said = SealingProcess(logged.root, big, file_limit=65_536).finish()
    assert said == "The vault can't be written (File too large)."
    assert logged.vault.seal_sequences("inc-3") == ()
    report = verify_results(logged.vault.root, config_dir=logged.config)
    assert (report.exit_code, report.failures) == (0, ())
    assert SealingProcess(logged.root, big).finish() == "sealed"
    _everything_is_in_the_log(logged)
