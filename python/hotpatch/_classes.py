"""What a class is besides the names that its body binds: its bases and annotations."""

from __future__ import annotations

import ast
import sys
from types import ModuleType, resolve_bases

from hotpatch._blocks import NotAppliedError
from hotpatch._native import Statement
from hotpatch._scope import Names, Scope, execute
from hotpatch._units import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def annotate(new: Statement, scope: Scope, inner: Scope, module: ModuleType) -> None:
    """Give a class the annotations that its text has now.

    `scope` is where the class stands, and `inner` the class.
    """
    tree, parent = scope.place.parse(new)
    node = parent.body[0]
    assert isinstance(node, ast.ClassDef)
    kept: list[ast.stmt] = [
        ast.copy_location(
            ast.AnnAssign(target=it.target, annotation=it.annotation, value=None, simple=it.simple),
            it,
        )
        for it in node.body
        if isinstance(it, ast.AnnAssign)
    ]
    node.body = kept or [ast.copy_location(ast.Pass(), node)]
    node.decorator_list, node.bases, node.keywords = [], [], []
    place = scope.place
    code = compile(tree, place.file, "exec", flags=place.flags, dont_inherit=True)
    names = Names(vars(inner.owner))
    execute(child(place.body(code), node.name), vars(module), names, inner.owner)
    # Since 3.14 there is a function that makes them.
    function = names.bound.get("__annotate_func__") or names.bound.get("__annotate__")
    owner: Any = inner.owner
    if hasattr(owner, "__annotate__"):
        before = owner.__annotate__
        scope.undo.add(setattr, owner, "__annotate__", before)
        owner.__annotate__ = function
        if function is None:
            owner.__annotations__ = {}  # there are those that it made before
    elif vars(owner).get("__annotations__") is not None or kept:
        inner.set("__annotations__", names["__annotations__"])


def set_bases(new: Statement, scope: Scope, inner: Scope, module: ModuleType) -> None:
    """Give a class the bases that its text has now.

    Raises `NotAppliedError` if CPython does not allow it.
    """
    after = _only(new, scope)
    assert isinstance(after, ast.ClassDef)
    names = scope.names(module)
    values = []
    for node in after.bases:
        code = compile(ast.Expression(node), scope.place.file, "eval", dont_inherit=True)
        values.append(eval(code, *names))
    owner: Any = inner.owner
    bases, now = owner.__bases__, resolve_bases(tuple(values)) or (object,)
    if not all(issubclass(type(owner), type(base)) for base in now):
        raise NotAppliedError("its bases have another metaclass")
    try:
        if now != bases:
            owner.__bases__ = now
    except TypeError as error:
        raise NotAppliedError(f"its bases cannot change: {error}") from error
    scope.undo.add(setattr, owner, "__bases__", bases)
    written = tuple(values)
    if resolve_bases(written) is not written:  # as `type` does not say
        inner.set("__orig_bases__", written)
    elif "__orig_bases__" in vars(owner):
        inner.delete("__orig_bases__")
    generic: Any = getattr(sys.modules.get("typing"), "Generic", None)
    if generic in owner.__mro__:
        inner.set("__parameters__", vars(owner).get("__parameters__", ()))  # to be taken back
        vars(generic)["__init_subclass__"].__get__(None, owner)()


def _only(statement: Statement, scope: Scope) -> ast.stmt:
    _, parent = scope.place.parse(statement)
    return parent.body[0]
