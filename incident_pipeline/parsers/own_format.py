"""Users' own formats: one small TOML file each, a pattern for text lines or a field map for JSON lines.

No code runs from these files. A file that is wrong is a configuration error that names file, key and
line of the file; the formats take part in detection as built-in ones do, and their digest belongs to the
configuration that a parse is derived from. See "Your own formats" in docs/guide.md.
"""

from __future__ import annotations

import re
import tomllib
from re import _constants as constants  # type: ignore[attr-defined]  # the standard library's own parser
from re import _parser  # type: ignore[attr-defined]  # as above
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.clock import TIME_GROUPS
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import flatten, records
from incident_pipeline.parsers.line_format import ROLES, LineFormat
from incident_pipeline.parsers.registry import all_formats
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time, parse_zone
from incident_pipeline.serialise import compact_json, sha256_hex

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp, Zone

_MAX_FILE: Final = 64 * 1024
_MAX_FILES: Final = 200
_CERTAINTY: Final = 0.95
"""A user who declares a format means it: above the shapes of families, below what nothing else has."""
_LOOK: Final = 2_048
"""A user's pattern sees this many characters of a line; the rest belongs to the message."""
_WIDE: Final = 2
"""More repeats of any character in a row of a pattern would cost the cube of a line's length."""
_TIMES: Final = "a time: `time`, or `hour` with `minute`, or `epoch`"
_MANY: Final = 100
"""A repeat of more than this is as good as unbounded."""
_REPEATS: Final = (constants.MAX_REPEAT, constants.MIN_REPEAT)


class _Declared(BaseModel):
    """What stands in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$")
    title: str = Field(min_length=1, max_length=200)
    kind: Kind = Kind.LOG
    service: str | None = Field(default=None, max_length=200)
    timezone: str | None = None
    levels: dict[str, int] = Field(default_factory=dict)
    continuation: Literal["join", "reject"] = "join"
    pattern: str | None = Field(default=None, max_length=4_000)
    patterns: tuple[str, ...] = Field(default=(), max_length=20)
    fields: dict[str, str] = Field(default_factory=dict)


class OwnLines(LineFormat):
    """A user's format of text lines."""

    def __init__(self, declared: _Declared, patterns: tuple[re.Pattern[str], ...]) -> None:
        """Take what was declared."""
        _take(self, declared)
        self.patterns = patterns  # type: ignore[misc]  # a class of its own per file would say no more
        self.continuation = declared.continuation  # type: ignore[misc]  # as above
        self.service = declared.service  # type: ignore[misc]  # as above
        self.look = _LOOK  # type: ignore[misc]  # as above
        self.certainty = _CERTAINTY  # type: ignore[misc]  # as above
        self._levels = {name.lower(): number for name, number in declared.levels.items()}
        self._zone = _zone_of(declared)

    def stamp(self, match: re.Match[str], groups: dict[str, str], rows: Rows) -> Stamp:
        """Give the record's time, in the declared zone where the evidence names none."""
        if "time" in groups:
            return parse_time(groups["time"], rows.zone if rows.zone is not None else self._zone)
        return super().stamp(match, groups, rows)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        before = rows.clock.zone
        rows.clock.zone = before if before is not None else self._zone
        super().parse(data, rows)
        rows.clock.zone = before

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:
        """Give the declared severity of a level, else the usual one."""
        known = self._levels.get(level.lower()) if level else None
        return known if known is not None else super().severity(level, groups)


