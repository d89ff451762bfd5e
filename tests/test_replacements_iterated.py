"""Promise 3: generators and coroutines that are called for the target are passed through whole.

Whatever can be done to what the callable returns, the target's caller can do: each script of steps
must have the same outcome, and run the same code inside, as without hotpatch.
"""

import asyncio
import contextlib
import functools
import inspect
import itertools
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch

Log = list[str]


class Source:
    """Its methods log what happens in them, and go on after a ValueError."""

    def generate(self, log: Log) -> Generator[str, Any, str]:
        log.append("start")
        try:
            for index in range(2):
                try:
                    sent = yield f"item {index}"
                    log.append(f"sent {sent}")
                except ValueError as error:
                    log.append(f"caught {error}")
                    sent = yield "handled"
                    log.append(f"sent {sent}")
        except GeneratorExit:
            log.append("closed")
            raise
        finally:
            log.append("end")
        return "result"

    async def wait(self, log: Log) -> str:
        return await Awaitable(self.generate(log))

    async def generate_async(self, log: Log) -> AsyncIterator[str]:
        log.append("start")
        try:
            for index in range(2):
                try:
                    sent = yield f"item {index}"
                    await pause()
                    log.append(f"sent {sent}")
                except ValueError as error:
                    log.append(f"caught {error}")
                    sent = yield "handled"
                    log.append(f"sent {sent}")
        except GeneratorExit:
            log.append("closed")
            await pause()
            raise
        finally:
            log.append("end")


class Awaitable:
    def __init__(self, generator: Generator[str, Any, str]) -> None:
        self.generator = generator

    def __await__(self) -> Generator[str, Any, str]:
        return self.generator


@types.coroutine
def pause() -> Iterator[str]:
    yield "pause"


class Callables:
    """The ways to have a method of `Source` called for the target."""

    def __init__(self, name: str) -> None:
        method: Any = getattr(Source(), name)
        function: Any = getattr(Source, name)
        call = types.new_class("Call", (), {}, lambda body: body.update(__call__=function))
        by_class = types.new_class("K", (), {}, lambda body: body.update(m=classmethod(function)))
        made: Any = by_class
        self.all: dict[str, Callable[..., Any]] = {
            "bound method": method,
            "bound class method": made.m,
            "partial": functools.partial(function, Source()),
            "partial of a partial": functools.partial(functools.partial(method)),
            "object with __call__": call(),
        }


WAYS = list(Callables("generate").all)


def generator_target(log: Log) -> Iterator[str]:
    yield "old"


async def coroutine_target(log: Log) -> str:
    return "old"


async def async_generator_target(log: Log) -> AsyncIterator[str]:
    yield "old"


Step = Callable[[Any], Any]
STEPS: dict[str, Step] = {
    "next": lambda generator: generator.send(None),
    "send": lambda generator: generator.send(1),
    "caught": lambda generator: generator.throw(ValueError("thrown")),
    "not caught": lambda generator: generator.throw(KeyError("thrown")),
    "exit": lambda generator: generator.throw(GeneratorExit()),
    "close": lambda generator: generator.close(),
}
ASYNC_STEPS: dict[str, Step] = {
    "next": lambda generator: anext(generator),
    "send": lambda generator: generator.asend(1),
    "caught": lambda generator: generator.athrow(ValueError("thrown")),
    "not caught": lambda generator: generator.athrow(KeyError("thrown")),
    "exit": lambda generator: generator.athrow(GeneratorExit()),
    "close": lambda generator: generator.aclose(),
}


def finish(awaitable: Any) -> Any:
    """Awaits it without an event loop."""
    steps = awaitable.__await__()
    while True:
        try:
            assert next(steps) == "pause"
        except StopIteration as stop:
            return stop.value


def described(error: BaseException) -> Any:
    text = str(error)
    if isinstance(error, RuntimeError):
        return RuntimeError, text
    return type(error), error.args


def history(call: Callable[..., Any], script: tuple[Step, ...]) -> list[Any]:
    """What each step gave, and what went on inside."""
    log: Log = []
    generator = call(log)
    outcomes: list[Any] = []
    for step in script:
        try:
            result = step(generator)
            outcomes.append(finish(result) if hasattr(result, "__await__") else result)
        except BaseException as error:
            outcomes.append(described(error))
        outcomes.append(tuple(log))
    # What is left to the garbage collector makes it complain.
    with contextlib.suppress(StopAsyncIteration):
        if inspect.isasyncgen(generator):
            finish(generator.aclose())
        else:
            generator.close()
    return [*outcomes, log]


def scripts(steps: dict[str, Step]) -> list[tuple[Step, ...]]:
    """Every script of up to three steps, and the long ones that begin as most do."""
    short = [script for n in (1, 2, 3) for script in itertools.product(steps.values(), repeat=n)]
    begin = (steps["next"], steps["next"])
    long = [(*begin, *script) for script in itertools.product(steps.values(), repeat=2)]
    # Not as the first step: Py_DEBUG builds of CPython 3.14 and 3.15 abort (gen_send_ex2).
    stops = [StopIteration("thrown"), StopAsyncIteration("thrown")]
    thrown = [(steps["next"], functools.partial(throw, error)) for error in stops]
    return [*short, *long, *thrown]


