"""Promise 11 for targets by name: a name is announced at once, and each function when it comes.

Audit hooks cannot be removed, so each test runs a script in a process of its own.
"""

import pytest
import script

PRELUDE = """
import importlib, sys
from pathlib import Path
from hotpatch import PatchError, atomic, hotpatch, lock, patches

sys.dont_write_bytecode = True
sys.path.insert(0, "{folder}")
Path("{folder}", "module.py").write_text("def f(): return 'base'")

def new():
    return "new"

events = []
vetoed = ()

def hook(event, arguments):
    if event.startswith("hotpatch.") and arguments[2] == "me":
        if arguments[0] in vetoed or getattr(arguments[0], "__name__", None) in vetoed:
            raise PermissionError("no")
        events.append((event.removeprefix("hotpatch."), *arguments))

sys.addaudithook(hook)
"""


@pytest.fixture
def prelude(tmp_path: object) -> str:
    return PRELUDE.format(folder=tmp_path)


def test_events_of_a_name_that_waits(prelude: str) -> None:
    script.run(
        """
        patch = hotpatch(new, "module:f", by="me")
        assert events == [("apply", "module:f", new, "me")]
        events.clear()
        import module
        first = module.f
        assert events == [("apply", first, new, "me")]
        events.clear()
        importlib.reload(module)
        assert events == [("apply", module.f, new, "me")]
        events.clear()
        patch.undo()
        assert events == [("undo", first, new, "me"), ("undo", module.f, new, "me")]
        """,
        prelude,
    )


def test_events_of_a_name_that_is_imported(prelude: str) -> None:
    script.run(
        """
        import module
        with hotpatch(new, "module:f", by="me"):
            assert events == [("apply", module.f, new, "me")]
        """,
        prelude,
    )


def test_nothing_is_announced_when_a_name_that_waits_is_undone(prelude: str) -> None:
    script.run(
        """
        with hotpatch(new, "module:f", by="me"):
            events.clear()
        assert events == []
        """,
        prelude,
    )


def test_importlib_is_announced_as_well(prelude: str) -> None:
    script.run(
        """
        import importlib._bootstrap as private
        seen = []
        def other(event, arguments):
            if event.startswith("hotpatch.") and arguments[2] == "hotpatch":
                seen.append((event, arguments[0]))
        sys.addaudithook(other)
        hooked = [private._init_module_attrs, private._ModuleLock.release]
        with hotpatch(new, "module:f"), hotpatch(new, "module:g"):
            assert seen == [("hotpatch.apply", function) for function in hooked]
        assert seen[2:] == [("hotpatch.undo", function) for function in hooked]
        """,
        prelude,
    )


def test_a_name_can_be_vetoed(prelude: str) -> None:
    script.run(
        """
        vetoed = ["module:f"]
        try:
            hotpatch(new, "module:f", by="me")
        except PermissionError:
            pass
        else:
            raise AssertionError
        assert patches() == []
        import module
        assert module.f() == "base"
        """,
        prelude,
    )


def test_a_veto_when_the_function_comes_fails_the_import_and_leaves_nothing(prelude: str) -> None:
    script.run(
        """
        vetoed = ["f"]
        patch = hotpatch(new, "module:f", by="me")
        other = hotpatch(new, "module:f")
        for _ in range(2):
            try:
                import module
            except PatchError as error:
                assert "<Patch of module:f by me at " in str(error)
                assert isinstance(error.__cause__, PermissionError)
            else:
                raise AssertionError
            assert "module" not in sys.modules
            assert [it.pending for it in patches()] == [True, True]
        vetoed = ()
        import module
        assert module.f() == "new"
        patch.undo()
        other.undo()
        assert module.f() == "base"
        assert patches() == []
        """,
        prelude,
    )


def test_a_veto_of_an_undo_leaves_all_functions_patched(prelude: str) -> None:
    script.run(
        """
        patch = hotpatch(new, "module:f", by="me")
        import module
        first = module.f
        importlib.reload(module)
        vetoed = ["f"]
        for _ in range(2):
            try:
                patch.undo()
            except PermissionError:
                pass
            else:
                raise AssertionError
            assert (first(), module.f(), patch.active) == ("new", "new", True)
        vetoed = ()
        patch.undo()
        assert (first(), module.f(), patch.active) == ("base", "base", False)
        """,
        prelude,
    )


def test_a_lock_refuses_new_names_and_keeps_old_ones(prelude: str) -> None:
    script.run(
        """
        patch = hotpatch(new, "module:f")
        lock()
        for name in ["module:f", "other:f", "importlib:reload"]:
            try:
                hotpatch(new, name)
            except PatchError as error:
                assert str(error).startswith(f"cannot patch '{name}': lock() was called at ")
            else:
                raise AssertionError
        assert patches() == [patch]
        import module
        assert module.f() == "new"
        importlib.reload(module)
        assert module.f() == "new"
        patch.undo()
        assert module.f() == "base"
        importlib.reload(module)
        assert module.f() == "base"
        """,
        prelude,
    )


def test_a_lock_keeps_what_a_block_asked_for_before(prelude: str) -> None:
    script.run(
        """
        def function():
            return "base"

        with atomic():
            hotpatch(new, function)
            hotpatch(new, "module:f")
            lock()
        import module
        assert (function(), module.f()) == ("new", "new")
        """,
        prelude,
    )


def test_a_name_that_goes_while_another_is_applied_takes_no_import_with_it(prelude: str) -> None:
    script.run(
        """
        import module
        def undo_other(event, arguments):
            if event == "hotpatch.apply" and arguments[0] is module.f:
                other.undo()
        other = hotpatch(new, "not_imported:f")
        sys.addaudithook(undo_other)
        patch = hotpatch(new, "module:f")
        assert patches() == [patch]
        importlib.reload(module)
        assert module.f() == "new"
        """,
        prelude,
    )


def test_a_module_that_is_imported_while_its_name_is_asked_for_is_patched(prelude: str) -> None:
    script.run(
        """
        Path(sys.path[0], "other.py").write_text("def f(): return 'base'")
        import other
        def import_module(event, arguments):
            if event == "hotpatch.apply" and arguments[0] is other.f:
                import module
        sys.addaudithook(import_module)
        with atomic():
            patch = hotpatch(new, "module:f")
            hotpatch(new, "other:f")
        assert (patch.active, patch.pending) == (True, False)
        assert sys.modules["module"].f() == other.f() == "new"
        """,
        prelude,
    )
