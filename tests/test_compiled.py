"""Functions and methods of extension modules that Cython, pybind11 and PyO3 make."""

import copy
import functools
import gc
import inspect
import itertools
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import compiled
import pytest
from hotpatch import _native, hotpatch

Function = Callable[..., Any]
# A function, a call, what arrives, and what comes back without a patch.
Case = tuple[Any, Callable[[], Any], tuple[Any, ...], dict[str, object], Any]


@pytest.fixture(scope="session")
def cython(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return compiled.compile_module("by_cython", tmp_path_factory.mktemp("cython"))


@pytest.fixture(scope="session")
def pybind11(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return compiled.compile_module("by_pybind11", tmp_path_factory.mktemp("pybind11"))


pytestmark = pytest.mark.usefixtures("all_are_undone")


def new(*args: object, **kwargs: object) -> object:
    return "new", args, kwargs


def is_since_3(module: ModuleType) -> bool:
    """Before Cython 3, methods of a `cdef class` are those of C types, and bound by themselves."""
    return "_cython_3" in type(module.nothing).__module__


def cases_of_cython(m: Any) -> dict[str, Case]:
    e, p, inner = m.Extension(), m.Plain(), m.make("one")
    bound = e.single
    cases: dict[str, Case] = {
        "nothing": (m.nothing, lambda: m.nothing(), (), {}, "nothing"),
        "single": (m.single, lambda: m.single(1), (1,), {}, ("single", 1)),
        "single, *": (m.single, lambda: m.single(*[1]), (1,), {}, ("single", 1)),
        "single, map": (m.single, lambda: next(map(m.single, [1])), (1,), {}, ("single", 1)),
        "single, call": (m.single, lambda: m.single.__call__(1), (1,), {}, ("single", 1)),
        "defaults": (m.defaults, lambda: m.defaults(1), (1,), {}, ("defaults", 1, "default")),
        "defaults, keyword": (
            m.defaults,
            lambda: m.defaults(1, second=2),
            (1,),
            {"second": 2},
            ("defaults", 1, 2),
        ),
        "defaults, **": (
            m.defaults,
            lambda: m.defaults(**{"first": 1}),
            (),
            {"first": 1},
            ("defaults", 1, "default"),
        ),
        "partial": (
            m.defaults,
            lambda: functools.partial(m.defaults, second=2)(1),
            (1,),
            {"second": 2},
            ("defaults", 1, 2),
        ),
        "anything": (
            m.anything,
            lambda: m.anything(1, 2, a=3),
            (1, 2),
            {"a": 3},
            ("anything", (1, 2), {"a": 3}),
        ),
        "both": (m.both, lambda: m.both(1), (1,), {}, ("both", 1)),
        "inner": (inner, lambda: inner(1), (1,), {}, ("inner", "one", 1)),
        "by Cython, nothing": (m.nothing, lambda: m.call_nothing(), (), {}, "nothing"),
        "by Cython, single": (m.single, lambda: m.call_single(1), (1,), {}, ("single", 1)),
        "by Cython, keyword": (
            m.defaults,
            lambda: m.call_defaults(1),
            (1,),
            {"second": "given"},
            ("defaults", 1, "given"),
        ),
        "Plain.method": (m.Plain.method, lambda: p.method(1), (p, 1), {}, ("method", 1)),
        "Plain.method, bound": (p.method, lambda: p.method(1), (p, 1), {}, ("method", 1)),
        "Plain.by_class": (
            m.Plain.by_class,
            lambda: p.by_class(1),
            (m.Plain, 1),
            {},
            ("by_class", 1),
        ),
        "Plain.static": (m.Plain.static, lambda: m.Plain.static(1), (1,), {}, ("static", 1)),
        "Extension.nothing": (m.Extension.nothing, lambda: e.nothing(), (e,), {}, "nothing"),
        "Extension.single": (
            m.Extension.single,
            lambda: e.single(1),
            (e, 1),
            {},
            ("single", 1),
        ),
        "Extension.single, bound before": (
            m.Extension.single,
            lambda: bound(1),
            (e, 1),
            {},
            ("single", 1),
        ),
        "Extension.single, by Cython": (
            m.Extension.single,
            lambda: m.call_method(e, 1),
            (e, 1),
            {},
            ("single", 1),
        ),
        "Extension.defaults": (
            m.Extension.defaults,
            lambda: e.defaults(1, second=2),
            (e, 1),
            {"second": 2},
            ("defaults", 1, 2),
        ),
        "Extension.anything": (
            m.Extension.anything,
            lambda: e.anything(1, a=2),
            (e, 1),
            {"a": 2},
            ("anything", (1,), {"a": 2}),
        ),
        "Extension.by_class": (
            m.Extension.__dict__["by_class"],
            lambda: e.by_class(1),
            (m.Extension, 1),
            {},
            ("by_class", 1),
        ),
        "Extension.static": (
            m.Extension.static,
            lambda: e.static(1),
            (1,),
            {},
            ("static", 1),
        ),
        "Extension.both": (m.Extension.both, lambda: e.both(1), (e, 1), {}, ("both", 1)),
    }
    return cases


def cases_of_pybind11(m: Any) -> dict[str, Case]:
    counter = m.Counter()
    bound = counter.add
    defaults = ("defaults", 1, "default")
    return {
        "nothing": (m.nothing, lambda: m.nothing(), (), {}, "nothing"),
        "single": (m.single, lambda: m.single(1), (1,), {}, ("single", 1)),
        "single, map": (m.single, lambda: next(map(m.single, [1])), (1,), {}, ("single", 1)),
        "defaults": (m.defaults, lambda: m.defaults(1), (1,), {}, defaults),
        "keyword": (
            m.defaults,
            lambda: m.defaults(1, second=2),
            (1,),
            {"second": 2},
            ("defaults", 1, 2),
        ),
        "overloaded": (m.overloaded, lambda: m.overloaded("a"), ("a",), {}, ("str", "a")),
        "by pybind11": (
            m.defaults,
            lambda: m.call(m.defaults, 1, second=2),
            (1,),
            {"second": 2},
            ("defaults", 1, 2),
        ),
        "method": (m.Counter.add, lambda: counter.add(0), (counter, 0), {}, 0),
        "method, bound": (counter.add, lambda: bound(0), (counter, 0), {}, 0),
        "method, descriptor": (
            vars(m.Counter)["add"],
            lambda: counter.add(number=0),
            (counter,),
            {"number": 0},
            0,
        ),
        "static": (m.Counter.name, lambda: counter.name(), (), {}, "counter"),
    }


CASES = {"cython": cases_of_cython, "pybind11": cases_of_pybind11}


@pytest.mark.parametrize("times", [1, 200], ids=["cold", "hot"])
@pytest.mark.parametrize("tool", CASES)
def test_calls_reach_the_replacement(tool: str, times: int, request: pytest.FixtureRequest) -> None:
    for name, case in CASES[tool](request.getfixturevalue(tool)).items():
        target, call, args, kwargs, expected = case
        assert [call() for _ in range(times)] == [expected] * times, name
        with hotpatch(new, target) as patch:
            assert [call() for _ in range(times)] == [("new", args, kwargs)] * times, name
            assert patch.original(*args, **kwargs) == expected, name
        assert [call() for _ in range(times)] == [expected] * times, name


def around(handles: list[Any], index: int, *args: Any, **kwargs: Any) -> Any:
    return index, handles[index].original(*args, **kwargs)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("tool", CASES)
def test_patches_are_undone_in_any_order(
    tool: str, order: tuple[int, ...], request: pytest.FixtureRequest
) -> None:
    """One of the originals is made before what lies below it changes, the others later."""
    for name, case in CASES[tool](request.getfixturevalue(tool)).items():
        target, call, args, kwargs, expected = case
        handles: list[Any] = []
        for index in range(3):
            handles.append(hotpatch(functools.partial(around, handles, index), target))
        assert call() == (2, (1, (0, expected))), name
        left = [0, 1, 2]
        for index in order:
            handles[index].undo()
            left.remove(index)
            result = expected
            for one in left:
                result = (one, result)
            assert call() == result, name
        assert handles[0].original(*args, **kwargs) == expected, name


@pytest.mark.parametrize("tool", CASES)
def test_identity_stays(tool: str, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(tool)
    for function in [module.nothing, module.single, module.defaults]:
        names = ["__name__", "__doc__", "__module__", "__qualname__"]
        before = [getattr(function, name) for name in names], repr(function), hash(function)
        table, equal = {function: 1}, getattr(module, function.__name__)
        with hotpatch(new, function):
            now = [getattr(function, name) for name in names], repr(function), hash(function)
            assert now == before
            assert (table[function], equal == function) == (1, True)
            assert copy.copy(function) is function
            if tool == "cython":  # those of pybind11 cannot be pickled
                assert pickle.loads(pickle.dumps(function)) is function


def test_functions_of_one_def_are_patched_apart(cython: Any) -> None:
    one, other = cython.make("one"), cython.make("other")
    with hotpatch(new, one):
        assert one(1) == ("new", (1,), {})
        assert other(1) == ("inner", "other", 1)
        assert cython.make("later")(1) == ("inner", "later", 1)
        with hotpatch(lambda value: "second", other):
            assert (one(1), other(1)) == (("new", (1,), {}), "second")
    assert (one(1), other(1)) == (("inner", "one", 1), ("inner", "other", 1))


def test_a_patched_function_of_cython_lives_until_it_is_undone(cython: Any) -> None:
    """Then neither that nor the replacement is kept, and another at its address is not patched."""

    class Replacement:
        def __call__(self, value: int) -> str:
            return "new"

    function, replacement = cython.make("gone"), Replacement()
    gone, replacement_gone = weakref.ref(function), weakref.ref(replacement)
    handle = hotpatch(replacement, function)
    original = handle.original
    del function, replacement
    gc.collect()
    assert handle.target is gone()
    handle.undo()
    assert original(1) == ("inner", "gone", 1)
    del handle, original
    gc.collect()
    assert gone() is replacement_gone() is None
    assert [cython.make(name)(1)[1] for name in "abc"] == ["a", "b", "c"]


def test_a_replacement_can_undo_its_patch(cython: Any) -> None:
    def once(value: int) -> object:
        patch.undo()
        return cython.single(value)

    patch = hotpatch(once, cython.single)
    assert cython.single(1) == ("single", 1)
    assert not patch.active


def test_a_function_of_cython_takes_the_place_of_a_python_function(cython: Any) -> None:
    def target(first: object, second: object = "own") -> object:
        return "python", first, second

    def call() -> list[object]:
        return [target(1), target(1, 2), target(first=1), target(*[1], **{"second": 2})]

    before = [("python", 1, "own"), ("python", 1, 2), ("python", 1, "own"), ("python", 1, 2)]
    for _ in range(100):
        assert call() == before
    with hotpatch(cython.defaults, target):
        assert str(inspect.signature(target)) == "(first, second='default')"
        for _ in range(100):
            assert call() == [
                ("defaults", 1, "default"),
                ("defaults", 1, 2),
                ("defaults", 1, "default"),
                ("defaults", 1, 2),
            ]
        with hotpatch(new, cython.defaults):
            assert target(1) == ("defaults", 1, "default")  # what it did when it was patched in
    assert call() == before


def test_kinds_stay(cython: Any) -> None:
    """Cython tells of the kind of its functions since version 3."""

    async def coroutine(value: int) -> object:
        return "new", value

    def run(made: Any) -> object:
        try:
            made.send(None)
        except StopIteration as error:
            return error.value
        raise AssertionError("it did not return")

    def generator(value: int) -> Iterator[object]:
        yield "new", value

    with hotpatch(coroutine, cython.coroutine) as patch:
        assert run(cython.coroutine(1)) == ("new", 1)
        assert run(patch.original(1)) == ("coroutine", 1)
    assert run(cython.coroutine(1)) == ("coroutine", 1)
    with hotpatch(generator, cython.generator):
        assert list(cython.generator(1)) == [("new", 1)]
    assert list(cython.generator(1)) == [1]
    if not is_since_3(cython):
        return
    for target, kind in [(cython.coroutine, "coroutine"), (cython.generator, "generator")]:
        with pytest.raises(TypeError, match=f"the target is a {kind} function and the replac"):
            hotpatch(new, target)
    with hotpatch(cython.coroutine, coroutine):
        assert inspect.iscoroutinefunction(coroutine)
        assert run(coroutine(1)) == ("coroutine", 1)
    with pytest.raises(TypeError, match="the replacement a coroutine function"):
        hotpatch(cython.coroutine, cython.single)


def test_what_cannot_be_patched_is_refused(cython: Any) -> None:
    text = "^cannot patch <.*fused.*> in place: it is a fused function of Cython, .*; patch the "
    with pytest.raises(TypeError, match=text):
        hotpatch(new, cython.fused)

    class Imitation:
        pass

    Imitation.__name__ = "cython_function_or_method"
    Imitation.func_code = property(lambda self: None)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"cannot patch <.*> in place: "):
        hotpatch(new, Imitation())  # type: ignore[call-overload]
    assert cython.fused(1) == ("fused", 1)


@pytest.mark.parametrize("tool", CASES)
def test_many_patches_and_undos_keep_no_memory(tool: str, request: pytest.FixtureRequest) -> None:
    module = request.getfixturevalue(tool)

    def rounds(times: int) -> None:
        for _ in range(times):
            for target in (module.nothing, module.single, module.defaults):
                with hotpatch(new, target) as patch:
                    assert patch.replacement is new

    rounds(100)
    gc.collect()
    single = module.single
    before, references = sys.getallocatedblocks(), sys.getrefcount(single)
    rounds(4_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
    assert sys.getrefcount(single) == references


def test_methods_that_pyo3_makes() -> None:
    def target() -> str:
        return "old"

    entered: list[object] = []
    handle = hotpatch(lambda: "below", target)
    patch = hotpatch(entered.append, type(handle).__enter__)
    with handle as result:  # this calls `__exit__` as well
        assert result is None
    patch.undo()
    assert (entered, handle.active) == ([handle], False)
    assert patch.original(handle) is handle


def test_bound_methods_that_pyo3_makes() -> None:
    def target() -> str:
        return "old"

    handle, other = hotpatch(lambda: "one", target), hotpatch(lambda: "two", target)
    with hotpatch(lambda: "kept", handle.undo):  # for this handle alone
        assert (typed_undo(handle), typed_undo(other)) == ("kept", None)
        assert (handle.active, other.active) == (True, False)
    assert (typed_undo(handle), handle.active) == (None, False)


def typed_undo(patch: Any) -> Any:
    return patch.undo()


def test_functions_that_pyo3_makes() -> None:
    listed: Any = _native.patches
    with hotpatch(lambda *args, **kwargs: (args, kwargs), listed) as patch:
        assert listed(1, by="me") == ((1,), {"by": "me"})
        assert patch.original() == [patch]
    assert listed() == []
