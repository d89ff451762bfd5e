"""Promise 11: audit hooks may change things themselves in the middle of a patch or an undo."""

import script

PRELUDE = """
import sys
import warnings
from hotpatch import PatchError, hotpatch, patches

def target():
    return "old"

def replacement():
    return "new"

def generator():
    yield

events = []

def on_event(event, *arguments):
    pass

def hook(event, arguments):
    if event.startswith("hotpatch."):
        events.append((event, *arguments))
        on_event(event, *arguments)

sys.addaudithook(hook)
warnings.simplefilter("ignore", DeprecationWarning)  # code of another kind is assigned
"""


def run(text: str) -> None:
    script.run(text, PRELUDE)


def test_a_hook_may_patch_the_target_first() -> None:
    """What is announced goes on top of what the hook has made."""
    run("""
        def on_event(event, target, replacement, by):
            if by != "hook":
                hotpatch(lambda: "hook", target, by="hook")

        patch = hotpatch(replacement, target)
        assert target() == "new"
        assert [each.by for each in patches(target)] == ["hook", "__main__"]
        assert patch.original() == "hook"
        assert len(events) == 2
        """)


def test_a_hook_may_undo_the_patches_below_and_above() -> None:
    run("""
        lower = hotpatch(lambda: "lower", target)
        middle = hotpatch(lambda: "middle", target)
        upper = hotpatch(lambda: "upper", target)

        def on_event(event, function, replacement, by):
            if not events[1:]:
                lower.undo()
                upper.undo()

        events.clear()

        middle.undo()
        assert target() == "old"
        assert patches() == []
        """)


def test_a_hook_may_undo_the_patch_whose_undo_it_hears_of() -> None:
    run("""
        patch = hotpatch(replacement, target)
        events.clear()

        def on_event(event, function, replacement, by):
            if len(events) == 1:
                patch.undo()

        patch.undo()
        assert target() == "old"
        assert patches() == []
        """)


def test_a_hook_may_assign_the_code_of_a_target_that_is_about_to_be_patched() -> None:
    """The patch lies over what the hook has made of the target."""
    run("""
        def on_event(event, function, replacement, by):
            if event == "hotpatch.apply":
                function.__code__ = (lambda: "hook").__code__

        patch = hotpatch(replacement, target)
        assert target() == "new"
        assert patch.original() == "hook"
        patch.undo()
        assert target() == "hook"
        """)


def test_a_hook_that_changes_the_kind_of_the_target_makes_the_patch_fail() -> None:
    run("""
        def on_event(event, function, replacement, by):
            function.__code__ = generator.__code__

        try:
            hotpatch(replacement, target)
        except TypeError as error:
            assert "generator function" in str(error)
        else:
            raise AssertionError
        assert patches() == []
        assert target.__code__ is generator.__code__
        """)


def test_a_hook_that_changes_the_kind_of_the_replacement_makes_the_patch_fail() -> None:
    run("""
        def on_event(event, function, replacement, by):
            replacement.__code__ = generator.__code__

        try:
            hotpatch(replacement, target)
        except TypeError as error:
            assert "generator function" in str(error)
        else:
            raise AssertionError
        assert patches() == []
        assert target() == "old"
        """)


def test_a_hook_may_assign_the_code_of_the_replacement() -> None:
    run("""
        def on_event(event, function, replacement, by):
            replacement.__code__ = (lambda: "hook").__code__

        with hotpatch(replacement, target):
            assert target() == "hook"
            events.clear()
            on_event = lambda *arguments: None
        assert target() == "old"
        """)


def test_a_hook_that_assigns_code_in_the_middle_of_an_undo_makes_it_fail() -> None:
    run("""
        patch = hotpatch(replacement, target)
        ours = target.__code__

        def on_event(event, function, replacement, by):
            function.__code__ = (lambda: "hook").__code__

        try:
            patch.undo()
        except PatchError as error:
            assert "somebody else" in str(error)
        else:
            raise AssertionError
        assert target() == "hook"
        assert patches() == [patch]
        on_event = lambda *arguments: None
        target.__code__ = ours
        patch.undo()
        assert target() == "old"
        """)


def test_a_hook_that_assigns_code_while_a_patch_below_is_undone_makes_it_fail() -> None:
    run("""
        lower = hotpatch(lambda: "lower", target)
        upper = hotpatch(replacement, target)
        ours = target.__code__

        def on_event(event, function, replacement, by):
            function.__code__ = (lambda: "hook").__code__

        try:
            lower.undo()
        except PatchError as error:
            assert "somebody else" in str(error)
        else:
            raise AssertionError
        assert patches() == [lower, upper]
        assert upper.original() == "lower"
        on_event = lambda *arguments: None
        target.__code__ = ours
        lower.undo()
        assert upper.original() == "old"
        """)


def test_a_hook_may_drop_every_other_reference_to_the_target() -> None:
    run("""
        import gc

        functions = [lambda: "old"]

        def on_event(event, *arguments):
            functions.clear()
            gc.collect()

        patch = hotpatch(replacement, functions[0])
        del events[:], on_event
        gc.collect()
        assert patch.target is None
        assert not patch.active
        """)
