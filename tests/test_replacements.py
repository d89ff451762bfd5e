"""Promise 3: a Python function gives its whole body, and is itself left as it is."""

import gc
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch

BODY = ["__code__", "__globals__", "__builtins__", "__defaults__", "__kwdefaults__"]


def make(source: str, **namespace: Any) -> Any:
    """The function `f` that `source` defines in a module of its own."""
    exec(source, namespace)
    return namespace["f"]


def untyped(function: Callable[..., Any]) -> Any:
    """Keep the type checker from comparing a target with replacements that are unlike it."""
    return function


@untyped
def target(a: int = 1, *, b: int = 2) -> Any:
    return a, b


def test_globals_are_those_of_the_replacement() -> None:
    replacement = make("def f(): return word", word="new")
    with hotpatch(replacement, target):
        assert target() == "new"
        replacement.__globals__["word"] = "newer"
        assert target() == "newer"


def test_a_global_statement_writes_to_the_module_of_the_replacement() -> None:
    replacement = make("def f():\n    global count\n    count += 1", count=1)
    with hotpatch(replacement, target):
        target()
    assert replacement.__globals__["count"] == 2
    assert "count" not in globals()


def test_builtins_are_those_of_the_replacement() -> None:
    replacement = make("def f(): return len('abc')", __builtins__={"len": lambda text: "mine"})
    with hotpatch(replacement, target):
        assert target() == "mine"
        patched: Any = target
        assert patched.__builtins__ is replacement.__builtins__
    assert target() == (1, 2)


def counter() -> tuple[Callable[[], int], Callable[[], int]]:
    """One function that counts up, and one that reads, which share a cell."""
    count = 0

    def increase() -> int:
        nonlocal count
        count += 1
        return count

    def read() -> int:
        return count

    return increase, read


def test_cells_are_shared_and_not_copied() -> None:
    """What either of the two writes, the other reads, also after undo."""
    increase, read = counter()

    def f() -> int:
        return -1

    increase()
    with hotpatch(increase, f):
        assert (f(), read()) == (2, 2)
        assert (increase(), f()) == (3, 4)
        assert f.__closure__ == increase.__closure__
    assert (f(), increase(), read()) == (-1, 5, 5)


def test_cells_of_the_target_are_left_alone_while_it_is_patched() -> None:
    increase, read = counter()
    with hotpatch(lambda: -1, increase):
        assert (increase(), read()) == (-1, 0)
    assert (increase(), read()) == (1, 1)


def test_two_patched_targets_can_share_a_cell() -> None:
    def one() -> int:
        return -1

    def other() -> int:
        return -2

    increase, read = counter()
    with hotpatch(increase, one), hotpatch(read, other):
        assert (one(), other(), one(), other()) == (1, 1, 2, 2)


def test_a_cell_that_is_filled_after_the_patch_is_seen() -> None:
    def replacement() -> str:
        return later

    def f() -> str:
        return "old"

    with hotpatch(replacement, f):
        with pytest.raises(NameError, match="later"):
            f()
        later = "now"
        assert f() == "now"


def test_functions_inside_of_the_replacement_see_its_variables() -> None:
    word = "outer"

    def replacement(local: str) -> list[str]:
        return [(lambda: f"{word} {local} {x}")() for x in range(2)]

    def f() -> list[str]:
        return []

    with hotpatch(replacement, f):
        assert f("local") == ["outer local 0", "outer local 1"]  # type: ignore[call-arg]


def test_each_kind_of_function_takes_its_cells_along() -> None:
    word = "cell"

    def new_generator() -> Iterator[str]:
        yield word

    async def new_coroutine() -> str:
        return word

    async def new_async_generator() -> AsyncIterator[str]:
        yield word

    def generator() -> Iterator[str]:
        yield "old"

    async def coroutine() -> str:
        return "old"

    async def async_generator() -> AsyncIterator[str]:
        yield "old"

    with (
        hotpatch(new_generator, generator),
        hotpatch(new_coroutine, coroutine),
        hotpatch(new_async_generator, async_generator),
    ):
        assert next(generator()) == "cell"
        for step in (coroutine().__await__(), anext(async_generator()).__await__()):
            with pytest.raises(StopIteration) as stop:
                next(step)
            assert stop.value.value == "cell"


def test_default_objects_are_shared() -> None:
    def replacement(items: list[int] = []) -> list[int]:  # noqa: B006
        items.append(len(items))
        return items

    with hotpatch(replacement, target):
        assert target() is replacement()
        assert target() == [0, 1, 2]


def test_what_is_assigned_to_the_replacement_later_does_not_reach_the_target() -> None:
    def replacement(a: int = 10, *, b: int = 20) -> Any:
        return a, b

    def other(a: int = 0, *, b: int = 0) -> Any:
        return "other"

    with hotpatch(replacement, target):
        replacement.__defaults__ = (11,)
        replacement.__code__ = other.__code__
        assert replacement.__kwdefaults__ is not None
        replacement.__kwdefaults__["b"] = 21
        replacement.__annotations__["a"] = str
        assert target() == (10, 20)
        assert target.__annotations__["a"] is int


