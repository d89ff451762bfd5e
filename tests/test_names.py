"""Targets by name: what they name, how long they wait, and what becomes of them."""

import functools
import gc
import importlib
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import Patch, PatchError, atomic, hotpatch, patches
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

TEXT = """
    import functools

    def f(x=1):
        return "base", x

    class C:
        def m(self):
            return "base"
        @classmethod
        def c(cls):
            return "base"
        @staticmethod
        def s():
            return "base"
        @property
        def p(self):
            return "base"
        @functools.lru_cache
        def cached(self):
            return "base"

    during = f()
    """


def new(*args: Any) -> str:
    return "new"


def mine() -> list[Patch]:
    return patches(by=__name__)


def test_a_patch_waits_for_the_import(modules: Modules) -> None:
    name = modules.write(TEXT)
    with hotpatch(new, f"{name}:f") as patch:
        assert name not in sys.modules
        assert (patch.pending, patch.active, patch.target) == (True, False, None)
        assert mine() == patches(f"{name}:f") == [patch]
        assert repr(patch).startswith(f"<Patch of {name}:f by test_names at ")
        assert repr(patch).endswith(", pending>")
        module = modules.load(name)
        assert module.during == ("base", 1)  # while the body runs
        assert module.f() == "new"
        assert (patch.pending, patch.active, patch.target) == (False, True, module.f)
        assert patch.replacement is new
        assert patch.original(5) == ("base", 5)
        assert mine() == patches(module.f) == patches(f"{name}:f") == [patch]
    assert module.f() == ("base", 1)
    assert (patch.pending, patch.active) == (False, False)
    assert patch.replacement is new
    assert repr(patch).endswith(", undone>")


def test_what_is_imported_is_patched_at_once(modules: Modules) -> None:
    name = modules.write(TEXT)
    module = modules.load(name)
    with hotpatch(new, f"{name}:f") as patch:
        assert (patch.pending, module.f()) == (False, "new")
    assert module.f() == ("base", 1)


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("C.m", lambda module: module.C().m()),
        ("C.c", lambda module: module.C.c()),
        ("C.s", lambda module: module.C.s()),
        ("C.p", lambda module: module.C().p),
        ("C.cached", lambda module: module.C().cached()),
    ],
)
@pytest.mark.parametrize("is_early", [True, False])
def test_a_name_can_be_in_a_class(
    modules: Modules, path: str, call: Callable[[Any], str], is_early: bool
) -> None:
    name = modules.write(TEXT)
    module = None if is_early else modules.load(name)
    with hotpatch(new, f"{name}:{path}"):
        module = module or modules.load(name)
        assert call(module) == "new"
    assert call(module) == "base"


def test_a_reload_is_patched_too_and_undone_with_the_rest(modules: Modules) -> None:
    name = modules.write(TEXT)
    module: Any = modules.load(name)
    first = module.f
    with hotpatch(new, f"{name}:f") as patch:
        importlib.reload(module)
        assert module.f is not first
        assert (first(), module.f(), module.during) == ("new", "new", ("base", 1))
        second = module.f
        assert patch.target is second
        assert mine() == [patch]
    assert (first(), module.f()) == (("base", 1), ("base", 1))
    importlib.reload(module)
    assert module.f() == ("base", 1)


def test_another_import_is_patched_too(modules: Modules) -> None:
    name = modules.write(TEXT)
    patch = hotpatch(new, f"{name}:f")
    for _ in range(3):
        module = modules.load(name)
        assert module.f() == "new"
        del sys.modules[name], module
        gc.collect()
        assert (patch.active, patch.pending, patch.target) == (True, False, None)
        with pytest.raises(PatchError, match=f"'{name}:f' is not imported"):
            patch.original()
    patch.undo()
    assert modules.load(name).f() == ("base", 1)


def test_a_patch_that_waits_can_be_undone(modules: Modules) -> None:
    name = modules.write(TEXT)
    patch = hotpatch(new, f"{name}:f")
    patch.undo()
    patch.undo()
    assert (patch.active, patch.pending, mine()) == (False, False, [])
    assert modules.load(name).f() == ("base", 1)


