"""Lets signals wait while a reload is in the middle of something: it is done, or not at all."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FOLDER = os.path.dirname(__file__) + os.sep


@contextmanager
def waiting(own: FrameType) -> Iterator[None]:
    """Call the handlers of signals that come in the block at its end, in the main thread.

    Those that come while code of others runs in it are called at once: it may run for ever. `own`
    is the frame that the block is in.
    """
    is_over = False
    came: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if is_over or _runs_code_of_others(frame, own):
            handlers[number](number, frame)
        else:
            came.append((number, frame))

    try:
        with suppress(ValueError):  # signals are for the main thread
            for number in signal.valid_signals():
                if callable(handler := signal.getsignal(number)):
                    handlers[number] = handler
                    signal.signal(number, handle)
        yield
    finally:
        error = _put_back(handlers, handle)
        is_over = True
        for it, frame in came:
            handlers[it](it, frame)
        if error is not None:
            raise error


def _put_back(handlers: dict[int, Any], ours: Any) -> BaseException | None:
    """Let signals have their handlers, and return what one has raised meanwhile."""
    left, error = [*handlers], None
    while left:
        try:
            while left:
                # Unless somebody has set another one meanwhile.
                if signal.getsignal(left[-1]) is ours:
                    signal.signal(left[-1], handlers[left[-1]])
                left.pop()
        except BaseException as it:
            error = it
    return error


def _runs_code_of_others(frame: FrameType | None, own: FrameType) -> bool:
    while frame is not None and frame is not own:
        name = str(frame.f_globals.get("__name__", ""))
        is_ours = frame.f_code.co_filename.startswith(_FOLDER)
        if not is_ours and name.partition(".")[0] not in sys.stdlib_module_names:
            return True
        frame = frame.f_back
    return False
