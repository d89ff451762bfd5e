"""Builtin functions: whoever holds one sees the change, however it is called."""

import copy
import datetime
import functools
import math
import operator
import os
import pickle
import time
from collections.abc import Callable
from time import time as time_imported_by_name
from typing import Any

import c_functions
import pytest
from hotpatch import hotpatch, patches

Function = Callable[..., Any]
Call = tuple[tuple[Any, ...], dict[str, object]]

pytestmark = pytest.mark.usefixtures("all_are_undone")

KEYWORDS = [name for name in c_functions.CONVENTIONS if name.endswith("KEYWORDS")]


def typed(value: object) -> Any:
    """Keep the type checker from knowing what a builtin has."""
    return value


def old(*args: object, **kwargs: object) -> object:
    return "old", args, kwargs


def new(*args: object, **kwargs: object) -> object:
    return "new", args, kwargs


@pytest.fixture(params=c_functions.CONVENTIONS)
def convention(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def function(convention: str) -> Function:
    return c_functions.builtin(old, c_functions.CONVENTIONS[convention])


def shapes(arguments: tuple[Any, ...], takes_keywords: bool) -> dict[str, tuple[str, Call]]:
    """Return expressions that call `f`, and what `f` gets by them."""
    text = ", ".join(map(repr, arguments))
    kwargs: dict[str, object] = {}
    found: dict[str, tuple[str, Call]] = {
        "directly": (f"f({text})", (arguments, kwargs)),
        "with a tuple": (f"f(*{arguments!r})", (arguments, kwargs)),
        "with a dict": (f"f(*{arguments!r}, **{{}})", (arguments, kwargs)),
        "as __call__": (f"f.__call__({text})", (arguments, kwargs)),
        "in a partial": (f"functools.partial(f, *{arguments!r})()", (arguments, kwargs)),
        "in a partial made before": ("partial()", (arguments, kwargs)),
        "as a static method": (f"Holder.static({text})", (arguments, kwargs)),
        "as an attribute": (f"Holder().attribute({text})", (arguments, kwargs)),
        "in a table": (f"table[f]({text})", (arguments, kwargs)),
    }
    if len(arguments) == 1:
        found["by map"] = (f"[*map(f, {arguments!r})][0]", (arguments, kwargs))
        found["by reduce"] = (
            f"functools.reduce(lambda _, x: f(x), [0, {text}])",
            (arguments, kwargs),
        )
    if takes_keywords:
        found["with a keyword"] = (f"f({text}, k=3)", (arguments, {"k": 3}))
        found["with a dict of keywords"] = (f"f({text}, **{{'k': 3}})", (arguments, {"k": 3}))
    return found


@pytest.mark.parametrize("is_hot", [True, False])
def test_every_convention_is_patched_for_every_way_of_calling(
    function: Function, convention: str, is_hot: bool
) -> None:
    arguments = () if convention == "NOARGS" else (1,)
    found = shapes(arguments, convention in KEYWORDS)
    for how, (expression, (args, kwargs)) in found.items():
        namespace: dict[str, Any] = {"f": function, "functools": functools}
        namespace["partial"] = functools.partial(function, *arguments)
        namespace["table"] = {function: function}
        namespace["Holder"] = type("Holder", (), {"static": staticmethod(function)})
        namespace["Holder"].attribute = function
        source = (
            f"def call(times):\n for _ in range(times):\n  result = {expression}\n return result"
        )
        exec(source, namespace)
        call, times = namespace["call"], 200 if is_hot else 1
        if is_hot:
            assert call(times) == ("old", args, kwargs), how
        with hotpatch(new, function) as patch:
            assert call(times) == ("new", args, kwargs), how
            assert patch.original(*args, **kwargs) == ("old", args, kwargs), how
        assert call(times) == ("old", args, kwargs), how


def test_a_replacement_gets_arguments_that_the_convention_would_refuse(
    function: Function, convention: str
) -> None:
    with hotpatch(new, function):
        assert function(1, 2, k=3) == ("new", (1, 2), {"k": 3})
    if convention not in KEYWORDS:
        with pytest.raises(TypeError):
            function(1, 2, k=3)


DOCS = {
    "none": None,
    "a text": "What it does.",
    "a signature": "function($module, /)\n--\n\nWhat it does.",
    "a signature alone": "function($module, /)\n--\n\n",
}


@pytest.mark.parametrize("flags", c_functions.CONVENTIONS.values(), ids=c_functions.CONVENTIONS)
@pytest.mark.parametrize("doc", DOCS.values(), ids=DOCS)
def test_doc_and_text_signature_stay(doc: str | None, flags: int) -> None:
    """Since 3.13 the text signature can come from the calling convention."""
    function = c_functions.builtin(old, flags, doc=doc)
    before = (function.__doc__, typed(function).__text_signature__)
    with hotpatch(new, function):
        assert (function.__doc__, typed(function).__text_signature__) == before
    assert (function.__doc__, typed(function).__text_signature__) == before


def test_identity_stays(function: Function) -> None:
    def who() -> list[object]:
        return [
            repr(function),
            function.__name__,
            function.__qualname__,
            function.__module__,
            function.__doc__,
            typed(function).__text_signature__,
            function.__self__,  # type: ignore[attr-defined]
            hash(function),
            id(function),
            copy.copy(function) is function,
            copy.deepcopy(function) is function,
        ]

    before, table = who(), {function: "found"}
    with hotpatch(new, function) as patch:
        assert who() == before
        assert table[function] == "found"
        assert function == patch.original
        assert repr(patch.original) == repr(function)
    assert who() == before


def test_pickling_by_name_stays() -> None:
    with hotpatch(lambda: 42.0, time.time):
        assert pickle.loads(pickle.dumps(time.time)) is time.time


def test_an_alias_made_before_sees_the_change() -> None:
    before = time.time()
    with hotpatch(lambda: 42.0, time.time) as patch:
        assert time_imported_by_name() == time.time() == 42.0
        assert patch.original() >= before
    assert time_imported_by_name() >= before


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        (time.time, ()),
        (time.monotonic, ()),
        (time.sleep, (0,)),
        (os.getcwd, ()),
        (os.urandom, (1,)),
        (os.stat, ("/",)),
        (math.sqrt, (4.0,)),
        (math.hypot, (3.0, 4.0)),
        (operator.add, (1, 2)),
        (functools.reduce, (operator.add, [1, 2])),
        (print, ()),
        (sorted, ([2, 1],)),
        (abs, (-1,)),
        (getattr, (1, "real")),
        (sum, ([1, 2],)),
        (max, (1, 2)),
        (repr, (1,)),
        (id, (1,)),
        (hash, (1,)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_builtins_of_the_standard_library(target: Function, arguments: tuple[Any, ...]) -> None:
    target(*arguments)
    patch = hotpatch(new, target)
    try:
        result = target(*arguments)
    finally:
        patch.undo()
    assert result == ("new", arguments, {})
    assert target(*arguments) != result


def test_a_builtin_of_this_extension_can_be_patched() -> None:
    with hotpatch(lambda *arguments, **keywords: "patched", typed(patches)):
        assert str(patches()) == "patched"
    assert isinstance(patches(), list)


@pytest.mark.parametrize(
    "replacement",
    [
        operator.mul,
        lambda a, b: a * b,
        functools.partial(operator.mul),
        type("Callable", (), {"__call__": lambda _, a, b: a * b})(),
        type("Bound", (), {"method": lambda _, a, b: a * b})().method,
        int.__mul__,
        lambda *arguments: math.prod(arguments),
    ],
    ids=["builtin", "function", "partial", "object", "bound method", "slot wrapper", "varargs"],
)
def test_every_callable_can_be_the_replacement(replacement: Function) -> None:
    with hotpatch(replacement, operator.add) as patch:
        assert operator.add(3, 4) == 12
        assert patch.replacement is replacement
    assert operator.add(3, 4) == 7


def test_a_class_can_be_the_replacement() -> None:
    with hotpatch(datetime.date, operator.add):
        assert operator.add(2020, 1, day=2) == datetime.date(2020, 1, 2)  # type: ignore[call-arg]


def test_a_patch_is_what_the_replacement_did_when_it_was_made() -> None:
    def replacement(a: int, b: int) -> object:
        return "first"

    with hotpatch(replacement, operator.add), hotpatch(lambda a, b: "second", replacement):
        assert replacement(1, 2) == "second"
        assert operator.add(1, 2) == "first"


def test_two_builtins_can_be_swapped() -> None:
    with hotpatch(operator.mul, operator.add), hotpatch(operator.add, operator.mul):
        assert operator.add(3, 4) == 12
        assert operator.mul(3, 4) == 12  # what add did when that patch was made
    assert (operator.add(3, 4), operator.mul(3, 4)) == (7, 12)


def test_a_builtin_patched_with_itself_is_frozen() -> None:
    with hotpatch(operator.add, operator.add):
        assert operator.add(3, 4) == 7
        with hotpatch(lambda a, b: "over", operator.add):
            assert operator.add(3, 4) == "over"
        assert operator.add(3, 4) == 7


@pytest.mark.parametrize("target", [compile, exec], ids=repr)
def test_patches_do_not_stand_on_what_may_be_patched(target: Function) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError

    def function() -> str:
        return "old"

    class Shape:
        """Its signature is like no other, so that a function must be generated."""

        def __call__(self, one: int = 1, *, two: str = "shape") -> Any:
            return one, two

    with hotpatch(fails, target), hotpatch(Shape(), function):
        assert typed(function)(two="2") == (1, "2")
    assert function() == "old"


def test_errors_come_from_the_replacement() -> None:
    def replacement() -> float:
        raise LookupError("mine")

    with hotpatch(replacement, time.time), pytest.raises(LookupError, match="mine"):
        time.time()
    with hotpatch(lambda: 1.0, time.time), pytest.raises(TypeError, match="takes 0 positional"):
        time.time(1)  # type: ignore[call-arg]


def test_calls_nest_as_deep_as_those_of_python_functions() -> None:
    def replacement(a: Any, b: Any) -> Any:
        return operator.add(a, b)

    with hotpatch(replacement, operator.add), pytest.raises(RecursionError):
        operator.add(1, 2)