def test_patches_of_a_name_keep_their_order_in_each_import(modules: Modules) -> None:
    name = modules.write("def f(): return []")

    def adding(item: str) -> Callable[..., list[str]]:
        return lambda original: [*original(), item]

    for item, order in [("a", 0), ("b", 5), ("c", 0)]:
        hotpatch(adding(item), f"{name}:f", how="around", order=order)
    module = modules.load(name)
    assert module.f() == ["a", "c", "b"]
    importlib.reload(module)
    assert module.f() == ["a", "c", "b"]
    first, second, third = patches(f"{name}:f")
    first.undo()
    assert module.f() == ["c", "b"]
    third.undo()
    second.undo()
    assert module.f() == []


def test_options_hold_for_what_is_imported_later(modules: Modules) -> None:
    name = modules.write("def f(x): return x")
    with hotpatch(new, f"{name}:f", scope="thread", order=3, by="me") as patch:
        assert (patch.scope, patch.order, patch.by, patches(by="me")) == (
            "thread",
            3,
            "me",
            [patch],
        )
        module = modules.load(name)
        assert module.f(1) == "new"
        importlib.reload(module)
        assert module.f(1) == "new"


def test_a_context_is_that_of_the_call_and_not_of_the_import(modules: Modules) -> None:
    import contextvars

    name = modules.write("def f(): return 'base'")
    elsewhere = contextvars.Context()
    patch = hotpatch(new, f"{name}:f", scope="context")
    module = elsewhere.run(modules.load, name)
    assert (module.f(), elsewhere.run(module.f)) == ("new", "base")
    elsewhere.run(importlib.reload, module)
    assert (module.f(), elsewhere.run(module.f)) == ("new", "base")
    patch.undo()
    assert module.f() == "base"


def test_expectations_are_checked_at_the_import(modules: Modules) -> None:
    name = modules.write("def f(): return 1")
    with hotpatch(new, f"{name}:f", expect="def f(): return 1"):
        assert modules.load(name).f() == "new"
    del sys.modules[name]
    with hotpatch(new, f"{name}:f", expect="def f(): return 2"):
        with pytest.raises(PatchError, match="source text is another"):
            modules.load(name)
        assert name not in sys.modules


def test_a_decorator_can_have_a_name(modules: Modules) -> None:
    name = modules.write("def f(x): return x")

    @hotpatch(target=f"{name}:f", how="around")
    def twice(original: Callable[[int], int], x: int) -> int:
        return original(x) * 2

    module = modules.load(name)
    assert module.f(3) == 6
    for patch in patches(f"{name}:f"):
        patch.undo()
    assert module.f(3) == 3


# For each: what the module says, and what is wrong with the name "f" in it.
WRONG = {
    "missing": ("", "has no 'f'"),
    "class": ("class f: pass", "it is a class"),
    "number": ("f = 5", "not callable"),
    "made on demand": ("def __getattr__(name): 1 / 0", "has no 'f'"),
    "another kind": ("async def f(): pass", "coroutine function"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_a_name_that_means_no_function_fails_the_import(
    modules: Modules, text: str, why: str
) -> None:
    name = modules.write(text)
    patch = hotpatch(lambda: 1, f"{name}:f")
    line = patch.where
    with pytest.raises(PatchError) as caught:
        modules.load(name)
    assert why in str(caught.value)
    assert f"<Patch of {name}:f by test_names at {line}, pending> cannot be applied" in str(
        caught.value
    )
    assert name not in sys.modules
    assert patch.pending
    patch.undo()
    modules.load(name)


def test_a_hook_that_does_not_fit_fails_the_import(modules: Modules) -> None:
    name = modules.write("def f(x): return 1\ndef g(): return 1")
    with (
        hotpatch(new, f"{name}:f") as other,
        hotpatch(lambda y: 1, f"{name}:f", how="before", by="me") as patch,
    ):
        with pytest.raises(PatchError, match=f"<Patch of {name}:f by me .* a parameter 'y'"):
            modules.load(name)
        assert name not in sys.modules
        assert (other.pending, patch.pending) == (True, True)
    module = modules.load(name)
    with pytest.raises(TypeError, match=r"^cannot call .* a parameter 'y'"):
        hotpatch(lambda y: 1, f"{name}:f", how="before")
    assert module.f(1) == 1


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_a_name_that_means_no_function_in_what_is_imported_is_refused(
    modules: Modules, text: str, why: str
) -> None:
    name = modules.write(text)
    modules.load(name)
    with pytest.raises((TypeError, PatchError), match=why):
        hotpatch(lambda: 1, f"{name}:f")
    assert mine() == []


def test_a_module_that_fails_is_not_patched(modules: Modules) -> None:
    name = modules.write("def f(): return 1\n1 / 0")
    with hotpatch(new, f"{name}:f") as patch:
        with pytest.raises(ZeroDivisionError):
            modules.load(name)
        assert patch.pending


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("json.dumps", "json:dumps"),
        ("json", "package.module:Class.method"),
        ("", "package.module:Class.method"),
        ("json:", "package.module:Class.method"),
        (":dumps", "package.module:Class.method"),
        ("json:dumps:x", "package.module:Class.method"),
        ("json: dumps", "package.module:Class.method"),
        (".json:dumps", "package.module:Class.method"),
        ("json:C.", "package.module:Class.method"),
    ],
)
def test_a_text_that_is_no_name_is_refused(text: str, example: str) -> None:
    with pytest.raises(ValueError, match=f"names no target; .* such as '{example}'"):
        hotpatch(new, text)
    with pytest.raises(ValueError, match="names no target"):
        patches(text)


