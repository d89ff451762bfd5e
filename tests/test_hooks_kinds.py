"""Hooks of generators, coroutines and async generators: when they run, and what passes through."""

import asyncio
import inspect
import re
import types
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hotpatch import hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

How = Literal["around", "before", "after", "error"]
HOWS: list[How] = ["around", "before", "after", "error"]
Outcome = tuple[str, object]


class StopError(Exception):
    pass


def generator() -> Any:
    def target(x: int) -> Any:
        """Yields what it is sent, survives `KeyError`, and returns."""
        sent = yield "first", x
        while sent != "return":
            if sent == "raise":
                raise ValueError(x)
            try:
                sent = yield "sent", sent
            except KeyError as error:
                sent = yield "caught", error.args
            except StopError:
                return "stopped"
        return "returned", x

    return target


@types.coroutine
def pause(item: object) -> Any:
    return (yield item)


def coroutine() -> Any:
    async def target(x: int) -> Any:
        sent = await pause(("first", x))
        while sent != "return":
            if sent == "raise":
                raise ValueError(x)
            try:
                sent = await pause(("sent", sent))
            except KeyError as error:
                sent = await pause(("caught", error.args))
            except StopError:
                return "stopped"
        return "returned", x

    return target


def iterable_coroutine() -> Any:
    return types.coroutine(generator())


def async_generator() -> Any:
    async def target(x: int) -> Any:
        sent = yield "first", x
        while sent != "return":
            if sent == "raise":
                raise ValueError(x)
            try:
                sent = yield "sent", sent
            except KeyError as error:
                sent = yield "caught", error.args
            except StopError:
                return

    return target


KINDS = {
    "generator": generator,
    "coroutine": coroutine,
    "generator-based coroutine": iterable_coroutine,
    "async generator": async_generator,
}
Step = tuple[str, object]
SCRIPTS: dict[str, list[Step]] = {
    "return": [("send", None), ("send", 1), ("send", "return")],
    "raise": [("send", None), ("send", "raise")],
    "throw and go on": [("send", None), ("send", 1), ("throw", KeyError("k")), ("send", 2)],
    "throw and return": [("send", None), ("send", 1), ("throw", StopError())],
    "throw and raise": [("send", None), ("throw", OSError("o"))],
    "close": [("send", None), ("send", 1), ("close", None)],
    "close at once": [("close", None)],
    "throw at once": [("throw", OSError("o"))],
}


def run(target: Any, script: list[Step]) -> list[Outcome]:
    """Does to the result of a call what the script says."""
    made = target(3)
    outcomes: list[Outcome] = []
    for action, value in script:
        is_async = inspect.isasyncgen(made)
        method = getattr(made, f"a{action}" if is_async else action)
        try:
            found = method() if action == "close" else method(value)
            if is_async:
                try:
                    found.send(None)
                except StopIteration as stop:
                    found = stop.value
        except StopIteration as stop:
            outcomes.append(("returns", stop.value))
        except BaseException as error:
            outcomes.append(("raises", repr(error)))
        else:
            outcomes.append(("yields", found))
    return outcomes


def how_it_ends(kind: str, outcomes: list[Outcome], script: list[Step]) -> list[object]:
    """What observers of the end are told."""
    if script[0][0] != "send":
        return []  # it never began
    last, value = outcomes[-1]
    if script[-1][0] == "close":
        return [("error", "GeneratorExit()")]
    if last == "returns":
        return [("after", repr(value))]
    if "StopAsyncIteration" in str(value):
        return [("after", "None")]
    # What is not over is closed when it is dropped.
    return [("error", value if last == "raises" else "GeneratorExit()")]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_everything_passes_through(kind: str, how: How, script: str) -> None:
    target = KINDS[kind]()
    expected = run(target, SCRIPTS[script])
    told: list[object] = []
    hooks: dict[How, Callable[..., Any]] = {
        "around": lambda original, x: original(x),
        "before": lambda x: told.append(("before", repr(x))),
        "after": lambda result, x: told.append(("after", repr(result))),
        "error": lambda error: told.append(("error", repr(error))),
    }
    flags = target.__code__.co_flags
    with hotpatch(hooks[how], target, how=how):
        assert run(target, SCRIPTS[script]) == expected
        assert target.__code__.co_flags & 0x3A0 == flags & 0x3A0
        if kind != "generator-based coroutine":
            assert inspect.iscoroutinefunction(target) == (kind == "coroutine")
            assert inspect.isgeneratorfunction(target) == (kind == "generator")
            assert inspect.isasyncgenfunction(target) == (kind == "async generator")
    end = how_it_ends(kind, expected, SCRIPTS[script])
    if how == "before":
        assert told == ([("before", "3")] if SCRIPTS[script][0][0] == "send" else [])
    else:
        assert told == [it for it in end if isinstance(it, tuple) and it[0] == how]
    assert run(target, SCRIPTS[script]) == expected


