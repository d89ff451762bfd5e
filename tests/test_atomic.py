"""Several patches and undos that become visible together, or not at all."""

import asyncio
import contextvars
import functools
import math
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import script
from hotpatch import Patch, PatchError, atomic, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")


def make_target(word: str = "base") -> Any:
    def target(x: int = 0) -> Any:
        return word

    return target


def tracer(mark: str) -> Any:
    def hook(original: Any, *args: Any) -> Any:
        return mark, original(*args)

    return hook


def test_nothing_shows_inside_and_everything_at_the_end() -> None:
    one, two = make_target(), make_target()
    cache = functools.lru_cache(make_target())
    standing = hotpatch(lambda x=0: "standing", two)
    with atomic():
        made = [
            hotpatch(lambda x=0: "new", one),
            hotpatch(tracer("around"), one, how="around"),
            hotpatch(lambda x: 0.5, math.sqrt),
            hotpatch(lambda self: "new", str.upper),
            hotpatch(lambda: "new", cache),
        ]
        standing.undo()
        assert [one(), two(), math.sqrt(4), "a".upper(), cache()] == [
            "base",
            "standing",
            2.0,
            "A",
            "base",
        ]
        assert patches(one) == []
        assert [patch.active for patch in made] == [False] * 5
        assert standing.active
        assert ", pending>" in repr(made[0])
    assert [one(), two(), math.sqrt(4), "a".upper(), cache()] == [
        ("around", "new"),
        "base",
        0.5,
        "new",
        "new",
    ]
    assert [patch.active for patch in made] == [True] * 5
    assert not standing.active
    assert patches(one) == made[:2]
    with atomic():
        for patch in made:
            patch.undo()
        assert one() == ("around", "new")
    assert [one(), two(), math.sqrt(4), "a".upper(), cache()] == ["base", "base", 2.0, "A", "base"]


def test_an_exception_leaves_nothing_changed() -> None:
    one, two = make_target(), make_target()
    standing = hotpatch(lambda x=0: "standing", two)
    with pytest.raises(KeyError), atomic():
        patch = hotpatch(lambda x=0: "new", one)
        standing.undo()
        raise KeyError
    assert [one(), two()] == ["base", "standing"]
    assert not patch.active
    assert standing.active
    patch.undo()
    with pytest.raises(TypeError, match="cannot patch"), atomic():
        patch = hotpatch(lambda x=0: "new", one)
        hotpatch(lambda x=0: "new", int)
    assert [one(), two()] == ["base", "standing"]
    standing.undo()


def test_what_is_found_at_the_end_leaves_nothing_changed() -> None:
    one, two = make_target(), make_target()
    patch = hotpatch(lambda x=0: "standing", two)
    code = two.__code__
    with pytest.raises(PatchError, match="changed by somebody else"), atomic():
        first = hotpatch(lambda x=0: "new", one)
        hotpatch(lambda x=0: "new", two)
        two.__code__ = make_target("foreign").__code__.replace(co_freevars=())
    assert one() == "base"
    assert patches(one) == []
    assert not first.active
    two.__code__ = code
    patch.undo()


def test_crossed_patches_swap() -> None:
    one, two = make_target("one"), make_target("two")
    with atomic():
        made = [hotpatch(one, two), hotpatch(two, one)]
    assert [one(), two()] == ["two", "one"]
    with atomic():
        for patch in made:
            patch.undo()
    assert [one(), two()] == ["one", "two"]


def test_a_patch_can_take_the_place_of_another() -> None:
    target = make_target()
    first = hotpatch(lambda x=0: "first", target)
    with atomic():
        first.undo()
        second = hotpatch(lambda x=0: "second", target)
        assert target() == "first"
    assert target() == "second"
    assert patches(target) == [second]
    assert second.original() == "base"
    second.undo()


def test_several_patches_of_one_target() -> None:
    target = make_target()
    low = hotpatch(lambda x=0: "low", target)
    top = hotpatch(tracer("top"), target, how="around", order=9)
    with atomic():
        made = [
            hotpatch(tracer("a"), target, how="around", order=5),
            hotpatch(tracer("b"), target, how="around", order=5),
            hotpatch(tracer("c"), target, how="around", order=-5),
            hotpatch(tracer("d"), target, how="around", order=20),
        ]
        low.undo()
    assert target() == ("d", ("top", ("b", ("a", ("c", "base")))))
    with atomic():
        made[0].undo()
        made[2].undo()
        top.undo()
    assert target() == ("d", ("b", "base"))
    made[1].undo()
    made[3].undo()


