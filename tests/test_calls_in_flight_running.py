"""Promise 7: a function that runs finishes in its old body; calls it makes go to the new one."""

import gc
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import Patch, hotpatch


def define(body: str, mark: str, **names: Any) -> Any:
    """Make a function `f` whose globals nothing else refers to, and which they do not refer to."""
    namespace = {"MARK": mark, **names}
    exec(textwrap.dedent(body), namespace)
    return namespace.pop("f")


def overwrite_freed_memory() -> None:
    """Let what was freed be used by something else, so that nobody finds the old content there."""
    gc.collect()
    for size in range(8):
        names = {f"name{number}": None for number in range(size)}
        [{"MARK": "overwritten", "len": None, **names} for _ in range(100)]
        [tuple([None] * size) for _ in range(100)]


class Script:
    """What a running function does in the middle of its body."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], Any]] = []

    def __call__(self) -> None:
        while self.steps:
            self.steps.pop(0)()


RUNNING = """
    def make():
        cell = MARK + " cell"
        def f(default=MARK):
            before = (MARK, cell, len(MARK))
            act()
            return (before, (MARK, cell, len(MARK)), default)
        return f
    f = make()
    del make
    """


def outcome(mark: str) -> tuple[Any, ...]:
    """What a call returns that ran in one body from begin to end."""
    return ((mark, f"{mark} cell", len(mark)), (mark, f"{mark} cell", len(mark)), mark)


def test_a_function_may_patch_itself_while_it_runs() -> None:
    act = Script()
    target = define(RUNNING, "old", act=act)
    act.steps.append(lambda: hotpatch(define(RUNNING, "newer", act=act), target))
    assert target() == outcome("old")
    assert target() == outcome("newer")


def test_a_replacement_may_undo_itself_while_it_runs() -> None:
    """Nothing but the running frame needs its body after that."""
    act = Script()
    target = define(RUNNING, "old", act=act)
    patch = hotpatch(define(RUNNING, "newer", act=act), target)
    act.steps += [patch.undo, overwrite_freed_memory]
    assert target() == outcome("newer")
    assert target() == outcome("old")


def test_a_running_function_may_lose_its_last_reference_and_its_patch() -> None:
    act = Script()
    kept = [define(RUNNING, "old", act=act)]
    patch = hotpatch(define(RUNNING, "newer", act=act), kept[0])
    act.steps += [patch.undo, overwrite_freed_memory]
    assert kept.pop()() == outcome("newer")
    gc.collect()
    assert patch.target is None


def test_a_function_may_be_patched_and_unpatched_many_times_while_it_runs() -> None:
    act = Script()
    target = define(RUNNING, "old", act=act)

    def change() -> None:
        made = [hotpatch(define(RUNNING, f"{number}", act=act), target) for number in range(30)]
        for patch in made[::2] + made[1::2]:
            patch.undo()
        overwrite_freed_memory()

    with hotpatch(define(RUNNING, "newer", act=act), target):
        act.steps.append(change)
        assert target() == outcome("newer")
        assert target() == outcome("newer")
    assert target() == outcome("old")


def test_recursion_by_name_goes_through_the_patch() -> None:
    made: list[Patch] = []

    def count(n: int) -> list[str]:
        if n == 3:
            made.append(hotpatch(lambda n: [f"new {n}"], count))
        return [f"old {n}", *count(n - 1)]

    assert count(5) == ["old 5", "old 4", "old 3", "new 2"]
    assert made[0].active


def test_recursion_by_name_comes_back_to_the_old_body_after_undo() -> None:
    def count(n: int) -> list[str]:
        return [f"old {n}", *count(n - 1)] if n else []

    def replacement(n: int) -> list[str]:
        if n == 3:
            patch.undo()
        return [f"new {n}", *count(n - 1)]

    patch = hotpatch(replacement, count)
    assert count(5) == ["new 5", "new 4", "new 3", "old 2", "old 1"]


def test_a_loop_in_c_that_calls_the_function_sees_the_patch_at_once() -> None:
    def key(n: int) -> tuple[str, int]:
        if n == 3:
            hotpatch(lambda n: ("new", n), key)
        return ("old", n)

    keys = list(map(key, range(1, 6)))
    assert keys == [("old", 1), ("old", 2), ("old", 3), ("new", 4), ("new", 5)]


@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile], ids=["trace", "profile"])
def test_a_tracer_may_patch_the_function_that_is_being_entered(
    install: Callable[[Any], None],
) -> None:
    act = Script()
    target = define(RUNNING, "old", act=act)
    replacement = define(RUNNING, "newer", act=act)
    code = target.__code__
    done: list[Patch] = []

    def watch(frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is code and not done:
            done.append(hotpatch(replacement, target))

    before = sys.gettrace() if install is sys.settrace else sys.getprofile()
    install(watch)
    try:
        first = target()
    finally:
        install(before)
    assert first == outcome("old")
    assert target() == outcome("newer")
