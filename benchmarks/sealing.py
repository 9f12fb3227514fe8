"""What sealing and verifying cost, against the commands that people would use instead.

    python benchmarks/sealing.py [SECTION...]     sections: speed memory small     --mib N --repeats N --dir DIR

`speed` seals one log file of 1 GiB by the stage `sealed_evidence`, alone and with the check `digests_match`,
which reads back what was stored, and compares the CPU, user and system, children's too, with `sha256sum` or
`openssl dgst -sha256`, `cp` and `sync` on the same file and file system: every repeat runs all cases, one
after the other, and ratios are formed within a repeat. `memory` shows the peak over what the process held
before, by size. `small` seals many small files and says where the time goes.

Each case of ours is a process of its own, which is measured after its imports and after sealing one byte.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import os
import pstats
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from incident_pipeline import stages
from incident_pipeline.evidence.keyring import open_keyring
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.progress import listening
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace

SEED: Final = 2026
MIB: Final = 1024**2
UNIQUE: Final = 14 * MIB
"""Bytes of lines that differ; a larger file repeats them, with its own number in each repetition."""


@dataclass(frozen=True)
class Cost:
    """What a case took: CPU and wall seconds, and the peak of memory above the start in MiB."""

    cpu: float
    wall: float
    peak: float = 0.0


def write_log(path: Path, size: int) -> None:
    """Write a log of this many bytes, the same for the same size."""
    chance = random.Random(SEED)  # noqa: S311 - reproducible text, no secrets
    services = ("cart", "checkout", "payment", "shipping", "search", "gateway")
    parts: list[str] = []
    made = 0
    while made < min(UNIQUE, size):
        line = (
            f"2026-03-01T{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}Z "
            f"{chance.choice(('INFO', 'INFO', 'WARN', 'ERROR'))} {chance.choice(services)} "
            f"trace={chance.getrandbits(128):032x} took {chance.randrange(9000)} ms\n"
        )
        parts.append(line)
        made += len(line)
    block = "".join(parts).encode()
    with path.open("wb") as file:
        left, number = size, 0
        while left > 0:
            piece = (f"# part {number}\n".encode() + block)[:left]
            file.write(piece)
            left -= len(piece)
            number += 1


def write_bundle(folder: Path, files: int, size: int) -> None:
    """Write a bundle of files of this size each: one log, or many small files that all differ."""
    (folder / "logs").mkdir(parents=True)
    if files == 1:
        write_log(folder / "logs" / "app.log", size)
        return
    chance = random.Random(SEED)  # noqa: S311 - reproducible text, no secrets
    for number in range(files):
        text = f"{number} " + "".join(f"{chance.getrandbits(256):064x}\n" for _ in range(size // 64))
        (folder / "logs" / f"{number:05}.log").write_text(text[:size])


# --- our cases: run in a process of their own -------------------------------------------------------------


def case(name: str, bundle: Path, out: Path, config: Path) -> None:
    """Run one case and print its cost as JSON: `seal`, `seal+check`, `encrypt`, `encrypt+check`, `verify`."""
    encryption = "local" if name.startswith("encrypt") else "none"
    open_keyring(encryption, config, create=True)
    warm = Path(tempfile.mkdtemp(dir=out.parent))
    (warm / "one").mkdir()
    (warm / "one" / "a.log").write_bytes(b"x")
    with listening(lambda *_: None):
        _work(name.replace("verify", "seal"), warm / "one", warm / "out", config, encryption)
        if name == "verify":
            _work(name, warm / "one", warm / "out", config, encryption)
        _reset_peak()
        base = _status("VmRSS")
        cpu, wall = _cpu(), time.perf_counter()
        _work(name, bundle, out, config, encryption)
        cost = Cost(_cpu() - cpu, time.perf_counter() - wall, _status("VmHWM") - base)
    print(json.dumps(vars(cost)))


def _work(name: str, bundle: Path, out: Path, config: Path, encryption: str) -> None:
    settings = Settings(config_dir=str(config), encryption=encryption)
    workspace = Workspace.from_settings(settings, out=out)
    if name == "verify":
        if failures := verify_results(workspace.vault_root, config_dir=config).failures:
            raise SystemExit("; ".join(it.message for it in failures))
        return
    key = workspace.register(bundle)
    stages.seal_evidence(workspace, key, now=datetime.now(UTC))
    if name.endswith("+check") and stages.check_seal(workspace, key).failures:
        raise SystemExit("the check found something")


def _cpu() -> float:
    it = os.times()
    return it.user + it.system + it.children_user + it.children_system


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


# --- the comparison ----------------------------------------------------------------------------------------


def _ours(name: str, bundle: Path, out: Path, profile: Path | None = None) -> Cost:
    """Run a case of ours in a process of its own."""
    command = [sys.executable, __file__, "--case", name, "--bundle", str(bundle), "--out", str(out)]
    command += ["--profile", str(profile)] if profile else []
    return Cost(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _theirs(log: Path, copy: Path, *steps: str) -> Cost:
    """Run commands on the log, one after the other."""
    commands = {
        "sha256sum": ["sha256sum", str(log)],
        "openssl": ["openssl", "dgst", "-sha256", str(log)],
        "cp": ["cp", str(log), str(copy)],
        "sync": ["sync", str(copy)],
    }
    before, wall = _cpu(), time.perf_counter()
    for step in steps:
        subprocess.run(commands[step], check=True, capture_output=True)
    return Cost(_cpu() - before, time.perf_counter() - wall)


def speed(folder: Path, mib: int, repeats: int) -> None:
    """Compare the cases with the baselines, all of them in each repeat."""
    bundle, scratch = folder / "bundle", folder / "scratch"
    write_bundle(bundle, 1, mib * MIB)
    log = bundle / "logs" / "app.log"
    # Every case writes into an empty folder: what lies in the page cache already makes new pages dearer.
    cases: dict[str, Callable[[], Cost]] = {
        "sha256sum + cp + sync": lambda: _theirs(log, scratch / "copy", "sha256sum", "cp", "sync"),
        "seal": lambda: _ours("seal", bundle, scratch / "out"),
        "seal + read-back": lambda: _ours("seal+check", bundle, scratch / "out"),
        "verify": lambda: _ours("verify", bundle, scratch / "out"),
        "openssl + cp + sync": lambda: _theirs(log, scratch / "copy", "openssl", "cp", "sync"),
        "openssl dgst": lambda: _theirs(log, scratch / "copy", "openssl"),
        "encrypt": lambda: _ours("encrypt", bundle, scratch / "out"),
        "encrypt + read-back": lambda: _ours("encrypt+check", bundle, scratch / "out"),
    }
    rounds: list[dict[str, Cost]] = []
    for _ in range(repeats):
        costs: dict[str, Cost] = {}
        for name, run in cases.items():
            if name != "verify":  # which looks at what the case before it sealed
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
            costs[name] = run()
        shutil.rmtree(scratch)
        rounds.append(costs)
    _table(rounds, mib)


_BASES: Final = ("sha256sum + cp + sync", "openssl + cp + sync", "openssl dgst")
GOALS: Final = {
    ("seal", _BASES[0]): 0.4,
    ("seal", _BASES[1]): 1.0,
    ("seal + read-back", _BASES[0]): 0.65,
    ("seal + read-back", _BASES[1]): 1.6,
    ("encrypt", _BASES[0]): 0.75,
    ("verify", _BASES[2]): 1.2,
}
"""Ratios of CPU that are to be kept, with 15 % for noise."""


def _table(rounds: list[dict[str, Cost]], mib: int) -> None:
    print(f"  {mib} MiB, {len(rounds)} repeats, medians of CPU-s; ratios formed within a repeat (range)")
    for name in rounds[0]:
        spent = [costs[name].cpu for costs in rounds]
        line = f"  {name:<22} {statistics.median(spent):6.2f}"
        for base in _BASES:
            if name in _BASES:
                continue
            ratios = [costs[name].cpu / costs[base].cpu for costs in rounds]
            line += f"  {statistics.median(ratios):5.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            if goal := GOALS.get((name, base)):
                line += f" <= {goal}" + ("" if statistics.median(ratios) <= goal * 1.15 else " MISSED")
            line += f" x {base};"
        peak = statistics.median(costs[name].peak for costs in rounds)
        print(line.rstrip(";") + (f"; peak +{peak:.0f} MiB" if peak else ""), flush=True)


def memory(folder: Path, sizes: list[int]) -> None:
    """Show the peak of memory above the start, by size."""
    for mib in sizes:
        bundle, out = folder / "bundle", folder / "out"
        write_bundle(bundle, 1, mib * MIB)
        out.mkdir()
        for name in ("seal+check", "verify", "encrypt+check"):
            place = out / name.partition("+")[0].replace("verify", "seal")
            cost = _ours(name, bundle, place)
            print(f"  {mib:>5} MiB  {name:<14} peak +{cost.peak:.1f} MiB, {cost.cpu:.2f} CPU-s", flush=True)
        shutil.rmtree(bundle)
        shutil.rmtree(out)


def small(folder: Path, files: int, size: int, repeats: int) -> None:
    """Seal and verify many small files, and show which functions the time goes to."""
    bundle = folder / "bundle"
    write_bundle(bundle, files, size)
    for name in ("seal", "seal+check", "verify"):
        costs = []
        for number in range(repeats):
            out = folder / f"out-{name if name != 'verify' else 'seal'}-{number}"
            costs.append(_ours(name, bundle, out))
        cpu, wall = (statistics.median(getattr(it, what) for it in costs) for what in ("cpu", "wall"))
        print(f"  {files:,} files of {size} B, {name}: {cpu:.2f} CPU-s, {wall:.2f} s, "
              f"{files / wall:,.0f} files/s, peak +{max(it.peak for it in costs):.0f} MiB", flush=True)  # fmt: skip
    for name in ("seal", "verify"):
        profile = folder / f"{name}.prof"
        _ours(name, bundle, folder / "out-profiled", profile)
        print(f"  {name}, where the time goes (seconds under the profiler):")
        stats = pstats.Stats(str(profile))
        rows = sorted(stats.stats.items(), key=lambda it: -it[1][2])[:18]  # type: ignore[attr-defined]  # typeshed leaves it out
        for (file, line, function), (_, calls, own, total, _) in rows:
            place = function if file == "~" else f"{Path(file).name}:{line} {function}"
            print(f"    {own:6.2f} own {total:7.2f} with callees {calls:>9,} x {place}")


def main() -> None:
    """Read arguments, and run sections or, as a child of ours, one case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", default=["speed", "memory", "small"])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 1024, 4096])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument(
        "--dir", type=Path, help="where to write; its file system is the one that is measured"
    )
    parser.add_argument("--case")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--profile", type=Path)
    given = parser.parse_args()
    if given.case:
        config = given.bundle.parent / "config"
        with cProfile.Profile() if given.profile else contextlib.nullcontext() as profile:
            case(given.case, given.bundle, given.out, config)
        if profile:
            profile.dump_stats(given.profile)
        return
    for section in given.sections:
        print(f"{section}:")
        with tempfile.TemporaryDirectory(dir=given.dir) as name:
            if section == "speed":
                speed(Path(name), given.mib, given.repeats)
            elif section == "memory":
                memory(Path(name), given.sizes)
            else:
                small(Path(name), given.files, 4096, given.repeats)


if __name__ == "__main__":
    main()
