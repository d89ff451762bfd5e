"""`hotpatch.reload`: which modules, what it reports, and what it refuses.

What becomes of each edit is in `reload_cases`.
"""

import gc
import importlib
import subprocess
import sys
import threading
import traceback
import weakref
from typing import Any

import pytest
from hotpatch import ReloadError, hotpatch, patches, reload
from reload_folder import Folder

pytestmark = pytest.mark.usefixtures("all_are_undone")


def test_a_module_can_be_named_by_its_file_or_folder(folder: Folder) -> None:
    one = folder.make("reloaded_one", "def f(): return 1\n")
    two = folder.make("reloaded_two", "def f(): return 1\n")
    file = folder.edit("reloaded_one", "def f(): return 2\n")
    folder.edit("reloaded_two", "def f(): return 2\n")
    assert len(reload(file).changes) == 1
    assert (one.f(), two.f()) == (2, 1)
    assert len(reload(str(folder.path)).changes) == 1
    assert (one.f(), two.f()) == (2, 2)


def test_a_module_of_a_folder_whose_file_is_gone_stays_as_it_is(folder: Folder) -> None:
    one = folder.make("reloaded_one", "def f(): return 1\n")
    two = folder.make("reloaded_two", "def f(): return 1\n")
    folder.edit("reloaded_one", "def f(): return 2\n").unlink()
    folder.edit("reloaded_two", "def f(): return 2\n")
    assert len(reload(folder.path).changes) == 1
    assert (one.f(), two.f()) == (1, 2)


def test_a_module_whose_first_function_is_in_a_wrapper_is_known(folder: Folder) -> None:
    wrapped = "import contextlib\n@contextlib.contextmanager\ndef f(): yield 1\n"
    module = folder.make("reloaded_wrapped", wrapped)
    folder.edit("reloaded_wrapped", wrapped.replace("yield 1", "yield 2"))
    assert [it.qualname for it in reload(module).changes] == ["f"]
    with module.f() as number:
        assert number == 2


def test_several_modules_change_or_none(folder: Folder) -> None:
    one = folder.make("reloaded_one", "X = 1\ndef f(): return 1\n")
    two = folder.make("reloaded_two", "def f(): return 1\n")
    folder.edit("reloaded_one", "X = 2\ndef f(): return 2\n")
    folder.edit("reloaded_two", "def f(): return 2\n1 / 0\n")
    with pytest.raises(ReloadError, match="ZeroDivisionError: division by zero") as caught:
        reload(one, two)
    assert (one.X, one.f(), two.f()) == (1, 1, 1)
    assert [it.qualname for it in caught.value.report.changes] == ["X", "f", "f", "statement"]
    folder.edit("reloaded_two", "def f(): return 3\n")
    reload(one, two)
    assert (one.X, one.f(), two.f()) == (2, 2, 3)


def test_what_has_no_source_file_is_refused() -> None:
    with pytest.raises(ValueError, match="sys was not made from a source file; pass a module that"):
        reload(sys)
    with pytest.raises(ValueError, match=r"no module that is imported comes from .*; import it"):
        reload("/no/such/file.py")
    with pytest.raises(ValueError, match="nothing is watched; pass modules"):
        reload()


def test_a_module_whose_file_was_edited_before_gets_functions_and_what_is_missing(
    folder: Folder,
) -> None:
    old = (
        "import os\nX = [1]\nRAN = []\nRAN.append(1)\n"
        "def f(a, b=[]): return a, b\n"
        "def same(): return 1\n"
        "def gone(): return 1\n"
        "class A:\n"
        "    def f(self): return 1\n"
        "    @property\n"
        "    def p(self): return 1\n"
        "    @p.setter\n"
        "    def p(self, value): self.value = value\n"
    )
    module = folder.make("reloaded_late", old, is_known=False)
    f, same, a = module.f, module.same, module.A()
    f.__defaults__[0].append("kept")
    new = (
        "import os\nimport sys\nX = [2]\nRAN = []\nRAN.append(1)\n"
        "def f(a, b=[], c=3): return a, b, c\n"
        "# a line\n"
        "def same(): return 1\n"
        "def new(): return sys.version\n"
        "class A:\n"
        "    def f(self): return __class__\n"
        "    @property\n"
        "    def p(self): return 2\n"
        "    @p.setter\n"
        "    def p(self, value): self.value = -value\n"
        "    def g(self): return 3\n"
    )
    folder.edit("reloaded_late", new)
    report = reload(module)
    assert f(1) == (1, ["kept"], 3)
    a.p = 1
    assert (a.f(), a.p, a.value, a.g(), module.new()) == (module.A, 2, -1, 3, sys.version)
    assert (module.X, module.RAN, hasattr(module, "gone")) == ([1], [1], False)
    assert (module.same, same.__code__.co_firstlineno) == (same, 8)
    assert [it.why for it in report.not_applied] == [
        "its file was edited before it was first looked at, so only functions were compared"
    ]
    # From here on it is known.
    folder.edit("reloaded_late", new.replace("X = [2]", "X = [3]"))
    assert reload(module).not_applied == []
    assert module.X == [3]


