"""verify.sh without Python: log, checkpoints, time stamps, custody, encryption, and KMS keys."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.evidence import (
    DataKeys,
    Sealed,
    load_or_create_local_signer,
    load_trust_root,
    open_signer,
    seal,
)
from incident_pipeline.evidence.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.retention import Custodian, apply, erase, hold
from incident_pipeline.evidence.retention_policy import RetentionPolicy, Rule
from incident_pipeline.evidence.tsa_local import create_authority, open_local_authority
from incident_pipeline.export import export
from incident_pipeline.ingest import open_bundle
from incident_pipeline.redaction import Rules
from incident_pipeline.serialise import canonical_json, sha256_hex, write_bytes, write_json
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.kms_server import kms_server, needs_kms
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, NOW, Case
from incident_pipeline_tests.export import exported_case
from incident_pipeline_tests.export.exported_case import close_anew, rewrite, run_script, verify

ORDER = {"reason": "request 7", "authority": "data protection officer"}
RESULTS = "data/results/inc-1"
ENTRIES = "data/records/log/entries"
SEAL = "data/seals/inc-1/000002.sigstore.json"
CUSTODY = "data/records/custody/inc-1"
OBJECT = f"data/objects/{sha256_hex(LOG)[:2]}/{sha256_hex(LOG)[2:]}"


def make_case(root: Path) -> Case:
    """Seal an incident twice, stamped, with four seals of another one in the log between the two."""
    case = Case(root)
    authority = open_local_authority(case.config)
    assert authority is not None

    def enter(files: dict[str, bytes], incident: str = "INC-1") -> Sealed:
        bundle = open_bundle(case.bundle(files, incident), case.root / "scratch")
        return seal(bundle, case.vault, case.signer.signer, now=datetime.now(UTC), authority=authority)

    enter({"logs/app.log": LOG, "chat.json": CHAT})
    for number in range(4):
        enter({"b.log": b"%d\n" % number}, "INC-2")
    sealed = enter({"logs/app.log": LOG, "chat.json": CHAT, "logs/more.log": b"late\n"})
    write_bytes(case.results.manifest, sealed.manifest)
    write_bytes(case.results.seal_log, sealed.log_proof)
    write_json(case.results.evidence, sealed.evidence)
    case.write_ledger(sealed)
    exported_case.derive(case)
    return case


@pytest.fixture(scope="module")
def logged_original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An export of two seals in a log of six; records were disposed of, then the rest held."""
    case = make_case(tmp_path_factory.mktemp("logged"))
    custodian = Custodian(
        vault=case.vault,
        keys=DataKeys(case.vault.root / "keys"),
        signer=case.signer.signer,
        trusted=load_trust_root(folder=case.config).keys,
        now=datetime.now(UTC) + timedelta(days=40),
    )
    policy = RetentionPolicy(
        (Rule(keep_days=9999), Rule.model_validate({"class": "record", "keep_days": 30}))
    )
    assert len(apply(custodian, policy, authority="the board")) == 6
    hold(custodian, "inc-1", reason="inquiry", authority="counsel")
    authority = open_local_authority(case.config)
    export(case.out, case.root / "bag", case.signer.signer, config_dir=case.config, authority=authority)
    return case


@pytest.fixture
def logged(logged_original: Case, tmp_path: Path) -> tuple[Case, Path]:
    shutil.copytree(logged_original.root, tmp_path / "case")
    case = Case(tmp_path / "case")
    return case, case.root / "bag"


def checkpoints(bag: Path) -> list[Path]:
    return sorted((bag / "data" / "records" / "log" / "checkpoints").iterdir())


def failed_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("FAILED")]


def test_a_good_export_holds_with_its_log_times_and_disposed_objects(
    logged: tuple[Case, Path], tools: Path
) -> None:
    case, bag = logged
    assert verify(bag, case.config) == (0, "")
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 0, text
    assert f"note   {disposed(bag)}: disposed, by signed tombstone {CUSTODY}/000001.sigstore.json" in text
    assert "000001.sigstore.json: dispose by authority of the board at " in text
    assert f"ok     {RESULTS}/seal.log.json: the seal is entry 5 of incident-pipeline.dev/log/" in text
    assert "checkpoints/00000006: covers the first 6 of 6 entries of the log" in text
    assert "self-asserted, by the signer's own machine" in text
    assert "note   unanchored" in text


