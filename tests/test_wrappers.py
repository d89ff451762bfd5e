"""Objects of `functools` and others that wrap a function: the object that is named changes."""

import asyncio
import contextlib
import functools
import gc
import inspect
import itertools
import math
import operator
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, PatchError, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")


def inner(x: Any, y: int = 1) -> Any:
    return "inner", x, y


def new(x: Any, y: int = 2) -> Any:
    return "new", x, y


def cached(maxsize: int | None = 128, typed: bool = False) -> Any:
    return functools.lru_cache(maxsize, typed)(inner)


@pytest.mark.parametrize("maxsize", [0, 2, None])
def test_a_cache_calls_the_replacement_and_is_emptied(maxsize: int | None) -> None:
    cache = cached(maxsize)
    assert cache("a") == ("inner", "a", 1)
    with hotpatch(new, cache) as patch:
        assert cache("a") == cache("a") == ("new", "a", 2)
        assert cache.cache_info().hits == (0 if maxsize == 0 else 1)
        assert cache.__wrapped__ is new
        assert inspect.unwrap(cache) is new
        assert patch.original("a") == ("inner", "a", 1)
        assert inner("a") == ("inner", "a", 1)
    assert cache.cache_info().currsize == 0
    assert cache("a") == ("inner", "a", 1)
    assert cache.__wrapped__ is inner
    assert cache.cache_parameters() == {"maxsize": maxsize, "typed": False}


def test_the_original_of_a_cache_is_a_cache() -> None:
    calls: list[int] = []

    @functools.lru_cache(maxsize=7, typed=True)
    def triple(x: int) -> int:
        "Three times as much."
        calls.append(x)
        return 3 * x

    patch: Patch
    with hotpatch(lambda x: -patch.original(x), triple) as patch:
        original: Any = patch.original
        assert [triple(1), original(1), original(1)] == [-3, 3, 3]
        assert calls == [1]
        assert original.cache_parameters() == {"maxsize": 7, "typed": True}
        assert (original.__name__, original.__doc__) == ("triple", "Three times as much.")
        assert original.__wrapped__ is inspect.unwrap(original)
        assert original.cache_info().hits == 2
    assert original(1) == 3


def test_no_cache_keeps_what_an_undone_patch_had_a_part_in() -> None:
    """The results in the caches above it came through it."""
    handles: list[Any] = []

    def add(text: str) -> None:
        index = len(handles)
        handles.append(hotpatch(lambda x: text + handles[index].original(x), cache))

    cache = functools.lru_cache(lambda x: x)
    for text in "abcd":
        add(text)
    originals = [handle.original for handle in handles]
    assert cache("x") == "dcbax"
    handles[1].undo()
    assert cache("x") == "dcax"
    assert [original("x") for original in originals[2:]] == ["ax", "cax"]
    handles[0].undo()
    assert cache("x") == "dcx"
    assert handles[3].original("x") == "cx"
    inside: Patch = hotpatch(lambda x: "e" + inside.original(x), handles[3].original)
    assert handles[3].original("x") == "ecx"
    handles[2].undo()
    assert [handles[3].original("x"), cache("x")] == ["ex", "dex"]
    inside.undo()
    handles[3].undo()
    assert cache("x") == "x"


def test_the_settings_of_a_cache_stay() -> None:
    cache = cached(3, typed=True)
    with hotpatch(new, cache):
        assert cache.cache_parameters() == {"maxsize": 3, "typed": True}
        for value in (1, 1.0, True, "a", "b"):
            cache(value)
        assert cache.cache_info().currsize == 3
        assert cache.__name__ == "inner"


def test_a_cache_whose_wrapped_attribute_was_changed_is_patched_all_the_same() -> None:
    cache = cached()
    cache.__wrapped__ = len
    with hotpatch(new, cache):
        assert cache("a") == ("new", "a", 2)
    assert cache("a") == ("inner", "a", 1)
    assert cache.__wrapped__ is len
    del cache.__wrapped__
    with hotpatch(new, cache):
        assert cache("a") == ("new", "a", 2)
    assert not hasattr(cache, "__wrapped__")


def test_a_cached_method_is_patched_through_class_and_instance() -> None:
    class Holder:
        @functools.cache  # noqa: B019 (what is tested)
        def method(self) -> str:
            return "old"

    one: Any = Holder()
    assert one.method() == "old"
    for named in (Holder.method, vars(Holder)["method"], one.method):
        with hotpatch(lambda self: "new", named):
            assert one.method() == Holder.method(one) == "new"
        assert one.method() == "old"


