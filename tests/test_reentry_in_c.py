"""What runs in the middle of calls and patches of what is written in C, and what is kept."""

import functools
import gc
import math
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import c_functions
import pytest
from hotpatch import Patch, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.enable()
    gc.unfreeze()


def when_collected(action: Callable[[], object]) -> None:
    """Run `action` in the next garbage collection."""

    class Cycle:
        def __del__(self) -> None:
            action()

    cycle: Any = Cycle()
    cycle.itself = cycle


def undo_and_reuse(patch: Patch) -> None:
    patch.undo()
    kept.extend((lambda i=i: i) for i in range(100))  # what was freed is used again


kept: list[object] = []


class Replacement:
    def __call__(self, *args: object, **kwargs: object) -> str:
        return "new"


@pytest.mark.parametrize("form", ["function", "object"])
def test_a_collection_while_a_c_method_is_called_may_undo(form: str) -> None:
    """Until 3.11, making a tuple of the arguments can run finalizers."""
    replacement: Any = Replacement() if form == "object" else lambda *args: "new"
    call, enable = "{}".format, gc.enable
    arguments = tuple(range(25))
    gc.collect()
    gc.disable()
    patch = hotpatch(replacement, str.format)
    del replacement
    when_collected(lambda: undo_and_reuse(patch))
    gc.set_threshold(1)
    enable()
    result = call(*arguments)
    gc.disable()
    gc.collect()
    assert result in ("new", "0")
    assert not patch.active


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="CPython 3.10 reads the function after it made the frame: docs/limits.md",
)
@pytest.mark.parametrize("allocations", range(6))
@pytest.mark.parametrize("maxsize", [0, 8, None])
def test_a_collection_while_a_cache_is_called_may_undo(
    maxsize: int | None, allocations: int
) -> None:
    cache: Any = functools.lru_cache(maxsize)(lambda **kwargs: "old")
    keywords, enable = {f"k{index}": index for index in range(25)}, gc.enable
    gc.collect()
    gc.disable()
    patch = hotpatch(lambda **kwargs: "new", cache)
    when_collected(lambda: undo_and_reuse(patch))
    gc.set_threshold(gc.get_count()[0] + allocations)
    enable()
    result = cache(**keywords)
    gc.disable()
    gc.collect()
    assert result in ("new", "old")
    assert not patch.active


def patch_into(made: list[Patch], target: Any) -> None:
    made.append(hotpatch(len, target))


def test_a_collection_while_a_builtin_is_patched_may_patch_it() -> None:
    names = [name for name in dir(math) if name.isalnum() and callable(getattr(math, name))]
    gc.collect()
    gc.freeze()  # so that the many collections look only at what is new
    for threshold, name in enumerate(names, 1):
        target = getattr(math, name)
        made: list[Patch] = []
        when_collected(functools.partial(patch_into, made, target))
        gc.set_threshold(threshold)
        patch = hotpatch(lambda *args: 1, target)
        gc.set_threshold(700)
        gc.collect()
        assert len(made) == 1
        assert len(patches(target)) == 2
        for handle in [patch, *made]:
            handle.undo()
        assert patches(target) == []
        assert repr(target) == f"<built-in function {name}>"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_original_of_a_c_method_is_given_up_with_its_patch(order: tuple[int, int]) -> None:
    class Kept:
        pass

    big = Kept()
    gone = weakref.ref(big)
    handles = [hotpatch(lambda *args, big=big: 1, dict.get), hotpatch(lambda *args: 2, dict.get)]
    original = handles[1].original
    del big
    for index in order:
        handles[index].undo()
    del original, handles
    hotpatch(lambda *args: 3, dict.get).undo()
    gc.collect()
    assert gone() is None


def test_originals_of_c_methods_take_no_place_for_ever() -> None:
    """There are 1,024 places."""
    for _ in range(1500):
        with hotpatch(lambda *args: 1, dict.get), hotpatch(lambda *args: 2, dict.get) as patch:
            assert patch.original({}, 1) == 1


def test_a_builtin_that_its_receiver_has_is_collected_after_undo() -> None:
    class Receiver:
        pass

    receiver: Any = Receiver()
    receiver.builtin = c_functions.builtin(lambda *a: 1, c_functions.VARARGS, receiver=receiver)
    c_functions.kept.pop()
    gone = weakref.ref(receiver)
    with hotpatch(lambda *args, own=receiver: 2, receiver.builtin):
        assert receiver.builtin() == 2
    del receiver
    gc.collect()
    assert gone() is None


def in_itself(kind: str) -> Any:
    made: Any
    if kind == "cached_property":
        made = functools.cached_property(len)
        made.func = made
        return made
    made = {"staticmethod": staticmethod, "classmethod": classmethod, "property": property}[kind](
        len
    )
    made.__init__(made)
    return made


@pytest.mark.parametrize("kind", ["cached_property", "staticmethod", "classmethod", "property"])
def test_what_has_itself_inside_is_refused(kind: str) -> None:
    with pytest.raises(TypeError, match="there is one object inside another, again and again"):
        hotpatch(len, in_itself(kind))


