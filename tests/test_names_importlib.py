"""Targets by name: what importlib does for everybody else, and many threads at once."""

import importlib
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import script
from hotpatch import PatchError, hotpatch, patches
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

PRIVATE: Any = importlib.import_module("importlib._bootstrap")
FIELDS = ["__code__", "__closure__", "__defaults__", "__kwdefaults__", "__globals__", "__dict__"]


def new(*args: Any) -> str:
    return "new"


def state() -> list[Any]:
    """All functions of importlib's core, and what they are made of."""
    namespaces = [PRIVATE, *(it for it in vars(PRIVATE).values() if isinstance(it, type))]
    functions = [
        it for space in namespaces for it in vars(space).values() if hasattr(it, "__code__")
    ]
    assert len(functions) > 50
    return [(function, *(getattr(function, field) for field in FIELDS)) for function in functions]


def traceback_of(run: Callable[[], object]) -> list[str]:
    """The files and functions in the traceback with which `run` fails."""
    try:
        run()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        return [type(error).__name__, *(f"{it.filename}:{it.name}:{it.lineno}" for it in frames)]
    raise AssertionError("it has not failed")


FAILING = {
    "ImportError in the body": "raise ImportError",
    "ModuleNotFoundError": "import no_such_module_at_all",
    "another": "1 / 0",
    "in a function": "def g(): raise ImportError\ng()",
    "SyntaxError": "def",
    "in what it imports": "import failing_inside",
}


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_tracebacks_of_failing_imports_are_as_ever(modules: Modules, text: str) -> None:
    modules.write("def g(): 1 / 0\ng()", "failing_inside")
    name = modules.write(text)

    def load() -> None:
        exec(f"import {name}", {})

    def load_by_function() -> None:
        importlib.import_module(name)

    for run in (load, load_by_function):
        before = traceback_of(run)
        assert any(name in line for line in before) or text == "def"
        with hotpatch(new, f"{name}:f"), hotpatch(new, "failing_inside:f"):
            assert traceback_of(run) == before
            assert name not in sys.modules


@pytest.mark.parametrize("text", ["raise ImportError", "def g(): 1 / 0\ng()"])
def test_tracebacks_of_failing_reloads_are_as_ever(modules: Modules, text: str) -> None:
    name = modules.write("def f(): return 'base'")
    module: Any = modules.load(name)
    (modules.folder / f"{name}.py").write_text(f"def f(): return 'base'\n{text}")

    def load() -> None:
        importlib.reload(module)

    before = traceback_of(load)
    with hotpatch(new, f"{name}:f"):
        assert traceback_of(load) == before
        assert module.f() == "new"  # it has this function all the same
    assert module.f() == "base"


def test_a_reload_that_fails_twice_tells_both(modules: Modules) -> None:
    name = modules.write("def f(): return 'base'")
    module: Any = modules.load(name)
    with hotpatch(new, f"{name}:f"):
        (modules.folder / f"{name}.py").write_text("class f: pass\n1 / 0")
        with pytest.raises(PatchError, match="it is a class") as caught:
            importlib.reload(module)
        cause = caught.value.__cause__
        assert isinstance(cause, TypeError)
        assert isinstance(cause.__context__, ZeroDivisionError)


@pytest.mark.parametrize("is_imported", [True, False])
def test_importlib_is_as_before_when_no_name_is_left(modules: Modules, is_imported: bool) -> None:
    before = state()
    name = modules.write("def f(): return 'base'")
    with hotpatch(new, f"{name}:f"):
        with hotpatch(new, f"{name}:f"):
            during = state()
            changed = {old[0] for old, it in zip(before, during, strict=True) if old != it}
            assert changed == {PRIVATE._init_module_attrs, PRIVATE._ModuleLock.release}
            assert patches(PRIVATE._init_module_attrs) == []
            if is_imported:
                modules.load(name)
        assert state() == during
    assert state() == before


@pytest.mark.parametrize("wrong", ["no_such_name:", "json:no_such_function", "json:JSONDecoder"])
def test_importlib_is_as_before_after_a_refusal(wrong: str) -> None:
    import json

    assert json
    before = state()
    with pytest.raises((ValueError, PatchError, TypeError)):
        hotpatch(new, wrong)
    assert state() == before


