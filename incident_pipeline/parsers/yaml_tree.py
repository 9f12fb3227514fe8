"""YAML as evidence holds it: a tree of nodes that know their bytes and their pointer.

Read from the events of libyaml, so that nothing is constructed: tags (Python objects among them) are text
of no consequence, and every scalar stays the text it is written as, except null. Aliases give the value
of their anchor as long as the whole stays bounded. Documents (`---`) are read each for itself, so that a
broken one does not take the others with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Value = dict[str, "Value"] | list["Value"] | str | None

_BREAK: Final = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NULL: Final = ("", "~", "null", "Null", "NULL")
_BOM: Final = b"\xef\xbb\xbf"
_MAX_DEPTH: Final = 64
_MAX_EXPANDED: Final = 100_000
"""So many nodes a document's aliases may stand for; further ones stay text."""
_MAX_KEY: Final = 200
_MAX_ERROR: Final = 160
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYamlError(ValueError):
    """Text is no YAML that evidence may hold; the message says why."""


@dataclass(frozen=True)
class Node:
    """A value of a document with its bytes; `pointer` is the path from the document's root (RFC 6901)."""

    value: Any
    start: int
    end: int
    pointer: str
    children: dict[str, Node]
    size: int = 1

    def find(self, *path: str) -> Node | None:
        """Give what stands at a path of keys and indices."""
        node: Node | None = self
        for name in path:
            node = node.children.get(name) if node is not None else None
        return node


@dataclass(frozen=True)
class Document:
    """One document: its bytes, and its root or what is wrong with it."""

    start: int
    end: int
    root: Node | None
    problem: str | None = None


def yaml_documents(data: bytes) -> Iterator[Document]:
    """Give the documents of a stream in their order, each with its `---` and the comments before it."""
    for start, end in _ranges(data):
        try:
            root = _read(data[start:end], start)
        except NotYamlError as error:
            yield Document(start, end, None, str(error))
            continue
        if root is None or root.value is None:
            yield Document(start, end, None, "an empty YAML document")
        else:
            yield Document(start, end, replace(root, start=start, end=end))


def records(data: bytes, root: Node) -> list[Node]:
    """Give a document's records: the elements of a list, each with the lines before it, else the whole."""
    if not isinstance(root.value, list) or not root.value:
        return [root]
    children = list(root.children.values())
    ends = [child.start for child in children[1:]] + [root.end]
    found: list[Node] = []
    at = root.start
    for child, end in zip(children, ends, strict=True):
        # The dash of the next element belongs to it, not to this one.
        piece = data[at:end]
        stop = at + len(piece.rstrip() if end == root.end else piece.rstrip().removesuffix(b"-").rstrip())
        start = at + len(piece) - len(piece.lstrip())
        found.append(replace(child, start=min(start, child.start), end=max(stop, child.end)))
        at = found[-1].end
    return found


def _ranges(data: bytes) -> Iterator[tuple[int, int]]:
    at = len(_BOM) if data.startswith(_BOM) else 0
    for mark in (*_BREAK.finditer(data), None):
        end = mark.start() if mark is not None else len(data)
        piece = data[at:end]
        stop = at + len(piece.rstrip())
        if stop > at:
            # Indentation of the first line belongs to the document; blank lines do not.
            start = at + len(piece) - len(piece.lstrip())
            yield max(at, data.rfind(b"\n", at, start) + 1), stop
        at = end


def _read(piece: bytes, base: int) -> Node | None:
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"no UTF-8 at byte {error.start}"
        raise NotYamlError(message) from error
    places = _byte_places(text, piece)
    builder = _Builder(piece, base, places)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        message = f"no YAML: {' '.join(str(error).split())[:_MAX_ERROR]}"
        raise NotYamlError(message) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotYamlError):
            raise
        message = f"no YAML: {str(error)[:_MAX_ERROR]}"
        raise NotYamlError(message) from error
    return builder.root


