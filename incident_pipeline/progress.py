"""Tell a listener which stage runs, without the stages knowing who listens.

The command line shows a line per stage; Dagster has its own log. A context variable carries the
listener, so that two incidents in one process don't mix.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_pipeline.model.artifact import Problem

    Listener = Callable[[str, str, str, tuple[Problem, ...]], None]

_listener: ContextVar[Listener | None] = ContextVar("incident_pipeline_progress", default=None)


def report(incident: str, stage: str, line: str, problems: tuple[Problem, ...] = ()) -> None:
    """Say one line about a stage of an incident, and its problems; an empty line means that it starts."""
    current = _listener.get()
    if current is not None:
        current(incident, stage, line, problems)


def listener() -> Listener | None:
    """Give who listens now, so that another can listen too and pass things on."""
    return _listener.get()


@contextmanager
def listening(hears: Listener) -> Iterator[None]:
    """Send what `report` says in this context to `hears`."""
    token = _listener.set(hears)
    try:
        yield
    finally:
        _listener.reset(token)