def test_other_imports_are_as_ever(modules: Modules) -> None:
    names = [modules.write("def f(): return 'base'") for _ in range(3)]
    with hotpatch(new, f"{names[1]}:f"):
        assert [modules.load(name).f() for name in names] == ["base", "new", "base"]
        with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'") as caught:
            importlib.import_module("no_such_module")
        assert caught.value.name == "no_such_module"
    assert [sys.modules[name].f() for name in names] == ["base"] * 3


def in_threads(*runs: Callable[[], object]) -> None:
    """Run all at once; raise what one of them raises."""
    errors = []
    start = threading.Barrier(len(runs))

    def call(run: Callable[[], object]) -> None:
        start.wait()
        try:
            run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=[run], daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    if errors:
        raise errors[0]


@pytest.fixture
def quick_switches() -> Any:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("quick_switches")
def test_no_thread_that_has_imported_sees_the_old_function(modules: Modules) -> None:
    inner = modules.write("def f(): return 'base'")
    name = modules.write(f"from {inner} import f as g\ndef f(): return 'base'")

    def load() -> None:
        module = modules.load(name)
        seen.append((module.f(), module.g()))

    with hotpatch(new, f"{inner}:f"), hotpatch(new, f"{name}:f"):
        for _ in range(50):
            seen: list[Any] = []
            in_threads(*[load] * 6)
            assert seen == [("new", "new")] * 6
            del sys.modules[name], sys.modules[inner]


@pytest.mark.usefixtures("quick_switches")
def test_threads_patch_and_undo_what_others_import(modules: Modules) -> None:
    text = "\n".join(f"def f{index}(): return 'base'" for index in range(3))
    name = modules.write(f"{text}\ndef kept(): return 'base'")
    before = state()

    # While a thread reloads a module, others see it half made, so they look when all have ended.
    def reload() -> None:
        for _ in range(20):
            importlib.reload(modules.load(name))

    def change(index: int) -> None:
        for _ in range(20):
            with hotpatch(new, f"{name}:f{index}") as patch:
                modules.load(name)
                assert (patch.active, patch.pending) == (True, False)

    for _ in range(5):
        with hotpatch(new, f"{name}:kept"):
            in_threads(reload, reload, *(lambda index=index: change(index) for index in range(3)))
            module: Any = sys.modules.pop(name)
            assert module.kept() == "new"
        assert patches(by=__name__) == []
        assert [module.kept(), module.f0(), module.f1(), module.f2()] == ["base"] * 4
    assert state() == before


@pytest.mark.usefixtures("quick_switches")
def test_the_last_name_can_go_while_another_comes(modules: Modules) -> None:
    names = [modules.write("def f(): return 'base'") for _ in range(4)]
    before = state()

    def work(name: str) -> None:
        for _ in range(30):
            with hotpatch(new, f"{name}:f") as patch:
                assert modules.load(name).f() == "new"
                assert not patch.pending
                assert sys.modules.pop(name).f() == "new"

    in_threads(*(lambda name=name: work(name) for name in names))
    assert state() == before


def test_a_name_that_another_thread_gives_up_in_a_block_leaves_importlib_as_it_was() -> None:
    script.run("""
        import importlib._bootstrap as private
        import sys, threading
        from hotpatch import atomic, hotpatch

        def undo_elsewhere(event, arguments):
            if event == "hotpatch.apply" and waiting and arguments[0] is not waiting[0]:
                thread = threading.Thread(target=waiting.pop().undo)
                thread.start()
                thread.join()

        waiting = []
        before = private._init_module_attrs.__code__
        patch = hotpatch(lambda: "new", "colorsys:hls_to_rgb")
        assert private._init_module_attrs.__code__ is not before
        sys.addaudithook(undo_elsewhere)
        waiting.append(patch)
        try:
            with atomic():
                import colorsys
                1 / 0
        except ZeroDivisionError:
            pass
        assert not waiting
        assert colorsys.hls_to_rgb(0, 0, 0) == (0, 0, 0)
        assert private._init_module_attrs.__code__ is before
        """)
