"""Parse files that were never sealed: for a look at a format, and for conformance suites (design 4.4)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import StringConstraints, ValidationError

from incident_pipeline.errors import (
    ConfigError,
    IncidentPipelineError,
    MalformedInputError,
    MissingArtifactError,
    UnreadableInputError,
)
from incident_pipeline.evidence import decode
from incident_pipeline.ingest import unpack
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.base import Frozen, Lenient
from incident_pipeline.parsers.artifact import NOTHING_ASSUMED, parse_artifact
from incident_pipeline.parsers.bundle import ParsedTables, join, undecodable, write_tables
from incident_pipeline.parsers.source import Assume, Source
from incident_pipeline.parsers.timestamps import parse_zone
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from incident_pipeline.parsers.artifact import ParsedArtifact

_ZIP_MAGIC: Final = b"PK\x03\x04"
_TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


def parse_files(
    paths: Iterable[Path], *, pin: str | None = None, assume: Assume = NOTHING_ASSUMED
) -> ParsedTables:
    """Parse files; a member of an archive (zip, tar) is an artifact whose URI ends in the member's name.

    A file that is not there or can't be read is among the problems, and the others are parsed.

    Raises:
        ConfigError: `assume.tz` is no zone.
    """
    return _parse_paths(paths, pin, assume)


def _parse_paths(paths: Iterable[Path], pin: str | None, assume: Assume) -> ParsedTables:
    missing: list[Problem] = []
    read: list[tuple[Path, bytes]] = []
    for path in paths:
        try:
            read.append((path, _read(path)))
        except MissingArtifactError as error:
            missing.append(_problem("missing", str(path), error))
    return _parse_all(read, pin, assume, missing)


def parse_cases(cases_jsonl: Path, out: Path) -> tuple[Problem, ...]:
    """Parse many sets of files, one per line of `cases_jsonl`, each into the folder `out/<case>`.

    A file that is missing or unreadable costs its own case that file only. Gives what went wrong.

    Raises:
        MissingArtifactError: there is no such list of cases.
    """
    problems: list[Problem] = []
    for place, case in _cases(_read(cases_jsonl), cases_jsonl):
        if isinstance(case, UnreadableInputError):
            problems.append(_problem("malformed", place, case))
            continue
        try:
            if case.assumed.tz is not None:
                parse_zone(case.assumed.tz)
            parsed = _parse_paths(case.files, case.format, case.assumed)
        except ConfigError as error:
            problems.append(_problem("malformed", place, error))
            continue
        write_tables(parsed, ResultsFolder(out / case.case))
        problems += parsed.problems
    return tuple(problems)


def _parse_all(
    read: Sequence[tuple[Path, bytes]], pin: str | None, assume: Assume, missing: Sequence[Problem]
) -> ParsedTables:
    """Parse in order of digest; the same bytes twice are one artifact under its first name."""
    parsed: dict[str, ParsedArtifact] = {}
    extra: list[Problem] = [*missing]
    for path, received in sorted(read, key=lambda item: str(item[0])):
        for source, size, data in _artifacts(path, received):
            if source.sha256 in parsed:
                first = parsed[source.sha256].report.artifact_uri
                extra.append(Problem(kind="duplicate", uri=source.uri, detail=f"The same bytes as {first}."))
            elif isinstance(data, UnreadableInputError):
                parsed[source.sha256] = undecodable(source, size, data)
            else:
                parsed[source.sha256] = parse_artifact(data, source, pin=pin, assume=assume)
    tables = join([parsed[digest] for digest in sorted(parsed)])
    problems = (*tables.problems, *extra)
    report = tables.report.model_copy(update={"problems": problems})
    return ParsedTables(tables.events, tables.samples, tables.series, tables.quarantine, report, problems)


def _artifacts(path: Path, received: bytes) -> Iterator[tuple[Source, int, bytes | UnreadableInputError]]:
    """Give each artifact in a file: itself, or the members of an archive; decoded, or what is wrong."""
    uri = str(path)
    if not received.startswith(_ZIP_MAGIC) and not path.name.endswith(_TAR_SUFFIXES):
        yield _decoded(uri, received)
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = unpack(path.resolve(), Path(scratch))
        except UnreadableInputError as error:
            yield Source(sha256=sha256_hex(received), uri=uri, encoding="broken"), len(received), error
            return
        for member in sorted(item for item in folder.rglob("*") if item.is_file()):
            yield _decoded(f"{uri}/{member.relative_to(folder).as_posix()}", member.read_bytes())


def _decoded(uri: str, received: bytes) -> tuple[Source, int, bytes | UnreadableInputError]:
    digest = sha256_hex(received)
    try:
        data, encoding = decode(received, uri=uri)
    except UnreadableInputError as error:
        return Source(sha256=digest, uri=uri, encoding="broken"), len(received), error
    return Source(sha256=digest, uri=uri, encoding=encoding), len(received), data


class _Given(Frozen):
    """What a case assumes."""

    tz: str | None = None
    year: int | None = None
    anchor: str | None = None


class _Case(Lenient):
    """A line of a list of cases."""

    case: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^/\\\x00]+$")]
    files: tuple[Path, ...]
    format: str | None = None
    assume: _Given | None = None

    @property
    def assumed(self) -> Assume:
        given = self.assume or _Given()
        return Assume(tz=given.tz, year=given.year, anchor=given.anchor)


def _cases(data: bytes, path: Path) -> Iterator[tuple[str, _Case | UnreadableInputError]]:
    """Give the place of each line, and its case or what is wrong with it."""
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            case = _Case.model_validate_json(line)
            if case.case in (".", ".."):
                message = f"{place}: {case.case!r} can't be a folder's name."
                yield place, MalformedInputError(message, advice="Use a name without slashes.")
                continue
            yield place, case
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{place}: no case ({where + ': ' if where else ''}{first['msg']})."
            yield place, MalformedInputError(message, advice="A line is {case, files, format?, assume?}.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        message = f"{path}: no such file."
        raise MissingArtifactError(message, advice="Check the path.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{path}: can't be read ({reason})."
        raise MissingArtifactError(message, advice="Check that the file is readable.") from error


def _problem(kind: str, uri: str, error: IncidentPipelineError) -> Problem:
    return Problem.model_validate(
        {"kind": kind, "uri": uri, "detail": error.message, "advice": error.advice, "exit_code": 3}
    )
