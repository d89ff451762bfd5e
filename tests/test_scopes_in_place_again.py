"""Patches for some calls only, one after the other: the code of the first is used again.

But never while somebody else has it, for whom it would begin to do something else.
"""

import contextvars
import gc
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, hotpatch
from test_scopes_in_place import define, patch_elsewhere

pytestmark = pytest.mark.usefixtures("all_are_undone")

Function = Callable[..., Any]


def target_function() -> Function:
    return define("def target(a, b=2):\n    return 'target', a, b\n")


def first(a: int, b: int = 2) -> object:
    return "first", a, b


def second(a: int, b: int = 2) -> object:
    return "second", a, b


def code_of(function: Function) -> weakref.ref[types.CodeType]:
    """Return a reference that does not keep the code object."""
    return weakref.ref(function.__code__)


def test_the_code_is_used_again() -> None:
    target = target_function()
    codes = []
    for replacement in (first, second, first):
        with hotpatch(replacement, target, scope="context"):
            assert target(1) == (replacement.__name__, 1, 2)
            codes.append(code_of(target))
        assert target(1) == ("target", 1, 2)
    assert len(set(codes)) == 1
    with hotpatch(second, target, scope="thread"):
        assert target(1) == ("second", 1, 2)
        assert code_of(target) is codes[0]


def test_what_is_used_again_asks_anew_where_it_is_in_force() -> None:
    target = target_function()
    hotpatch(first, target, scope="context").undo()
    patch = patch_elsewhere(second, target, "thread")
    assert target(1) == ("target", 1, 2)
    patch.undo()
    with hotpatch(second, target, scope="context"):
        assert target(1) == ("second", 1, 2)
        assert contextvars.Context().run(target, 1) == ("target", 1, 2)


def keep_code(target: Function) -> Function:
    return types.FunctionType(target.__code__, {}, argdefs=(2,))


def keep_constants(target: Function) -> Function:
    constants = target.__code__.co_consts
    undone = keep_code(target)

    def call(*args: Any) -> object:
        code = undone.__code__.replace(co_consts=constants)
        return types.FunctionType(code, {}, argdefs=(2,))(*args)

    return call


def share_constants(target: Function) -> Function:
    code = target.__code__.replace(co_name="other")
    return types.FunctionType(code, {}, argdefs=(2,))


def copy_constants(target: Function) -> Function:
    code = target.__code__.replace(
        co_consts=(*target.__code__.co_consts[:-1], target.__code__.co_consts[-1])
    )
    return types.FunctionType(code, {}, argdefs=(2,))


@pytest.mark.parametrize("keep", [keep_code, keep_constants, share_constants, copy_constants])
def test_what_somebody_has_of_it_does_not_follow_another_patch(
    keep: Callable[[Function], Function],
) -> None:
    target = target_function()
    with hotpatch(first, target, scope="context"):
        kept = keep(target)
        assert kept(1) == ("first", 1, 2)
    assert kept(1) == ("target", 1, 2)
    with hotpatch(second, target, scope="context"):
        assert target(1) == ("second", 1, 2)
        assert kept(1) == ("target", 1, 2)
    assert target(1) == kept(1) == ("target", 1, 2)


def test_two_functions_of_one_code_have_their_own() -> None:
    target = target_function()
    twin = types.FunctionType(target.__code__, target.__globals__, "twin", (2,))
    for _ in range(2):
        with hotpatch(first, target, scope="context"), hotpatch(second, twin, scope="context"):
            assert (target(1), twin(1)) == (("first", 1, 2), ("second", 1, 2))
            elsewhere = contextvars.Context().run(lambda: (target(1), twin(1)))
            assert elsewhere == (("target", 1, 2), ("target", 1, 2))
        assert (target(1), twin(1)) == (("target", 1, 2), ("target", 1, 2))


def test_other_defaults_and_globals_come_along() -> None:
    """A call site that has seen the code must not take it for what it was."""
    target = define("def target(a, b=2, *, c=3):\n    return a, b, c, name\n", name="target")
    target.__globals__["name"] = "one"

    def other(a: int, b: int = 0, *, c: int = 0) -> object:
        return "other"

    def calls(function: Function) -> list[object]:
        return [function(1) for _ in range(100)]

    with patch_elsewhere(other, target, "context"):
        code = code_of(target)
        assert set(calls(target)) == {(1, 2, 3, "one")}
    twin = types.FunctionType(target.__code__, {"name": "two"}, "twin", (4, 5))
    twin.__kwdefaults__ = {"c": 6}
    with patch_elsewhere(other, twin, "context"):
        assert code_of(twin) is code
        assert set(calls(twin)) == {(1, 5, 6, "two")}
        assert twin() == (4, 5, 6, "two")
    twin.__defaults__ = None
    with patch_elsewhere(other, twin, "context"):
        assert code_of(twin) is code
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            calls(twin)
    assert set(calls(target)) == {(1, 2, 3, "one")}


def test_a_frame_keeps_its_code() -> None:
    target = define("def target(a):\n    while True:\n        a = yield 'target', a\n")

    def replaced(a: object) -> Iterator[object]:
        yield "replaced", a

    with patch_elsewhere(replaced, target, "context"):
        running = target(1)
        assert next(running) == ("target", 1)
        code = code_of(target)
    with hotpatch(replaced, target, scope="context"):
        if sys.version_info >= (3, 11):  # before that there is a function in between
            assert code_of(target) is not code
        assert running.send(2) == ("target", 2)
        assert next(target(3)) == ("replaced", 3)
    assert running.send(4) == ("target", 4)


def test_patches_over_each_other() -> None:
    target = target_function()
    for _ in range(3):
        with hotpatch(first, target, scope="context"):
            with patch_elsewhere(second, target, "thread"):
                assert target(1) == ("first", 1, 2)
                assert contextvars.Context().run(target, 1) == ("target", 1, 2)
            with hotpatch(second, target, scope="context"):
                assert target(1) == ("second", 1, 2)
            assert target(1) == ("first", 1, 2)
        assert target(1) == ("target", 1, 2)


def test_threads_that_patch_in_turn() -> None:
    target = target_function()
    wrong: list[object] = []

    def work(replacement: Function) -> None:
        for _ in range(300):
            with hotpatch(replacement, target, scope="thread"):
                if target(1) != (replacement.__name__, 1, 2):
                    wrong.append(target(1))
            if target(1) != ("target", 1, 2):
                wrong.append(target(1))

    threads = [threading.Thread(target=work, args=(it,)) for it in (first, second, first)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class Thing:
    """Can be referred to weakly."""


def test_what_is_kept_for_the_next_patch_keeps_nothing_else() -> None:
    target = target_function()
    code = code_of(target)
    thing = Thing()
    seen = weakref.ref(thing)

    def apply(target: Function, thing: Thing) -> Patch[Any, Any]:
        replacement = define("def target(a, b=2):\n    return thing\n", thing=thing)
        return hotpatch(replacement, target, scope="context")

    patch = apply(target, thing)
    del thing
    assert target(1) is seen()
    grafted = code_of(target)
    patch.undo()
    del patch
    gc.collect()
    assert seen() is None
    assert grafted() is not None
    del target
    gc.collect()
    assert (code(), grafted()) == (None, None)
