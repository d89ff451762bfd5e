"""Promise 2: the functions that the interpreter calls by itself, and those that libraries make."""

import abc
import contextlib
import copy
import dataclasses
import enum
import functools
import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hotpatch import hotpatch


class Special:
    """Special methods, which the interpreter finds in the slots of the type."""

    def __new__(cls, *arguments: int) -> Any:
        self: Any = super().__new__(cls)
        self.made = "old"
        return self

    def __init__(self, *arguments: int) -> None:
        self.made: object
        self.initialised = "old"

    def __call__(self) -> str:
        return "old"

    def __getitem__(self, key: int) -> str:
        return "old"

    def __len__(self) -> int:
        return 1

    def __add__(self, other: object) -> str:
        return "old"

    def __getattr__(self, name: str) -> str:
        return "old"

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        yield 1

    def __enter__(self) -> str:
        return "old"

    def __exit__(self, *exception: object) -> None:
        pass

    def __class_getitem__(cls, key: object) -> str:
        return "old"


def new_iter(self: object) -> Iterator[int]:
    yield 2


def new_init(self: Any, *arguments: int) -> None:
    self.initialised = arguments


def subscripted(cls: Any) -> Any:
    return cls[int]


def entered(special: Special) -> str:
    with special as result:
        return result


SPECIAL_METHODS: dict[str, tuple[Any, Callable[[], Any], Any, Any]] = {
    "__call__": (lambda self: "new", lambda: Special()(), "old", "new"),
    "__getitem__": (lambda self, key: key + 1, lambda: Special()[1], "old", 2),
    "__len__": (lambda self: 2, lambda: len(Special()), 1, 2),
    "__add__": (lambda self, other: other, lambda: Special() + 3, "old", 3),
    "__getattr__": (lambda self, name: name, lambda: Special().missing, "old", "missing"),
    "__eq__": (lambda self, other: True, lambda: Special() == 1, False, True),
    "__hash__": (lambda self: 2, lambda: hash(Special()), 1, 2),
    "__iter__": (new_iter, lambda: list(Special()), [1], [2]),
    "__enter__": (lambda self: "new", lambda: entered(Special()), "old", "new"),
    "__class_getitem__": (lambda cls, key: "new", lambda: subscripted(Special), "old", "new"),
    "__init__": (
        new_init,
        lambda: Special(1).initialised,
        "old",
        (1,),
    ),
}


@pytest.mark.parametrize("name", SPECIAL_METHODS)
def test_a_special_method_is_a_target(name: str) -> None:
    replacement, use, old, new = SPECIAL_METHODS[name]
    assert use() == old
    with hotpatch(replacement, getattr(Special, name)):
        assert use() == new
    assert use() == old


def test_new_is_a_target() -> None:
    """A class keeps it in a staticmethod that nobody wrote."""

    def new(cls: type, *arguments: int) -> Any:
        self: Any = object.__new__(cls)
        self.made = arguments
        return self

    with hotpatch(new, Special.__new__):
        assert Special(1, 2).made == (1, 2)
    assert Special(1, 2).made == "old"


def test_a_method_of_a_metaclass_is_a_target() -> None:
    class Meta(type):
        def __call__(cls, *arguments: object) -> Any:
            return "old"

    class Made(metaclass=Meta):
        pass

    make: Any = Made
    with hotpatch(lambda cls, *arguments: f"new {cls.__name__}", Meta.__call__):
        assert make() == "new Made"
    assert make() == "old"


def test_init_subclass_is_a_target() -> None:
    """A class keeps it in a classmethod that nobody wrote."""
    seen: list[str] = []

    class Parent:
        def __init_subclass__(cls) -> None:
            seen.append("old")

    with hotpatch(lambda cls: seen.append(f"new {cls.__name__}"), Parent.__init_subclass__):
        type("Child", (Parent,), {})
    type("Child", (Parent,), {})
    assert seen == ["new Child", "old"]


def test_set_name_and_get_of_a_descriptor_are_targets() -> None:
    class Descriptor:
        name = ""

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: object, owner: type) -> str:
            return f"old {self.name}"

    def set_name(self: Any, owner: type, name: str) -> None:
        self.name = name.upper()

    def get(self: Any, instance: object, owner: type) -> str:
        return f"new {self.name}"

    with hotpatch(set_name, Descriptor.__set_name__), hotpatch(get, Descriptor.__get__):
        made: Any = type("Made", (), {"x": Descriptor()})
        assert made.x == "new X"
    assert made.x == "old X"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0

    def norm(self) -> int:
        return self.x + self.y


