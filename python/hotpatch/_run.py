"""Runs a program as `python` does, with its modules watched."""

from __future__ import annotations

import builtins
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType

from hotpatch import _imports
from hotpatch._children import Watching
from hotpatch._native import PatchError
from hotpatch._report import Reload
from hotpatch._sources import content_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hotpatch._loop import Loop


class Program:
    """A program, and how it is to be watched."""

    def __init__(
        self,
        target: str,
        arguments: list[str],
        *,
        is_module: bool,
        watch: list[str],
        exclude: list[str],
        poll: float | None,
        loop: str | None,
        quiet: bool,
        verbose: bool,
    ) -> None:
        self._target = target
        self._arguments = arguments
        self._is_module = is_module
        # A folder or an archive with a module `__main__`.
        self._is_package = not is_module and pkgutil.get_importer(target) is not None
        paths = [*map(os.path.abspath, watch)] or [self._folder()]
        self._watching = Watching(paths, exclude, poll, quiet, verbose, os.getpid())
        self._console = self._watching.console
        self._loop: Loop | None = None
        if loop:
            from hotpatch._loop import Loop

            self._loop = Loop(loop, self._console)

    def run(self) -> None:
        """Run it, with the `sys.argv`, `sys.path` and `__main__` that it would have by itself.

        What it does not catch is raised again, with a hook that leaves out our part of tracebacks.
        """
        try:
            self._watching.begin(self._tell)
        except PatchError as error:
            sys.exit(f"hotpatch: cannot run {self._target}: {error}")
        self._console.note(f"watching {', '.join(self._watching.tracked.paths)}")
        self._set_path()
        main = self._make_main()
        try:
            if self._is_module or self._is_package:
                self._run_module()
            else:
                self._run_script(main)
        except SystemExit:
            raise
        except BaseException:
            sys.excepthook = _leaving_out_ours(sys.excepthook)
            raise

    def _folder(self) -> str:
        """Return the folder in which the modules of the program are, as far as they are its own."""
        if self._is_module:
            return os.getcwd()
        path = os.path.realpath(self._target)
        return path if os.path.isdir(path) else os.path.dirname(path)

    def _tell(self, report: Reload) -> None:
        self._console.show(report)
        if self._loop is not None:
            self._loop.tell(report)

    def _set_path(self) -> None:
        # Nothing was put there for us either then.
        if not getattr(sys.flags, "safe_path", sys.flags.isolated):
            sys.path[0] = self._folder()
        if self._is_package:
            folder = os.path.abspath(self._target)
            if sys.path[:1] == [self._folder()]:
                sys.path[0] = folder
            else:
                sys.path.insert(0, folder)
        sys.argv[:] = ["-m" if self._is_module else self._target, *self._arguments]

    def _make_main(self) -> ModuleType:
        main, ours = ModuleType("__main__"), vars(sys.modules["__main__"])
        vars(main)["__builtins__"] = builtins
        # Not every version has these in every module.
        vars(main).update({name: {} for name in ("__annotations__",) if name in ours})
        vars(main).update({name: None for name in ("__cached__",) if name in ours})
        sys.modules["__main__"] = main
        return main

    def _run_module(self) -> None:
        name = self._target if self._is_module else "__main__"
        if self._loop is not None:
            self._loop.wait()
        # As the interpreter does, with the same frames in tracebacks (Modules/main.c).
        run: Any = runpy
        run._run_module_as_main(name, alter_argv=self._is_module)

    def _run_script(self, main: ModuleType) -> None:
        file = os.path.join(os.getcwd(), self._target)  # it keeps what is written, such as "./"
        try:
            content = content_of(file)
        except OSError as error:
            reason = f"[Errno {error.errno}] {error.strerror}"
            print(f"{sys.executable}: can't open file {file!r}: {reason}", file=sys.stderr)
            sys.exit(2)
        vars(main).update(__file__=file, __loader__=SourceFileLoader("__main__", file))
        text = content if self._loop is None else self._loop.prepare(content, file)
        code = compile(text, file, "exec", dont_inherit=True)
        _imports.tell("__main__", file, content, code)
        exec(code, vars(main))


def _leaving_out_ours(hook: Callable[..., object]) -> Callable[..., object]:
    """Return a hook for exceptions that begins where the program does."""

    def call(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> object:
        rest, it = trace, trace
        while it is not None:
            if it.tb_frame.f_code.co_filename == __file__:
                rest = it.tb_next
            it = it.tb_next
        return hook(kind, error.with_traceback(rest), rest)

    return call
