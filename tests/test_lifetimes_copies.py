"""Promise 8: a patch leaves no traces, neither in the function and its copies, nor in memory."""

import functools
import gc
import pickle
import sys
import tracemalloc
import types
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import PatchError, hotpatch, patches

jit = getattr(sys, "_jit", None)


def function(mark: str, cells: int = 0) -> Any:
    """Make a function with globals of its own that shows which body it has."""
    variables = [f"cell{index}" for index in range(cells)]
    lines = [
        "def make():",
        *(f"    {name} = '{mark} {name}'" for name in variables),
        "    def f():",
        f"        return [MARK, {', '.join(variables)}]",
        "    return f",
    ]
    namespace: dict[str, Any] = {"MARK": mark}
    exec("\n".join(lines), namespace)
    return namespace.pop("make")()


def whole(mark: str, cells: int = 0) -> list[str]:
    return [mark, *(f"{mark} cell{index}" for index in range(cells))]


def copy(original: Any) -> Any:
    """Copy a function in the way that is found in many libraries."""
    return types.FunctionType(
        original.__code__,
        original.__globals__,
        original.__name__,
        original.__defaults__,
        original.__closure__,
    )


every_length = pytest.mark.parametrize("cells", [0, 1, 5], ids="replacement has {} cells".format)


def test_the_dict_of_a_target_stays_empty() -> None:
    target = function("old")
    assert vars(target) == {}
    patch = hotpatch(function("new", 2), target)
    assert patch.original() == whole("old")
    assert vars(target) == {}
    patch.undo()
    assert vars(target) == {}


def test_the_dict_of_a_target_is_the_same_object_before_and_after() -> None:
    target = function("old")
    target.attribute = 1
    attributes = vars(target)
    with hotpatch(function("new"), target):
        assert vars(target) is attributes
    assert vars(target) is attributes
    assert attributes == {"attribute": 1}


class Pickled:
    """An instance whose attributes are copied from a function, as `functools.wraps` does."""

    def __call__(self) -> None:
        pass


@every_length
def test_a_wraps_copy_of_a_patched_function_can_be_pickled(cells: int) -> None:
    target = function("old")
    target.attribute = 1
    with hotpatch(function("new", cells), target):
        wrapper = functools.update_wrapper(Pickled(), target)
        del wrapper.__wrapped__  # a function made by exec cannot be found by name
        read = pickle.loads(pickle.dumps(wrapper))
    assert vars(read)["attribute"] == 1


def test_a_patched_function_is_pickled_by_name() -> None:
    before = pickle.dumps(whole)
    with hotpatch(lambda mark, cells=0: ["patched"], whole):
        assert pickle.dumps(whole) == before
        assert pickle.loads(before) is whole


@every_length
def test_a_copy_of_a_patched_function_does_what_the_patch_says(cells: int) -> None:
    target = function("old", 2)
    patch = hotpatch(function("new", cells), target)
    twin = copy(target)
    assert twin() == whole("new", cells)
    patch.undo()
    assert twin() == whole("new", cells)
    assert copy(target)() == whole("old", 2)


def test_a_copy_of_a_patched_function_is_not_patched() -> None:
    """It is another function, which happens to be made of the same parts."""
    target = function("old")
    patch = hotpatch(function("new", 1), target)
    twin = copy(target)
    assert patches(twin) == []
    assert patches(target) == [patch]


def test_a_copy_of_a_patched_function_has_a_stack_of_its_own() -> None:
    target = function("old")
    patch = hotpatch(function("new", 1), target)
    twin = copy(target)
    patch_of_twin = hotpatch(function("twin", 2), twin)
    assert target() == whole("new", 1)
    assert patches(target) == [patch]
    patch.undo()
    assert target() == whole("old")
    assert twin() == whole("twin", 2)
    patch_of_twin.undo()
    assert twin() == whole("new", 1)


def test_a_copy_of_a_patched_function_outlives_it() -> None:
    target = function("old")
    patch = hotpatch(function("new", 1), target)
    twin = copy(target)
    del target
    gc.collect()
    assert twin() == whole("new", 1)
    assert patch not in patches()
    with hotpatch(function("newer"), twin):
        assert twin() == whole("newer")
    assert twin() == whole("new", 1)


@every_length
@pytest.mark.parametrize("own", [0, 2], ids="target has {} cells".format)
def test_code_can_be_assigned_after_undo(own: int, cells: int) -> None:
    """CPython wants as many free variables as `__closure__` has cells."""
    target = function("old", own)
    hotpatch(function("new", cells), target).undo()
    assert len(target.__closure__ or ()) == own
    other = function("other", own)
    target.__code__ = other.__code__
    assert target() == whole("old", own)
    wrong = function("other", own + 1)
    with pytest.raises(ValueError, match="free vars"):
        target.__code__ = wrong.__code__


