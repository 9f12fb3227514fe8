"""The attack list on an export: `verify` and, without Python, verify.sh refuse each and name the file."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from incident_pipeline.errors import UnreadableInputError
from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root
from incident_pipeline.evidence.signing import CryptoSigner, as_key, public_pem
from incident_pipeline.evidence.verification import Findings
from incident_pipeline.export import export, write_derivation
from incident_pipeline.export.verify_bag import check_bag
from incident_pipeline.ingest import hash_file
from incident_pipeline.serialise import canonical_json, sha256_hex, write_json
from incident_pipeline_tests.evidence.sealed_case import LOG, Case
from incident_pipeline_tests.export import exported_case
from incident_pipeline_tests.export.exported_case import (
    TWIN,
    make_manifests_anew,
    rewrite,
    run_script,
    verify,
)

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "full"  # `make bench`
RESULTS = "data/results/inc-1"


def object_of(data: bytes) -> str:
    digest = sha256_hex(data)
    return f"data/objects/{digest[:2]}/{digest[2:]}"


OBJECT, OTHER = object_of(LOG), object_of(TWIN)
SEAL = "data/seals/inc-1/000001.sigstore.json"


def flip(bag: Path, name: str) -> None:
    data = bytearray((bag / name).read_bytes())
    data[len(data) // 2] ^= 1
    rewrite(bag / name, bytes(data))


def truncate(bag: Path, name: str) -> None:
    rewrite(bag / name, (bag / name).read_bytes()[:-1])


def extend(bag: Path, name: str) -> None:
    rewrite(bag / name, (bag / name).read_bytes() + b"\n")


def empty(bag: Path, name: str) -> None:
    rewrite(bag / name, b"")


def remove(bag: Path, name: str) -> None:
    (bag / name).unlink()


def link(bag: Path, name: str) -> None:
    """The bytes stay the same, but are somewhere else from now on."""
    outside = bag.parent / "outside"
    shutil.copyfile(bag / name, outside)
    (bag / name).unlink()
    (bag / name).symlink_to(outside)


def swap(bag: Path, name: str) -> None:
    assert (bag / name).stat().st_size == (bag / OTHER).stat().st_size
    one, two = (bag / name).read_bytes(), (bag / OTHER).read_bytes()
    rewrite(bag / name, two)
    rewrite(bag / OTHER, one)


def remove_consistently(bag: Path, name: str) -> None:
    (bag / name).unlink()
    if not any((bag / name).parent.iterdir()):
        (bag / name).parent.rmdir()
    make_manifests_anew(bag)


def edit_consistently(bag: Path, name: str) -> None:
    rewrite(bag / name, (bag / name).read_bytes().replace(b"failed", b"healed"))
    make_manifests_anew(bag)


def add(bag: Path, name: str) -> None:
    (bag / name).parent.mkdir(parents=True, exist_ok=True)
    (bag / name).write_bytes(b"and another thing\n")


def add_consistently(bag: Path, name: str) -> None:
    add(bag, name)
    make_manifests_anew(bag)


def reorder(bag: Path, name: str) -> None:
    lines = (bag / name).read_bytes().splitlines(keepends=True)
    rewrite(bag / name, b"".join([*lines[1:], lines[0]]))
    digests = (bag / "tagmanifest-sha256.txt").read_text().splitlines()
    digest = sha256_hex((bag / name).read_bytes())
    anew = [f"{digest}  {name}" if line.endswith(f"  {name}") else line for line in digests]
    rewrite(bag / "tagmanifest-sha256.txt", "".join(f"{line}\n" for line in anew).encode())


def edit_story(bag: Path, name: str) -> None:
    """Change a sentence and its ledger row alike, so that only the derivation still knows the old one."""
    for file in (name, f"{RESULTS}/ledger.json"):
        text = (bag / file).read_text().replace("The stock service failed.", "The stock service was fine.")
        rewrite(bag / file, text.encode())
    make_manifests_anew(bag)


def edit_bundle(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, str], None]:
    def attack(bag: Path, name: str) -> None:
        document = json.loads((bag / name).read_bytes())
        change(document)
        rewrite(bag / name, canonical_json(document))
        make_manifests_anew(bag)

    return attack


def edit_payload(document: dict[str, Any]) -> None:
    envelope = document["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"]).replace(b"postmortem.md", b"postmortem.no")
    envelope["payload"] = base64.b64encode(payload).decode()


def edit_payload_of_bag(document: dict[str, Any]) -> None:
    envelope = document["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"]).replace(b'"sequence":1', b'"sequence":2')
    envelope["payload"] = base64.b64encode(payload).decode()


def stray_bits(document: dict[str, Any]) -> None:
    """Change bits that base64 has and nobody decodes."""
    signature = document["dsseEnvelope"]["signatures"][0]
    body = signature["sig"].rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(body[-1]) ^ 1]
    signature["sig"] = body[:-1] + last + "=" * (len(signature["sig"]) - len(body))


def second_document(bag: Path, name: str) -> None:
    rewrite(bag / name, (bag / name).read_bytes() * 2)
    make_manifests_anew(bag)


def duplicate_key(bag: Path, name: str) -> None:
    data = (bag / name).read_bytes()
    head = b'{\n "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",'
    rewrite(bag / name, head + data[1:])
    make_manifests_anew(bag)


def replace_by(other: str) -> Callable[[Path, str], None]:
    def attack(bag: Path, name: str) -> None:
        data = (bag / other).read_bytes()
        (bag / name).unlink(missing_ok=True)
        (bag / name).write_bytes(data)
        make_manifests_anew(bag)

    return attack


@dataclass(frozen=True)
class Attack:
    what: str
    how: Callable[[Path, str], None]
    target: str
    named: str = ""
    """What must be named instead of the target, where that is another file."""


STATEMENT = "bag.sigstore.json"
DERIVATION = f"{RESULTS}/derivations/postmortem.sigstore.json"
ATTACKS = [
    *(
        Attack(f"{how.__name__} {target.rsplit('/', 1)[-1][:24]}", how, target)
        for target in (
            OBJECT, SEAL, DERIVATION, STATEMENT, f"{RESULTS}/report.html", f"{RESULTS}/seal.log.json",
            f"{RESULTS}/manifest.sigstore.json", "manifest-sha256.txt", "tagmanifest-sha256.txt", "VERIFY.md",
            "bag-info.txt", "bagit.txt",
        )
        for how in (flip, truncate, extend, empty, remove)
    ),
    Attack("swap two objects of equal size", swap, OBJECT),
    Attack("link instead of an object", link, OBJECT),
    Attack("link instead of a tag file", link, "bag-info.txt"),
    Attack("remove an object, manifests anew", remove_consistently, OBJECT),
    Attack("remove a result, manifests anew", remove_consistently, f"{RESULTS}/timeline.md"),
    Attack("remove a statement, manifests anew", remove_consistently, DERIVATION, f"{RESULTS}/report.html"),
    Attack("remove the seal, manifests anew", remove_consistently, SEAL),
    Attack("remove the bag's statement, manifests anew", remove_consistently, STATEMENT),
    Attack("edit an object, manifests anew", edit_consistently, OBJECT),
    Attack("edit the story and its ledger, manifests anew", edit_story, f"{RESULTS}/postmortem.json"),
    Attack("reorder the manifest", reorder, "manifest-sha256.txt"),
    Attack("add an object", add, "data/objects/aa/" + "b" * 62),
    Attack("add an object, manifests anew", add_consistently, "data/objects/aa/" + "b" * 62),
    Attack("add a result, manifests anew", add_consistently, f"{RESULTS}/appendix.md"),
    Attack("add a hidden file, manifests anew", add_consistently, ".hidden"),
    Attack("add a tag file", add, "NOTES.md"),
    Attack("add a seal, manifests anew", replace_by(SEAL), "data/seals/inc-1/000002.sigstore.json"),
    Attack("edit a signed payload", edit_bundle(edit_payload), DERIVATION),
    Attack("edit stray bits of base64", edit_bundle(stray_bits), STATEMENT),
    Attack("another payload type", edit_bundle(lambda it: it["dsseEnvelope"].update(payloadType="x")), SEAL),
    Attack("a key more around the signature", edit_bundle(lambda it: it.update(note="x")), STATEMENT),
    Attack(
        "a signature twice",
        edit_bundle(lambda it: it["dsseEnvelope"].update(signatures=it["dsseEnvelope"]["signatures"] * 2)),
        STATEMENT,
    ),
    Attack("a second document behind the first", second_document, STATEMENT),
    Attack("a key twice", duplicate_key, STATEMENT),
    Attack("a seal in the place of the bag's statement", replace_by(SEAL), STATEMENT),
    Attack("one stage's statement in the place of another's",
           replace_by(f"{RESULTS}/derivations/timeline.sigstore.json"), DERIVATION),
]  # fmt: skip


SCRIPTED = {
    f"flip {OBJECT.rsplit('/', 1)[-1][:24]}",
    "flip report.html",
    "extend manifest-sha256.txt",
    "swap two objects of equal size",
    "link instead of an object",
    "remove an object, manifests anew",
    "edit the story and its ledger, manifests anew",
    "reorder the manifest",
    "add an object, manifests anew",
    "add a hidden file, manifests anew",
    "edit a signed payload",
    "a key twice",
}
"""Attacks that the script meets in each run of the suite; it takes a second each. All in the full profile."""


def test_the_scripted_attacks_are_in_the_table() -> None:
    assert {attack.what for attack in ATTACKS} >= SCRIPTED


def names_of(attack: Attack) -> tuple[str, ...]:
    """Findings about one incident name files inside it, those about the vault its objects by digest."""
    named = attack.named or attack.target
    return named, named.removeprefix(f"{RESULTS}/"), named.removeprefix("data/objects/").replace("/", "")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.what.replace(" ", "-"))
def test_every_attack_is_refused_twice_and_names_the_file(
    attack: Attack, case: Case, bag: Path, original: Case, tools: Path
) -> None:
    attack.how(bag, attack.target)
    named = attack.named or attack.target
    code, messages = verify(bag, case.config)
    assert code == 1
    assert any(name in messages for name in names_of(attack)), messages
    if not (FULL or attack.what in SCRIPTED):
        return
    # A stranger may bring the script along: the one in the bag is the attacker's to change.
    script = original.root / "bag" / "verify.sh"
    code, text = run_script(bag, case.signer.trust_path, tools=tools, script=script)
    assert code == 1, text
    assert any(named in line for line in text.splitlines() if line.startswith("FAILED"))
    assert "NOT verified" in text


def test_the_untouched_export_holds_for_both(case: Case, bag: Path, tools: Path) -> None:
    assert verify(bag, case.config) == (0, "")
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 0, text
    assert "FAILED" not in text
    assert case.signer.keyid in text


def test_an_attackers_own_export_is_refused(case: Case, bag: Path, tmp_path: Path, tools: Path) -> None:
    attacker = Case(tmp_path / "attacker")
    forged = exported_case.make(attacker, attacker.signer)
    assert verify(forged, attacker.config) == (0, "")
    code, messages = verify(forged, case.config)
    assert code == 1
    assert f"bag.sigstore.json is signed with key {attacker.signer.keyid}, which is not trusted" in messages
    code, text = run_script(forged, case.signer.trust_path, tools=tools)
    assert code == 1
    assert f"FAILED bag.sigstore.json: is signed with key {attacker.signer.keyid}" in text


def test_several_signers_and_both_kinds_of_keys_hold(case: Case, tools: Path) -> None:
    """Evidence sealed with Ed25519, exported by somebody whose key is P-256, as KMS has them."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = as_key(private.public_key())
    pem = case.config / "trust" / "exporter.pem"
    pem.write_bytes(public_pem(key))
    bag = case.root / "second"
    export(case.out, bag, CryptoSigner(private, key), config_dir=case.config)
    assert verify(bag, case.config) == (0, "")
    code, text = run_script(bag, case.signer.trust_path, pem, tools=tools)
    assert code == 0, text
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 1
    assert f"FAILED bag.sigstore.json: is signed with key {key.keyid}" in text
    edit_bundle(edit_payload_of_bag)(bag, STATEMENT)
    code, text = run_script(bag, case.signer.trust_path, pem, tools=tools)
    assert code == 1
    assert "FAILED bag.sigstore.json: has a signature that does not hold" in text