def test_the_methods_that_dataclass_writes_are_targets() -> None:
    def init(self: Any, x: int, y: int = 1) -> None:
        self.x, self.y = x, -x

    before = repr(Point(3))
    with (
        hotpatch(init, Point.__init__),
        hotpatch(lambda self: f"<{self.x} {self.y}>", Point.__repr__),
    ):
        assert repr(Point(3)) == "<3 -3>"
    assert repr(Point(3)) == before


class Named(NamedTuple):
    x: int
    y: int = 0


def test_the_methods_that_namedtuple_writes_are_targets() -> None:
    def new(cls: type, x: int) -> Any:
        return tuple.__new__(cls, (x, -x))

    with hotpatch(new, Named.__new__), hotpatch(lambda self: {"new": self.x}, Named._asdict):
        assert Named(3) == (3, -3)
        assert Named(3)._asdict() == {"new": 3}
    assert Named(3) == (3, 0)
    assert Named(3)._asdict() == {"x": 3, "y": 0}


class Color(enum.Enum):
    RED = 1

    def describe(self) -> str:
        return "old"

    @property
    def shade(self) -> str:
        return "old"


def test_the_methods_of_an_enum_are_targets() -> None:
    with (
        hotpatch(lambda self: f"new {self.name}", Color.RED.describe),
        hotpatch(lambda self: "new shade", vars(Color)["shade"]),
    ):
        assert (Color.RED.describe(), Color.RED.shade) == ("new RED", "new shade")
    assert (Color.RED.describe(), Color.RED.shade) == ("old", "old")


def test_an_abstract_method_stays_abstract() -> None:
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def run(self) -> str: ...

    class Concrete(Abstract):
        def run(self) -> str:
            return str(super().run())  # type: ignore[safe-super]

    assert Concrete().run() == "None"
    with hotpatch(lambda self: "new", Abstract.run):
        assert Concrete().run() == "new"
        with pytest.raises(TypeError, match="abstract"):
            Abstract()  # type: ignore[abstract]


def test_a_context_manager_made_from_a_generator_is_a_target() -> None:
    """The decorated function is a plain one; the generator function is inside."""

    @contextlib.contextmanager
    def opened() -> Iterator[str]:
        yield "old"

    def new_inside() -> Iterator[str]:
        yield "new inside"

    null: Any = contextlib.nullcontext("new")
    with hotpatch(lambda: null, opened), opened() as word:
        assert word == "new"
    with hotpatch(new_inside, opened.__wrapped__), opened() as word:  # type: ignore[attr-defined]
        assert word == "new inside"
    with opened() as word:
        assert word == "old"


def test_a_generic_function_and_its_cases_are_targets() -> None:
    @functools.singledispatch
    def describe(value: object) -> str:
        return "old"

    @describe.register
    def describe_int(value: int) -> str:
        return "old int"

    generic: Any = describe
    with hotpatch(lambda value: "new int", describe_int):
        assert (describe(1), describe("x")) == ("new int", "old")
    with hotpatch(lambda value: "new", generic):
        assert (describe(1), describe("x")) == ("new", "new")
    assert (describe(1), describe("x")) == ("old int", "old")


def test_the_function_inside_of_a_cached_property_is_a_target() -> None:
    class Holder:
        @functools.cached_property
        def value(self) -> str:
            return "old"

    cached: Any = vars(Holder)["value"]
    with hotpatch(lambda self: "new", cached.func):
        assert Holder().value == "new"
    assert Holder().value == "old"


LIBRARY: dict[str, tuple[Any, Callable[[], Any]]] = {
    "os.path.join, frozen since 3.11": (os.path.join, lambda: os.path.join("a", "b")),
    "Mapping.get, frozen": (Mapping.get, lambda: os.environ.get("NO SUCH")),
    "json.dumps": (json.dumps, lambda: json.dumps([1])),
    "copy.deepcopy": (copy.deepcopy, lambda: copy.deepcopy([1])),
    "textwrap.dedent": (textwrap.dedent, lambda: textwrap.dedent("  a")),
    "JSONEncoder.encode": (json.JSONEncoder.encode, lambda: json.JSONEncoder().encode([1])),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_functions_of_the_standard_library_are_targets(name: str) -> None:
    target, use = LIBRARY[name]
    before = use()
    with hotpatch(lambda *arguments, **keywords: "new", target):
        after = use()
    assert (after, use()) == ("new", before)
