"""Promise 5: which class `super()` means, where the target does not say it."""

# mypy: disable-error-code="misc, name-defined, no-any-return, attr-defined, assignment"
# It cannot know what `super()` and `__class__` mean in a method that will go elsewhere.

import dataclasses
import gc
from typing import Any

from hotpatch import hotpatch


class Base:
    def method(self) -> str:
        return "Base.method"


class Unrelated:
    """The class that the replacement is written in: neither a base nor a subclass."""

    def method(self: object) -> str:
        return f"new, in {__class__.__name__}, {super().method()}"


def test_a_function_put_into_a_class_later_means_that_class() -> None:
    def method(self: object) -> str:
        return "old"

    target: Any = type("Target", (Base,), {})
    target.method = method
    with hotpatch(Unrelated.method, method):
        assert target().method() == "new, in Target, Base.method"


def test_a_method_with_another_name_in_its_class_is_found_there() -> None:
    def written_as(self: object) -> str:
        return "old"

    target: Any = type("Target", (Base,), {"method": written_as})
    with hotpatch(Unrelated.method, target.method):
        assert target().method() == "new, in Target, Base.method"


def test_the_instance_says_which_of_two_classes_with_the_same_function_is_meant() -> None:
    def method(self: object) -> str:
        return "old"

    class Second(Base):
        def method(self) -> str:
            return "Second"

    one: Any = type("One", (Base,), {"method": method})
    two: Any = type("Two", (Second,), {"method": method})
    with hotpatch(Unrelated.method, two().method):
        assert two().method() == "new, in Two, Second"
    with hotpatch(Unrelated.method, one().method):
        assert one().method() == "new, in One, Base.method"


def test_a_class_that_a_decorator_made_anew_is_the_one_that_is_meant() -> None:
    """`slots=True` makes a second class, and the first one may be around until it is collected."""
    gc.disable()
    try:

        @dataclasses.dataclass(slots=True)
        class Target(Base):
            x: int = 0

            def method(self) -> str:
                return "old"

        with hotpatch(Unrelated.method, Target.method):
            assert Target().method() == "new, in Target, Base.method"
    finally:
        gc.enable()


def test_a_function_of_no_class_takes_the_class_of_the_replacement() -> None:
    class Other(Base):
        def method(self) -> str:
            return "Other, " + super().method()

    def f(self: Any) -> str:
        return "old"

    with hotpatch(Other.method, f):
        assert f(Other()) == "Other, Base.method"
    assert f(Other()) == "old"


def test_a_method_patched_while_its_class_is_being_made_means_it_later() -> None:
    patches = []

    class Target(Base):
        def method(self) -> str:
            return "Target, " + super().method()

        patches.append(hotpatch(Unrelated.method, method))

    assert Target().method() == "new, in Target, Base.method"
    patches[0].undo()
    assert Target().method() == "Target, Base.method"


def test_a_replacement_from_a_class_that_is_being_made_means_the_target() -> None:
    class Target(Base):
        def method(self) -> str:
            return "old"

    class Other:
        def method(self: Any) -> str:
            return "new, " + super().method()

        with hotpatch(method, Target.method):
            result = Target().method()

    assert Other.result == "new, Base.method"


def test_a_patched_method_as_a_replacement_means_the_class_of_its_new_target() -> None:
    class First(Base):
        def method(self: Any) -> str:
            return "First, " + super().method()

    class Second(Base):
        def method(self) -> str:
            return "Second"

    with hotpatch(Unrelated.method, First.method), hotpatch(First.method, Second.method):
        assert Second().method() == "new, in Second, Base.method"
        assert First().method() == "new, in First, Base.method"
