"""Runs the tests of one subject in one mode, and writes down how each one ended.

python -m torture.run MODE SUBJECT FILE
"""

from __future__ import annotations

import contextvars
import doctest
import faulthandler
import functools
import importlib
import inspect
import json
import pkgutil
import random
import sys
import traceback
import types
import unittest
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from hotpatch import Patch, hotpatch

from torture.subjects import SUBJECTS, Subject, is_left_out
from torture.through import patch_all

TIME_LIMIT = 20 * 60  # seconds


class Outcomes(unittest.TestResult):
    """Takes down how each test ends, with the trace of those that did not pass."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.traces: dict[str, str] = {}

    def note(self, test: Any, outcome: str, error: Any = None) -> None:
        name = test.id()
        while name in self.outcomes:
            name += "'"  # some tests have the same name
        self.outcomes[name] = outcome
        if error:
            self.traces[name] = "".join(traceback.format_exception(*error))[-4000:]

    # The names that unittest gives to these:
    def addSuccess(self, test: Any) -> None:  # noqa: N802
        self.note(test, "passed")

    def addFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        self.note(test, "failed", error)

    def addError(self, test: Any, error: Any) -> None:  # noqa: N802
        self.note(test, f"raised {error[0].__name__}", error)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self.note(test, "skipped")

    def addExpectedFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        self.note(test, "failed as expected")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self.note(test, "passed unexpectedly")

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:  # noqa: N802
        if error and test.id() not in self.outcomes:
            self.note(test, f"raised {error[0].__name__}", error)


def load_tests(subject: Subject) -> unittest.TestSuite:
    suite = unittest.TestSuite()
    for name in subject.tests:
        module = importlib.import_module(name)
        if hasattr(module, "suite"):
            suite.addTests(module.suite())  # unittest.test, until 3.11
            continue
        suite.addTests(unittest.defaultTestLoader.loadTestsFromName(name))
        if not hasattr(module, "load_tests") and hasattr(module, "__test__"):
            suite.addTests(doctest.DocTestSuite(module))
    return suite


def library_modules(subject: Subject) -> list[types.ModuleType]:
    """Imports the modules that the subject is about, with those inside of packages."""
    modules = []
    for name in subject.modules:
        modules.append(importlib.import_module(name))
        for found in pkgutil.walk_packages(getattr(modules[-1], "__path__", []), f"{name}."):
            if "test" not in found.name.split(".") and not found.name.endswith(".__main__"):
                try:
                    modules.append(importlib.import_module(found.name))
                except ImportError:
                    continue  # for another platform
    return modules


def test_modules(subject: Subject) -> list[types.ModuleType]:
    return [
        module
        for name, module in sys.modules.items()
        if any(f"{name}.".startswith(f"{test}.") for test in subject.tests)
    ]


def functions_of(modules: list[types.ModuleType]) -> list[types.FunctionType]:
    """Finds every Python function that these modules define, also inside classes and wrappers."""
    names = {module.__name__ for module in modules}
    found: dict[int, types.FunctionType] = {}
    seen: set[int] = set()
    todo: list[Any] = [value for module in modules for value in vars(module).values()]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            if value.__globals__.get("__name__") in names:
                found[id(value)] = value
            todo += inside(value)
        elif isinstance(value, type):
            if value.__module__ in names or vars(value).get("__module__") in names:
                todo += vars(value).values()
        else:
            todo += inside(value)
    return list(found.values())


def inside(value: object) -> Iterator[object]:
    """What a descriptor or a wrapper has inside, without running any code of the module's own."""
    if isinstance(value, property):
        yield from (value.fget, value.fset, value.fdel)
    if isinstance(value, classmethod | staticmethod | types.MethodType):
        yield value.__func__
    if isinstance(value, functools.cached_property | functools.partialmethod | functools.partial):
        yield value.func
    if isinstance(value, types.FunctionType | functools._lru_cache_wrapper):
        yield vars(value).get("__wrapped__")


def cloned(function: types.FunctionType) -> types.FunctionType:
    """Makes another function with the same body."""
    clone = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    clone.__kwdefaults__ = function.__kwdefaults__
    if annotate := getattr(function, "__annotate__", None):
        setattr(clone, "__annotate__", annotate)  # noqa: B010 (unknown to mypy before 3.14)
    else:
        clone.__annotations__ = function.__annotations__
    if sys.version_info >= (3, 12):
        clone.__type_params__ = function.__type_params__
    return clone