def test_annotations_and_private_names_of_a_module_that_was_edited_before(folder: Folder) -> None:
    old = (
        "X: int = 1\n"
        "class A:\n"
        "    __x = 1\n"
        "    def __f(self): return self.__x\n"
        "    def g(self): return self.__f()\n"
    )
    module = folder.make("reloaded_late_annotated", old, is_known=False)
    function = module.A._A__f
    new = old.replace("return self.__x", "return self.__x, self.__y").replace("__x = 1", "__y = 2")
    folder.edit("reloaded_late_annotated", new)
    reload(module)
    assert module.A().g() == (1, 2)
    assert module.A._A__f is function


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("X = 2\ndef f(): return 2\nreturn 3\n", 3, "outside"),
        ("X = 2\nfrom __future__ import annotations\n", 2, "must occur at the beginning"),
        ('"""Doc."""\nfrom __future__ import nothing\n', 2, "nothing is not defined"),
        ("X = 2\nclass A:\n    def f(a, a): pass\n", 3, "duplicate"),
    ],
)
def test_what_only_the_compiler_refuses(folder: Folder, text: str, line: int, why: str) -> None:
    module = folder.make("reloaded_refused", "X = 1\ndef f(): return 1\n")
    file = folder.edit("reloaded_refused", text)
    with pytest.raises(ReloadError, match=why) as caught:
        reload(module)
    error = caught.value.__cause__
    assert isinstance(error, SyntaxError)
    assert (error.filename, error.lineno) == (str(file), line)
    assert (module.X, module.f()) == (1, 1)


def test_what_is_nested_deeper_than_python_allows_is_refused(folder: Folder) -> None:
    module = folder.make("reloaded_deep", "X = 1\n")
    folder.edit("reloaded_deep", "X = " + "-" * 100_000 + "1\n")
    with pytest.raises(ReloadError):
        reload(module)
    assert module.X == 1


def test_a_module_that_is_made_anew_is_another(folder: Folder) -> None:
    """By `importlib.reload`, or by a new import while the old one is still there."""
    module = folder.make("reloaded_anew", "X = 1\ndef f(): return 1\n")
    folder.edit("reloaded_anew", "X = 20\ndef f(): return 20\n")
    importlib.invalidate_caches()
    importlib.reload(module)
    assert str(reload(module)) == "nothing changed"
    folder.edit("reloaded_anew", "X = 300\ndef f(): return 300\n")
    reload(module)
    assert (module.X, module.f()) == (300, 300)
    del sys.modules["reloaded_anew"]
    again = folder.make("reloaded_anew", "X = 4000\ndef f(): return 4000\n")
    folder.edit("reloaded_anew", "X = 50000\ndef f(): return 50000\n")
    reload(again)
    assert (again.X, again.f(), module.X, module.f()) == (50000, 50000, 300, 300)


def test_all_else_is_taken_back_if_something_cannot_be(folder: Folder) -> None:
    text = (
        "X = 1\ndef f(): return 1\n"
        "class Once(type):\n"
        "    def __setattr__(cls, name, value):\n"
        "        if value == 1: raise LookupError(name)\n"
        "        super().__setattr__(name, value)\n"
        "class A(metaclass=Once):\n    x = 1\n"
    )
    module = folder.make("reloaded_once", text)
    after = text.replace("X = 1", "X = 2").replace("return 1", "return 2").replace("x = 1", "x = 2")
    folder.edit("reloaded_once", f"{after}1 / 0\n")
    with pytest.raises(ReloadError) as caught:
        reload(module)
    assert isinstance(caught.value.__cause__, LookupError)
    assert isinstance(caught.value.__cause__.__context__, ZeroDivisionError)
    assert (module.X, module.f()) == (1, 1)


