"""Patches C functions and methods with Python functions that pass each call on."""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from typing import Any

from hotpatch import Patch, PatchError, hotpatch

from survey.callables import c_callables

# These depend on the frame that calls them, and that is the one of the replacement.
LOOK_AT_FRAMES = {
    "_current_frames",
    "_getframe",
    "_getframemodulename",
    "_warn_unawaited_coroutine",
    "breakpoint",
    "dir",
    "eval",
    "exec",
    "exc_info",
    "globals",
    "locals",
    "setprofile",
    "settrace",
    "vars",
    "warn",
}
# These count references to their argument, or end threads and processes; nothing comes after them.
LEFT_OUT = {"getrefcount", "_exit", "exit", "fork", "is_tracked"}


Call = Callable[..., Any]


def through(kind: str) -> tuple[Call, Call]:
    """Make a function that passes calls on, and one that says where to."""
    original: Any = None

    def put(value: Any) -> None:
        nonlocal original
        original = value

    def call(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    def call_class_method(cls: type, /, *args: Any, **kwargs: Any) -> Any:
        return bind(original, None, cls)(*args, **kwargs)

    bind: Any = types.ClassMethodDescriptorType.__get__
    return (call_class_method if kind == "class method" else call), put


def patch_all(modules: list[types.ModuleType]) -> list[Patch]:
    """Patch all C functions, and as many C methods as there is place for: these modules' first."""
    names = {module.__name__ for module in [*modules, builtins]}

    def is_of_others(found: tuple[str, str, Any]) -> bool:
        return found[0].rpartition(".")[0].rpartition(".")[0] not in names

    ready = []
    for name, kind, value in sorted(c_callables(), key=is_of_others):
        if name.rpartition(".")[2] not in LOOK_AT_FRAMES | LEFT_OUT and "slot" not in kind:
            ready.append((value, *through(kind)))
    # From here on every call may be one of something that is patched already.
    patches = []
    for value, call, put in ready:
        try:
            patch = hotpatch(call, value)
        except (TypeError, PatchError):
            continue
        put(patch.original)
        patches += [patch]
    return patches
