"""Lets what was computed of names, or imported from another module, follow when that changes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import ModuleType

from hotpatch import _native
from hotpatch._derived import Value, exported, is_same
from hotpatch._functions import Bodies, defaults_of, functions_in, with_code
from hotpatch._native import Outline, Statement, Step
from hotpatch._report import Report
from hotpatch._scope import MISSING, Scope


class Followed:
    """A name that a module has imported from another one, and which is to follow that.

    If that was with `*`, the name is this, and all that come of it are to follow.
    """

    def __init__(self, name: str, source: ModuleType, source_name: str) -> None:
        self.name = name
        self.source = source
        self.source_name = source_name


def _may_be_replaced(step: Step) -> bool:
    """Return whether it may be that a class cannot change, and another takes its place."""
    if step.fate != "edited" or step.old is None or step.new is None:
        return False
    is_laid_out = any(it.contains("slots") for it in (step.old, step.new))
    return is_laid_out or step.old.header != step.new.header


def _bases(statement: Statement) -> list[str]:
    """Return the words in the first lines of a class."""
    found = re.search(r"^\s*class\b[^:]*", statement.text, re.MULTILINE)
    return re.findall(r"\w+", found[0])[1:] if found else []


class Following:
    """What follows in one module."""

    def __init__(
        self,
        module: ModuleType,
        outline: Outline,
        followed: list[Followed],
        bodies: Bodies,
        report: Report,
    ) -> None:
        # The names of the module that may get another value.
        self.rebound: set[str] = set()
        self._module = module
        self._outline = outline
        self._followed = [it for it in followed if it.name != "*"]
        # What may come of `*`, and what came of it before.
        self._starred = {it.source_name for it in followed if it.name == "*"}
        self._before = exported(outline, module) if self._starred else {}
        self._bodies = bodies
        self._report = report

    def changing(self, steps: list[Step], scope: Scope) -> set[str]:
        """Return the names that may get another value, as seen from a scope."""
        changing = {*self.rebound, *(it.name for it in self._followed), *self._starred}
        for step in steps:
            statement = step.new or step.old
            assert statement is not None
            if step.fate in ("added", "removed") or (
                # What it is may be another object then.
                step.old is not None and step.old.decorators != statement.decorators
            ):
                changing.update(statement.binds)
            elif statement.kind == "class":
                if _may_be_replaced(step) or (
                    changing and not changing.isdisjoint(_bases(statement))
                ):
                    changing.update(statement.binds)
            elif statement.kind == "statement":
                changing.update(name for name, _, reads in statement.derived if changing & {*reads})
        if isinstance(scope.owner, ModuleType):
            self.rebound = changing
        return changing

    def actions(
        self, old: Statement, new: Statement, scope: Scope, changing: set[str]
    ) -> list[Callable[[], None]]:
        """Return what lets names follow what they were computed of, or imported from."""
        actions: list[Callable[[], None]] = []
        values = {
            name: Value(text, reads, scope, self._module)
            for name, text, reads in new.derived
            if changing & {*reads}
            # A default that was edited is evaluated anyway.
            and old.defaults.get(name) == new.defaults.get(name)
        }
        if values and new.kind == "function":
            actions.append(functools.partial(self._redefault, values, new, scope))
        else:
            for name, value in values.items():
                if value.is_held(scope.get(name)):
                    actions.append(functools.partial(self._rebind, name, value.now, new, scope))
        if isinstance(scope.owner, ModuleType):
            for it in self._followed:
                if it.name in new.binds:
                    now = functools.partial(vars(it.source).get, it.source_name, MISSING)
                    actions.append(functools.partial(self._rebind, it.name, now, new, scope))
            if self._starred and new.text.endswith("import *"):
                actions.append(functools.partial(self._import_all, new, scope))
        return actions

    def _import_all(self, new: Statement, scope: Scope) -> None:
        """Bind what `*` stands for now, unless somebody has bound a name to something else."""
        after = exported(self._outline, self._module)
        for name in {**self._before, **after}:
            before, value = self._before.get(name, MISSING), after.get(name, MISSING)
            if scope.get(name) is before and value is not before:
                scope.set(name, value)
                kind = "deleted" if value is MISSING else "updated"
                self._report.add(kind, scope.qualname(name), new)

    def _rebind(self, name: str, now: Callable[[], object], new: Statement, scope: Scope) -> None:
        """Bind a name that follows from others to what it is now."""
        value, before = now(), scope.get(name)
        if value is not MISSING and not is_same(value, before):
            scope.set(name, value)
            self._report.add("updated", scope.qualname(name), new)

    def _redefault(self, values: dict[str, Value], new: Statement, scope: Scope) -> None:
        """Give parameters whose defaults follow from others what those are now."""
        after, pairs = {name: value.now() for name, value in values.items()}, []
        for function in functions_in(scope.get(new.name or "")):
            base = _native.below(function)
            known = defaults_of(base)
            changed = {
                name: value
                for name, value in after.items()
                if value is not MISSING and name in known and values[name].is_held(known[name])
                if not is_same(value, known[name])
            }
            if changed and base.__code__.co_name == new.name:
                source = with_code(base, base.__code__, None, {**known, **changed})
                if source is not None:
                    pairs.append((function, source))
        if pairs:
            self._bodies.give(pairs)
            self._report.add("updated", scope.qualname(new.name or ""), new)