@every_length
def test_a_target_can_be_patched_again_after_somebody_assigned_its_code(cells: int) -> None:
    target = function("old", 2)
    hotpatch(function("new", cells), target).undo()
    target.__code__ = function("other", 2).__code__
    with hotpatch(function("new", cells), target):
        assert target() == whole("new", cells)
    assert target() == whole("old", 2)


def test_a_foreign_write_makes_the_patch_stay_until_it_is_taken_back() -> None:
    target = function("old")
    patch = hotpatch(function("new"), target)
    ours = target.__code__
    target.__code__ = function("other").__code__
    with pytest.raises(PatchError, match="somebody else"):
        patch.undo()
    target.__code__ = ours
    patch.undo()
    assert target() == whole("old")


@pytest.mark.parametrize("old", [0, 1, 5])
@pytest.mark.parametrize("new", [0, 1, 5])
def test_the_closure_shows_the_cells_of_the_installed_body_only(old: int, new: int) -> None:
    target, replacement = function("old", old), function("new", new)
    before = target.__closure__
    patch = hotpatch(replacement, target)
    assert (target.__closure__ or ()) == (replacement.__closure__ or ())
    patch.undo()
    assert (target.__closure__ or ()) == (before or ())


def test_the_kept_closure_type_cannot_be_made_by_hand() -> None:
    """Its destructor relies on how hotpatch makes it."""
    target = function("old")
    with hotpatch(function("new", 1), target):
        kept = target.__closure__
        for make in (type(kept), lambda cells: tuple.__new__(type(kept), cells)):
            with pytest.raises(TypeError):
                make(kept)
        with pytest.raises(TypeError):
            type("Sub", (type(kept),), {})
        for made in (kept[:], kept * 1, (*kept,), tuple(kept)):
            assert made == kept
    gc.collect()


def cycle(target: Any, replacement: Any) -> None:
    hotpatch(replacement, target).undo()


def cycle_of_many(target: Any, replacement: Any) -> None:
    made = [hotpatch(replacement, target) for _ in range(4)]
    made += [hotpatch(made[1].original, target), hotpatch(replacement, made[3].original)]
    for index in (1, 0, 3, 2, 5, 4):
        made[index].undo()


def cycle_of_new_targets(target: Any, replacement: Any) -> None:
    hotpatch(replacement, copy(target))


CYCLES: dict[str, Callable[[Any, Any], None]] = {
    "patch and undo": cycle,
    "a stack with originals": cycle_of_many,
    "targets that go away patched": cycle_of_new_targets,
}
REPLACEMENTS: dict[str, Callable[[], Any]] = {
    "function": lambda: function("new"),
    "function with cells": lambda: function("new", 5),
    "partial": lambda: functools.partial(whole, "new"),
    "class": lambda: type("K", (), {}),
}


def settle() -> None:
    """Free what waits to be freed, and what CPython keeps to be faster."""
    gc.collect()
    clear_caches: Callable[[], None] = getattr(sys, "_clear_internal_caches", lambda: None)
    clear_caches()


@pytest.mark.parametrize("run", CYCLES.values(), ids=CYCLES)
@pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_many_patches_and_undos_leave_no_objects(
    make: Callable[[], Any], run: Callable[[Any, Any], None]
) -> None:
    target, replacement = function("old", 1), make()
    counts = []
    for _ in range(3):
        for _ in range(100):
            run(target, replacement)
        settle()
        counts.append(len(gc.get_objects()))
    assert counts[2] - counts[1] < 100  # one for each of the last runs


@pytest.mark.skipif(
    bool(jit and jit.is_enabled()),
    reason="CPython never frees the traces that each patch makes invalid",
)
@pytest.mark.parametrize("run", CYCLES.values(), ids=CYCLES)
def test_many_patches_and_undos_do_not_grow_the_memory_of_python(
    run: Callable[[Any, Any], None],
) -> None:
    target, replacement = function("old", 1), function("new", 5)

    def measure(times: int) -> int:
        for _ in range(times):
            run(target, replacement)
        settle()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        measure(100)
        before = measure(100)
        after = measure(1000)
    finally:
        tracemalloc.stop()
    assert after - before < 1000 * 8  # one pointer for each of the last runs


def test_a_patch_of_each_of_many_targets_is_freed_with_them() -> None:
    replacement = function("new")
    targets = [function("old") for _ in range(1000)]
    for target in targets:
        hotpatch(replacement, target)
    assert len(patches()) >= 1000
    before = [patch for patch in patches() if patch.replacement is not replacement]
    del target, targets
    gc.collect()
    assert patches() == before