@pytest.mark.parametrize("replacement", [math.sqrt, functools.partial(operator.mul, 2), str])
def test_a_cache_may_get_what_is_no_function(replacement: Callable[..., Any]) -> None:
    cache = cached()
    with hotpatch(replacement, cache):
        assert cache(4) == replacement(4)
        assert cache.__wrapped__ is replacement
    assert cache(4) == ("inner", 4, 1)


class Subclass(functools.partial):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize("kind", [functools.partial, Subclass])
def test_a_partial_passes_the_arguments_of_the_call_alone(kind: Any) -> None:
    target = kind(inner, "bound", y=5)
    target.attribute = "kept"
    alias = target
    assert target() == ("inner", "bound", 5)
    with hotpatch(new, target) as patch:
        assert alias("given") == ("new", "given", 2)
        assert alias("given", y=3) == ("new", "given", 3)
        assert patch.original() == ("inner", "bound", 5)
        assert patch.original(y=6) == ("inner", "bound", 6)
        assert target.attribute == "kept"
        assert type(target) is kind
    assert (target.func, target.args, target.keywords) == (inner, ("bound",), {"y": 5})
    assert target() == ("inner", "bound", 5)
    assert target.attribute == "kept"


def test_a_partial_of_a_builtin() -> None:
    target: Any = functools.partial(int, base=2)
    with hotpatch(hex, target):
        assert target(255) == "0xff"
    assert target("101") == 5


def test_a_partial_method_gets_the_object() -> None:
    class Holder:
        def method(self, *args: object) -> object:
            return "old", args

        bound = functools.partialmethod(method, "bound")

    holder = Holder()
    assert holder.bound("given") == ("old", ("bound", "given"))
    with hotpatch(lambda self, *args: ("new", type(self), args), vars(Holder)["bound"]):
        assert holder.bound("given") == ("new", Holder, ("given",))
    assert holder.bound("given") == ("old", ("bound", "given"))


def test_a_cached_property_changes_for_objects_that_have_not_computed_it() -> None:
    class Holder:
        @functools.cached_property
        def value(self) -> str:
            return "old"

    early, late = Holder(), Holder()
    assert early.value == "old"
    with hotpatch(lambda self: "new", vars(Holder)["value"]) as patch:
        assert (early.value, late.value) == ("old", "new")
        assert patch.original(late) == "old"
    assert Holder().value == "old"


def test_single_dispatch_functions_and_single_overloads() -> None:
    @functools.singledispatch
    def f(x: object) -> object:
        return "object"

    @f.register
    def _(x: int) -> object:
        return "int"

    with hotpatch(lambda x: "new int", f.dispatch(int)):
        assert (f(1), f("a")) == ("new int", "object")
    with hotpatch(lambda x: "new", f):
        assert (f(1), f("a")) == ("new", "new")
    assert (f(1), f("a")) == ("int", "object")


def test_context_manager_functions() -> None:
    @contextlib.contextmanager
    def old_manager() -> Iterator[str]:
        yield "old"

    @contextlib.contextmanager
    def new_manager() -> Iterator[str]:
        yield "new"

    with hotpatch(new_manager, old_manager), old_manager() as value:
        assert value == "new"
    with old_manager() as value:
        assert value == "old"


def test_static_methods_class_methods_and_properties_that_live_anywhere() -> None:
    table: list[Any] = [staticmethod(functools.lru_cache(inner)), staticmethod(math.floor)]
    with hotpatch(new, table[0]), hotpatch(lambda x: "new", table[1]):
        assert table[0].__func__("a") == ("new", "a", 2)
        assert str(math.floor(1.5)) == "new"
    assert math.floor(1.5) == 1


def test_the_kind_of_what_is_wrapped_stays() -> None:
    async def coroutine(x: int) -> str:
        return "old"

    async def other(x: int) -> str:
        return "new"

    target = functools.partial(coroutine, 1)
    with pytest.raises(TypeError, match="plain function"):
        hotpatch(new, target)
    with hotpatch(other, target):
        assert asyncio.run(target(2)) == "new"  # type: ignore[call-arg]
    assert asyncio.run(target()) == "old"


