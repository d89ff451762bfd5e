"""Patches for one context or one thread: who sees them, and what all others get."""

import asyncio
import contextvars
import functools
import gc
import inspect
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, Literal
from unittest import mock

import pytest
from hotpatch import hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

Scope = Literal["context", "thread"]
SCOPES: list[Scope] = ["context", "thread"]
Function = Callable[..., Any]


def make_target() -> Any:
    def target(x: int, y: int = 1, *rest: int, z: int = 2) -> Any:
        return "base", x, y, rest, z

    return target


def in_thread(action: Callable[[], object]) -> Any:
    """What `action` returns in another thread, with a context of its own."""
    results: list[object] = []
    context = contextvars.Context()
    thread = threading.Thread(target=lambda: results.append(context.run(action)))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("scope", SCOPES)
def test_others_run_the_original(scope: Scope) -> None:
    target = make_target()
    with hotpatch(lambda *args, **kwargs: "new", target, scope=scope) as patch:
        assert target(1) == "new"
        assert in_thread(lambda: target(1)) == ("base", 1, 1, (), 2)
        assert in_thread(lambda: target(1, 5, 6, z=7)) == ("base", 1, 5, (6,), 7)
        assert patch.original(1) == ("base", 1, 1, (), 2)
        assert patch.scope == scope
    assert target(1) == ("base", 1, 1, (), 2)


def test_a_context_is_seen_by_what_is_copied_from_it() -> None:
    target = make_target()

    async def call() -> object:
        await asyncio.sleep(0)
        return target(1)

    async def patched() -> object:
        with hotpatch(lambda x: "new", target, scope="context"):
            return [
                await call(),
                await asyncio.create_task(call()),
                await asyncio.to_thread(target, 1),
                await asyncio.get_running_loop().run_in_executor(None, target, 1),
            ]

    async def main() -> list[object]:
        return list(await asyncio.gather(patched(), call()))

    base = ("base", 1, 1, (), 2)
    assert asyncio.run(main()) == [["new", "new", "new", base], base]


def test_tasks_and_threads_mock_one_function_differently_at_the_same_time() -> None:
    target = make_target()

    async def task(number: int) -> None:
        with hotpatch(lambda x: ("new", number), target, scope="context"):
            for _ in range(20):
                await asyncio.sleep(0)
                assert target(1) == ("new", number)
        assert target(1) == ("base", 1, 1, (), 2)

    async def main() -> None:
        await asyncio.gather(*(task(number) for number in range(20)))

    asyncio.run(main())
    failed: list[BaseException] = []
    barrier = threading.Barrier(8)

    def thread(number: int, scope: Scope) -> None:
        try:
            barrier.wait()
            for _ in range(100):
                with hotpatch(lambda x: ("new", number), target, scope=scope):
                    for _ in range(10):
                        assert target(1) == ("new", number)
                assert target(1) == ("base", 1, 1, (), 2)
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=thread, args=(number, SCOPES[number % 2])) for number in range(8)
    ]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert failed == []
    assert patches(target) == []


def test_a_thread_that_comes_later_is_another() -> None:
    """The operating system gives the number of a thread to another when it has ended."""
    target = make_target()
    made: list[Any] = []

    def patch() -> int:
        made.append(hotpatch(lambda x: "new", target, scope="thread"))
        return threading.get_ident()

    def call() -> tuple[int, object]:
        return threading.get_ident(), target(1)

    for _ in range(200):
        first = in_thread(patch)
        number, result = in_thread(call)
        made.pop().undo()
        assert result == ("base", 1, 1, (), 2)
        if number == first:
            return
    pytest.skip("no number of a thread was given to another")


@pytest.mark.parametrize("scope", SCOPES)
def test_hooks_have_scopes(scope: Scope) -> None:
    target = make_target()
    seen: list[object] = []
    with hotpatch(lambda original, x: ("around", original(x)), target, how="around", scope=scope):
        pass
    with (
        hotpatch(
            lambda original, *args, **kwargs: ("around", original(*args, **kwargs)),
            target,
            how="around",
            scope=scope,
        ),
        hotpatch(lambda x: seen.append(x), target, how="before", scope=scope),
        hotpatch(lambda result, x: seen.append(result), target, how="after", scope=scope),
    ):
        assert target(3) == ("around", ("base", 3, 1, (), 2))
        assert seen == [3, ("around", ("base", 3, 1, (), 2))]
        assert in_thread(lambda: target(4)) == ("base", 4, 1, (), 2)
        assert len(seen) == 2


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_stack_with_other_patches(scope: Scope) -> None:
    target = make_target()
    base = ("base", 1, 1, (), 2)
    with hotpatch(lambda x: "here", target, scope=scope) as here:
        assert in_thread(lambda: target(1)) == base
        with hotpatch(lambda x: "everywhere", target, order=-1):
            assert (target(1), in_thread(lambda: target(1))) == ("here", "everywhere")
        with hotpatch(lambda x: "outer", target):
            assert (target(1), in_thread(lambda: target(1))) == ("outer", "outer")
        assert in_thread(lambda: here.undo() or target(1)) == base  # type: ignore[func-returns-value]
        assert target(1) == base


