"""Classes that functions make: what of an edit does not reach those that were made before."""

from __future__ import annotations

import ast
import sys

from hotpatch._native import Statement, Step
from hotpatch._scope import Scope

# The line of a class is a constant of its code then, which does not move.
HAS_LINES = sys.version_info >= (3, 13)


def has_to_change(step: Step) -> str:
    """Return what became of a function that gets other code, or nothing."""
    new = step.new
    assert new is not None
    if step.fate == "moved" and HAS_LINES and new.contains("class "):
        return "rewritten"
    return "" if step.fate in ("same", "moved") else step.fate


def changed_classes(old: Statement, new: Statement, scope: Scope) -> list[str]:
    """Return the names of classes in a function of which more changed than bodies of methods."""
    if not (old.contains("class ") and new.contains("class ")):
        return []
    shapes = [_shapes(it, scope) for it in (old, new)]
    return [name for name, shape in shapes[1].items() if shapes[0].get(name, shape) != shape]


def _shapes(statement: Statement, scope: Scope) -> dict[str, str]:
    """Return what the classes in a function are, apart from what is in their functions."""
    _, parent = scope.place.parse(statement)
    nodes = [*ast.walk(parent.body[0])]
    classes = [it for it in nodes if isinstance(it, ast.ClassDef)]
    for node in nodes[1:]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body, node.returns = [], None
            node.args = ast.arguments([], [], None, [], [], None, [])
    return {it.name: ast.dump(it) for it in classes}