class OwnJson(Format):
    """A user's format of JSON objects, on lines or in a list."""

    splitting = "json"
    stands_alone = True

    def __init__(self, declared: _Declared) -> None:
        """Take what was declared."""
        _take(self, declared)
        self._fields = declared.fields
        self._levels = {name.lower(): number for name, number in declared.levels.items()}
        self._zone = _zone_of(declared)
        self._service = declared.service

    def score(self, sample: Sample) -> float:
        """Recognise objects that have the time and at least two thirds of the fields."""
        found = [flatten(value) if isinstance(value, dict) else {} for value in sample.records]
        if not found:
            return 0.0
        wanted = list(self._fields.values())
        fits = [
            self._fields["time"] in flat and 3 * sum(path in flat for path in wanted) >= 2 * len(wanted)
            for flat in found
        ]
        return _CERTAINTY * sample.json_share * sum(fits) / len(fits)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object that has the declared time."""
        zone = rows.zone if rows.zone is not None else self._zone
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            flat = flatten(record.value)
            if self._fields["time"] not in flat:
                rows.reject(
                    record.start, record.end, f"no {self._fields['time']!r} in it: no record of {self.id}"
                )
                continue
            found = {role: flat.pop(path) for role, path in self._fields.items() if path in flat}
            level = found.get("level")
            known = self._levels.get(level.lower()) if level else None
            message = found.get("message")
            rows.event(
                Event(
                    start=record.start,
                    end=record.end,
                    kind=self.kinds[0],
                    message=data[record.start : record.end].decode("utf-8", "replace")
                    if message is None
                    else message,
                    attributes=flat,
                    stamp=parse_time(found["time"], zone) if found["time"] else UNKNOWN,
                    service=found.get("service") or self._service,
                    host=found.get("host"),
                    actor=found.get("actor"),
                    severity=known if known is not None else severity_of(level),
                    severity_raw=level,
                    trace_id=_hex(found.get("trace_id")),
                    span_id=_hex(found.get("span_id")),
                    pointer=record.pointer,
                )
            )


def load_formats(folder: Path) -> tuple[Format, ...]:
    """Read the formats that are declared in the `*.toml` files of a folder, by file name.

    A folder that is not there declares none.

    Raises:
        ConfigError: a file is wrong, or declares the id or alias of another format.
    """
    if not folder.is_dir():
        return ()
    paths = sorted(path for path in folder.glob("*.toml") if path.is_file())
    if len(paths) > _MAX_FILES:
        raise ConfigError(f"{folder}: more than {_MAX_FILES} formats.", advice="Keep those that are needed.")
    taken = {name: "a built-in format" for item in all_formats() for name in (item.id, *item.aliases)}
    found: list[Format] = []
    for path in paths:
        item = read_format(path)
        if item.id in taken:
            raise ConfigError(
                f"{path}: id: {item.id!r} is taken by {taken[item.id]}.", advice="Choose another id."
            )
        taken[item.id] = str(path)
        found.append(item)
    return tuple(found)


def read_format(path: Path) -> Format:
    """Read one file.

    Raises:
        ConfigError: it can't be read or declares no format; the message names file, line and key.
    """
    try:
        data = path.read_bytes()[: _MAX_FILE + 1]
        text = data.decode()
        values = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read ({error.strerror}).", advice="Check its permissions."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no valid TOML: {error}.", advice="Mend the file or remove it.") from error
    if len(data) > _MAX_FILE:
        raise ConfigError(f"{path}: larger than {_MAX_FILE} bytes.", advice="A format is a few lines.")
    try:
        declared = _Declared.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _wrong(path, text, key, first["msg"]) from error
    return _format_of(path, text, declared)


def digest_of(formats: tuple[Format, ...]) -> str:
    """Give the digest of users' formats: it changes with anything that changes how they read."""
    if not formats:
        return ""
    return sha256_hex(compact_json([getattr(item, "declared", item.id) for item in formats]))


def _take(item: OwnLines | OwnJson, declared: _Declared) -> None:
    own: dict[str, Any] = vars(item)
    own["id"], own["title"], own["kinds"] = declared.id, declared.title, (declared.kind,)
    own["spec"] = "declared by the user"
    own["declared"] = declared.model_dump(mode="json")


def _zone_of(declared: _Declared) -> Zone | None:
    return parse_zone(declared.timezone) if declared.timezone is not None else None


def _format_of(path: Path, text: str, declared: _Declared) -> Format:
    if declared.timezone is not None:
        try:
            parse_zone(declared.timezone)
        except ConfigError as error:
            raise _wrong(path, text, "timezone", error.message) from error
    for name, number in declared.levels.items():
        if not 1 <= number <= 24:  # noqa: PLR2004 - OpenTelemetry's severity numbers
            raise _wrong(
                path, text, f"levels.{name}", "not between 1 and 24 (OpenTelemetry severity numbers)"
            )
    sources = (declared.pattern, *declared.patterns) if declared.pattern is not None else declared.patterns
    if bool(sources) == bool(declared.fields):
        raise _wrong(path, text, "pattern", "give either `pattern` (or `patterns`) or `fields`")
    if declared.fields:
        unknown = sorted(set(declared.fields) - ROLES)
        if unknown:
            raise _wrong(
                path, text, f"fields.{unknown[0]}", f"no such role; there are {', '.join(sorted(ROLES))}"
            )
        if "time" not in declared.fields:
            raise _wrong(path, text, "fields", "`time` is missing")
        return OwnJson(declared)
    return OwnLines(declared, tuple(_pattern(path, text, source) for source in sources))