def test_a_replacement_that_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="it is not callable"):
        hotpatch(5, "not_imported_yet:f")  # type: ignore[call-overload]
    assert mine() == []


def test_what_is_written_in_c_has_names_too() -> None:
    import zlib

    with hotpatch(new, "zlib:crc32") as patch:
        assert str(zlib.crc32(b"")) == "new"
        assert not patch.pending
    assert zlib.crc32(b"") == 0
    with hotpatch(new, "functools:partial.__reduce__"):
        assert functools.partial(new).__reduce__() == "new"


def test_a_block_applies_and_undoes_names(modules: Modules) -> None:
    there, later = modules.write("def f(): return 1"), modules.write("def f(): return 1")
    module = modules.load(there)
    with atomic():
        patch, waiting = hotpatch(new, f"{there}:f"), hotpatch(new, f"{later}:f")
        assert patch.pending
        assert waiting.pending
        assert (module.f(), mine()) == (1, [])
    assert (module.f(), patch.pending, waiting.pending) == ("new", False, True)
    assert mine() == [patch, waiting]
    imported = modules.load(later)
    assert imported.f() == "new"
    with atomic():
        patch.undo()
        waiting.undo()
        assert (module.f(), imported.f()) == ("new", "new")
    assert (module.f(), imported.f(), mine()) == (1, 1, [])


def test_an_import_in_a_block_is_no_part_of_it(modules: Modules) -> None:
    name = modules.write("def f(): return 1")
    with hotpatch(new, f"{name}:f"):
        with pytest.raises(ZeroDivisionError), atomic():
            module = modules.load(name)
            assert module.f() == "new"
            raise ZeroDivisionError
        assert module.f() == "new"


def test_a_block_that_fails_forgets_its_names(modules: Modules) -> None:
    name = modules.write("def f(): return 1")
    with pytest.raises(ZeroDivisionError), atomic():
        outer = hotpatch(new, f"{name}:f")
        with pytest.raises(KeyError), atomic():
            inner = hotpatch(new, f"{name}:f")
            raise KeyError
        assert (outer.pending, inner.pending) == (True, False)
        raise ZeroDivisionError
    assert (outer.pending, inner.pending, mine()) == (False, False, [])
    assert modules.load(name).f() == 1


def test_a_block_with_a_wrong_name_changes_nothing(modules: Modules) -> None:
    name = modules.write("def f(): return 1")
    module = modules.load(name)
    with pytest.raises(PatchError, match="has no 'g'"), atomic():
        hotpatch(new, module.f)
        hotpatch(new, f"{name}:f")
        hotpatch(new, f"{name}:g")
    assert (module.f(), mine()) == (1, [])


def test_an_undone_patch_keeps_nothing_alive(modules: Modules) -> None:
    name = modules.write("def f(): return 1")

    def replacement() -> Any:
        return patch.original()

    patch: Any = hotpatch(replacement, f"{name}:f")
    module: Any = modules.load(name)
    assert module.f() == 1
    gone: Any = [weakref.ref(replacement), weakref.ref(patch), weakref.ref(module.f)]
    patch.undo()
    del replacement, module, sys.modules[name]
    patch = None
    gc.collect()
    assert [reference() for reference in gone] == [None, None, None]


def test_functions_of_modules_that_are_gone_go_too(modules: Modules) -> None:
    name = modules.write("def f(): return 1")
    with hotpatch(new, f"{name}:f"):
        module: Any = modules.load(name)
        gone: Any = weakref.ref(module.f)
        importlib.reload(module)
        gc.collect()
        assert gone() is None
