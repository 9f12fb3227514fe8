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

    Listener = Callable[[str, str, str], None]

_listener: ContextVar[Listener | None] = ContextVar("incident_pipeline_progress", default=None)


def report(incident: str, stage: str, line: str) -> None:
    """Say one line about a stage of an incident; an empty line means that the stage starts."""
    listener = _listener.get()
    if listener is not None:
        listener(incident, stage, line)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send what `report` says in this context to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
