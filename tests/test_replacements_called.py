"""Promise 3: what is no Python function is called, through a generated function."""

import asyncio
import collections
import dataclasses
import functools
import inspect
import itertools
import operator
import sys
import types
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

import pytest
from hotpatch import hotpatch


class Calls:
    """Shows what its `__call__` and its methods were given."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return "called", arguments, keywords

    def method(self, *arguments: Any, **keywords: Any) -> Any:
        return "method", arguments, keywords

    @classmethod
    def by_class(cls, *arguments: Any, **keywords: Any) -> Any:
        return cls, arguments, keywords


class Derived(Calls):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Meta(type):
    def __call__(cls, *arguments: Any) -> Any:
        return cls.__name__, arguments


class Made(metaclass=Meta):
    pass


Named = collections.namedtuple("Named", "x y", defaults=[0])


def shown(*arguments: Any, **keywords: Any) -> Any:
    return arguments, keywords


@functools.singledispatch
def generic(value: object, more: int = 0) -> Any:
    return "generic", value, more


CALLED: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "builtin": (len, ("abc",), {}),
    "builtin with defaults": (pow, (3, 4), {}),
    "builtin with all arguments": (pow, (3, 4, 5), {}),
    "builtin with keywords": (sorted, ([1, 3, 2],), {"reverse": True}),
    "builtin with a default that cannot be written": (getattr, (Calls, "missing", 1), {}),
    "bound builtin": ("a,b,c".split, (",",), {"maxsplit": 1}),
    "class method of a builtin": (dict.fromkeys, ("ab", 0), {}),
    "method descriptor": (str.upper, ("abc",), {}),
    "slot wrapper": (int.__add__, (1, 2), {}),
    "method wrapper": ((1).__add__, (2,), {}),
    "class in C": (int, ("ff", 16), {}),
    "class in C with keywords": (dict, ([(1, 2)],), {"a": 3}),
    "type": (type, (1,), {}),
    "exception class": (ValueError, (), {}),
    "dataclass": (Point, (1,), {"y": 2}),
    "class with a metaclass": (Made, (1, 2), {}),
    "named tuple": (Named, (1,), {}),
    "generic alias": (list[int], ("ab",), {}),
    "partial": (functools.partial(shown, 1, a=2), (3,), {"b": 4}),
    "partial of a builtin": (functools.partial(pow, 2), (3,), {}),
    "partial of a partial": (functools.partial(functools.partial(shown, 1), 2), (3,), {}),
    "partial of a class": (functools.partial(Point, y=3), (1,), {}),
    "bound method": (Calls().method, (1,), {"a": 2}),
    "bound class method": (Derived.by_class, (1,), {"a": 2}),
    "object with __call__": (Calls(), (1,), {"a": 2}),
    "staticmethod object": (staticmethod(shown), (1,), {"a": 2}),
    "bound twice": (types.MethodType(Calls().method, 1), (2,), {}),
    "bound callable object": (types.MethodType(Calls(), 1), (2,), {}),
    "itemgetter": (operator.itemgetter(1), ("abc",), {}),
    "methodcaller": (operator.methodcaller("upper"), ("abc",), {}),
    "cached function": (functools.lru_cache(shown), (1,), {"a": 2}),
    "generic function": (generic, (1,), {"more": 2}),
}


@pytest.mark.parametrize("name", CALLED)
def test_any_callable_is_a_replacement(name: str) -> None:
    replacement, arguments, keywords = CALLED[name]

    def f() -> str:
        return "old"

    expected = replacement(*arguments, **keywords)
    target: Any = f
    with hotpatch(replacement, f) as patch:
        result = target(*arguments, **keywords)
        assert type(result) is type(expected)
        assert repr(result) == repr(expected)
        assert patch.replacement is replacement
    assert f() == "old"


def test_as_a_method_it_is_given_the_instance() -> None:
    """Unlike what is put into the class dict: a bound method or a mock would not be bound there."""

    class Service:
        def method(self, x: int) -> Any: ...

        @classmethod
        def by_class(cls, x: int) -> Any: ...

        @property
        def value(self) -> Any: ...

    service = Service()
    for replacement in (Calls().method, functools.partial(Calls().method)):
        with hotpatch(replacement, Service.method):
            assert service.method(1) == ("method", (service, 1), {})
        with hotpatch(replacement, Service.by_class):
            assert service.by_class(1) == ("method", (Service, 1), {})
        with hotpatch(replacement, vars(Service)["value"]):
            assert service.value == ("method", (service,), {})


SIGNATURES = [
    "",
    "a",
    "a, /",
    "a, b=B",
    "a, /, b=B",
    "a, b=B, /",
    "*, a",
    "*, a=A, b",
    "*a",
    "**a",
    "a, *b",
    "a, *b, c, d=D, **e",
    "a, /, b, c=C, *d, e=E, **f",
    "a=A, b=B, /, c=C, *, d=D",
    "call, call_default_0=A, *args, _call=B, **kwargs",
    "make=A, forward=B, *, target=C, replacement=D, self=E",
]
CALLS = [
    (arguments, keywords)
    for arguments in [(), (1,), (1, 2), (1, 2, 3)]
    for keywords in [{}, {"a": 4}, {"b": 5}, {"c": 6, "d": 7}, {"call": 8, "_call": 9}]
]


def outcome(f: Callable[..., Any], arguments: tuple[int, ...], keywords: dict[str, int]) -> Any:
    try:
        return f(*arguments, **keywords)
    except TypeError:
        return TypeError


@pytest.mark.parametrize("signature", SIGNATURES)
def test_arguments_and_defaults_arrive_as_they_are(signature: str) -> None:
    namespace: dict[str, Any] = {name: object() for name in "ABCDE"}
    exec(f"class Bound:\n def method(self_, {signature}): return locals()", namespace)
    bound = namespace["Bound"]().method

    def f() -> None: ...

    with hotpatch(bound, f):
        assert inspect.signature(f) == inspect.signature(bound)
        for arguments, keywords in CALLS:
            assert outcome(f, arguments, keywords) == outcome(bound, arguments, keywords)


def test_default_objects_are_those_of_the_callable() -> None:
    class Service:
        def collect(self, items: list[int] = []) -> list[int]:  # noqa: B006
            items.append(len(items))
            return items

    def f() -> Any: ...

    service = Service()
    with hotpatch(service.collect, f):
        assert f() is service.collect()
        assert f() == [0, 1, 2]


def three(a, b, c=3):  # type: ignore[no-untyped-def]
    return a, b, c


SHOWN: dict[str, tuple[Any, str]] = {
    "builtin": (len, "(obj, /)"),
    "bound method": (Calls().method, "(*arguments: Any, **keywords: Any) -> Any"),
    "dataclass": (Point, "(x: int, y: int = 0) -> None"),
    "bound builtin": ([].append, "(object, /)"),
    "C method": (str.upper, "(self, /)"),
    "builtin with a default": (sum, "(*args, **kwargs)"),
    "partial of positional arguments": (functools.partial(three, 0), "(b, c=3)"),
    "partial of a bound method": (
        functools.partial(Calls().method, 0),
        "(*arguments: Any, **keywords: Any) -> Any",
    ),
    "partial of a builtin": (functools.partial(len), "(*args, **kwargs)"),
    "partial of a partial": (functools.partial(functools.partial(three, 0), 1), "(c=3)"),
    "partial": (functools.partial(Point, y=1), "(x: int, *, y: int = 1) -> None"),
    "named tuple": (Named, "(x, y=0)"),
    "cached function": (functools.lru_cache(lambda x: x), "(x)"),
    "unknown": (itertools.count, "(*args, **kwargs)"),
    "mock": (mock.Mock(), "(*args, **kwargs)"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_signature_is_that_of_the_callable_where_it_is_known(name: str) -> None:
    replacement, shown_signature = SHOWN[name]

    def f(old: int) -> None: ...

    with hotpatch(replacement, f):
        assert str(inspect.signature(f)) == shown_signature
    assert str(inspect.signature(f)) == "(old: int) -> None"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="placeholders are new in 3.14")
def test_a_partial_keeps_places_for_arguments() -> None:
    typed: Any = functools

    def f() -> Any: ...

    replacement = functools.partial(three, typed.Placeholder, 2)
    with hotpatch(replacement, f):
        assert inspect.signature(f) == inspect.signature(replacement)
        assert typed.partial(f)(1) == (1, 2, 3)
        with pytest.raises(TypeError):
            f()


def test_a_wrong_call_is_reported_as_one_of_the_target() -> None:
    """Its caller knows nothing of a generated function."""

    class Service:
        def method(self, x: int) -> None: ...

    def f() -> None: ...

    with hotpatch(Service().method, f), pytest.raises(TypeError, match=r"\bf\(\) missing 1.*'x'"):
        f()


def test_an_exception_comes_through_as_it_is() -> None:
    error = KeyError("missing")

    class Failing:
        def __call__(self) -> None:
            raise error

    def f() -> None: ...

    with hotpatch(Failing(), f), pytest.raises(KeyError) as caught:
        f()
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_call_method_that_changes_is_followed() -> None:
    """The object is called, not what its `__call__` was."""

    class Service:
        def __call__(self) -> str:
            return "before"

    def f() -> str:
        return "old"

    with hotpatch(Service(), f):
        assert f() == "before"
        with hotpatch(lambda self: "after", Service.__call__):
            assert f() == "after"
        assert f() == "before"


def test_a_partial_of_the_original_adds_to_it() -> None:
    def f(a: int, b: int = 2) -> Any:
        return a, b

    target: Any = f
    first = hotpatch(f, f)
    with hotpatch(functools.partial(first.original, b=3), f):
        assert target(1) == (1, 3)
    first.undo()
    assert target(1) == (1, 2)


def test_a_cached_original_caches_what_the_target_did() -> None:
    seen: list[int] = []

    def square(x: int) -> int:
        seen.append(x)
        return x * x

    with hotpatch(square, square) as patch:
        cached = functools.lru_cache(patch.original)
        with hotpatch(cached, square):
            assert [square(2), square(2), square(3)] == [4, 4, 9]
    assert seen == [2, 3]
    assert cached.cache_info().hits == 1


class HostileAttributes:
    """Has every attribute that anybody asks for."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *arguments: int) -> Any:
        return arguments


