"""The annotations of names of a module."""

from __future__ import annotations
import __future__

import ast
import sys
from collections.abc import Iterator
from types import CodeType, ModuleType

from hotpatch._native import Outline, Statement
from hotpatch._scope import MISSING, OF_ANNOTATIONS, Scope, restore
from hotpatch._units import node_of

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def is_annotated(statement: Statement) -> bool:
    """Return whether a statement is an annotation, with or without a value."""
    return bool(names(statement))


def names(statement: Statement) -> list[str]:
    """Return what a statement annotates."""
    if statement.kind == "statement" and statement.contains(":"):
        node = node_of(statement)
        if isinstance(node, ast.AnnAssign):
            return [ast.unparse(node.target)]
    return []


def annotate(module: ModuleType, new: Outline, gone: set[str], scope: Scope) -> CodeType | None:
    """Let a module have the annotations that its text says, without those of names that are gone.

    Returns the code that was executed for it.
    """
    space, place = vars(module), scope.place
    tree = ast.parse(new.text)
    every = [it for it in _outside_of_definitions(tree) if isinstance(it, ast.AnnAssign)]
    before = [(name, space.get(name, MISSING)) for name in OF_ANNOTATIONS]
    scope.undo.add(restore, space, before)
    is_text = place.flags & __future__.annotations.compiler_flag
    if sys.version_info >= (3, 14) and not is_text:
        return _compute_when_asked(module, tree, every, scope)
    held = space.get("__annotations__", {})
    known = [it.target.id for it in every if isinstance(it.target, ast.Name) and it.simple]
    kept = {name: held[name] for name in (*known, *held) if name in held}
    for name in gone - {*known}:
        kept.pop(name, None)
    if every or kept:
        space["__annotations__"] = kept
    else:
        space.pop("__annotations__", None)
    return None


def _compute_when_asked(
    module: ModuleType, tree: ast.Module, every: list[ast.AnnAssign], scope: Scope
) -> CodeType | None:
    if any(it not in tree.body for it in every):
        return None  # it depends on what has run
    space, place = vars(module), scope.place
    for name in OF_ANNOTATIONS:
        space.pop(name, None)
    if not every:
        return None
    for it in every:
        it.value = None
    tree.body = [*every]
    code: CodeType = compile(tree, place.file, "exec", flags=place.flags, dont_inherit=True)
    exec(code, space)
    return code


def _outside_of_definitions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, _DEFINITIONS):
            yield from _outside_of_definitions(inner)
