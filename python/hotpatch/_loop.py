"""`hotpatch run --loop`: a function that is called again after each save."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hotpatch._console import Console, without_ours
from hotpatch._native import hotpatch
from hotpatch._report import Reload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TAKER = "__hotpatch_take__"
_is_in_loop: ContextVar[bool] = ContextVar("_is_in_loop", default=False)


class Loop:
    """Calls a function again after each reload, instead of once."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._saved = threading.Event()

    def tell(self, report: Reload) -> None:
        """Take note of a reload: it is time to call again if something changed."""
        if report.changes and not report.errors:
            self._saved.set()

    def wait(self) -> None:
        """Take the function as soon as its module is imported."""
        hotpatch(self._choose, self._name, how="around", by="hotpatch")

    def take(self, function: Any) -> None:
        """Take a function."""
        hotpatch(self._choose, function, how="around", by="hotpatch")

    def prepare(self, content: bytes, file: str) -> bytes | ast.Module:
        """Return the text of a script, such that the function is taken as soon as it is there.

        Exits if the script is to define it and does not.
        """
        module, _, name = self._name.partition(":")
        if module not in ("__main__", os.path.splitext(os.path.basename(file))[0]):
            self.wait()
            return content
        setattr(builtins, _TAKER, self.take)
        try:
            return _with_call(content, file, name)
        except LookupError:
            sys.exit(f"hotpatch: {file} defines no function {name} outside of others")

    def _choose(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        if _is_in_loop.get():  # it calls itself
            return original(*arguments, **keywords)
        if inspect.iscoroutinefunction(original):
            return self._await_again(original, *arguments, **keywords)
        return self._call_again(original, *arguments, **keywords)

    def _call_again(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        while True:
            with self._round() as outcome:
                outcome.value = original(*arguments, **keywords)
            try:
                self._ask()
                self._saved.wait()
            except KeyboardInterrupt:
                return outcome.result()

    async def _await_again(
        self, original: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **keywords: Any
    ) -> Any:
        while True:
            with self._round() as outcome:
                outcome.value = await original(*arguments, **keywords)
            if await self._is_to_end():
                return outcome.result()

    async def _is_to_end(self) -> bool:
        """Wait for a save, or for Ctrl-C. Other tasks go on meanwhile."""
        import asyncio  # it is there, if there are coroutines

        loop, is_over = asyncio.get_running_loop(), threading.Event()
        before = signal.getsignal(signal.SIGINT)
        try:
            loop.add_signal_handler(signal.SIGINT, is_over.set)
        except (ValueError, RuntimeError, NotImplementedError):
            before = None  # only the main thread has signals
        self._ask()
        while not (self._saved.is_set() or is_over.is_set()):
            await asyncio.sleep(0.05)
        if before is not None:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)
        return is_over.is_set()

    def _ask(self) -> None:
        self._console.say("it is called again after a save; Ctrl-C goes on", colour="dim")

    @contextmanager
    def _round(self) -> Iterator[Outcome]:
        """Call the function once, in the block, and say how that went."""
        self._saved.clear()
        outcome, start, token = Outcome(), time.perf_counter(), _is_in_loop.set(True)
        try:
            yield outcome
        except Exception as error:
            outcome.error = error
        finally:
            _is_in_loop.reset(token)
        took = f"in {(time.perf_counter() - start) * 1000:.1f} ms"
        if outcome.error is None:
            text = f"{self._name} returned {outcome.value!r:.200} {took}"
            self._console.say(text, colour="green")
        else:
            trace = without_ours(outcome.error.__traceback__)
            lines = traceback.format_exception(type(outcome.error), outcome.error, trace)
            text = f"{self._name} failed {took}\n{''.join(lines).rstrip()}"
            self._console.say(text, colour="red")


class Outcome:
    """What came of a call."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        """Return what the call returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.value


def _with_call(content: bytes, file: str, name: str) -> ast.Module:
    """Return the text of a script in which a function is taken below its definition."""
    tree = ast.parse(content, file)
    found = [
        index
        for index, node in enumerate(tree.body)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
    ]
    if not found:
        raise LookupError(name)
    last = tree.body[found[-1]]
    (call,) = ast.parse(f"{_TAKER}({name})").body
    for node in ast.walk(call):
        ast.copy_location(node, last)
    tree.body.insert(found[-1] + 1, call)
    return tree
