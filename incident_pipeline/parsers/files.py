"""Parse files that were never sealed: for a look at a format, and for conformance suites (design 4.4)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import StringConstraints, ValidationError

from incident_pipeline.errors import (
    ConfigError,
    HashMismatchError,
    IncidentPipelineError,
    MalformedInputError,
    MissingArtifactError,
    UnreadableInputError,
)
from incident_pipeline.evidence import decoding
from incident_pipeline.ingest import decoded_chunks, sniff_encoding, unpack
from incident_pipeline.ingest.compression import HEAD_BYTES
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.base import Frozen, Lenient
from incident_pipeline.parsers.artifact import NOTHING_ASSUMED, Reading, parse_stream
from incident_pipeline.parsers.bundle import ParsedTables, report_of, undecodable
from incident_pipeline.parsers.memory import reuse_memory
from incident_pipeline.parsers.sink import MemorySink, ParquetSink
from incident_pipeline.parsers.source import Assume, Source
from incident_pipeline.parsers.timestamps import SECOND, format_time, parse_zone
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import file_sha256, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from incident_pipeline.model.report import ArtifactReport, ParseReport
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.sink import Sink

_ZIP_MAGIC: Final = b"PK\x03\x04"
_USTAR_AT: Final = 257
_TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


def parse_files(
    paths: Iterable[Path], *, pin: str | None = None, assume: Assume = NOTHING_ASSUMED
) -> ParsedTables:
    """Parse files into memory (see `parse_files_into`)."""
    sink = MemorySink()
    return ParsedTables.of(sink, parse_files_into(sink, paths, Reading(pin, assume)))


def parse_files_into(sink: Sink, paths: Iterable[Path], reading: Reading) -> ParseReport:
    """Parse files; a member of an archive (zip, tar) is an artifact whose URI ends in the member's name.

    They are parsed in order of digest; the same bytes twice are one artifact under its first name. A file
    that is not there or can't be read is among the problems, and the others are parsed.

    Raises:
        ConfigError: `reading.assume.tz` is no zone.
        HashMismatchError: a file changed while it was read; nothing that `sink` took may be published.
    """
    extra: list[Problem] = []
    found: dict[str, _File] = {}
    with ExitStack() as scratch:
        for file in _files(paths, scratch, extra):
            if file.sha256 in found:
                detail = f"The same bytes as {found[file.sha256].uri}."
                extra.append(Problem(kind="duplicate", uri=file.uri, detail=detail))
            else:
                found[file.sha256] = file
        done = [_parse_one(sink, found[digest], reading) for digest in sorted(found)]
    report = report_of(done)
    return report.model_copy(update={"problems": (*report.problems, *extra)})


def parse_cases(cases_jsonl: Path, out: Path, formats: tuple[Format, ...] = ()) -> tuple[Problem, ...]:
    """Parse many sets of files, one per line of `cases_jsonl`, each into the folder `out/<case>`.

    `formats` are the user's own, beside the built-in ones.

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
            report = parse_into_folder(
                ResultsFolder(out / case.case), case.files, replace(case.reading, formats=formats)
            )
        except ConfigError as error:
            problems.append(_problem("malformed", place, error))
            continue
        problems += report.problems
    return tuple(problems)


def parse_into_folder(folder: ResultsFolder, paths: Iterable[Path], reading: Reading) -> ParseReport:
    """Parse files into the tables and the report of a results folder (see `parse_files_into`)."""
    reuse_memory()
    with ParquetSink(folder) as sink:
        report = parse_files_into(sink, paths, reading)
    write_json(folder.parse_report, report)
    return report


@dataclass(frozen=True)
class _File:
    """A file to parse: itself or a member of an archive, or why it can't be read."""

    uri: str
    path: Path
    sha256: str
    size: int
    state: tuple[int, int, int]
    broken: UnreadableInputError | None = None


def _parse_one(sink: Sink, file: _File, reading: Reading) -> tuple[ArtifactReport, tuple[Problem, ...]]:
    broken = Source(sha256=file.sha256, uri=file.uri, encoding="broken")
    if file.broken is not None:
        return undecodable(broken, file.size, file.broken, sink)
    with ExitStack() as reads:
        try:
            opened = reads.enter_context(_opened(file.path))
            before = _state_of(opened)
            # Hashed a moment ago: the file's state tells whether it was written to since.
            stream = reads.enter_context(decoding(opened, None, uri=file.uri, size=file.size))
        except UnreadableInputError as error:
            return undecodable(broken, file.size, error, sink)
        source = Source(sha256=file.sha256, uri=file.uri, encoding=stream.encoding)
        changed = format_time(file.state[2] // SECOND * SECOND)
        done = parse_stream(stream.chunks, source, sink, replace(reading, not_after=changed))
        if before != file.state or _state_of(opened) != before:
            message = f"{file.uri} changed while it was being read."
            raise HashMismatchError(message, advice="Parse a copy of it.")
        return done


def _state_of(file: BufferedReader) -> tuple[int, int, int]:
    """Give what changes when a file is written to: which it is, its size, its time of change."""
    known = os.fstat(file.fileno())
    return known.st_ino, known.st_size, known.st_mtime_ns


def _files(paths: Iterable[Path], scratch: ExitStack, problems: list[Problem]) -> Iterator[_File]:
    """Give the artifacts in files, hashed; archives are unpacked, and removed with `scratch`."""
    for path in sorted(paths, key=str):
        try:
            with _opened(path) as file:
                # Reading zstd closes what it reads from.
                holds_members = _holds_members(file, path.name)
            with _opened(path) as file:
                state, digest = _state_of(file), hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except MissingArtifactError as error:
            problems.append(_problem("missing", str(path), error))
            continue
        if not holds_members:
            yield _File(str(path), path, digest, size, state)
            continue
        try:
            folder = unpack(path.resolve(), Path(scratch.enter_context(tempfile.TemporaryDirectory())))
        except UnreadableInputError as error:
            yield _File(str(path), path, digest, size, state, broken=error)
            continue
        for member in sorted(item for item in folder.rglob("*") if item.is_file()):
            uri = f"{path}/{member.relative_to(folder).as_posix()}"
            with member.open("rb") as file:
                state = _state_of(file)
            yield _File(uri, member, file_sha256(member), state[1], state)


def _holds_members(file: BufferedReader, name: str) -> bool:
    """Tell an archive by its first bytes, decompressed; one that is cut off or refused by its name alone."""
    head = file.read(HEAD_BYTES)
    if head.startswith(_ZIP_MAGIC) or name.endswith(_TAR_SUFFIXES):
        return True
    file.seek(0)
    chunks = decoded_chunks(file, sniff_encoding(head), name=name, size=os.fstat(file.fileno()).st_size)
    try:
        first = next(chunks, b"")
    except UnreadableInputError:
        return False
    return first[_USTAR_AT : _USTAR_AT + 5] == b"ustar"


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

    @property
    def reading(self) -> Reading:
        return Reading(self.format, self.assumed)


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
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
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
