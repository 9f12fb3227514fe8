"""Refusals around exports and derivations that no attack of the other files needs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incident_pipeline.errors import MissingArtifactError, SealError
from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root
from incident_pipeline.evidence.manifest import read_signed, sign_payload
from incident_pipeline.evidence.statement import Digest, Subject
from incident_pipeline.evidence.trust_changes import Revocation, revoke_key
from incident_pipeline.export import layout, signed, write_derivation
from incident_pipeline.export.derivation import Derivation, read_derivation, statement_path
from incident_pipeline.serialise import compact_json, write_bytes
from incident_pipeline_tests.evidence.sealed_case import Case
from incident_pipeline_tests.export.exported_case import make_manifests_anew, rewrite, verify


def resign(case: Case, stage: str, change: Callable[[Derivation], Derivation]) -> None:
    """Have a trusted key sign another statement in the place of a stage's."""
    path = statement_path(case.results.root, stage)
    statement = read_derivation(path.read_bytes(), load_trust_root(folder=case.config), name=path.name)
    write_bytes(path, signed.sign(change(statement), case.signer.signer))


def of_predicate(**changes: object) -> Callable[[Derivation], Derivation]:
    def change(it: Derivation) -> Derivation:
        return it.model_copy(update={"predicate": it.predicate.model_copy(update=changes)})

    return change


def with_subject(name: str, digest: str = "0" * 64) -> Callable[[Derivation], Derivation]:
    subject = Subject(name=name, digest=Digest(sha256=digest))
    return lambda it: it.model_copy(update={"subject": (*it.subject, subject)})


def test_an_export_without_its_results_says_so(case: Case, bag: Path) -> None:
    shutil.rmtree(bag / "data" / "results")
    make_manifests_anew(bag)
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "data/results: " in messages


def test_a_statement_that_covers_less_of_the_bag_is_refused(case: Case, bag: Path) -> None:
    """Signed by a trusted key: whoever exports can't leave a file out either."""
    path = bag / layout.STATEMENT
    statement = signed.read(
        path.read_bytes(), layout.Bag, load_trust_root(folder=case.config), name=path.name
    )
    less = statement.model_copy(update={"subject": statement.subject[1:]})
    rewrite(path, signed.sign(less, case.signer.signer))
    make_manifests_anew(bag)
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "bag.sigstore.json does not cover the tag files of an export." in messages


def test_a_pipe_in_an_export_is_refused_and_never_opened(case: Case, bag: Path) -> None:
    os.mkfifo(bag / "data" / "pipe")
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "data/pipe is no regular file." in messages


@pytest.mark.parametrize("name", ["a b", "a\\b", ".", "..", "a/../b", "", "a//b", "/a", "caf\u00e9"])
def test_names_that_could_be_misread_are_not_safe(name: str) -> None:
    assert not layout.is_safe_name(name)
    assert layout.is_safe_name("data/objects/ab/c-d_e.f")


def test_a_statement_of_another_incident_or_stage_is_refused(case: Case) -> None:
    trust = load_trust_root(folder=case.config)
    path = statement_path(case.results.root, "timeline")
    whole = path.read_bytes()
    statement = read_derivation(whole, trust, name=path.name)
    incident = statement.predicate.incident
    for changes, reason in (
        ({"incident": incident.model_copy(update={"key": "inc-2"})}, "is of the incident 'inc-2'"),
        (
            {"incident": incident.model_copy(update={"seal": Digest(sha256="0" * 64)})},
            "rests on another seal",
        ),
        ({"stage": "postmortem"}, "is the statement of the stage 'postmortem'"),
    ):
        resign(case, "timeline", of_predicate(**changes))
        code, messages = verify(case.out, case.config)
        assert code == 1
        assert reason in messages
        write_bytes(path, whole)
    assert verify(case.out, case.config) == (0, "")


def test_two_statements_over_one_file_are_refused(case: Case) -> None:
    resign(case, "timeline", with_subject("events.parquet"))
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert "events.parquet: two statements cover it" in messages


def test_a_statement_that_names_a_file_twice_is_refused(case: Case) -> None:
    resign(case, "timeline", with_subject("TIMELINE.md"))
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert "timeline.sigstore.json names a file twice." in messages


