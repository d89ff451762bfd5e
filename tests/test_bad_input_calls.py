"""Promise 12: calls that are wrong in other ways, and interpreters that are not known."""

import os
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import script
from hotpatch import PatchError, hotpatch, patches


def function() -> str:
    return "old"


def generator() -> Iterator[str]:
    yield "old"


def state(function: Any) -> list[Any]:
    names = ("__code__", "__closure__", "__defaults__", "__kwdefaults__", "__globals__", "__dict__")
    return [getattr(function, name) for name in names]


def refusal_of(replacement: Any, target: Any, error: type[Exception] = TypeError) -> str:
    with pytest.raises(error) as caught:
        hotpatch(replacement, target)
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda: hotpatch(function), "target"),  # type: ignore[call-overload]
        (lambda: hotpatch(), "target"),
        (lambda: hotpatch(how="around"), "target"),
    ],
    ids=["no target", "nothing", "no target for a decorator"],
)
def test_a_missing_argument_is_named(call: Callable[[], object], missing: str) -> None:
    with pytest.raises(TypeError, match=rf"hotpatch\(\) missing .*'{missing}'"):
        call()


@pytest.mark.parametrize("by", [5, b"me", function])
def test_an_author_that_is_no_string_is_refused(by: Any) -> None:
    with pytest.raises(TypeError, match="'str'"):
        hotpatch(lambda: "new", function, by=by)
    with pytest.raises(TypeError, match="'str'"):
        patches(by=by)
    assert function() == "old"


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'until'"):
        hotpatch(lambda: "new", function, until=5)  # type: ignore[call-overload]
    assert function() == "old"


def test_any_author_can_be_asked_for() -> None:
    """A name from the file system may hold what cannot be encoded."""
    author = os.fsdecode(b"\xff")
    with hotpatch(lambda: "new", function, by=author) as patch:
        assert patches(by=author) == [patch]
        assert patches(by="somebody else") == []
        assert patch.by == author


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Strange:
    def __repr__(self) -> str:
        return "\ud800 is not a character " + "é" * 1000


@pytest.mark.parametrize("target", [Unprintable(), Strange()], ids=["raises", "surrogate"])
def test_a_target_without_a_good_repr_is_refused_all_the_same(target: Any) -> None:
    message = refusal_of(function, target)
    assert f"of type {type(target).__name__} and not callable" in message
    assert len(message) < 400


def test_an_object_that_claims_to_be_a_function_is_refused() -> None:
    """Functions are told by their type, not by their `__class__`."""

    class Liar:
        __class__ = types.FunctionType  # type: ignore[assignment]

    message = refusal_of(function, Liar())
    assert "not callable" in message


def test_a_descriptor_that_leads_to_itself_is_refused() -> None:
    class Loop(staticmethod):  # type: ignore[type-arg]
        __func__ = None  # type: ignore[assignment]

    message = refusal_of(function, Loop(function))
    assert "it is None" in message


def test_a_bad_call_leaves_the_patches_of_a_target_as_they_are() -> None:
    with hotpatch(lambda: "new", function) as patch:
        during = state(function)
        for replacement in (5, generator, None):
            refusal_of(replacement, function)
        assert patches(function) == [patch]
        assert state(function) == during
        assert function() == "new"
    assert function() == "old"


def test_a_target_that_somebody_else_has_changed_is_refused() -> None:
    def target() -> str:
        return "old"

    patch = hotpatch(lambda: "new", target)
    ours = target.__code__
    target.__code__ = (lambda: "foreign").__code__
    message = refusal_of(lambda: "newer", target, PatchError)
    assert message.startswith("<function ")
    assert "was changed by somebody else" in message
    assert "take that change back first" in message
    assert target() == "foreign"
    assert patches(target) == [patch]
    target.__code__ = ours
    patch.undo()


def test_a_patch_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="Patch"):
        type(hotpatch(lambda: "new", lambda: "old"))()


INTERPRETERS = {
    "PyPy": (
        "sys.implementation.name = 'pypy'",
        "it is pypy, and only CPython's function objects are known",
        "run the program on CPython",
    ),
    "no GIL": (
        "sys._is_gil_enabled = lambda: False",
        "the GIL is off, and the swap relies on it",
        "start Python with PYTHON_GIL=1",
    ),
}


@pytest.mark.parametrize(("disguise", "why", "what_to_do"), INTERPRETERS.values(), ids=INTERPRETERS)
def test_an_interpreter_that_is_not_known_is_refused(
    disguise: str, why: str, what_to_do: str
) -> None:
    """In a process of its own, because hotpatch asks once."""
    text = f"""
        import sys
        from hotpatch import PatchError, hotpatch, patches
        {disguise}
        def target():
            return "old"
        before = target.__code__
        for _ in range(2):
            try:
                hotpatch(lambda: "new", target)
            except PatchError as error:
                print(error)
        assert target() == "old"
        assert target.__code__ is before
        assert patches() == []
        """
    first, second = script.run(text).splitlines()
    assert first == second
    assert first.startswith("hotpatch cannot work in this interpreter: ")
    assert f"{why}; {what_to_do}" in first
    assert first.endswith("nothing was changed")
