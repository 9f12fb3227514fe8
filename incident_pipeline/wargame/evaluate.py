"""Diagnose many bundles in one process, and score the rankings against a truth.

Only what the diagnosis needs is done: bundles are opened and their digests checked, parsed in memory,
diagnosed, and `diagnosis.json` and `hypotheses.json` written per incident. Nothing is sealed. A case
that fails is named, and the rest go on. Scores follow the usual definition: AC@k is the share of cases
whose true component is among the first k, Avg@5 the mean of AC@1 to AC@5, in per cent and per data set,
with a percentile bootstrap; a component of equal score counts as ranked before the true one.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis import diagnose, propose
from incident_pipeline.errors import (
    HashMismatchError,
    IncidentIdError,
    IncidentPipelineError,
    MalformedInputError,
    worst_exit_code,
)
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.ingest import bundle_name, is_bundle, open_bundle
from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.parsers import Reading, parse_sealed
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import compact_json, sha256_hex, write_json
from incident_pipeline.signals.tables import IncidentTables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from incident_pipeline.ingest import Bundle

COULD_NOT_CHECK: Final = 3
_DRAWS: Final = 2_000
_TOP: Final = (1, 2, 3, 4, 5)
_BAD: Final = 1
_DEFECTS: Final = (OSError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a defect of ours on odd evidence looks like: it fails its case, by name, and not the others."""


@dataclass(frozen=True)
class Score:
    """The figures of one data set in per cent, each with its 95 % interval."""

    dataset: str
    n: int
    ac1: float
    ac3: float
    ac5: float
    avg5: float
    ac1_interval: tuple[float, float]
    avg5_interval: tuple[float, float]


@dataclass(frozen=True)
class EvaluationSummary:
    """What was evaluated: how many cases, which failed and why, and the scores if there was a truth."""

    cases: int
    failures: tuple[tuple[str, str], ...] = ()
    """Name of the case and what went wrong."""
    exit_code: int = 0
    """0 when every case was diagnosed, 1 when evidence was altered, else 3."""
    scores: tuple[Score, ...] = ()
    verdicts: dict[str, str] = field(default_factory=dict)
    """Per incident id as folded: the verdict."""

    def as_dict(self) -> dict[str, object]:
        """Give the summary for machines."""
        return asdict(self)


class _Files:
    """The artifacts of an open bundle as the evidence reader wants them: bytes by digest."""

    def __init__(self, bundle: Bundle) -> None:
        self._paths = {artifact.sha256: artifact.path for artifact in bundle.artifacts}

    def read(self, sha256: str) -> bytes:
        data = self._paths[sha256].read_bytes()
        if sha256_hex(data) != sha256:
            raise HashMismatchError(f"{self._paths[sha256].name} changed while it was being read.")
        return data


def evaluate(
    cases: Path, out: Path, *, truth: Path | None = None, on_case: Callable[[str, str], None] | None = None
) -> EvaluationSummary:
    """Diagnose every bundle in a folder (or one bundle) into `out/<incident id>/`.

    Args:
        cases: a folder of bundles (folders or archives), or one bundle.
        out: where results go.
        truth: a folder of `<incident id>.json` with `root_causes` and `dataset`.
        on_case: told the name of each case and one line about it.

    Raises:
        MalformedInputError: there is no bundle at `cases`, or no answer in `truth`.
    """
    bundles = _bundles(cases)
    failures: list[tuple[str, str]] = []
    codes: set[int] = {0}
    verdicts: dict[str, str] = {}
    for path in bundles:
        try:
            key, verdict, line, problems = _one(path, out, taken=frozenset(verdicts))
        except IncidentPipelineError as error:
            line = error.message
            failures.append((path.name, line))
            codes.add(error.exit_code)
        except _DEFECTS as error:
            line = f"{type(error).__name__}: {error}"
            failures.append((path.name, line))
            codes.add(COULD_NOT_CHECK)
        else:
            verdicts[key] = verdict
            failures.extend((path.name, problem) for problem in problems)
            codes |= {COULD_NOT_CHECK} if problems else set()
        if on_case is not None:
            on_case(path.name, line)
    return EvaluationSummary(
        cases=len(bundles),
        failures=tuple(failures),
        exit_code=worst_exit_code(codes),
        scores=score(out, truth, ran={*verdicts, *map(bundle_name, bundles)}) if truth else (),
        verdicts=verdicts,
    )


