"""Targets by name: modules of every kind, and every way to load them."""

import importlib
import importlib.machinery
import importlib.util
import py_compile
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import script
from hotpatch import PatchError, hotpatch, patches
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

TEXT = "def f(): return 'base'"


def new(*args: Any) -> str:
    return "new"


def by_hand(name: str, path: Path) -> Any:
    """Load a file as the documentation of importlib says."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_a_submodule_is_patched_and_its_package_is_not(modules: Modules) -> None:
    package = modules.write(TEXT, "box.__init__")
    inner = modules.write(TEXT, "box.inner")
    with hotpatch(new, f"{inner}:f") as patch:
        box: Any = modules.load(package)
        assert (box.f(), patch.pending) == ("base", True)
        assert modules.load(inner).f() == box.inner.f() == "new"
        assert box.f() == "base"
    assert box.inner.f() == "base"


def test_a_name_in_a_package_whose_submodules_are_loaded_by_it(modules: Modules) -> None:
    package = modules.write("from .inner import f as g\ndef f(): return g()", "box.__init__")
    inner = modules.write(TEXT, "box.inner")
    with hotpatch(lambda: "package", f"{package}:f"), hotpatch(new, f"{inner}:f"):
        box: Any = modules.load(package)
        assert (box.f(), box.g(), box.inner.f()) == ("package", "new", "new")
    assert (box.f(), box.g()) == ("base", "base")


def test_what_a_module_has_from_another_is_patched_under_both_names(modules: Modules) -> None:
    inner = modules.write(TEXT)
    outer = modules.write(f"from {inner} import f")
    with hotpatch(new, f"{outer}:f") as patch:
        other: Any = modules.load(inner)
        assert other.f() == "base"
        assert [modules.load(outer).f(), other.f()] == ["new", "new"]
        assert patches(other.f) == [patch]
    assert other.f() == "base"


def test_a_submodule_is_no_part_of_the_path(modules: Modules) -> None:
    package = modules.write("", "box.__init__")
    modules.write(TEXT, "box.inner")
    with (
        hotpatch(new, f"{package}:inner.f"),
        pytest.raises(PatchError, match="box has no 'inner' once its body has run"),
    ):
        modules.load("box.inner")
    assert "box.inner" not in sys.modules


def test_modules_that_import_each_other(modules: Modules) -> None:
    first = modules.write("import second_of_two\ndef f(): return 'base'", "first_of_two")
    second = modules.write(
        "import first_of_two\nfrom hotpatch import patches\n"
        "has_begun = hasattr(first_of_two, 'f')\ndef f(): return 'base'",
        "second_of_two",
    )
    with hotpatch(new, f"{first}:f") as one, hotpatch(new, f"{second}:f") as two:
        module: Any = modules.load(first)
        assert not module.second_of_two.has_begun
        assert (module.f(), module.second_of_two.f()) == ("new", "new")
        assert (one.pending, two.pending) == (False, False)
    assert (module.f(), module.second_of_two.f()) == ("base", "base")


def test_a_module_is_named_while_its_body_runs(modules: Modules) -> None:
    name = modules.write("""
        from hotpatch import hotpatch
        patch = hotpatch(lambda: "new", __name__ + ":f")
        waits = patch.pending
        def f(): return "base"
        during = f()
        """)
    module: Any = modules.load(name)
    assert (module.waits, module.during, module.f()) == (True, "base", "new")
    assert not module.patch.pending
    module.patch.undo()
    assert module.f() == "base"


def test_a_module_is_named_by_what_its_body_imports(modules: Modules) -> None:
    outer = modules.write("import named_by_inner\ndef f(): return 'base'", "named_outer")
    modules.write(
        "from hotpatch import hotpatch\npatch = hotpatch(lambda: 'new', 'named_outer:f')",
        "named_by_inner",
    )
    module: Any = modules.load(outer)
    assert module.f() == "new"
    module.named_by_inner.patch.undo()
    assert module.f() == "base"


def test_a_module_is_named_while_it_is_reloaded(modules: Modules) -> None:
    name = modules.write("""
        from hotpatch import hotpatch
        if "f" in globals():
            patch = hotpatch(lambda: "new", __name__ + ":f")
        def f(): return "base"
        """)
    module: Any = modules.load(name)
    first = module.f
    importlib.reload(module)
    assert (first(), module.f()) == ("new", "new")
    module.patch.undo()
    assert (first(), module.f()) == ("base", "base")


def test_a_name_that_the_body_gives_up_is_not_patched(modules: Modules) -> None:
    name = modules.write("""
        from hotpatch import patches
        def f(): return "base"
        for patch in patches(by="test_names_imports"):
            patch.undo()
        """)
    patch = hotpatch(new, f"{name}:f")
    assert modules.load(name).f() == "base"
    assert (patch.active, patch.pending) == (False, False)


@pytest.mark.parametrize(
    "other",
    [
        "type('Other', (), {'f': staticmethod(f)})()",
        "type('Other', (), {'f': f, '__getattr__': lambda self, name: 1 / 0})",
        "types.SimpleNamespace(f=f)",
    ],
)
def test_a_body_can_put_something_else_into_the_place_of_its_module(
    modules: Modules, other: str
) -> None:
    name = modules.write(f"import sys, types\n{TEXT}\nsys.modules[__name__] = {other}\n{TEXT}")
    with hotpatch(new, f"{name}:f"):
        module = modules.load(name)
        assert not isinstance(module, types.ModuleType)
        assert module.f() == "new"
        del sys.modules[name]
        assert modules.load(name).f() == "new"
    assert module.f() == "base"


def test_a_body_that_ends_as_none_has_no_names(modules: Modules) -> None:
    name = modules.write(f"import sys\n{TEXT}\nsys.modules[__name__] = None")
    with hotpatch(new, f"{name}:f") as patch:
        assert modules.load(name) is None
        assert patch.pending


def test_a_namespace_package_has_modules_but_no_names(modules: Modules) -> None:
    inner = modules.write(TEXT, "spread.inner")
    modules.names.append("spread")
    with hotpatch(new, f"{inner}:f"):
        assert modules.load(inner).f() == "new"
        assert sys.modules["spread"].__file__ is None
    del sys.modules["spread"], sys.modules["spread.inner"]
    with (
        hotpatch(new, "spread:f"),
        pytest.raises(PatchError, match="spread has no 'f'"),
    ):
        modules.load(inner)


def test_a_module_without_its_source(modules: Modules) -> None:
    name = modules.write(TEXT)
    path = modules.folder / f"{name}.py"
    py_compile.compile(str(path), str(path.with_suffix(".pyc")))
    path.unlink()
    with hotpatch(new, f"{name}:f"):
        module = modules.load(name)
        assert str(module.__file__).endswith(".pyc")
        assert module.f() == "new"
    assert module.f() == "base"


def test_a_module_in_a_zip_file(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    path = modules.folder / "zipped.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zipped/__init__.py", TEXT)
        archive.writestr("zipped/inner.py", TEXT)
    monkeypatch.syspath_prepend(path)
    modules.names += ["zipped", "zipped.inner"]
    with hotpatch(new, "zipped:f"), hotpatch(new, "zipped.inner:f"):
        package, inner = modules.load("zipped"), modules.load("zipped.inner")
        assert (package.f(), inner.f()) == ("new", "new")
        for module in (package, inner):
            assert type(module.__loader__).__name__ == "zipimporter"
            assert module.__loader__ is getattr(module.__spec__, "loader", None)
    assert (package.f(), inner.f()) == ("base", "base")


def test_a_module_loaded_by_hand(modules: Modules) -> None:
    name = modules.write(TEXT)
    with hotpatch(new, f"{name}:f"):
        module = by_hand(name, modules.folder / f"{name}.py")
        assert module.f() == "new"
        assert type(module.__loader__) is importlib.machinery.SourceFileLoader
        assert module.__loader__ is module.__spec__.loader
        module.__spec__.loader.exec_module(module)
        assert module.f() == "base"  # nothing has said that it begins
        importlib.reload(module)
        assert module.f() == "new"
    assert module.f() == "base"


def test_a_module_that_is_made_and_never_executed(modules: Modules) -> None:
    name = modules.write(TEXT)
    with hotpatch(new, f"{name}:f") as patch:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        importlib.util.module_from_spec(spec)
        assert patch.pending
        assert modules.load(name).f() == "new"


def test_what_is_executed_under_another_name_is_not_patched(modules: Modules) -> None:
    name = modules.write(TEXT)
    path = modules.folder / f"{name}.py"
    with hotpatch(new, f"{name}:f") as patch:
        modules.names.append("under_another_name")
        assert by_hand("under_another_name", path).f() == "base"
        assert patch.pending


class OldLoader:
    """A loader as they were before CPython 3.4."""

    def load_module(self, name: str) -> types.ModuleType:
        module = sys.modules.setdefault(name, types.ModuleType(name))
        exec(TEXT, vars(module))
        return module


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="CPython 3.15 knows no load_module")
@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning")
def test_a_loader_that_has_only_load_module(
    modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        def find_spec(self, name: str, *rest: Any) -> importlib.machinery.ModuleSpec | None:
            if name == "loaded_the_old_way":
                loader: Any = OldLoader()
                return importlib.machinery.ModuleSpec(name, loader)
            return None

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    modules.names.append("loaded_the_old_way")
    with hotpatch(new, "loaded_the_old_way:f"):
        module = modules.load("loaded_the_old_way")
        first = module.f
        assert first() == "new"
        importlib.reload(module)
        assert module.f is not first
        assert module.f() == "new"
    assert (first(), module.f()) == ("base", "base")


# What fresh processes have not imported yet: extension modules that are initialised in a single
# phase and in several, which differs with the version, and modules that are built in.
C_SCRIPT = """
import importlib, importlib.util, sys
from hotpatch import hotpatch

