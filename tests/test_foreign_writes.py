"""Promise 6: when somebody else has changed a patched function, hotpatch says so and stays away."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hotpatch import Patch, PatchError, hotpatch, patches


def somebody(a: int = 7, *, b: int = 8) -> Any:
    return "somebody", a, b


WRITES: dict[str, tuple[str, Any]] = {
    "code": ("__code__", somebody.__code__),
    "defaults": ("__defaults__", (7,)),
    "no defaults": ("__defaults__", None),
    "keyword defaults": ("__kwdefaults__", {"b": 8}),
    "no keyword defaults": ("__kwdefaults__", None),
}
each_write = pytest.mark.parametrize(("attribute", "value"), WRITES.values(), ids=WRITES)


def make_target() -> Any:
    def target(a: int = 1, *, b: int = 2) -> Any:
        return "base", a, b

    return target


def make_replacement(word: str) -> Any:
    def replacement(a: int = 3, *, b: int = 4) -> Any:
        return word, a, b

    return replacement


def make_replacement_without_cells() -> Any:
    def replacement(a: int = 3, *, b: int = 4) -> Any:
        return "plain", a, b

    return replacement


BODY = ["__code__", "__globals__", "__closure__", "__defaults__", "__kwdefaults__", "__dict__"]


def snapshot(function: Any) -> list[Any]:
    return [getattr(function, name) for name in BODY]


def assert_same(now: list[Any], before: list[Any]) -> None:
    assert [name for name, a, b in zip(BODY, now, before, strict=True) if a is not b] == []


@pytest.fixture
def target() -> Any:
    return make_target()


@pytest.fixture
def stack(target: Any) -> list[Patch]:
    """Three patches; those without free variables leave room for anybody's code."""
    return [hotpatch(make_replacement_without_cells(), target) for _ in range(3)]


@each_write
@pytest.mark.parametrize("index", range(3))
def test_undo_raises_and_changes_nothing(
    target: Any, stack: list[Patch], index: int, attribute: str, value: Any
) -> None:
    setattr(target, attribute, value)
    before = snapshot(target)
    with pytest.raises(PatchError, match="changed by somebody else"):
        stack[index].undo()
    assert_same(snapshot(target), before)
    assert patches(target) == stack
    assert [patch.active for patch in stack] == [True, True, True]


@each_write
def test_a_further_patch_raises_and_changes_nothing(
    target: Any, stack: list[Patch], attribute: str, value: Any
) -> None:
    setattr(target, attribute, value)
    before = snapshot(target)
    for replacement in (make_replacement("new"), mock.Mock(), target):
        with pytest.raises(PatchError, match="changed by somebody else"):
            hotpatch(replacement, target)
    assert_same(snapshot(target), before)
    assert patches(target) == stack


@each_write
def test_what_somebody_else_wrote_is_what_the_function_does(
    target: Any, stack: list[Patch], attribute: str, value: Any
) -> None:
    expected = make_replacement_without_cells()
    setattr(expected, attribute, value)
    setattr(target, attribute, value)
    with pytest.raises(PatchError):
        stack[1].undo()
    assert target(0, b=0) == expected(0, b=0)


@each_write
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_is_well_when_the_change_is_taken_back(
    target: Any, stack: list[Patch], order: tuple[int, ...], attribute: str, value: Any
) -> None:
    saved = getattr(target, attribute)
    setattr(target, attribute, value)
    for patch in stack:
        with pytest.raises(PatchError):
            patch.undo()
    setattr(target, attribute, saved)
    for index in order:
        stack[index].undo()
    assert target() == ("base", 1, 2)


def test_defaults_that_were_deleted_are_noticed(target: Any) -> None:
    patch = hotpatch(make_replacement_without_cells(), target)
    saved = target.__defaults__
    del target.__defaults__
    with pytest.raises(PatchError):
        patch.undo()
    target.__defaults__ = saved
    patch.undo()
    assert target() == ("base", 1, 2)


@pytest.mark.parametrize("attribute", ["__code__", "__defaults__", "__kwdefaults__"])
def test_writing_what_is_there_changes_nothing(target: Any, attribute: str) -> None:
    with hotpatch(make_replacement("new"), target):
        setattr(target, attribute, getattr(target, attribute))
        assert target() == ("new", 3, 4)
        with hotpatch(make_replacement("newer"), target):
            assert target() == ("newer", 3, 4)
    assert target() == ("base", 1, 2)


