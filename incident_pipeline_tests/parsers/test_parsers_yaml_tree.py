"""YAML as a tree of places; the second opinion is PyYAML's own loader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers.yaml_tree import Node, records, yaml_documents

TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\x85"
    ),
    max_size=12,
)
VALUES = st.recursive(
    TEXT | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def nodes(node: Node) -> list[Node]:
    return [node, *(one for child in node.children.values() for one in nodes(child))]


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_values_are_those_of_pyyaml(value: dict[str, Any], flow: bool) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow)
    (document,) = yaml_documents(text.encode())
    assert document.root is not None
    # Everything was text when it was dumped, so both readers must give it back.
    assert document.root.value == value == yaml.safe_load(text)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_bytes_of_a_flow_node_are_its_value(value: dict[str, Any]) -> None:
    data = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000).encode()
    (document,) = yaml_documents(data)
    assert document.root is not None
    for node in nodes(document.root):
        again = yaml.load(data[node.start : node.end].decode(), Loader=yaml.CBaseLoader)  # noqa: S506 - texts only
        assert (
            again == (node.value if node.value is not None else "null")
            or node.value in (None, "")
            or (isinstance(node.value, (dict, list)))
        )


def test_pointers_and_bytes_of_a_block() -> None:
    data = b"a:\n- name: x\n  text: |\n    one\n    two\n\n- b/c: [1, 2]\n# end\n"
    (document,) = yaml_documents(data)
    assert document.root is not None
    first, second = document.root.find("a", "0"), document.root.find("a", "1", "b/c")
    assert first is not None
    assert second is not None
    assert data[first.start : first.end] == b"name: x\n  text: |\n    one\n    two"
    assert (first.pointer, second.pointer) == ("/a/0", "/a/1/b~1c")
    assert data[second.start : second.end] == b"[1, 2]"
    assert first.value == {"name": "x", "text": "one\ntwo\n"}


def test_records_of_a_list_leave_no_line_out() -> None:
    data = b"---\n# one\n- a: 1\n  # two\n-\n# three\n- [2,\n   3]\n# four\n"
    (document,) = yaml_documents(data)
    assert document.root is not None
    found = records(data, document.root)
    assert [node.value for node in found] == [{"a": "1"}, None, ["2", "3"]]
    assert b" ".join(data[node.start : node.end] for node in found).split() == data.split()


def test_a_broken_document_does_not_take_the_others_with_it() -> None:
    data = "---\na: é\n---\nb: [1\n---\nc: 2\n".encode()
    found = list(yaml_documents(data))
    assert [document.root.value if document.root else None for document in found] == [
        {"a": "é"},
        None,
        {"c": "2"},
    ]
    assert data[found[0].start : found[0].end] == "---\na: é".encode()
    assert "no YAML" in (found[1].problem or "")


def test_tags_construct_nothing_and_aliases_stay_bounded() -> None:
    data = b"a: !!python/object/apply:os.system ['exit 1']\nb: &x [1, 2]\nc: *x\n"
    (document,) = yaml_documents(data)
    assert document.root is not None
    assert document.root.value == {"a": ["exit 1"], "b": ["1", "2"], "c": ["1", "2"]}
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    (document,) = yaml_documents(bomb.encode())
    assert document.root is not None
    assert document.root.value["a9"] == ["*a8"] * 10


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 50_000,
        b"- " * 50_000,
        b"? " * 50_000,
        b"{" * 50_000,
        b"a: \x01",
        b"\xff",
        b"%YAML 9\n",
        b"&a [*a]",
    ],
)
def test_hostile_documents_are_told_not_raised(data: bytes) -> None:
    for document in yaml_documents(data):
        assert document.root is not None or document.problem
