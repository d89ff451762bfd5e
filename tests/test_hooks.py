"""Hooks: what they are told, what they may change, and what the target keeps."""

import functools
import inspect
import itertools
import math
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any, Literal
from unittest import mock

import c_functions
import pytest
from hotpatch import Patch, PatchError, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

Function = Callable[..., Any]
How = Literal["around", "before", "after", "error"]
OBSERVERS: list[How] = ["before", "after", "error"]
HOWS: list[How] = ["around", *OBSERVERS]


def make_target() -> Any:
    def target(a: int, /, b: "int" = 2, *args: int, c: int, d: int = 4, **kwargs: int) -> "Any":
        """What it does."""
        if a < 0:
            raise ValueError(a)
        return a, b, args, c, d, kwargs

    return target


CALLS: list[tuple[tuple[int, ...], dict[str, int]]] = [
    ((1,), {"c": 3}),
    ((1, 5), {"c": 3}),
    ((1, 5, 6, 7), {"c": 3, "d": 8}),
    ((1,), {"b": 5, "c": 3, "e": 9}),
    ((1,), {"c": 3, "a": 9}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=str)
def test_around_gets_the_original_and_the_arguments(
    args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    target = make_target()
    expected = target(*args, **kwargs)

    def hook(original: Function, *args: int, **kwargs: int) -> object:
        return "around", original(*args, **kwargs)

    patch = hotpatch(hook, target, how="around")
    for _ in range(100):  # specialised
        assert target(*args, **kwargs) == ("around", expected)
    patch.undo()
    assert target(*args, **kwargs) == expected


def test_around_decides_everything() -> None:
    target = make_target()

    def retry(original: Function, a: int, b: int, *args: int, c: int, **kwargs: int) -> object:
        try:
            return original(a, b, *args, c=c, **kwargs)
        except ValueError:
            return original(-a, b, *args, c=c + 1, **kwargs)

    with hotpatch(retry, target, how="around") as patch:
        assert target(-1, c=3) == (1, 2, (), 4, 4, {})
        with pytest.raises(ValueError, match="-1"):
            patch.original(-1, c=3)
    with hotpatch(lambda *args, **kwargs: "never", target, how="around"):
        assert target(-1, c=3) == "never"


# The parameters of an observer, and what it is told of `target(1, 5, 6, c=3, e=9)`.
WANTED: dict[str, object] = {
    "": (),
    "c": (3,),
    "c, a, b": (3, 1, 5),
    "*, d, a": (4, 1),
    "args, kwargs": ((6,), {"e": 9}),
    "a, other='own'": (1, "own"),
    "other='own', a=0": ("own", 1),
    "*args, **kwargs": ((1, 5, 6), {"c": 3, "d": 4, "e": 9}),
    "c, *args, **kwargs": (3, (1, 5, 6), {"d": 4, "e": 9}),
    "a, **kwargs": (1, {"b": 5, "c": 3, "d": 4, "e": 9}),
    "*args": ((1, 5, 6),),
    "*args, d": ((1, 5, 6), 4),
    "e, f, /": (1, 5),
    "b, e, /": (5, 1),
    "e=7, f=8, g=9, /": (1, 5, 9),
}


def observer(how: str, parameters: str) -> tuple[Any, list[Any]]:
    """An observer, and the list to which it adds what it is told, and what it is given first."""
    seen: list[Any] = []
    names = [name.split("=")[0].strip("*/") for name in parameters.split(", ")]
    told = "".join(f"{name}, " for name in names if name)
    given = "" if how == "before" else "given"
    head = ", ".join(part for part in (given, parameters) if part)
    namespace: dict[str, Any] = {"seen": seen}
    exec(f"def hook({head}): seen.append((({told}), {given or None}))", namespace)
    return namespace["hook"], seen


@pytest.mark.parametrize("how", OBSERVERS)
@pytest.mark.parametrize("parameters", WANTED)
def test_observers_name_the_parameters_that_they_want(how: How, parameters: str) -> None:
    target = make_target()
    hook, seen = observer(how, parameters)
    with hotpatch(hook, target, how=how):
        if how == "error":
            with pytest.raises(ValueError, match="-1") as caught:
                target(-1, 5, 6, c=3, e=9)
            given: object = caught.value
        else:
            given = target(1, 5, 6, c=3, e=9) if how == "after" else None
            assert target(1, 5, 6, c=3, e=9) == (1, 5, (6,), 3, 4, {"e": 9})
    expected = repr(WANTED[parameters])
    if how == "error":
        expected = re.sub(r"\b1\b", "-1", expected)
    assert repr(seen[0][0]) == expected
    assert seen[0][1] is given or seen[0][1] == given


@pytest.mark.skipif(sys.version_info < (3, 11), reason="print does not tell its parameters")
def test_print_can_watch(capsys: pytest.CaptureFixture[str]) -> None:
    target = make_target()
    with hotpatch(print, target, how="after"):
        target(1, 5, 6, c=3)
    assert capsys.readouterr().out == "(1, 5, (6,), 3, 4, {}) 1 5 6\n"


@pytest.mark.parametrize("form", ["partial", "method", "object", "mock", "builtin"])
def test_an_observer_may_be_any_callable(form: str) -> None:
    seen: list[Any] = []

    class Told:
        def method(self, c: int) -> None:
            seen.append(c)

        __call__ = method

    forms: dict[str, Any] = {
        "partial": functools.partial(lambda first, c: seen.append(c), "first"),
        "method": Told().method,
        "object": Told(),
        "mock": mock.Mock(side_effect=lambda *args, **kwargs: seen.append(kwargs["c"])),
        "builtin": seen.append,
    }

    def target(c: int) -> int:
        return c + 1

    def keyword(*, c: int) -> int:
        return c + 1

    named: Any = keyword if form == "mock" else target
    with hotpatch(forms[form], named, how="before"):
        assert named(c=3) == 4
    assert seen == [3]


@pytest.mark.parametrize(
    ("how", "parameters", "why"),
    [
        ("before", "e", "it has a parameter 'e', .* none of that name but \\(a, b, args, c, d, kw"),
        ("after", "given, e", "it has a parameter 'e'"),
        ("error", "given, *, e", "it has a parameter 'e'"),
        ("before", "e=1, *args", "it has a parameter 'e'"),
        ("after", "", "it takes no argument for the result; write it with one"),
        ("error", "*, a", "it takes no argument for the exception; write it with one"),
        ("around", "", "it takes no argument for the original; write it with one"),
        ("around", "**kwargs", "it takes no argument for the original; write it with one"),
    ],
)
def test_a_hook_that_does_not_fit_is_refused(how: How, parameters: str, why: str) -> None:
    target = make_target()
    hook: Any = eval(f"lambda {parameters}: None")
    where = "at errors of" if how == "error" else how
    text = f"cannot call {hook!r} {where} {target!r}: "
    with pytest.raises(TypeError, match=re.escape(text) + why):
        hotpatch(hook, target, how=how)
    assert patches(target) == []
    assert target(1, c=3) == (1, 2, (), 3, 4, {})


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="'replace', 'around', 'before', 'after', 'error'"):
        hotpatch(print, make_target(), how="instead")  # type: ignore[call-overload]


@pytest.mark.parametrize("how", HOWS)
def test_what_is_not_callable_is_refused(how: How) -> None:
    with pytest.raises(TypeError, match="it is not callable"):
        hotpatch(3, make_target(), how=how)  # type: ignore[call-overload]


@pytest.mark.parametrize("how", HOWS)
def test_the_target_keeps_its_signature_and_its_identity(how: How) -> None:
    target = make_target()
    target.attribute = "kept"

    def seen() -> list[object]:
        names = ["__name__", "__qualname__", "__module__", "__doc__", "__dict__"]
        names += ["__defaults__", "__kwdefaults__", "__annotations__"]
        return [inspect.signature(target), *(getattr(target, name) for name in names)]

    before = seen()
    with hotpatch(lambda *args: None, target, how=how):
        assert seen() == before
        with pytest.raises(TypeError, match=r"target\(\) missing 1 required .* argument: 'c'"):
            target(1)
        with pytest.raises(TypeError, match=r"target\(\) missing 1 required positional argument"):
            target(c=3)
    assert seen() == before


def module_level(x: int) -> int:
    return x + 1


@pytest.mark.parametrize("how", HOWS)
def test_a_hooked_function_is_pickled_by_name(how: How) -> None:
    target: Any = module_level
    with hotpatch(lambda *args: None, target, how=how):
        assert pickle.loads(pickle.dumps(module_level)) is module_level


def test_an_observer_is_ignored_unless_it_raises() -> None:
    target = make_target()
    with hotpatch(lambda result: "ignored", target, how="after"):
        assert target(1, c=3) == (1, 2, (), 3, 4, {})

    def fail(*args: object) -> None:
        raise KeyError("hook")

    for how in ("before", "after"):
        with hotpatch(fail, target, how=how), pytest.raises(KeyError, match="hook"):
            target(1, c=3)
    with hotpatch(fail, target, how="error"):
        assert target(1, c=3)
        with pytest.raises(KeyError, match="hook") as caught:
            target(-1, c=3)
    assert isinstance(caught.value.__context__, ValueError)


@pytest.mark.parametrize("how", HOWS)
def test_methods_of_every_kind_are_hooked(how: How) -> None:
    class Base:
        def greet(self, name: str) -> str:
            return f"base {name}"

    class Derived(Base):
        def greet(self, name: str) -> str:
            return f"derived {super().greet(name)}"

        @classmethod
        def of_class(cls, name: str) -> tuple[type, str]:
            return cls, name

        @staticmethod
        def static(name: str) -> str:
            return name

        @property
        def shown(self) -> int:
            return 3

    def around(original: Function, *args: object) -> object:
        return "around", original(*args)

    def observe(*args: object) -> None:
        seen.append(args)

    seen: list[object] = []
    instance: Any = Derived()
    calls: dict[Any, Function] = {
        Derived.greet: lambda: instance.greet("x"),
        instance.greet: lambda: instance.greet("x"),
        Derived.of_class: lambda: instance.of_class("x"),
        Derived.static: lambda: instance.static("x"),
        Derived.__dict__["shown"]: lambda: instance.shown,
    }
    for target, call in calls.items():
        expected = call()
        with hotpatch(around if how == "around" else observe, target, how=how):
            assert call() == (("around", expected) if how == "around" else expected)
        assert call() == expected
    assert len(seen) == (0 if how in ("around", "error") else len(calls))


def test_what_is_written_in_c_is_hooked() -> None:
    seen: list[object] = []

    def around(original: Function, *args: Any) -> object:
        return "around", original(*args)

    table = {1: "one"}
    targets: list[tuple[Any, Callable[[], Any]]] = [
        (math.sqrt, lambda: math.sqrt(4)),
        (dict.get, lambda: table.get(1)),
        (table.get, lambda: table.get(1)),
        (str.upper, lambda: "a".upper()),
        (dict.fromkeys, lambda: dict.fromkeys("ab")),
    ]
    for target, call in targets:
        expected = call()
        with hotpatch(around, target, how="around"):
            assert call() == ("around", expected)
        with hotpatch(lambda result, *args: seen.append(result), target, how="after"):
            assert call() == expected
        assert seen.pop() == expected
        assert call() == expected


def test_wrappers_are_hooked() -> None:
    def around(original: Function, *args: Any) -> object:
        return "around", original(*args)

    cache: Any = functools.lru_cache(lambda x: x)
    with hotpatch(around, cache, how="around"):
        assert cache(1) == cache(1) == ("around", 1)
        assert cache.cache_info().hits == 1
        assert str(inspect.signature(cache)) == "(x)"
    assert cache(1) == 1
    partial: Any = functools.partial(pow, 2)
    with hotpatch(around, partial, how="around"):
        assert partial(5) == ("around", 32)
    assert partial(5) == 32
    method: Any = functools.partialmethod(pow, 2)
    with pytest.raises(TypeError, match=r"it is no function.*; hook the function inside"):
        hotpatch(around, method, how="around")


def test_hooks_nest_and_go_in_any_order() -> None:
    for going in itertools.permutations(range(4)):
        target = make_target()
        seen: list[int] = []
        made: list[Patch] = []
        for index in range(4):

            def hook(original: Function, *args: Any, index: int = index, **kwargs: Any) -> object:
                seen.append(index)  # noqa: B023
                return original(*args, **kwargs)

            made.append(hotpatch(hook, target, how="around"))
        left = [0, 1, 2, 3]
        for index in going:
            seen.clear()
            assert target(1, c=3) == (1, 2, (), 3, 4, {})
            assert seen == left[::-1]
            made[index].undo()
            left.remove(index)
        assert target(1, c=3) == (1, 2, (), 3, 4, {})


def test_a_hook_undone_by_itself_finishes_its_call() -> None:
    target = make_target()

    def hook(original: Function, *args: Any, **kwargs: Any) -> object:
        patch.undo()
        return "around", original(*args, **kwargs)

    patch = hotpatch(hook, target, how="around")
    assert target(1, c=3) == ("around", (1, 2, (), 3, 4, {}))
    assert target(1, c=3) == (1, 2, (), 3, 4, {})


def test_a_patch_says_how_it_is() -> None:
    target = make_target()
    with hotpatch(lambda: None, target, how="before", order=3) as patch:
        assert (patch.how, patch.order) == ("before", 3)
    with hotpatch(make_target(), target) as patch:
        assert (patch.how, patch.order) == ("replace", 0)


def test_without_a_replacement_it_is_a_decorator() -> None:
    target = make_target()

    @hotpatch(target=target, how="around", order=4, by="me")
    def hook(original: Function, *args: Any, **kwargs: Any) -> object:
        return "around", original(*args, **kwargs)

    (patch,) = patches(target)
    assert (patch.how, patch.order, patch.by) == ("around", 4, "me")
    assert patch.replacement is hook
    assert hook(lambda: "called") == ("around", "called")
    assert target(1, c=3) == ("around", (1, 2, (), 3, 4, {}))
    patch.undo()

    @hotpatch(target=target)
    def other(*args: Any, **kwargs: Any) -> object:
        return "replaced"

    (patch,) = patches(target)
    line = other.__code__.co_firstlineno
    assert patch.by == __name__
    assert int(patch.where.rpartition(":")[2]) in (line, line + 1)
    assert target(1, c=3) == "replaced"
    patch.undo()
    with pytest.raises(TypeError, match=r"cannot replace .* by None: it is not callable"):
        hotpatch(None, target)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="cannot replace"):
        hotpatch(target=target)(3)  # type: ignore[type-var]
    assert patches(target) == []


