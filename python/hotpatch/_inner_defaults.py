"""Defaults of functions in functions: those that are constants follow in what was made before."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType

from hotpatch._derived import is_immutable
from hotpatch._functions import defaults_of
from hotpatch._native import Statement
from hotpatch._units import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Defaults: TypeAlias = Callable[[FunctionType], dict[str, Any]]
    _Node: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def inner_defaults(
    old: Statement, new: Statement, place: Place, pairs: list[tuple[CodeType, CodeType]]
) -> Iterator[tuple[CodeType, Defaults]]:
    """Iterate over code objects of functions in a function whose defaults changed.

    Each comes with what says which defaults a function has now that was made of it. `pairs` are the
    code objects of the statement, each with what it became.
    """
    nodes = [{_place(it): it for it in _functions(statement, place)} for statement in (old, new)]
    for before, after in pairs:
        one = nodes[0].get((before.co_name, before.co_firstlineno))
        other = nodes[1].get((after.co_name, after.co_firstlineno))
        if one is None or other is None:
            continue
        known, wanted = _defaults(one), _defaults(other)
        texts = [{name: ast.dump(it) for name, it in them.items()} for them in (known, wanted)]
        if texts[0] != texts[1]:
            same = {name for name in wanted if texts[0].get(name) == texts[1][name]}
            constants = dict(_constants(wanted))
            yield before, _defaults_now(same, constants, {*wanted})


def _defaults_now(same: set[str], constants: dict[str, Any], wanted: set[str]) -> Defaults:
    def defaults(function: FunctionType) -> dict[str, Any]:
        now = defaults_of(function)
        for name in wanted - same:
            if name in constants:
                now[name] = constants[name]
        return {name: value for name, value in now.items() if name in wanted}

    return defaults


def _functions(statement: Statement, place: Place) -> Iterator[_Node]:
    _, parent = place.parse(statement)
    for node in [*ast.walk(parent.body[0])][1:]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _place(node: _Node) -> tuple[str, int]:
    """Return the name and the first line, as its code has them."""
    return node.name, min([node.lineno, *(it.lineno for it in node.decorator_list)])


def _defaults(node: _Node) -> dict[str, ast.expr]:
    arguments = node.args
    names = [it.arg for it in (*arguments.posonlyargs, *arguments.args)]
    count = len(arguments.defaults)
    found = dict(zip(names[len(names) - count :], arguments.defaults, strict=True))
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {**found, **{name.arg: it for name, it in keywords if it is not None}}


def _constants(defaults: dict[str, ast.expr]) -> Iterator[tuple[str, object]]:
    for name, node in defaults.items():
        try:
            value = ast.literal_eval(node)
        except ValueError:
            continue
        if is_immutable(value):
            yield name, value