def test_patches_of_a_block_are_listed_in_the_order_in_which_they_were_asked_for() -> None:
    one, two = make_target(), make_target()
    cache = functools.lru_cache(make_target())
    targets = [math.erfc, one, "a_module_that_is_not_there:f", two, cache, f"{__name__}:tracer"]
    with atomic():
        made = [hotpatch(repr, target) for target in [*targets, *reversed(targets)]]
    assert [patch for patch in patches() if patch in made] == made
    assert patches(one) == [made[1], made[-2]]
    with atomic():
        for patch in made:
            patch.undo()


def test_a_patch_undone_in_its_block_never_comes() -> None:
    target = make_target()
    with atomic():
        with hotpatch(lambda x=0: "new", target) as patch:
            pass
        assert ", undone>" in repr(patch)
    assert target() == "base"
    assert not patch.active


def test_blocks_in_blocks_join_the_outer() -> None:
    one, two = make_target(), make_target()
    with atomic():
        with atomic():
            first = hotpatch(lambda x=0: "new", one)
        assert one() == "base"
        with pytest.raises(KeyError), atomic():
            first.undo()
            second = hotpatch(lambda x=0: "new", two)
            raise KeyError
    assert [one(), two()] == ["new", "base"]
    assert first.active
    assert not second.active
    first.undo()


@pytest.mark.parametrize("is_named", [False, True])
def test_what_a_failed_block_took_back_from_the_outer_one_comes_all_the_same(
    is_named: bool,
) -> None:
    target = make_target()
    named: Any = "a_module_that_is_not_there:f" if is_named else target
    with atomic():
        kept, undone = [hotpatch(tracer(mark), named, how="around") for mark in "ab"]
        undone.undo()
        with pytest.raises(KeyError), atomic():
            kept.undo()
            with atomic():
                undone.undo()
            raise KeyError
        assert [kept.pending, undone.pending] == [True, False]
    assert [kept.active, undone.active] == [not is_named, False]
    assert [kept.pending, undone.pending] == [is_named, False]
    assert target() == ("base" if is_named else ("a", "base"))
    with atomic():
        with atomic():
            never = hotpatch(tracer("c"), named, how="around")
        with atomic():
            never.undo()
    assert [never.active, never.pending] == [False, False]
    kept.undo()


def test_blocks_of_tasks_in_a_block_fail_alone() -> None:
    targets = [make_target() for _ in range(4)]
    hooked = make_target()
    low = hotpatch(tracer("low"), hooked, how="around")
    standing = hotpatch(tracer("standing"), hooked, how="around")

    async def task(number: int) -> None:
        with atomic():
            hotpatch(lambda x=0: "new", targets[number])
            standing.undo()
            await asyncio.sleep(0)  # so that all have asked before one fails
            if number % 2:
                raise KeyError(number)

    async def main() -> list[object]:
        with atomic():
            tasks = [task(number) for number in range(4)]
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    assert list(map(repr, asyncio.run(main()))) == ["None", "KeyError(1)", "None", "KeyError(3)"]
    assert [target() for target in targets] == ["new", "base", "new", "base"]
    assert hooked() == ("low", "base")
    for patch in [*patches(targets[0]), *patches(targets[2]), low]:
        patch.undo()
    assert hooked() == "base"


def test_a_block_that_outlives_the_one_around_it_ends_on_its_own() -> None:
    target = make_target()

    async def task(go: asyncio.Event) -> None:
        with atomic():
            hotpatch(lambda x=0: "new", target)
            await go.wait()

    async def main() -> list[object]:
        go = asyncio.Event()
        with pytest.raises(KeyError), atomic():
            begun = asyncio.ensure_future(task(go))
            await asyncio.sleep(0)
            raise KeyError
        found = [target()]
        go.set()
        await begun
        return [*found, target()]

    assert asyncio.run(main()) == ["base", "new"]
    patches(target)[0].undo()


def test_a_block_runs_once_at_a_time() -> None:
    block = atomic()
    with block:
        with pytest.raises(PatchError, match="runs already"):
            block.__enter__()
        patch = hotpatch(lambda x=0: "new", make_target())
    assert patch.active or patch.target is None
    with block:
        pass


def test_other_threads_and_tasks_go_on_meanwhile() -> None:
    mine, theirs = make_target(), make_target()

    def patch() -> Patch:
        return hotpatch(lambda x=0: "new", theirs)

    with atomic():
        hotpatch(lambda x=0: "new", mine)
        made: list[Any] = []
        context = contextvars.Context()
        thread = threading.Thread(target=lambda: made.append(context.run(patch)))
        thread.start()
        thread.join()
        assert [mine(), theirs()] == ["base", "new"]
    assert mine() == "new"
    made[0].undo()

    async def task(target: Any, hold: bool) -> str:
        if hold:
            with atomic(), hotpatch(lambda x=0: "never", target):
                await asyncio.sleep(0.01)
        else:
            with hotpatch(lambda x=0: "new", target):
                return str(target())
        return str(target())

    async def main() -> list[str]:
        return list(await asyncio.gather(task(make_target(), True), task(make_target(), False)))

    assert asyncio.run(main()) == ["base", "new"]


