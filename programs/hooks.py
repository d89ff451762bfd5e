"""Finds every function of a program, hooks it, and undoes that."""

from __future__ import annotations

import collections
import functools
import gc
import importlib
import pkgutil
import random
import types
from collections.abc import Callable
from typing import Any

from hotpatch import Patch, PatchError, hotpatch, patches

from programs.subjects import Program
from torture.run import body

WRAPPERS = (
    functools._lru_cache_wrapper,
    functools.cached_property,
    functools.partial,
    functools.partialmethod,
)


def import_all(program: Program) -> list[str]:
    """Import a program with all of its modules, and return their names."""
    names, todo = [], [program.package]
    while todo:
        name = todo.pop()
        if name in program.not_imported:
            continue
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue  # it needs what is not installed
        names.append(name)
        found = pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        todo += [it.name for it in found if not it.name.endswith(".__main__")]
    return names


def function_inside(value: Any) -> types.FunctionType | None:
    """Return the function that a function or a wrapper is, or has inside."""
    while isinstance(value, WRAPPERS):
        value = value.__wrapped__ if isinstance(value, functools._lru_cache_wrapper) else value.func
    return value if isinstance(value, types.FunctionType) else None


def name_of(value: Any) -> str:
    function = function_inside(value)
    assert function
    name = f"{function.__module__}.{function.__qualname__}"
    return name if value is function else f"{type(value).__name__} of {name}"


def targets(modules: list[str]) -> list[Any]:
    """Find each function and each wrapper of one that these modules made, wherever it is kept."""
    names, found = set(modules), []
    for value in gc.get_objects():
        # Asking an object for its class can run code of its own, so it is the type that counts.
        if issubclass(type(value), (types.FunctionType, *WRAPPERS)):
            function = function_inside(value)
            # Generated functions have other globals, but they say whose they are.
            if function and not names.isdisjoint(
                (function.__globals__.get("__name__"), function.__module__)
            ):
                found.append(value)
    return found


def pass_on(original: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return original(*args, **kwargs)


def counter(counts: list[int], index: int) -> Callable[..., None]:
    def count(*args: Any, **kwargs: Any) -> None:
        counts[index] += 1

    return count


class Hooks:
    """Two hooks on each function of a program."""

    def __init__(self, program: Program) -> None:
        self.refused: list[str] = []
        self.patches: list[Patch] = []
        self.hooked: list[Any] = []
        found = targets(import_all(program))
        self.before = [(value, state(value)) for value in found]
        self.counts = [0] * len(found)
        for index, value in enumerate(found):
            try:
                around = hotpatch(pass_on, value, how="around")
                self.patches.append(around)
                before = hotpatch(counter(self.counts, index), value, how="before")
                self.patches.append(before)
                self.hooked.append(value)
            except (TypeError, ValueError, PatchError) as error:
                self.refused.append(f"{name_of(value)}: {error}")

    def undo(self) -> list[str]:
        """Undo all in random order, and say what that did not put back."""
        random.Random(0).shuffle(self.patches)
        for patch in self.patches:
            patch.undo()
        wrong = [f"{name_of(patch.target)} is still patched" for patch in patches()]
        for value, before in self.before:
            if any(now is not then for now, then in zip(state(value), before, strict=True)):
                wrong.append(f"{name_of(value)} is not what it was")
        return wrong

    def summary(self) -> dict[str, Any]:
        kinds = collections.Counter(type(value).__name__ for value in self.hooked)
        return {
            "found": len(self.before),
            "hooked": dict(kinds),
            "called": sum(count > 0 for count in self.counts),
            "calls": sum(self.counts),
            "refused": self.refused,
        }


def state(value: Any) -> list[object]:
    """What an undo must put back, of a function or of what is inside a wrapper."""
    if isinstance(value, types.FunctionType):
        return [*body(value), *(value.__closure__ or ())]
    return [value.__wrapped__] if hasattr(value, "__wrapped__") else [value.func]
