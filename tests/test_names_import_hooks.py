"""Targets by name, together with what else takes part in imports: lazy loaders, finders, wrapt."""

import importlib
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from hotpatch import PatchError, hotpatch, patches
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

TEXT = """
    def f(): return "base"
    class K:
        def m(self): return "base"
    """


def new(*args: Any) -> str:
    return "new"


def find(name: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.machinery.PathFinder.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    return spec


def lazily_by_hand(name: str) -> Any:
    """Load as the documentation of importlib says."""
    spec = find(name)
    assert spec.loader is not None
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class LazyFinder:
    """Makes the import of some modules lazy."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, *rest: Any) -> importlib.machinery.ModuleSpec | None:
        if name not in self.names:
            return None
        spec = find(name)
        assert spec.loader is not None
        spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def lazily_by_finder(name: str) -> Any:
    sys.meta_path.insert(0, LazyFinder(name))
    return importlib.import_module(name)


@pytest.fixture(autouse=True)
def finders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the finders of this test."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])


def is_loaded(module: Any) -> bool:
    return "f" in object.__getattribute__(module, "__dict__")


def has_its_loader(module: Any) -> bool:
    """Whether nothing shows that a name was waited for."""
    loaders = [module.__loader__, module.__spec__.loader]
    return [type(it) for it in loaders] == [importlib.machinery.SourceFileLoader] * 2


WAYS = pytest.mark.parametrize("load", [lazily_by_hand, lazily_by_finder])


@WAYS
def test_a_lazy_module_that_is_made_before_the_patch(
    modules: Modules, load: Callable[[str], Any]
) -> None:
    name = modules.write(TEXT)
    module = load(name)
    patch = hotpatch(new, f"{name}:f")
    assert patches(f"{name}:f") == [patch]
    assert patch.pending
    assert not is_loaded(module)
    assert module.f() == "new"
    assert not patch.pending
    assert has_its_loader(module)
    importlib.reload(module)
    assert module.f() == "new"
    patch.undo()
    assert module.f() == "base"


@WAYS
def test_a_lazy_module_that_is_made_after_the_patch(
    modules: Modules, load: Callable[[str], Any]
) -> None:
    name = modules.write(TEXT)
    with hotpatch(new, f"{name}:f") as patch, hotpatch(new, f"{name}:K.m"):
        module = load(name)
        assert patch.pending
        assert not is_loaded(module)
        assert module.K().m() == module.f() == "new"
        assert not patch.pending
        assert has_its_loader(module)
    assert module.K().m() == module.f() == "base"


@WAYS
def test_a_lazy_module_that_is_used_after_the_undo(
    modules: Modules, load: Callable[[str], Any]
) -> None:
    name = modules.write(TEXT)
    early = hotpatch(new, f"{name}:f")
    module = load(name)
    late = hotpatch(new, f"{name}:K.m")
    early.undo()
    late.undo()
    assert not is_loaded(module)
    assert (module.f(), module.K().m()) == ("base", "base")
    assert has_its_loader(module)


def test_a_name_does_not_load_a_lazy_submodule(modules: Modules) -> None:
    package = modules.write("", "lazybox.__init__")
    inner = modules.write(TEXT, "lazybox.inner")
    box: Any = modules.load(package)
    path = [str(modules.folder / "lazybox")]
    spec = importlib.machinery.PathFinder.find_spec(inner, path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    box.inner = sys.modules[inner] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(box.inner)
    with pytest.raises(PatchError, match="lazybox:inner has no 'f'"):
        hotpatch(new, f"{package}:inner.f")
    assert not is_loaded(box.inner)


def test_a_finder_that_comes_later_and_goes_its_own_way(modules: Modules) -> None:
    name = modules.write(TEXT)

    class Finder:
        def find_spec(self, name: str, *rest: Any) -> importlib.machinery.ModuleSpec | None:
            asked.append(name)
            return importlib.machinery.PathFinder.find_spec(name, *rest)

    asked: list[str] = []
    with hotpatch(new, f"{name}:f"):
        sys.meta_path.insert(0, Finder())
        module = modules.load(name)
        assert name in asked
        assert module.f() == "new"
        assert has_its_loader(module)
    assert module.f() == "base"


def test_a_loader_that_changes_the_one_inside(modules: Modules) -> None:
    name = modules.write(TEXT)

    class Around:
        """Has the code of a module changed before it runs, as that of ddtrace does."""

        def __init__(self, loader: Any) -> None:
            self.loader = loader

        def create_module(self, spec: Any) -> Any:
            return self.loader.create_module(spec)

        def exec_module(self, module: Any) -> None:
            assert isinstance(self.loader, importlib.machinery.SourceFileLoader)
            before = self.loader.get_code

            def get_code(fullname: str) -> types.CodeType | None:
                changed.append(fullname)
                return before(fullname)

            self.loader.get_code = get_code  # type: ignore[method-assign]
            self.loader.exec_module(module)
            del self.loader.get_code

    class Finder:
        def find_spec(self, wanted: str, *rest: Any) -> importlib.machinery.ModuleSpec | None:
            if wanted != name:
                return None
            spec = find(name)
            spec.loader = around = Around(spec.loader)  # type: ignore[assignment]
            loaders.append((around.loader, around))
            return spec

    changed: list[str] = []
    loaders: list[tuple[Any, Any]] = []
    sys.meta_path.insert(0, Finder())
    with hotpatch(new, f"{name}:f"):
        module = modules.load(name)
        assert (module.f(), changed) == ("new", [name])
        importlib.reload(module)
        assert (module.f(), changed) == ("new", [name] * 2)
    assert module.f() == "base"
    for inner, around in loaders:
        assert around.loader is inner
        assert "get_code" not in vars(inner)


def test_a_path_hook(modules: Modules) -> None:
    name = "made_by_a_path_hook"

    class Loader:
        def create_module(self, spec: Any) -> None:
            pass

        def exec_module(self, module: types.ModuleType) -> None:
            assert module.__spec__ is not None
            loaders.append((module.__loader__, module.__spec__.loader))
            exec("def f(): return 'base'", vars(module))

    class Finder:
        def __init__(self, path: str) -> None:
            if path != "path of this test":
                raise ImportError

        def find_spec(self, wanted: str, target: Any = None) -> Any:
            return importlib.machinery.ModuleSpec(name, loader) if wanted == name else None

    loader: Any = Loader()
    loaders: list[Any] = []
    sys.path_hooks.insert(0, Finder)
    modules.names.append(name)
    sys.path.append("path of this test")
    with hotpatch(new, f"{name}:f"):
        module = modules.load(name)
        assert module.f() == "new"
        importlib.reload(module)
        assert module.f() == "new"
    assert module.f() == "base"
    # While the body runs, nothing shows that a name was waited for.
    assert loaders == [(loader, loader)] * 2


def test_a_module_of_a_class_of_its_own(modules: Modules) -> None:
    class Module(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            assert name != "f", "it is looked up in the module itself"
            return super().__getattribute__(name)

    class Loader(importlib.machinery.SourceFileLoader):
        def create_module(self, spec: Any) -> types.ModuleType:
            return Module(spec.name)

    name = modules.write(TEXT)
    spec = importlib.util.spec_from_loader(name, Loader(name, str(modules.folder / f"{name}.py")))
    assert spec is not None
    assert spec.loader is not None
    with hotpatch(new, f"{name}:f"):
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert vars(module)["f"]() == "new"


@pytest.fixture
def wrapt_hooks(finders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let wrapt put its finder into the list of this test."""
    monkeypatch.setattr(importlib.import_module("wrapt.importer"), "_post_import_hooks_init", False)


def wrapping(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return "wrapped", wrapped(*args, **kwargs)


@pytest.mark.parametrize("is_hook_first", [True, False])
@pytest.mark.usefixtures("wrapt_hooks")
def test_post_import_hooks_of_wrapt(modules: Modules, is_hook_first: bool) -> None:
    name = modules.write(TEXT)

    def hook(module: Any) -> None:
        told.append(module.f())
        wrapt.wrap_function_wrapper(module, "K.m", wrapping)

    told: list[str] = []
    if is_hook_first:
        wrapt.register_post_import_hook(hook, name)
    patch = hotpatch(new, f"{name}:f")
    if not is_hook_first:
        wrapt.register_post_import_hook(hook, name)
    with patch, hotpatch(new, f"{name}:K.m.__wrapped__"):
        module = modules.load(name)
        assert told == ["base"]
        assert (module.f(), module.K().m()) == ("new", ("wrapped", "new"))
        assert has_its_loader(module)
    assert (module.f(), module.K().m()) == ("base", ("wrapped", "base"))


@pytest.mark.usefixtures("wrapt_hooks")
def test_post_import_hooks_of_wrapt_for_a_lazy_module(modules: Modules) -> None:
    name = modules.write(TEXT)
    told: list[Any] = []
    sys.meta_path.insert(0, LazyFinder(name))
    wrapt.register_post_import_hook(told.append, name)
    with hotpatch(new, f"{name}:f") as patch:
        module = modules.load(name)
        assert told == [module]
        assert module.f() == "new"
        assert not patch.pending
    assert module.f() == "base"


def test_functions_that_wrapt_has_wrapped(modules: Modules) -> None:
    name = modules.write("""
        import wrapt

        @wrapt.decorator
        def decorated(wrapped, instance, args, kwargs):
            return "wrapped", wrapped(*args, **kwargs)

        @decorated
        def f(): return "base"
        """)
    with hotpatch(new, f"{name}:f.__wrapped__"):
        module = modules.load(name)
        assert module.f() == ("wrapped", "new")
    assert module.f() == ("wrapped", "base")
    del sys.modules[name]
    with (
        hotpatch(new, f"{name}:f"),
        pytest.raises(PatchError, match="name the function inside, its attribute __wrapped__"),
    ):
        modules.load(name)
