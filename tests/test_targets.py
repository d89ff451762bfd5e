"""Promise 2: every plain function is a target, however it is reached, and only it changes."""

import asyncio
import functools
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch


def module_level() -> str:
    return "old"


def made_by_function_type() -> Any:
    return types.FunctionType(module_level.__code__, {"__name__": "elsewhere"}, "made")


def made_by_exec() -> Any:
    namespace: dict[str, Any] = {}
    exec("def f():\n    return 'old'\n", namespace)
    return namespace["f"]


def made_by_eval_with_own_builtins() -> Any:
    return eval("lambda: 'old'", {"__builtins__": {}})


def nested() -> Any:
    def outer() -> Any:
        word = "old"

        def inner() -> str:
            return word

        return inner

    return outer()


def decorated() -> Any:
    @functools.wraps(module_level)
    def wrapper() -> str:
        return module_level()

    return wrapper


def made_by_lambda() -> Any:
    return lambda: "old"


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "module": lambda: module_level,
    "lambda": made_by_lambda,
    "nested": nested,
    "types.FunctionType": made_by_function_type,
    "exec": made_by_exec,
    "eval without builtins": made_by_eval_with_own_builtins,
    "decorated": decorated,
}


@pytest.mark.parametrize("make", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_is_a_target(make: Callable[[], Any]) -> None:
    target = make()
    with hotpatch(lambda: "new", target) as patch:
        assert target() == "new"
        assert id(patch.target) == id(target)
    assert target() == "old"


def test_a_generator_function_is_a_target() -> None:
    def target() -> Iterator[str]:
        yield "old"

    def replacement() -> Iterator[str]:
        yield from ("new", "newer")

    with hotpatch(replacement, target):
        assert list(target()) == ["new", "newer"]
    assert list(target()) == ["old"]


def test_a_coroutine_function_is_a_target() -> None:
    async def target() -> str:
        return "old"

    async def replacement() -> str:
        await asyncio.sleep(0)
        return "new"

    with hotpatch(replacement, target):
        assert asyncio.run(target()) == "new"
    assert asyncio.run(target()) == "old"


def test_an_async_generator_function_is_a_target() -> None:
    async def target() -> AsyncIterator[str]:
        yield "old"

    async def replacement() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield "new"
        yield "newer"

    async def collect() -> list[str]:
        return [item async for item in target()]

    with hotpatch(replacement, target):
        assert asyncio.run(collect()) == ["new", "newer"]
    assert asyncio.run(collect()) == ["old"]


def test_a_generator_based_coroutine_function_is_a_target() -> None:
    @types.coroutine
    def target() -> Iterator[None]:
        yield

    @types.coroutine
    def replacement() -> Any:
        yield
        return "new"

    async def wait() -> Any:
        return await target()

    with hotpatch(replacement, target):
        assert asyncio.run(wait()) == "new"
    assert asyncio.run(wait()) is None


def test_functions_made_by_the_same_def_are_targets_of_their_own() -> None:
    def make(word: str) -> Callable[[], str]:
        def f() -> str:
            return word

        return f

    one, other = make("one"), make("other")
    with hotpatch(lambda: "new", one):
        assert (one(), other(), make("third")()) == ("new", "other", "third")


class Property(property):
    pass


class Base:
    def method(self) -> str:
        return "old"

    @classmethod
    def by_class(cls) -> str:
        return f"old {cls.__name__}"

    @staticmethod
    def static() -> str:
        return "old"

    @property
    def value(self) -> str:
        return "old"

    @value.setter
    def value(self, value: str) -> None:
        self.stored = f"old {value}"

    @value.deleter
    def value(self) -> None:
        self.stored = "old deleted"

    @Property
    def special(self) -> str:
        return "old"


class Derived(Base):
    def parent(self) -> Any:
        return super().method


def raw(cls: type, name: str) -> Any:
    """The descriptor in the class dict, unbound."""
    return vars(cls)[name]


METHODS: dict[str, Callable[[], Any]] = {
    "class": lambda: Base.method,
    "instance": lambda: Base().method,
    "subclass": lambda: Derived.method,
    "instance of the subclass": lambda: Derived().method,
    "super": lambda: Derived().parent(),
    "class dict": lambda: raw(Base, "method"),
    "bound by hand": lambda: types.MethodType(Base.method, object()),
    "bound twice": lambda: types.MethodType(Base().method, object()),
}


@pytest.mark.parametrize("reach", METHODS.values(), ids=METHODS)
def test_a_method_is_a_target_however_it_is_reached(reach: Callable[[], Any]) -> None:
    before = dict(vars(Base))
    with hotpatch(lambda self: f"new {type(self).__name__}", reach()) as patch:
        assert (Base().method(), Derived().method()) == ("new Base", "new Derived")
        assert patch.target is raw(Base, "method")
        assert_same_objects(vars(Base), before)
    assert (Base().method(), Derived().method()) == ("old", "old")


def assert_same_objects(now: Any, before: dict[str, Any]) -> None:
    """No descriptor was replaced, none came or went."""
    assert list(now) == list(before)
    assert [name for name in now if now[name] is not before[name]] == []


CLASS_METHODS: dict[str, Callable[[], Any]] = {
    "class": lambda: Base.by_class,
    "instance": lambda: Base().by_class,
    "subclass": lambda: Derived.by_class,
    "instance of the subclass": lambda: Derived().by_class,
    "descriptor": lambda: raw(Base, "by_class"),
    "function inside": lambda: raw(Base, "by_class").__func__,
    "function of the bound one": lambda: Base.by_class.__func__,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("reach", CLASS_METHODS.values(), ids=CLASS_METHODS)
def test_a_class_method_is_a_target_however_it_is_reached(reach: Callable[[], Any]) -> None:
    before = dict(vars(Base))
    with hotpatch(lambda cls: f"new {cls.__name__}", reach()) as patch:
        assert (Base.by_class(), Derived().by_class()) == ("new Base", "new Derived")
        assert patch.target is raw(Base, "by_class").__func__
        assert_same_objects(vars(Base), before)
    assert (Base.by_class(), Derived().by_class()) == ("old Base", "old Derived")


STATIC_METHODS: dict[str, Callable[[], Any]] = {
    "class": lambda: Base.static,
    "instance": lambda: Base().static,
    "subclass": lambda: Derived.static,
    "descriptor": lambda: raw(Base, "static"),
    "function inside": lambda: raw(Base, "static").__func__,
}


@pytest.mark.parametrize("reach", STATIC_METHODS.values(), ids=STATIC_METHODS)
def test_a_static_method_is_a_target_however_it_is_reached(reach: Callable[[], Any]) -> None:
    before = dict(vars(Base))
    with hotpatch(lambda: "new", reach()) as patch:
        assert (Base.static(), Derived().static()) == ("new", "new")
        assert patch.target is raw(Base, "static").__func__
        assert_same_objects(vars(Base), before)
    assert (Base.static(), Derived().static()) == ("old", "old")


@pytest.mark.parametrize("cls", [Base, Derived])
def test_a_property_names_its_getter(cls: Any) -> None:
    before = dict(vars(Base))
    item = Base()
    with hotpatch(lambda self: "new", cls.value) as patch:
        assert item.value == "new"
        assert patch.target is raw(Base, "value").fget
        item.value = "x"
        assert item.stored == "old x"
        assert_same_objects(vars(Base), before)
    assert item.value == "old"


def test_a_subclass_of_property_names_its_getter() -> None:
    with hotpatch(lambda self: "new", raw(Base, "special")):
        assert Base().special == "new"
    assert Base().special == "old"


def test_the_setter_of_a_property_is_a_target() -> None:
    def set_value(self: Any, value: str) -> None:
        self.stored = f"new {value}"

    item = Base()
    with hotpatch(set_value, raw(Base, "value").fset):
        item.value = "x"
        assert (item.stored, item.value) == ("new x", "old")
    item.value = "y"
    assert item.stored == "old y"


def test_the_deleter_of_a_property_is_a_target() -> None:
    def delete_value(self: Any) -> None:
        self.stored = "new deleted"

    item = Base()
    with hotpatch(delete_value, raw(Base, "value").fdel):
        del item.value
        assert item.stored == "new deleted"
    del item.value
    assert item.stored == "old deleted"


def test_descriptors_inside_of_descriptors_are_looked_through() -> None:
    def f() -> str:
        return "old"

    inner: Any = staticmethod(f)
    for outer in (staticmethod, classmethod):
        with hotpatch(lambda: "new", outer(inner)) as patch:
            assert patch.target is f
            assert f() == "new"
