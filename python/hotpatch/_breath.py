"""Lets other threads run now and then while a reload is planned."""

from __future__ import annotations

import _thread
import time

_STRETCH = 0.0005  # seconds
# Less than that, a thread that waits may not notice.
_PAUSE = 0.00005


class Breath:
    """Lets go of the GIL when it was held for a while.

    Else another thread would have to wait for the switch interval, which is 5 ms by default.
    """

    def __init__(self) -> None:
        self._is_alone = _thread._count() == 0
        self._end = time.perf_counter() + _STRETCH

    def take(self) -> None:
        """Let go of the GIL if it is time. Other threads run then, and can change everything."""
        if not self._is_alone and time.perf_counter() > self._end:
            time.sleep(_PAUSE)
            self._end = time.perf_counter() + _STRETCH
