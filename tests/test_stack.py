"""Promise 6: any number of patches on one target, undone in any order."""

import asyncio
import functools
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any, Literal
from unittest import mock

import pytest
from hotpatch import Patch, hotpatch, patches


class Wrapping:
    """Patches of one target, each of which puts its letter before what its original gives."""

    def __init__(self, form: str = "function") -> None:
        def target() -> str:
            return "base"

        self.target = target
        self.form = form
        self.made: dict[str, Patch] = {}

    def apply(self, letter: str) -> None:
        made = self.made

        def call() -> str:
            return letter + str(made[letter].original())

        def with_cells(one: int = 1, *, two: int = 2) -> str:
            return (letter, call)[1]() if letter and one + two else ""

        forms: dict[str, Callable[[], Any]] = {
            "function": call,
            "more cells": with_cells,
            "no cells": eval("lambda: letter + made[letter].original()", {**locals()}),
            "partial": functools.partial(call),
            "mock": mock.Mock(side_effect=call),
        }
        forms["mixed"] = forms[list(forms)[len(made) % len(forms)]]
        made[letter] = hotpatch(forms[self.form], self.target)

    def check(self, active: str) -> None:
        """`active` are the letters of the active patches, oldest first."""
        assert self.target() == active[::-1] + "base"
        for letter, patch in self.made.items():
            assert patch.active == (letter in active)
            below = "".join(other for other in active if other < letter)
            above = [other for other in active if other > letter]
            if patch.active or above:
                assert patch.original() == below[::-1] + "base"
            else:
                assert patch.original is self.target
        assert patches(self.target) == [self.made[letter] for letter in active]


def orders(letters: str) -> list[str]:
    return ["".join(order) for order in itertools.permutations(letters)]


