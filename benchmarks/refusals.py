"""Find the refusals in the verifier's source, and take each away: the mutants of `mutate_verifier`.

A refusal is whatever makes a verification come out worse: a `raise`, a finding that is noted, a check that
is called, an operand of the condition that decides one, a `return False` of a predicate. A mutant is the
module's syntax tree with one of them taken away or weakened, and everything else as it is. Pure functions
over source text; nothing is imported or run here.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

HOLDS = {"included", "consistent", "_no_milder", "check_time_and_key", "is_safe_name"}
"""Predicates of which True means that something holds."""
NO_REFUSAL = {
    "holds", "append", "extend", "add", "update", "setdefault", "pop", "close", "unlink", "mkdir", "flock",
    "write", "write_bytes", "fsync", "replace", "flush", "sort", "chmod", "pin", "pin_places", "_push",
    "_sync", "enter_reading", "write_private", "seek", "truncate", "enter",
}  # fmt: skip
"""What is called for its effect, not to refuse; `add` and `error` of findings are looked at on their own."""
OUTCOMES = {"failed", "could_not_check", "remark"}


@dataclass(frozen=True)
class Mutant:
    """One refusal taken away.

    `lines` are those that a test must reach to see a difference; `function` is the outermost function by
    its qualified name; `calls` names the check whose call was taken away.
    """

    module: str
    function: str
    line: int
    kind: str
    what: str
    lines: range
    tree: Callable[[], ast.Module]
    calls: str = ""

    @property
    def name(self) -> str:
        """Give what the mutant is known by while the source stays the same."""
        return f"{self.module}:{self.line}:{self.kind}:{self.what}"


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Give all mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    for function, node in _functions(tree):
        for site in _sites(node):
            changed = site.node if isinstance(site.by, ast.Pass) else site.by
            lines = range(site.reach.lineno, (site.reach.end_lineno or site.reach.lineno) + 1)
            what = " ".join(ast.unparse(changed).split())[:110]
            calls = _called(site.node.value) if isinstance(site.node, ast.Expr) else ""
            found.append(
                Mutant(
                    module,
                    function,
                    site.node.lineno,
                    site.kind,
                    what,
                    lines,
                    partial(_apply, tree, site),
                    calls,
                )
            )
    return sorted(found, key=lambda it: (it.line, it.kind, it.what))


@dataclass(frozen=True)
class _Site:
    """Where something is replaced, by what; `reach` is what a test must execute to see it."""

    node: ast.stmt | ast.expr
    by: ast.stmt | ast.expr
    kind: str
    reach: ast.stmt | ast.expr


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    yield f"{node.name}.{member.name}", member


def _sites(function: ast.FunctionDef) -> Iterator[_Site]:
    for node in ast.walk(function):
        if isinstance(node, ast.stmt):
            yield from _sites_of_statement(node, function.name)
        elif isinstance(node, ast.IfExp) and _is_outcome(node):
            yield _Site(node, node.orelse, "outcome", node)
            yield _Site(node, node.body, "outcome", node)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            yield _Site(node, ast.BinOp(node.left, ast.Sub(), node.right), "difference", node)
            yield _Site(node, ast.BinOp(node.right, ast.Sub(), node.left), "difference", node)


def _sites_of_statement(node: ast.stmt, function: str) -> Iterator[_Site]:
    if kind := _kind_of_statement(node):
        yield _Site(node, ast.Pass(), kind, node)
    elif isinstance(node, ast.If) and any(_refuses(it, function) for it in node.body):
        for weaker in _weaker(node.test):
            yield _Site(node.test, weaker, "condition", node.body[0])
    elif isinstance(node, ast.Return) and function == "exit_code":
        yield _Site(node, ast.Return(ast.Constant(value=0)), "exit code", node)
    elif isinstance(node, ast.Return) and node.value is not None and function in HOLDS:
        if not isinstance(node.value, ast.Constant):
            for looser in _looser(node.value):
                yield _Site(node.value, looser, "return", node)
        elif node.value.value is False:
            yield _Site(node.value, ast.Constant(value=True), "return", node)


def _kind_of_statement(node: ast.stmt) -> str:
    """Say what refuses as a statement of its own; nothing when it does not."""
    if isinstance(node, ast.Raise):
        return "raise"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _kind_of_call(node.value)
    is_misfit = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("misfits[")
    return "finding" if is_misfit else ""


def _kind_of_call(call: ast.Call) -> str:
    """Say what a call that stands alone is; nothing when it refuses nothing."""
    name = _called(call)
    target = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(target, ast.Name) and target.id == "findings" and name in ("add", "error"):
        return "finding"
    return "" if name in NO_REFUSAL else "check"


def _called(call: ast.expr) -> str:
    function = call.func if isinstance(call, ast.Call) else call
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _refuses(statement: ast.stmt, function: str) -> bool:
    """Say whether a statement, in the branch of a condition, refuses."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _kind_of_call(statement.value) == "finding"
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Constant):
        return function in HOLDS and statement.value.value is False
    return isinstance(statement, ast.Raise)