Call = Callable[..., Any]


def plain(handle: list[Patch]) -> Call:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return handle[0].original(*args, **kwargs)

    return replacement


def generator(handle: list[Patch]) -> Call:
    def replacement(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from handle[0].original(*args, **kwargs))

    return replacement


def coroutine(handle: list[Patch]) -> Call:
    async def replacement(*args: Any, **kwargs: Any) -> Any:
        return await handle[0].original(*args, **kwargs)

    return replacement


def async_generator(handle: list[Patch]) -> Call:
    async def replacement(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        items = handle[0].original(*args, **kwargs)
        try:
            item = await items.__anext__()
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    await items.aclose()
                    raise
                except BaseException as error:
                    item = await items.athrow(error)
                else:
                    item = await items.asend(sent)
        except StopAsyncIteration:
            return

    return replacement


WRITERS: list[tuple[int, Callable[[list[Patch]], Call]]] = [
    (inspect.CO_COROUTINE, coroutine),
    (inspect.CO_ASYNC_GENERATOR, async_generator),
    (inspect.CO_GENERATOR, generator),
    (0, plain),
]


def calling_original(function: types.FunctionType, handle: list[Patch]) -> types.FunctionType:
    """Makes a function of the same kind which calls the original of the patch put into `handle`.

    It has the globals of `function`, since some code looks at those of its caller.
    """
    flags = function.__code__.co_flags
    write = next(write for flag, write in WRITERS if flags & flag == flag)
    written: Any = write(handle)
    replacement = types.FunctionType(
        written.__code__, function.__globals__, function.__name__, None, written.__closure__
    )
    if flags & inspect.CO_ITERABLE_COROUTINE:
        types.coroutine(replacement)
    return replacement


def patch_with_clone(function: types.FunctionType) -> Patch:
    return hotpatch(cloned(function), function)


def patch_calling_original(function: types.FunctionType) -> Patch:
    handle: list[Patch] = []
    handle.append(hotpatch(calling_original(function, handle), function))
    return handle[0]


def patch_elsewhere(function: types.FunctionType) -> Patch:
    """The patch is in force in a context in which nothing runs."""
    patch: Patch = contextvars.Context().run(
        lambda: hotpatch(cloned(function), function, scope="context")
    )
    return patch


PATCHES = {
    "nothing": [],
    "clone": [patch_with_clone],
    "elsewhere": [patch_elsewhere],
    "original": [patch_calling_original],
    "undone": [patch_calling_original, patch_with_clone],
}
BODY = ["__code__", "__globals__", "__defaults__", "__kwdefaults__"]


def body(function: types.FunctionType) -> list[object]:
    return [getattr(function, attribute) for attribute in BODY]


def undo(patches: list[Patch], bodies: list[tuple[types.FunctionType, list[object]]]) -> str:
    """Undoes all patches in any order, and says what that did not put back."""
    random.Random(0).shuffle(patches)
    for patch in patches:
        patch.undo()
    for function, before in bodies:
        if any(now is not then for now, then in zip(body(function), before, strict=True)):
            return f"{function.__module__}.{function.__qualname__} is not what it was"
    return ""


def main(mode: str, name: str, file: str) -> None:
    faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
    from test import support

    support.use_resources = {}  # none: no network, and nothing that takes long
    subject = SUBJECTS[name]
    modules = library_modules(subject)
    suite = load_tests(subject)
    tests = test_modules(subject)
    # Tests look at the signatures and the sources of functions that they define.
    searched = (modules or tests) if mode == "original" else modules + tests
    functions = [] if mode in ("nothing", "through") else functions_of(searched)
    functions = [function for function in functions if not is_left_out(function, mode)]
    bodies = [(function, body(function)) for function in functions]
    if mode == "through":
        patches = patch_all(modules)
    else:
        patches = [patch(function) for patch in PATCHES[mode] for function in functions]
    result = Outcomes()
    if mode == "undone":
        not_put_back = undo(patches, bodies)
        suite.run(result)
    else:
        suite.run(result)
        not_put_back = undo(patches, bodies)
    report = {
        "patched": len(patches),
        "not_put_back": not_put_back,
        "outcomes": result.outcomes,
        "traces": result.traces,
    }
    Path(file).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