def _byte_places(text: str, piece: bytes) -> NDArray[np.int64] | None:
    """Give the byte at which each character stands; None where they are the same."""
    if len(text) == len(piece):
        return None
    first = (np.frombuffer(piece, np.uint8) & 0xC0) != 0x80  # noqa: PLR2004 - continuation bytes of UTF-8
    return np.append(np.flatnonzero(first), len(piece))


class _Open:
    """A collection that is being read."""

    def __init__(self, start: int, pointer: str, *, mapping: bool, anchor: str | None) -> None:
        self.start = start
        self.pointer = pointer
        self.mapping = mapping
        self.anchor = anchor
        self.children: dict[str, Node] = {}
        self.values: list[Any] = []
        self.key: str | None = None
        self.size = 1
        self.end = start

    @staticmethod
    def key_text(node: Node) -> str:
        """Name a key that is no text: by where it stands, since its value may be of any size."""
        return "null" if node.value is None else f"?{node.start}"

    @property
    def place(self) -> str:
        """The pointer of the next child."""
        name = self.key if self.mapping else str(len(self.values))
        return f"{self.pointer}/{(name or '').replace('~', '~0').replace('/', '~1')}"

    def put(self, node: Node) -> None:
        """Take the next child; of equal keys the last counts."""
        self.size += node.size
        self.end = max(self.end, node.end)
        if not self.mapping:
            self.children[str(len(self.values))] = node
            self.values.append(node.value)
        elif self.key is None:
            self.key = node.value if isinstance(node.value, str) else self.key_text(node)
        else:
            self.children[self.key] = node
            self.key = None


class _Builder:
    """Builds nodes from the parser's events, with a stack of its own: no input can exhaust Python's."""

    def __init__(self, piece: bytes, base: int, places: NDArray[np.int64] | None) -> None:
        self.piece, self.base, self.places = piece, base, places
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.expanded = 0

    def take(self, event: yaml.Event) -> None:
        """Take one event."""
        if isinstance(event, yaml.ScalarEvent):
            start, end = self._at(event.start_mark.index), self._at(event.end_mark.index)
            if event.style in ("|", ">"):
                end = start + len(self.piece[start - self.base : end - self.base].rstrip())
            plain = event.style in (None, "") and event.value in _NULL and event.tag is None
            text = None if plain else _clean(event.value)
            self._put(Node(text, start, end, self._pointer(), {}), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self.stack) >= _MAX_DEPTH:
                message = "nested too deeply"
                raise NotYamlError(message)
            mapping = isinstance(event, yaml.MappingStartEvent)
            start = self._at(event.start_mark.index)
            self.stack.append(_Open(start, self._pointer(), mapping=mapping, anchor=event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            opened = self.stack.pop()
            value = (
                {key: child.value for key, child in opened.children.items()}
                if opened.mapping
                else opened.values
            )
            end = self._end_of(opened, self._at(event.end_mark.index))
            self._put(
                Node(value, opened.start, end, opened.pointer, opened.children, opened.size), opened.anchor
            )
        elif isinstance(event, yaml.AliasEvent):
            start, end = self._at(event.start_mark.index), self._at(event.end_mark.index)
            known = self.anchors.get(event.anchor)
            self.expanded += known.size if known is not None else 1
            if known is None or self.expanded > _MAX_EXPANDED:
                self._put(Node(f"*{event.anchor}", start, end, self._pointer(), {}), None)
            else:
                self._put(Node(known.value, start, end, self._pointer(), {}, known.size), None)

    def _pointer(self) -> str:
        return self.stack[-1].place if self.stack else ""

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if self.stack:
            self.stack[-1].put(node)
        elif self.root is None:
            self.root = node
        else:
            message = "more documents than `---` marks"
            raise NotYamlError(message)

    def _at(self, index: int) -> int:
        return self.base + (index if self.places is None else int(self.places[index]))

    def _end_of(self, opened: _Open, end: int) -> int:
        """Give where a collection ends; the mark of a block stands at the next token, past white space."""
        at = end - self.base
        return end if self.piece[at - 1 : at] in (b"}", b"]") else max(opened.end, opened.start)


def _clean(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 column can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
