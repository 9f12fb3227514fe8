r"""Shell history: bash with `#epoch` lines, zsh's extended history, fish's, and what `history` prints.

bash writes the time of a command on a line of its own before it; zsh as `: epoch:seconds;command`, where
a backslash at the line's end goes on; fish as `- cmd:` with `when:` below. Commands without a time are
kept without one. Rows are commands: kind `runbook_step`, since they are what somebody did.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_BASH: Final = re.compile(rb"#(\d{9,11})")
_ZSH: Final = re.compile(rb": (\d{9,11}):(\d{1,9});")
_FISH: Final = re.compile(rb"- cmd: ")
_FISH_WHEN: Final = re.compile(r"\n[ \t]{0,16}when: (\d{9,11})(?=\n|$)")
_PRINTED: Final = re.compile(
    rb"(\d{1,7})\*?\s{1,4}\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?: ?[+-]\d\d:?\d\d)?)\]?\s{1,4}(?=\S)"
)
_BASH_SHARE: Final = 0.15
_SECOND: Final = 10**9


class ShellHistory(Format):
    """The parser of shell history."""

    id = "shell_history"
    aliases = ("bash_history", "zsh_history", "fish_history", "history")
    title = "Shell history (bash, zsh, fish)"
    spec = "https://www.gnu.org/software/bash/manual/html_node/Bash-History-Facilities.html"
    kinds = (Kind.RUNBOOK_STEP,)
    splitting: ClassVar[Splitting] = "records"

    def score(self, sample: Sample) -> float:
        """Recognise times of commands in the form of each shell."""
        seen = sample.lines
        if not seen:
            return 0.0
        bash = sum(_BASH.fullmatch(line) is not None for line in seen) / len(seen)
        if bash >= _BASH_SHARE:
            return 0.95
        others = [sum(form.match(line) is not None for line in seen) for form in (_ZSH, _FISH, _PRINTED)]
        whens = sum(line.startswith(b"when: ") for line in seen)
        if others[1] and whens:
            return 0.9
        return 0.93 * max(others[0], others[2]) / len(seen)

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a line begins a command that has a time."""
        text = line.strip()
        return _BASH.fullmatch(text) is not None or any(form.match(text) for form in (_ZSH, _FISH, _PRINTED))

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every command; lines before the first time are commands without one."""
        start = end = -1
        for line_start, line_end in lines(data):
            if self.begins_record(data[line_start:line_end]):
                if start >= 0:
                    rows.event(_command(data, start, end, rows))
                start = line_start
            elif start < 0:
                rows.event(_event(data, line_start, line_end, text_of(data, line_start, line_end, rows)))
                continue
            end = line_end
        if start >= 0:
            rows.event(_command(data, start, end, rows))


def _command(data: bytes, start: int, end: int, rows: Rows) -> Event:
    text = text_of(data, start, end, rows)
    first_line = data[start : data.find(b"\n", start, end) if b"\n" in data[start:end] else end].strip()
    if (bash := _BASH.fullmatch(first_line)) is not None:
        return _event(data, start, end, text.partition("\n")[2].strip(), _epoch(bash[1]))
    if (zsh := _ZSH.match(first_line)) is not None:
        stamp = _epoch(zsh[1])
        length = int(zsh[2])
        ended = stamp.time_ns + length * _SECOND if stamp.time_ns is not None and length else None
        command = text[len(zsh[0]) :].replace("\\\n", "\n")
        return _event(data, start, end, command, stamp)._replace(end_ns=ended)
    if (printed := _PRINTED.match(first_line)) is not None:
        stamp = parse_time(printed[2].decode("ascii"), rows.zone)
        return _event(data, start, end, text[len(printed[0]) :], stamp, number=printed[1].decode("ascii"))
    when = _FISH_WHEN.search(text)
    stamp = _epoch(when[1].encode()) if when is not None else UNKNOWN
    return _event(data, start, end, text[len("- cmd: ") :].partition("\n")[0].strip(), stamp)


def _epoch(digits: bytes) -> Stamp:
    return parse_epoch(digits.decode("ascii"), "s")


def _event(
    data: bytes, start: int, end: int, command: str, stamp: Stamp = UNKNOWN, number: str | None = None
) -> Event:
    return Event(
        start=start,
        end=end,
        kind=Kind.RUNBOOK_STEP,
        message=command or data[start:end].decode("utf-8", "replace"),
        attributes={"record": "command", **({"history.number": number} if number else {})},
        stamp=stamp,
    )


FORMATS: Final[tuple[Format, ...]] = (ShellHistory(),)
