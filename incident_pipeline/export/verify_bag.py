"""Verify the bag around an export: that it is, file for file and byte for byte, what was signed.

The statement covers the payload's manifest, so that a consistent rewrite (an entry deleted, manifests made
anew), which plain BagIt accepts, is refused. What stands inside is verified like any results after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.errors import IncidentPipelineError, SealError
from incident_pipeline.evidence.manifest import read_signed, read_statement
from incident_pipeline.export import layout, signed
from incident_pipeline.ingest import hash_file, open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence import TrustRoot
    from incident_pipeline.evidence.verification import Findings


def check_bag(root: Path, trust: TrustRoot, findings: Findings) -> layout.Bag | None:
    """Verify signature and manifests of a bag, and that nothing else is in it; give what was signed."""
    files, misfits = layout.survey(root)
    for name, reason in misfits.items():
        findings.add("bag", name, "failed", f"{name} {reason}.")
    digests: dict[str, str] = {}
    for name in files:
        try:
            digests[name] = hash_file(root / name, name=name)[0]
        except IncidentPipelineError as error:
            findings.error("bag", name, error)
    statement = _check_statement(root, trust, digests, findings)
    payload = {name: digest for name, digest in digests.items() if name.startswith(f"{layout.DATA}/")}
    tags = {name: digest for name, digest in digests.items() if name not in payload}
    tags.pop(layout.TAG_MANIFEST, None)
    for name in sorted(tags.keys() - set(layout.TAGS)):
        findings.add("bag", name, "failed", f"{name} is no file of an export.")
    _check_manifest(root, layout.TAG_MANIFEST, tags, findings)
    _check_manifest(root, layout.MANIFEST, payload, findings)
    if statement is not None:
        _check_seals(root, statement, payload, findings)
    return statement


def _check_statement(
    root: Path, trust: TrustRoot, digests: dict[str, str], findings: Findings
) -> layout.Bag | None:
    name = layout.STATEMENT
    if name not in digests:
        # A bag that came without its signature is no less altered than one with a wrong signature.
        findings.add("bag", name, "failed", f"{name} is not there: nobody vouches for this export.")
        return None
    try:
        with open_regular(root / name, name=name) as file:
            statement = signed.read(file.read(), layout.Bag, trust, name=name)
        subjects = {subject.name: subject.digest.sha256 for subject in statement.subject}
        if tuple(subject.name for subject in statement.subject) != layout.SIGNED_TAGS:
            message = f"{name} does not cover the tag files of an export."
            raise SealError(message)
    except IncidentPipelineError as error:
        findings.error("bag", name, error)
        return None
    findings.holds("bag", name, f"signed, {len(statement.predicate.seals)} seals")
    for tag, stated in subjects.items():
        if digests.get(tag) != stated:
            message = f"{tag} is not the one that was signed (sha256 {stated})."
            findings.add("bag", tag, "failed", message)
    return statement


def _check_manifest(root: Path, name: str, digests: dict[str, str], findings: Findings) -> None:
    """Compare a manifest with the files that are there, and with its one form."""
    try:
        with open_regular(root / name, name=name) as file:
            text = file.read()
    except IncidentPipelineError as error:
        findings.add("bag", name, "failed", error.message)
        return
    if text == layout.manifest_text(digests):
        findings.holds("bag", name, f"{len(digests)} files")
        return
    listed = {line[66:]: line[:64] for line in text.decode(errors="replace").split("\n") if line}
    for file_name in sorted(digests.keys() | listed.keys()):
        if file_name not in listed:
            findings.add("bag", file_name, "failed", f"{file_name} is not in {name}: it was added.")
        elif file_name not in digests:
            findings.add("bag", file_name, "failed", f"{file_name} is in {name} and not there.")
        elif digests[file_name] != listed[file_name]:
            message = f"{file_name} has sha256 {digests[file_name]}; {name} says {listed[file_name]}."
            findings.add("bag", file_name, "failed", message)
    findings.add("bag", name, "failed", f"{name} is not the list of the files that are there.")


def _check_seals(root: Path, statement: layout.Bag, payload: dict[str, str], findings: Findings) -> None:
    """See that the seals are those that the statement names, and that every object has one."""
    stated = {
        f"{layout.DATA}/seals/{seal.incident}/{seal.sequence:06d}.sigstore.json": seal.payload.sha256
        for seal in statement.predicate.seals
    }
    present = {name for name in payload if name.startswith(f"{layout.DATA}/seals/")}
    redacted = statement.predicate.redacted
    held = {it.name for it in redacted.withheld} if redacted else set()
    for name in sorted(held & payload.keys()):
        findings.add("bag", name, "failed", f"{name} is there, and the statement says it is withheld.")
    for name in sorted((stated.keys() - held) ^ present):
        findings.add("bag", name, "failed", f"{name}: seals and the signed statement differ.")
    for name in sorted(stated.keys() & present):
        try:
            with open_regular(root / name, name=name) as file:
                found = read_signed(file.read(), name=name).sha256
        except IncidentPipelineError as error:
            findings.error("bag", name, error)
            continue
        if found != stated[name]:
            message = f"{name} is not the seal that was exported (payload sha256 {stated[name]})."
            findings.add("bag", name, "failed", message)
    _check_objects(root, present, payload, findings)


def _check_objects(root: Path, seals: set[str], payload: dict[str, str], findings: Findings) -> None:
    """See that every object is named by a seal; those that hold are verified as a vault after this."""
    named: set[str] = set()
    for name in sorted(seals):
        try:
            with open_regular(root / name, name=name) as file:
                statement = read_statement(read_signed(file.read(), name=name), name=name)
        except IncidentPipelineError:
            continue  # has been noted
        named |= {f"{layout.DATA}/{subject.name}" for subject in statement.subject}
    for name in sorted(payload):
        if name.startswith(f"{layout.DATA}/objects/") and name not in named:
            findings.add("bag", name, "failed", f"{name}: no seal names this object.")