@pytest.mark.parametrize("make", [generator, coroutine])
def test_observers_run_when_it_really_begins_and_ends(make: Callable[[], Any]) -> None:
    target: Any = make()
    told: list[str] = []
    with (
        hotpatch(lambda: told.append("begins"), target, how="before"),
        hotpatch(lambda result: told.append("ends"), target, how="after"),
    ):
        made = target(3)
        assert told == []
        made.send(None)
        assert told == ["begins"]
        made.send(1)
        with pytest.raises(StopIteration):
            made.send("return")
        assert told == ["begins", "ends"]


def test_around_may_be_written_as_the_target_is() -> None:
    async def add_one(original: Any, x: int) -> int:
        return int(await original(x)) + 1

    async def doubled(x: int) -> int:
        await asyncio.sleep(0)
        return x * 2

    with hotpatch(add_one, doubled, how="around"):
        assert asyncio.run(doubled(3)) == 7

    def twice(original: Any, x: int) -> Any:
        yield from original(x)
        return (yield from original(x))

    def numbers(x: int) -> Any:
        yield x
        return "result"

    def outer() -> Any:
        return (yield from numbers(1)), "kept"

    with hotpatch(twice, numbers, how="around"):
        made = outer()
        assert [next(made), next(made)] == [1, 1]
        with pytest.raises(StopIteration) as caught:
            next(made)
    assert caught.value.value == ("result", "kept")

    async def reversed_(original: Any, x: int) -> Any:
        for item in [item async for item in original(x)][::-1]:
            yield item

    async def count(x: int) -> Any:
        for index in range(x):
            yield index

    async def listed() -> list[int]:
        return [item async for item in count(3)]

    with hotpatch(reversed_, count, how="around"):
        assert asyncio.run(listed()) == [2, 1, 0]
    assert asyncio.run(listed()) == [0, 1, 2]


@pytest.mark.parametrize("kind", [*KINDS, "plain"])
@pytest.mark.parametrize("hook", KINDS)
@pytest.mark.parametrize("how", HOWS)
def test_a_hook_whose_result_nobody_would_use_is_refused(how: How, hook: str, kind: str) -> None:
    target: Any = KINDS[kind]() if kind != "plain" else lambda x: x
    if how == "around" and hook == kind:
        return
    named = KINDS[hook]()
    if how == "around":
        why, instead = f"callers of a {kind} function do not use what it returns", kind
    else:
        why, instead = "nobody would use what it returns", "plain"
    text = f": it is a {hook} function, and {why}; write it as a {instead} function"
    with pytest.raises(TypeError, match=re.escape(text) + "$"):
        hotpatch(named, target, how=how)
    assert patches(target) == []


@pytest.mark.parametrize("how", ["after", "error"])
def test_closing_an_async_generator_waits_for_what_is_inside(
    how: Literal["after", "error"],
) -> None:
    done: list[str] = []
    told: list[str] = []

    async def target() -> Any:
        try:
            yield 1
        except GeneratorExit:
            await asyncio.sleep(0)
            done.append("cleaned up")

    async def main() -> None:
        made = target()
        await made.asend(None)
        await made.aclose()
        assert done == ["cleaned up"]

    with hotpatch(lambda given: told.append(repr(given)), target, how=how):
        asyncio.run(main())
    assert told == (["GeneratorExit()"] if how == "error" else [])


def test_cancelling_a_task_is_seen_as_an_error() -> None:
    told: list[BaseException] = []

    async def target() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(target())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with hotpatch(told.append, target, how="error"):
        asyncio.run(main())
    assert [type(error) for error in told] == [asyncio.CancelledError]