def test_a_task_that_outlives_its_block_patches_as_always() -> None:
    target = make_target()

    async def later(go: asyncio.Event) -> Any:
        await go.wait()
        with hotpatch(lambda x=0: "new", target) as patch:
            return target(), patch.active

    async def main() -> Any:
        go = asyncio.Event()
        with atomic():
            task = asyncio.ensure_future(later(go))
            await asyncio.sleep(0)
        go.set()
        with atomic():
            return await task

    assert asyncio.run(main()) == ("new", True)


def test_no_thread_sees_one_change_without_the_other() -> None:
    one, two = make_target(), make_target()
    torn: list[object] = []
    stop = threading.Event()

    def both() -> tuple[object, object]:
        return one(), two()

    def watch() -> None:
        while not stop.is_set():
            first, second, again = one(), two(), one()
            if first == again and first != second:
                torn.append((first, second))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=watch) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for number in range(300):
            with atomic():
                made = [
                    hotpatch(lambda x=0, number=number: number, one),
                    hotpatch(lambda x=0, number=number: number, two),
                ]
            assert both() == (number, number)
            with atomic():
                for patch in made:
                    patch.undo()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    # `one` may have changed and changed back in between: that is rare, a torn block is not.
    assert len(torn) < 10


def test_a_function_and_an_original_of_its_patches_are_refused_together() -> None:
    target = make_target()
    outer = hotpatch(tracer("outer"), target, how="around", order=5)
    with pytest.raises(PatchError, match="use a block for each"), atomic():
        hotpatch(tracer("inner"), target, how="around")
        hotpatch(lambda x=0: "new", outer.original)
    assert target() == ("outer", "base")
    outer.undo()


def test_scopes_and_hooks_come_about_in_a_block() -> None:
    target = make_target()
    before = len(contextvars.copy_context())
    with atomic():
        patch = hotpatch(lambda x=0: "new", target, scope="context")
    assert target() == "new"
    assert contextvars.Context().run(target) == "base"
    patch.undo()
    with pytest.raises(KeyError), atomic():
        hotpatch(lambda x=0: "new", target, scope="context")
        raise KeyError
    with pytest.raises(KeyError), atomic():
        with atomic(), pytest.raises(KeyError), atomic():
            hotpatch(lambda x=0: "new", target, scope="context")
            raise KeyError
        hotpatch(lambda x=0: "new", target, scope="context").undo()
        raise KeyError
    assert target() == "base"
    assert len(contextvars.copy_context()) == before


def test_a_patch_is_for_the_thread_and_the_context_in_which_it_was_asked_for() -> None:
    target, other = make_target(), make_target()
    with ThreadPoolExecutor(1) as pool:
        with atomic():
            run_here = contextvars.copy_context().run
            asked = pool.submit(run_here, hotpatch, lambda x=0: "new", target, scope="thread")
            patch = asked.result()
        assert [target(), pool.submit(target).result()] == ["base", "new"]
    patch.undo()

    async def call(go: asyncio.Event) -> object:
        await go.wait()
        return other()

    async def main() -> list[object]:
        go = asyncio.Event()
        tasks = [asyncio.ensure_future(call(go))]
        with atomic(), pytest.raises(KeyError), atomic():
            hotpatch(lambda x=0: "dropped", other, scope="context")
            raise KeyError
        with atomic():
            hotpatch(lambda x=0: "new", other, scope="context")
            tasks.append(asyncio.ensure_future(call(go)))
        go.set()
        found = [*await asyncio.gather(*tasks), other()]
        patches(other)[0].undo()
        return found

    assert asyncio.run(main()) == ["base", "new", "new"]


def test_audit_hooks_are_asked_when_a_change_is_asked_for() -> None:
    output = script.run(
        """
        import sys
        from hotpatch import atomic, hotpatch

        def target():
            return "old"

        def hook(event, arguments):
            if event.startswith("hotpatch."):
                print(event, target())

        sys.addaudithook(hook)
        with atomic():
            patch = hotpatch(lambda: "new", target)
            print("asked")
        with atomic():
            patch.undo()
            patch.undo()
            print("asked")
        """
    )
    assert output == "hotpatch.apply old\nasked\nhotpatch.undo new\nasked\n"


def test_the_originals_of_patches_are_right_inside() -> None:
    target = make_target()
    standing = hotpatch(lambda x=0: "standing", target)
    with atomic():
        patch = hotpatch(tracer("new"), target, how="around")
        assert patch.original() == "standing"
        standing.undo()
        assert patch.original() == "standing"
    assert patch.original() == "base"
    assert re.match("<Patch of .*, active>", repr(patch))
    patch.undo()
