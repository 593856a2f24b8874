"""Find the columns of a query that are NULL in every row, whatever the tables contain.

A published copy lacks columns, and views read NULL in their place. This module follows these NULLs
through the parts of a query. It knows the functions that our views use; a column that it does not
understand counts as one that has values.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope


class _Fixed(Enum):
    """What an expression is in every row; `NEVER` is false or NULL, so it is never true."""

    NULL = 1
    NEVER = 2
    ZERO = 3


_Lookup = Callable[[exp.Column], _Fixed | None]

_STRICT = (
    *(exp.AggFunc, exp.Window, exp.Cast, exp.Paren, exp.Alias, exp.Neg, exp.Not),
    *(exp.Lower, exp.Upper, exp.TimeToUnix, exp.Extract, exp.DateDiff, exp.Nullif),
)
"""Expressions that are NULL if their first argument is; `COUNT` is none of them."""

_ABSORBING = (exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)
"""Operators that may not be NULL although one side is."""


def empty_columns(query: exp.Query) -> set[str]:
    """Return the names of the columns of a query that are always NULL."""
    flags: dict[int, list[bool]] = {}
    for scope in traverse_scope(query):
        flags[id(scope)] = _empty_in(scope, flags)
    return _names(scope, flags)


def _names(scope: Scope, flags: Mapping[int, Sequence[bool]]) -> set[str]:
    names = scope.expression.named_selects
    return {name for name, is_empty in zip(names, flags[id(scope)], strict=True) if is_empty}


def _empty_in(scope: Scope, flags: Mapping[int, Sequence[bool]]) -> list[bool]:
    """Return which columns of a part of a query are always NULL, in order."""
    if scope.union_scopes:
        # The columns of the parts of a union go by their position.
        branches = (flags[id(branch)] for branch in scope.union_scopes)
        return [all(both) for both in zip(*branches, strict=True)]
    empty = {
        name: _names(source, flags)
        for name, source in scope.sources.items()
        if isinstance(source, Scope) and id(source) in flags
    }

    def look_up(column: exp.Column) -> _Fixed | None:
        sources = [column.table] if column.table else [*empty]
        is_empty = any(column.name in empty.get(name, ()) for name in sources)
        return _Fixed.NULL if is_empty else None

    return [_fixed(one, look_up) is _Fixed.NULL for one in scope.expression.selects]


def _fixed(node: exp.Expression | None, look_up: _Lookup) -> _Fixed | None:
    """Return what an expression is in every row; None if that depends on the row."""
    if node is None or isinstance(node, exp.Null):
        return _Fixed.NULL
    for kind, find in _RULES:
        if isinstance(node, kind):
            return find(node, look_up)
    return None


def _of_strict(arguments: Sequence[Any], look_up: _Lookup) -> _Fixed | None:
    """Return NULL if the first argument is; a function may have none."""
    argument = next(iter(arguments), None)
    is_null = isinstance(argument, exp.Expression) and _fixed(argument, look_up) is _Fixed.NULL
    return _Fixed.NULL if is_null else None


def _of_case(node: exp.Case, look_up: _Lookup) -> _Fixed | None:
    """Return NULL if every branch that can be reached is."""
    never = {_Fixed.NULL, _Fixed.NEVER}
    reached = [
        branch.args.get("true")
        for branch in node.args["ifs"]
        if node.this is not None or _fixed(branch.this, look_up) not in never
    ]
    values = {_fixed(value, look_up) for value in (*reached, node.args.get("default"))}
    return _Fixed.NULL if values == {_Fixed.NULL} else None


def _of_operator(node: exp.Binary, look_up: _Lookup) -> _Fixed | None:
    sides = [_fixed(side, look_up) for side in (node.left, node.right)]
    never = [side in (_Fixed.NULL, _Fixed.NEVER) for side in sides]
    if isinstance(node, exp.Or):
        return _Fixed.NEVER if all(never) else None
    if isinstance(node, exp.And):
        return _Fixed.NEVER if any(never) else None
    if isinstance(node, exp.GT) and sides[0] is _Fixed.ZERO and _is_number(node.right):
        return _Fixed.NEVER
    if _Fixed.NULL in sides and not isinstance(node, _ABSORBING):
        return _Fixed.NULL
    return None


def _is_number(node: exp.Expression) -> bool:
    """Return whether a literal is a number, which has no sign in sqlglot's trees."""
    return isinstance(node, exp.Literal) and not node.is_string


def _of_coalesce(node: exp.Coalesce, look_up: _Lookup) -> _Fixed | None:
    parts = {_fixed(part, look_up) for part in (node.this, *node.expressions)}
    return _Fixed.NULL if parts == {_Fixed.NULL} else None


def _of_count(node: exp.Count, look_up: _Lookup) -> _Fixed | None:
    return _Fixed.ZERO if _fixed(node.this, look_up) is _Fixed.NULL else None


_RULES: Sequence[tuple[Any, Callable[[Any, _Lookup], _Fixed | None]]] = (
    (exp.Column, lambda node, look_up: look_up(node)),
    (exp.Case, _of_case),
    (exp.Coalesce, _of_coalesce),
    (exp.Count, _of_count),
    (exp.Binary, _of_operator),
    (exp.Anonymous, lambda node, look_up: _of_strict(node.expressions[:1], look_up)),
    (_STRICT, lambda node, look_up: _of_strict([node.args.get("this")], look_up)),
)
"""Kinds of expressions, and what finds out what they are; the first that fits counts."""