kinds = set()
for name, function, arguments in [
    ("_ctypes", "dlclose", None), ("_sqlite3", "complete_statement", ("select",)),
    ("_symtable", "symtable", ("1", "<string>", "eval")), ("_testbuffer", "get_sizeof_void_p", ()),
    ("_tracemalloc", "is_tracing", ()), ("readline", "get_line_buffer", ()),
    ("xxlimited_35", "foo", (1, 2)),
]:
    spec = importlib.util.find_spec(name)
    if spec is None:
        continue
    assert name not in sys.modules, name
    patch = hotpatch(lambda *args: "new", f"{name}:{function}")
    module = importlib.import_module(name)
    assert not patch.pending
    first = getattr(module, function)
    assert first() == "new"
    assert type(module.__loader__) is type(spec.loader), module.__loader__
    assert module.__loader__ is module.__spec__.loader
    del sys.modules[name]
    second = getattr(importlib.import_module(name), function)
    assert second() == "new"
    patch.undo()
    if arguments is not None:
        assert "new" not in (first(*arguments), second(*arguments))
    kind = "several phases" if second is not first else "a single phase"
    kinds.add("built in" if spec.origin == "built-in" else kind)
print(", ".join(sorted(kinds)))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("_testbuffer") is None,
    reason="no other module of the standard library still has a single phase",
)
def test_modules_written_in_c() -> None:
    assert script.run(C_SCRIPT) == "a single phase, built in, several phases\n"


