"""Statements of one scope that bind one name: which of them has made what is there."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace

from hotpatch._functions import code_of, functions_in
from hotpatch._native import Statement, Step
from hotpatch._removal import is_bound_by
from hotpatch._scope import MISSING, Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, cast
else:

    def cast(_: object, value: object) -> object:
        """Return the value, as that of `typing` does."""
        return value


_DEFINITIONS = ("function", "class")


def corrected(
    steps: list[Step], scope: Scope, is_alive: Callable[[Statement], bool]
) -> Iterator[Step]:
    """Iterate over the steps of a scope, such that they are about what has been executed.

    `is_alive` says whether code of a function is still there.
    """
    gone = {
        step.old.name: step.old
        for step in steps
        if step.new is None and step.old is not None and step.old.kind == "function"
        if is_alive(step.old)
    }
    taken = list[Statement]()
    last = {step.new.name: step for step in steps if step.new is not None}
    for step in steps:
        old, new = step.old, step.new
        if old is not None and new is not None:
            if last.get(name := new.name) is step and name in gone and not is_alive(old):
                # That is the one that had the name, and it stands here now.
                taken.append(gone.pop(name))
                yield _made("edited", taken[-1], new)
                continue
            is_elsewhere = [it[1:] for it in old.blocks] != [it[1:] for it in new.blocks]
            if is_elsewhere and _was_never_executed(old, steps, scope):
                yield _made("added", None, new)
                continue
        if old not in taken:
            yield step


def _was_never_executed(old: Statement, steps: list[Step], scope: Scope) -> bool:
    """Return whether a statement of a block has not been executed: its names say so."""
    if not old.blocks or not old.binds:
        return False
    # Another suite of the block has bound them.
    others = {
        name
        for step in steps
        if (it := step.old) is not None and step.new is None and it.blocks
        if it.blocks[0][:2] == old.blocks[0][:2]
        for name in it.binds
    }
    values = [scope.get(name) for name in old.binds]
    if old.kind == "statement" and all(it is not MISSING for it in values):
        return others.issuperset(old.binds) or not all(
            is_bound_by(old, value, [], scope, name)
            for name, value in zip(old.binds, values, strict=True)
        )
    return all(value is MISSING for value in values)


def by_name(steps: list[Step]) -> dict[str | None, list[Statement]]:
    """Return the statements of classes that were there before, by their names."""
    found = defaultdict[str | None, list[Statement]](list)
    for step in steps:
        if step.old is not None and step.old.kind == "class":
            found[step.old.name].append(step.old)
    return found


def made_by(old: Statement, classes: dict[str | None, list[Statement]], scope: Scope) -> bool:
    """Return whether a class is what its statement has made, and not another one of that name."""
    found = classes[old.name]
    owner = scope.get(old.name or "")
    if len(found) < 2 or not isinstance(owner, type):
        return True
    lines = {
        code_of(it).co_firstlineno for value in vars(owner).values() for it in functions_in(value)
    }
    first = vars(owner).get("__firstlineno__")  # since 3.13
    if first is not None:
        lines = {first}
    if not any(it.lines[0] <= line <= it.lines[1] for it in found for line in lines):
        return old is max(found, key=lambda it: it.lines)
    return any(old.lines[0] <= line <= old.lines[1] for line in lines)


class Later:
    """Names that are bound by statements that run, and then by definitions that do not run again.

    Other statements that bind them run again.
    """

    def __init__(self, steps: list[Step], scope: Scope) -> None:
        self._scope = scope
        # What they are before anything runs.
        self._before: dict[str, Any] = {
            name: scope.get(name)
            for step in steps
            if step.old is None and step.new is not None
            for name in step.new.binds
            # The setter of a property adds to what the name is.
            if f"@{name}." not in step.new.text
        }
        self._bound = set[str]()

    def restored(self, step: Step) -> list[Callable[[], None]]:
        """Return what binds names again that the statement of a step binds, as it did before."""
        new = step.new
        if new is None or not self._before:
            return []
        if step.old is None:
            self._bound.update(self._before.keys() & {*new.binds})
            return []
        if new.blocks:
            return []
        names = new.binds if new.kind in _DEFINITIONS else _deleted(new)
        names = [it for it in names if it in self._bound]
        self._bound.difference_update(names)
        return [lambda name=name: self._restore(name) for name in names]  # type: ignore[misc]

    def _restore(self, name: str) -> None:
        self._scope.set(name, self._before[name])


def _deleted(statement: Statement) -> list[str]:
    """Return the names that a statement deletes."""
    if statement.kind != "statement" or not statement.text.lstrip().startswith("del"):
        return []
    (node,) = ast.parse(statement.text.lstrip()).body
    left, found = [*getattr(node, "targets", ())], []
    while left:
        it = left.pop()
        if isinstance(it, ast.Name):
            found.append(it.id)
        left += getattr(it, "elts", ())
    return found


def _made(fate: str, old: Statement | None, new: Statement) -> Step:
    return cast("Step", SimpleNamespace(fate=fate, old=old, new=new, inner=[]))
