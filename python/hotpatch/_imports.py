"""Takes down what modules are made of when they are imported, while somebody wants to know."""

from __future__ import annotations

import _thread
import importlib
from collections.abc import Callable
from contextlib import suppress
from types import CodeType

from hotpatch import _native
from hotpatch._native import Patch
from hotpatch._sources import content_of, state_of, take_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader  # whose import takes long
    from typing import Any

# What is told of a file that a module is made of, and of its content, if it wants to be.
Listener = Callable[[str, bytes], object]

# It runs in frames that tracebacks of imports leave out, like those around it.
# Every import of a source file gets its code there (Lib/importlib/_bootstrap_external.py, 3.10 to
# 3.15), whether that comes of a cache or not.
_HOOK = """
def get_code(self, fullname):
    before = look(self)
    code = original(self, fullname)
    if before is not None:
        note(fullname, before, code)
    return code
"""

_lock = _thread.allocate_lock()
_listeners: list[tuple[Callable[[str], bool], Listener]] = []
_patch: Patch[..., Any] | None = None


def listen(wants: Callable[[str], bool], listener: Listener) -> Callable[[], None]:
    """Call `listener` for each source file that is imported from now on and that `wants` takes.

    Returns what ends that.
    """
    global _patch
    entry = (wants, listener)
    with _lock:
        if _patch is None:
            _patch = _put_hook()
        _listeners.append(entry)

    def end() -> None:
        global _patch
        with _lock:
            if entry in _listeners:
                _listeners.remove(entry)
            if not _listeners and _patch is not None:
                _patch.undo()
                _patch = None

    return end


def tell(name: str, file: str, content: bytes, code: CodeType) -> None:
    """Say of what a module is made that is about to be executed."""
    take_note(name, file, content, code)
    for wants, listener in [*_listeners]:
        if wants(file):
            listener(file, content)


def _put_hook() -> Patch[..., Any]:
    external: Any = importlib._bootstrap_external
    names: dict[str, Any] = {"look": _look, "note": _note, "__name__": __name__}
    filename = external.SourceLoader.get_code.__code__.co_filename
    exec(compile(_HOOK, filename, "exec"), names)
    target = external.SourceLoader.get_code
    names["original"] = _native.below(target)  # for calls before the last line of these three
    patch = _native.hotpatch(names["get_code"], target, by="hotpatch")
    names["original"] = patch.original
    return patch


def _look(loader: Loader) -> tuple[str, tuple[int, ...]] | None:
    """Return the file of a loader, and its state, if somebody wants to know of it."""
    file = getattr(loader, "path", None)
    if isinstance(file, str) and any(wants(file) for wants, _ in _listeners):
        with suppress(OSError):
            return file, state_of(file)
    return None


def _note(name: str, before: tuple[str, tuple[int, ...]], code: CodeType | None) -> None:
    file, state = before
    with suppress(OSError):
        content = content_of(file)
        # If it was written meanwhile, nobody knows which text the code is from.
        if code is not None and state_of(file) == state:
            tell(name, file, content, code)