# For a module of lazy imports, and what is to be named in it.
LAZY_SCRIPT = """
import sys
from pathlib import Path
from hotpatch import PatchError, hotpatch, patches

sys.dont_write_bytecode = True
sys.path.insert(0, "{folder}")
Path("{folder}", "inner.py").write_text("def f(): return 'base'\\nclass K:\\n    m = f")
Path("{folder}", "outer.py").write_text("lazy import inner\\nlazy from inner import f, K")

def new(*args):
    return "new"
"""

lazy_imports = pytest.mark.skipif(
    sys.version_info < (3, 15), reason="lazy imports are new in CPython 3.15 (PEP 810)"
)


@lazy_imports
def test_a_lazy_import_is_patched_when_it_is_used(tmp_path: Path) -> None:
    script.run(
        """
        patch = hotpatch(new, "inner:f")
        lazy import inner
        lazy from inner import f
        assert patch.pending
        assert "inner" not in sys.modules
        assert f() == inner.f() == "new"
        patch.undo()
        assert f() == inner.f() == "base"
        """,
        LAZY_SCRIPT.format(folder=tmp_path),
    )


@lazy_imports
def test_a_name_for_a_lazy_import_does_not_carry_it_out(tmp_path: Path) -> None:
    script.run(
        """
        for path in ["f", "K.m", "inner.f"]:
            patch = hotpatch(new, f"outer:{path}")
            try:
                import outer
            except PatchError as error:
                first = path.partition(".")[0]
                assert f"outer:{first} is a lazy import" in str(error), error
            else:
                raise AssertionError(path)
            assert "inner" not in sys.modules
            patch.undo()
        import outer
        assert outer.f() == "base"
        with hotpatch(new, "outer:f"):
            assert outer.f() == "new"
        """,
        LAZY_SCRIPT.format(folder=tmp_path),
    )
