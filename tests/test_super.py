"""Promise 5: a method written inside another class works in the target's class."""

# mypy: disable-error-code="misc, name-defined, no-any-return, attr-defined, assignment"
# It cannot know what `super()` and `__class__` mean in a method that will go elsewhere.

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hotpatch import hotpatch


class Base:
    def method(self) -> str:
        return "Base.method"

    @classmethod
    def by_class(cls) -> str:
        return f"Base.by_class of {cls.__name__}"

    @staticmethod
    def static() -> str:
        return "Base.static"

    @property
    def value(self) -> str:
        return "Base.value"

    @value.setter
    def value(self, value: str) -> None:
        self.stored = f"Base {value}"


def class_with_super() -> Any:
    """A class each of whose methods mentions it, and so has a `__class__` cell."""

    class Target(Base):
        def method(self) -> str:
            return "Target, " + super().method()

        @classmethod
        def by_class(cls) -> str:
            return "Target, " + super().by_class()

        @staticmethod
        def static() -> str:
            return f"{__class__.__name__}"

        @property
        def value(self) -> str:
            return "Target, " + super().value

        @value.setter
        def value(self, value: str) -> None:
            self.stored = f"{__class__.__name__} {value}"

    return Target


def class_without_super() -> Any:
    """A class none of whose methods has a `__class__` cell."""

    class Target(Base):
        def method(self) -> str:
            return "Target"

        @classmethod
        def by_class(cls) -> str:
            return "Target"

        @staticmethod
        def static() -> str:
            return "Target"

        @property
        def value(self) -> str:
            return "Target"

        @value.setter
        def value(self, value: str) -> None:
            self.stored = f"Target {value}"

    return Target


class Unrelated:
    """The class that the replacements are written in: neither a base nor a subclass."""

    def method(self) -> str:
        return f"new, in {__class__.__name__}, " + super().method()

    @classmethod
    def by_class(cls) -> str:
        return f"new, in {__class__.__name__}, " + super().by_class()

    @staticmethod
    def static() -> str:
        return f"new, in {__class__.__name__}, " + super(__class__, __class__).static()

    @property
    def value(self) -> str:
        return f"new, in {__class__.__name__}, " + super().value

    def set_value(self, value: str) -> None:
        super(__class__, type(self)).value.fset(self, f"new {value}")


def raw(cls: type, name: str) -> Any:
    """The descriptor in the class dict, unbound."""
    return vars(cls)[name]


both_targets = pytest.mark.parametrize("make", [class_with_super, class_without_super])

METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "class": lambda target, derived: target.method,
    "instance": lambda target, derived: target().method,
    "subclass": lambda target, derived: derived.method,
    "instance of the subclass": lambda target, derived: derived().method,
    "class dict": lambda target, derived: raw(target, "method"),
}


@both_targets
@pytest.mark.parametrize("reach", METHODS.values(), ids=METHODS)
def test_super_in_a_method(make: Callable[[], Any], reach: Callable[[Any, Any], Any]) -> None:
    target = make()
    derived = type("Derived", (target,), {})
    before = derived().method()
    with hotpatch(Unrelated.method, reach(target, derived)):
        assert target().method() == "new, in Target, Base.method"
        assert derived().method() == "new, in Target, Base.method"
    assert derived().method() == before


CLASS_METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "class": lambda target, derived: target.by_class,
    "instance": lambda target, derived: target().by_class,
    "subclass": lambda target, derived: derived.by_class,
    "descriptor": lambda target, derived: raw(target, "by_class"),
    "function inside": lambda target, derived: raw(target, "by_class").__func__,
}


@both_targets
@pytest.mark.parametrize("reach", CLASS_METHODS.values(), ids=CLASS_METHODS)
def test_super_in_a_class_method(make: Callable[[], Any], reach: Callable[[Any, Any], Any]) -> None:
    target = make()
    derived: Any = type("Derived", (target,), {})
    before = derived.by_class()
    with hotpatch(raw(Unrelated, "by_class").__func__, reach(target, derived)):
        assert target.by_class() == "new, in Target, Base.by_class of Target"
        assert derived.by_class() == "new, in Target, Base.by_class of Derived"
    assert derived.by_class() == before


@both_targets
@pytest.mark.parametrize("reach", [lambda cls: cls.static, lambda cls: raw(cls, "static")])
def test_the_class_in_a_static_method(make: Callable[[], Any], reach: Callable[[Any], Any]) -> None:
    target = make()
    before = target.static()
    with hotpatch(Unrelated.static, reach(target)):
        assert target.static() == "new, in Target, Base.static"
    assert target.static() == before


@both_targets
@pytest.mark.parametrize("reach", [lambda cls: cls.value, lambda cls: cls.value.fget])
def test_super_in_a_property(make: Callable[[], Any], reach: Callable[[Any], Any]) -> None:
    target = make()
    before = target().value
    with hotpatch(raw(Unrelated, "value").fget, reach(target)):
        assert target().value == "new, in Target, Base.value"
    assert target().value == before