def _is_outcome(node: ast.IfExp) -> bool:
    values = [it.value for it in (node.body, node.orelse) if isinstance(it, ast.Constant)]
    return len(values) == 2 and all(isinstance(it, str) and it in OUTCOMES for it in values)


def _weaker(test: ast.expr) -> Iterator[ast.expr]:
    """Give conditions that are true less often: those where one of several reasons is left out."""
    if isinstance(test, ast.BoolOp):
        for index, operand in enumerate(test.values):
            rest = [it for other, it in enumerate(test.values) if other != index]
            if isinstance(test.op, ast.Or):
                yield rest[0] if len(rest) == 1 else ast.BoolOp(test.op, rest)
            for weaker in _weaker(operand):
                values = [weaker if other == index else it for other, it in enumerate(test.values)]
                yield ast.BoolOp(test.op, values)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        for looser in _looser(test.operand):
            yield ast.UnaryOp(ast.Not(), looser)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.NotEq):
        yield from _without_members(test)


def _looser(test: ast.expr) -> Iterator[ast.expr]:
    """Give conditions that are true more often: those where one of several demands is left out."""
    if isinstance(test, ast.BoolOp):
        for index, operand in enumerate(test.values):
            rest = [it for other, it in enumerate(test.values) if other != index]
            if isinstance(test.op, ast.And):
                yield rest[0] if len(rest) == 1 else ast.BoolOp(test.op, rest)
            for looser in _looser(operand):
                values = [looser if other == index else it for other, it in enumerate(test.values)]
                yield ast.BoolOp(test.op, values)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        for weaker in _weaker(test.operand):
            yield ast.UnaryOp(ast.Not(), weaker)
    elif isinstance(test, ast.Compare) and len(test.ops) > 1:
        terms = [test.left, *test.comparators]
        links: list[ast.expr] = [
            ast.Compare(terms[at], [op], [terms[at + 1]]) for at, op in enumerate(test.ops)
        ]
        for index in range(len(links)):
            rest = [link for other, link in enumerate(links) if other != index]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(ast.And(), rest)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        yield from _without_members(test)


def _without_members(test: ast.Compare) -> Iterator[ast.expr]:
    """Leave out one pair of two tuples that are compared."""
    left, right = test.left, test.comparators[0]
    if not isinstance(left, ast.Tuple) or not isinstance(right, ast.Tuple):
        return
    ends = [isinstance(it, ast.Starred) for it in right.elts]
    if any(ends[1:]) or (any(ends) and len(left.elts) != len(right.elts) + 1):
        return
    # `(*seal, leaf)` against `(a, b, leaf)`: the first element stands for two.
    pairs: list[tuple[list[ast.expr], list[ast.expr]]] = (
        [
            (left.elts[:2], right.elts[:1]),
            *(([one], [two]) for one, two in zip(left.elts[2:], right.elts[1:], strict=True)),
        ]
        if any(ends)
        else [([one], [two]) for one, two in zip(left.elts, right.elts, strict=True)]
    )
    for index in range(len(pairs)):
        kept = [pair for other, pair in enumerate(pairs) if other != index]
        one = ast.Tuple([it for pair in kept for it in pair[0]], ast.Load())
        two = ast.Tuple([it for pair in kept for it in pair[1]], ast.Load())
        yield ast.Compare(one, test.ops, [two])


def _apply(tree: ast.Module, site: _Site) -> ast.Module:
    """Give the tree with one node replaced."""
    memo: dict[int, object] = {}
    copied = copy.deepcopy(tree, memo)
    target = memo[id(site.node)]
    by = ast.copy_location(copy.deepcopy(site.by), site.node)

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return by if node is target else super().visit(node)

    return ast.fix_missing_locations(Replace().visit(copied))
