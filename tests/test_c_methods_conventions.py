"""Methods of every calling convention, for each way of calling them, and of several classes."""

import ctypes
import functools
import itertools
import mmap
import re
from collections.abc import Callable
from typing import Any

import c_functions
import pytest
from hotpatch import hotpatch

pytestmark = pytest.mark.usefixtures("all_are_undone")


def old(*args: object, **kwargs: object) -> object:
    return "old", args, kwargs


def new(*args: object, **kwargs: object) -> object:
    return "new", args, kwargs


def make_class(flags: int, of_class: bool = False) -> Any:
    """Return a class whose instances have a place for an attribute and a `method` in C."""
    cls = type("Made", (), {})
    c_functions.add_method(cls, c_functions.define(old, flags, "method"), of_class=of_class)
    return cls


# What calls `o.method` with `{}`; `b` and `p` were made before the patch.
SHAPES = {
    "attribute": "o.method({})",
    "bound before": "b({})",
    "bound while": "(lambda f: f({}))(o.method)",
    "__call__": "o.method.__call__({})",
    "partial": "functools.partial(o.method)({})",
    "partial made before": "p({})",
    "tuple": "o.method(*({}))",
    "tuple and dict": "o.method(*({}), **{{}})",
    "getattr": "getattr(o, 'method')({})",
    "subclass": "s.method({})",
    "super": "s.by_super({})",
}
WITH_KEYWORDS = {
    "keyword": "o.method({} k=3)",
    "keyword, bound before": "b({} k=3)",
    "dict": "o.method({} **{{'k': 3}})",
}


@pytest.mark.parametrize("times", [1, 200], ids=["cold", "hot"])
@pytest.mark.parametrize("kind", ["method", "class method", "bound method"])
@pytest.mark.parametrize("convention", c_functions.CONVENTIONS)
def test_every_convention_is_patched_for_every_way_of_calling(
    convention: str, kind: str, times: int
) -> None:
    flags = c_functions.CONVENTIONS[convention]
    arguments: tuple[Any, ...] = () if convention == "NOARGS" else (1,)
    text = "".join(f"{argument}," for argument in arguments)
    shapes: dict[str, tuple[str, dict[str, int]]]
    shapes = {name: (shape.format(text), {}) for name, shape in SHAPES.items()}
    if convention.endswith("KEYWORDS"):
        found = {name: (shape.format(text), {"k": 3}) for name, shape in WITH_KEYWORDS.items()}
        shapes |= found
    for name, (expression, kwargs) in shapes.items():
        cls = make_class(flags, of_class=kind == "class method")
        o, is_of_subclass = cls(), expression.startswith("s.")
        by_super = {"by_super": lambda self, *args: super(type(self), self).method(*args)}
        space: dict[str, Any] = {"functools": functools, "o": o}
        space["s"] = type("Subclass", (cls,), by_super)()
        space["b"], space["p"] = o.method, functools.partial(o.method)
        source = f"def call(n):\n for _ in range(n):\n  result = {expression}\n return result"
        exec(source, space)
        call = space["call"]
        assert call(times) == ("old", arguments, kwargs), name
        target: Any = cls.__dict__["method"]
        if kind == "bound method":
            target, expected = o.method, arguments
            if is_of_subclass:
                target = space["s"].method
        else:
            receiver = space["s"] if is_of_subclass else o
            expected = (type(receiver) if kind == "class method" else receiver, *arguments)
        with hotpatch(new, target) as patch:
            assert call(times) == ("new", expected, kwargs), name
            original: Any = patch.original
            if kind == "class method":
                original = original.__get__(None, cls)
                expected = expected[1:]
            assert original(*expected, **kwargs) == ("old", arguments, kwargs), name
        assert call(times) == ("old", arguments, kwargs), name


@pytest.mark.parametrize("of_class", [False, True], ids=["method", "class method"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_patch_of_the_nearest_class_counts(order: tuple[int, ...], of_class: bool) -> None:
    """Whatever was patched first: the classes have one definition."""
    definition = c_functions.define(old, c_functions.NOARGS, "method")
    first: Any = type("First", (), {})
    second: Any = type("Second", (first,), {})
    third: Any = type("Third", (second,), {})
    classes = [first, second, third]
    for cls in classes:
        c_functions.add_method(cls, definition, of_class=of_class)

    def found() -> list[str]:
        return [cls().method()[0] for cls in classes]

    def nearest(active: set[int], index: int) -> str:
        return next((f"new {i}" for i in reversed(range(index + 1)) if i in active), "old")

    active: set[int] = set()
    handles = {}
    for index in order:
        reply: Callable[[Any], Any] = functools.partial(lambda name, _: (name,), f"new {index}")
        handles[index] = hotpatch(reply, classes[index].__dict__["method"])
        active.add(index)
        assert found() == [nearest(active, index) for index in range(3)]
    for index in order:
        handles[index].undo()
        active.remove(index)
        assert found() == [nearest(active, index) for index in range(3)]


def test_a_definition_in_memory_that_cannot_be_written_is_refused() -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    definition = c_functions.Definition.from_buffer(memory)
    made = c_functions.define(old, c_functions.NOARGS, "method")
    ctypes.memmove(ctypes.addressof(definition), ctypes.addressof(made), ctypes.sizeof(made))
    cls: Any = type("Made", (), {})
    c_functions.add_method(cls, definition)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    address = ctypes.addressof(definition)
    assert protect(address, mmap.PAGESIZE, mmap.PROT_READ) == 0
    text = (
        f"cannot patch {cls.method!r} in place: its definition is in memory that cannot be written"
    )
    with pytest.raises(
        TypeError, match=f"^{re.escape(text)}; patch the Python function that calls"
    ):
        hotpatch(new, cls.method)
    assert cls().method() == ("old", (), {})
    assert protect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    with hotpatch(new, cls.method):
        assert cls().method()[0] == "new"
    c_functions.kept.append((memory, definition))
