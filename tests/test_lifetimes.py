"""Promise 8: a patch keeps alive what it needs, and nothing longer than it needs it."""

import functools
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, hotpatch, patches


class Kept:
    """Something that a weak reference can watch."""

    def __call__(self) -> str:
        return "kept"

    def method(self) -> str:
        return "kept"


class Globals(dict[str, Any]):
    """Globals that a weak reference can watch."""


def function(namespace: dict[str, Any] | None = None, cells: int = 0, kept: Any = None) -> Any:
    """Make a function; nothing refers to it, and `namespace` does not either."""
    namespace = {} if namespace is None else namespace
    variables = [f"cell{index}" for index in range(cells)]
    lines = [
        "def make(kept):",
        *(f"    {name} = kept" for name in variables),
        "    def f(default=kept):",
        f"        return [{', '.join(variables)}]",
        "    return f",
    ]
    exec("\n".join(lines), namespace)
    return namespace.pop("make")(kept)


def is_collected(reference: "weakref.ref[Any]") -> bool:
    gc.collect()
    return reference() is None


@pytest.fixture(autouse=True)
def no_garbage() -> Iterator[None]:
    """Everything that a test leaves behind can be collected, and without help of a destructor."""
    gc.collect()
    assert gc.garbage == []
    before = patches()
    yield
    gc.collect()
    assert gc.garbage == []
    assert patches() == before


def with_cell(kept: Any) -> Any:
    return function(cells=1, kept=kept)


def with_many_cells(kept: Any) -> Any:
    return function(cells=30, kept=kept)


def with_default(kept: Any) -> Any:
    return function(kept=kept)


def with_keyword_default(kept: Any) -> Any:
    def replacement(*, default: Any = kept) -> None:
        pass

    return replacement


def with_annotation(kept: Any) -> Any:
    def replacement(argument: Any = None) -> None:
        pass

    replacement.__annotations__["argument"] = kept
    return replacement


def with_attribute(kept: Any) -> Any:
    replacement: Any = function()
    replacement.kept = kept
    return replacement


REPLACEMENTS: dict[str, Callable[[Any], Any]] = {
    "cell": with_cell,
    "many cells": with_many_cells,
    "default": with_default,
    "keyword default": with_keyword_default,
    "annotation": with_annotation,
    "attribute": with_attribute,
    "partial": lambda kept: functools.partial(print, kept),
    "bound method": lambda kept: kept.method,
    "instance": lambda kept: kept,
    "class": lambda kept: type("Made", (), {"kept": kept}),
}
every_replacement = pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)


@every_replacement
def test_an_active_patch_keeps_its_replacement(make: Callable[[Any], Any]) -> None:
    kept = Kept()
    reference = weakref.ref(kept)
    target = function()
    patch = hotpatch(make(kept), target)
    del kept
    assert not is_collected(reference)
    assert patch.replacement is not None


@every_replacement
def test_nothing_of_the_replacement_is_kept_after_undo(make: Callable[[Any], Any]) -> None:
    """Although target and handle are alive."""
    kept = Kept()
    reference = weakref.ref(kept)
    target = function()
    patch = hotpatch(make(kept), target)
    del kept
    patch.undo()
    assert is_collected(reference)
    assert patch.replacement is None
    assert patch.target is target


@every_replacement
def test_nothing_of_the_replacement_is_kept_after_undo_below_others(
    make: Callable[[Any], Any],
) -> None:
    """The upper patch has an original, which did what the lower patch says."""
    kept = Kept()
    reference = weakref.ref(kept)
    target = function()
    lower = hotpatch(make(kept), target)
    upper = hotpatch(function(), target)
    original = upper.original
    del kept
    assert not is_collected(reference)
    lower.undo()
    assert is_collected(reference)
    assert upper.original is original


@every_replacement
def test_nothing_of_the_replacement_is_kept_once_the_target_is_gone(
    make: Callable[[Any], Any],
) -> None:
    kept = Kept()
    reference = weakref.ref(kept)
    target = function()
    patch = hotpatch(make(kept), target)
    del kept, target
    assert is_collected(reference)
    assert patch.target is None
    assert patch.replacement is None


@every_replacement
def test_a_cycle_through_replacement_original_target_and_handle_is_collected(
    make: Callable[[Any], Any],
) -> None:
    kept: Any = Kept()
    reference = weakref.ref(kept)
    target = function()
    patch = hotpatch(make(kept), target)
    kept.all = [target, patch, patch.original, patch.replacement, kept, target.__closure__]
    del kept, target, patch
    assert is_collected(reference)


def test_a_hook_that_calls_its_original_is_collected_with_its_target() -> None:
    def make() -> tuple["weakref.ref[Any]", ...]:
        def target() -> int:
            return 1

        def hook() -> int:
            return 1 + int(patch.original())

        patch = hotpatch(hook, target)
        assert target() == 2
        return weakref.ref(target), weakref.ref(hook), weakref.ref(patch.original)

    references = make()
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_two_functions_patched_with_each_other_are_collected() -> None:
    one, other = function(cells=1), function(cells=2)
    hotpatch(one, other)
    hotpatch(other, one)
    references = weakref.ref(one), weakref.ref(other)
    del one, other
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_target_that_is_its_own_replacement_is_collected() -> None:
    target = function(cells=1)
    patch = hotpatch(target, target)
    reference = weakref.ref(target)
    del target
    assert is_collected(reference)
    assert patch.target is None


