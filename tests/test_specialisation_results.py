"""Promise 10: sites that are specialised for one body give the results of the installed one.

`test_specialisation.py` looks at the instructions, and runs this file with the compiler that makes
machine code of traces.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import c_functions
import pytest
from hotpatch import hotpatch

COUNT = 20_000
# Which of COUNT calls come after a patch, and after an undo. Traces are made after some 4,000.
PATCHED = (5_000, 12_000)
UNDONE = (9_500, 15_000)
NEW_CALLS = sum(UNDONE) - sum(PATCHED)

LOOP = """
def loop(thing, changes, count):
    seen = {{}}
    for index in range(count):
        if index in changes:
            changes[index]()
        {statement}
        seen[result] = seen.get(result, 0) + 1
    return seen
"""


class Site:
    """A statement that calls a function, and how to make what it uses of the function."""

    def __init__(
        self,
        statement: str,
        parameters: str = "self",
        method: str | None = None,
        leave: str = "return {}",
        wrap: Callable[[Any], Any] = lambda function: function,
    ) -> None:
        self.statement = statement
        self.parameters = parameters
        self.method = method
        self.leave = leave
        self.wrap = wrap

    def thing(self, function: Any) -> Any:
        """Make the object that is used at the site."""
        if self.method is None:
            return self.wrap(function)
        names = {"plain": 0, "__exit__": lambda self, *exception: None}
        made = type("K", (), {**names, self.method: self.wrap(function)})
        return made if self.method in ("__init__", "__new__") else made()


def outer(function: Any) -> Any:
    """Call `function` from a function that a trace goes through."""
    return lambda argument: function(argument)


def twice(function: Any) -> Any:
    return lambda argument: [function(argument) for _ in range(2)][1]


SITES = {
    "function": Site("result = thing(1)", "a"),
    "function with two arguments": Site("result = thing(1, 2)", "a, o"),
    "function without arguments": Site("result = thing()", ""),
    "function with a keyword": Site("result = thing(a=1)", "a"),
    "function with a spread": Site("result = thing(*(1,))", "a"),
    "function called by a function": Site("result = thing(1)", "a", wrap=outer),
    "function called by a comprehension": Site("result = thing(1)", "a", wrap=twice),
    "function called from C": Site("(result,) = map(thing, (1,))", "a"),
    "generator": Site("for result in thing(1): pass", "a", leave="yield {}"),
    "delegated generator": Site(
        "for result in thing(1): pass",
        "a",
        leave="yield {}",
        wrap=lambda function: eval("lambda a: (each for each in function(a))", locals()),
    ),
    "method": Site("result = thing.method(1)", "self, a", "method"),
    "class method": Site("result = thing.method(1)", "self, a", "method", wrap=classmethod),
    "static method": Site("result = thing.method(1)", "a", "method", wrap=staticmethod),
    "method bound before": Site(
        "result = thing(1)", "self, a", wrap=lambda function: function.__get__("self")
    ),
    "property": Site("result = thing.method", "self", "method", wrap=property),
    "__init__": Site("result = thing(1).mark", "self, a", "__init__", leave="self.mark = {}"),
    "__init__ with a keyword": Site(
        "result = thing(a=1).mark", "self, a", "__init__", leave="self.mark = {}"
    ),
    "__new__": Site("result = thing(1)", "cls, a", "__new__"),
    "__getitem__": Site("result = thing[1]", "self, a", "__getitem__"),
    "__len__": Site("result = len(thing)", "self", "__len__", leave="return len({})"),
    "__bool__": Site("result = not thing", "self", "__bool__", leave="return {} == 'newer'"),
    "__call__": Site("result = thing(1)", "self, a", "__call__"),
    "__add__": Site("result = thing + 1", "self, a", "__add__"),
    "__eq__": Site("result = thing == 1", "self, a", "__eq__"),
    "__lt__": Site("result = thing < 1", "self, a", "__lt__"),
    "__contains__": Site(
        "result = 1 in thing", "self, a", "__contains__", leave="return {} == 'newer'"
    ),
    "__neg__": Site("result = -thing", "self", "__neg__"),
    "__getattr__": Site("result = thing.missing", "self, a", "__getattr__"),
    "__getattribute__": Site("result = thing.plain", "self, a", "__getattribute__"),
    "__iter__": Site("for result in thing: pass", "self", "__iter__", leave="yield {}"),
    "__enter__": Site("with thing as result: pass", "self", "__enter__"),
    "__str__": Site("result = f'{thing}'", "self", "__str__"),
}
BARE = {"function": SITES["function"], "__init__": SITES["__init__"], "method": SITES["method"]}

MORE_PARAMETERS = {
    "the same parameters": "",
    "more defaults": "b=1, c=2, d=3",
    "any number": "*rest",
    "keyword-only": "*, b=1, c=2",
    "everything": "b=1, *rest, c=2, **more",
}
BODIES = {
    "global": "MARK",
    "cell": "cell",
    "cells": "(cell, cell2, cell3, cell4)[0]",
    "large frame": "(" + ",".join(["*()"] * 60) + ",MARK)[0]",
}


def function(mark: str, site: Site, more: str = "", body: str = "global") -> Any:
    """Make a function for `site` that can take more parameters, and gives `mark`."""
    parameters = ", ".join(filter(None, [site.parameters, more]))
    many = "".join(f"local{index} = " for index in range(120)) if body == "large frame" else ""
    lines = [
        "def make():",
        "    cell = cell2 = cell3 = cell4 = MARK",
        f"    def f({parameters}):",
        f"        {many}mark = {BODIES[body]}",
        f"        {site.leave.format('mark')}",
        "    return f",
    ]
    namespace: dict[str, Any] = {"MARK": mark}
    exec("\n".join(lines), namespace)
    return namespace.pop("make")()


def run(
    statement: str, thing: Any, changes: dict[int, Callable[[], Any]], count: int = COUNT
) -> dict[Any, int]:
    """Use `thing` many times at one site; return what came out how often."""
    namespace: dict[str, Any] = {}
    exec(LOOP.format(statement=statement), namespace)
    result = namespace["loop"](thing, changes, count)
    assert isinstance(result, dict)
    return result


def patch_and_undo(replacement: Any, target: Any) -> dict[int, Callable[[], Any]]:
    """The changes of a loop that patches twice and undoes twice."""
    made: list[Any] = []

    def patch() -> None:
        made.append(hotpatch(replacement, target))

    def undo() -> None:
        made.pop().undo()

    return dict.fromkeys(PATCHED, patch) | dict.fromkeys(UNDONE, undo)


def once(site: Site, thing: Any) -> Any:
    """What comes out at the site, the first time."""
    ((result, count),) = run(site.statement, thing, {}, 1).items()
    assert count == 1
    return result


def check(site: Site, target: Any, replacement: Any, thing: Any) -> None:
    """The changes show at once at a hot site: each result comes exactly as often as it must."""
    old = once(site, thing)
    with hotpatch(replacement, target):
        new = once(site, thing)
    assert old != new
    seen = run(site.statement, thing, patch_and_undo(replacement, target))
    assert seen == {old: COUNT - NEW_CALLS, new: NEW_CALLS}


@pytest.mark.parametrize("more", MORE_PARAMETERS.values(), ids=MORE_PARAMETERS)
@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_follows_to_a_body_with_more_parameters(site: Site, more: str) -> None:
    target = function("old", site)
    check(site, target, function("newer", site, more), site.thing(target))


@pytest.mark.parametrize("more", MORE_PARAMETERS.values(), ids=MORE_PARAMETERS)
@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_follows_to_a_body_with_fewer_parameters(site: Site, more: str) -> None:
    target = function("old", site, more)
    check(site, target, function("newer", site), site.thing(target))


@pytest.mark.parametrize("new", BODIES)
@pytest.mark.parametrize("old", BODIES)
@pytest.mark.parametrize("site", BARE.values(), ids=BARE)
def test_a_hot_site_follows_to_another_kind_of_body(site: Site, old: str, new: str) -> None:
    target = function("old", site, body=old)
    check(site, target, function("newer", site, body=new), site.thing(target))


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_follows_a_stack_of_patches(site: Site) -> None:
    """The one in the middle goes first, so that the body at the top comes back several times."""
    target = function("old", site)
    thing = site.thing(target)
    made: list[Any] = []

    def patch(mark: str, more: str) -> None:
        made.append(hotpatch(function(mark, site, more), target))

    changes: dict[int, Callable[[], Any]] = {
        5_000: lambda: patch("newer", ""),
        9_000: lambda: patch("newest", "*rest"),
        10_000: lambda: made[0].undo(),
        14_000: lambda: made[1].undo(),
    }
    expected: dict[Any, int] = {}
    for mark, count in (("old", 11_000), ("newer", 4_000), ("newest", 5_000)):
        result = once(site, site.thing(function(mark, site)))
        expected[result] = expected.get(result, 0) + count
    assert run(site.statement, thing, changes) == expected


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_of_the_replacement_is_not_disturbed(site: Site) -> None:
    """Replacement and target share the number that stands for their body."""
    target, replacement = function("old", site), function("newer", site)
    other = function("other", site, "*rest")
    thing = site.thing(replacement)
    expected = once(site, thing)
    lower: list[Any] = []
    changes: dict[int, Callable[[], Any]] = {
        5_000: lambda: lower.append(hotpatch(replacement, target)),
        6_000: lambda: lower.append(hotpatch(other, target)),
        10_000: lambda: lower.pop().undo(),
        14_000: lambda: lower.pop().undo(),
    }
    assert run(site.statement, thing, changes) == {expected: COUNT}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_that_uses_target_and_replacement_in_turn_keeps_them_apart(site: Site) -> None:
    target, replacement = function("old", site), function("newer", site, "*rest")
    things = (site.thing(target), site.thing(replacement))
    old, new = once(site, things[0]), once(site, things[1])
    statement = "thing = things[index % 2]; " if ":" not in site.statement else ""
    statement = statement or "thing = things[index % 2]\n        "
    seen = run(statement + site.statement, None, {}, 0)
    namespace: dict[str, Any] = {"things": things}
    exec(LOOP.format(statement=statement + site.statement), namespace)
    seen = namespace["loop"](None, patch_and_undo(replacement, target), COUNT)
    assert seen == {old: (COUNT - NEW_CALLS) // 2, new: (COUNT + NEW_CALLS) // 2}


@pytest.mark.parametrize("site", BARE.values(), ids=BARE)
def test_a_hot_site_follows_to_the_same_code_in_other_globals(site: Site) -> None:
    """Both functions have the same number from CPython: it stands for their code, since 3.12."""
    leave = site.leave.format("MARK")
    source = compile(f"def f({site.parameters}):\n    {leave}", "same", "exec")
    made = []
    for mark in ("old", "newer"):
        namespace: dict[str, Any] = {"MARK": mark}
        exec(source, namespace)
        made.append(namespace["f"])
    target, replacement = made
    check(site, target, replacement, site.thing(target))


@pytest.mark.parametrize("site", BARE.values(), ids=BARE)
def test_a_hot_site_follows_to_the_same_code_with_other_cells(site: Site) -> None:
    leave = site.leave.format("cell")
    namespace: dict[str, Any] = {}
    exec(
        f"def make(cell):\n    def f({site.parameters}):\n        {leave}\n    return f", namespace
    )
    target, replacement = namespace["make"]("old"), namespace["make"]("newer")
    check(site, target, replacement, site.thing(target))


@pytest.mark.parametrize("site", BARE.values(), ids=BARE)
def test_a_hot_site_follows_to_the_same_code_with_other_defaults(site: Site) -> None:
    leave = site.leave.format("b + c")
    namespace: dict[str, Any] = {}
    exec(
        f"def make(x, y):\n    def f({site.parameters}, b=x, *, c=y):\n        {leave}\n"
        "    return f",
        namespace,
    )
    target, replacement = namespace["make"]("o", "ld"), namespace["make"]("new", "er")
    check(site, target, replacement, site.thing(target))


@pytest.mark.parametrize("site", BARE.values(), ids=BARE)
def test_a_hot_site_follows_to_a_callable_that_is_no_function(site: Site) -> None:
    target = function("old", site)
    replacement = functools.partial(function("newer", site, "*rest"))
    check(site, target, replacement, site.thing(target))


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_hot_site_follows_to_c_code(site: Site) -> None:
    target = function("old", site)
    everything = c_functions.VARARGS | c_functions.KEYWORDS
    replacement = c_functions.builtin(function("newer", site, "*rest, **more"), everything)
    check(site, target, replacement, site.thing(target))


def test_a_hot_coroutine_function_follows_to_c_code() -> None:
    async def target(a: int) -> str:
        return "old"

    async def newer(a: int) -> str:
        return "newer"

    def run_to_its_end(a: int) -> Any:
        try:
            target(a).send(None)
        except StopIteration as stop:
            return stop.value

    replacement = c_functions.builtin(newer, c_functions.SINGLE)
    check(SITES["function"], target, replacement, run_to_its_end)


def test_a_hot_hook_that_calls_its_original_follows_the_stack_below() -> None:
    site = SITES["function"]
    target = function("old", site)

    def hook(a: int) -> str:
        return f"hook of {original(a)}"

    lower = hotpatch(function("lower", site, "*rest"), target)
    upper = hotpatch(hook, target)
    original = upper.original
    changes: dict[int, Callable[[], Any]] = {9_000: lower.undo, 15_000: upper.undo}
    seen = run(site.statement, target, changes)
    assert seen == {"hook of lower": 9_000, "hook of old": 6_000, "old": 5_000}


def test_a_hot_function_may_patch_and_undo_itself() -> None:
    calls = 0

    def target(a: int) -> str:
        nonlocal calls
        calls += 1
        if calls % 5_000 == 0:
            patches_made.append(hotpatch(replacement, target))
        return "old"

    def replacement(a: int, *rest: Any) -> str:
        nonlocal calls
        calls += 1
        if calls % 5_000 == 0:
            patches_made.pop().undo()
        return "newer"

    patches_made: list[Any] = []
    assert run("result = thing(1)", target, {}) == {"old": 10_000, "newer": 10_000}


def test_a_hot_recursion_follows() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(n):\n    return f(n - 1) + 1 if n else 0", namespace)
    target = namespace["f"]
    replacement = lambda n, *rest: target(n - 1) + 2 if n else 0  # noqa: E731
    seen = run("result = thing(10)", target, patch_and_undo(replacement, target))
    assert seen == {10: COUNT - NEW_CALLS, 20: NEW_CALLS}


def test_a_hot_generator_in_flight_stays_in_its_body() -> None:
    def target(count: int) -> Iterator[str]:
        for _ in range(count):
            yield "old"

    def replacement(count: int, *rest: Any) -> Iterator[str]:
        for _ in range(count // 2):
            yield "newer"

    seen = run("result = next(thing)", target(COUNT), patch_and_undo(replacement, target))
    assert seen == {"old": COUNT}