def throw(error: BaseException, generator: Any) -> Any:
    return getattr(generator, "athrow" if inspect.isasyncgen(generator) else "throw")(error)


def assert_passed_through(target: Any, name: str, way: str, steps: dict[str, Step]) -> None:
    replacement = Callables(name).all[way]
    with hotpatch(replacement, target):
        for script in scripts(steps):
            assert history(target, script) == history(replacement, script)


@pytest.mark.parametrize("way", WAYS)
def test_generators_take_every_step_as_without_hotpatch(way: str) -> None:
    assert_passed_through(generator_target, "generate", way, STEPS)
    assert list(generator_target([])) == ["old"]


@pytest.mark.parametrize("way", WAYS)
def test_coroutines_take_every_step_as_without_hotpatch(way: str) -> None:
    assert_passed_through(coroutine_target, "wait", way, STEPS)
    assert asyncio.run(coroutine_target([])) == "old"


@pytest.mark.parametrize("way", WAYS)
def test_async_generators_take_every_step_as_without_hotpatch(way: str) -> None:
    assert_passed_through(async_generator_target, "generate_async", way, ASYNC_STEPS)


def test_yield_from_gets_the_value_that_the_generator_returns() -> None:
    log: Log = []

    def outer() -> Iterator[str]:
        result = yield from generator_target(log)  # type: ignore[func-returns-value]
        yield f"outer {result}"

    with hotpatch(Source().generate, generator_target):
        assert list(outer()) == ["item 0", "item 1", "outer result"]


def test_a_generator_runs_nothing_before_its_first_step() -> None:
    calls: list[str] = []

    class Eager:
        """The body of a generator function does not run at the call, and so neither may this."""

        def __call__(self) -> Iterator[str]:
            calls.append("started")
            yield "new"

    def f() -> Iterator[str]:
        yield "old"

    with hotpatch(Eager(), f):
        generator = f()
        assert calls == []
        assert next(generator) == "new"


def test_cancelling_a_task_reaches_the_coroutine_that_is_called() -> None:
    seen: list[str] = []

    class Service:
        async def run(self) -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            return "never"

    async def run() -> str:
        return "old"

    async def use() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with hotpatch(Service().run, run):
        asyncio.run(use())
    assert seen == ["cancelled"]


def test_a_generator_that_yields_when_it_is_closed_is_complained_of() -> None:
    class Service:
        def items(self) -> Generator[int, None, None]:
            try:
                yield 1
            except GeneratorExit:
                yield 2

    def items() -> Generator[int, None, None]:
        yield 0

    with hotpatch(Service().items, items):
        generator = items()
        next(generator)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            generator.close()


class Numbers:
    def __init__(self) -> None:
        self.log: Log = []

    async def items(self) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            await asyncio.sleep(0)
            self.log.append("closed")


async def numbers() -> AsyncIterator[int]:
    yield -1


async def up_to_two(complaints: list[str]) -> AsyncIterator[int]:
    """Begins to iterate and leaves the generator where it is."""
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: complaints.append(context["message"])
    )
    iterator = numbers()
    async for number in iterator:
        if number == 2:
            break
    return iterator


def test_an_async_generator_that_is_dropped_in_the_middle_is_closed_by_the_loop() -> None:
    replacement = Numbers()
    complaints: list[str] = []

    async def use() -> None:
        await up_to_two(complaints)
        for _ in range(10):
            await asyncio.sleep(0)

    with hotpatch(replacement.items, numbers):
        asyncio.run(use())
    assert (replacement.log, complaints) == (["closed"], [])


@pytest.mark.parametrize("way", WAYS)
def test_the_target_is_still_what_inspect_says_of_its_kind(way: str) -> None:
    with (
        hotpatch(Callables("generate").all[way], generator_target),
        hotpatch(Callables("wait").all[way], coroutine_target),
        hotpatch(Callables("generate_async").all[way], async_generator_target),
    ):
        assert list(generator_target([])) == ["item 0", "item 1"]
        assert inspect.isgeneratorfunction(generator_target)
        assert inspect.iscoroutinefunction(coroutine_target)
        assert inspect.isasyncgenfunction(async_generator_target)


@types.coroutine
def generator_based_target() -> Iterator[None]:
    yield


class GeneratorBased:
    @types.coroutine
    def __call__(self) -> Generator[None, None, str]:
        yield
        return "new"

    @types.coroutine
    def method(self) -> Generator[None, None, str]:
        yield
        return "new"


GENERATOR_BASED: dict[str, Any] = {
    "object with __call__": GeneratorBased(),
    "bound method": GeneratorBased().method,
    "partial": functools.partial(GeneratorBased.method, GeneratorBased()),
}


@pytest.mark.parametrize("replacement", GENERATOR_BASED.values(), ids=GENERATOR_BASED)
def test_generator_based_coroutines_can_be_awaited(replacement: Any) -> None:
    async def wait() -> Any:
        return await generator_based_target()

    with hotpatch(replacement, generator_based_target):
        assert asyncio.run(wait()) == "new"
    assert asyncio.run(wait()) is None
