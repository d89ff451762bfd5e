"""Applies what differs between source files and the modules that were made of them."""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections.abc import Iterator
from types import FrameType, ModuleType
from weakref import WeakSet

from hotpatch._report import Reload
from hotpatch._signals import waiting
from hotpatch._sources import encode, file_of, is_imported_now, show
from hotpatch._tracked import watched
from hotpatch._transaction import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

# For as long as an import is waited for, and modules whose import took longer.
_PATIENCE = 2.0  # seconds
_endless: WeakSet[ModuleType] = WeakSet()
# One update at a time, and none in another.
_lock = _thread.allocate_lock()
_owner: int | None = None


class ReloadError(Exception):
    """A reload has failed, and nothing has changed."""

    def __init__(self, report: Reload) -> None:
        # What it would have done, up to where it failed.
        self.report: Reload = report
        super().__init__(report)


def reload(*modules: ModuleType | str | os.PathLike[str]) -> Reload:
    """Apply what differs between the files of modules and what runs, all at once.

    Each of `modules` is a module, or the path of the file of one that is imported, or of a folder
    that such files are in; without any, all modules that are watched are meant (see `watch`). In a
    folder, and of those that are watched, a module whose file is gone stays as it is.

    Functions and classes stay the objects that they are, and keep what they hold. Statements that
    are new or were changed run once, in their order; all others do not run again.

    Raises `ReloadError` if a text does not compile or a statement raises: nothing has changed then.
    Raises `ValueError` for a module that was not made from a source file, and for a path that no
    module that is imported comes from, and if none is given while nothing is watched.
    """
    if modules:
        chosen = {id(module): module for it in modules for module in _modules(it)}
    elif watched:
        every = (module for it in watched for module in it.modules())
        chosen = {id(it): it for it in every if os.path.exists(it.__file__ or "")}
    else:
        raise ValueError("nothing is watched; pass modules, or paths of their files")
    return apply([*chosen.values()], {})


def apply(modules: list[ModuleType], contents: dict[str, bytes]) -> Reload:
    """Do what `reload` does. `contents` are those of files that have been read already, by path."""
    global _owner
    if _owner == _thread.get_ident():
        raise RuntimeError("a module that is being reloaded cannot reload; call it later")
    for module in modules:
        _wait_for_import(module)
    with _lock, waiting(sys._getframe()):
        try:
            _owner = _thread.get_ident()
            return _apply(modules, contents)
        finally:
            _owner = None


def apply_texts(texts: list[tuple[ModuleType, str]]) -> Reload:
    """Make modules what some texts say, whatever is in their files."""
    contents = {os.path.abspath(file_of(module)): encode(text) for module, text in texts}
    result = apply([module for module, _ in texts], contents)
    for module, text in texts:
        show(file_of(module), text)
    return result


def _apply(modules: list[ModuleType], contents: dict[str, bytes]) -> Reload:
    for module in modules:
        file_of(module)  # or this fails
    start = time.perf_counter()
    result = Reload()
    try:
        Transaction(result, contents).apply(modules)
    except (Exception, SystemExit) as error:
        result.errors.append(error)
        raise ReloadError(result) from error
    finally:
        result.duration = time.perf_counter() - start
    return result


def _wait_for_import(module: ModuleType) -> None:
    """Wait while a module is imported in another thread, which would undo what is done now.

    Some imports never end, such as that of a module that runs a server.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is vars(module):
            return  # it is this thread
        frame = frame.f_back
    deadline = time.monotonic() + _PATIENCE
    while module not in _endless and is_imported_now(module):
        if time.monotonic() > deadline:
            _endless.add(module)
        time.sleep(0.005)


def _make_new_lock() -> None:
    """Let a process that was forked reload, whatever another thread was doing then."""
    global _lock, _owner
    if _owner != _thread.get_ident():
        _lock, _owner = _thread.allocate_lock(), None


os.register_at_fork(after_in_child=_make_new_lock)


def _modules(given: ModuleType | str | os.PathLike[str]) -> Iterator[ModuleType]:
    """Iterate over the modules that are meant."""
    if isinstance(given, ModuleType):
        yield given
        return
    path = os.path.realpath(given)
    is_there = False
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith((".py", ".pyw")):
            file = os.path.realpath(file)
            # Who deletes a file of a folder does not want it to be read.
            if file == path or (file.startswith(path + os.sep) and os.path.exists(file)):
                is_there = True
                yield module
    if not is_there:
        raise ValueError(f"no module that is imported comes from {path}; import it first")
