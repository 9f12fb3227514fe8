"""What `verify` says to people: each fault once, with the count of what it takes along.

One altered byte makes every citation of its artifact fail with the same reason. Machines get every
finding (`--json`); a person is told the file at fault, once, and how far it reaches.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from incident_pipeline.cli.output import shown
from incident_pipeline.evidence.verification import KIND_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_pipeline.evidence.verification import Checked

_MARKS: Final = {
    "ok": "[green]ok[/green]        ",
    "failed": "[bold red]FAILED[/bold red]    ",
    "could_not_check": "[bold yellow]not checked[/bold yellow]",
    "remark": "[dim]remark[/dim]    ",
    "withheld": "[cyan]withheld[/cyan]  ",
}
_NAMED: Final = 5
"""Names given of what a fault takes along, before the rest is only counted."""


def finding_lines(items: Iterable[Checked]) -> Iterator[str]:
    """Give lines, as markup, for what was found: one per incident, outcome and reason, in order."""
    groups: dict[tuple[str, str, str], list[Checked]] = {}
    for item in items:
        groups.setdefault((item.incident, item.outcome, item.message), []).append(item)
    for first, *others in groups.values():
        named = first.message.startswith(f"{first.name}:")
        yield f"{_MARKS[first.outcome]} {shown(first.message if named else f'{first.name}: {first.message}')}"
        if others:
            counts = Counter(item.kind for item in others)
            kinds = ", ".join(f"{count} {KIND_NAMES[kind]}" for kind, count in counts.items())
            more = "; ..." if len(others) > _NAMED else ""
            names = "; ".join(item.name for item in others[:_NAMED]) + more
            yield f"            [dim]the same of {kinds}: {shown(names)}[/dim]"
