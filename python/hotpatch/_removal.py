"""Says whether a name may go when the statement that bound it is gone."""

from __future__ import annotations

import ast
from contextlib import suppress
from types import CodeType, ModuleType

from hotpatch._functions import code_of, functions_in
from hotpatch._native import Statement
from hotpatch._scope import Scope


def is_written(name: str, scope: Scope, codes: list[CodeType]) -> bool:
    """Return whether a function binds a name of the module, with `global`."""
    return isinstance(scope.owner, ModuleType) and any(
        name in code.co_names and name in _names_written(code) for code in codes
    )


def _names_written(code: CodeType) -> set[str]:
    import dis  # takes some milliseconds

    return {it.argval for it in dis.get_instructions(code) if it.opname == "STORE_GLOBAL"}


def is_bound_by(
    old: Statement, value: object, codes: list[CodeType], scope: Scope, name: str
) -> bool:
    """Return whether a name holds what a statement has bound it to, and nobody else something."""
    if old.kind == "function":
        known = {id(code) for code in codes}
        functions = [*functions_in(value)]
        return not functions or any(id(code_of(it)) in known for it in functions)
    if old.kind == "class":
        return not isinstance(value, type) or value.__qualname__ == scope.qualname(name)
    if old.kind == "statement":
        node = ast.parse(old.text.lstrip()).body[0]
        targets = [getattr(node, "target", None), *getattr(node, "targets", ())]
        # Of several values in a tuple nobody knows here which one this is.
        is_whole = any(isinstance(it, ast.Name) and it.id == name for it in targets)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and is_whole:
            with suppress(ValueError):  # it is no literal, and could be anything
                bound = ast.literal_eval(node.value)
                return type(bound) is type(value) and bool(bound == value)
        if isinstance(node, ast.Import):
            return isinstance(value, ModuleType)
    return True
