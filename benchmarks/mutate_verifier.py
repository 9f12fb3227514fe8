"""Mutation test of the verifier: every refusal is taken away in turn, and a test must notice.

    python benchmarks/mutate_verifier.py [--module NAME] [--list] [--sample N --seed S] [--again] [--out FILE]

One pytest session collects the tests once. A first pass notes which test reaches which line. Then each mutant
(see `refusals`) gets a forked process, in which the code of one function is exchanged, and runs the tests
that reach its lines, quickest first, to the first failure. No file of the project is ever changed. What was
found is kept in `--state`, so that a stopped run goes on where it was, and after new tests only survivors
are tried again.

Not seen are tests that start processes of their own: they run the code as it is, so they can't kill.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest
from refusals import Mutant, mutants_of

PROJECT = Path(__file__).resolve().parent.parent
MODULES = (
    "evidence/verification", "evidence/verify", "evidence/verify_ledger", "evidence/verify_log",
    "evidence/verify_stored", "evidence/verify_time", "evidence/manifest", "evidence/statement",
    "evidence/trust", "evidence/trust_list", "evidence/trust_changes", "evidence/timestamps", "evidence/log",
    "evidence/log_records", "evidence/log_view", "evidence/checkpoint", "evidence/merkle", "evidence/pins",
    "evidence/places", "evidence/redacted_view", "evidence/access_log", "evidence/custody", "evidence/reader",
    "export/verify", "export/verify_bag", "export/verify_derivations", "export/derivation", "export/signed",
    "export/layout",
)  # fmt: skip
TESTS = (
    "incident_pipeline_tests/evidence/test_*.py", "incident_pipeline_tests/export/test_*.py",
    "incident_pipeline_tests/redaction/test_redaction_tables.py",
    "incident_pipeline_tests/redaction/test_redaction_view.py", "incident_pipeline_tests/cli/test_retention_commands.py",
)  # fmt: skip
ELSEWHERE = ("doctor", "s3_vault", "s3_lock", "kms", "encryption_s3", "log_crash")
"""Tests of what is no part of the verifier, and slow: servers, faults, killed processes."""
LIMIT_S = 30
"""For a mutant's tests beside what they take anyway; one that takes longer is a test that no longer ends."""
BUDGET_S = 6
"""Of tests, quickest first, for one mutant: who is not noticed by these is looked at by a person."""


@dataclass
class State:
    """What was found so far: tests by line, how long each takes, and what became of each mutant."""

    path: Path
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    killed: dict[str, str] = field(default_factory=dict)
    survived: dict[str, str] = field(default_factory=dict)
    sources: str = ""
    tests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        values = json.loads(path.read_text()) if path.exists() else {}
        return cls(path, **values)

    def save(self) -> None:
        values = {name: value for name, value in vars(self).items() if name != "path"}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(values))
        partial.replace(self.path)


def source_of(module: str) -> Path:
    return PROJECT / "incident_pipeline" / f"{module}.py"


def all_mutants(modules: tuple[str, ...]) -> list[Mutant]:
    return [mutant for module in modules for mutant in mutants_of(module, source_of(module).read_text())]