def disposed(bag: Path) -> str:
    """Name the object of the newest seal that is not there."""
    subjects = json.loads(read_signed((bag / SEAL).read_bytes()).payload)["subject"]
    (gone,) = [it["name"] for it in subjects if not (bag / "data" / it["name"]).exists()]
    return f"data/{gone}"


def test_every_pin_of_its_history_anchors_it(logged: tuple[Case, Path], tools: Path) -> None:
    case, bag = logged
    for size, checkpoint in enumerate(checkpoints(bag), start=1):
        kept = case.root / "kept"
        shutil.copyfile(checkpoint, kept)
        code, text = run_script(bag, case.signer.trust_path, tools=tools, options=("-c", kept))
        assert code == 0, text
        assert f"{kept}: covers the first {size} of 6 entries of the log" in text
        assert "unanchored" not in text


def test_a_fork_a_rollback_and_another_log_are_seen_with_a_pin(
    logged: tuple[Case, Path], tools: Path
) -> None:
    case, bag = logged
    newest = read_checkpoint(checkpoints(bag)[-1].read_bytes()).checkpoint
    stranger = load_or_create_local_signer(case.root / "stranger", environ={}).signer
    pins = {
        "the log was forked": (Checkpoint(newest.origin, 3, b"\7" * 32), case.signer.signer),
        "the log was rolled back": (Checkpoint(newest.origin, 9, newest.root), case.signer.signer),
        "is of the log": (Checkpoint("example.com/log", 3, newest.root), case.signer.signer),
        "is signed by none of the keys": (newest, stranger),
    }
    for said, (checkpoint, signer) in pins.items():
        kept = case.root / "kept"
        kept.write_bytes(sign_checkpoint(checkpoint, signer))
        code, text = run_script(bag, case.signer.trust_path, tools=tools, options=("-c", kept))
        assert code == 1, text
        assert said in failed_lines(text)[0]


def test_a_trusted_authority_is_told_apart_from_the_signers_own(
    logged: tuple[Case, Path], tools: Path
) -> None:
    case, bag = logged
    (own,) = (case.config / "trust" / "tsa").glob("*.pem")
    code, text = run_script(bag, case.signer.trust_path, tools=tools, options=("-t", own))
    assert code == 0, text
    assert "by an authority you trust" in text
    assert "self-asserted" not in text
    create_authority(case.root / "other", case.root / "ca", name="Example TSA Root")
    (other,) = (case.root / "ca").glob("*.pem")
    code, text = run_script(bag, case.signer.trust_path, tools=tools, options=("-t", other))
    assert code == 1, text
    assert any(f"FAILED {SEAL}: has a time stamp that does not hold" in it for it in failed_lines(text))
    code, text = run_script(bag, case.signer.trust_path, tools=tools, options=("-t", other, "-t", own))
    assert code == 0, text


def edit_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def attack(bag: Path) -> None:
        document = json.loads((bag / name).read_bytes())
        change(document)
        rewrite(bag / name, canonical_json(document))

    return attack


def remove(name: str) -> Callable[[Path], None]:
    return lambda bag: (bag / name).unlink()