def test_a_target_that_refers_to_itself_is_collected_while_patched() -> None:
    """What it refers to lies below the patch then."""

    def make() -> Any:
        def target(default: Any = None, *, other: Any = None) -> Any:
            return target, default, other

        target.__defaults__ = (target,)
        target.__kwdefaults__ = {"other": target}
        return target

    target = make()
    patch = hotpatch(function(), target)
    reference = weakref.ref(target)
    del target
    assert is_collected(reference)
    assert patch.target is None


def test_neither_the_registry_nor_a_handle_keeps_a_target() -> None:
    target = function()
    reference = weakref.ref(target)
    patch = hotpatch(function(), target)
    assert patches(target) == [patch]
    del target
    assert reference() is None  # by its reference count: no collection was needed
    assert patch.target is None
    assert not patch.active
    assert patch not in patches()


def test_an_author_that_is_more_than_a_string_keeps_no_target() -> None:
    """The list of all patches holds the handles, and they hold `by`."""

    class Author(str):
        target: Any

    author = Author("me")
    target = author.target = function()
    reference = weakref.ref(target)
    patch = hotpatch(function(), target, by=author)
    assert patch.by == "me"
    del target, author, patch
    assert is_collected(reference)


def test_the_kept_closure_of_a_patched_function_does_not_keep_the_patch_listed() -> None:
    """A tuple that somebody has read from `__closure__` outlives the function."""
    target = function()
    patch = hotpatch(function(cells=1), target)
    closure = target.__closure__
    del target
    gc.collect()
    assert patch.target is None
    assert not patch.active
    assert patch not in patches()
    assert len(closure) == 1


def test_undo_after_the_target_is_gone_does_nothing() -> None:
    patch = hotpatch(function(), function())
    gc.collect()
    patch.undo()
    assert not patch.active


def test_a_dropped_handle_leaves_the_patch_applied() -> None:
    def target() -> str:
        return "old"

    hotpatch(lambda: "new", target)
    gc.collect()
    assert target() == "new"
    (patch,) = patches(target)
    patch.undo()
    assert target() == "old"


def test_a_handle_that_is_undone_and_dropped_is_gone() -> None:
    before = sum(isinstance(each, Patch) for each in gc.get_objects())
    target = function()
    patch = hotpatch(function(), target)
    references = sys.getrefcount(patch)
    patch.undo()
    assert sys.getrefcount(patch) < references
    del patch
    assert sum(isinstance(each, Patch) for each in gc.get_objects()) == before


def test_globals_of_a_replacement_go_with_the_target_at_the_latest() -> None:
    """Frames may borrow them, so they may outlive the patch."""
    namespace = Globals()
    reference = weakref.ref(namespace)
    target = function()
    patch = hotpatch(function(namespace), target)
    del namespace
    patch.undo()
    del target
    assert is_collected(reference)


def test_globals_of_a_replacement_go_with_the_target_in_a_cycle() -> None:
    namespace = Globals()
    reference = weakref.ref(namespace)
    target = namespace["target"] = function()
    hotpatch(function(namespace), target).undo()
    del namespace, target
    assert is_collected(reference)


def test_globals_of_a_replacement_that_a_kept_original_ran_in_go_with_it() -> None:
    namespace = Globals()
    reference = weakref.ref(namespace)
    target = function()
    lower = hotpatch(function(namespace), target)
    upper = hotpatch(function(), target)
    original = upper.original
    del namespace
    lower.undo()
    upper.undo()
    del target
    gc.collect()
    del original
    assert is_collected(reference)


def test_globals_of_many_replacements_do_not_pile_up_in_a_target_twice() -> None:
    """Each namespace is kept once, however often it was installed."""
    namespaces = [Globals() for _ in range(3)]
    replacements = [function(namespace) for namespace in namespaces]
    target = function()

    def change() -> int:
        for replacement in replacements:
            hotpatch(replacement, target).undo()
        gc.collect()
        return len(gc.get_referents(target.__closure__))

    first = change()
    assert [change() for _ in range(5)] == [first] * 5


def test_globals_shared_with_the_target_leave_nothing_behind() -> None:
    namespace: dict[str, Any] = {}
    target = function(namespace, cells=2)
    closure = target.__closure__
    for cells in (0, 1, 2):
        hotpatch(function(namespace, cells), target).undo()
        assert target.__closure__ is closure


def test_a_patched_target_with_a_suspended_call_is_collected_when_the_call_is() -> None:
    def target() -> Iterator[int]:
        yield 1

    def replacement() -> Iterator[int]:
        yield 2
        yield 3

    patch = hotpatch(replacement, target)
    call = target()
    assert next(call) == 2
    reference = weakref.ref(target)
    del target
    assert list(call) == [3]
    del call
    assert is_collected(reference)
    assert patch.target is None


@pytest.mark.parametrize("undo", [False, True], ids=["patched", "undone"])
def test_a_long_chain_of_patched_functions_is_freed(undo: bool) -> None:
    """Each owns the next by a cell; CPython frees a chain of any length of plain functions."""

    def link(previous: Any) -> Any:
        def target() -> Any:
            return previous

        return target

    def link_with_more_cells(previous: Any) -> Any:
        more = 1

        def replacement() -> Any:
            return previous, more

        return replacement

    head: Any = None
    for _ in range(50_000):
        replacement = link_with_more_cells(head)
        head = link(head)
        patch = hotpatch(replacement, head)
        if undo:
            patch.undo()
    reference = weakref.ref(head)
    del head, replacement, patch
    assert is_collected(reference)
