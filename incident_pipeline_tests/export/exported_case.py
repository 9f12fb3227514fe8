"""A tiny export, what an attacker does to one, and the check script run where no Python is."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from unittest import mock

from incident_pipeline.evidence import LocalSigner
from incident_pipeline.export import export, verify_path, write_derivation
from incident_pipeline.export.steps import STEPS
from incident_pipeline.serialise import write_bytes
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case

TOOLS = (
    "sh", "sha256sum", "openssl", "jq", "base64", "find", "xargs", "sort", "uniq", "comm", "cmp", "cut",
    "tr", "wc", "cat", "head", "tail", "mktemp", "dirname",
    "rm", "mkdir",
)  # fmt: skip
TWIN = LOG.replace(b"10:00", b"11:00")
"""As many bytes as the log: to be swapped with it."""


def derive(case: Case, signer: LocalSigner | None = None) -> None:
    """Write what is missing of the results, a few bytes each, and the statement of every stage.

    The redacted view is left out: its files have a meaning that `verify` looks into.
    """
    tiny = {
        stage: replace(step, reads=_plain(step.reads), writes=_plain(step.writes))
        for stage, step in STEPS.items()
    }
    with mock.patch.dict(STEPS, tiny):
        for stage, step in tiny.items():
            for name in step.writes:
                if not (case.results.root / name).exists():
                    write_bytes(case.results.root / name, f"{name}\n".encode())
            write_derivation(case.results, stage, (signer or case.signer).signer, {})


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


def run_script(bag: Path, *keys: Path, tools: Path, script: Path | None = None) -> tuple[int, str]:
    """Run verify.sh with nothing in its environment but a folder of the tools it names."""
    if not tools.is_dir():
        tools.mkdir()
        for tool in TOOLS:
            (tools / tool).symlink_to(shutil.which(tool) or tool)
    assert not any("python" in path.name for path in tools.iterdir())
    command = ["sh", str(script or bag / "verify.sh"), "-b", str(bag), *map(str, keys)]
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
