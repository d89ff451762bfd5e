"""Promise 7: a call that was suspended or kept goes on in its old body and finishes in it."""

import builtins
import gc
import sys
import textwrap
import traceback
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch, patches

# Each body reads a global and a builtin before and after it is suspended.
BODIES = {
    "generator": """
        def f():
            yield (MARK, len(MARK))
            yield (MARK, len(MARK))
        """,
    "coroutine": """
        async def f():
            await pause((MARK, len(MARK)))
            await pause((MARK, len(MARK)))
        """,
    "async generator": """
        async def f():
            yield (MARK, len(MARK))
            yield (MARK, len(MARK))
        """,
    "generator-based coroutine": """
        @coroutine
        def f():
            yield (MARK, len(MARK))
            yield (MARK, len(MARK))
        """,
}
every_kind = pytest.mark.parametrize("kind", BODIES)


@types.coroutine
def pause(value: Any) -> Iterator[Any]:
    yield value


def define(body: str, mark: str, **names: Any) -> Any:
    """Make a function `f` whose globals nothing else refers to, and which they do not refer to."""
    namespace = {"MARK": mark, "pause": pause, "coroutine": types.coroutine, **names}
    exec(textwrap.dedent(body), namespace)
    return namespace.pop("f")


def resume(call: Any) -> Any:
    """Run a suspended call up to its next value."""
    if isinstance(call, types.AsyncGeneratorType):
        with pytest.raises(StopIteration) as stop:
            call.asend(None).send(None)
        return stop.value.value
    if isinstance(call, types.CoroutineType):
        return call.send(None)
    return next(call)


def finish(call: Any) -> None:
    """Run a call that has given its last value to the end."""
    with pytest.raises((StopIteration, StopAsyncIteration)):
        resume(call)


def overwrite_freed_memory() -> None:
    """Let what was freed be used by something else, so that nobody finds the old content there."""
    gc.collect()
    for size in range(8):
        names = {f"name{number}": None for number in range(size)}
        [{"MARK": "overwritten", "len": None, **names} for _ in range(100)]
    [dict.fromkeys(vars(builtins)) for _ in range(20)]
    [types.MappingProxyType({}) for _ in range(100)]


@every_kind
def test_a_suspended_call_goes_on_in_the_old_body_after_a_patch(kind: str) -> None:
    target = define(BODIES[kind], "old")
    call = target()
    assert resume(call) == ("old", 3)
    with hotpatch(define(BODIES[kind], "newer"), target):
        assert resume(call) == ("old", 3)
        finish(call)


@every_kind
def test_a_suspended_call_goes_on_in_the_new_body_after_undo(kind: str) -> None:
    target = define(BODIES[kind], "old")
    with hotpatch(define(BODIES[kind], "newer"), target):
        call = target()
        assert resume(call) == ("newer", 5)
    assert resume(call) == ("newer", 5)
    finish(call)


@every_kind
def test_a_call_that_was_made_and_not_begun_keeps_its_body(kind: str) -> None:
    """Its frame is there from the call on."""
    target = define(BODIES[kind], "old")
    call = target()
    with hotpatch(define(BODIES[kind], "newer"), target):
        assert resume(call) == ("old", 3)
        assert resume(call) == ("old", 3)
        finish(call)


@every_kind
def test_a_suspended_call_outlives_the_module_of_its_body(kind: str) -> None:
    """Frames borrow their globals and builtins from the function, since CPython 3.11."""
    target = define(BODIES[kind], "old")
    patch = hotpatch(define(BODIES[kind], "newer"), target)
    call = target()
    assert resume(call) == ("newer", 5)
    patch.undo()
    del patch
    overwrite_freed_memory()
    assert resume(call) == ("newer", 5)
    finish(call)


class Names:
    """Builtins that are no dict: any object with subscripts will do."""

    def __init__(self) -> None:
        self.names = vars(builtins).copy()

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


BUILTINS: dict[str, Callable[[], Any]] = {
    "dict": lambda: vars(builtins).copy(),
    "mapping proxy": lambda: types.MappingProxyType(vars(builtins).copy()),
    "instance": Names,
}


@pytest.mark.parametrize("make_builtins", BUILTINS.values(), ids=BUILTINS)
@pytest.mark.parametrize("later_patches", [0, 1, 3])
@every_kind
def test_a_suspended_call_keeps_its_builtins(
    kind: str, later_patches: int, make_builtins: Callable[[], Any]
) -> None:
    """Nobody but the function owns them; each later patch and undo has to hand them on."""
    target = define(BODIES[kind], "old")
    replacement = define(BODIES[kind], "newer", __builtins__=make_builtins())
    del replacement.__globals__["__builtins__"]
    patch = hotpatch(replacement, target)
    del replacement
    call = target()
    assert resume(call) == ("newer", 5)
    patch.undo()
    for _ in range(later_patches):
        hotpatch(define(BODIES[kind], "other"), target).undo()
    overwrite_freed_memory()
    assert resume(call) == ("newer", 5)
    finish(call)