def test_an_object_that_makes_up_attributes_is_called() -> None:
    def f() -> Any: ...

    target: Any = f
    with hotpatch(HostileAttributes(), f):
        assert target(1, 2) == (1, 2)


class Recording:
    """Wraps a function as decorators do, and so shows its signature."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.calls: list[Any] = []

    def __call__(self, *arguments: Any, **keywords: Any) -> None:
        self.calls.append((arguments, keywords))


def test_what_the_caller_leaves_out_is_left_out() -> None:
    """The signature that an object shows is not always the one that its `__call__` has."""

    def shown_signature(a: int, b: int = 2) -> None: ...

    def f(a: int, b: int = 0) -> None: ...

    recording = Recording(shown_signature)
    with hotpatch(recording, f):
        f(1)
        f(1, b=3)
    assert recording.calls == [((1,), {}), ((1,), {"b": 3})]


@pytest.mark.parametrize(
    "namespace",
    [{"__builtins__": {}}, {"StopAsyncIteration": KeyError, "BaseException": KeyError}],
    ids=["no builtins", "builtins that mean something else"],
)
def test_the_names_in_the_module_of_the_target_do_not_matter(namespace: dict[str, Any]) -> None:
    class Service:
        async def items(self) -> AsyncIterator[int]:
            yield 1
            yield 2

    exec("async def f():\n    yield 0", namespace)

    async def collect() -> list[int]:
        return [item async for item in namespace["f"]()]

    with hotpatch(Service().items, namespace["f"]):
        assert asyncio.run(collect()) == [1, 2]


@pytest.mark.parametrize("wrap", [functools.partial, lambda f: types.MethodType(f, "self")])
def test_a_replacement_can_have_parameters_that_nobody_can_write(wrap: Any) -> None:
    def with_parameter(x: int, y: int = 2) -> Any:
        return x, y

    code = with_parameter.__code__.replace(co_varnames=("class", "lambda"))
    replacement = wrap(types.FunctionType(code, {}, None, (2,)))

    def target(x: int, y: int = 0) -> Any:
        return "old"

    with hotpatch(replacement, target):
        assert target(5) == replacement(5)
    assert target(5) == "old"
