"""Promise 8, counted: on a debug build, a thousand patches and undos leave no reference."""

import collections
import functools
import gc
import importlib
import operator
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal
from unittest import mock

import pytest
from hotpatch import PatchError, atomic, hotpatch, patches
from modules import Modules

TIMES = 1000
count_references: Callable[[], int] | None = getattr(sys, "gettotalrefcount", None)

pytestmark = pytest.mark.skipif(
    count_references is None, reason="only a debug build of CPython counts all references"
)


def count() -> int:
    """All references but those that the caches of CPython happen to hold."""
    assert count_references is not None
    gc.collect()
    clear_caches: Callable[[], None] = getattr(sys, "_clear_internal_caches", lambda: None)
    clear_caches()
    return count_references()


def difference(run: Callable[[], object], times: int) -> int:
    before = count()
    for _ in range(times):
        run()
    return count() - before


@functools.cache
def difference_of_nothing(times: int) -> int:
    """The count itself takes a few references."""
    return min(difference(lambda: None, times) for _ in range(4))


def growth(run: Callable[[], object], times: int = TIMES) -> int:
    """By how many references the process grows at least when `run` is called `times` times.

    The first rounds may fill the caches of the code that runs.
    """
    run()
    smallest = sys.maxsize
    for _ in range(4):
        grown = difference(run, times) - difference_of_nothing(times)
        smallest = min(smallest, grown, key=abs)
        if smallest == 0:
            break
    return smallest


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """Leave out of each collection what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Holder:
    """A class of each kind of method."""

    def method(self, *rest: Any) -> Any:
        return rest

    @classmethod
    def of_class(cls, *rest: Any) -> Any:
        return cls, rest

    @staticmethod
    def static(*rest: Any) -> Any:
        return rest

    @property
    def shown(self) -> Any:
        return 1

    def __len__(self) -> int:
        return 1


def plain(a: int = 1, *rest: Any, b: int = 2) -> Any:
    """Take anything."""
    return a, rest, b


def generator(*rest: Any) -> Iterator[Any]:
    yield rest


async def coroutine(*rest: Any) -> Any:
    return rest


async def async_generator(*rest: Any) -> AsyncIterator[Any]:
    yield rest


@types.coroutine
def awaited_generator(*rest: Any) -> Iterator[Any]:
    yield rest


def with_cells(count: int) -> Any:
    names = [f"cell{index}" for index in range(count)]
    namespace: dict[str, Any] = {}
    exec(
        f"def make({', '.join(names)}):\n    def f(*rest):\n        return {names}\n    return f"
        "".replace("'", ""),
        namespace,
    )
    return namespace["make"](*map(str, range(count)))


CACHE = functools.lru_cache(plain)

TARGETS: dict[str, Callable[[], Any]] = {
    "function": lambda: plain,
    "lambda": lambda: lambda *rest: rest,
    "nested function": lambda: with_cells(3),
    "method of a class": lambda: Holder.method,
    "method of an instance": lambda: Holder().method,
    "class method": lambda: Holder.of_class,
    "raw class method": lambda: vars(Holder)["of_class"],
    "static method": lambda: Holder.static,
    "raw static method": lambda: vars(Holder)["static"],
    "property": lambda: Holder.shown,
    "special method": lambda: Holder.__len__,
    "function of the standard library": lambda: functools.update_wrapper,
    "builtin function": lambda: operator.concat,
    "method of a C type": lambda: collections.deque.rotate,
    "bound method of a C type": lambda: collections.deque().rotate,
    "class method of a C type": lambda: vars(dict)["fromkeys"],
    "cache": lambda: CACHE,
    "new cache": lambda: functools.lru_cache(plain),
    "partial object": lambda: functools.partial(plain, 1),
    "cached property": lambda: functools.cached_property(plain),
}
REPLACEMENTS: dict[str, Callable[[], Any]] = {
    "function": lambda: lambda *rest: rest,
    "function with defaults": lambda: lambda a=1, *rest, b=(), c=[]: rest,
    "function with a cell": lambda: with_cells(1),
    "function with many cells": lambda: with_cells(30),
    "function with other globals": lambda: types.FunctionType(plain.__code__, {"other": 1}),
    "function with other builtins": lambda: eval("lambda: 1", {"__builtins__": {}}),
    "annotated function": lambda: Holder.__len__,
    "builtin": lambda: len,
    "class": lambda: dict,
    "class in Python": lambda: type("K", (), {"__init__": plain}),
    "partial": lambda: functools.partial(plain, 1, b=2),
    "bound method": lambda: Holder().method,
    "mock": mock.MagicMock,
    "instance": lambda: type("K", (), {"__call__": plain})(),
}
KINDS: dict[str, Any] = {
    "generator": generator,
    "coroutine": coroutine,
    "async generator": async_generator,
    "generator-based coroutine": awaited_generator,
}


@pytest.mark.parametrize("make_replacement", REPLACEMENTS.values(), ids=REPLACEMENTS)
@pytest.mark.parametrize("make_target", TARGETS.values(), ids=TARGETS)
def test_patch_and_undo_leave_no_reference(
    make_target: Callable[[], Any], make_replacement: Callable[[], Any]
) -> None:
    target, replacement = make_target(), make_replacement()
    assert growth(lambda: hotpatch(replacement, target).undo(), TIMES // 10) == 0


@pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_a_thousand_patches_and_undos_with_each_kind_of_replacement(
    make: Callable[[], Any],
) -> None:
    replacement = make()
    assert growth(lambda: hotpatch(replacement, plain).undo()) == 0


@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_a_thousand_patches_and_undos_of_each_kind_of_target(make: Callable[[], Any]) -> None:
    target = make()
    assert growth(lambda: hotpatch(plain, target).undo()) == 0


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_thousand_patches_and_undos_of_each_kind_of_function(kind: Any) -> None:
    target = types.FunctionType(kind.__code__, kind.__globals__)
    assert growth(lambda: hotpatch(kind, target).undo()) == 0


@pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_new_targets_and_replacements_leave_no_reference(make: Callable[[], Any]) -> None:
    def run() -> None:
        target = types.FunctionType(plain.__code__, {})
        hotpatch(make(), target)

    assert growth(run, TIMES // 4) == 0


HOOKS: dict[str, Callable[..., Any]] = {
    "around": lambda original, *rest, **more: original(*rest, **more),
    "before": lambda *rest, **more: None,
    "after": lambda result: None,
    "error": lambda error: None,
}


@pytest.mark.parametrize(
    ("how", "scope"),
    [("around", "process"), ("before", "context"), ("after", "thread"), ("error", "process")],
)
@pytest.mark.parametrize("make_target", TARGETS.values(), ids=TARGETS)
def test_hooks_leave_no_reference(
    make_target: Callable[[], Any], how: Any, scope: Literal["process", "context", "thread"]
) -> None:
    target = make_target()

    def run() -> None:
        hotpatch(HOOKS[how], target, how=how, scope=scope).undo()

    assert growth(run, TIMES // 10) == 0


@pytest.mark.parametrize("scope", ["context", "thread"])
@pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_scopes_leave_no_reference(
    make: Callable[[], Any], scope: Literal["context", "thread"]
) -> None:
    replacement = make()
    assert growth(lambda: hotpatch(replacement, plain, scope=scope).undo(), TIMES // 4) == 0


@pytest.mark.parametrize("how", HOOKS)
def test_calls_with_hooks_leave_no_reference(how: Any) -> None:
    target = types.FunctionType(generator.__code__, {})

    def run() -> None:
        with hotpatch(HOOKS[how], target, how=how):
            list(target(1))
            next(target(1))

    assert growth(run, TIMES // 4) == 0


def test_layers_that_follow_what_lies_below_leave_no_reference() -> None:
    target = with_cells(3)

    def run() -> None:
        made = [
            hotpatch(HOOKS["around"], target, how="around", order=5),
            hotpatch(HOOKS["before"], target, how="before", order=7),
            hotpatch(plain, target),
            hotpatch(len, target, order=-1),
            hotpatch(target, target),
        ]
        for index in (2, 0, 3, 4, 1):
            made[index].undo()

    assert growth(run, TIMES // 4) == 0


def test_blocks_leave_no_reference() -> None:
    targets = [with_cells(3), collections.deque.rotate, functools.partial(plain)]

    def run() -> None:
        with atomic():
            made = [hotpatch(plain, target) for target in targets]
            made.append(hotpatch(HOOKS["around"], targets[0], how="around", scope="context"))
        with pytest.raises(KeyError), atomic():  # noqa: PT012
            made[0].undo()
            hotpatch(plain, targets[0])
            raise KeyError
        with atomic():
            for patch in made:
                patch.undo()

    assert growth(run, TIMES // 4) == 0


def test_a_stack_undone_in_any_order_leaves_no_reference() -> None:
    target = with_cells(3)
    replacements = [with_cells(1), with_cells(5), len, plain]

    def run() -> None:
        made = [hotpatch(replacement, target) for replacement in replacements]
        for index in (2, 0, 3, 1):
            made[index].undo()

    assert growth(run, TIMES // 4) == 0


def test_originals_leave_no_reference() -> None:
    target = with_cells(3)
    other = with_cells(5)

    def run() -> None:
        lower, upper = hotpatch(other, target), hotpatch(plain, target)
        upper.original()
        lower.original()
        of_original = hotpatch(plain, upper.original)
        lower.undo()
        of_original.original()
        of_original.undo()
        upper.undo()
        upper.original()

    assert growth(run, TIMES // 4) == 0


def test_everything_that_a_handle_can_be_asked_leaves_no_reference() -> None:
    target = with_cells(3)
    patch = hotpatch(plain, target, by="somebody")

    def run() -> None:
        for ask in ("target", "replacement", "active", "by", "where", "original"):
            getattr(patch, ask)
        repr(patch)
        patches()
        patches(target)
        patches(target, by="somebody")
        patches(by="nobody")

    assert growth(run) == 0
    patch.undo()
    assert growth(run) == 0


def test_calls_of_a_patched_function_leave_no_reference() -> None:
    target = with_cells(3)

    def run() -> None:
        with hotpatch(lambda *rest: rest, target):
            target()
        target()

    assert growth(run) == 0


@pytest.mark.parametrize(
    "target", [dict.__getitem__, 5, None, dict, operator.itemgetter(0), generator]
)
def test_refusals_leave_no_reference(target: Any) -> None:
    def run() -> None:
        with pytest.raises(TypeError):
            hotpatch(plain, target)

    assert growth(run, TIMES // 4) == 0


def test_an_undo_that_a_foreign_write_forbids_leaves_no_reference() -> None:
    def target() -> None:
        pass

    patch = hotpatch(lambda: 1, target)
    ours = target.__code__
    target.__code__ = (lambda: 2).__code__

    def run() -> None:
        with pytest.raises(PatchError):
            patch.undo()
        with pytest.raises(PatchError):
            hotpatch(plain, target)

    assert growth(run, TIMES // 4) == 0
    target.__code__ = ours
    patch.undo()


def test_names_that_wait_and_are_undone_leave_no_reference() -> None:
    def run() -> None:
        with hotpatch(plain, "not_imported:f"), hotpatch(plain, "not_imported:g", scope="context"):
            patches("not_imported:f")

    assert growth(run, 100) == 0


def watch() -> None:
    pass


def test_names_that_are_imported_leave_no_reference(modules: Modules) -> None:
    name = modules.write("def f(): pass\nclass K:\n    def m(self): pass")

    def run() -> None:
        with hotpatch(plain, f"{name}:f") as patch, hotpatch(watch, f"{name}:K.m", how="before"):
            module = modules.load(name)
            module.f()
            module.K().m()
            patch.original()
            patches(f"{name}:f")
        module.f()
        del sys.modules[name]

    assert growth(run, 100) == 0


def test_names_that_are_reloaded_leave_no_reference(modules: Modules) -> None:
    name = modules.write("def f(): pass")
    with hotpatch(plain, f"{name}:f"), hotpatch(watch, f"{name}:f", how="before"):
        module: Any = modules.load(name)

        def run() -> None:
            importlib.reload(module)
            module.f()

        assert growth(run, 100) == 0


# In what is said of a failure: the body ends with an exception, and the name means nothing.
@pytest.mark.parametrize("text", ["def f(): pass\n1 / 0", "f = 5", ""])
def test_imports_that_fail_leave_no_reference(modules: Modules, text: str) -> None:
    name = modules.write(text)

    def run() -> None:
        with pytest.raises((PatchError, ZeroDivisionError)):
            modules.load(name)

    with hotpatch(plain, f"{name}:f"):
        assert growth(run, 100) == 0


def test_a_name_that_waits_for_what_is_lazy_leaves_no_reference(modules: Modules) -> None:
    from importlib.util import LazyLoader, find_spec, module_from_spec

    name = modules.write("def f(): pass")

    def run() -> None:
        spec = find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = LazyLoader(spec.loader)
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        with hotpatch(plain, f"{name}:f"):
            module.f()
        del sys.modules[name]

    assert growth(run, 100) == 0
