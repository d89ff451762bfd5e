"""Promise 12: what cannot be patched is refused: what, why and what to do. Nothing changes then."""

import builtins
import functools
import math
import operator
import threading
import types
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import pytest
from hotpatch import hotpatch, patches


def function() -> str:
    return "old"


def generator() -> Iterator[str]:
    yield "old"


async def coroutine() -> str:
    return "old"


async def async_generator() -> AsyncIterator[str]:
    yield "old"


@types.coroutine
def awaited_generator() -> Iterator[None]:
    yield


class Plain:
    written = 0

    def method(self) -> None:
        pass

    write_only = property(None, lambda self, value: None)


class Called:
    def __call__(self) -> None:
        pass


class Slots:
    __slots__ = ("member",)


@pytest.fixture(autouse=True)
def nothing_is_patched() -> Iterator[None]:
    before = patches()
    yield
    assert patches() == before


def refusal_of(replacement: Any, target: Any, error: type[Exception] = TypeError) -> str:
    with pytest.raises(error) as caught:
        hotpatch(replacement, target)
    assert type(caught.value) is error
    return str(caught.value)


# For each target: how the message names it, why it is refused, and what to do instead.
TARGETS: dict[str, tuple[Any, str, str, str]] = {
    "None": (None, "None", "it is None", "name a function or a method"),
    "number": (5, "5", "of type int and not callable", "name a function or a method"),
    "dict": ({}, "{}", "of type dict and not callable", "name a function or a method"),
    "module": (math, "<module 'math'", "of type module", "name a function or a method"),
    "code": (function.__code__, "<code object function", "of type code", "name a function"),
    "builtin function that is bypassed": (
        builtins.__import__,
        "<built-in function __import__>",
        "the import statement does not call it",
        "add a finder to sys.meta_path",
    ),
    "method that has a C slot": (
        dict.__getitem__,
        "<method '__getitem__' of 'dict' objects>",
        "its type has a C slot for it too",
        "patch the Python function that calls it",
    ),
    "bound method that has a C slot": (
        {}.__getitem__,
        "<built-in method __getitem__ of dict",
        "its type has a C slot for it too",
        "patch the Python function that calls it",
    ),
    "slot wrapper": (
        int.__add__,
        "<slot wrapper '__add__'",
        "it wraps a C slot",
        "patch the Python function that uses it",
    ),
    "method wrapper": (
        (1).__add__,
        "<method-wrapper '__add__'",
        "it wraps a C slot",
        "patch the Python function that uses it",
    ),
    "getset descriptor": (
        vars(types.FunctionType)["__code__"],
        "<attribute '__code__'",
        "it is a C attribute descriptor",
        "patch the Python function that uses it",
    ),
    "member descriptor": (
        vars(Slots)["member"],
        "<member 'member'",
        "it is a C attribute descriptor",
        "patch the Python function that uses it",
    ),
    "static method of a builtin": (
        staticmethod(builtins.__import__),
        "<built-in function __import__>",
        "the import statement",
        "add a finder",
    ),
    "bound method of a builtin": (
        types.MethodType(builtins.__import__, "text"),
        "<built-in function __import__>",
        "the import statement",
        "add a finder",
    ),
    "property of a builtin": (
        property(builtins.__import__),
        "<built-in function __import__>",
        "the import statement",
        "add a finder",
    ),
    "class": (Plain, "Plain", "it is a class", "the function that makes the instances"),
    "class with __init__": (threading.Thread, "Thread", "it is a class", "such as Thread.__init__"),
    "class in C": (dict, "<class 'dict'>", "it is a class", "name the method that callers use"),
    "metaclass": (type, "<class 'type'>", "it is a class", "name the method that callers use"),
    "instance": (Plain(), "Plain object", "of type Plain and not callable", "name a function"),
    "instance with __call__": (
        Called(),
        "Called object",
        "it is an instance of Called",
        "name the method that the call runs, Called.__call__",
    ),
    "property without getter": (
        vars(Plain)["write_only"],
        "<property object",
        "it is a property without a getter",
        "name its setter or deleter, as in K.p.fset",
    ),
    "weak reference": (
        weakref.ref(Plain),
        "<weakref at",
        "it is an instance of",
        "patch the Python function that calls it",
    ),
    "item getter": (
        operator.itemgetter(0),
        "operator.itemgetter(0)",
        "it is an instance of itemgetter",
        "patch the Python function that calls it",
    ),
    "mock": (mock.Mock(name="it"), "<Mock name='it'", "it is an instance of Mock", "__call__"),
    "generator that runs": (generator(), "<generator", "not callable", "name a function"),
}