@both_targets
def test_super_in_a_setter(make: Callable[[], Any]) -> None:
    target = make()
    item = target()
    with hotpatch(Unrelated.set_value, target.value.fset):
        item.value = "x"
        assert item.stored == "Base new x"
    item.value = "y"
    assert item.stored == "Target y"


@both_targets
def test_the_original_means_the_target_too(make: Callable[[], Any]) -> None:
    target = make()
    before = target().method()

    class Other:
        def method(self) -> str:
            return f"new, {patch.original(self)}, {super().method()}"

    with hotpatch(Other.method, target.method) as patch:
        assert target().method() == f"new, {before}, Base.method"
        assert patch.original(target()) == before
    assert target().method() == before


@both_targets
def test_every_patch_of_a_stack_means_the_target(make: Callable[[], Any]) -> None:
    target = make()

    class Second:
        def method(self) -> str:
            return f"second {super().method()}, over {second.original(self)}"

    first = hotpatch(Unrelated.method, target.method)
    second = hotpatch(Second.method, target.method)
    assert target().method() == "second Base.method, over new, in Target, Base.method"
    first.undo()
    assert target().method() == f"second Base.method, over {make()().method()}"
    second.undo()
    assert target().method() == make()().method()


def test_the_replacement_goes_on_meaning_the_class_that_it_is_in() -> None:
    class Other(Base):
        def method(self) -> str:
            return f"Other, {super().method()}, {__class__.__name__}"

    cell = Other.method.__closure__
    target = class_without_super()
    with hotpatch(Other.method, target.method):
        assert target().method() == "Other, Base.method, Target"
        assert Other().method() == "Other, Base.method, Other"
        assert Other.method.__closure__ is cell


def test_only_the_class_is_exchanged_and_not_the_other_cells() -> None:
    word = "before"

    class Other:
        def method(self) -> str:
            return f"{word} {super().method()}"

    target = class_with_super()
    with hotpatch(Other.method, target.method):
        word = "after"
        assert target().method() == "after Base.method"


def test_a_function_inside_of_the_method_means_the_target_too() -> None:
    class Other:
        def method(self) -> list[str]:
            def inside() -> str:
                return super(__class__, self).method()

            return [inside(), *(super(__class__, self).method() for _ in "x")]

    target = class_without_super()
    with hotpatch(Other.method, target.method):
        assert target().method() == ["Base.method", "Base.method"]


def test_super_in_each_kind_of_method() -> None:
    class Target(Base):
        def generate(self) -> Iterator[str]:
            yield "old"

        async def wait(self) -> str:
            return "old"

        async def generate_async(self) -> AsyncIterator[str]:
            yield "old"

    class Other:
        def generate(self: Any) -> Iterator[str]:
            yield super().method()

        async def wait(self: Any) -> str:
            return super().method()

        async def generate_async(self: Any) -> AsyncIterator[str]:
            yield super().method()

    async def collect() -> list[str]:
        return [item async for item in Target().generate_async()]

    with (
        hotpatch(Other.generate, Target.generate),
        hotpatch(Other.wait, Target.wait),
        hotpatch(Other.generate_async, Target.generate_async),
    ):
        assert list(Target().generate()) == ["Base.method"]
        assert asyncio.run(Target().wait()) == "Base.method"
        assert asyncio.run(collect()) == ["Base.method"]


def test_super_in_new_and_in_init_subclass() -> None:
    class Target(Base):
        def __new__(cls) -> Any:
            return "old"

        def __init_subclass__(cls) -> None:
            raise AssertionError

    class Other:
        def __new__(cls: Any) -> Any:
            made: Any = super().__new__(cls)
            made.by = "Other"
            return made

        def __init_subclass__(cls) -> None:
            super().__init_subclass__()
            cls.by = "Other"

    with (
        hotpatch(Other.__new__, Target.__new__),
        hotpatch(raw(Other, "__init_subclass__").__func__, Target.__init_subclass__),
    ):
        assert type(Target()) is Target
        assert Target().by == "Other"
        assert type("Derived", (Target,), {}).by == "Other"


def test_super_in_a_metaclass() -> None:
    class Meta(type):
        def __call__(cls) -> Any:
            return "old"

    class Other(type):
        def __call__(cls: Any) -> Any:
            return "new", super().__call__()

    class Made(metaclass=Meta):
        pass

    make: Any = Made
    with hotpatch(Other.__call__, Meta.__call__):
        word, made = make()
        assert (word, type(made)) == ("new", Made)


def test_a_bound_method_as_a_replacement_keeps_its_own_class_and_instance() -> None:
    """It is called, and not made a part of the target's class."""

    class Other(Base):
        def method(self, instance: object = None) -> str:
            return f"{type(self).__name__} for {type(instance).__name__}, {super().method()}"

    target = class_with_super()
    with hotpatch(Other().method, target.method):
        assert target().method() == "Other for Target, Base.method"


def test_the_cell_is_the_one_of_the_target() -> None:
    """A decorator that fills the cell of the target's class again reaches the patched method."""
    target = class_with_super()
    cell: types.CellType = target.method.__closure__[0]
    with hotpatch(Unrelated.method, target.method):
        assert target().method() == "new, in Target, Base.method"
        assert target.method.__closure__[0] is cell
