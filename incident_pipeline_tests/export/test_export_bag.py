"""The bag itself: what others make of it, that it is the same each time, and when none is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import bagit
import pytest
import zstandard

from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError, MissingArtifactError, SealError
from incident_pipeline.export import export, write_archive
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case
from incident_pipeline_tests.export import exported_case
from incident_pipeline_tests.export.exported_case import verify

NPM_CHECK = """
const fs = require('fs'), crypto = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity } = require('@sigstore/verify');
const [pem, ...files] = process.argv.slice(1);
const key = crypto.createPublicKey(fs.readFileSync(pem, 'utf8'));
const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
  publicKey: () => ({ publicKey: key, validFor: () => true }) };
const verifier = new Verifier(none, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
for (const file of files)
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(fs.readFileSync(file)))));
"""


def test_the_bagit_library_validates_it(bag: Path) -> None:
    assert bagit.Bag(str(bag)).validate()


def test_sha256sum_validates_it(bag: Path, tools: Path) -> None:
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "--quiet", "--strict", "-c", manifest], cwd=bag, check=True)


def test_another_implementation_accepts_every_signed_file(case: Case, bag: Path) -> None:
    """npm's `@sigstore/verify`, where somebody has installed it for node."""
    probe = ["node", "-e", "require('@sigstore/verify'); require('@sigstore/bundle')"]
    if shutil.which("node") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("node finds no @sigstore/verify (npm install @sigstore/verify; NODE_PATH)")
    files = sorted(map(str, bag.rglob("*.sigstore.json")))
    assert len(files) > 5
    command = ["node", "-e", NPM_CHECK, str(case.signer.trust_path)]
    subprocess.run([*command, *files], check=True)
    altered = bag / "altered.json"
    document = json.loads((bag / "bag.sigstore.json").read_bytes())
    document["dsseEnvelope"]["payload"] = "e30="
    altered.write_text(json.dumps(document))
    assert subprocess.run([*command, str(altered)], capture_output=True, check=False).returncode


def test_the_same_results_give_the_same_bag_and_archive(case: Case, bag: Path) -> None:
    again = case.root / "again" / "bag"
    export(case.out, again, case.signer.signer, config_dir=case.config)
    one, two = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (bag, again)
    )
    assert one == two
    assert write_archive(bag).read_bytes() == write_archive(again).read_bytes()
    assert not [path for path in case.root.iterdir() if path.name.startswith(".")]


def test_the_archive_unpacks_into_a_bag_that_holds(case: Case, bag: Path, tmp_path: Path) -> None:
    packed = write_archive(bag)
    with (
        packed.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            assert member.isfile()
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")
            target = tmp_path / "unpacked" / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None
            target.write_bytes(content.read())
    assert verify(tmp_path / "unpacked" / "bag", case.config) == (0, "")


def test_it_holds_what_was_sealed_and_names_no_path_of_the_machine(case: Case, bag: Path) -> None:
    objects = [path.read_bytes() for path in (bag / "data" / "objects").rglob("*") if path.is_file()]
    assert LOG in objects
    assert case.signer.keyid in (bag / "VERIFY.md").read_text()
    for path in bag.rglob("*"):
        if path.is_file() and path.name.endswith((".txt", ".md", ".sh", ".sigstore.json")):
            assert str(case.root).encode() not in path.read_bytes()


def test_the_index_and_what_a_killed_run_left_stay_behind(case: Case) -> None:
    for name in ("index.lance/data.lance", ".events.parquet.x1"):
        (case.results.root / name).parent.mkdir(exist_ok=True)
        (case.results.root / name).write_bytes(b"x")
    assert verify(case.out, case.config)[0] == 0
    bag = case.root / "second"
    export(case.out, bag, case.signer.signer, config_dir=case.config)
    names = {path.name for path in bag.rglob("*")}
    assert "events.parquet" in names
    assert not names & {"data.lance", ".events.parquet.x1"}


def test_superseded_seals_and_what_they_hold_come_along(case: Case) -> None:
    case.write_ledger(
        case.seal(case.bundle({"logs/app.log": LOG, "chat.json": CHAT, "logs/more.log": b"late\n"}))
    )
    with pytest.raises(SealError, match="rests on another seal"):
        export(case.out, case.root / "second", case.signer.signer, config_dir=case.config)
    shutil.rmtree(case.results.root / "derivations")
    exported_case.derive(case)
    bag = case.root / "second"
    export(case.out, bag, case.signer.signer, config_dir=case.config)
    assert sorted(path.name for path in (bag / "data" / "seals" / "inc-1").iterdir()) == [
        "000001.sigstore.json",
        "000002.sigstore.json",
    ]
    assert verify(bag, case.config)[0] == 0


def test_results_that_do_not_verify_are_not_exported(case: Case) -> None:
    case.results.report.write_bytes(b"<p>All was well.</p>")
    with pytest.raises(SealError, match=r"report\.html"):
        export(case.out, case.root / "second", case.signer.signer, config_dir=case.config)
    assert not (case.root / "second").exists()


def test_a_folder_in_use_is_left_alone(case: Case, bag: Path) -> None:
    for out in (bag, case.results.root / "inside"):
        with pytest.raises(ConfigError):
            export(case.out, out, case.signer.signer, config_dir=case.config)
    assert verify(bag, case.config)[0] == 0
    shutil.rmtree(case.vault.root)
    with pytest.raises(MissingArtifactError, match="no vault"):
        export(case.out, case.root / "second", case.signer.signer, config_dir=case.config)


def test_the_commands_export_and_verify(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    monkeypatch.chdir(case.root)

    def run(*arguments: str) -> tuple[int, dict[str, object]]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    code, value = run("export", "out", "--out", "second", "--archive")
    assert (code, value["incidents"], value["key_id"]) == (0, ["inc-1"], case.signer.keyid)
    assert Path(str(value["archive"])).is_file()
    assert run("verify", "second")[0] == 0
    code, value = run("verify", "second", "--explain", "S1")
    assert code == 0
    assert any("Citation 2" in line for line in value["explanation"])  # type: ignore[attr-defined]
    assert run("verify", "second", "--explain", "S9")[0] == 3
    assert run("export", "out", "--out", "second")[0] == 2
    exported_case.rewrite(case.root / "second" / "bagit.txt", b"")
    assert run("verify", "second")[0] == 1
