"""Says whether a name may go when the statement that bound it is gone."""

from __future__ import annotations

import ast
from contextlib import suppress
from types import CodeType, ModuleType

from hotpatch._functions import code_of, functions_in, functions_of
from hotpatch._native import Statement
from hotpatch._report import Report
from hotpatch._scope import Scope, Undo
from hotpatch._scope import restore as restore_names
from hotpatch._units import Place, codes_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_written(name: str, scope: Scope, codes: list[CodeType]) -> bool:
    """Return whether a function binds a name of the module, with `global`."""
    return isinstance(scope.owner, ModuleType) and any(
        name in code.co_names and name in names_written(code) for code in codes
    )


def names_written(code: CodeType, kind: str = "GLOBAL") -> set[str]:
    """Return the names of the module that a function binds or deletes with `global`.

    With "NAME" those that the code of a module does.
    """
    import dis  # takes some milliseconds

    operations = (f"STORE_{kind}", f"DELETE_{kind}")
    return {it.argval for it in dis.get_instructions(code) if it.opname in operations}


def restore(module: ModuleType, code: CodeType, before: list[tuple[str, object]]) -> None:
    """Bind names of a module again as they were before some code of it was executed."""
    namespace, own = vars(module), names_written(code, "NAME") | names_written(code)
    scope = Scope(module, Place(""), Undo())
    others = [name for name, _ in before if name not in own]
    codes = [it for top in functions_of(module) for it in codes_in(code_of(top))] if others else []
    # What functions bind may be of other threads, for which it is not to be taken back.
    theirs = {name for name in others if is_written(name, scope, codes)}
    restore_names(namespace, [(name, value) for name, value in before if name not in theirs])


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


def leave_part(
    old: Statement, codes: list[CodeType], name: str, scope: Scope, report: Report
) -> None:
    """Let a property go on without a function that is gone, such as its setter."""
    before, known = scope.get(name), {id(code) for code in codes}
    if isinstance(before, property):
        parts: list[Any] = [before.fget, before.fset, before.fdel]
        left = [None if it is None or id(code_of(it)) in known else it for it in parts]
        if left != parts:
            report.add("deleted", scope.qualname(name), old)
            scope.bind(name, property(left[0], left[1], left[2], before.__doc__))