class Mapping:
    """Notes which test reaches which line, in fixtures as well, and how long it takes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(source_of(module)) for module in MODULES]
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        self._coverage.start()
        try:
            return (yield)
        finally:
            self._coverage.stop()
            data = self._coverage.get_data()
            for module in MODULES:
                known = self._state.lines.setdefault(module, {})
                for line, tests in data.contexts_by_lineno(str(source_of(module))).items():
                    known[str(line)] = sorted({*known.get(str(line), ()), *filter(None, tests)})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        started = time.monotonic()
        try:
            return (yield)
        finally:
            self._state.seconds[item.nodeid] = time.monotonic() - started

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            sys.exit(f"{report.nodeid} fails with the code as it is:\n{report.longreprtext}")


class Trial:
    """Tries mutants in forks of a session that has collected its tests."""

    def __init__(self, state: State, mutants: list[Mutant], folder: Path, budget: float) -> None:
        self._state = state
        self._budget = budget
        self._mutants = mutants
        self._folder = folder
        self._failed: str | None = None
        self._refused: dict[str, set[str]] = {}
        for other in all_mutants(MODULES):
            lines = state.lines.get(other.module, {})
            names = {name for line in other.lines for name in lines.get(str(line), ())}
            if other.kind in ("raise", "finding"):
                self._refused.setdefault(other.function.rpartition(".")[2], set()).update(names)
                self._refused.setdefault(other.module, set()).update(names)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._failed is None:
            self._failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        for number, mutant in enumerate(self._mutants, start=1):
            tests = [items[name] for name in self._tests(mutant) if name in items]
            killer = self._try(mutant, tests) if tests else None
            reason = f"not noticed by {len(tests)} tests" if tests else "reached by no test"
            self._state.killed.pop(mutant.name, None)
            self._state.survived.pop(mutant.name, None)
            if killer:
                self._state.killed[mutant.name] = killer
            else:
                self._state.survived[mutant.name] = reason
            self._state.save()
            verdict = f"killed by {killer.rsplit('/', 1)[-1]}" if killer else f"SURVIVED ({reason})"
            print(f"{number}/{len(self._mutants)} {mutant.name}: {verdict}", flush=True)
        return True

    def _tests(self, mutant: Mutant) -> list[str]:
        """Give the tests that reach a mutant's lines: those that see its check, or its module, refuse first."""
        lines = self._state.lines.get(mutant.module, {})
        names = {name for line in mutant.lines for name in lines.get(str(line), ())}
        first, then = (self._refused.get(it, set()) for it in (mutant.calls, mutant.module))
        names = sorted(names, key=lambda it: (-(it in first) - (it in then), self._seconds(it), it))
        spent = itertools.accumulate(self._seconds(name) for name in names)
        return [
            name
            for name, sum_s in zip(names, spent, strict=True)
            if sum_s <= self._budget or name == names[0]
        ]

    def _seconds(self, name: str) -> float:
        return self._state.seconds.get(name, 0.0)

    def _try(self, mutant: Mutant, tests: list[pytest.Item]) -> str | None:
        """Run tests under a mutant; give the one that fails, or why it never came to an end."""
        base = self._folder / "base"
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.close(read)
            with open(os.devnull, "w") as nothing:  # noqa: PTH123 -- needs its descriptor
                os.dup2(nothing.fileno(), 1)
                os.dup2(nothing.fileno(), 2)
            try:
                os.write(write, self._run(mutant, tests, base).encode())
            finally:
                os._exit(0)
        os.close(write)
        said = _read_until(
            read, time.monotonic() + LIMIT_S + sum(self._state.seconds.get(t.nodeid, 0) for t in tests)
        )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shutil.rmtree(base, ignore_errors=True)
        return "a test that no longer ends" if said is None else said or None

    def _run(self, mutant: Mutant, tests: list[pytest.Item], base: Path) -> str:
        tests[0].config._tmp_path_factory._given_basetemp = base  # type: ignore[attr-defined] # noqa: SLF001 -- a folder of the fork's own
        exchange(mutant)
        for test, following in zip(tests, [*tests[1:], None], strict=True):
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
            if self._failed is not None:
                test.session._setupstate.teardown_exact(None)  # noqa: SLF001 -- stops servers that fixtures started
                return self._failed
        return ""


def _read_until(descriptor: int, end: float) -> str | None:
    """Read what a process has to say; None when it has said nothing by then."""
    os.set_blocking(descriptor, False)
    said = b""
    with open(descriptor, "rb", buffering=0) as file:
        while time.monotonic() < end:
            part = file.read(4096)
            if part is None:
                time.sleep(0.005)
            elif not part:
                return said.decode()
            else:
                said += part
    return None


def exchange(mutant: Mutant) -> None:
    """Give a function, wherever it was imported, the code it has in the mutant."""
    module = importlib.import_module(f"incident_pipeline.{mutant.module.replace('/', '.')}")
    found: Any = module
    for name in mutant.function.split("."):
        found = vars(found)[name]
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    found = getattr(found, "__wrapped__", found)
    code = compile(mutant.tree(), str(source_of(mutant.module)), "exec", dont_inherit=True)
    found.__code__ = _code_of(code, mutant.function)


