"""The functions that are generated for hooks: their names, and what they show in tracebacks."""

import asyncio
import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hotpatch import hotpatch

pytestmark = pytest.mark.usefixtures("all_are_undone")

Function = Callable[..., Any]
How = Literal["around", "before", "after", "error"]
HOWS: list[How] = ["around", "before", "after", "error"]


USED = ["around", "before", "after", "error", "original", "value", "exception", "inner", "sent"]
USED += ["BaseException", "StopAsyncIteration", "GeneratorExit", "default_0", "_after"]


@pytest.mark.parametrize("name", USED)
@pytest.mark.parametrize("how", HOWS)
def test_a_parameter_may_have_a_name_of_the_generated_function(how: How, name: str) -> None:
    namespace: dict[str, Any] = {}
    text = f"if {name} == 'raise': raise KeyError\n    "
    exec(
        f"def target(first=0, {name}=1):\n    {text}return first, {name}\n"
        f"async def stream(first=0, {name}=1):\n    {text}yield first, {name}",
        namespace,
    )
    target, stream = namespace["target"], namespace["stream"]
    told: list[Any] = []

    async def listed(*args: object) -> list[object]:
        return [item async for item in stream(*args)]

    async def closed() -> None:
        made = stream()
        await made.asend(None)
        await made.aclose()

    around: Any = functools.partial(lambda function, *args: function(*args))
    hook: Any = around if how == "around" else lambda *args: told.append(args[-2:])
    with hotpatch(hook, target, how=how), hotpatch(hook, stream, how=how):
        for call in (target, lambda *args: asyncio.run(listed(*args))[0]):
            assert call() == (0, 1)
            assert call("a", "b") == ("a", "b")
            with pytest.raises(KeyError):
                call("c", "raise")
        asyncio.run(closed())
        assert inspect.signature(target).parameters[name].default == 1
    expected: dict[How, list[Any]] = {
        "around": [],
        "before": [(0, 1), ("a", "b"), ("c", "raise")],
        "after": [(0, 1), ("a", "b")],
        "error": [("c", "raise")],
    }
    assert told == expected[how] * 2 + ([(0, 1)] if how in ("before", "error") else [])


def test_a_parameter_may_be_called_replacement_or_active() -> None:
    def new(first: Any = 0, replacement: Any = 1, active: Any = 2) -> Any:
        return first, replacement, active

    def target(*args: object) -> Any: ...

    def like_new(first: Any = 0, replacement: Any = 1, active: Any = 2) -> Any: ...

    with (
        hotpatch(functools.partial(new), target),
        hotpatch(new, like_new, scope="thread"),
    ):
        for function in (target, like_new):
            assert function() == (0, 1, 2)
            assert function("a", "b", "c") == ("a", "b", "c")


def test_an_exception_goes_on_unchanged() -> None:
    cause, context = OSError(), LookupError()

    def target() -> None:
        try:
            raise context
        except LookupError:
            raise ValueError("why") from cause

    seen = []

    def hook(exception: BaseException) -> None:
        seen.append(exception)
        try:
            raise KeyError
        except KeyError:
            pass

    with hotpatch(hook, target, how="error"), pytest.raises(ValueError, match="why") as caught:
        target()
    assert seen == [caught.value]
    assert caught.value.__cause__ is cause
    assert caught.value.__context__ is context
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == [sys._getframe().f_code.co_name, "forward", "target"]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("around", "return around(original, x)"),
        ("before", "return original(x)"),
        ("after", "value = original(x)"),
        ("error", "return original(x)"),
    ],
)
def test_one_generated_frame_with_a_readable_line_is_in_a_traceback(how: How, line: str) -> None:
    def target(x: int) -> float:
        return 1 / x

    def around(original: Function, x: int) -> object:
        return original(x)

    hook: Any = around if how == "around" else lambda *args: None
    with hotpatch(hook, target, how=how), pytest.raises(ZeroDivisionError) as caught:
        target(0)
    assert generated_lines(caught.value) == [line]


def generated_lines(error: BaseException) -> list[str | None]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.line for frame in frames if frame.filename.startswith("<hotpatch")]


def test_each_generated_function_shows_its_own_line() -> None:
    def first(one: int) -> float:
        return 1 / one

    def second(two: int) -> float:
        return 1 / two

    with hotpatch(lambda: None, first, how="before"), hotpatch(lambda: None, second, how="before"):
        for function, name in ((first, "one"), (second, "two"), (first, "one")):
            with pytest.raises(ZeroDivisionError) as caught:
                function(0)
            assert generated_lines(caught.value) == [f"return original({name})"]
