"""Verification from the outside: every alteration is found, and what can't be told is never "verified"."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import MissingArtifactError, TrustRootMissingError
from incident_pipeline.evidence import LocalVault, load_or_create_local_signer
from incident_pipeline.evidence.verify import verify_results, verify_seal
from incident_pipeline.serialise import write_json
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    write_json(path, document)


def test_untouched_results_hold_completely(sealed_case: Case) -> None:
    report = verify_results(sealed_case.out, config_dir=sealed_case.config)
    assert report.exit_code == 0
    assert report.failures == ()
    assert report.incidents == ("inc-1",)
    assert report.counts == {
        "artifact": {"ok": 3}, "chain": {"ok": 1}, "citation": {"ok": 2}, "derived": {"ok": 1},
        "evidence": {"ok": 1}, "log": {"ok": 2}, "seal": {"ok": 1}, "sentence": {"ok": 1},
    }  # fmt: skip
    assert report.summary.startswith("Everything holds: 3 of 3 artifacts")
    assert report.trusted_keys == (sealed_case.signer.keyid,)
    json.dumps(report.as_dict())


def test_one_folder_and_the_vault_can_be_verified_by_themselves(sealed_case: Case) -> None:
    for path in (sealed_case.results.root, sealed_case.vault.root):
        report = verify_results(path, config_dir=sealed_case.config)
        assert (report.exit_code, report.incidents) == (0, ("inc-1",))
    report = verify_seal(sealed_case.results.root, config_dir=sealed_case.config)
    assert report.exit_code == 0
    assert "citation" not in report.counts


def test_without_a_trust_root_nothing_is_said(sealed_case: Case) -> None:
    shutil.copytree(sealed_case.config / "trust", sealed_case.results.root / "trust")
    shutil.rmtree(sealed_case.config)
    with pytest.raises(TrustRootMissingError) as caught:
        verify_results(sealed_case.out, config_dir=sealed_case.config)
    assert caught.value.exit_code == 3


def test_the_key_of_an_attacker_beside_the_evidence_does_not_count(case: Case, tmp_path: Path) -> None:
    case.seal()
    attacker = load_or_create_local_signer(tmp_path / "attacker", {})
    shutil.rmtree(case.out)
    case.seal(case.bundle({"logs/app.log": b"nothing happened\n"}), signer=attacker)
    shutil.copytree(tmp_path / "attacker" / "trust", case.results.root / "trust")
    code, messages = case.verify()
    assert code == 1
    assert messages == [f"manifest.sigstore.json is signed with key {attacker.keyid}, which is not trusted."]
    assert case.verify(trust_root=tmp_path / "attacker" / "trust")[0] == 0


def test_an_altered_artifact_is_named_with_uri_and_digest(sealed_case: Case) -> None:
    log = next(it for it in sealed_case.seal().evidence.artifacts if it.uri == "logs/app.log")
    path = sealed_case.vault.object_path(log.sha256)
    rewrite(path, LOG.replace(b"failed", b"healed"))
    code, messages = sealed_case.verify()
    assert code == 1
    assert any(it.startswith(f"logs/app.log: The vault's object {log.sha256} was altered") for it in messages)


def test_what_was_taken_from_the_vault_is_a_failure(sealed_case: Case) -> None:
    log = next(it for it in sealed_case.seal().evidence.artifacts if it.uri == "logs/app.log")
    sealed_case.vault.object_path(log.sha256).unlink()
    code, messages = sealed_case.verify()
    assert code == 1
    assert messages[0] == f"logs/app.log: the vault does not hold its bytes (sha256 {log.sha256})."
    shutil.rmtree(sealed_case.vault.root / "seals")
    code, messages = sealed_case.verify()
    assert code == 1
    assert any("It was taken away" in it for it in messages)


def test_without_a_vault_the_bytes_could_not_be_checked(sealed_case: Case, tmp_path: Path) -> None:
    shutil.rmtree(sealed_case.vault.root)
    code, messages = sealed_case.verify()
    assert code == 3
    assert sum("there is no vault" in it for it in messages) == 3 + 2
    assert "the vault that holds this seal is not there." in messages
    stranger = verify_results(
        sealed_case.out, config_dir=sealed_case.config, vault=LocalVault(tmp_path / "another")
    )
    assert stranger.exit_code == 3


def test_a_missing_manifest_is_not_passed_over(sealed_case: Case) -> None:
    sealed_case.results.manifest.unlink()
    code, messages = sealed_case.verify()
    assert code == 3
    assert messages == ["manifest.sigstore.json is not there."]


def test_a_missing_or_edited_evidence_list_is_noticed(sealed_case: Case) -> None:
    edit(sealed_case.results.evidence, lambda it: it.update(severity="sev4"))
    assert sealed_case.verify() == (1, ["evidence.json does not say what the seal says."])
    sealed_case.results.evidence.unlink()
    assert sealed_case.verify() == (3, ["evidence.json is not there."])


def test_a_missing_ledger_is_fine_until_there_is_a_postmortem(sealed_case: Case) -> None:
    sealed_case.results.ledger.unlink()
    assert sealed_case.verify() == (3, ["ledger.json is not there, the postmortem is."])
    sealed_case.results.postmortem.unlink()
    assert sealed_case.verify() == (0, [])


def test_paths_without_results_are_missing(case: Case) -> None:
    _ = case.signer
    for path in (case.root / "nowhere", case.root):
        with pytest.raises(MissingArtifactError):
            verify_results(path, config_dir=case.config)


def row(it: Any) -> Any:
    return it["sentences"][0]


def citation(it: Any) -> Any:
    return row(it)["citations"][0]


LEDGER_EDITS: list[tuple[Callable[[Any], object], str]] = [
    (lambda it: citation(it).update(excerpt="caf\u00e9 opened"), "not 'caf\u00e9 opened'"),
    (lambda it: citation(it).update(byte_start=0), "hold"),
    (lambda it: citation(it).update(byte_end=10_000), "no such bytes"),
    (lambda it: citation(it).update(byte_start=-1), "no such bytes"),
    (lambda it: citation(it).update(byte_end=citation(it)["byte_start"], excerpt=""), "no such bytes"),
    (lambda it: citation(it).update(line=1), "begin in line 2, not 1"),
    (lambda it: citation(it).update(sha256="0" * 64), "was not sealed"),
    (lambda it: citation(it).update(uri="logs/other.log"), "was not sealed"),
    (lambda it: row(it).update(citations=[]), "S1 cites nothing"),
    (lambda it: row(it).update(text="All was well."), "is not the one that was entered"),
    (lambda it: row(it).update(where="postmortem.json#/impact/0/text"), "has nothing at '/impact/0/text'"),
    (lambda it: row(it).update(where="../../etc/passwd#"), "is no file of the results"),
    (lambda it: row(it).update(id="S9"), "holds a statement 'S1' that the ledger does not have"),
    (lambda it: row(it)["derived_from"][0].update(sha256="0" * 64), "the file has sha256"),
    (lambda it: row(it)["derived_from"][0].update(json_pointer="/entries/7"), "has nothing at '/entries/7'"),
    (lambda it: row(it)["derived_from"][0].update(file="/etc/passwd"), "is no file of the results"),
    (lambda it: it.update(sentences=[]), "holds a statement 'S1' that the ledger does not have"),
    (lambda it: it.update(incident_id="INC-2"), "is of the incident 'INC-2'"),
    (lambda it: it.update(extra=1), "is no ledger"),
]


@pytest.mark.parametrize(("change", "reason"), LEDGER_EDITS)
def test_an_edited_ledger_is_refused_with_the_sentence_named(
    sealed_case: Case, change: Callable[[Any], object], reason: str
) -> None:
    edit(sealed_case.results.ledger, change)
    code, messages = sealed_case.verify()
    assert code == 1
    assert any(reason in message for message in messages), messages


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda it: it["summary_statements"][0].update(text="All was well."), "not the one that was entered"),
        (lambda it: it.update(summary="All was well."), "does not consist of the summary's statements"),
        (lambda it: it.update(impact=[{"id": "S2", "text": "None."}]), "'S2' that the ledger does not have"),
        (lambda it: it.update(impact=[{"id": "S1", "text": "None."}]), "'S1' that the ledger does not have"),
        (lambda it: it.update(action_items=[{"sentence_id": "S7"}]), "'S7' that the ledger does not have"),
        (lambda it: it.pop("summary_statements"), "has nothing at '/summary_statements/0/text'"),
    ],
)
def test_a_postmortem_that_says_more_than_its_ledger_is_refused(
    sealed_case: Case, change: Callable[[Any], object], reason: str
) -> None:
    edit(sealed_case.results.postmortem, change)
    code, messages = sealed_case.verify()
    assert code == 1
    assert any(reason in message for message in messages), messages


def test_a_derived_value_of_a_file_that_is_gone_could_not_be_checked(sealed_case: Case) -> None:
    sealed_case.results.timeline.unlink()
    code, messages = sealed_case.verify()
    assert code == 3
    assert messages == ["timeline.json: can't be opened (No such file or directory)."]


def test_text_typed_by_a_person_needs_no_citation(sealed_case: Case) -> None:
    edit(
        sealed_case.results.ledger,
        lambda it: row(it).update(citations=[], status="human", claim_type="human"),
    )
    assert sealed_case.verify() == (0, [])


def test_a_citation_may_use_any_name_of_the_bytes(case: Case) -> None:
    files = {"logs/app.log": LOG, "logs/copy.log": LOG, "chat.json": CHAT}
    case.write_ledger(case.seal(case.bundle(files)))
    edit(case.results.ledger, lambda it: citation(it).update(uri="logs/copy.log"))
    assert case.verify() == (0, [])


def test_an_older_seal_holds_and_says_that_it_is_superseded(case: Case) -> None:
    first = case.seal()
    case.seal(case.bundle({"a.log": b"new"}))
    rewrite(case.results.manifest, first.manifest)
    rewrite(case.results.seal_log, first.log_proof)
    write_json(case.results.evidence, first.evidence)
    report = verify_results(case.out, config_dir=case.config)
    assert report.exit_code == 0
    (chain,) = [it for it in report.items if it.kind == "chain"]
    assert chain.message == "0 earlier seals hold; superseded by inc-1/000002"


def test_a_seal_removed_or_exchanged_in_the_chain_is_noticed(case: Case) -> None:
    for number in range(3):
        case.seal(case.bundle({"a.log": b"%d" % number}))
    seals = case.vault.root / "seals" / "inc-1"
    second = (seals / "000002.sigstore.json").read_bytes()
    rewrite(seals / "000002.sigstore.json", (seals / "000001.sigstore.json").read_bytes())
    assert case.verify() == (1, [
        "Seal inc-1/000002 is not the one that its successor names.",
        "Log entry 1 is not of seal inc-1/000002 as it is in the vault: one of them was changed.",
    ])  # fmt: skip
    (seals / "000002.sigstore.json").unlink()
    assert case.verify() == (1, [
        "The vault holds no seal inc-1/000002. It was taken away.",
        "Log entry 1 is of seal inc-1/000002, which was taken away.",
    ])  # fmt: skip
    assert verify_results(case.vault.root, config_dir=case.config).exit_code == 1
    rewrite(seals / "000003.sigstore.json", second)
    assert case.verify()[0] == 1


def test_a_seal_under_another_number_or_incident_is_noticed(case: Case) -> None:
    sealed = case.seal()
    assert case.vault.publish_seal("inc-1", 2, sealed.manifest)
    assert case.vault.publish_seal("inc-2", 1, sealed.manifest)
    report = verify_results(case.vault.root, config_dir=case.config)
    assert [(it.kind, it.message) for it in report.failures] == [
        ("seal", "inc-1/000002 is the seal inc-1/000001."),
        ("seal", "inc-2/000001 is the seal inc-1/000001."),
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Case:
    case = Case(tmp_path_factory.mktemp("shared"))
    case.write_ledger(case.seal())
    return case


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_flipped_byte_anywhere_leaves_everything_verified(shared: Case, data: st.DataObject) -> None:
    results = shared.results
    objects = sorted(path for path in (shared.vault.root / "objects").rglob("*") if path.is_file())
    seals = sorted(path for path in (shared.vault.root / "seals").rglob("*") if path.is_file())
    path = data.draw(st.sampled_from([results.manifest, results.evidence, *objects, *seals]))
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        rewrite(path, bytes(changed))
        report = verify_results(shared.out, config_dir=shared.config)
        assert report.exit_code == 1
        assert any(item.outcome == "failed" for item in report.items)
    finally:
        rewrite(path, whole)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_flipped_byte_changes_what_a_verified_text_says(shared: Case, data: st.DataObject) -> None:
    """Ledger and postmortem are not signed: a flip may leave the same claims, never other verified ones."""
    path = data.draw(st.sampled_from([shared.results.ledger, shared.results.postmortem]))
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        rewrite(path, bytes(changed))
        report = verify_results(shared.out, config_dir=shared.config)
    finally:
        rewrite(path, whole)
    if report.exit_code == 0:
        assert claims(json.loads(changed)) == claims(json.loads(whole))
    else:  # 3 where the name of a derived file changed: no such file is there to compare
        assert report.failures


def claims(document: Any) -> list[str]:
    """Give all values of a document; pointers are hints beside the bytes, and the type is the drafter's."""
    found: list[str] = []

    def collect(value: Any, key: str) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                collect(member, name)
        elif isinstance(value, list):
            for member in value:
                collect(member, key)
        elif key not in ("json_pointer", "claim_type"):
            found.append(repr(value))

    collect(document, "")
    return sorted(found)
