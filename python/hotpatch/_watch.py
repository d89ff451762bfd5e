"""Reloads modules in the background when their files are saved."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from types import ModuleType, SimpleNamespace, TracebackType

from hotpatch import _forks, _imports, _native
from hotpatch._console import Console
from hotpatch._reload import ReloadError, apply
from hotpatch._report import Reload
from hotpatch._sources import content_of, look
from hotpatch._tracked import Tracked, watched

# For as long as a statement that is executed anew may take when the program ends.
_PATIENCE = 5.0  # seconds


def watch(
    *paths: str | os.PathLike[str],
    on_reload: Callable[[Reload], object] | None = None,
    exclude: Iterable[str] = (),
    poll: float | None = None,
) -> Watch:
    """Reload modules in the background when their files are saved.

    Those are meant whose files are, or are in, some of `paths`, now and when they are imported
    later; by default those in the folder of the main script, or in the current folder if there is
    no script. What is in `site-packages`, or in a folder whose name begins with a dot, is left
    out, unless a path leads there, and so is what matches a pattern of `exclude` (those of
    `fnmatch`, for names of files and folders, or for paths from the watched folder).

    After each reload, `on_reload` is called with what was done, in the thread that did it, also
    after one that failed. By default a report is written to standard error.

    With `poll`, files are looked at each so many seconds, for file systems that tell nothing.

    Raises `ValueError` for a path where nothing is, and `PatchError` after `lock()`.
    """
    if on_reload is not None and not callable(on_reload):
        raise TypeError(f"on_reload must be callable, not {type(on_reload).__name__}")
    if poll is not None and not poll > 0:
        raise ValueError(f"poll must be more than 0 seconds, not {poll}")
    for path in paths:
        if not os.path.exists(path):
            raise ValueError(
                f"cannot watch {os.fspath(path)}: nothing is there; pass a file or folder"
            )
    tracked = Tracked(paths or [_folder_of_main()], exclude)
    return Watch(tracked, on_reload or Console().show, poll, _warn)


class Watch:
    """Reloads modules when their files are saved, until it is closed. `watch` makes it."""

    def __init__(
        self,
        tracked: Tracked,
        on_reload: Callable[[Reload], object],
        poll: float | None,
        on_notice: Callable[[str], object],
    ) -> None:
        self._tracked = tracked
        self._on_reload = on_reload
        self._on_notice = on_notice
        self._poll = poll
        self._lock = threading.RLock()
        self._pauses = 0
        # By path, what is in the files, as last seen.
        self._contents: dict[str, bytes] = {}
        # Those of them that modules may not show yet.
        self._pending: set[str] = set()
        # Whether one was added since they were last tried.
        self._is_new = False
        self._is_closed = False
        self._watcher = _native.Watcher(poll=poll)
        # From here on what is imported is noted; and now for what was before.
        self._end_of_notes = _imports.listen(tracked.wants, self._add)
        for module in tracked.modules():
            self._look(module)
        watched.append(tracked)
        _open.append(self)
        self._start_thread()

    @property
    def paths(self) -> list[str]:
        """The files and folders that are watched."""
        return [*self._tracked.paths]

    def close(self) -> None:
        """Stop watching. What was reloaded stays. Doing it again does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._end_of_notes()
            watched.remove(self._tracked)
            _open.remove(self)
            self._stop()

    def pause(self) -> Pause:
        """Reload nothing until the result of this is left, or until `resume`.

        What was saved meanwhile is reloaded then, all at once.
        """
        with self._lock:
            self._pauses += 1
        return Pause(self)

    def resume(self) -> None:
        """Go on after a `pause`. With several pauses the last one counts.

        Raises `RuntimeError` if there is no pause.
        """
        with self._lock:
            if not self._pauses:
                raise RuntimeError("resume() without a pause(); call that first")
            self._pauses -= 1
        self._reload()

    def apply(self) -> Reload | None:
        """Reload what was saved, here and now, also in a pause. Returns None if that is nothing.

        `on_reload` is called too. After a reload that failed, `errors` of the result says why, and
        there is nothing to do until the next save.
        """
        return self._reload(is_asked=True)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "paused" if self._pauses else "watching"
        return f"<Watch {', '.join(self.paths)}: {state}>"

    def _count(self) -> int:
        """Return how many threads this has, with that in which the system tells of changes."""
        return 2 if self._poll is None and self._watcher.notice is None else 1

    def _start_again(self) -> None:
        """Go on after `_stop`, here or in a process that was forked then."""
        self._watcher = _native.Watcher(poll=self._poll)
        for file, content in self._contents.items():
            self._watcher.add(file, content, root=self._tracked.root(file))
        self._start_thread()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="hotpatch.watch", daemon=True)
        self._thread.start()

    def _look(self, module: ModuleType) -> None:
        """See what is in the file of a module that was imported before."""
        path = os.path.abspath(module.__file__ or "")
        try:
            content = content_of(path)
        except OSError:
            return
        # Whether there was an edit before is seen when it is reloaded.
        if not look(module, content):
            self._pending.add(path)
            self._is_new = True
        self._add(path, content)

    def _stop(self) -> None:
        """End the threads."""
        self._watcher.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)

    def _add(self, file: str, content: bytes) -> None:
        path = os.path.abspath(file)
        self._contents[path] = content
        self._watcher.add(path, content, root=self._tracked.root(path))

    def _serve(self) -> None:
        watcher, said = self._watcher, ""
        batch: list[tuple[str, bytes]] | None = []
        while batch is not None:
            with self._lock:
                self._contents.update(batch)
                self._pending.update(file for file, _ in batch)
                self._is_new |= bool(batch)
            try:
                notice = watcher.notice
                if notice is not None and notice != said:
                    said = notice
                    self._on_notice(notice)
                self._reload()
            except BaseException as error:  # the next save may do better
                _complain(error, "Exception ignored in", self)
            batch = watcher.wait(None)

    def _reload(self, *, is_asked: bool = False) -> Reload | None:
        with self._lock:
            if (self._pauses and not is_asked) or self._is_closed or not self._is_new:
                return None
            self._is_new = False
            modules = [
                module
                for module in self._tracked.modules()
                if os.path.abspath(module.__file__ or "") in self._pending
            ]
            if not modules:
                return None
            try:
                report = apply(modules, {file: self._contents[file] for file in self._pending})
            except ReloadError as error:
                report = error.report
            except ValueError:
                return None  # the program ends, and its main module has lost its `__file__`
            else:
                self._pending.clear()
        # While the program ends it may have lost its modules, which is nobody's concern.
        if (report.files or report.errors) and not self._is_closed:
            self._tell(report)
            return report
        return None

    def _tell(self, report: Reload) -> None:
        try:
            self._on_reload(report)
        except BaseException as error:
            _complain(error, "Exception ignored in on_reload", self._on_reload)


