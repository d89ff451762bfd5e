"""Promise 1: whoever holds the function sees the change, however it came to hold it."""

import contextvars
import functools
import operator
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch

Greeting = Callable[[], str]


def test_the_readme_example_of_2018_works_as_written() -> None:
    def target_func() -> int:
        return 123

    def patch_func() -> int:
        return 456

    target_copy = target_func
    hotpatch(patch_func, target_func)
    assert target_copy() == 456


def test_the_replacement_is_named_first_and_does_not_change() -> None:
    def target() -> str:
        return "target"

    def replacement() -> str:
        return "replacement"

    with hotpatch(replacement, target):
        assert (target(), replacement()) == ("replacement", "replacement")


def test_both_arguments_can_be_given_by_name() -> None:
    def f() -> str:
        return "old"

    with hotpatch(lambda: "new", target=f):
        assert f() == "new"


def as_default(f: Greeting) -> Greeting:
    def call(kept: Greeting = f) -> str:
        return kept()

    return call


def as_attribute_of_an_instance(f: Greeting) -> Greeting:
    holder = types.SimpleNamespace(callback=f)
    return lambda: str(holder.callback())


def as_static_method(f: Greeting) -> Greeting:
    class Holder:
        callback = staticmethod(f)

    return Holder.callback


def as_decorated_function(f: Greeting) -> Greeting:
    @functools.wraps(f)
    def decorated() -> str:
        return f()

    return decorated


def as_key_of_a_dict(f: Greeting) -> Greeting:
    table = {f: "value"}
    return lambda: next(iter(table))()


def as_property(f: Greeting) -> Greeting:
    class Holder:
        value = property(lambda self: f())

    return lambda: str(Holder().value)


def as_weak_reference(f: Greeting) -> Greeting:
    reference = weakref.ref(f)

    def call() -> str:
        kept = reference()
        assert kept is not None
        return kept()

    return call


def as_bound_method(f: Greeting) -> Greeting:
    def call(self: object) -> str:
        return f()

    return types.MethodType(call, object())


def as_context_variable(f: Greeting) -> Greeting:
    variable: contextvars.ContextVar[Greeting] = contextvars.ContextVar("variable", default=f)
    return lambda: variable.get()()


def as_singledispatch_case(f: Greeting) -> Greeting:
    @functools.singledispatch
    def call(_: object) -> str:
        raise NotImplementedError

    call.register(int, lambda _: f())
    return lambda: call(1)


