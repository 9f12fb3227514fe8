"""Which SQL a check may be: one SELECT over the incident's own tables that always gives the same answer.

A check may come from a model or from a file, so its text is hostile input. The text is parsed by the
engine itself and its syntax tree is held against lists of what is allowed: the tables of `schema.sql`,
types without a time zone (those read the machine's), and functions whose answer comes from their arguments
alone. A list of what is forbidden would have gaps: `age` with one argument reads the clock and is declared
stable, and the next release brings more of the kind. The locked connection (`database.py`) is the second
wall behind this one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import duckdb

from incident_pipeline.checks.allowed import FUNCTIONS, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SQL: Final = 20_000
"""Characters: a longer query is no check that a person could read."""

TABLES: Final = frozenset(
    {"artifacts", "events", "series", "samples", "measures", "spans", "calls", "logs", "alerts", "changes"}
)
"""What a check may read."""

_TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
_TABLE_REFERENCES: Final = frozenset(
    {"BASE_TABLE", "JOIN", "SUBQUERY", "TABLE_FUNCTION", "EMPTY", "EMPTY_FROM", "EXPRESSION_LIST", "CTE"}
)
_QUERY_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
"""A WITH may hide a DELETE or INSERT behind a SELECT: those have other node types."""


_SESSION_WORDS: Final = frozenset(
    {"current_timestamp", "current_time", "localtime", "localtimestamp", "current_user", "session_user"}
)
"""Keywords of the clock and the session that are no functions to the engine's own catalogue."""


class RefusedQueryError(Exception):
    """The text is no query that a check may run; the message says why in one sentence.

    Not part of `errors.py`: it never leaves this package. A refused query is an outcome, not a failure.
    """


def inspect(connection: duckdb.DuckDBPyConnection, sql: str, unstable: frozenset[str]) -> None:
    """Hold a query against what is allowed.

    Args:
        connection: used for its parser only.
        sql: the text.
        unstable: names of functions whose answer may change (`unstable_functions`): refused as bare words.

    Raises:
        RefusedQueryError: it is not exactly one SELECT, or reads something else than the incident's tables.
    """
    if len(sql) > MAX_SQL:
        message = f"the query is longer than {MAX_SQL} characters"
        raise RefusedQueryError(message)
    _require_one_select(connection, sql)
    answer = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    tree = json.loads(answer[0]) if answer else {"error": True}
    if tree.get("error"):
        message = f"the query can't be taken apart ({_first_line(str(tree.get('error_message', 'no tree')))})"
        raise RefusedQueryError(message)
    known = TABLES | frozenset(_names_of_ctes(tree))
    for node in _nodes(tree):
        refusal = _refusal(node, known, unstable)
        if refusal is not None:
            raise RefusedQueryError(refusal)


def unstable_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Give the functions that the engine itself declares volatile or dependent on the session."""
    rows = connection.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
        "WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
    ).fetchall()
    return frozenset(str(row[0]) for row in rows)


def _require_one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except (duckdb.Error, UnicodeError) as error:
        message = f"the query can't be parsed ({_first_line(str(error))})"
        raise RefusedQueryError(message) from error
    if len(statements) != 1:
        message = f"a check is exactly one statement, not {len(statements)}"
        raise RefusedQueryError(message)
    if statements[0].type != duckdb.StatementType.SELECT:
        message = f"a check only reads: {statements[0].type.name} is refused"
        raise RefusedQueryError(message)


def _refusal(node: dict[str, object], known: frozenset[str], unstable: frozenset[str]) -> str | None:
    """Say why a node of the syntax tree is refused, or None."""
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _QUERY_NODES:
        return f"a check only reads: {kind.removesuffix('_NODE').replace('_', ' ')} is refused"
    if node.get("sample") is not None:
        return "random samples are refused: the answer would change"
    if "alias" in node and "sample" in node:
        return _refusal_of_table(node, kind, known)
    return _refusal_of_expression(node, unstable)


def _refusal_of_table(node: dict[str, object], kind: str, known: frozenset[str]) -> str | None:
    if kind not in _TABLE_REFERENCES:
        return f"{kind} is refused: a check reads tables by name"
    if kind == "BASE_TABLE":
        table, schema, catalog = (
            str(node.get(key, "")).lower() for key in ("table_name", "schema_name", "catalog_name")
        )
        if table not in known or schema not in ("", "main") or catalog not in ("", "memory"):
            return f"there is no table {table!r} for checks; they read {', '.join(sorted(TABLES))}"
    if kind == "TABLE_FUNCTION":
        function = node.get("function")
        name = str(function.get("function_name", "")).lower() if isinstance(function, dict) else ""
        if name not in _TABLE_FUNCTIONS:
            return f"the table function {name!r} is refused"
    return None


def _refusal_of_expression(node: dict[str, object], unstable: frozenset[str]) -> str | None:
    if node.get("class") in ("FUNCTION", "WINDOW"):
        name = str(node.get("function_name", "")).lower()
        if name not in FUNCTIONS:
            return f"the function {name!r} is refused: it is not known to answer from the evidence alone"
    if node.get("class") == "TYPE":
        name = str(node.get("type_name", "")).lower()
        if name not in TYPES:
            return f"the type {name!r} is refused: checks know numbers, texts, and times without a zone"
    if node.get("class") == "COLUMN_REF":
        names = node.get("column_names")
        # `current_timestamp` and its like are written without brackets, so they arrive as column names.
        word = str(names[0]).lower() if isinstance(names, list) and len(names) == 1 else ""
        if word in unstable or word in _SESSION_WORDS:
            return f"{word!r} is refused: its answer does not come from the evidence"
    return None


def _nodes(value: object) -> Iterator[dict[str, object]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _names_of_ctes(tree: object) -> Iterator[str]:
    for node in _nodes(tree):
        entries = node.get("cte_map")
        if isinstance(entries, dict):
            for entry in entries.get("map", []):
                yield str(entry.get("key", "")).lower()


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no reason given"
