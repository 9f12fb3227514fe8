"""Join the lines of a stack trace into one record, for text in which nothing else tells where records begin.

Frames look alike in most runtimes, so any line that looks like a frame continues the record before it. Three
runtimes need memory: Python ends a traceback with an unindented line, Go prints functions unindented below
`goroutine N`, and Dart puts the error on the line after `Unhandled exception:`. The shapes are those of the
runtimes' own printers (java.lang.Throwable, V8's stack trace API, System.Exception.ToString, CPython's
traceback module, Ruby's full_message, PHP's exception output, Go's panic, Rust's default panic hook).
"""

from __future__ import annotations

import re
from typing import Final, Literal

_State = Literal["", "python", "go", "dart", "rust"]

_FRAME: Final = re.compile(
    r"\s+\S"  # anything indented
    r"|at (?:async )?[\w$.<>\[\] /:\\-]{1,400}[(:]"  # V8 and Java frames that lost their indentation
    r"|\.\.\. \d+ (?:more|common frames omitted)"
    r"|Caused by: |Suppressed: |Wrapped by: |nested exception is"
    r"|--- End of "
    r"|#\d+ +\S"  # PHP and Dart
    r"|Stack trace:|stack backtrace:|<asynchronous suspension>"
    r"|from \S+:\d+:in "  # Ruby
    r"|note: (?:run with|Some details)"  # Rust
    r"|\[signal |goroutine \d+ \[|created by \S+"  # Go
    r"|During handling of the above exception|The above exception was the direct cause"
)
_GO: Final = re.compile(r"[\w./*()\[\]{}<>·$,-]{1,300}\(.*\)?$|exit status \d+$|r[a-z0-9]{1,2} +0x")
_PYTHON_START: Final = "Traceback (most recent call last):"
_PYTHON_END: Final = re.compile(r"[A-Za-z_][\w.]*(?:: |$)")
_HEADER: Final = re.compile(
    r"(?:[\w$]+\.)*[\w$]*(?:Exception|Error|Throwable|Panic)\b(?:[:(\s]|$)"
    r"|Traceback \(most recent call last\):|Exception in thread |Unhandled exception|Uncaught "
    r"|panic: |fatal error: |thread '.{0,200}' (?:\(\d+\) )?panicked at|exception '|PHP Fatal error"
)
_MAX_LOOK: Final = 2_000


def is_header(line: str) -> bool:
    """Tell whether a line reads like the first of a trace: an exception, a panic, a traceback."""
    return _HEADER.match(line[:_MAX_LOOK].lstrip()) is not None


class TraceJoiner:
    """Tell line by line which continue the record before; the state is the runtime of an open trace."""

    def __init__(self) -> None:
        """Start outside of any trace."""
        self._state: _State = ""

    def begin(self, line: str) -> None:
        """Take the first line of a record."""
        line = line[:_MAX_LOOK]
        if line.endswith(_PYTHON_START):
            self._state = "python"
        elif "panic: " in line or "fatal error: " in line or line.startswith("goroutine "):
            self._state = "go"
        elif line.endswith("Unhandled exception:"):
            self._state = "dart"
        elif " panicked at " in line:
            self._state = "rust"
        else:
            self._state = ""

    def joins(self, line: str) -> bool:
        """Tell whether a line continues the record that is open."""
        line = line[:_MAX_LOOK]
        if _FRAME.match(line) is not None:
            if line.startswith("goroutine "):
                self._state = "go"
            elif line.endswith(_PYTHON_START):
                self._state = "python"
            elif line.startswith(("During handling", "The above exception")):
                self._state = "dart"  # whatever follows, a traceback, is of this record
            return True
        state = self._state
        if state in ("dart", "rust"):
            self.begin(line)
            return True
        if state == "python":
            self._state = ""
            return _PYTHON_END.match(line) is not None
        return state == "go" and _GO.match(line) is not None