def test_the_reload_part_is_only_imported_when_it_is_asked_for() -> None:
    program = (
        "import sys, hotpatch\n"
        "assert not [name for name in sys.modules if name.startswith('hotpatch._re')]\n"
        "assert 'reload' in dir(hotpatch)\n"
        "from hotpatch import Reload, ReloadError, reload\n"
        "assert reload is hotpatch.reload\n"
        "assert not hasattr(hotpatch, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_file_that_is_gone_changes_nothing(folder: Folder) -> None:
    module = folder.make("reloaded_gone", "def f(): return 1\n")
    (folder.path / "reloaded_gone.py").unlink()
    with pytest.raises(ReloadError, match="FileNotFoundError"):
        reload(module)
    assert module.f() == 1


def test_a_module_cannot_reload_while_it_is_reloaded(folder: Folder) -> None:
    module = folder.make("reloaded_nested", "import hotpatch\n")
    folder.edit(
        "reloaded_nested",
        "import hotpatch\nimport reloaded_nested\nhotpatch.reload(reloaded_nested)\n",
    )
    with pytest.raises(ReloadError, match="a module that is being reloaded cannot reload"):
        reload(module)


def test_an_audit_hook_can_forbid_it(folder: Folder) -> None:
    module = folder.make("reloaded_audited", "def f(): return 1\n")
    file = folder.edit("reloaded_audited", "def f(): return 2\n")
    events: list[tuple[object, ...]] = []
    is_on = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if is_on and event == "hotpatch.reload":
            events.append(arguments)
            raise PermissionError("not here")

    sys.addaudithook(hook)
    with pytest.raises(ReloadError, match="PermissionError: not here"):
        reload(module)
    is_on = False
    assert events == [(module, str(file))]
    assert module.f() == 1


def test_functions_in_containers_are_found(folder: Folder) -> None:
    text = (
        "def make():\n    return {'key': [lambda x: x + 1, (lambda x: x + 2,)]}\n\nHELD = make()\n"
    )
    module = folder.make("reloaded_held", text)
    held = module.HELD
    folder.edit("reloaded_held", text.replace("x +", "x -"))
    reload(module)
    assert held is module.HELD
    assert (held["key"][0](5), held["key"][1][0](5)) == (4, 3)


def test_other_objects_are_only_looked_at_where_functions_are_missing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a big heap that takes long."""
    text = (
        "import functools\n"
        "def f(x): return x\n"
        "class A:\n"
        "    def f(self): return [self for _ in 'a']\n"
        "    @property\n"
        "    def p(self): return 1\n"
        "@functools.lru_cache\n"
        "def g(x):\n"
        "    def inner(): return x\n"
        "    return inner\n"
    )
    module = folder.make("reloaded_found", text)
    module.f(1)
    module.g(1)
    module.g.cache_clear()
    gc.collect()

    def fail(codes: object) -> None:
        raise AssertionError(codes)

    monkeypatch.setattr("hotpatch._native.functions_with", fail)
    folder.edit("reloaded_found", text.replace("return", "1; return"))
    assert len(reload(module).changes) == 4
    kept = module.g(1)
    folder.edit("reloaded_found", text.replace("return", "2; return"))
    with pytest.raises(ReloadError, match="AssertionError"):
        reload(module)
    del kept


def test_lines_of_a_function_that_is_traced_move(folder: Folder) -> None:
    """CPython 3.11 writes them down for that."""
    text = "def f():\n    x = 1\n    return x\n"
    module = folder.make("reloaded_traced", text)

    def lines() -> list[int]:
        found: list[int] = []

        def trace(frame: Any, event: str, argument: object) -> Any:
            found.append(frame.f_lineno)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            module.f()
        finally:
            sys.settrace(before)
        return found

    assert lines()[:4] == [1, 2, 3, 3]
    folder.edit("reloaded_traced", "\n\n" + text)
    reload(module)
    assert lines()[:4] == [3, 4, 5, 5]


def test_a_frame_that_runs_shows_where_its_text_is_now(folder: Folder) -> None:
    text = "def f():\n    yield 1\n    raise ValueError('x')\n"
    module = folder.make("reloaded_running", text)
    running = module.f()
    next(running)
    folder.edit("reloaded_running", "# above\n" + text)
    reload(module)
    with pytest.raises(ValueError, match="x") as caught:
        next(running)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 4


def test_no_call_sees_half_of_an_edit(folder: Folder) -> None:
    text = "def f(a=1, *, b=1):\n    return a, b, 1\n\ndef g():\n    return f()\n"
    module = folder.make("reloaded_busy", text)
    seen: set[tuple[int, int, int]] = set()
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            seen.add(module.f())

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 40):
        folder.edit("reloaded_busy", text.replace("b, 1", f"b, {number}"))
        reload(module)
    is_over.set()
    for thread in threads:
        thread.join()
    assert {(a, b) for a, b, _ in seen} == {(1, 1)}
    assert module.f() == (1, 1, 39)


def test_a_cache_keeps_nothing_that_was_computed_on_the_way(folder: Folder) -> None:
    """Neither by an old body, nor with an old name, nor by what is taken back."""
    text = """\
import functools
seen = []
def note(value): seen.append("f" in globals() and f()); return value
@functools.cache
def f(by=note(1)): return 1, LATER, by
LATER = 1
"""
    module = folder.make("reloaded_cache", text)
    assert module.f() == (1, 1, 1)
    # The new default, the new name and the statement of this edit call it while it is half done.
    for number in (2, 3):
        new = text.replace("1", str(number)).replace("LATER =", "note(0)\nLATER =")
        if number == 3:
            folder.edit("reloaded_cache", f"{new}f()\n1 / 0\n")
            with pytest.raises(ReloadError):
                reload(module)
            assert module.f() == (2, 2, 2)
        folder.edit("reloaded_cache", new)
        reload(module)
        assert module.f() == (number, number, number)
    assert {(1, 1, 1), (2, 1, 2)} <= {*module.seen}


def test_old_code_goes_at_once(folder: Folder) -> None:
    """And not with the garbage collector: until then it would be looked for, edit after edit."""
    text = "X = 0\nclass A:\n    y: int = 0\n    def f(self, a=0): return [lambda: 0]\n"
    module = folder.make("reloaded_often", text)
    gc.collect()
    gc.disable()
    try:
        codes = []
        for number in range(1, 5):
            codes.append(weakref.ref(module.A.f.__code__))
            folder.edit("reloaded_often", text.replace("0", str(number)))
            reload(module)
            folder.edit("reloaded_often", text.replace("0", "1 / 0"))
            with pytest.raises(ReloadError):
                reload(module)
        assert [code() for code in codes] == [None] * 4
    finally:
        gc.enable()


def test_patches_stay(folder: Folder) -> None:
    module = folder.make("reloaded_patched", "def f(): return 1\n")
    patch = hotpatch(lambda: "patched", module.f)
    folder.edit("reloaded_patched", "def f(): return 2\n")
    reload(module)
    assert patches(module.f) == [patch]
    assert (module.f(), patch.original()) == ("patched", 2)
    patch.undo()
    assert module.f() == 2


def test_an_original_that_is_patched_itself_changes_below_that(folder: Folder) -> None:
    """It has the code too, and is found with the others: it must not change twice."""
    module = folder.make("reloaded_original", "def f(): return 'old'\n")
    outer = hotpatch(lambda original: ("outer", original()), module.f, how="around")
    lower: Any = outer.original
    inner = hotpatch(lambda original: ("inner", original()), lower, how="around")
    assert module.f() == ("outer", ("inner", "old"))
    for text in ("new", "newer"):
        folder.edit("reloaded_original", f"def f(): return '{text}'\n")
        reload(module)
        assert module.f() == ("outer", ("inner", text))
        assert patches(lower) == [inner]
    inner.undo()
    assert module.f() == ("outer", "newer")
    outer.undo()
    assert module.f() == "newer"


def test_calls_are_as_fast_as_of_a_new_function(folder: Folder) -> None:
    """A function without a version is never specialised (3.13)."""
    module = folder.make("reloaded_fast", "def f(x): return x\n")
    folder.edit("reloaded_fast", "def f(x): return -x\n")
    reload(module)
    if sys.version_info >= (3, 13):
        import dis

        def caller() -> None:
            for _ in range(1000):
                module.f(1)

        for _ in range(10):
            caller()
        names = {it.opname for it in dis.get_instructions(caller, adaptive=True)}
        assert names & {"CALL_PY_EXACT_ARGS", "CALL_PY_GENERAL"}
