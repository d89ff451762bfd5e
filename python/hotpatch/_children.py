"""Lets processes that `multiprocessing` starts watch too."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType

from hotpatch import _imports, _native
from hotpatch._console import Console
from hotpatch._functions import take_annotations
from hotpatch._report import Reload
from hotpatch._sources import content_of
from hotpatch._tracked import Tracked
from hotpatch._watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a child runs when it reads what it is to do, which need not be where hotpatch is found.
_START = """\
try:
    from hotpatch import _children
except ImportError:
    pass
else:
    _children.start(*{arguments!r})
"""


class Watching:
    """What is watched, and how. It begins where it is unpickled."""

    def __init__(
        self,
        paths: list[str],
        exclude: list[str],
        poll: float | None,
        quiet: bool,
        verbose: bool,
        process: int,
    ) -> None:
        self._arguments = paths, exclude, poll, quiet, verbose, process
        self.tracked = Tracked(paths, exclude)
        self.console = Console(quiet=quiet, verbose=verbose, process=process)
        self._poll = poll

    def begin(self, on_reload: Callable[[Reload], object]) -> None:
        """Watch in this process, and in those that it will start with "spawn" or "forkserver".

        Those that it forks do so anyway.
        """
        Watch(self.tracked, on_reload, self._poll, self.console.say)
        # What this returns is read by the child before anything else (3.10 to 3.15).
        target = "multiprocessing.spawn:get_preparation_data"
        _native.hotpatch(self._add, target, how="after", by="hotpatch")

    def _add(self, result: dict[str, Any]) -> None:
        result["hotpatch"] = self

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, (_START.format(arguments=self._arguments),)


def start(*arguments: Any) -> None:
    """Begin to watch in a child, which has not imported anything of the program yet."""
    watching = Watching(*arguments)
    watching.begin(watching.console.show)
    target = "multiprocessing.spawn:_fixup_main_from_path"
    _native.hotpatch(_load_script, target, how="around", by="hotpatch")
    target = "multiprocessing.spawn:_fixup_main_from_name"
    _native.hotpatch(_load_module, target, how="around", by="hotpatch")

    main = sys.modules.get("__mp_main__")
    if main is not None:  # a fork server has made it (3.14)
        _unite(main)


# Without these, the functions of the main module would have other globals than that, since
# `runpy` copies them (Lib/multiprocessing/spawn.py, Lib/runpy.py, 3.10 to 3.15).


def _unite(main: ModuleType) -> None:
    """Give functions that have a copy of the names of a module as their globals the module."""
    pairs = []
    for function in _native.functions_in(getattr(main, "__file__", "")):
        base = _native.below(function)
        if base.__globals__.get("__name__") == main.__name__:
            code, name = base.__code__, base.__name__
            it = FunctionType(code, vars(main), name, base.__defaults__, base.__closure__)
            it.__kwdefaults__ = base.__kwdefaults__
            take_annotations(it, base)
            pairs.append((function, it))
    _native.rebase(pairs)


def _load_script(original: Callable[[str], None], main_path: str) -> None:
    current = sys.modules["__main__"]
    name = os.path.splitext(os.path.basename(main_path))[0]
    is_text = os.path.isfile(main_path) and main_path.endswith((".py", ".pyw"))
    # The first two it leaves alone.
    if name == "ipython" or getattr(current, "__file__", None) == main_path or not is_text:
        original(main_path)
    else:
        content = content_of(main_path)
        code = compile(content, main_path, "exec", dont_inherit=True)
        _imports.tell("__mp_main__", main_path, content, code)
        _execute(code, {"__file__": main_path})


def _load_module(original: Callable[[str], None], mod_name: str) -> None:
    current = sys.modules["__main__"]
    spec = importlib.util.find_spec(mod_name)
    is_there = getattr(current.__spec__, "name", None) == mod_name
    if is_there or mod_name == "__main__" or mod_name.endswith(".__main__") or spec is None:
        original(mod_name)
    else:
        code = getattr(spec.loader, "get_code")(mod_name)  # noqa: B009
        _execute(code, {"__file__": spec.origin, "__spec__": spec, "__package__": spec.parent})


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    """Make the main module of a child by executing its code there."""
    spawn: Any = sys.modules["multiprocessing.spawn"]
    spawn.old_main_modules.append(sys.modules["__main__"])
    main = ModuleType("__mp_main__")
    vars(main).update(names)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    exec(code, vars(main))
