"""The layers of a target: sorted by order, and then by age."""

import functools
import math
import random
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hotpatch import Patch, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

How = Literal["replace", "around"]


def make_target() -> Any:
    def target(x: int, y: int = 1) -> Any:
        return "base", x, y

    return target


def tracer(mark: object) -> Any:
    def hook(original: Any, *args: Any, **kwargs: Any) -> Any:
        return mark, original(*args, **kwargs)

    return hook


def replacement(mark: object, y: int = 1) -> Any:
    def body(x: int, y: int = y) -> Any:
        return mark, x, y

    return body


def test_a_tracer_further_out_survives_later_replacements() -> None:
    target = make_target()
    tracing = hotpatch(tracer("traced"), target, how="around", order=10)
    assert target(0) == ("traced", ("base", 0, 1))
    with hotpatch(replacement("new"), target):
        assert target(0) == ("traced", ("new", 0, 1))
        with hotpatch(replacement("newer"), target):
            assert target(0) == ("traced", ("newer", 0, 1))
        assert target(0) == ("traced", ("new", 0, 1))
        tracing.undo()
        assert target(0) == ("new", 0, 1)
    assert target(0) == ("base", 0, 1)


def test_a_replacement_hides_what_lies_below_it() -> None:
    target = make_target()
    below = hotpatch(tracer("below"), target, how="around", order=-1)
    with hotpatch(replacement("new"), target):
        assert target(0) == ("new", 0, 1)
        below.undo()
        assert target(0) == ("new", 0, 1)
        low = hotpatch(replacement("low"), target, order=-5)
        assert target(0) == ("new", 0, 1)
    assert target(0) == ("low", 0, 1)
    low.undo()
    assert target(0) == ("base", 0, 1)


def test_of_one_order_the_later_lies_further_out() -> None:
    target = make_target()
    made = [hotpatch(tracer(mark), target, how="around", order=3) for mark in "ab"]
    assert target(0) == ("b", ("a", ("base", 0, 1)))
    made.append(hotpatch(tracer("c"), target, how="around", order=2))
    assert target(0) == ("b", ("a", ("c", ("base", 0, 1))))
    assert patches(target) == made  # the oldest first
    for patch in made:
        patch.undo()


def test_hooks_follow_the_signature_of_what_lies_below() -> None:
    target = make_target()
    hook = hotpatch(tracer("traced"), target, how="around", order=10)
    outer = hotpatch(tracer("outer"), target, how="around", order=11)
    with hotpatch(lambda x, y=7, *, z=8: (x, y, z), target):
        assert target(0) == ("outer", ("traced", (0, 7, 8)))
        assert target(0, z=9) == ("outer", ("traced", (0, 7, 9)))
        assert target.__defaults__ == (7,)
        assert target.__kwdefaults__ == {"z": 8}
        hook.undo()
        assert target(0, z=9) == ("outer", (0, 7, 9))
    assert target(0) == ("outer", ("base", 0, 1))
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        target(0, z=9)
    outer.undo()


def test_an_observer_goes_on_when_what_lies_below_has_other_parameters() -> None:
    target = make_target()
    seen: list[int] = []
    observing = hotpatch(seen.append, target, how="before", order=10)
    by_name = hotpatch(lambda y: seen.append(y), target, how="before", order=10)
    with hotpatch(lambda *args: args, target):
        assert target(5) == (5, 1)
        assert seen == [1, 5]
    with hotpatch(lambda x, y=7, *, z=8: (x, y, z), target):
        seen.clear()
        assert target(5, z=9) == (5, 7, 9)
        assert seen == [7, 5]
        seen[:] = [1, 5]
    with hotpatch(lambda a, b=4: (a, b), target):
        assert target(6) == (6, 1)  # the observer wants `y`, which is what the target has
        assert seen[2:] == [1, 6]
    assert target(7, 8) == ("base", 7, 8)
    assert seen[4:] == [8, 7]
    observing.undo()
    by_name.undo()


def test_a_hook_of_a_partial_has_the_parameters_that_are_left() -> None:
    def base(kind: str, x: int, y: int = 1) -> Any:
        return kind, x, y

    target: Any = functools.partial(base, "bound")
    seen: list[Any] = []
    with hotpatch(tracer("outer"), target, how="around"):
        with hotpatch(lambda y: seen.append(y), target, how="before"):
            assert target(0) == ("outer", ("bound", 0, 1))
        assert seen == [1]
        with pytest.raises(TypeError):
            target(0, 1, 2)


def test_the_original_of_a_patch_is_what_lies_below_it() -> None:
    target = make_target()
    outer = hotpatch(tracer("outer"), target, how="around", order=10)
    inner = hotpatch(tracer("inner"), target, how="around", order=5)
    with hotpatch(replacement("new", 3), target) as patch:
        assert patch.original(0) == ("base", 0, 1)
        assert inner.original(0) == ("new", 0, 3)
        assert outer.original(0) == ("inner", ("new", 0, 3))
    assert inner.original(0) == ("base", 0, 1)
    inner.undo()
    assert inner.original is outer.original
    assert outer.original(0) == ("base", 0, 1)
    outer.undo()
    assert outer.original is target