@pytest.mark.parametrize("keywords", [{}, {"k": 1}], ids=str)
def test_a_partial_that_holds_itself_can_be_the_replacement(keywords: dict[str, int]) -> None:
    def target() -> str:
        return "old"

    partial: Any = functools.partial(target)
    partial.__setstate__((partial, (), keywords, {}))
    with hotpatch(partial, target) as patch:  # a call of it never ends, in CPython itself
        assert patch.active
    assert target() == "old"
    partial.__setstate__((len, (), {}, {}))


@pytest.mark.parametrize("field", ["args", "keywords", "func", "__setstate__"])
def test_a_subclass_of_partial_may_show_something_else(field: str) -> None:
    def shown(self: Any, *_: object) -> Any:
        return {"a": 1} if field == "keywords" else [1]

    value = shown if field == "__setstate__" else property(shown)
    cls = type("Partial", (functools.partial,), {field: value})
    target = cls(lambda *args: ("old", args), 1)
    patch = hotpatch(lambda *args: ("new", args), target)
    assert target(2) == ("new", (2,))
    patch.undo()
    assert target(2) == ("old", (1, 2))


def test_a_wrapper_can_be_patched_with_itself() -> None:
    for target in (functools.partial(pow, 2), functools.lru_cache(lambda x: 2**x)):
        with hotpatch(target, target):
            assert target(5) == 32
        assert target(5) == 32


def test_a_partial_is_frozen_when_it_becomes_a_replacement() -> None:
    def target() -> str:
        return "old"

    partial = functools.partial(lambda: "one")
    with hotpatch(partial, target), hotpatch(lambda: "two", partial):
        assert (target(), partial()) == ("one", "two")


def test_a_subclass_may_do_something_else_when_it_is_called() -> None:
    def target(*args: object) -> Any: ...

    def make(base: Any) -> Any:
        def call(self: Any, *args: object, extra: object = None) -> object:
            return "logged", extra, base.__call__(self, *args)

        return type("Logged", (base,), {"__call__": call})

    def inner(text: str) -> int:
        return len(text)

    for replacement in (make(functools.partial)(inner), make(staticmethod)(inner)):
        typed: Any = target
        with hotpatch(replacement, target):
            assert typed("four", extra=2) == ("logged", 2, 4)


def test_a_class_with_a_static_init_can_be_the_replacement() -> None:
    class Made:
        __init__ = staticmethod(lambda a: None)

    def target(*args: object) -> Any: ...

    made: Any = Made
    with hotpatch(made, target):
        assert type(target(1)) is type(made(1)) is Made


def test_the_function_that_a_cache_calls_counts_and_not_what_it_says() -> None:
    def target(*args: object) -> Any: ...

    cache: Any = functools.lru_cache(lambda a: ("cached", a))
    cache.__wrapped__ = lambda a, b: None
    with hotpatch(cache, target):
        assert target(1) == ("cached", 1)


def test_a_bound_method_is_what_its_class_makes_of_it() -> None:
    def target(*args: object) -> Any: ...

    table: Any = {1: 2}
    of_all = hotpatch(lambda self, *args: ("of all", args), dict.setdefault)
    with of_all, hotpatch(table.setdefault, target):
        assert target(1) == ("of all", (1,))
    assert table.setdefault(1) == 2


def test_a_keyword_of_a_partial_can_have_the_name_of_a_positional_parameter() -> None:
    def inner(a: Any = 7, b: Any = 1, /, c: Any = 5, **rest: Any) -> object:
        return a, b, c, rest

    def target(*args: object) -> Any: ...

    partial = functools.partial(inner, b=2)
    with hotpatch(partial, target):
        assert target(0) == partial(0) == (0, 1, 5, {"b": 2})


def test_the_original_of_a_decorated_cache_has_its_own_settings() -> None:
    cache: Any = functools.lru_cache(maxsize=7)(lambda x: x)
    outer = functools.lru_cache(1, typed=True)(cache)
    with hotpatch(lambda x: x, outer) as patch:
        original: Any = patch.original
        assert original.cache_info().maxsize == 1


def test_a_patch_that_fails_for_the_depth_of_the_stack_changes_nothing() -> None:
    def at(depth: int, action: Callable[[], Patch]) -> Patch:
        return at(depth - 1, action) if depth else action()

    def new(*args: object) -> str:
        return "new"

    outcomes = set()
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        target = functools.partial(lambda *args: "base", 1)
        try:
            patch = at(depth, functools.partial(hotpatch, new, target))
        except RecursionError:
            outcomes.add(target())
            assert patches(target) == []
            continue
        outcomes.add(target())
        patch.undo()
        assert target() == "base"
    assert outcomes == {"new", "base"}


def test_more_defaults_than_parameters() -> None:
    def annotated(a: int) -> int:
        return a

    annotated.__defaults__ = (1, 2, 3)

    def target(*args: object) -> Any: ...

    assert isinstance(annotated, types.FunctionType)
    with hotpatch(functools.partial(annotated), target):
        assert target() == 3
    assert sys.getrefcount(target) < 10
