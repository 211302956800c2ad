"""Mechanical faults: small changes of syntax, drawn with a seed evenly over the lines of all modules.

A fault is known by its seed and number only, so the list is made anew from the source each time.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

from faults.fault import ROOT, Fault

SEED, COUNT = 18, 200
# Comparisons whose border or sense changes; operators that are taken for each other.
COMPARED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMBINED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "max"}
MESSAGES = {"explain", "warn", "shown", "cast", "TypeVar"}  # calls that say something, or speak to type checkers
# Calls whose arguments may be exchanged, or could not be by mistake.
IN_ORDER = {"min", "max", "gcd", "lcm", "minimum", "maximum", "array_equal", "isinstance", "hasattr", "getattr"}

# First and last byte of a place, what is changed there, the new text, and the line.
Place: TypeAlias = tuple[int, int, str, str, int]


def _comparison(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            new = deepcopy(node)
            new.ops[number] = COMPARED[type(operator)]()
            yield "another comparison", new


def _arithmetic(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp) and type(node.op) in COMBINED and not isinstance(node.left, ast.Constant | ast.List):
        yield "another operator", ast.BinOp(node.left, COMBINED[type(node.op)](), node.right)
        yield "the first operand alone", node.left
    if isinstance(node, ast.UnaryOp):
        yield "without its sign" if not isinstance(node.op, ast.Not) else "without not", node.operand


def _constant(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "the opposite", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "one more", ast.Constant(node.value + 1)


def _condition(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BoolOp):
        yield "and for or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for number in range(len(node.values)):
            rest = node.values[:number] + node.values[number + 1 :]
            yield "a condition dropped", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    if isinstance(node, ast.IfExp):
        yield "branches exchanged", ast.IfExp(node.test, node.orelse, node.body)


def _call(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.Call):
        return
    variables = [one for one in node.args[:2] if isinstance(one, ast.Name | ast.Attribute | ast.Subscript)]
    if len(variables) == 2 and ast.dump(variables[0]) != ast.dump(variables[1]) and name(node.func) not in IN_ORDER:
        yield "arguments exchanged", ast.Call(node.func, [*variables[::-1], *node.args[2:]], node.keywords)
    if isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield "another reduction", ast.Call(ast.Name(NAMES[node.func.id]), node.args, node.keywords)


def _statement(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Raise | ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "statement dropped", ast.Pass()


CHANGES: tuple[Callable[[ast.AST], Iterator[tuple[str, ast.AST]]], ...] = (
    _comparison,
    _arithmetic,
    _constant,
    _condition,
    _call,
    _statement,
)


def drawn(seed: int = SEED, count: int = COUNT, root: Path = ROOT) -> list[Fault]:
    """`count` faults, each at the place nearest to one of as many lines that stand evenly over all modules.

    >>> first, *_ = drawn(count=1)
    >>> first.name.split(",")[0]
    'mechanical 0 of seed 18'
    """
    generator = random.Random(seed)
    modules = [path for path in sorted((root / "jaxconv").rglob("*.py")) if path.name != "__init__.py"]
    sources = [path.read_bytes() for path in modules]
    left = [list(places(source)) for source in sources]
    ends = list(accumulate(source.count(b"\n") for source in sources))
    offset = generator.random()
    faults = []
    for number in range(count):
        line = (number + offset) * ends[-1] / count
        module = next(n for n, end in enumerate(ends) if line < end and left[n])
        line -= ends[module - 1] if module else 0
        nearest = min(abs(at - line) for *_, at in left[module])
        chosen = generator.choice([place for place in left[module] if abs(place[-1] - line) == nearest])
        left[module] = [place for place in left[module] if place[:2] != chosen[:2]]
        start, stop, what, text, at = chosen
        file = modules[module].relative_to(root).as_posix()
        name = f"mechanical {number} of seed {seed}, {what} in line {at}"
        faults.append(Fault("mechanical", name, file, start, stop, text.encode()))
    return faults


@cache
def places(source: bytes) -> tuple[Place, ...]:
    """All changes of a module."""
    starts = [0, *accumulate(len(row) for row in source.splitlines(keepends=True))]
    found = []
    for node in _behaviour(ast.parse(source)):
        for what, new in (change for changes in CHANGES for change in changes(node)):
            text = ast.unparse(ast.fix_missing_locations(new))
            text = f"({text})" if isinstance(new, ast.expr) else text
            start = starts[node.lineno - 1] + node.col_offset
            found.append((start, starts[node.end_lineno - 1] + node.end_col_offset, what, text, node.lineno))
    return tuple(found)


def _behaviour(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that decide what a module does: no docstrings, annotations, decorators, messages or texts."""
    if _is_text(node):
        return
    if isinstance(node, ast.expr | ast.stmt):
        yield node
    if isinstance(node, ast.Raise):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _behaviour(child)


def _is_text(node: ast.AST) -> bool:
    """Whether a node is for readers or type checkers, or is a bound on time or memory that no result depends on."""
    match node:
        case ast.Call(func=function):
            return name(function) in MESSAGES
        case ast.keyword(arg=argument):
            return argument == "strict"  # of zip: the lengths are equal, where all is well
        case ast.AnnAssign(annotation=kind):
            return name(kind) == "TypeAlias"
        case ast.If(test=condition):
            return name(condition) == "TYPE_CHECKING"
        case ast.Assign(targets=[target, *_], value=value):
            limit = all(isinstance(one, ast.Constant | ast.BinOp | ast.operator) for one in ast.walk(value))
            return name(target) in ("__all__", "cure", "expected") or (limit and name(target).isupper())
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom)


def name(node: ast.AST) -> str:
    """The last part of a dotted name; nothing for other nodes."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