def test_a_monkeypatch_inside_of_our_patch_is_no_trouble(target: Any) -> None:
    with hotpatch(make_replacement_without_cells(), target):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(target, "__code__", somebody.__code__)
            assert target() == ("somebody", 3, 4)
        assert target() == ("plain", 3, 4)
    assert target() == ("base", 1, 2)


def test_our_patch_inside_of_a_monkeypatch_is_no_trouble(target: Any) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(target, "__code__", somebody.__code__)
        with hotpatch(make_replacement("new"), target):
            assert target() == ("new", 3, 4)
        assert target() == ("somebody", 1, 2)
    assert target() == ("base", 1, 2)


def test_what_was_written_before_the_first_patch_is_what_undo_restores(target: Any) -> None:
    target.__code__ = somebody.__code__
    target.__defaults__ = (5,)
    with hotpatch(make_replacement("new"), target):
        assert target() == ("new", 3, 4)
    assert target() == ("somebody", 5, 2)


def test_what_is_written_after_the_last_undo_is_nobodys_business(target: Any) -> None:
    patch = hotpatch(make_replacement("new"), target)
    patch.undo()
    target.__code__ = somebody.__code__
    patch.undo()
    assert target() == ("somebody", 1, 2)
    with hotpatch(make_replacement("newer"), target):
        assert target() == ("newer", 3, 4)
    assert target() == ("somebody", 1, 2)


def write_annotations(function: Any) -> None:
    function.__annotations__ = {"a": str}


def write_name(function: Any) -> None:
    function.__name__ = "renamed"


def write_doc(function: Any) -> None:
    function.__doc__ = "Changed."


def write_attribute(function: Any) -> None:
    function.attribute = 1


def write_keyword_default(function: Any) -> None:
    function.__kwdefaults__["b"] = 9


@pytest.mark.parametrize(
    "write",
    [write_annotations, write_name, write_doc, write_attribute, write_keyword_default],
)
def test_what_is_not_replaced_can_be_written(target: Any, write: Callable[[Any], None]) -> None:
    patch = hotpatch(make_replacement("new"), target)
    write(target)
    assert target(b=4) == ("new", 3, 4)
    patch.undo()
    assert target() == ("base", 1, 2)


def test_the_end_of_a_with_block_raises_too(target: Any) -> None:
    with pytest.raises(PatchError), hotpatch(make_replacement_without_cells(), target) as patch:
        target.__code__ = somebody.__code__
    assert patch.active
    assert target() == ("somebody", 3, 4)


def test_the_exception_of_a_with_block_is_kept_as_the_context(target: Any) -> None:
    error = KeyError("in the block")

    def use() -> None:
        with hotpatch(make_replacement_without_cells(), target):
            target.__code__ = somebody.__code__
            raise error

    with pytest.raises(PatchError) as caught:
        use()
    assert caught.value.__context__ is error


def test_the_error_names_the_target_and_what_to_do(target: Any) -> None:
    patch = hotpatch(make_replacement_without_cells(), target)
    target.__code__ = somebody.__code__
    with pytest.raises(PatchError) as caught:
        patch.undo()
    message = str(caught.value)
    assert "make_target.<locals>.target" in message
    assert "__code__" in message
    assert "take that change back" in message
    assert isinstance(caught.value, RuntimeError)


def test_originals_and_the_listing_still_work(target: Any, stack: list[Patch]) -> None:
    kept = stack[1].original
    target.__code__ = somebody.__code__
    assert kept() == ("plain", 3, 4)
    assert stack[0].original() == ("base", 1, 2)
    assert stack[2].replacement is not None
    assert patches(target) == stack


def test_a_write_to_the_replacement_is_no_write_to_the_target(target: Any) -> None:
    replacement = make_replacement_without_cells()
    patch = hotpatch(replacement, target)
    replacement.__code__ = somebody.__code__
    replacement.__defaults__ = None
    assert target() == ("plain", 3, 4)
    patch.undo()
    assert target() == ("base", 1, 2)


def test_a_write_to_one_target_does_not_trouble_another(target: Any) -> None:
    other = make_target()
    replacement = make_replacement_without_cells()
    hotpatch(replacement, target)
    patch = hotpatch(replacement, other)
    target.__code__ = somebody.__code__
    assert other() == ("plain", 3, 4)
    patch.undo()
    assert other() == ("base", 1, 2)
