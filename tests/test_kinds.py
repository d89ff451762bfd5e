"""Promise 4: the kind stays, because callers await or iterate what they get."""

import asyncio
import functools
import inspect
import operator
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import c_functions
import pytest
from hotpatch import hotpatch, patches

KINDS = {
    "plain": "plain function",
    "generator": "generator function",
    "coroutine": "coroutine function",
    "async generator": "async generator function",
    "generator-based": "generator-based coroutine function",
}


class OfEachKind:
    """One method of each kind, which gives the name of the kind."""

    def plain(self) -> str:
        return "plain"

    def generator(self) -> Iterator[str]:
        yield "generator"

    async def coroutine(self) -> str:
        return "coroutine"

    async def async_generator(self) -> AsyncIterator[str]:
        yield "async generator"

    @types.coroutine
    def generator_based(self) -> Iterator[str]:
        yield "generator-based"


def method(kind: str) -> Any:
    """The method of a kind, as a function."""
    return vars(OfEachKind)[kind.replace(" ", "_").replace("-", "_")]


def function(kind: str, word: str | None = None) -> Any:
    """A new function of a kind, which can be called without arguments and gives `word`."""
    code = method(kind).__code__
    constants = tuple(word if word and value == kind else value for value in code.co_consts)
    code = code.replace(co_consts=constants)
    return types.FunctionType(code, globals(), "made", (None,))


def object_with_call(kind: str) -> Any:
    return type("Made", (), {"__call__": method(kind)})()


def bound_class_method(kind: str) -> Any:
    namespace: dict[str, Any] = {"made": classmethod(method(kind))}
    return getattr(type("Made", (), namespace), "made")  # noqa: B009