def test_patching_an_original_is_seen_by_the_hook() -> None:
    target = make_target()
    outer = hotpatch(tracer("outer"), target, how="around")
    on_original = hotpatch(tracer("inside"), outer.original, how="around")
    assert target(0) == ("outer", ("inside", ("base", 0, 1)))
    with hotpatch(replacement("low", 4), target, order=-1):
        assert target(0) == ("outer", ("inside", ("low", 0, 4)))
    assert target(0) == ("outer", ("inside", ("base", 0, 1)))
    on_original.undo()
    assert target(0) == ("outer", ("base", 0, 1))
    outer.undo()


def test_what_a_hooked_function_does_now_is_a_replacement() -> None:
    target, other = make_target(), make_target()
    with hotpatch(tracer("outer"), target, how="around", order=10):
        with hotpatch(target, other):
            assert other(0) == ("outer", ("base", 0, 1))
            with hotpatch(replacement("new"), target):
                assert target(0) == ("outer", ("new", 0, 1))
                assert other(0) == ("outer", ("base", 0, 1))  # as it was then
        with hotpatch(target, target):
            assert target(0) == ("outer", ("outer", ("base", 0, 1)))
        assert target(0) == ("outer", ("base", 0, 1))


@pytest.mark.parametrize("kind", ["partial", "cache", "builtin", "method"])
def test_what_a_hooked_target_of_another_kind_does_now_is_a_replacement(kind: str) -> None:
    kinds: dict[str, tuple[Any, Callable[[], Any]]] = {
        "builtin": (math.sqrt, lambda: math.sqrt(4)),
        "method": (str.upper, lambda: "4".upper()),
    }
    made = kinds.get(kind) or (apply_to(kind)[0], lambda: target(4))
    target, call = made
    base = call()
    with hotpatch(tracer("outer"), target, how="around", order=10):
        with hotpatch(target, target):
            assert call() == ("outer", ("outer", base))
        assert call() == ("outer", base)
    assert call() == base


class Model:
    """What a target does, computed anew from all its layers."""

    def __init__(self) -> None:
        self.layers: list[tuple[int, int, str, str, int]] = []

    def call(self, x: int) -> Any:
        value: Any = ("base", x, 1)
        for _, _, how, mark, y in sorted(self.layers):
            value = (mark, x, y) if how == "replace" else (mark, value)
        return value


def apply_to(kind: str) -> tuple[Any, Callable[[int], Any]]:
    target: Any = make_target()
    if kind == "function":
        return target, target
    if kind == "partial":
        partial: Any = functools.partial(target)
        return partial, partial
    cache: Any = functools.lru_cache(target)
    return cache, cache


@pytest.mark.parametrize("kind", ["function", "partial", "cache"])
@pytest.mark.parametrize("seed", range(30))
def test_any_sequence_of_patches_gives_what_the_layers_say(seed: int, kind: str) -> None:
    draw = random.Random(seed)
    target, call = apply_to(kind)
    model, made = Model(), dict[int, tuple[Any, Patch]]()
    hold: list[Any] = []
    for number in range(80):
        if draw.random() < 0.55 or not made:
            order, mark, y = draw.randint(-2, 2), f"{number}", draw.randint(2, 9)
            if draw.random() < 0.4:
                layer = (order, number, "replace", mark, y)
                patch = hotpatch(replacement(mark, y), target, order=order)
            else:
                layer = (order, number, "around", mark, y)
                patch = hotpatch(tracer(mark), target, how="around", order=order)
            model.layers.append(layer)
            made[number] = layer, patch
            if draw.random() < 0.3:
                hold.append(patch.original)
        else:
            layer, patch = made.pop(draw.choice([*made]))
            model.layers.remove(layer)
            patch.undo()
        assert call(number) == model.call(number)
        assert patches(target) == [patch for _, patch in made.values()]
    for _, patch in made.values():
        patch.undo()
    assert call(0) == ("base", 0, 1)


def saying(what: str) -> Any:
    def function() -> Any:
        return what

    return function


def tagged(mark: str) -> Callable[..., Any]:
    return lambda original: (mark, original())


def test_a_copy_of_a_hooked_function_has_the_patches_of_its_originals() -> None:
    target, other = saying("base"), saying("other")
    lower = hotpatch(tagged("lower"), target, how="around")
    inner = hotpatch(tagged("of the original"), lower.original, how="around")
    innermost = hotpatch(lambda: "patched", inner.original)
    upper = hotpatch(tagged("upper"), target, how="around")
    copy = hotpatch(target, other)
    for patch in [upper, innermost, inner, lower]:
        assert other() == ("upper", ("lower", ("of the original", "patched")))
        patch.undo()
    assert other() == ("upper", ("lower", ("of the original", "patched")))
    assert target() == "base"
    copy.undo()
    assert other() == "other"


def test_a_copy_of_an_original_does_not_change_with_what_it_was_copied_from() -> None:
    target, other = saying("base"), saying("other")
    lower = hotpatch(tagged("lower"), target, how="around")
    upper = hotpatch(tagged("upper"), target, how="around")
    hook = hotpatch(upper.original, other)
    assert other() == ("lower", "base")
    lowest = hotpatch(tagged("lowest"), target, how="around", order=-1)
    assert target() == ("upper", ("lower", ("lowest", "base")))
    for patch in [lowest, upper, lower]:
        assert other() == ("lower", "base")
        patch.undo()
    assert other() == ("lower", "base")
    hook.undo()
    assert (target(), other()) == ("base", "other")
