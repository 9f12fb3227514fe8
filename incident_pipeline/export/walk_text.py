"""Put a walk from a sentence to its bytes into lines for people, with commands that need none of our code.

Excerpts and names come from evidence: whatever a terminal would act on is shown as an escape, and every
argument of a command is quoted for the shell.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.export.walk import CitedBytes, DerivedValue, Made, Walk

_DECOMPRESS: Final = {"gzip": "gzip -dc", "zstd": "zstd -dcq", "bzip2": "bzip2 -dc", "xz": "xz -dc"}
_SHOWN: Final = 400
"""Characters of a value that are shown."""
_OPEN: Final = "jq -r .dsseEnvelope.payload {} | base64 -d | jq"
_SUMS: Final = """-r '.subject[] | .digest.sha256 + "  " + .name' | (cd {} && sha256sum -c)"""
_MARKS: Final = {"ok": "holds", "failed": "FAILED", "could_not_check": "could not be checked"}


def walk_lines(walk: Walk) -> list[str]:
    """Give the walk as lines."""
    return [visible(line) for line in _lines(walk)]


def visible(text: str) -> str:
    """Give text on one line as it is safe to print: control and formatting characters become escapes."""
    return "".join(
        it if it.isprintable() else it.encode("unicode_escape", "surrogatepass").decode() for it in text
    )


def _lines(walk: Walk) -> Iterator[str]:
    sentence = walk.sentence
    yield f"Sentence {sentence.id} at {sentence.where} of {walk.root.name}"
    yield f'  "{sentence.text}"'
    yield f"  claim: {sentence.claim_type}, status: {sentence.status}"
    yield f"  rests on {len(sentence.citations)} citations and {len(sentence.derived_from)} derived values"
    for number, cited in enumerate(walk.citations, start=1):
        yield ""
        yield from _citation_lines(number, cited)
    for number, derived in enumerate(walk.derived, start=1):
        yield ""
        yield from _derived_lines(walk, number, derived)
    for made in walk.made:
        yield ""
        yield from _made_lines(walk, made)
    yield ""
    yield from _seal_lines(walk)
    yield ""
    for item in walk.checks:
        yield f"{_MARKS[item.outcome]}: {item.name}: {item.message}"
    yield walk.report.summary


def _citation_lines(number: int, cited: CitedBytes) -> Iterator[str]:
    citation = cited.citation
    line = f", line {citation.line}" if citation.line is not None else ""
    pointer = f", JSON pointer {citation.json_pointer}" if citation.json_pointer else ""
    place = f"{line}, bytes {citation.byte_start} to {citation.byte_end}{pointer}"
    yield f"Citation {number}: {citation.uri}{place}"
    yield f'  "{citation.excerpt}"'
    if cited.artifact is None:
        yield f"  sha256 {citation.sha256}: no artifact of the seal"
        return
    yield f"  artifact sha256 {citation.sha256}, {cited.artifact.size} bytes as received"
    yield f"  object {cited.object_file}"
    if cited.compression is None or cited.artifact.encoding:
        how = f"stored as {', '.join(cited.artifact.encoding)}" if cited.artifact.encoding else "not at hand"
        yield f"  its bytes are {how}: the commands below need them as received"
        return
    file = shlex.quote(cited.object_file)
    length = citation.byte_end - citation.byte_start
    yield f"  $ sha256sum {file}    # {citation.sha256}"
    cut = f"tail -c +{citation.byte_start + 1} | head -c {length}"
    if cited.compression in _DECOMPRESS:
        yield f"  $ {_DECOMPRESS[cited.compression]} < {file} | {cut}"
    else:
        yield f"  $ tail -c +{citation.byte_start + 1} {file} | head -c {length}"


def _derived_lines(walk: Walk, number: int, value: DerivedValue) -> Iterator[str]:
    derived = value.derived
    shown = value.value if len(value.value) <= _SHOWN else value.value[:_SHOWN] + "..."
    yield f"Derived value {number}: {derived.file}{derived.json_pointer} = {shown}"
    stage = f"made by {value.stage}, see below" if value.stage else "no statement says who made it"
    yield f"  file sha256 {derived.sha256}, {stage}"
    file = shlex.quote(str(walk.root / derived.file))
    yield f"  $ sha256sum {file}"
    yield f"  $ jq {shlex.quote(f'getpath({json.dumps(list(value.path), ensure_ascii=False)})')} {file}"


def _made_lines(walk: Walk, made: Made) -> Iterator[str]:
    predicate = made.statement.predicate
    code, root = predicate.code, shlex.quote(str(walk.root))
    settings = ", ".join(f"{key}={value}" for key, value in predicate.configuration.items() if value)
    yield f"Stage {predicate.stage}: {code.name} {code.version}, stage code {code.stage}" + (
        f", {settings}" if settings else ""
    )
    yield f"  wrote {', '.join(it.name for it in made.statement.subject)}"
    read = [it.name for it in made.files]
    if made.objects:
        read.append(f"{len(made.objects)} sealed objects")
    yield f"  read {', '.join(read)}"
    opened = _OPEN.format(shlex.quote(str(walk.root / made.statement_file)))
    yield f"  $ {opened} .predicate"
    yield f"  $ {opened} {_SUMS.format(root)}"


def _seal_lines(walk: Walk) -> Iterator[str]:
    predicate = walk.manifest.statement.predicate
    seal = predicate.seal
    yield f"Seal {predicate.incident.key}/{seal.sequence:06d}, id {seal.id}, sealed at {seal.sealed_at}"
    yield f"  {len(walk.manifest.statement.subject)} objects, evidence root {predicate.evidence_root}"
    yield f"  signed with key {walk.manifest.signed.keyid}"
    opened = _OPEN.format(shlex.quote(str(walk.root / "manifest.sigstore.json")))
    yield f"  $ {opened} .predicate"
    if walk.vault:
        yield f"  $ {opened} {_SUMS.format(shlex.quote(walk.vault))}"