@pytest.mark.parametrize("scope", SCOPES)
def test_a_patch_of_an_original_is_for_calls_in_the_scope_in_a_copy_too(scope: Scope) -> None:
    """Other calls of a plain function do not go through the original."""
    target, other = make_target(), make_target()

    def mark(original: Function, x: int, *rest: Any, **more: Any) -> Any:
        return "marked", original(x, *rest, **more)

    outer = hotpatch(mark, target, how="around", scope=scope)
    inner = hotpatch(lambda *args, **kwargs: "inner", outer.original)
    copy = hotpatch(target, other)
    for function in (target, other):
        assert function(1) == ("marked", "inner")
        assert in_thread(functools.partial(function, 1)) == ("base", 1, 1, (), 2)
    for patch in (copy, inner, outer):
        patch.undo()


async def collect(made: Any) -> list[object]:
    return [item async for item in made]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_kind_of_function_has_scopes(scope: Scope) -> None:
    def generator(x: int) -> Any:
        yield x
        return "base"

    def new_generator(x: int) -> Any:
        yield -x
        return "new"

    async def coroutine(x: int) -> Any:
        return x

    async def new_coroutine(x: int) -> Any:
        return -x

    async def async_generator(x: int) -> Any:
        yield x

    async def new_async_generator(x: int) -> Any:
        yield -x

    def results() -> list[object]:
        def outer() -> Any:
            return (yield from generator(3))

        made = outer()
        found = [next(made)]
        with pytest.raises(StopIteration) as stopped:
            next(made)
        return [
            *found,
            stopped.value.value,
            asyncio.run(coroutine(3)),
            *asyncio.run(collect(async_generator(3))),
        ]

    with (
        hotpatch(new_generator, generator, scope=scope),
        hotpatch(new_coroutine, coroutine, scope=scope),
        hotpatch(new_async_generator, async_generator, scope=scope),
    ):
        assert results() == [-3, "new", -3, -3]
        assert in_thread(results) == [3, "base", 3, 3]
        assert inspect.isgeneratorfunction(generator)
        assert inspect.iscoroutinefunction(coroutine)
        assert inspect.isasyncgenfunction(async_generator)
    with pytest.raises(TypeError, match=r"generator function.*plain function"):
        hotpatch(lambda x: x, generator, scope=scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_written_in_c_has_scopes(scope: Scope) -> None:
    partial: Any = functools.partial(pow, 2)
    with (
        hotpatch(lambda x: 0.5, math.sqrt, scope=scope),
        hotpatch(lambda self: "new", str.upper, scope=scope),
        hotpatch(lambda x: "new", partial, scope=scope),
    ):
        assert [math.sqrt(4), "a".upper(), partial(3)] == [0.5, "new", "new"]
        assert in_thread(lambda: [math.sqrt(4), "a".upper(), partial(3)]) == [2.0, "A", 8]
    assert [math.sqrt(4), "a".upper(), partial(3)] == [2.0, "A", 8]
    method: Any = functools.partialmethod(pow, 2)
    with pytest.raises(TypeError, match="it is no function"):
        hotpatch(lambda x: "new", method, scope=scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_super_in_a_replacement_is_that_of_the_target(scope: Scope) -> None:
    class Base:
        def greet(self) -> str:
            return "base"

    class Derived(Base):
        def greet(self) -> str:
            return f"derived {super().greet()}"

    class Other(Base):
        def greet(self: Any) -> str:
            return f"other {super().greet()}"

    with hotpatch(Other.greet, Derived.greet, scope=scope):
        assert Derived().greet() == "other base"
        assert in_thread(Derived().greet) == "derived base"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_mock_is_called_as_the_target_was(scope: Scope) -> None:
    target = make_target()
    mocked = mock.Mock(return_value="mocked")
    with hotpatch(mocked, target, scope=scope):
        assert target(1) == "mocked"
        mocked.assert_called_with(1)
        assert target(1, z=4) == "mocked"
        mocked.assert_called_with(1, z=4)
        assert in_thread(lambda: target(1, z=4)) == ("base", 1, 1, (), 4)

    def other_default(x: int, y: int = 5) -> Any:
        return "new", x, y

    with hotpatch(other_default, target, scope=scope):
        assert target(1) == ("new", 1, 5)
        assert in_thread(lambda: target(1)) == ("base", 1, 1, (), 2)


@pytest.mark.parametrize("scope", SCOPES)
def test_with_the_same_parameters_the_signature_stays(scope: Scope) -> None:
    target = make_target()
    before = inspect.signature(target)

    def new(x: int, y: int = 1, *rest: int, z: int = 2) -> Any:
        return "new", x, y, rest, z

    with hotpatch(new, target, scope=scope):
        assert inspect.signature(target) == before
        assert target(3, 4, 5, z=6) == ("new", 3, 4, (5,), 6)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(
        ValueError, match="scope='task' is unknown; use one of 'process', 'context'"
    ):
        hotpatch(print, make_target(), scope="task")  # type: ignore[call-overload]


@pytest.mark.parametrize("scope", SCOPES)
def test_nothing_is_kept(scope: Scope) -> None:
    class Kept:
        pass

    target, kept = make_target(), Kept()
    gone = weakref.ref(kept)
    before = len(contextvars.copy_context())
    patch = hotpatch(lambda x, kept=kept: "new", target, scope=scope)
    del kept
    patch.undo()
    gc.collect()
    assert gone() is None
    with pytest.raises(TypeError):
        hotpatch(3, target, scope=scope)  # type: ignore[call-overload]
    assert len(contextvars.copy_context()) == before


@pytest.mark.parametrize("scope", SCOPES)
def test_a_target_that_is_dropped_while_patched_is_collected(scope: Scope) -> None:
    target = make_target()
    gone = weakref.ref(target)
    patch = hotpatch(lambda x, target=target: "new", target, scope=scope)
    del target
    gc.collect()
    assert gone() is None
    assert not patch.active