FORMS = ["function", "more cells", "no cells", "partial", "mock", "mixed"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("order", orders("abc"))
def test_three_patches_are_undone_in_any_order(order: str, form: str) -> None:
    wrapping, active = Wrapping(form), "abc"
    code = wrapping.target.__code__
    for letter in active:
        wrapping.apply(letter)
    wrapping.check(active)
    for letter in order:
        wrapping.made[letter].undo()
        active = active.replace(letter, "")
        wrapping.check(active)
    assert wrapping.target.__code__ is code


@pytest.mark.parametrize("order", orders("abcd"))
def test_four_patches_are_undone_in_any_order(order: str) -> None:
    """Nobody looks at an original in between, unlike above: none is made before it is asked for."""
    wrapping, active = Wrapping("mixed"), "abcd"
    for letter in active:
        wrapping.apply(letter)
    for letter in order:
        wrapping.made[letter].undo()
        active = active.replace(letter, "")
        assert wrapping.target() == active[::-1] + "base"


@pytest.mark.parametrize("seed", range(10))
def test_patches_come_and_go_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    wrapping, active = Wrapping("mixed"), ""
    for letter in "abcdefghijklmnopqrstuvwxyz":
        wrapping.apply(letter)
        active += letter
        for gone in chance.sample(active, chance.randrange(min(3, len(active)))):
            wrapping.made[gone].undo()
            active = active.replace(gone, "")
        wrapping.check(active)


def test_undoing_the_first_of_two_leaves_the_second() -> None:
    """mock, monkeypatch and wrapt write back what they found, and so bring the first one back."""

    def f() -> str:
        return "old"

    first = hotpatch(lambda: "first", f)
    second = hotpatch(lambda: "second", f)
    first.undo()
    assert f() == "second"
    second.undo()
    assert f() == "old"


def test_one_replacement_can_be_applied_twice() -> None:
    def f() -> str:
        return "old"

    def g() -> str:
        return "new"

    first, second = hotpatch(g, f), hotpatch(g, f)
    assert first is not second
    first.undo()
    assert (f(), first.active, second.active) == ("new", False, True)
    second.undo()
    assert f() == "old"


def test_one_replacement_can_be_applied_to_many_targets() -> None:
    def make(word: str) -> Callable[[], str]:
        return lambda: word

    targets = [make("a"), make("b"), make("c")]
    applied = [hotpatch(make("new"), target) for target in targets]
    applied[1].undo()
    assert [target() for target in targets] == ["new", "b", "new"]


def test_an_original_that_was_kept_follows_what_lies_below() -> None:
    def f() -> str:
        return "base"

    first = hotpatch(lambda: "first", f)
    second = hotpatch(lambda: "second", f)
    kept = second.original
    assert kept() == "first"
    first.undo()
    assert kept() == "base"
    assert second.original is kept
    first = hotpatch(lambda: "first again", f)
    assert kept() == "base"


def test_the_original_of_an_undone_patch_is_what_lies_below_the_later_ones() -> None:
    """So a call that began in its body, and calls the original, skips what would call it again."""

    def f() -> str:
        return "base"

    first, second, third = (hotpatch(lambda word=word: word, f) for word in ("1", "2", "3"))
    second.undo()
    assert second.original is third.original
    assert second.original() == "1"
    first.undo()
    assert second.original() == "base"
    third.undo()
    assert second.original is f


def test_an_original_takes_the_arguments_and_defaults_of_what_lies_below() -> None:
    def f(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> Any:
        return a, b, rest, c, more

    shorter: Any = lambda a: a  # noqa: E731
    with hotpatch(shorter, f) as patch:
        assert f(1) == 1
        assert patch.original(1) == (1, 2, (), 3, {})
        assert patch.original(1, 4, 5, c=6, d=7) == (1, 4, (5,), 6, {"d": 7})
        with pytest.raises(TypeError, match=r"f\(\) missing 1"):
            patch.original()


def test_originals_of_methods_take_the_instance() -> None:
    class Service:
        word = "service"

        def method(self, x: int) -> str:
            return f"{self.word} {x}"

        @classmethod
        def by_class(cls) -> str:
            return cls.word

        @property
        def value(self) -> str:
            return self.word

    prop: Any = vars(Service)["value"]
    p: Patch
    q: Patch
    r: Patch
    with (
        hotpatch(lambda self, x: f"new {p.original(self, x + 1)}", Service.method) as p,
        hotpatch(lambda cls: f"new {q.original(cls)}", Service.by_class) as q,
        hotpatch(lambda self: f"new {r.original(self)}", prop) as r,
    ):
        service = Service()
        results = service.method(1), service.by_class(), service.value
        assert results == ("new service 2", "new service", "new service")


def test_originals_of_generators_and_coroutines_are_of_their_kind() -> None:
    def generate() -> Iterator[int]:
        yield 1

    async def wait() -> int:
        return 1

    async def generate_async() -> AsyncIterator[int]:
        yield 1

    def new_generate() -> Iterator[int]:
        yield 0
        yield from p.original()

    async def new_wait() -> int:
        return 1 + int(await q.original())

    async def new_generate_async() -> AsyncIterator[int]:
        yield 0
        async for item in r.original():
            yield item

    async def use() -> Any:
        return await wait(), [item async for item in generate_async()]

    with (
        hotpatch(new_generate, generate) as p,
        hotpatch(new_wait, wait) as q,
        hotpatch(new_generate_async, generate_async) as r,
    ):
        assert list(generate()) == [0, 1]
        assert asyncio.run(use()) == (2, [0, 1])
    assert asyncio.run(use()) == (1, [1])


def test_an_original_shares_the_cells_of_the_target() -> None:
    count = 0

    def f() -> int:
        nonlocal count
        count += 1
        return count

    with hotpatch(lambda: -1, f) as patch:
        assert (patch.original(), f(), count) == (1, -1, 1)
    assert f() == 2


@pytest.mark.parametrize("order", orders("abc"))
def test_an_original_is_a_target_too(order: str) -> None:
    """It can be patched like any function, and follows what lies below when that has gone."""

    def f() -> str:
        return "base"

    first: Patch = hotpatch(lambda: "first " + first.original(), f)
    second: Patch = hotpatch(lambda: "second " + second.original(), f)
    original = second.original
    inner: Patch = hotpatch(lambda: "inner " + inner.original(), original)
    assert f() == "second inner first base"
    made = {"a": first, "b": second, "c": inner}
    for letter in order:
        made[letter].undo()
        expected = ["second"] * second.active + ["inner"] * (second.active and inner.active)
        assert f() == " ".join([*expected, *["first"] * first.active, "base"])


How = Literal["before", "after", "error"]
OBSERVERS: list[How] = ["before", "after", "error"]


class Observing:
    """An observer of an original that names a parameter which what lies below has only at first."""

    def __init__(self, how: How) -> None:
        self.how = how
        self.told: list[object] = []

    def observe(self, original: Callable[..., object]) -> None:
        def hear(*given: object, x: object) -> None:
            self.told.append(x)

        hotpatch(hear, original, how=self.how)

    def check(self, *functions: Callable[..., object]) -> None:
        for number, function in enumerate(functions):
            self.told.clear()
            with pytest.raises(ZeroDivisionError) if self.how == "error" else nullcontext():
                assert function(number) == ("other", number)
            assert self.told == [number]

    def with_x(self, x: object) -> object:
        return "x", x

    def with_other(self, other: object) -> object:
        if self.how == "error":
            raise ZeroDivisionError
        return "other", other


@pytest.mark.parametrize("how", OBSERVERS)
def test_an_observer_of_an_original_stays_when_its_parameter_goes_with_an_undo(how: How) -> None:
    observing = Observing(how)

    def f(other: object) -> object:
        return observing.with_other(other)

    first = hotpatch(lambda x: observing.with_x(x), f)
    second: Patch = hotpatch(lambda x: second.original(x), f)
    observing.observe(second.original)
    first.undo()
    observing.check(f, second.original)


@pytest.mark.parametrize("how", OBSERVERS)
def test_an_observer_of_an_original_stays_when_a_patch_without_its_parameter_comes(
    how: How,
) -> None:
    observing = Observing(how)

    def f(x: object) -> object:
        return observing.with_x(x)

    above: Patch = hotpatch(lambda x: above.original(x), f)
    observing.observe(above.original)
    hotpatch(lambda other: observing.with_other(other), f, order=-1)
    observing.check(f, above.original)


@pytest.mark.parametrize("how", OBSERVERS)
def test_an_observer_of_an_original_is_copied_also_without_its_parameter(how: How) -> None:
    observing = Observing(how)

    def f(x: object) -> object:
        return observing.with_x(x)

    def g(x: object) -> object:
        return x

    hook = hotpatch(lambda original, x: original(x), f, how="around")
    observing.observe(hook.original)
    hotpatch(lambda other: observing.with_other(other), f, order=-1)
    hotpatch(f, g)
    observing.check(f, g)


NAMES = "abc"


def functions_by_name() -> dict[str, Callable[[], str]]:
    def make(name: str) -> Callable[[], str]:
        return lambda: name

    return {name: make(name) for name in NAMES}


@pytest.mark.parametrize("pairs", [["ab", "ba"], ["ab", "bc", "ca"], ["ab", "ac", "ba", "cb"]])
def test_mutual_patches_mean_what_each_did_at_that_moment(pairs: list[str]) -> None:
    """In each pair the first gets what the second does then. They are undone in every order."""
    for order in itertools.permutations(range(len(pairs))):
        functions = functions_by_name()
        stacks = {name: [(-1, name)] for name in NAMES}
        applied = []
        for index, pair in enumerate(pairs):
            target, replacement = tuple(pair)
            stacks[target].append((index, stacks[replacement][-1][1]))
            applied.append(hotpatch(functions[replacement], functions[target]))
        for index in [-1, *order]:
            if index >= 0:
                applied[index].undo()
                for stack in stacks.values():
                    stack[:] = [layer for layer in stack if layer[0] != index]
            expected = {name: stack[-1][1] for name, stack in stacks.items()}
            assert {name: function() for name, function in functions.items()} == expected


def test_two_functions_can_change_places() -> None:
    def f() -> str:
        return "f"

    def g() -> str:
        return "g"

    first = hotpatch(g, f)
    second = hotpatch(first.original, g)
    assert (f(), g()) == ("g", "f")
    first.undo()
    assert (f(), g()) == ("f", "f")
    second.undo()
    assert (f(), g()) == ("f", "g")


def test_a_stack_of_a_thousand_patches_is_undone_from_the_bottom() -> None:
    def f() -> int:
        return -1

    def make(number: int) -> Callable[[], int]:
        return lambda: number

    applied = [hotpatch(make(number), f) for number in range(1000)]
    assert (f(), applied[500].original()) == (999, 499)
    for patch in applied[:500]:
        patch.undo()
    assert (f(), applied[500].original()) == (999, -1)
    for patch in applied[500:]:
        patch.undo()
    assert f() == -1