@pytest.mark.parametrize(
    ("target", "what", "why", "what_to_do"), TARGETS.values(), ids=list(TARGETS)
)
def test_a_target_that_is_no_function_is_refused(
    target: Any, what: str, why: str, what_to_do: str
) -> None:
    message = refusal_of(function, target)
    assert message.startswith("cannot patch ")
    assert what in message
    assert why in message
    assert what_to_do in message.split("; ", 1)[1]


@pytest.mark.parametrize(("target", "what", "why", "what_to_do"), TARGETS.values(), ids=TARGETS)
def test_patches_of_a_target_that_is_no_function_are_refused(
    target: Any, what: str, why: str, what_to_do: str
) -> None:
    if target is None:
        assert patches(target) == patches()
        return
    with pytest.raises(TypeError) as caught:
        patches(target)
    assert what in str(caught.value)
    assert why in str(caught.value)


NOT_CALLABLE: dict[str, Any] = {
    "None": None,
    "number": 5,
    "module": math,
    "code": function.__code__,
    "property": property(lambda self: None),
    "instance": Plain(),
    "class method": classmethod(lambda cls: None),
}


@pytest.mark.parametrize("replacement", NOT_CALLABLE.values(), ids=NOT_CALLABLE)
def test_a_replacement_that_is_not_callable_is_refused(replacement: Any) -> None:
    before = state(function)
    message = refusal_of(replacement, function)
    assert message.startswith("cannot replace <function function at ")
    assert repr(replacement)[:60] in message
    assert "it is not callable" in message
    assert "pass a function or another callable" in message
    assert state(function) == before


def state(function: Any) -> list[Any]:
    names = ("__code__", "__closure__", "__defaults__", "__kwdefaults__", "__globals__", "__dict__")
    return [getattr(function, name) for name in names]


KINDS: dict[str, Any] = {
    "plain function": function,
    "generator function": generator,
    "coroutine function": coroutine,
    "async generator function": async_generator,
    "generator-based coroutine function": awaited_generator,
}
DIFFERENT = [(one, other) for one in KINDS for other in KINDS if one != other]


@pytest.mark.parametrize(("target", "replacement"), DIFFERENT)
def test_another_kind_of_function_is_refused_by_the_names_of_both_kinds(
    target: str, replacement: str
) -> None:
    before = state(KINDS[target])
    message = refusal_of(KINDS[replacement], KINDS[target])
    assert message.startswith(f"cannot replace <function {KINDS[target].__name__} at ")
    assert f"<function {KINDS[replacement].__name__} at " in message
    assert f"the target is a {target} and the replacement a {replacement}," in message
    assert message.endswith(f"write the replacement as a {target}")
    assert state(KINDS[target]) == before


class CalledAsCoroutine:
    async def __call__(self) -> None:
        pass


class CalledAsGenerator:
    def __call__(self) -> Iterator[int]:
        yield 1


OTHER_CALLABLES: dict[str, tuple[Any, str]] = {
    "partial": (functools.partial(coroutine), "coroutine function"),
    "bound method": (CalledAsCoroutine().__call__, "coroutine function"),
    "instance": (CalledAsCoroutine(), "coroutine function"),
    "instance of a generator": (CalledAsGenerator(), "generator function"),
    "async mock": (mock.AsyncMock(), "coroutine function"),
    "partial of a generator": (functools.partial(generator), "generator function"),
}


@pytest.mark.parametrize(("replacement", "kind"), OTHER_CALLABLES.values(), ids=OTHER_CALLABLES)
def test_a_callable_of_another_kind_is_refused(replacement: Any, kind: str) -> None:
    message = refusal_of(replacement, function)
    assert f"the target is a plain function and the replacement a {kind}," in message
    assert message.endswith("write the replacement as a plain function")


@pytest.mark.parametrize("replacement", [list, functools.partial(function), Called()])
def test_a_plain_callable_cannot_replace_a_coroutine_function(replacement: Any) -> None:
    message = refusal_of(replacement, coroutine)
    assert "the target is a coroutine function and the replacement a plain function," in message
    assert message.endswith("write the replacement as a coroutine function")