HOLDERS: dict[str, Callable[[Greeting], Greeting]] = {
    "another name": lambda f: f,
    "dict entry": lambda f: (lambda table: lambda: table["f"]())({"f": f}),
    "list entry": lambda f: (lambda callbacks: lambda: callbacks[0]())([f]),
    "key of a dict": as_key_of_a_dict,
    "closure": lambda f: lambda: f(),
    "default argument": as_default,
    "attribute of an instance": as_attribute_of_an_instance,
    "static method": as_static_method,
    "decorated function": as_decorated_function,
    "property": as_property,
    "functools.partial": lambda f: functools.partial(f),
    "partial of a partial": lambda f: functools.partial(functools.partial(f)),
    "weak reference": as_weak_reference,
    "closure of a bound method": as_bound_method,
    "the __call__ of the function": operator.attrgetter("__call__"),
    "the result of __get__": lambda f: f.__get__(None, object),
    "iterator until a sentinel": lambda f: iter(f, "never").__next__,
    "context variable": as_context_variable,
    "single dispatch": as_singledispatch_case,
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_a_reference_taken_before_sees_the_patch_and_its_undoing(
    hold: Callable[[Greeting], Greeting],
) -> None:
    def f() -> str:
        return "old"

    held = hold(f)
    assert held() == "old"
    with hotpatch(lambda: "new", f):
        assert held() == "new"
    assert held() == "old"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that can be imported, with a function `f` in it."""
    module = types.ModuleType("hotpatch_test_library")
    exec("def f():\n    return 'old'\n\ndef call_f():\n    return f()\n", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("from hotpatch_test_library import f", "f()"),
        ("from hotpatch_test_library import f as g", "g()"),
        ("from hotpatch_test_library import *", "f()"),
        ("import hotpatch_test_library as m", "m.f()"),
        ("from hotpatch_test_library import call_f", "call_f()"),
    ],
)
def test_a_name_imported_before_sees_the_patch(
    library: types.ModuleType, statement: str, call: str
) -> None:
    importer: dict[str, Any] = {}
    exec(statement, importer)
    with hotpatch(lambda: "new", library.f):
        assert eval(call, importer) == "new"
    assert eval(call, importer) == "old"


class Server:
    def __init__(self, name: str) -> None:
        self.name = name

    def handle(self) -> str:
        return f"old {self.name}"

    @classmethod
    def build(cls) -> str:
        return f"old {cls.__name__}"


class Proxy(Server):
    pass


def test_a_bound_method_kept_as_a_callback_sees_the_patch() -> None:
    callback = Server("a").handle
    with hotpatch(lambda self: f"new {self.name}", Server.handle):
        assert callback() == "new a"
    assert callback() == "old a"


def test_a_weak_method_sees_the_patch() -> None:
    server = Server("a")
    callback = weakref.WeakMethod(server.handle)
    with hotpatch(lambda self: f"new {self.name}", Server.handle):
        kept = callback()
        assert kept is not None
        assert kept() == "new a"


def test_a_bound_class_method_of_a_subclass_sees_the_patch() -> None:
    callback = Proxy.build
    with hotpatch(lambda cls: f"new {cls.__name__}", Server.build):
        assert callback() == "new Proxy"
    assert callback() == "old Proxy"


def test_every_instance_that_exists_sees_the_patch() -> None:
    servers = [Server("a"), Proxy("b")]
    with hotpatch(lambda self: f"new {self.name}", servers[0].handle):
        assert [server.handle() for server in servers] == ["new a", "new b"]


def test_iterators_that_are_under_way_see_the_patch() -> None:
    """They are C objects that hold the function."""

    def double(x: int) -> int:
        return 2 * x

    def is_even(x: int) -> bool:
        return x % 2 == 0

    doubled, even = map(double, range(10)), filter(is_even, range(10))
    assert (next(doubled), next(even)) == (0, 0)
    with hotpatch(lambda x: x + 100, double), hotpatch(lambda x: x % 2 == 1, is_even):
        assert (next(doubled), next(even)) == (101, 1)
    assert (next(doubled), next(even)) == (4, 2)


def test_a_key_function_that_was_wrapped_before_sees_the_patch() -> None:
    def compare(a: int, b: int) -> int:
        return a - b

    key = functools.cmp_to_key(compare)
    with hotpatch(lambda a, b: b - a, compare):
        assert sorted([2, 1, 3], key=key) == [3, 2, 1]
    assert sorted([2, 1, 3], key=key) == [1, 2, 3]


def test_a_weak_reference_calls_the_patched_callback() -> None:
    def on_gone(reference: object) -> None:
        seen.append("old")

    seen: list[str] = []
    server = Server("a")
    reference = weakref.ref(server, on_gone)
    with hotpatch(lambda reference: seen.append("new"), on_gone):
        del server
    assert (seen, reference()) == (["new"], None)


def test_a_cache_in_front_of_the_function_asks_it_for_what_it_does_not_have() -> None:
    def square(x: int) -> int:
        return x * x

    cached = functools.lru_cache(square)
    assert cached(2) == 4
    with hotpatch(lambda x: -x, square):
        assert (cached(2), cached(3)) == (4, -3)


def with_free_variables(count: int, name: str) -> Callable[[], tuple[str, ...]]:
    """A function with so many free variables, which returns their values."""
    a, b, c = (f"{name} {letter}" for letter in "abc")

    def none() -> tuple[str, ...]:
        return ()

    def one() -> tuple[str, ...]:
        return (c,)

    def two() -> tuple[str, ...]:
        return a, c

    def three() -> tuple[str, ...]:
        return a, b, c

    functions = [none, one, two, three]
    assert len(functions[count].__code__.co_freevars) == count
    return functions[count]


@pytest.mark.parametrize("in_replacement", range(4))
@pytest.mark.parametrize("in_target", range(4))
def test_the_numbers_of_free_variables_need_not_agree(in_target: int, in_replacement: int) -> None:
    target = with_free_variables(in_target, "target")
    replacement = with_free_variables(in_replacement, "replacement")
    before, wanted = target(), replacement()
    with hotpatch(replacement, target):
        assert target() == wanted
    assert target() == before
    assert replacement() == wanted


@pytest.mark.parametrize("second", range(4))
@pytest.mark.parametrize("first", range(4))
def test_the_closure_is_right_again_after_two_patches(first: int, second: int) -> None:
    """The closure may not shrink, so the second patch meets one that was padded."""
    target = with_free_variables(2, "target")
    before = target()
    for count in (first, second):
        replacement = with_free_variables(count, "replacement")
        with hotpatch(replacement, target):
            assert target() == replacement()
        assert target() == before


def plain(a: int, b: int) -> list[Any]:
    return ["plain", a, b]


def positional_defaults(a: int = 1, b: int = 2) -> list[Any]:
    return ["positional", a, b]


def keyword_defaults(*, a: int = 3, b: int = 4) -> list[Any]:
    return ["keyword", a, b]


def both_defaults(a: int = 5, *rest: int, b: int = 6, **more: int) -> list[Any]:
    return ["both", a, b, rest, more]


def required_keyword(*, a: int, b: int = 7) -> list[Any]:
    return ["required", a, b]


SHAPES = [plain, positional_defaults, keyword_defaults, both_defaults, required_keyword]
CALLS: list[tuple[tuple[int, ...], dict[str, int]]] = [
    ((), {}),
    ((10,), {}),
    ((10, 20), {}),
    ((10, 20, 30), {}),
    ((10,), {"b": 20}),
    ((), {"a": 10}),
    ((), {"a": 10, "b": 20}),
    ((), {"a": 10, "c": 30}),
]


def outcome(f: Callable[..., Any], arguments: tuple[int, ...], keywords: dict[str, int]) -> Any:
    try:
        return f(*arguments, **keywords)
    except TypeError:
        return TypeError


@pytest.mark.parametrize("replacement", SHAPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_parameters_and_defaults_that_count_are_those_of_the_replacement(
    shape: Callable[..., Any], replacement: Callable[..., Any]
) -> None:
    assert isinstance(shape, types.FunctionType)
    target = types.FunctionType(
        shape.__code__, shape.__globals__, shape.__name__, shape.__defaults__
    )
    target.__kwdefaults__ = shape.__kwdefaults__
    with hotpatch(replacement, target):
        for arguments, keywords in CALLS:
            expected = outcome(replacement, arguments, keywords)
            assert outcome(target, arguments, keywords) == expected
    for arguments, keywords in CALLS:
        assert outcome(target, arguments, keywords) == outcome(shape, arguments, keywords)


def test_a_generator_expression_over_the_function_sees_the_patch_from_its_next_item_on() -> None:
    def f(x: int) -> str:
        return f"old {x}"

    def items() -> Iterator[str]:
        return (f(x) for x in range(3))

    running = items()
    assert next(running) == "old 0"
    with hotpatch(lambda x: f"new {x}", f):
        assert next(running) == "new 1"
    assert next(running) == "old 2"
