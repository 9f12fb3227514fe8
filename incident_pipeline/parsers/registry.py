"""Find the formats: every module of `parsers.formats` lists its own in `FORMATS`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from incident_pipeline.parsers import formats

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format


@cache
def all_formats() -> tuple[Format, ...]:
    """Give every format, the special before the general and then by id: the order settles equal scores.

    Raises:
        ValueError: two formats have the same id, or an alias is another's id.
    """
    found: list[Format] = []
    for module in iter_modules(formats.__path__):
        found += getattr(import_module(f"{formats.__name__}.{module.name}"), "FORMATS", ())
    ids = [item.id for item in found]
    doubled = {name for name in ids if ids.count(name) > 1}
    doubled |= {alias for item in found for alias in item.aliases if alias in ids}
    if doubled:
        message = f"names of formats that are taken twice: {', '.join(sorted(doubled))}"
        raise ValueError(message)
    return tuple(sorted(found, key=lambda item: (item.generality, item.id)))


def known_formats() -> tuple[str, ...]:
    """Give the ids of all formats, sorted."""
    return tuple(sorted(item.id for item in all_formats()))