def test_a_foreign_write_is_noticed() -> None:
    target = make_target()
    patch = hotpatch(lambda: None, target, how="before")
    code = target.__code__
    target.__code__ = code.replace(co_name="foreign")
    with pytest.raises(PatchError, match="somebody else"):
        patch.undo()
    target.__code__ = code
    patch.undo()


def named_as_nobody_can(kind: str) -> Any:
    if kind == "builtin":
        doc = "function($module, from, lambda, /)\n--\n\nAbout."
        builtin: Any = c_functions.builtin(lambda *args: args, c_functions.VARARGS, doc=doc)
        assert builtin.__text_signature__ == "($module, from, lambda, /)"
        return builtin

    def function(x: object, y: object) -> object:
        return x, y

    function.__code__ = function.__code__.replace(co_varnames=("from", ".0"))
    return function


@pytest.mark.parametrize("kind", ["builtin", "function"])
def test_a_target_may_name_a_parameter_as_nobody_can(kind: str) -> None:
    target = named_as_nobody_can(kind)
    with hotpatch(lambda original, *args: ("around", original(*args)), target, how="around"):
        assert target(1, 2) == ("around", (1, 2))
    seen: list[object] = []
    with hotpatch(lambda *args: seen.append(args), target, how="before"):
        target(1, 2)
    assert seen == [(1, 2)]
