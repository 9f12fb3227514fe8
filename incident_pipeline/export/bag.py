"""Write an export: verify first, then copy sealed bytes, seals and results into a signed bag.

Only what verifies is handed out. The bag is built beside its place and renamed there when whole; the same
results give the same bag, byte for byte, as long as the signer is deterministic (Ed25519 is) and nobody
stamps it. With redaction rules it is a redacted export: what it withholds is decided in `redacted`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_pipeline import __version__
from incident_pipeline.errors import ConfigError, MissingArtifactError, SealError
from incident_pipeline.evidence import load_trust_root
from incident_pipeline.evidence.custody import read_custody
from incident_pipeline.evidence.manifest import read_manifest, read_signed, read_statement
from incident_pipeline.evidence.signing import public_pem
from incident_pipeline.evidence.statement import STATEMENT_TYPE, Digest, Subject
from incident_pipeline.evidence.vault import object_name, record_name
from incident_pipeline.evidence.verify import result_folders, vault_near
from incident_pipeline.export import layout, signed
from incident_pipeline.export.derivation import SUFFIX
from incident_pipeline.export.redacted import SEAL, Holding, is_shown, raw_names, read_card
from incident_pipeline.export.verify import verify_path
from incident_pipeline.export.verify_derivations import result_files
from incident_pipeline.ingest import hash_file, open_regular
from incident_pipeline.results import ResultsFolder

if TYPE_CHECKING:
    from incident_pipeline.evidence import Keyring, TrustRoot
    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.timestamps import TimeAuthority
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.evidence.verification import VerificationReport
    from incident_pipeline.redaction import Rules

_STEP: Final = 1024**2


@dataclass(frozen=True)
class Exported:
    """A written bag: where, what is in it, and the verification of what it was made from."""

    path: Path
    incidents: tuple[str, ...]
    files: int
    size: int
    keyid: str
    verification: VerificationReport
    withheld: int = 0
    """Files that a redacted export names by digest and does not hold."""


def export(
    path: Path,
    out: Path,
    signer: Signer,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
    keyring: Keyring | None = None,
    authority: TimeAuthority | None = None,
    redact: Rules | None = None,
) -> Exported:
    """Write the bag of one incident's results, or of all in a folder.

    Args:
        path: a results folder, or the folder that holds several.
        out: the bag; must not be there yet, or be an empty folder.
        signer: whose key signs the bag.
        trust_root: whose seals count; `trust/` in the configuration folder when None.
        vault: where the sealed bytes are; `.store/vault` in `path` or beside it when None.
        config_dir: configuration folder; the user's when None.
        keyring: as `verify_path`; encrypted artifacts are exported as they are stored.
        authority: who stamps the bag with a trusted time; nobody when None.
        redact: makes it a redacted export; by these rules seals and custody entries are judged.

    Raises:
        ConfigError: `out` is in use, or lies inside what is exported; or a name holds redacted text.
        SealError: the results do not verify; nothing is written.
        MissingArtifactError: there are no results, no vault, or no redacted view of them.
    """
    path, out = path.resolve(), out.absolute()
    vault = vault or vault_near(path)
    if vault is None:
        message = f"{path}: no vault is there, so there are no sealed bytes to export."
        raise MissingArtifactError(message, advice="Name it in the setting `vault`.")
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        message = f"{out}: is there already."
        raise ConfigError(message, advice="Give a folder that does not exist.")
    folders = result_folders(path)
    if any(out.resolve().is_relative_to(folder) for folder in folders):
        message = f"{out}: lies inside the results that are exported."
        raise ConfigError(message, advice="Give a folder outside of them.")
    report = verify_path(
        path, trust_root=trust_root, vault=vault, config_dir=config_dir, keyring=keyring, action="export"
    )
    failed = [item for item in report.failures if item.outcome == "failed"]
    if failed:
        message = f"Not exported, the results do not verify: {failed[0].message}"
        raise SealError(
            message, advice=f"Run `incident-pipeline verify {path}` for all {len(failed)} findings."
        )
    root = load_trust_root(trust_root, folder=config_dir)
    holding = Holding(redact) if redact is not None else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as aside:
        building = Path(aside) / "bag"
        data = building / layout.DATA
        seals = []
        for folder in folders:
            seals += _copy_incident(folder, vault, root.known, data, holding)
        for name in vault.list_records("log/"):  # whole, so that an auditor's pin can be compared with it
            _write(data / record_name(name), vault.read_record(name))
        _write_keys(root, signer.public_key, data)
        files, size = _close(building, folders, _predicate(seals, holding), signer, authority)
        if out.exists():
            out.rmdir()
        building.rename(out)
    names = tuple(folder.name for folder in folders)
    withheld = len(holding.withheld) if holding else 0
    return Exported(out, names, files, size, signer.public_key.keyid, report, withheld)


def _copy_incident(
    folder: Path, vault: Vault, keys: tuple[Key, ...], data: Path, holding: Holding | None
) -> list[layout.Seal]:
    """Copy an incident's results, all its seals, and the objects that they name."""
    manifest = read_manifest((folder / SEAL).read_bytes(), keys, name=folder.name)
    key = manifest.statement.predicate.incident.key
    custody = read_custody(vault, key, keys)
    entries = {name: vault.read_record(name) for name in vault.list_records(f"custody/{key}/")}
    if holding is None or not holding.hold_custody(entries):
        for name, record in entries.items():
            _write(data / record_name(name), record)
    raws = {number: vault.read_seal(key, number) for number in vault.seal_sequences(key)}
    sealed = {number: read_signed(raw, name=f"Seal {key}/{number:06d}") for number, raw in raws.items()}
    shown = holding is None or holding.shows(it.payload for it in sealed.values())
    for number, signed_payload in sealed.items():
        if shown:
            _write(data / "seals" / key / f"{number:06d}{SUFFIX}", raws[number])
        elif holding is not None:
            holding.hold_seal(raws[number], signed_payload)
        for subject in read_statement(signed_payload).subject:
            # What was disposed of under authority has its custody entry instead.
            if not vault.contains(subject.digest.sha256) and custody.ended(subject.digest.sha256):
                continue
            if holding is not None:
                holding.hold_object(subject)
            else:
                _copy_object(vault, subject.digest.sha256, data)
    _copy_results(folder, key, data, holding, seal_shown=shown)
    return [
        layout.Seal(incident=key, sequence=number, payload=Digest(sha256=it.sha256))
        for number, it in sealed.items()
    ]


