"""An extension of IPython: `%load_ext hotpatch`.

Modules that were edited change before a cell runs. A function or a class that a cell defines anew
stays the object that it is, so that whatever holds it follows.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType, ModuleType
from weakref import ref

from hotpatch import _imports
from hotpatch._become import let_go
from hotpatch._blocks import NotAppliedError
from hotpatch._class_edits import turn_into
from hotpatch._console import Console
from hotpatch._functions import Bodies, functions_in
from hotpatch._generated import follow
from hotpatch._native import Outline
from hotpatch._reload import ReloadError, reload
from hotpatch._scope import MISSING, Undo
from hotpatch._sources import content_of, look, state_of
from hotpatch._tracked import Tracked, watched
from hotpatch._units import codes_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Extension:
    """What the extension does in one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        # All but the standard library and what is installed.
        library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
        own = os.path.dirname(__file__)
        self._tracked = Tracked([os.getcwd(), os.sep], [*library, own])
        self._console = Console()
        # The state of files when their content was last read.
        self._states: dict[str, tuple[int, ...]] = {}
        # Modules that a reload has failed for.
        self._failed: set[ModuleType] = set()
        # The modules from which cells have imported names, and what those are called there.
        self._imported: dict[str, tuple[str, str]] = {}
        # What names of the user were bound to when a cell began.
        self._before: dict[str, Any] = {}
        self._end_of_notes = _imports.listen(self._tracked.wants, self._note)
        for module in self._tracked.modules():
            file = module.__file__ or ""
            with suppress(OSError):
                # Otherwise it is reloaded before the next cell.
                if look(module, content_of(file)):
                    self._note(file)
        for cell in shell.user_ns.get("In", ()):
            self._note_imports(cell)
        watched.append(self._tracked)
        shell.events.register("pre_run_cell", self.before_cell)
        shell.events.register("post_run_cell", self.after_cell)

    def close(self) -> None:
        """Do nothing from now on."""
        self._shell.events.unregister("pre_run_cell", self.before_cell)
        self._shell.events.unregister("post_run_cell", self.after_cell)
        watched.remove(self._tracked)
        self._end_of_notes()

    def before_cell(self, info: Any = None) -> None:
        """Reload what was edited."""
        changed = [*self._changed()]
        if changed:
            self._reload({*changed, *self._failed})
        if info is not None:
            # Older versions of IPython only have what was typed.
            cell = getattr(info, "transformed_cell", None)
            self._note_imports(cell or self._shell.transform_cell(info.raw_cell))
        self._before = {
            name: value
            for name, value in self._shell.user_ns.items()
            if isinstance(value, (FunctionType, type)) and self._is_own(name, value)
        }

    def _reload(self, modules: set[ModuleType]) -> None:
        names = self._shell.user_ns
        held = {
            here: there
            for here, (module, there) in self._imported.items()
            if here in names and names[here] is _value_of(module, there)
        }
        try:
            report = reload(*modules)
        except ReloadError as error:
            report = error.report
            self._failed = modules
        else:
            self._failed = set()
            for here, there in held.items():
                value = _value_of(self._imported[here][0], there)
                if value is not MISSING:
                    names[here] = value
        self._console.show(report)

    def _note_imports(self, cell: str) -> None:
        """Remember what a cell imports, if it is Python."""
        with suppress(SyntaxError):
            for module, pairs in Outline(cell).imports:
                self._imported.update({here: (module, there) for there, here in pairs})

    def after_cell(self, result: object = None) -> None:
        """Let what was defined anew be the object that it was."""
        names = self._shell.user_ns
        for name, before in self._before.items():
            after = names.get(name)
            if after is before or not self._is_own(name, after) or self._uses(after, before):
                continue
            if isinstance(before, type) and isinstance(after, type):
                gone = ref(after)
                del after
                self._continue_class(name, before, gone)
            elif isinstance(before, FunctionType) and isinstance(after, FunctionType):
                Bodies(Undo()).become(before, after)
                names[name] = before
        self._before.clear()

    def _continue_class(self, name: str, before: type, gone: ref[type]) -> None:
        undo = Undo()
        try:
            if (after := gone()) is not None:
                renewed, left = turn_into(before, after, undo)
        except NotAppliedError as error:
            undo.roll_back()
            self._console.say(f"{name} is another class now, and what holds the old one: {error}")
            return
        del after
        self._shell.user_ns[name] = before
        left += follow(before, undo)
        undo.forget()
        let_go(gone, before)
        for member, why in renewed:
            self._console.say(f"{name}.{member} is another object now: {why}")
        for other, why in left:
            self._console.say(f"{other.__qualname__} does not follow {name}: {why}")

    def _changed(self) -> Iterator[ModuleType]:
        """Iterate over the modules whose files are not as they were."""
        for module in self._tracked.modules():
            file = module.__file__ or ""
            before = self._states.get(file)
            self._note(file)
            if self._states.get(file) != before:
                yield module

    def _note(self, file: str, content: bytes = b"") -> None:
        with suppress(OSError):
            self._states[file] = state_of(file)

    def _is_own(self, name: str, value: object) -> bool:
        """Return whether a cell has defined this under this name."""
        module = self._shell.user_module.__name__
        return (
            getattr(value, "__qualname__", None) == name
            and getattr(value, "__module__", None) == module
        )

    def _uses(self, after: object, before: object) -> bool:
        """Return whether what is new calls what was before, as a wrapper does."""
        names = {
            name
            for name, value in self._shell.user_ns.items()
            if value is before and not name.startswith("_")
        }
        return isinstance(after, FunctionType) and (
            any(it is before for it in functions_in(after))
            or any(not names.isdisjoint(code.co_names) for code in codes_in(after.__code__))
        )


def _value_of(module: str, name: str) -> object:
    return getattr(sys.modules.get(module), name, MISSING)


_extensions: dict[int, Extension] = {}


def load_ipython_extension(shell: Any) -> None:
    """Begin to do so in a shell."""
    if id(shell) not in _extensions:
        _extensions[id(shell)] = Extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """End it."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.close()
