"""Finds everything in the standard library that can be called and is written in C."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

# Importing these does more than define something.
NOT_IMPORTED = {"antigravity", "idlelib", "this", "tkinter", "turtle", "turtledemo", "_tkinter"}
# These are not part of any function's behaviour.
NOT_SEARCHED = {"test", "hotpatch", "survey", "_testcapi", "_testinternalcapi"}

KINDS: dict[type, str] = {
    types.BuiltinFunctionType: "builtin function",
    types.MethodDescriptorType: "method",
    types.ClassMethodDescriptorType: "class method",
    types.WrapperDescriptorType: "slot wrapper",
    types.MethodWrapperType: "slot wrapper",
}


def import_all() -> None:
    """Import the modules of the standard library, as far as this machine has them."""
    for name in sorted(sys.stdlib_module_names - NOT_IMPORTED):
        quiet = contextlib.redirect_stdout(io.StringIO())
        with warnings.catch_warnings(), contextlib.suppress(Exception), quiet:
            warnings.simplefilter("ignore")
            importlib.import_module(name)


def classes() -> list[type]:
    """Return every class that there is."""
    found, todo = {id(object): object}, [object]
    while todo:
        for subclass in type.__subclasses__(todo.pop()):
            if id(subclass) not in found:
                found[id(subclass)] = subclass
                todo.append(subclass)
    return list(found.values())


def is_searched(module: object) -> bool:
    root = str(module).partition(".")[0]
    return root in sys.stdlib_module_names and root not in NOT_SEARCHED


def kind_of(value: object) -> str | None:
    """Return the kind of a C callable, or None for anything else."""
    kind = KINDS.get(type(value))
    if kind == "builtin function":
        receiver = value.__self__  # type: ignore[attr-defined]
        if receiver is not None and not isinstance(receiver, types.ModuleType):
            return "__new__" if value.__name__ == "__new__" else "bound method"  # type: ignore[attr-defined]
    return kind


def c_callables() -> Iterator[tuple[str, str, Any]]:
    """Yield each C callable with its name and its kind, those of modules first."""
    seen: set[int] = set()
    for name, module in sorted(sys.modules.items()):
        if is_searched(name) and isinstance(module, types.ModuleType):
            for attribute, value in sorted(vars(module).items()):
                kind = kind_of(value)
                if kind and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{name}.{attribute}", kind, value
    for owner in classes():
        if is_searched(getattr(owner, "__module__", "")):
            for attribute, value in sorted(vars(owner).items()):
                inner = value.__func__ if isinstance(value, staticmethod) else value
                kind = kind_of(inner)
                if kind and id(inner) not in seen:
                    seen.add(id(inner))
                    yield f"{owner.__module__}.{owner.__qualname__}.{attribute}", kind, inner
