"""Real functions for the model, written as a drawn style says, and what they mean."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Generator
from typing import Any

from hotpatch import PatchError
from hypothesis import strategies as st
from model import Written


@types.coroutine
def pause(item: object) -> Generator[object, None, None]:
    """Passes `item` up to whoever drives the coroutine."""
    yield item


SHARED_GLOBALS: dict[str, Any] = {"pause": pause, "PatchError": PatchError}
# What differs between the kinds: how to begin, to show an item, and to run another function.
SYNTAX = {
    "plain": ("def", "", "original(x)"),
    "generator": ("def", "yield", "(yield from original(x))"),
    "coroutine": ("async def", "await pause", "(await original(x))"),
}
PROLOGUE = {
    "says": "pass",
    "undoes itself": "try: handle[0].undo()\n  except PatchError: pass",
    "calls the original": "try: original = handle[0].original\n"
    "  except PatchError: return {label!r}, 'gone'",
    "keeps the original": "original = handle[0]",
}


@dataclasses.dataclass(frozen=True)
class Style:
    """How a function is written, apart from what it does."""

    cells: int
    y: int | None  # a default
    z: int | None  # a default of a keyword
    has_own_globals: bool


STYLES = st.builds(
    Style,
    cells=st.integers(0, 3),
    y=st.none() | st.integers(10, 19),
    z=st.none() | st.integers(20, 29),
    has_own_globals=st.booleans(),
)


def compiled(source: str, namespace: dict[str, Any]) -> Callable[..., types.FunctionType]:
    exec(source, namespace)
    make: Callable[..., types.FunctionType] = namespace.pop("make")
    return make


def write(
    kind: str, label: str, style: Style, does: str = "says", handle: object = None, first: str = ""
) -> tuple[types.FunctionType, Written]:
    """Makes a function that is called with one argument, and its meaning."""
    define, show, run = SYNTAX[kind]
    names = [f"cell_{index}" for index in range(style.cells)]
    inner = [run] if "original" in does else []
    defaults = {"y": style.y, "z": style.z}
    y, z = ("" if value is None else f"{name}={value}, " for name, value in defaults.items())
    results = [*inner, *names, "x", *(name for name, value in defaults.items() if value)]
    source = (
        f"def make({', '.join([*names, 'handle'])}):\n"
        f" {define} body({first}x, {y}{'*, ' * bool(z)}{z}):\n"
        f"  {PROLOGUE[does].format(label=label)}\n"
        f"  {show}(({label!r}, 'begun'))\n"
        f"  return {label!r}, {', '.join(results)}\n"
        f" return body\n"
    )
    make = compiled(source, dict(SHARED_GLOBALS) if style.has_own_globals else SHARED_GLOBALS)
    function = make(*range(100, 100 + style.cells), handle)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    values = tuple(value for value in defaults.values() if value)
    return function, Written(label, does, tuple(cells[name] for name in names), values)


def write_hook(kind: str, label: str) -> Callable[..., Any]:
    """Makes a function to put around others, whose meaning is `Hooked`."""
    define, show, run = SYNTAX[kind]
    source = (
        f"def make():\n"
        f" {define} hook(original, x, *args, **kwargs):\n"
        f"  {show}(({label!r}, 'begun'))\n"
        f"  return {label!r}, {run.replace('(x)', '(x, *args, **kwargs)')}\n"
        f" return hook\n"
    )
    return compiled(source, dict(SHARED_GLOBALS))()


def write_code(kind: str, label: str, function: types.FunctionType) -> types.CodeType:
    """Other code that fits the closure and the defaults of `function`, and uses neither."""
    define, show, _ = SYNTAX[kind]
    names = [f"cell_{index}" for index in range(len(function.__closure__ or ()))]
    parameters = [f"y{index}" for index in range(len(function.__defaults__ or ()))]
    parameters += ["*", *function.__kwdefaults__] if function.__kwdefaults__ else []
    source = (
        f"def make({', '.join(names)}):\n"
        f" {define} body({', '.join(['x', *parameters])}):\n"
        f"  if x is None: return {', '.join(['x', *names])}\n"
        f"  {show}(({label!r}, 'begun'))\n"
        f"  return {label!r}, x\n"
        f" return body\n"
    )
    return compiled(source, dict(SHARED_GLOBALS))(*names).__code__


def copied(function: types.FunctionType) -> types.FunctionType:
    """Another function with the same body, as people copy functions."""
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
