"""Edits a module over and over, and lets one tool apply that; reload.py starts it.

python benches/reload_worker.py MODE TOOL LINES OBJECTS DESCRIPTOR

The module is made in the current directory, and what is found is written to the file descriptor.
For each line that it reads, "body" or "shift", it edits the module. If MODE is "apply", it tells
what applying that took: the processor time of the thread that does it, and the longest time for
which the main thread, which looks at the clock all the while, could not. If it is "watch", it tells
how long it takes from closing the file until a function that somebody holds is another. Times are
in ns.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

FUNCTION = """
def function_{0}(first, second=1, *rest):
    total = first
    for item in rest:
        if item > second:
            total += item * {0}
    return total

"""
CLASS = """
class Class{0}:
    def method(self, first):
        return first + {0}

    def other(self, first, second=2):
        if first > second:
            return self.method(first)
        return [first, second]

"""
TARGET = "def target():\n    return {0}\n"
LIMIT_S = 120


def text(lines: int, number: int, *, is_shifted: bool) -> str:
    """Return a module of about so many lines, in whose middle a function returns the number."""
    parts = []
    count = lines // 8
    for index in range(count):
        # A fifth of the lines are those of classes.
        parts.append((CLASS if index % 6 == 0 else FUNCTION).format(index))
        if index == count // 2:
            parts.append(TARGET.format(number))
    return "# one more line\n" * is_shifted + "".join(parts)


def hotpatch_tool(module: ModuleType) -> Callable[[], object]:
    import hotpatch

    hotpatch.reload(module)
    return lambda: hotpatch.reload(module)


def jurigged_tool(module: ModuleType) -> Callable[[], object]:
    live: Any = importlib.import_module("jurigged.live")
    register: Any = importlib.import_module("jurigged.register")
    pattern = os.path.join(os.path.dirname(module.__file__ or ""), "*.py")
    live.watch(pattern, logger=lambda event: None, autostart=False)
    file = register.registry.get(module.__file__)
    refresh: Callable[[], object] = file.refresh
    return refresh


def ipython_tool(*, is_full: bool) -> Callable[[ModuleType], Callable[[], object]]:
    def tool(module: ModuleType) -> Callable[[], object]:
        autoreload: Any = importlib.import_module("IPython.extensions.autoreload")
        logging.disable()
        reloader = autoreload.ModuleReloader()
        reloader.enabled, reloader.check_all = True, False
        reloader.modules[module.__name__] = True
        reloader.deduper_reloader.enabled = not is_full
        reloader.check()
        check: Callable[[], object] = reloader.check
        return check

    return tool


TOOLS: dict[str, Callable[[ModuleType], Callable[[], object]]] = {
    "hotpatch": hotpatch_tool,
    "jurigged": jurigged_tool,
    "IPython": ipython_tool(is_full=False),
    "IPython --full": ipython_tool(is_full=True),
}


def watch_with(tool: str, folder: str) -> Any:
    """Let a tool apply edits by itself."""
    if tool == "hotpatch":
        watcher: Any = importlib.import_module("hotpatch").watch(folder)
    elif tool == "reloadium":
        watcher = None  # it runs this whole process
    else:
        jurigged: Any = importlib.import_module("jurigged")
        watcher = jurigged.watch(os.path.join(folder, "*.py"), logger=lambda event: None)
    return watcher


class Subject:
    """A module that is edited."""

    def __init__(self, folder: str, lines: int) -> None:
        self.lines = lines
        self.number = 0
        self.is_shifted = False
        self.file = Path(folder, "subject.py")
        self.write()
        sys.path.insert(0, folder)
        self.module = importlib.import_module("subject")
        self.target: Callable[[], int] = self.module.target

    def write(self) -> None:
        written = text(self.lines, self.number, is_shifted=self.is_shifted)
        self.file.write_text(written, encoding="utf-8")

    def edit(self, kind: str) -> None:
        self.number += 1
        self.is_shifted ^= kind == "shift"
        self.write()
        # Some tools take a file for unchanged whose time is the same in their digits.
        later = time.time() + self.number
        os.utime(self.file, (later, later))


def measure(apply: Callable[[], object]) -> dict[str, int]:
    """Apply an edit in another thread, and look at the clock meanwhile."""
    spent = []

    def work() -> None:
        start = time.thread_time_ns()
        apply()
        spent.append(time.thread_time_ns() - start)

    thread = threading.Thread(target=work)
    thread.start()
    longest, last = 0, time.perf_counter_ns()
    while not spent and thread.is_alive():
        now = time.perf_counter_ns()
        longest = max(longest, now - last)
        last = now
    longest = max(longest, time.perf_counter_ns() - last)
    thread.join()
    return {"cpu": spent[0], "pause": longest}


def latency(subject: Subject) -> dict[str, int]:
    start = time.perf_counter_ns()
    while subject.target() != subject.number:
        if time.perf_counter_ns() - start > LIMIT_S * 1_000_000_000:
            raise TimeoutError
        time.sleep(0.001)
    return {"latency": time.perf_counter_ns() - start}


def main(mode: str, tool: str, lines: int, objects: int, descriptor: int) -> None:
    sys.dont_write_bytecode = True
    # Other files beside this one have common names.
    sys.path[:] = [it for it in sys.path if it != os.path.dirname(os.path.realpath(sys.argv[0]))]
    # They are there before anything else, as in a program with much data.
    heap: list[list[Any]] = [[] for _ in range(objects)]
    folder = os.path.realpath(os.getcwd())
    watcher = None
    if mode == "watch":
        # Some tools look for it before it is imported.
        Path(folder, "subject.py").touch()
        watcher = watch_with(tool, folder)
    subject = Subject(folder, lines)
    apply = TOOLS[tool](subject.module) if mode == "apply" else None
    with os.fdopen(descriptor, "w", encoding="utf-8") as answers:
        print(json.dumps("ready"), file=answers, flush=True)
        for line in sys.stdin:
            subject.edit(line.strip())
            found = measure(apply) if apply else latency(subject)
            if subject.target() != subject.number:
                raise AssertionError("the edit was not applied")
            print(json.dumps(found), file=answers, flush=True)
    if watcher is not None:
        (watcher.close if tool == "hotpatch" else watcher.stop)()
    del heap


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