def test_a_key_from_inside_the_export_is_not_taken(case: Case, bag: Path, tools: Path) -> None:
    key = next((bag / "data" / "keys").iterdir())
    code, text = run_script(bag, key, tools=tools)
    assert code == 3
    assert "came with the export" in text


def test_what_can_not_be_checked_is_neither_good_nor_bad(case: Case, bag: Path, tools: Path) -> None:
    for keys in ((), (case.root / "nothing.pem",), (bag / "bagit.txt",)):
        assert run_script(bag, *keys, tools=tools)[0] == 3
    poor = case.root / "poor"
    shutil.copytree(tools, poor, symlinks=True)
    (poor / "jq").unlink()
    code, text = run_script(bag, case.signer.trust_path, tools=poor)
    assert code == 3
    assert "jq" in text


def test_names_that_could_be_misread_are_refused(case: Case, bag: Path, tools: Path) -> None:
    (bag / "data" / "a\nOK data").write_bytes(b"")
    assert verify(bag, case.config)[0] == 1
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 1
    assert "has a name that no export has" in text


def test_an_empty_folder_is_a_finding(case: Case, bag: Path, tools: Path) -> None:
    (bag / "data" / "void").mkdir()
    code, messages = verify(bag, case.config)
    assert (code, "data/void is an empty folder" in messages) == (1, True)
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert (code, "FAILED data/void: is an empty folder" in text) == (1, True)