def wrappers() -> list[Any]:
    return [cached(), functools.partial(inner)]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_patches_are_undone_in_any_order(index: int, order: tuple[int, ...]) -> None:
    target = wrappers()[index]
    handles: list[Patch] = []

    def layer(number: int) -> Callable[[str], str]:
        return lambda x: f"{number} {handles[number].original(x)}"

    for number in range(3):
        handles.append(hotpatch(layer(number), target))
    originals = [handle.original for handle in handles]
    base = str(inner("x"))
    assert target("x") == f"2 1 0 {base}"
    left = [0, 1, 2]
    for number in order:
        handles[number].undo()
        left.remove(number)
        expected: Any = " ".join([*map(str, reversed(left)), base]) if left else inner("x")
        assert target("x") == expected
        for above in left:
            below = [str(each) for each in reversed(left) if each < above]
            assert str(originals[above]("x")) == " ".join([*below, base])


@pytest.mark.parametrize("index", [0, 1])
def test_lifetimes(index: int) -> None:
    target = wrappers()[index]

    class Kept:
        def __call__(self, x: Any) -> str:
            return "new"

    kept = Kept()
    gone, target_gone = weakref.ref(kept), weakref.ref(target)
    patch = hotpatch(kept, target)
    del kept
    assert target("x") == "new"
    patch.undo()
    gc.collect()
    assert gone() is None
    kept = Kept()
    gone = weakref.ref(kept)
    patch = hotpatch(kept, target)
    del kept, target
    gc.collect()
    assert target_gone() is gone() is patch.target is None
    assert not patch.active


@pytest.mark.parametrize("index", [0, 1, 2])
def test_cycles_through_a_target_and_its_replacements_are_collected(index: int) -> None:
    def make() -> tuple[Any, ...]:
        target: Any = [cached(), functools.partial(inner), functools.partialmethod(inner)][index]

        def replacement(x: Any) -> Any:
            return target, handles[0].original

        other = functools.partial(replacement)
        handles = [hotpatch(replacement, target), hotpatch(other, target)]
        handles.append(hotpatch(lambda x: target, handles[1].original))
        assert patches(target) == handles[:2]
        return weakref.ref(target), weakref.ref(other), *handles

    target, other, *handles = make()
    gc.collect()
    assert target() is other() is None
    assert [handle.active for handle in handles] == [False] * 3
    assert [handle for handle in handles if handle in patches()] == []


def test_patches_that_others_have_taken_away_are_collected() -> None:
    class Kept:
        def __call__(self, x: Any) -> str:
            return "new"

    kept = Kept()
    target: Any = functools.partial(inner)
    gone = weakref.ref(kept)
    patch = hotpatch(kept, target)
    del kept
    target.__setstate__((len, (), {}, None))
    gc.collect()
    assert gone() is None
    assert not patch.active
    assert target("four") == 4
    with hotpatch(new, target):
        assert target("x") == ("new", "x", 2)
    assert target("four") == 4


@pytest.mark.parametrize("index", [0, 1])
def test_a_replacement_can_undo_its_patch(index: int) -> None:
    target = wrappers()[index]

    def replacement(x: str) -> object:
        patch.undo()
        gc.collect()
        return "new", target("y")

    patch = hotpatch(replacement, target)
    del replacement
    assert target("x") == ("new", inner("y"))
    assert target("z") == inner("z")


def test_a_change_by_others_is_noticed() -> None:
    target: Any = functools.partial(inner)
    patch = hotpatch(new, target)
    state = target.__reduce__()[2]
    target.__setstate__((len, (), {}, None))
    with pytest.raises(PatchError, match="changed by somebody else"):
        patch.undo()
    assert target("four") == 4
    target.__setstate__(state)
    patch.undo()
    assert target("x") == inner("x")


def test_the_handle_shows_what_is_patched() -> None:
    target, cache = functools.partial(inner), cached()
    with hotpatch(new, target) as patch, hotpatch(new, cache) as other:
        assert repr(patch).startswith("<Patch of functools.partial(<function ")
        assert repr(other).startswith("<Patch of test_wrappers.inner by test_wrappers at ")
        assert patches(target) == [patch]
        assert patches(cache) == [other]
        assert patch.replacement is other.replacement is new


def test_partials_still_pickle_while_patched() -> None:
    target: Any = functools.partial(operator.add, 1)
    with hotpatch(operator.sub, target):
        assert target(5, 3) == 2
    assert pickle.loads(pickle.dumps(target))(2) == 3
