"""Promise 9: other threads never see half a patch, and changing one target from many is safe."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hotpatch import Patch, hotpatch, patches

SIZES = (0, 1, 4)
DEADLINE = 60.0


@pytest.fixture(autouse=True)
def hurried_switches() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def function(mark: str, size: int, kind: str = "def f({}):\n        return {}") -> Any:
    """Make a function with `size` cells, defaults and keyword defaults, which shows all of them."""
    cells = [f"cell{index}" for index in range(size)]
    positional = [f"positional{index}" for index in range(size)]
    keywords = [f"keyword{index}" for index in range(size)]
    parameters = [f"{name}='{mark} {name}'" for name in positional]
    parameters += ["*rest", *(f"{name}='{mark} {name}'" for name in keywords)]
    shown = f"['{mark}', MARK, {', '.join(cells + positional + keywords)}]"
    lines = [
        "def make():",
        *(f"    {name} = '{mark} {name}'" for name in cells),
        "    " + kind.format(", ".join(parameters), shown),
        "    return f",
    ]
    namespace: dict[str, Any] = {"MARK": mark}
    exec("\n".join(lines), namespace)
    return namespace.pop("make")()


def whole(mark: str, size: int) -> list[str]:
    """What a call without arguments returns that got all of one body."""
    parts = ("cell", "positional", "keyword")
    return [mark, mark, *(f"{mark} {part}{index}" for part in parts for index in range(size))]


class Crowd:
    """Threads that run until they are told to stop; what one of them raises fails the test."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.errors: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, work: Callable[[], object]) -> None:
        """Start a thread that does `work` again and again; return when it was done once."""
        begun = threading.Event()

        def run() -> None:
            try:
                while not self.stopped.is_set():
                    work()
                    begun.set()
            except BaseException as error:
                self.errors.append(error)
                begun.set()

        thread = threading.Thread(target=run)
        self.threads.append(thread)
        thread.start()
        assert begun.wait(DEADLINE)

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(DEADLINE)
        assert self.errors == []


def run_together(*works: Callable[[], object]) -> None:
    """Run each of `works` once, in threads that start at the same moment."""
    barrier = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            barrier.wait(DEADLINE)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert errors == []


def call(target: Any) -> Any:
    return target()


def call_through_c(target: Any) -> Any:
    return next(map(target, ()), None) or next(itertools.starmap(target, [()]))


def call_as_method(target: Any) -> Any:
    return type("K", (), {"method": staticmethod(target)}).method()  # type: ignore[attr-defined]


def iterate(target: Any) -> Any:
    return next(target())


WAYS = {
    "call": (call, "def f({}):\n        return {}"),
    "call from C": (call_through_c, "def f({}):\n        return {}"),
    "call through a class": (call_as_method, "def f({}):\n        return {}"),
    "generator": (iterate, "def f({}):\n        yield {}"),
}


@pytest.mark.parametrize(("old", "new"), [*itertools.product(SIZES, SIZES)])
@pytest.mark.parametrize(("way", "kind"), WAYS.values(), ids=WAYS)
def test_a_call_gets_all_of_one_body_while_another_thread_patches(
    way: Callable[[Any], Any], kind: str, old: int, new: int
) -> None:
    target, replacement = function("old", old, kind), function("new", new, kind)
    allowed = [whole("old", old), whole("new", new)]
    torn: list[Any] = []

    def work() -> None:
        for _ in range(20):
            result = way(target)
            if result not in allowed:
                torn.append(result)

    with Crowd() as crowd:
        crowd.start(work)
        crowd.start(work)
        for _ in range(150):
            with hotpatch(replacement, target):
                assert way(target) == allowed[1]
            assert way(target) == allowed[0]
    assert torn == []


def test_hot_call_sites_get_all_of_one_body_while_another_thread_patches() -> None:
    """Sites are specialised for one of the bodies, and must notice the other."""
    target, replacement = function("old", 4), function("new", 1)
    allowed = [whole("old", 4), whole("new", 1)]

    def work() -> None:
        for _ in range(2000):
            assert target() in allowed

    with Crowd() as crowd:
        crowd.start(work)
        crowd.start(work)
        for _ in range(2000):
            with hotpatch(replacement, target):
                pass


