"""Promise 9, for one thread: destructors and collections in the middle of a patch or an undo.

They may call the target, patch it, and take patches back. Whatever they do, a call gets all of one
body, and the stack stays right.
"""

import gc
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, PatchError, hotpatch, patches


class Last:
    """Something whose destructor calls `act`."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


def function(mark: str, size: int = 1, kept: Any = None) -> Any:
    """Make a function with `size` cells, defaults and keyword defaults, which shows all of them."""
    cells = [f"cell{index}" for index in range(size)]
    positional = [f"positional{index}" for index in range(size)]
    keywords = [f"keyword{index}" for index in range(size)]
    parameters = [f"{name}='{mark} {name}'" for name in positional]
    parameters += ["*rest", *(f"{name}='{mark} {name}'" for name in keywords)]
    lines = [
        "def make():",
        *(f"    {name} = '{mark} {name}'" for name in cells),
        f"    def f({', '.join(parameters)}):",
        f"        return ['{mark}', MARK, {', '.join(cells + positional + keywords)}]",
        "    return f",
    ]
    namespace: dict[str, Any] = {"MARK": mark}
    exec("\n".join(lines), namespace)
    made = namespace.pop("make")()
    made.kept = kept
    return made


def whole(mark: str, size: int = 1) -> list[str]:
    """What a call without arguments returns that got all of one body."""
    parts = ("cell", "positional", "keyword")
    return [mark, mark, *(f"{mark} {part}{index}" for part in parts for index in range(size))]


def with_default(kept: Any) -> Any:
    return lambda default=kept: ["new"]


def with_keyword_default(kept: Any) -> Any:
    return lambda *, default=kept: ["new"]


def with_cell(kept: Any) -> Any:
    return lambda: ["new", kept][:1]


def with_annotation(kept: Any) -> Any:
    def replacement() -> list[str]:
        return ["new"]

    replacement.__annotations__["return"] = kept
    return replacement


class Callback:
    def __init__(self, kept: Any) -> None:
        self.kept = kept

    def __call__(self) -> list[str]:
        return ["new"]


REPLACEMENTS: dict[str, Callable[[Any], Any]] = {
    "default": with_default,
    "keyword default": with_keyword_default,
    "cell": with_cell,
    "annotation": with_annotation,
    "attribute": lambda kept: function("new", 3, kept),
    "instance": Callback,
}
every_replacement = pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)


@every_replacement
def test_a_destructor_of_what_undo_releases_finds_the_undo_complete(
    make: Callable[[Any], Any],
) -> None:
    seen: list[Any] = []
    target = function("old")
    before = patches()

    def act() -> None:
        seen.extend([target(), patches(target), patches() == before, patch.active])
        patch.undo()

    patch = hotpatch(make(Last(act)), target)
    assert target()[0] == "new"
    patch.undo()
    gc.collect()
    assert seen == [whole("old"), [], True, False]


@every_replacement
def test_a_destructor_of_what_undo_releases_may_patch_the_target(
    make: Callable[[Any], Any],
) -> None:
    target = function("old")
    made: list[Patch] = []
    patch = hotpatch(
        make(Last(lambda: made.append(hotpatch(function("newest", 4), target)))), target
    )
    patch.undo()
    gc.collect()
    assert target() == whole("newest", 4)
    assert patches(target) == made
    made[0].undo()
    assert target() == whole("old")


@every_replacement
def test_a_destructor_of_what_undo_releases_may_undo_the_others(make: Callable[[Any], Any]) -> None:
    target = function("old")

    def act() -> None:
        for patch in patches(target):
            patch.undo()
        seen.append(target())

    seen: list[Any] = []
    hotpatch(function("lower", 4), target)
    middle = hotpatch(make(Last(act)), target)
    upper = hotpatch(function("upper", 0), target)
    assert upper.original()[0] == "new"
    middle.undo()
    gc.collect()
    assert seen == [whole("old")]
    assert patches(target) == []


@every_replacement
def test_a_destructor_that_runs_with_the_target_finds_the_patch_gone(
    make: Callable[[Any], Any],
) -> None:
    seen: list[Any] = []
    target = function("old")
    before = patches()
    patch = hotpatch(
        make(Last(lambda: seen.extend([patch.active, patch.target, patches() == before]))), target
    )
    del target
    gc.collect()
    assert seen == [False, None, True]


class During:
    """Calls `act` at a garbage collection in the middle of a `with` block: `number` says which.

    Before 3.12, every second container that is made starts a collection. With odd numbers one more
    is made at first, so that the others have their turn.
    """

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self.number, self.offset = divmod(number, 2)
        self.act = act
        self.errors: list[Exception] = []

    def __enter__(self) -> "During":
        self.threshold = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self.collected)
        gc.set_threshold(1, 1_000_000, 1_000_000)
        self.containers: list[Any] = [[] for _ in range(self.offset)]
        return self

    def collected(self, phase: str, info: dict[str, int]) -> None:
        self.number -= phase == "start"
        if phase == "start" and self.number == -1:
            try:
                self.act()
            except Exception as error:
                self.errors.append(error)

    def __exit__(self, *exception: object) -> None:
        gc.callbacks.remove(self.collected)
        gc.set_threshold(*self.threshold)


@pytest.fixture
def frozen() -> Iterator[None]:
    """What is there already is not looked at by each of many collections."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Stage:
    """A target with two patches, a replacement to come, and things that can happen meanwhile."""

    def __init__(self, replacement: Any) -> None:
        self.target = function("base", 2)
        self.replacement = replacement
        self.bodies = {}
        for mark, size in (("lower", 0), ("upper", 4)):
            self.bodies[hotpatch(function(mark, size), self.target)] = whole(mark, size)
        self.lower, self.upper = patches(self.target)
        self.upper.original()

    def add(self) -> None:
        self.bodies[hotpatch(function("meanwhile", 6), self.target)] = whole("meanwhile", 6)

    def add_and_remove(self) -> None:
        hotpatch(function("meanwhile", 6), self.target).undo()

    def remove_lower(self) -> None:
        self.lower.undo()

    def remove_all(self) -> None:
        for patch in patches(self.target):
            patch.undo()

    def patch_the_original(self) -> None:
        """Once the upper patch is undone, its original is the target itself."""
        self.bodies[hotpatch(function("original", 3), self.upper.original)] = whole("original", 3)

    def patch_the_replacement(self) -> None:
        if isinstance(self.replacement, types.FunctionType):
            hotpatch(function("new", 3), self.replacement).undo()

    def write_code(self) -> None:
        self.target.__code__ = function("foreign", 4).__code__

    def write_defaults(self) -> None:
        self.target.__defaults__ = ("foreign",) * 9

    def check(self, new: list[str]) -> None:
        """Take everything back from the top, and see each body come out as it was."""
        while left := patches(self.target):
            assert self.target() == self.bodies.get(left[-1], new)
            left[-1].undo()
        assert self.target() == whole("base", 2)