def test_keyword_defaults_changed_in_place_are_those_of_the_patch_alone() -> None:
    def replacement(*, b: int = 20) -> Any:
        return b

    before = target.__kwdefaults__
    with hotpatch(replacement, target):
        assert target.__kwdefaults__ is not None
        target.__kwdefaults__["b"] = 21
        assert (target(), replacement()) == (21, 20)
    assert target.__kwdefaults__ is before
    assert target() == (1, 2)


def replace_simple() -> Any:
    return lambda: "new"


def replace_with_defaults() -> Any:
    return lambda x=[], *, y=(), **more: "new"


def replace_with_cells() -> Any:
    word = "new"
    return lambda: word


def replace_from_elsewhere() -> Any:
    return make("def f(x: word = 1) -> 'str': return x", __builtins__={}, word=int)


REPLACEMENTS = [replace_simple, replace_with_defaults, replace_with_cells, replace_from_elsewhere]


def snapshot(function: Any) -> dict[str, Any]:
    names = [*BODY, "__annotations__"] + ["__type_params__"] * (sys.version_info >= (3, 12))
    return {name: getattr(function, name) for name in names}


@pytest.mark.parametrize("make_replacement", REPLACEMENTS)
def test_undo_restores_every_part_of_the_body(make_replacement: Callable[[], Any]) -> None:
    increase: Any = counter()[0]
    for f in (target, increase):
        before, closure = snapshot(f), f.__closure__
        with hotpatch(make_replacement(), f):
            assert f.__code__ is not before["__code__"]
        after = snapshot(f)
        assert [name for name in before if after[name] is not before[name]] == []
        assert tuple(f.__closure__ or ()) == tuple(closure or ())


@pytest.mark.parametrize("make_replacement", REPLACEMENTS)
def test_the_replacement_is_left_as_it_is(make_replacement: Callable[[], Any]) -> None:
    replacement = make_replacement()
    replacement.attribute = "kept"
    before = snapshot(replacement) | {"__dict__": replacement.__dict__}
    closure = replacement.__closure__
    with hotpatch(replacement, target):
        assert target.__code__ is replacement.__code__
        during = snapshot(replacement) | {"__dict__": replacement.__dict__}
        assert [name for name in before if during[name] is not before[name]] == []
        assert replacement.__closure__ is closure
        assert replacement.__dict__ == {"attribute": "kept"}


@pytest.mark.parametrize("make_replacement", REPLACEMENTS)
def test_the_body_is_that_of_the_replacement(make_replacement: Callable[[], Any]) -> None:
    replacement = make_replacement()
    with hotpatch(replacement, target):
        assert snapshot(target) == snapshot(replacement)
        assert tuple(target.__closure__ or ()) == tuple(replacement.__closure__ or ())


def test_a_replacement_that_nobody_else_holds_goes_on_working() -> None:
    def f() -> str:
        return "old"

    with hotpatch(make("def f(word='new'): return word + suffix", suffix="!"), f):
        gc.collect()
        assert f() == "new!"


def test_a_replacement_that_calls_itself_by_name_means_itself() -> None:
    def replacement(n: int) -> list[int]:
        return [n, *replacement(n - 1)] if n else []

    def f(n: int) -> list[int]:
        return []

    with hotpatch(replacement, f):
        assert f(2) == [2, 1]


def test_a_function_made_from_code_alone_is_a_replacement() -> None:
    cell = types.CellType("in the cell")
    code = next(
        constant
        for constant in replace_with_cells.__code__.co_consts
        if isinstance(constant, types.CodeType)
    )
    with hotpatch(types.FunctionType(code, {}, None, None, (cell,)), target):
        assert target() == "in the cell"
        cell.cell_contents = "something else"
        assert target() == "something else"


def test_a_function_replaced_by_itself_is_frozen_as_it_is() -> None:
    """Patches below can be undone without changing what it does."""

    def f() -> str:
        return "old"

    first = hotpatch(lambda: "first", f)
    frozen = hotpatch(f, f)
    assert f() == "first"
    first.undo()
    assert f() == "first"
    frozen.undo()
    assert f() == "old"


def test_a_function_frozen_before_any_patch_keeps_its_keyword_defaults() -> None:
    def f(*, x: int = 1) -> int:
        return x

    keyword_defaults = f.__kwdefaults__
    assert keyword_defaults is not None
    with hotpatch(f, f):
        keyword_defaults["x"] = 2
        assert f() == 1
    assert f() == 2


def test_a_patched_function_gives_what_it_does_now() -> None:
    """What becomes of it later is nothing to the target."""

    def f() -> str:
        return "f"

    def g() -> str:
        return "g"

    inner = hotpatch(lambda: "patched g", g)
    with hotpatch(g, f):
        inner.undo()
        assert (f(), g()) == ("patched g", "g")
        with hotpatch(lambda: "other g", g):
            assert f() == "patched g"
    assert f() == "f"


def test_what_lay_below_a_patch_can_be_laid_over_it() -> None:
    def f() -> str:
        return "old"

    first = hotpatch(lambda: "new", f)
    second = hotpatch(first.original, f)
    assert f() == "old"
    second.undo()
    assert f() == "new"
    first.undo()
    assert f() == "old"
