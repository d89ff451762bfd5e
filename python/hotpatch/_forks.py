"""Lets threads go on in a process that forks, and in its children.

What other threads are in the middle of stays so in a child for ever. So there are none of ours
while the process forks.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TASKS = "/proc/self/task"
# CPython 3.12 and later count the threads after those of ours are there again.
_WARNING = r"This process \(pid=\d+\) is multi-threaded, use of fork"
_PATIENCE = 0.05  # seconds


def register(
    count: Callable[[], int], stop: Callable[[], object], start: Callable[[], object]
) -> None:
    """Have threads stopped before each fork, and started again afterwards, in parent and child.

    `count` says how many there are.
    """

    def before() -> None:
        ours = count()
        if ours:
            rest = _tasks() - ours
            _warn_of_others(are_there=rest > 1)
            stop()
            # They have ended, but the system may still have to learn of that.
            deadline = time.monotonic() + _PATIENCE
            while _tasks() > rest and time.monotonic() < deadline:
                time.sleep(0.0002)

    os.register_at_fork(before=before, after_in_parent=start, after_in_child=start)


def _tasks() -> int:
    try:
        return len(os.listdir(_TASKS))
    except OSError:
        return 0


def _warn_of_others(*, are_there: bool) -> None:
    """Let CPython warn of threads only if there are others than ours."""
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    ours = [it for it in filters if getattr(it[1], "pattern", None) == _WARNING]
    if are_there:
        for it in ours:
            filters.remove(it)
    elif not ours:
        warnings.filterwarnings("ignore", _WARNING, DeprecationWarning)