def _code_of(code: types.CodeType, qualified: str) -> types.CodeType:
    pending = [code]
    while pending:
        for constant in pending.pop().co_consts:
            if isinstance(constant, types.CodeType):
                if constant.co_qualname == qualified:
                    return constant
                pending.append(constant)
    raise LookupError(qualified)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def _test_files() -> list[Path]:
    paths = sorted(path for place in TESTS for path in PROJECT.glob(place))
    return [path for path in paths if not any(part in path.name for part in ELSEWHERE)]


def _pytest(plugin: object, files: list[Path]) -> None:
    options = ["-q", "-s", "-p", "no:randomly", "-p", "no:cacheprovider", "-n0"]
    code = pytest.main([*options, *map(str, files)], plugins=[plugin])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(f"pytest ended with {code}")


def map_tests(state: State) -> None:
    """Find out anew which test reaches which line: all when a module is another, else what is new or changed."""
    sources = _digest(*map(source_of, MODULES))
    if state.sources != sources:
        state.lines, state.tests, state.sources = {}, {}, sources
    digests = {path.relative_to(PROJECT).as_posix(): _digest(path) for path in _test_files()}
    stale = {
        name for name in digests.keys() | state.tests.keys() if digests.get(name) != state.tests.get(name)
    }
    for lines in state.lines.values():
        for line, names in lines.items():
            lines[line] = [name for name in names if name.split("::")[0] not in stale]
    if changed := [PROJECT / name for name in sorted(stale & digests.keys())]:
        _pytest(Mapping(state), changed)
    state.tests = digests
    state.save()


def table(state: State, mutants: list[Mutant]) -> str:
    """Give the outcome as Markdown."""
    rows = ["| module | line | refusal taken away | noticed by |", "|---|---|---|---|"]
    for mutant in mutants:
        killer = state.killed.get(mutant.name)
        by = (
            f"`{killer.rsplit('/', 1)[-1]}`"
            if killer
            else f"**SURVIVED**: {state.survived.get(mutant.name, 'not tried')}"
        )
        what = mutant.what.replace("|", "\\|")
        rows.append(f"| {mutant.module} | {mutant.line} | {mutant.kind}: `{what}` | {by.replace('|', '/')} |")
    killed = sum(mutant.name in state.killed for mutant in mutants)
    rows += ["", f"{len(mutants)} mutants, {killed} killed, {len(mutants) - killed} not."]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--module", action="append", choices=MODULES, help="only this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="list the refusals and run nothing")
    parser.add_argument("--sample", type=int, help="only so many, drawn with --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="try also those that were killed before")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of tests for one mutant")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "mutate_verifier.json")
    parser.add_argument("--out", type=Path, help="write the table here")
    options = parser.parse_args()
    mutants = all_mutants(tuple(options.module or MODULES))
    if options.sample is not None:
        mutants = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))  # noqa: S311 -- no secret
    if options.list:
        for mutant in mutants:
            print(f"{mutant.module}:{mutant.line} {mutant.function} {mutant.kind}: {mutant.what}")
        print(f"{len(mutants)} mutants")
        return
    os.chdir(PROJECT)
    os.environ["HYPOTHESIS_PROFILE"] = "default"
    state = State.load(options.state)
    if os.fork() == 0:  # a process of its own, so that no fixture is left over
        map_tests(state)
        os._exit(0)
    _, status = os.wait()
    if status:
        sys.exit("The tests do not pass with the code as it is.")
    state = State.load(options.state)
    pending = [mutant for mutant in mutants if options.again or mutant.name not in state.killed]
    with tempfile.TemporaryDirectory() as folder:
        _pytest(Trial(state, pending, Path(folder), options.budget), _test_files())
    text = table(state, mutants)
    if options.out:
        options.out.write_text(text)
    print(text.rsplit("\n\n", 1)[-1])
    sys.exit(any(mutant.name not in state.killed for mutant in mutants))


if __name__ == "__main__":
    main()
