"""Promise 11: audit hooks hear of each change before it is made, and can veto it.

Audit hooks cannot be removed, so each test runs a script in a process of its own.
"""

import pytest
import script

PRELUDE = """
import sys
from hotpatch import PatchError, hotpatch, patches

def target():
    return "old"

def replacement():
    return "new"

def state(function):
    return [function.__code__, function.__defaults__, function.__closure__, vars(function)]

events = []

def on_event(event, *arguments):
    pass

def hook(event, arguments):
    if event.startswith("hotpatch."):
        events.append((event, *arguments))
        on_event(event, *arguments)

sys.addaudithook(hook)
before = state(target)
"""


def run(text: str) -> None:
    script.run(text, PRELUDE)


def test_an_event_says_what_is_patched_with_what_and_by_whom() -> None:
    run("""
        hotpatch(replacement, target, by="me")
        assert events == [("hotpatch.apply", target, replacement, "me")]
        """)


def test_an_event_says_what_is_undone() -> None:
    run("""
        patch = hotpatch(replacement, target, by="me")
        events.clear()
        patch.undo()
        assert events == [("hotpatch.undo", target, replacement, "me")]
        """)


def test_the_author_is_the_calling_module_by_default() -> None:
    run("""
        with hotpatch(replacement, target):
            pass
        assert [by for *_, by in events] == ["__main__", "__main__"]
        """)


@pytest.mark.parametrize(
    "reached",
    ["K.plain", "K().plain", "K.of_class", "vars(K)['of_class']", "vars(K)['static']", "K.shown"],
)
def test_the_target_of_an_event_is_the_function_that_changes(reached: str) -> None:
    run(f"""
        class K:
            def plain(self): pass
            of_class = classmethod(plain)
            static = staticmethod(plain)
            shown = property(plain)

        function = K.plain
        with hotpatch(replacement, {reached}):
            pass
        assert [event[1] for event in events] == [function, function]
        assert type(events[0][1]) is type(target)
        """)


@pytest.mark.parametrize("given", ["len", "list", "'text'.upper", "functools.partial(len, '')"])
def test_the_replacement_of_an_event_is_what_was_given(given: str) -> None:
    run(f"""
        import functools
        given = {given}
        with hotpatch(given, target):
            pass
        assert [event[2] is given for event in events] == [True, True]
        """)


def test_nothing_has_changed_when_a_patch_is_announced() -> None:
    run("""
        seen = []

        def on_event(event, *arguments):
            seen.append([target(), state(target) == before, patches(), patches(target)])

        hotpatch(replacement, target)
        assert seen == [["old", True, [], []]]
        assert target() == "new"
        """)


def test_nothing_has_changed_when_an_undo_is_announced() -> None:
    run("""
        patch = hotpatch(replacement, target)
        during = state(target)
        seen = []

        def on_event(event, *arguments):
            seen.append([target(), state(target) == during, patches() == [patch], patch.active])

        patch.undo()
        assert seen == [["new", True, True, True]]
        assert target() == "old"
        """)


@pytest.mark.parametrize("error", ["RuntimeError", "TypeError", "PatchError", "KeyboardInterrupt"])
def test_a_hook_can_veto_a_patch(error: str) -> None:
    run(f"""
        veto = {error}("no")

        def on_event(event, *arguments):
            raise veto

        try:
            hotpatch(replacement, target)
        except {error} as raised:
            assert raised is veto
        else:
            raise AssertionError
        assert state(target) == before
        assert target() == "old"
        assert patches() == patches(target) == []
        """)


@pytest.mark.parametrize("error", ["RuntimeError", "TypeError", "PatchError", "KeyboardInterrupt"])
def test_a_hook_can_veto_an_undo(error: str) -> None:
    run(f"""
        patch = hotpatch(replacement, target)
        during = state(target)
        veto = {error}("no")

        def on_event(event, *arguments):
            raise veto

        try:
            patch.undo()
        except {error} as raised:
            assert raised is veto
        else:
            raise AssertionError
        assert state(target) == during
        assert target() == "new"
        assert patch.active
        assert patch.replacement is replacement
        assert patches() == patches(target) == [patch]
        """)


def test_what_was_vetoed_can_be_done_later() -> None:
    run("""
        vetoes = 2

        def on_event(event, *arguments):
            global vetoes
            vetoes -= 1
            if vetoes >= 0:
                raise RuntimeError("not yet")

        for _ in range(2):
            try:
                hotpatch(replacement, target)
            except RuntimeError:
                pass
        patch = hotpatch(replacement, target)
        vetoes = 2
        for _ in range(2):
            try:
                patch.undo()
            except RuntimeError:
                pass
        assert target() == "new"
        patch.undo()
        assert target() == "old"
        assert state(target) == before
        """)


def test_a_vetoed_exit_of_a_with_block_raises_the_veto_and_leaves_the_patch() -> None:
    run("""
        def on_event(event, *arguments):
            if event == "hotpatch.undo":
                raise RuntimeError("no")

        try:
            with hotpatch(replacement, target) as patch:
                raise KeyError("of the block")
        except RuntimeError as error:
            assert isinstance(error.__context__, KeyError)
        assert patch.active
        assert target() == "new"
        """)


def test_an_undo_in_the_middle_of_a_stack_can_be_vetoed() -> None:
    run("""
        made = [hotpatch(lambda number=number: number, target) for number in range(3)]
        originals = [patch.original for patch in made]

        def on_event(event, *arguments):
            raise RuntimeError("no")

        for patch in made:
            try:
                patch.undo()
            except RuntimeError:
                pass
        assert patches(target) == made
        assert [original() for original in originals] == ["old", 0, 1]
        assert target() == 2
        """)


def test_there_is_one_event_for_each_change() -> None:
    run("""
        with hotpatch(replacement, target) as patch:
            patch.original()
            patches(target)
        assert [event for event, *_ in events] == ["hotpatch.apply", "hotpatch.undo"]
        """)


@pytest.mark.parametrize(
    "nothing",
    [
        "patch.undo()",
        "patch.__exit__(None, None, None)",
        "gone.undo()",
        "patch.original()",
        "patches()",
    ],
)
def test_there_is_no_event_when_nothing_changes(nothing: str) -> None:
    run(f"""
        patch = hotpatch(replacement, target)
        patch.undo()
        gone = hotpatch(replacement, lambda: 1)
        events.clear()
        {nothing}
        assert events == []
        """)


@pytest.mark.parametrize(
    "wrong",
    [
        "(replacement, dict.__getitem__)",
        "(5, target)",
        "(generator, target)",
        "(replacement, None)",
    ],
)
def test_there_is_no_event_for_bad_input(wrong: str) -> None:
    run(f"""
        def generator():
            yield

        try:
            hotpatch{wrong}
        except TypeError:
            pass
        else:
            raise AssertionError
        assert events == []
        """)


def test_there_is_no_event_for_an_undo_that_a_foreign_write_forbids() -> None:
    run("""
        patch = hotpatch(replacement, target)
        target.__code__ = (lambda: "foreign").__code__
        events.clear()
        try:
            patch.undo()
        except PatchError:
            pass
        else:
            raise AssertionError
        assert events == []
        """)