class Pause:
    """Ends a pause of a `Watch` when it is left."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __enter__(self) -> Watch:
        return self._watch

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.resume()


# In the order in which they were made.
_open: list[Watch] = []


def _folder_of_main() -> str:
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    # With `-m` the current folder is where modules are looked for.
    if isinstance(file, str) and getattr(main, "__spec__", None) is None:
        return os.path.dirname(os.path.realpath(file))
    return os.getcwd()


def _complain(error: BaseException, message: str, source: object) -> None:
    """Say that an exception cannot be raised anywhere."""
    if sys.unraisablehook is sys.__unraisablehook__:
        # It takes only what nobody but the interpreter can make.
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        if sys.stderr is not None:
            print(f"{message}: {source!r}\n{''.join(lines)}", end="", file=sys.stderr, flush=True)
        return
    details = SimpleNamespace(
        exc_type=type(error),
        exc_value=error,
        exc_traceback=error.__traceback__,
        err_msg=message,
        object=source,
    )
    sys.unraisablehook(details)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _close_all() -> None:
    for it in [*_open]:
        it.close()


def _count_threads() -> int:
    return sum(it._count() for it in _open)


def _stop_all() -> None:
    for it in _open:
        it._stop()


def _start_all() -> None:
    for it in _open:
        it._start_again()


# A thread that waits outside of the interpreter must not come back when that is gone.
atexit.register(_close_all)
_forks.register(_count_threads, _stop_all, _start_all)