def flip_a_hash(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def other_token(bag: Path) -> None:
    """Give a seal the token of another one."""

    def tokens(name: str) -> Any:
        return json.loads((bag / name).read_bytes())["verificationMaterial"]["timestampVerificationData"]

    taken = tokens("data/seals/inc-1/000001.sigstore.json")
    for name in (SEAL, f"{RESULTS}/manifest.sigstore.json"):
        edit_json(name, lambda it: it["verificationMaterial"].update(timestampVerificationData=taken))(bag)


def edit_checkpoint(bag: Path) -> None:
    note = bag / "data/records/log/checkpoints/00000006"
    lines = note.read_bytes().split(b"\n")
    root = bytearray(base64.b64decode(lines[2]))
    root[0] ^= 1
    lines[2] = base64.b64encode(bytes(root))
    rewrite(note, b"\n".join(lines))


def sign_lies_about_the_log(bag: Path) -> None:
    """What the log's own signer can do: a checkpoint that holds, over other entries."""
    note = bag / "data/records/log/checkpoints/00000006"
    now = read_checkpoint(note.read_bytes()).checkpoint
    signer = load_or_create_local_signer(bag.parent / "config", environ={}).signer
    rewrite(note, sign_checkpoint(Checkpoint(now.origin, 6, b"\1" * 32), signer))


def older_place(bag: Path) -> None:
    shutil.copyfile(bag / "data/records/log/proofs/inc-1/000001.json", bag / RESULTS / "seal.log.json")


def swap_entries(bag: Path) -> None:
    one, two = (bag / ENTRIES / f"{index:08d}.json" for index in (1, 2))
    first, second = one.read_bytes(), two.read_bytes()
    rewrite(one, second)
    rewrite(two, first)


def remove_last_entry(bag: Path) -> None:
    for name in (f"{ENTRIES}/00000005.json", "data/records/log/checkpoints/00000006",
                 "data/records/log/proofs/inc-1/000002.json"):  # fmt: skip
        (bag / name).unlink()


def remove_a_seal(bag: Path) -> None:
    (bag / "data/seals/inc-1/000001.sigstore.json").unlink()


def edit_signed(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(document: Any) -> None:
        envelope = document["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"])
        assert old in payload
        envelope["payload"] = base64.b64encode(payload.replace(old, new)).decode()

    return edit_json(name, change)


TOMBSTONE = f"{CUSTODY}/000001.sigstore.json"
ATTACKS = {
    "a log entry's leaf": (
        edit_json(f"{ENTRIES}/00000000.json", lambda it: it.update(leaf=flip_a_hash(it["leaf"]))), "inc-1"),
    "a leaf of another incident": (
        edit_json(f"{ENTRIES}/00000004.json", lambda it: it.update(leaf=flip_a_hash(it["leaf"]))),
        "data/records/log/checkpoints/00000006"),
    "swap two log entries": (swap_entries, "data/records/log/checkpoints/00000006"),
    "take a log entry away": (remove(f"{ENTRIES}/00000002.json"), f"{ENTRIES}/00000003.json"),
    "roll the log back": (remove_last_entry, f"{RESULTS}/seal.log.json"),
    "edit a checkpoint": (edit_checkpoint, "data/records/log/checkpoints/00000006"),
    "a checkpoint over other entries": (sign_lies_about_the_log, "data/records/log/checkpoints/00000006"),
    "edit an inclusion proof": (
        edit_json(f"{RESULTS}/seal.log.json",
                  lambda it: it.update(inclusion_proof=[flip_a_hash(it["inclusion_proof"][0]),
                                                        *it["inclusion_proof"][1:]])),
        f"{RESULTS}/seal.log.json"),
    "an index too many": (
        edit_json(f"{RESULTS}/seal.log.json", lambda it: it.update(leaf_index=4)),
        f"{RESULTS}/seal.log.json"),
    "the place of an older seal": (older_place, f"{RESULTS}/seal.log.json"),
    "the time stamp of another seal": (other_token, SEAL),
    "take a seal away": (remove_a_seal, "000001.sigstore.json"),
    "edit a tombstone": (edit_signed(TOMBSTONE, b"the board", b"the baord"), TOMBSTONE),
    "take a tombstone away": (remove(TOMBSTONE), f"{CUSTODY}/000002.sigstore.json"),
    "take all tombstones away": (lambda bag: shutil.rmtree(bag / CUSTODY), ""),
    "take an object away without one": (lambda bag: (bag / OBJECT).unlink(), OBJECT),
}  # fmt: skip


@pytest.mark.parametrize("what", ATTACKS, ids=lambda what: what.replace(" ", "-"))
def test_every_attack_by_the_exporter_is_refused_and_named(
    what: str, logged: tuple[Case, Path], logged_original: Case, tools: Path
) -> None:
    """Somebody who can sign the bag again: what stands inside has signatures and digests of its own."""
    case, bag = logged
    how, named = ATTACKS[what]
    named = named or disposed(bag)
    how(bag)
    for folder in sorted(bag.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    close_anew(bag, case.signer)
    assert verify(bag, case.config)[0] == 1
    script = logged_original.root / "bag" / "verify.sh"
    code, text = run_script(bag, case.signer.trust_path, tools=tools, script=script)
    assert code == 1, text
    assert any(named in line for line in failed_lines(text)), text


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[EncryptedCase, Path]:
    """An export of encrypted evidence, one artifact of which was erased."""
    case = EncryptedCase(tmp_path)
    sealed = case.seal_encrypted()
    case.write_ledger(sealed)
    exported_case.redact(case, sealed)
    exported_case.derive(case)
    erase(case.custodian(), "inc-1", "chat.json", **ORDER)
    bag = case.root / "bag"
    export(case.out, bag, case.signer.signer, config_dir=case.config, keyring=case.keyring)
    return case, bag


def test_encrypted_evidence_is_checked_by_its_stored_digest(
    encrypted: tuple[EncryptedCase, Path], tools: Path
) -> None:
    case, bag = encrypted
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 0, text
    assert "2 artifacts are encrypted; their ciphertext has a digest here" in text
    assert "its key was destroyed, by signed tombstone data/records/custody/inc-1/000001" in text
    ciphertext = next(path for path in (bag / "data" / "objects").rglob("*") if path.is_file())
    rewrite(ciphertext, ciphertext.read_bytes()[:-1] + b"!")
    close_anew(bag, case.signer)
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 1, text
    assert any(ciphertext.relative_to(bag).as_posix() in line for line in failed_lines(text))


def test_a_redacted_export_of_encrypted_evidence_holds(
    encrypted: tuple[EncryptedCase, Path], tools: Path
) -> None:
    case, _ = encrypted
    bag = case.root / "redacted"
    export(case.out, bag, case.signer.signer, config_dir=case.config, keyring=case.keyring, redact=Rules())
    assert verify(bag, case.config) == (0, "")
    code, text = run_script(bag, case.signer.trust_path, tools=tools)
    assert code == 0, text
    assert not (bag / "data" / "objects").exists()
    assert LOG not in (path.read_bytes() for path in bag.rglob("data/objects/*/*"))


@needs_kms
def test_a_chain_signed_in_kms_holds_without_kms(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-256 throughout: seals, checkpoints, derivations, and the bag, which `export` has KMS sign as well."""
    case = Case(tmp_path)
    with kms_server(tmp_path) as environ:
        import boto3  # noqa: PLC0415

        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("kms")
        made = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
        setting = f"awskms:{made}"
        opened = open_signer(setting, case.config)
        bundle = open_bundle(case.bundle(), case.root / "scratch")
        sealed = seal(bundle, case.vault, opened.signer, now=NOW)
        write_bytes(case.results.manifest, sealed.manifest)
        write_bytes(case.results.seal_log, sealed.log_proof)
        write_json(case.results.evidence, sealed.evidence)
        case.write_ledger(sealed)
        exported_case.derive(case, opened)  # type: ignore[arg-type] # only its signer is used
        monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
        monkeypatch.setenv("INCIDENT_PIPELINE_SIGNER", setting)
        monkeypatch.chdir(case.root)
        with pytest.raises(SystemExit) as ended:
            main(["export", "out", "--out", "bag", "--json"])
        assert ended.value.code == 0
        assert json.loads(capsys.readouterr().out)["key_id"] == opened.keyid
        client.close()
    assert not (case.config / "keys").exists()  # no local key was made
    bag = case.root / "bag"
    assert verify(bag, case.config) == (0, "")
    (key,) = (case.config / "trust").glob("*.pem")
    kept = case.root / "kept"
    shutil.copyfile(bag / "data/records/log/checkpoints/00000001", kept)
    code, text = run_script(bag, key, tools=tools, options=("-c", kept))
    assert code == 0, text
    assert f"by a checkpoint over 1 entries signed with key {opened.keyid}" in text
    sign_lies = bag / "data/records/log/checkpoints/00000001"
    rewrite(sign_lies, sign_lies.read_bytes().replace(b"\n1\n", b"\n2\n"))
    code, text = run_script(bag, key, tools=tools)
    assert code == 1
    assert "checkpoints/00000001: has a signature that does not hold" in text