def score(out: Path, truth: Path, *, ran: Collection[str] | None = None) -> tuple[Score, ...]:
    """Score `out/<case>/diagnosis.json` against `truth/<case>.json`, per data set by name.

    With `ran`, only answers to those cases count; without, an answer whose case never ran is a miss.
    """
    groups: dict[str, list[float]] = {}
    answers = sorted(truth.glob("*.json"))
    if not answers:
        raise MalformedInputError(f"{truth} holds no answers.", advice="Give a folder of <case>.json files.")
    for path in answers:
        try:
            answer = json.loads(path.read_bytes())
            roots = [str(cause["component"]) for cause in answer["root_causes"]]
            case, dataset = str(answer.get("case", path.stem)), str(answer.get("dataset", "all"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedInputError(f"{path.name} is no answer: it needs `root_causes`.") from error
        if ran is not None and case not in ran:
            continue
        groups.setdefault(dataset, []).append(rank_of(_ranking(out / case / "diagnosis.json"), roots))
    return tuple(_score(dataset, ranks) for dataset, ranks in sorted(groups.items()))


def rank_of(ranking: dict[str, float], roots: Sequence[str]) -> float:
    """Give the best rank of a true component, ties against it; infinity when none is listed."""
    ranks = [
        1 + sum(1 for other, value in ranking.items() if other != root and value >= ranking[root])
        for root in roots
        if root in ranking
    ]
    return min(ranks, default=math.inf)


def _bundles(cases: Path) -> list[Path]:
    if not cases.exists():
        raise MalformedInputError(f"{cases} is not there.")
    if is_bundle(cases):
        return [cases]
    found = sorted(path for path in cases.iterdir() if is_bundle(path)) if cases.is_dir() else []
    if not found:
        raise MalformedInputError(
            f"{cases} holds no evidence bundles.",
            advice="Give a folder whose members are bundles: folders with incident.json, or archives of one.",
        )
    return found


def _one(path: Path, out: Path, *, taken: frozenset[str]) -> tuple[str, str, str, list[str]]:
    """Diagnose one bundle; give its key, verdict, a line about it, and what could not be read of it."""
    with tempfile.TemporaryDirectory(prefix="incident-pipeline-") as scratch:
        bundle = open_bundle(path, Path(scratch))
        key = bundle.incident.key
        if key in taken:
            raise IncidentIdError(f"{path.name}: another bundle has an id that also folds to {key!r}.")
        bad = [problem for problem in bundle.problems if problem.exit_code == _BAD]
        if bad:
            raise HashMismatchError(f"{bad[0].uri}: {bad[0].detail}", advice=bad[0].advice)
        evidence = _evidence(bundle)
        reader = EvidenceReader(_Files(bundle), evidence.artifacts)
        parsed = parse_sealed(reader, evidence.artifacts, Reading(not_after=evidence.start_time))
        tables = IncidentTables(parsed.events, parsed.samples, parsed.series, evidence)
        diagnosis = diagnose(tables, reader)
        hypotheses = propose(diagnosis, tables, reader)
    folder = ResultsFolder(out / key)
    write_json(folder.diagnosis, diagnosis)
    write_json(folder.hypotheses, hypotheses)
    first = diagnosis.ranking[0].component if diagnosis.ranking else "no component"
    problems = [
        f"{problem.uri}: {problem.detail}"
        for problem in (*bundle.problems, *parsed.problems)
        if problem.exit_code != 0
    ]
    return key, diagnosis.verdict, f"{diagnosis.verdict}: {first}", problems


def _evidence(bundle: Bundle) -> SealedEvidence:
    """Describe the bundle as the stages see sealed evidence, without sealing it."""
    incident = bundle.incident
    artifacts = tuple(
        SealedArtifact(
            sha256=item.sha256,
            size=item.size,
            stored_sha256=item.sha256,
            uri=item.entry.uri,
            type=item.entry.type,
            source=item.entry.source,
            role=item.entry.role,
            format=item.entry.format,
            window=item.entry.window,
            timezone=item.entry.timezone,
            collected_at=item.entry.collected_at,
            query=item.entry.query,
        )
        for item in sorted(bundle.artifacts, key=lambda item: item.sha256)
    )
    root = sha256_hex(compact_json([[artifact.sha256, artifact.role] for artifact in artifacts]))
    return SealedEvidence(
        incident_id=incident.incident_id,
        incident_key=incident.key,
        title=incident.title,
        start_time=incident.start_time,
        detected_by=incident.detected_by,
        severity=incident.severity,
        services=incident.services,
        artifacts=artifacts,
        problems=bundle.problems,
        evidence_root=root,
    )


def _ranking(path: Path) -> dict[str, float]:
    """Read a ranking; a missing or broken file ranks nothing."""
    try:
        items = json.loads(path.read_bytes())["ranking"]
        return {str(item["component"]): float(item["score"]) for item in items}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _score(dataset: str, ranks: list[float]) -> Score:
    ac1, ac3, ac5, avg5 = _figures(ranks)
    # A fixed seed: the interval is a statement about the cases, and must not change between runs.
    draw = random.Random(0)  # noqa: S311 - statistics, not cryptography
    boot = [_figures(draw.choices(ranks, k=len(ranks))) for _ in range(_DRAWS)]
    return Score(
        dataset=dataset,
        n=len(ranks),
        ac1=ac1,
        ac3=ac3,
        ac5=ac5,
        avg5=avg5,
        ac1_interval=_interval([figures[0] for figures in boot]),
        avg5_interval=_interval([figures[3] for figures in boot]),
    )


def _figures(ranks: Sequence[float]) -> tuple[float, float, float, float]:
    shares = [100 * sum(rank <= k for rank in ranks) / len(ranks) for k in _TOP]
    return shares[0], shares[2], shares[4], sum(shares) / len(shares)


def _interval(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[_DRAWS * 25 // 1000], ordered[_DRAWS * 975 // 1000 - 1]
