"""Write the list of formats from their declarations: `python -m incident_pipeline.parsers.catalogue FILE`.

With `--check` nothing is written; the exit status is 1 when the file is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from incident_pipeline.parsers.registry import all_formats

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.parsers.format import Format

_HEAD = """# Formats

Made from the declarations in `incident_pipeline/parsers/formats/` by `make formats`; don't edit.

The format of an artifact is told from its structure, never from its name. Where that goes wrong, name it:
`format` in `incident.json`, or `incident-pipeline parse --format ID`. Any of the names in the second column
will do; a name that several formats share narrows the choice to them. Your own formats: see "Your own
formats" in the [guide](guide.md).
"""


def catalogue(formats: Iterable[Format] | None = None) -> str:
    """Give the list as Markdown: the formats by id, what each gives and the document it follows."""
    chosen = sorted(formats if formats is not None else all_formats(), key=lambda item: item.id)
    lines = [
        _HEAD,
        f"{len(chosen)} formats.",
        "",
        "| id | other names | what it is | gives | follows |",
        "|---|---|---|---|---|",
        *(_row(item) for item in chosen),
        "",
    ]
    return "\n".join(lines)


def _row(item: Format) -> str:
    aliases = ", ".join(f"`{name}`" for name in item.aliases)
    gives = ", ".join(kind.value for kind in item.kinds) or "measurements"
    spec = f"<{item.spec}>" if item.spec.startswith("https://") else item.spec
    cells = (f"`{item.id}`", aliases, item.title, gives, spec)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the list, or compare it."""
    check = "--check" in arguments
    (target,) = [Path(argument) for argument in arguments if argument != "--check"]
    text = catalogue()
    if not check:
        target.write_text(text, encoding="utf-8")
        return 0
    if target.read_text(encoding="utf-8") == text:
        return 0
    print(f"{target} is not what the formats declare: run `make formats`.", file=sys.stderr)  # noqa: T201 - a script
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