def _copy_results(folder: Path, key: str, data: Path, holding: Holding | None, *, seal_shown: bool) -> None:
    names = list(result_files(folder))
    if holding is not None:
        holding.rulesets.add(read_card(ResultsFolder(folder)).ruleset)
        for name in raw_names(names):
            place = f"{layout.DATA}/results/{key}/{name}"
            holding.hold(place, hash_file(folder / name, name=name)[0], "derived from raw evidence")
        if not seal_shown:
            place = f"{layout.DATA}/results/{key}/{SEAL}"
            holding.hold(place, hash_file(folder / SEAL, name=SEAL)[0], "holds text that is redacted")
        names = [name for name in names if is_shown(name) or (name == SEAL and seal_shown)]
    for name in names:
        if not layout.is_safe_name(name):
            message = f"{folder.name}: {name!r} is no name of a result file."
            raise SealError(message, advice="Move the file out of the results folder.")
        target = data / "results" / key / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_regular(folder / name, name=name) as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, _STEP)


def _copy_object(vault: Vault, sha256: str, data: Path) -> None:
    target = data / object_name(sha256)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with vault.open(sha256) as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, _STEP)


def _write_keys(root: TrustRoot, own: Key, data: Path) -> None:
    """Write the public keys of those who signed something in the payload, and of who signs the bag.

    Roots of time authorities come along where anything is stamped, for `openssl ts` to name.
    """
    files = [read_signed(file.read_bytes(), name=file.name) for file in data.rglob(f"*{SUFFIX}")]
    used = {signed.keyid for signed in files} | {own.keyid}
    for key in (*root.known, own):
        if key.keyid in used:
            _write(data / "keys" / f"{key.keyid}.pem", public_pem(key))
    if any(signed.timestamps for signed in files):
        for authority in root.authorities:
            _write(data / "keys" / "tsa" / f"{authority.fingerprint}.pem", authority.pem)


def _close(
    bag: Path,
    folders: list[Path],
    predicate: layout.Predicate,
    signer: Signer,
    authority: TimeAuthority | None,
) -> tuple[int, int]:
    """Write the tag files around a payload; give the number of its files and bytes."""
    names, _ = layout.survey(bag)
    payload = {name: hash_file(bag / name, name=name) for name in names}
    size = sum(octets for _, octets in payload.values())
    templates = package_files("incident_pipeline.export") / "templates"
    keyid = signer.public_key.keyid
    instructions = (templates / layout.INSTRUCTIONS).read_text().replace("{{ KEY_ID }}", keyid)
    info = [
        f"Bag-Software-Agent: incident-pipeline {__version__}",
        *(f"External-Identifier: {folder.name}" for folder in folders),
        f"Payload-Oxum: {size}.{len(payload)}",
    ]
    tags = {
        layout.BAGIT: b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        layout.INFO: "".join(f"{line}\n" for line in info).encode(),
        layout.MANIFEST: layout.manifest_text({name: digest for name, (digest, _) in payload.items()}),
        layout.INSTRUCTIONS: instructions.encode(),
        layout.SCRIPT: (templates / layout.SCRIPT).read_bytes(),
    }
    tags[layout.STATEMENT] = signed.sign(_statement(tags, predicate), signer, authority)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in tags.items()}
    for name, data in {**tags, layout.TAG_MANIFEST: layout.manifest_text(digests)}.items():
        _write(bag / name, data)
    (bag / layout.SCRIPT).chmod(0o755)
    return len(payload), size


def _predicate(seals: list[layout.Seal], holding: Holding | None) -> layout.Predicate:
    from incident_pipeline.export import CODE_VERSION  # noqa: PLC0415 -- the package imports this module

    return layout.Predicate(
        seals=tuple(seals),
        code=signed.Code(stage=CODE_VERSION),
        redacted=holding.view() if holding is not None else None,
    )


def _statement(tags: dict[str, bytes], predicate: layout.Predicate) -> layout.Bag:
    return layout.Bag(
        statement_type=STATEMENT_TYPE,
        subject=tuple(
            Subject(name=name, digest=Digest(sha256=hashlib.sha256(tags[name]).hexdigest()))
            for name in layout.SIGNED_TAGS
        ),
        predicate_type=layout.PREDICATE_TYPE,
        predicate=predicate,
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