def test_an_export_without_its_bag_is_not_taken_for_something_else(case: Case, bag: Path) -> None:
    for path in bag.iterdir():
        if path.is_file():
            path.unlink()
    code, messages = verify(bag, case.config)
    assert code == 1
    assert "bag.sigstore.json is not there" in messages


def test_a_disk_that_stops_reading_is_named_as_such(
    case: Case, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path, *, name: str) -> tuple[str, int]:
        if name == OBJECT:
            raise UnreadableInputError(f"{name}: reading stopped after 7 bytes (Input/output error).")
        return hash_file(path, name=name)

    monkeypatch.setattr("incident_pipeline.export.verify_bag.hash_file", failing)
    assert f"{OBJECT}: reading stopped after 7 bytes" in verify(bag, case.config)[1]


def test_a_newline_more_is_refused_in_every_file(case: Case, bag: Path) -> None:
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        before = path.read_bytes()
        rewrite(path, before + b"\n")
        code, messages = verify(bag, case.config)
        assert code == 1, path
        assert path.relative_to(bag).as_posix() in messages
        rewrite(path, before)
    assert verify(bag, case.config)[0] == 0


def undetected(
    bag: Path, places: list[tuple[Path, int]], notices: Callable[[], str]
) -> list[tuple[str, int]]:
    """Flip one bit at each place; give those of which `notices` does not name the file."""
    missed = []
    for path, at in places:
        before = path.read_bytes()
        data = bytearray(before)
        data[at] ^= 1 << (at % 8)
        rewrite(path, bytes(data))
        if path.relative_to(bag).as_posix() not in notices():
            missed.append((path.name, at))
        rewrite(path, before)
    return missed


