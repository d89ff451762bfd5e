"""Promise 3: the annotations and type parameters are those of the replacement."""

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import hotpatch


def make(source: str, **namespace: Any) -> Any:
    """The function `f` that `source` defines in a module of its own."""
    exec(source, namespace)
    return namespace["f"]


def untyped(function: Callable[..., Any]) -> Any:
    """Keep the type checker from comparing a target with replacements that are unlike it."""
    return function


@untyped
def target(a: int = 1, *, b: int = 2) -> Any:
    return a, b


def test_annotations_are_those_of_the_replacement() -> None:
    def replacement(x: list[int]) -> bool:
        return True

    before = dict(target.__annotations__)
    with hotpatch(replacement, target):
        assert target.__annotations__ == {"x": list[int], "return": bool}
        assert typing.get_type_hints(target) == {"x": list[int], "return": bool}
    assert target.__annotations__ == before


def test_annotations_go_away_with_a_replacement_that_has_none() -> None:
    before = target.__annotations__
    assert before
    with hotpatch(lambda: "new", target):
        assert target.__annotations__ == {}
    assert target.__annotations__ is before


def test_annotations_that_are_texts_mean_the_module_of_the_replacement() -> None:
    source = "from __future__ import annotations\nclass Own: pass\ndef f(x: Own) -> Own: return x"
    replacement = make(source, __name__="elsewhere")
    with hotpatch(replacement, target):
        assert target.__annotations__ == {"x": "Own", "return": "Own"}
        own = replacement.__globals__["Own"]
        assert typing.get_type_hints(target) == {"x": own, "return": own}
        assert inspect.signature(target, eval_str=True).return_annotation is own


def test_annotations_set_on_a_patched_target_do_not_reach_the_replacement_or_outlive_it() -> None:
    def replacement(x: int) -> None: ...

    before = target.__annotations__
    with hotpatch(replacement, target):
        assert target.__annotations__ == {"x": int, "return": None}
        target.__annotations__["x"] = str
        assert replacement.__annotations__["x"] is int
    assert target.__annotations__ is before


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are lazy from 3.14 on")
def test_lazy_annotations_are_evaluated_where_the_replacement_was_written() -> None:
    replacement = make("def f(x: Later): pass")
    with hotpatch(replacement, target):
        with pytest.raises(NameError):
            _ = target.__annotations__
        replacement.__globals__["Later"] = float
        assert target.__annotations__ == {"x": float}
    assert target.__annotations__["a"] is int


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
def test_type_parameters_are_those_of_the_replacement() -> None:
    replacement = make("def f[T: int](x: T) -> list[T]: return [x, T]")
    generic = make("def f[A, B](a: A, b: B) -> None: pass")
    before: Any = generic.__type_params__
    variable: Any = replacement.__type_params__[0]
    with hotpatch(replacement, generic):
        assert generic.__type_params__ == (variable,)
        assert generic.__annotations__ == {
            "x": variable,
            "return": types.GenericAlias(list, variable),
        }
        assert generic(1) == [1, variable]
    assert generic.__type_params__ is before
    assert [str(value) for value in generic.__annotations__.values()] == ["A", "B", "None"]


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: float) -> float:
        return x * self.factor

    def method(self, x: float) -> float:
        return x * self.factor


def scale(factor: int, x: float) -> float:
    return x * factor


@pytest.mark.parametrize(
    "replacement",
    [Scale(2), Scale(2).method, functools.partial(scale, 2)],
    ids=["object with __call__", "bound method", "functools.partial"],
)
def test_what_is_called_for_the_target_gives_it_its_annotations(replacement: Any) -> None:
    before = target.__annotations__
    with hotpatch(replacement, target):
        assert target.__annotations__ == {"x": float, "return": float}
        assert typing.get_type_hints(target) == {"x": float, "return": float}
    assert target.__annotations__ is before


def test_annotations_of_a_class_are_those_of_its_parameters() -> None:
    with hotpatch(Scale, target):
        assert typing.get_type_hints(target)["factor"] is int


def test_annotations_go_away_with_a_builtin_that_has_none() -> None:
    with hotpatch(len, target):
        assert target.__annotations__ == {}


def test_texts_as_annotations_of_a_bound_method_mean_the_module_of_the_method() -> None:
    source = """
from __future__ import annotations
class Own:
    def method(self, x: Own) -> Own: return x
def f(): return Own().method
"""
    bound = make(source, __name__="elsewhere")()
    with hotpatch(bound, target):
        own = type(bound.__self__)
        assert typing.get_type_hints(target) == {"x": own, "return": own}
