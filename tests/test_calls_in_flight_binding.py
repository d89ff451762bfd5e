"""Promise 7, for calls that are still binding their arguments while the body is swapped.

A keyword that is an instance of a subclass of `str` is compared by its own `__eq__`, which can do
anything, also patch the function that is being called. The call has chosen its code by then, but
has not taken its cells and its defaults yet. Generator and coroutine functions are left out:
CPython's own `function.__code__ = code` is not safe there either.
"""

import functools
import gc
import types
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import Patch, hotpatch, patches


class Keyword(str):
    """The name of an argument; while it is compared for the first time, `act` is called."""

    __slots__ = ("act",)
    act: Callable[[], object] | None

    def __eq__(self, other: object) -> bool:
        act, self.act = self.act, None
        if act is not None:
            act()
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def keyword(act: Callable[[], object]) -> dict[str, int]:
    name = Keyword("x")
    name.act = act
    return {name: 1}


def function(mark: str, cells: int, parameters: str = "self=None, *, x") -> Any:
    """Make a function that shows which globals and which cells its call has got."""
    variables = [f"cell{index}" for index in range(cells)]
    lines = [
        "def make():",
        *(f"    {name} = '{mark} {name}'" for name in variables),
        f"    def f({parameters}):",
        f"        return ['{mark}', MARK, {', '.join(variables)}]",
        "    return f",
    ]
    namespace: dict[str, Any] = {"MARK": mark}
    exec("\n".join(lines), namespace)
    return namespace.pop("make")()


def whole(mark: str, cells: int) -> list[str]:
    """What a call returns that got all of one body."""
    return [mark, mark, *(f"{mark} cell{index}" for index in range(cells))]


def overwrite_freed_memory() -> None:
    gc.collect()
    for size in range(12):
        [tuple([None] * size) for _ in range(100)]
        [{"MARK": "overwritten", "size": size} for _ in range(100)]


def call(target: Any, act: Callable[[], object]) -> Any:
    """Call `target`, which is changed by `act` while it binds its arguments."""
    try:
        return target(**keyword(act))
    except NameError:
        return "an empty cell"


ROUTES: dict[str, Callable[[Any, dict[str, int]], Any]] = {
    "direct": lambda f, keywords: f(**keywords),
    "partial": lambda f, keywords: functools.partial(f, **keywords)(),
    "__call__": lambda f, keywords: f.__call__(**keywords),
    "bound method": lambda f, keywords: types.MethodType(f, "self")(**keywords),
    "after a positional": lambda f, keywords: f("self", **keywords),
    "class": lambda f, keywords: type("K", (), {"__new__": f})(**keywords),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("cells", [0, 1, 7])
def test_a_call_patched_to_a_body_without_cells_finishes_in_the_old_body(
    cells: int, route: Callable[[Any, dict[str, int]], Any]
) -> None:
    target = function("old", cells)

    def act() -> None:
        hotpatch(function("new", 0), target)
        overwrite_freed_memory()

    assert route(target, keyword(act)) == whole("old", cells)
    assert target(x=1) == whole("new", 0)


@pytest.mark.parametrize("new", [1, 2, 7])
@pytest.mark.parametrize("old", [0, 1, 2, 7])
def test_a_call_patched_to_a_body_with_cells_stays_in_its_code_and_globals(
    old: int, new: int
) -> None:
    """It takes its cells from the new closure as far as that goes: a closure is one tuple."""
    target = function("old", old)

    def act() -> None:
        hotpatch(function("new", new), target)
        overwrite_freed_memory()

    result = call(target, act)
    assert result == [
        *("old", "old"),
        *(f"{'new' if index < new else 'old'} cell{index}" for index in range(old)),
    ]
    assert target(x=1) == whole("new", new)


@pytest.mark.parametrize("new", [0, 1, 2, 7])
@pytest.mark.parametrize("old", [0, 1, 2, 7])
def test_a_call_whose_patch_is_undone_stays_in_its_code_and_globals(old: int, new: int) -> None:
    """Cells that the target does not have are empty then: undo keeps nothing of the replacement."""
    target = function("old", old)
    patch = hotpatch(function("new", new), target)

    def act() -> None:
        patch.undo()
        overwrite_freed_memory()

    result = call(target, act)
    if new > old:
        assert result == "an empty cell"
    else:
        assert result == ["new", "new", *(f"old cell{index}" for index in range(new))]
    assert target(x=1) == whole("old", old)


@pytest.mark.parametrize("upper", [0, 1, 7])
@pytest.mark.parametrize("lower", [0, 2, 7])
@pytest.mark.parametrize("base", [0, 1, 7])
def test_a_call_survives_any_change_of_the_stack_above_its_body(
    base: int, lower: int, upper: int
) -> None:
    target = function("base", base)
    made: list[Patch] = [hotpatch(function("lower", lower), target)]

    def act() -> None:
        made.append(hotpatch(function("upper", upper), target))
        made[0].undo()
        overwrite_freed_memory()
        made[1].undo()
        overwrite_freed_memory()

    result = call(target, act)
    assert result == "an empty cell" or result[:2] == ["lower", "lower"]
    assert target(x=1) == whole("base", base)
    assert patches(target) == []


def test_a_call_survives_a_change_to_and_fro() -> None:
    target = function("old", 3)

    def act() -> None:
        for cells in (0, 9, 1, 5):
            hotpatch(function("new", cells), target).undo()
        overwrite_freed_memory()

    assert call(target, act) == whole("old", 3)


@pytest.mark.parametrize("cells", [0, 1, 7])
def test_a_call_of_an_original_survives_the_end_of_its_body(cells: int) -> None:
    """The original of the upper patch gets the body below when the lower patch is undone."""
    target = function("base", 0)
    lower = hotpatch(function("lower", cells), target)
    upper = hotpatch(function("upper", 0), target)
    original: Any = upper.original

    def act() -> None:
        lower.undo()
        overwrite_freed_memory()

    result = call(original, act)
    assert result == (["lower", "lower"] if cells == 0 else "an empty cell")
    assert original(x=1) == whole("base", 0)


PARAMETERS = {
    "the same": "self=None, *, x",
    "fewer": "x",
    "more defaults": "x=0, a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=8",
    "keyword-only defaults": "*, x=0, a=1, b=2, c=3",
    "anything": "*args, **kwargs",
    "everything": "x=0, a=1, *args, b=2, c=3, **kwargs",
}


@pytest.mark.parametrize("new", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("old", PARAMETERS.values(), ids=PARAMETERS)
def test_a_call_survives_a_change_of_its_parameters_and_defaults(old: str, new: str) -> None:
    """Defaults are read after keywords: a call may miss one, but reads none that is not there."""
    target = function("old", 1, old)
    made: list[Patch] = []

    def act() -> None:
        made.append(hotpatch(function("new", 0, new), target))
        overwrite_freed_memory()

    try:
        result = target(**keyword(act))
    except TypeError:
        result = "a default is missing"
    assert result in (whole("old", 1), "a default is missing")
    if old == PARAMETERS["anything"]:
        assert made == []  # it has no names to compare with
    else:
        assert target(x=1) == whole("new", 0)


def test_a_call_of_its_own_function_in_mid_binding_sees_the_new_body() -> None:
    target = function("old", 2)
    inner: list[Any] = []

    def act() -> None:
        hotpatch(function("new", 0), target)
        inner.append(target(**keyword(lambda: inner.append(target(x=1)))))

    assert target(**keyword(act)) == whole("old", 2)
    assert inner == [whole("new", 0), whole("new", 0)]