def _pattern(path: Path, text: str, source: str) -> re.Pattern[str]:
    try:
        found = re.compile(source, re.ASCII)
    except re.error as error:
        raise _wrong(path, text, "pattern", f"no valid pattern: {error}") from error
    except (OverflowError, RecursionError) as error:
        raise _wrong(path, text, "pattern", f"no usable pattern: {error}") from error
    groups = set(found.groupindex)
    if not groups & {"time", "epoch"} and not {"hour", "minute"} <= groups:
        raise _wrong(path, text, "pattern", f"it has no group for {_TIMES}")
    if {"hour"} & groups and not {"day"} <= groups:
        raise _wrong(path, text, "pattern", "it has an `hour` and no `day`")
    wrong = sorted(
        name for name in groups & set(TIME_GROUPS) if name not in _DIGIT_SAFE and not _digits(source, name)
    )
    if wrong:
        raise _wrong(
            path,
            text,
            "pattern",
            f"the group {wrong[0]!r} must match digits of a bounded number, as `\\d{{1,9}}`",
        )
    if wide_repeats(source) > _WIDE:
        raise _wrong(
            path, text, "pattern", f"it has more than {_WIDE} repeats of `.`; use classes such as `[^]]*`"
        )
    if nests_repeats(source):
        raise _wrong(
            path,
            text,
            "pattern",
            "a repeated group holds a repeat without a bound; hostile text could make it hang",
        )
    return found


_DIGIT_SAFE: Final = ("mon", "ampm", "offset", "epoch")


def _digits(source: str, name: str) -> bool:
    """Tell whether a group's body is digits alone."""
    match = re.search(rf"\(\?P<{name}>((?:[^()\\]|\\.)*)\)", source)
    return (
        match is not None
        and re.fullmatch(r"(?:(?:\\d|\[\d-\d\]|\d)(?:\{\d{1,2}(?:,\d{1,2})?\})?\??)+", match[1]) is not None
    )


def wide_repeats(source: str) -> int:
    """Count the repeats of any character in a pattern."""
    return sum(_wide(item) for item in _parser.parse(source))


def _wide(item: Any) -> int:
    operation, argument = item
    own = operation in _REPEATS and argument[1] is constants.MAXREPEAT and argument[2][0][0] is constants.ANY
    parts = argument[2] if operation in _REPEATS else _parts(argument)
    return int(own) + sum(_wide(part) for part in parts)


def nests_repeats(source: str) -> bool:
    """Tell whether a repeat without a bound lies inside another one: the shape that backtracks without end.

    Two repeats one after the other over the same characters backtrack too, but only polynomially; the
    length a pattern looks at is bounded.
    """
    parsed = _parser.parse(source)
    return any(_nested(item, inside=False) for item in parsed)


def _nested(item: Any, *, inside: bool) -> bool:
    operation, argument = item
    if operation in _REPEATS:
        low, high, body = argument
        unbounded = high is constants.MAXREPEAT or high - low > _MANY
        if unbounded and inside:
            return True
        return any(_nested(part, inside=inside or unbounded) for part in body)
    return any(_nested(part, inside=inside) for part in _parts(argument))


def _parts(argument: Any) -> list[Any]:
    """Give the operations inside an operation's argument."""
    found: list[Any] = []
    for part in argument if isinstance(argument, (tuple, list)) else (argument,):
        if isinstance(part, _parser.SubPattern):
            found += part
        elif isinstance(part, list):
            for branch in part:
                found += branch if isinstance(branch, _parser.SubPattern) else []
    return found


def _hex(value: str | None) -> str | None:
    return value.lower() if value and value.strip("0") else None


def _wrong(path: Path, text: str, key: str, why: str) -> ConfigError:
    number = next(
        (
            number
            for name in reversed(key.split("."))  # the key itself, else the table it stands in
            for number, line in enumerate(text.splitlines(), 1)
            if re.match(rf"\s*(?:\[+\s*)?[\"']?{re.escape(name)}[\"']?\s*(?:=|\.|\])", line)
        ),
        1,
    )
    return ConfigError(f"{path}, line {number}: {key}: {why}.", advice='See "Your own formats" in the guide.')