def every_place(bag: Path) -> list[tuple[Path, int]]:
    files = sorted(path for path in bag.rglob("*") if path.is_file())
    return [(path, at) for path in files for at in range(path.stat().st_size)]


def test_no_flipped_bit_goes_unnoticed(case: Case, bag: Path) -> None:
    """Ten thousand places in the full profile, a hundred otherwise, with all that `verify` does."""

    def notices() -> str:
        code, messages = verify(bag, case.config)
        return messages if code == 1 else ""

    places = random.Random(3).choices(every_place(bag), k=10_000 if FULL else 100)  # noqa: S311 - no secret
    assert undetected(bag, places, notices) == []
    assert verify(bag, case.config)[0] == 0


def test_no_byte_of_the_export_is_free(case: Case, bag: Path) -> None:
    """Every single byte in the full profile: the bag's own check alone notices each."""
    trust = load_trust_root(folder=case.config)

    def notices() -> str:
        findings = Findings("bag")
        check_bag(bag, trust, findings)
        return "\n".join(item.message for item in findings.items if item.outcome == "failed")

    places = every_place(bag)
    assert undetected(bag, places if FULL else places[:: len(places) // 200], notices) == []
    assert notices() == ""


def test_results_without_a_bag_show_edits_too(case: Case) -> None:
    def failing(change: Callable[[], object]) -> str:
        shutil.copytree(case.out, case.root / "kept", symlinks=True)
        change()
        code, messages = verify(case.out, case.config)
        shutil.rmtree(case.out)
        (case.root / "kept").rename(case.out)
        return messages if code == 1 else f"exit {code}"

    results = case.results
    for file in (results.report, results.postmortem_text, results.events, results.narrative):
        assert file.name in failing(lambda file=file: file.write_bytes(file.read_bytes() + b"!"))
        assert f"{file.name} is not there" in failing(file.unlink)

    def story() -> None:
        for file in (results.postmortem, results.ledger):
            document = file.read_text().replace("The stock service failed.", "All was well.")
            write_json(file, json.loads(document))

    found = failing(story)
    assert "postmortem.json: has sha256" in found
    assert "ledger.json: has sha256" in found
    assert "covers this file" in failing(lambda: (results.root / "more.json").write_text("{}"))
    statement = results.root / "derivations" / "timeline.sigstore.json"
    assert "timeline.json: no derivation statement covers this file" in failing(statement.unlink)
    found = failing(lambda: exported_case.derive(case, load_or_create_local_signer(case.root / "x", {})))
    assert "which is not trusted" in found


def test_results_without_statements_could_not_be_checked(case: Case) -> None:
    shutil.rmtree(case.results.root / "derivations")
    code, messages = verify(case.out, case.config)
    assert code == 3
    assert "derivations is not there" in messages


def test_a_stage_made_from_other_inputs_is_named(case: Case) -> None:
    """Run a stage again without those after it: each statement holds, and they do not fit together."""
    events = case.results.events
    events.write_bytes(b"other events\n")
    write_derivation(case.results, "parsed_events", case.signer.signer, {})
    code, messages = verify(case.out, case.config)
    assert code == 1
    assert "derivations/embeddings.sigstore.json: was made from another events.parquet" in messages
