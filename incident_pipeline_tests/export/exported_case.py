"""A tiny export, what an attacker does to one, and the check script run where no Python is."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from incident_pipeline.evidence import LocalSigner, Sealed
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.timestamps import TimeAuthority
from incident_pipeline.export import export, layout, verify_path, write_derivation
from incident_pipeline.export.bag import _close
from incident_pipeline.export.steps import STEPS
from incident_pipeline.model.redaction import RedactedArtifact, Redaction, SpanMap
from incident_pipeline.redaction import Rules, load_or_create_token_key
from incident_pipeline.redaction import redact as redacted
from incident_pipeline.serialise import compact_json, sha256_hex, write_bytes, write_json
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case

TOOLS = (
    "sh", "sha256sum", "openssl", "jq", "base64", "find", "xargs", "sort", "uniq", "comm", "cmp", "cut",
    "tr", "od", "wc", "cat", "head", "tail", "mktemp", "dirname",
    "rm", "mkdir",
)  # fmt: skip
TWIN = LOG.replace(b"10:00", b"11:00")
"""As many bytes as the log: to be swapped with it."""


def derive(case: Case, signer: LocalSigner | None = None, authority: TimeAuthority | None = None) -> None:
    """Write what is missing of the results, a few bytes each, and the statement of every stage.

    The redacted view is left out where there is none yet: its files have a meaning that `verify` looks into.
    """
    names = _plain if not case.results.redaction.exists() else tuple[str, ...]
    tiny = {
        stage: replace(step, reads=names(step.reads), writes=names(step.writes))
        for stage, step in STEPS.items()
    }
    with mock.patch.dict(STEPS, tiny):
        for stage, step in tiny.items():
            for name in step.writes:
                if not name.endswith("/") and not (case.results.root / name).exists():
                    write_bytes(case.results.root / name, f"{name}\n".encode())
            write_derivation(case.results, stage, (signer or case.signer).signer, {}, authority=authority)


def redact(case: Case, sealed: Sealed) -> None:
    """Write the redacted view of a tiny incident: true views, and tables of a few bytes."""
    key, reader, cards = load_or_create_token_key(case.config), case.reader(sealed), []
    for artifact in sealed.evidence.artifacts:
        data = reader.decoded(artifact.sha256)
        view = redacted(data, key, incident="inc-1")
        spans = compact_json(SpanMap(sha256=artifact.sha256, spans=view.spans))
        write_bytes(case.results.redacted / f"{artifact.sha256}.spans.json", spans)
        write_bytes(case.results.redacted / f"{artifact.sha256}.bin", view.data)
        cards.append(
            RedactedArtifact(
                sha256=artifact.sha256, uri=artifact.uri, state="redacted", decoded_sha256=sha256_hex(data),
                redacted_sha256=sha256_hex(view.data), redacted_size=len(view.data),
                span_map_sha256=sha256_hex(spans), counts=view.counts,
            )
        )  # fmt: skip
    for path in (case.results.redacted_events, case.results.redacted_series):
        write_bytes(path, f"{path.name}\n".encode())
    card = Redaction(
        incident_id="INC-1", ruleset=Rules().version(), key_id=key.id, artifacts=tuple(cards), tables=()
    )
    write_json(case.results.redaction, card)


def close_anew(bag: Path, signer: LocalSigner, change: Callable[[Any], object] = lambda _: None) -> None:
    """Do what an exporter who lies can do: sign the bag as it is now, after a change of what it says.

    What is inside keeps its own signatures, which somebody else made.
    """
    statement = read_signed((bag / layout.STATEMENT).read_bytes()).payload
    predicate = json.loads(statement)["predicate"]
    change(predicate)
    for name in (*layout.TAGS, layout.TAG_MANIFEST):
        (bag / name).unlink()
    folders = sorted((bag / "data" / "results").iterdir())
    _close(bag, folders, layout.Predicate.model_validate(predicate), signer.signer, None)


def _plain(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.startswith(("redacted/", "redaction")))


def make(case: Case, signer: LocalSigner | None = None) -> Path:
    """Seal, derive and export a tiny incident; give the bag."""
    bundle = case.bundle({"logs/app.log": LOG, "chat.json": CHAT, "logs/twin.log": TWIN})
    case.write_ledger(case.seal(bundle, signer))
    derive(case, signer)
    bag = case.root / "bag"
    export(case.out, bag, (signer or case.signer).signer, config_dir=case.config)
    return bag


def verify(bag: Path, config: Path) -> tuple[int, str]:
    """Give exit code and messages of `verify`."""
    report = verify_path(bag, config_dir=config)
    return report.exit_code, "\n".join(f"{item.name}: {item.message}" for item in report.failures)


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def run_script(
    bag: Path, *keys: Path, tools: Path, script: Path | None = None, options: tuple[str | Path, ...] = ()
) -> tuple[int, str]:
    """Run verify.sh with nothing in its environment but a folder of the tools it names."""
    if not tools.is_dir():
        tools.mkdir()
        for tool in TOOLS:
            (tools / tool).symlink_to(shutil.which(tool) or tool)
    assert not any("python" in path.name for path in tools.iterdir())
    command = ["sh", str(script or bag / "verify.sh"), "-b", str(bag), *map(str, (*options, *keys))]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": str(tools)}, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def make_manifests_anew(bag: Path) -> None:
    """Do what a careful attacker does: bring both manifests into line with the files that are there."""
    files = [path for path in bag.rglob("*") if path.is_file()]
    digests = {
        path.relative_to(bag).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    payload = sorted(name for name in digests if name.startswith("data/"))
    lines = "".join(f"{digests[name]}  {name}\n" for name in payload).encode()
    rewrite(bag / "manifest-sha256.txt", lines)
    digests["manifest-sha256.txt"] = hashlib.sha256(lines).hexdigest()
    tags = sorted(digests.keys() - set(payload) - {"tagmanifest-sha256.txt"})
    rewrite(bag / "tagmanifest-sha256.txt", "".join(f"{digests[name]}  {name}\n" for name in tags).encode())