def test_an_input_that_is_named_twice_is_refused(case: Case) -> None:
    def change(it: Derivation) -> Derivation:
        material = it.predicate.materials[0]
        twin = material.model_copy(update={"name": material.name.upper()})
        return of_predicate(materials=(*it.predicate.materials, twin))(it)

    resign(case, "timeline", change)
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert "timeline.sigstore.json names a file twice." in messages


def test_an_input_that_nobody_made_is_refused(case: Case) -> None:
    foreign = Subject(name="foreign.json", digest=Digest(sha256="0" * 64))
    resign(
        case, "timeline",
        lambda it: of_predicate(materials=(*it.predicate.materials, foreign))(it),
    )  # fmt: skip
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert "its input foreign.json was neither sealed nor made by another stage" in messages


def test_a_result_that_is_a_link_is_refused(case: Case) -> None:
    path = case.results.narrative
    shutil.copyfile(path, case.root / "outside")
    path.unlink()
    path.symlink_to(case.root / "outside")
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert f"{path.name} is a link; a result is a regular file." in messages


def test_a_signed_file_that_is_no_statement_is_refused(case: Case) -> None:
    trust = load_trust_root(folder=case.config)
    for payload, reason in ((b"\xff", "x holds no statement"), (b"{}", "x holds no derivation")):
        with pytest.raises(SealError, match=reason):
            read_derivation(sign_payload(payload, case.signer.signer), trust, name="x")


def test_nothing_is_derived_without_a_seal(case: Case) -> None:
    case.results.manifest.unlink()
    with pytest.raises(MissingArtifactError, match="no seal"):
        write_derivation(case.results, "timeline", case.signer.signer, {})


def test_a_manifest_names_what_was_added_removed_and_changed(case: Case, bag: Path) -> None:
    """Each with its own words, so that whoever reads them knows what was done."""
    (bag / "data" / "results" / "inc-1" / "more.md").write_bytes(b"more\n")
    narrative = bag / "data" / "results" / "inc-1" / case.results.narrative.name
    report = bag / "data" / "results" / "inc-1" / case.results.report.name
    narrative.unlink()
    rewrite(report, b"another\n")
    _, messages = verify(bag, case.config)
    base = "data/results/inc-1"
    assert f"{base}/more.md is not in manifest-sha256.txt: it was added." in messages
    assert f"{base}/{narrative.name} is in manifest-sha256.txt and not there." in messages
    assert f"{base}/{report.name} has sha256 " in messages
    assert "manifest-sha256.txt is not the list of the files that are there." in messages


def test_another_seal_by_the_same_key_is_not_the_one_that_was_exported(case: Case, bag: Path) -> None:
    seal = bag / "data" / "seals" / "inc-1" / "000001.sigstore.json"
    statement = json.loads(read_signed(seal.read_bytes()).payload)
    statement["predicate"]["seal"]["sealedAt"] = "2026-01-31T13:00:00+00:00"
    rewrite(seal, sign_payload(compact_json(statement), case.signer.signer))
    make_manifests_anew(bag)
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "data/seals/inc-1/000001.sigstore.json is not the seal that was exported" in messages


def test_a_link_that_no_manifest_lists_is_refused(case: Case, bag: Path) -> None:
    (bag / "data" / "more").symlink_to("../bagit.txt")
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "data/more is a link." in messages


def test_a_statement_by_a_key_that_was_revoked_is_refused_under_a_good_seal(
    case: Case, tmp_path: Path
) -> None:
    stage_signer = load_or_create_local_signer(tmp_path / "stage", {})
    shutil.copy(stage_signer.trust_path, case.config / "trust")
    path = statement_path(case.results.root, "timeline")
    statement = read_derivation(path.read_bytes(), load_trust_root(folder=case.config), name=path.name)
    write_bytes(path, signed.sign(statement, stage_signer.signer))
    assert verify(case.out, case.config) == (0, "")
    now = datetime(2026, 2, 1, tzinfo=UTC)
    revoke_key(case.config, stage_signer.keyid, Revocation("laptop stolen"), now, environ={})
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert f"signed with key {stage_signer.keyid}, which was revoked (laptop stolen) for all time" in messages