HARMLESS = [
    Stage.add,
    Stage.add_and_remove,
    Stage.remove_lower,
    Stage.remove_all,
    Stage.patch_the_original,
    Stage.patch_the_replacement,
]


def stages(moments: int) -> Iterator[int]:
    """The numbers of the collections to act in: few since 3.12, when C code has none within."""
    return iter(range(moments if sys.version_info < (3, 12) else 6))


NEW: dict[str, Callable[[], Any]] = {
    "function": lambda: function("new", 3),
    "class": lambda: type("list", (list,), {"__init__": lambda self: self.append("class")}),
}


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("act", HARMLESS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("make", NEW.values(), ids=NEW)
def test_a_collection_in_the_middle_of_a_patch_may_change_the_stack(
    make: Callable[[], Any], act: Callable[[Stage], None]
) -> None:
    for number in stages(40):
        stage = Stage(make())
        expected = stage.replacement()
        with During(number, lambda stage=stage: act(stage)) as during:  # type: ignore[misc]
            hotpatch(stage.replacement, stage.target)
        assert during.errors == []
        stage.check(expected)


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("act", HARMLESS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("which", ["lower", "upper"])
def test_a_collection_in_the_middle_of_an_undo_may_change_the_stack(
    which: str, act: Callable[[Stage], None]
) -> None:
    for number in stages(20):
        stage = Stage(function("new", 3))
        undone: Patch = getattr(stage, which)
        with During(number, lambda stage=stage: act(stage)) as during:  # type: ignore[misc]
            undone.undo()
        assert during.errors == []
        assert not undone.active
        assert undone not in patches(stage.target)
        stage.check([])


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("act", [Stage.write_code, Stage.write_defaults], ids=["code", "defaults"])
def test_a_foreign_write_in_the_middle_of_a_patch_is_noticed_or_covered(
    act: Callable[[Stage], None],
) -> None:
    """It is an error if it comes before the patch, and the error of undo if it comes after."""
    for number in stages(20):
        stage = Stage(function("new", 4))
        with During(number, lambda stage=stage: act(stage)) as during:  # type: ignore[misc]
            try:
                made = hotpatch(stage.replacement, stage.target)
            except PatchError:
                continue
        assert during.errors == []
        if during.number < 0:
            with pytest.raises(PatchError, match="somebody else"):
                made.undo()


@pytest.mark.usefixtures("frozen")
def test_a_collection_in_the_middle_of_an_undo_may_unpatch_an_original() -> None:
    """The undo of the lower patch changes what lies below the patch of the upper one's original."""
    for number in stages(12):
        target = function("base", 2)
        lower, upper = hotpatch(function("lower"), target), hotpatch(function("upper"), target)
        of_original = hotpatch(function("original"), upper.original)
        of_original.original()
        with During(number, of_original.undo) as during:
            lower.undo()
        assert during.errors == []
        of_original.undo()
        assert upper.original() == whole("base", 2)
        upper.undo()
        assert target() == whole("base", 2)