@every_kind
def test_a_suspended_call_of_each_of_many_patches_keeps_its_globals(kind: str) -> None:
    target = define(BODIES[kind], "0")
    calls = [target()]
    for number in range(1, 20):
        patch = hotpatch(define(BODIES[kind], str(number)), target)
        calls.append(target())
        if number % 3:
            patch.undo()
    for patch in patches(target):
        patch.undo()
    del patch
    overwrite_freed_memory()
    for number, call in enumerate(calls):
        assert resume(call)[0] == str(number)
        assert resume(call)[0] == str(number)
        finish(call)


@every_kind
def test_a_suspended_call_of_an_original_outlives_the_body_below(kind: str) -> None:
    """The original of the upper patch gets a new body when the lower one goes."""
    target = define(BODIES[kind], "old")
    lower = hotpatch(define(BODIES[kind], "lower"), target)
    upper = hotpatch(define(BODIES[kind], "upper"), target)
    original: Any = upper.original
    call = original()
    assert resume(call) == ("lower", 5)
    lower.undo()
    del lower, original
    again: Any = upper.original()
    assert resume(again) == ("old", 3)
    upper.undo()
    del upper
    overwrite_freed_memory()
    assert resume(call) == ("lower", 5)
    assert resume(again) == ("old", 3)
    finish(call)
    finish(again)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="frames own their function since 3.11")
@every_kind
def test_a_suspended_call_keeps_the_function_that_it_belongs_to(kind: str) -> None:
    target = define(BODIES[kind], "old")
    patch = hotpatch(define(BODIES[kind], "newer"), target)
    call = target()
    resume(call)
    del target
    overwrite_freed_memory()
    assert patch.active
    assert resume(call) == ("newer", 5)
    finish(call)
    del call
    gc.collect()
    assert patch.target is None


@every_kind
def test_closing_a_suspended_call_runs_its_old_cleanup(kind: str) -> None:
    body = BODIES[kind].replace("yield", "try:\n                yield", 1)
    body = body.replace("await", "try:\n                await", 1)
    lines = body.rstrip().split("\n")
    lines[-1:] = [
        "            finally:",
        "                log.append((MARK, len(MARK)))",
        "",
    ]
    body = "\n".join(lines)
    log: list[Any] = []
    target = define(body, "old", log=log)
    patch = hotpatch(define(body, "newer", log=log), target)
    call = target()
    resume(call)
    patch.undo()
    del patch
    overwrite_freed_memory()
    if isinstance(call, types.AsyncGeneratorType):
        with pytest.raises(StopIteration):
            call.aclose().send(None)
    else:
        call.close()
    assert log == [("newer", 5)]


def test_a_generator_collected_in_a_cycle_with_its_function_runs_its_old_cleanup() -> None:
    log: list[Any] = []
    body = """
        def f(own):
            try:
                yield
            finally:
                log.append((MARK, len(MARK)))
        """
    target = define(body, "old", log=log)
    with hotpatch(define(body, "newer", log=log), target):
        own: list[Any] = [target]
        own.append(target(own))
        next(own[1])
    gone = weakref.ref(target)
    del target, own
    overwrite_freed_memory()
    assert log == [("newer", 5)]
    assert gone() is None


def test_frames_of_a_kept_traceback_show_their_old_body() -> None:
    target = define("def f():\n    return MARK", "old")
    patch = hotpatch(define("def f():\n    mine = MARK\n    return mine / 2", "newer"), target)
    with pytest.raises(TypeError) as caught:
        target()
    frame = caught.tb.tb_next.tb_frame if caught.tb.tb_next else caught.tb.tb_frame
    code = target.__code__
    patch.undo()
    del patch, target
    overwrite_freed_memory()
    assert frame.f_code is code
    assert frame.f_locals == {"mine": "newer"}
    assert frame.f_globals["MARK"] == "newer"
    assert frame.f_builtins["len"] is len
    assert traceback.extract_tb(caught.tb)[-1].lineno == 3


def test_a_frame_that_was_asked_for_outlives_its_call_and_its_patch() -> None:
    body = "def f():\n    mine = MARK\n    return sys._getframe()"
    target = define(body, "old", sys=sys)
    patch = hotpatch(define(body, "newer", sys=sys), target)
    frame = target()
    patch.undo()
    del patch, target
    overwrite_freed_memory()
    assert frame.f_locals == {"mine": "newer"}
    assert frame.f_globals["MARK"] == "newer"
    assert frame.f_builtins["len"] is len