FORMS: dict[str, Callable[[str], Any]] = {
    "function": function,
    "bound method": lambda kind: types.MethodType(method(kind), OfEachKind()),
    "bound class method": bound_class_method,
    "partial": lambda kind: functools.partial(method(kind), None),
    "partial of a partial": lambda kind: functools.partial(functools.partial(method(kind)), None),
    "partial of a bound method": lambda kind: functools.partial(object_with_call(kind).__call__),
    "object with __call__": object_with_call,
    "partial of an object": lambda kind: functools.partial(object_with_call(kind)),
    "staticmethod object": lambda kind: staticmethod(function(kind)),
}
each_form = pytest.mark.parametrize("form", FORMS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def result_of(function: Callable[..., Any]) -> Any:
    """The word that a function of any kind gives."""
    result = function()
    if inspect.isasyncgen(result):
        result = anext(result)
    if inspect.isgenerator(result):
        return next(result)
    if not inspect.isawaitable(result):
        return result
    with pytest.raises(StopIteration) as stop:
        next(result.__await__())
    return stop.value.value


@each_form
@each_kind
def test_every_kind_is_replaced_by_its_like(kind: str, form: str) -> None:
    target = function(kind, "old")
    with hotpatch(FORMS[form](kind), target):
        assert kind_of(target) == kind
        assert result_of(target) == kind
    assert result_of(target) == "old"


def kind_of(function: Any) -> str:
    """As the interpreter sees it."""
    flags = function.__code__.co_flags
    if flags & inspect.CO_ITERABLE_COROUTINE:
        return "generator-based"
    for flag, kind in [
        (inspect.CO_COROUTINE, "coroutine"),
        (inspect.CO_ASYNC_GENERATOR, "async generator"),
        (inspect.CO_GENERATOR, "generator"),
    ]:
        if flags & flag:
            return kind
    return "plain"


@each_form
@each_kind
def test_no_kind_is_replaced_by_another(kind: str, form: str) -> None:
    target = function(kind, "old")
    before = target.__code__
    for other in KINDS.keys() - {kind}:
        with pytest.raises(TypeError) as error, hotpatch(FORMS[form](other), target):
            pass
        message = f"the target is a {KINDS[kind]} and the replacement a {KINDS[other]}"
        assert message in str(error.value)
        assert target.__code__ is before
        assert patches(target) == []


REACH: dict[str, Callable[[Any], Any]] = {
    "bound method": lambda inside: types.MethodType(inside, object()),
    "classmethod": classmethod,
    "staticmethod": staticmethod,
    "property": property,
}


@pytest.mark.parametrize("reach", REACH.values(), ids=REACH)
@pytest.mark.parametrize(("kind", "other"), [("plain", "coroutine"), ("coroutine", "generator")])
def test_the_kind_is_that_of_the_function_inside(
    kind: str, other: str, reach: Callable[[Any], Any]
) -> None:
    inside = function(kind)
    with pytest.raises(TypeError, match=f"{KINDS[kind]}.*{KINDS[other]}"):
        hotpatch(function(other), reach(inside))
    with hotpatch(function(kind), reach(inside)) as patch:
        assert patch.target is inside


PLAIN: dict[str, Any] = {
    "class": dict,
    "class whose instances are awaited": asyncio.Future,
    "generator class": types.GeneratorType,
    "cached function": functools.lru_cache(lambda: None),
    "plain function that returns a coroutine": lambda: result_of(OfEachKind().coroutine),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plain"])
@pytest.mark.parametrize("replacement", PLAIN.values(), ids=PLAIN)
def test_what_is_called_for_a_result_replaces_plain_functions_only(
    replacement: Any, kind: str
) -> None:
    target = function(kind)
    with pytest.raises(TypeError, match=f"{KINDS[kind]}.*plain function"):
        hotpatch(replacement, target)
    assert result_of(target) == kind
    target = function("plain")
    with hotpatch(replacement, target) as patch:
        assert patch.active


@pytest.mark.parametrize("form", ["builtin", "method", "callable object", "partial"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_c_function_may_return_what_callers_iterate_or_await(kind: str, form: str) -> None:
    """An `async fn` of PyO3 is one: nothing tells that what it returns is to be awaited."""
    builtin = c_functions.builtin(method(kind), c_functions.SINGLE)
    made: Any = {
        "builtin": builtin,
        "method": builtin.__call__,
        "callable object": operator.methodcaller("__call__", None),
        "partial": functools.partial(builtin),
    }[form]
    target = function(kind, "old")
    argument: Any = builtin if form == "callable object" else None
    target.__defaults__ = (argument,)
    with hotpatch(made, target):
        assert kind_of(target) == kind
        assert result_of(functools.partial(target, argument)) == kind
    assert result_of(target) == "old"


def test_a_class_is_called_for_an_instance_whatever_its_instances_can_do() -> None:
    class Made:
        async def __call__(self) -> None: ...

    target = function("plain")
    with hotpatch(Made, target):
        assert type(target()) is Made
    with pytest.raises(TypeError, match=r"coroutine function .* plain function"):
        hotpatch(Made, function("coroutine"))


def mark(function: Any) -> Any:
    """Says that it returns what is to be awaited."""
    return inspect.markcoroutinefunction(function)  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_a_function_marked_as_a_coroutine_function_is_one() -> None:
    def marked() -> Any:
        return OfEachKind().coroutine()

    mark(marked)
    target = function("coroutine", "old")
    with hotpatch(marked, target):
        assert result_of(target) == "coroutine"
        assert kind_of(target) == "coroutine"
    with pytest.raises(TypeError, match=r"plain function .* coroutine function"):
        hotpatch(marked, function("plain"))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_an_object_marked_as_a_coroutine_function_is_one() -> None:
    class Marked:
        def __call__(self) -> Any:
            return OfEachKind().coroutine()

    target = function("coroutine", "old")
    with hotpatch(mark(Marked()), target):
        assert result_of(target) == "coroutine"
    with pytest.raises(TypeError, match=r"plain function .* coroutine function"):
        hotpatch(mark(Marked()), function("plain"))


def test_a_lambda_that_yields_is_a_generator_function() -> None:
    target = function("generator")
    with hotpatch(lambda: (yield "lambda"), target):
        assert list(target()) == ["lambda"]


def test_async_methods_of_a_class_are_replaced_by_async_functions() -> None:
    class Service:
        async def __aenter__(self) -> str:
            return "old"

        async def __aexit__(self, *exception: object) -> None: ...

    async def entered(self: object) -> str:
        return "new"

    async def use() -> str:
        async with Service() as word:
            return word

    with hotpatch(entered, Service.__aenter__):
        assert asyncio.run(use()) == "new"
    assert asyncio.run(use()) == "old"


def test_the_kind_is_checked_against_what_a_patched_replacement_does_now() -> None:
    plain, other = function("plain"), function("plain")
    with hotpatch(lambda: "new", other), hotpatch(other, plain):
        assert plain() == "new"
    with pytest.raises(TypeError, match=r"plain function .* generator function"):
        hotpatch(function("generator"), plain)