@pytest.mark.parametrize("count", [2, 8])
def test_applying_and_undoing_from_many_threads_keeps_the_stack_right(count: int) -> None:
    target = function("base", 1)
    marks = [f"patch {number}" for number in range(count)]
    allowed = [whole("base", 1), *(whole(mark, len(mark) % 4) for mark in marks)]

    def work(mark: str) -> None:
        replacement = function(mark, len(mark) % 4)
        for number in range(100):
            made = [hotpatch(replacement, target) for _ in range(1 + number % 3)]
            assert target() in allowed
            assert made[0].original() in allowed
            for patch in made[:: -1 if number % 2 else 1]:
                patch.undo()
                assert not patch.active

    run_together(*[lambda mark=mark: work(mark) for mark in marks])
    assert patches(target) == []
    assert target() == whole("base", 1)


def test_the_stack_is_in_the_order_in_which_patches_took_effect() -> None:
    """Whichever thread came last: its patch is the last of the list, and what the target does."""
    target = function("base", 1)
    made: dict[Patch, str] = {}

    def work(mark: str) -> None:
        for number in range(25):
            own = f"{mark} {number}"
            made[hotpatch(function(own, number % 5), target)] = own

    run_together(*[lambda mark=mark: work(mark) for mark in "abcd"])
    left = patches(target)
    assert sorted(map(id, left)) == sorted(map(id, made))
    assert left == [patch for patch in patches() if patch in made]
    while left:
        assert target()[0] == made[left[-1]]
        assert all(patch.replacement is not None for patch in left)
        left.pop().undo()
        assert patches(target) == left
    assert target() == whole("base", 1)


def test_threads_may_undo_the_patches_of_each_other() -> None:
    target = function("base", 1)

    def apply() -> None:
        for number in range(100):
            hotpatch(function("new", number % 5), target)

    def undo() -> None:
        for _ in range(100):
            for patch in patches(target)[::-1]:
                patch.undo()
                assert not patch.active

    run_together(apply, apply, undo, undo)
    for patch in patches(target):
        patch.undo()
    assert target() == whole("base", 1)


def test_one_patch_may_be_undone_by_many_threads_at_once() -> None:
    target = function("base", 1)
    for _ in range(50):
        patch = hotpatch(function("new", 3), target)
        run_together(*[patch.undo] * 4)
        assert patches(target) == []
        assert target() == whole("base", 1)


def test_threads_may_patch_originals_while_others_undo_what_lies_below() -> None:
    target = function("base", 1)

    def work() -> None:
        for number in range(40):
            lower = hotpatch(function("lower", 2), target)
            upper = hotpatch(function("upper", 3), target)
            of_original = hotpatch(function("original", number % 5), upper.original)
            lower.undo()
            of_original.undo()
            upper.undo()

    run_together(work, work, work)
    assert patches(target) == []
    assert target() == whole("base", 1)


class Base:
    def method(self) -> list[str]:
        return ["base of all"]


def method_with_super(mark: str) -> Any:
    class Elsewhere(Base):
        def method(self) -> list[str]:
            return [mark, *super().method()]

    return Elsewhere.method


def test_replacements_that_use_super_may_come_from_many_threads() -> None:
    """Finding the class of the target runs Python code, and other threads in the middle of it."""

    class Derived(Base):
        def method(self) -> list[str]:
            return ["derived"]

    allowed = [["derived"], *([mark, "base of all"] for mark in "abcd")]

    def work(mark: str) -> None:
        replacement = method_with_super(mark)
        for _ in range(5):
            made = [hotpatch(replacement, Derived.method) for _ in range(3)]
            assert Derived().method() in allowed
            for patch in made:
                assert patch.replacement is replacement
                patch.undo()

    run_together(*[lambda mark=mark: work(mark) for mark in "abcd"])
    assert patches(Derived.method) == []
    assert Derived().method() == ["derived"]


def test_a_patch_made_in_the_middle_of_making_another_keeps_the_stack_right() -> None:
    """A metaclass is asked for the namespace of its class, and patches the method once more."""
    marks = iter("bcde")
    made = {}

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            if name == "__dict__" and (mark := next(marks, None)):
                apply(mark)
            return super().__getattribute__(name)

    class Derived(Base, metaclass=Meta):
        def method(self) -> list[str]:
            return ["derived"]

    target = Derived.method

    def apply(mark: str) -> None:
        made[hotpatch(method_with_super(mark), target)] = mark

    apply("a")
    assert sorted(made.values()) == [*"abcde"]
    order = patches(target)
    assert order == patches()[-5:]
    for index in (2, 0, 2, 0):
        assert Derived().method() == [made[order[-1]], "base of all"]
        assert all(patch.replacement is not None for patch in order)
        order.pop(index).undo()
        assert patches(target) == order
    order.pop().undo()
    assert Derived().method() == ["derived"]
