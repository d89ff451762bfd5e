"""`hotpatch.reload` of several modules at once, and of what they take from each other."""

import builtins
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from hotpatch import ReloadError, reload
from reload_folder import Folder


@pytest.mark.parametrize("order", [1, -1])
def test_what_others_import_changes_first(folder: Folder, order: int) -> None:
    helper = folder.make("reloaded_helper", "def f(): return 1\n")
    user = folder.make("reloaded_user", "from reloaded_helper import f\nX = f()\n")
    folder.edit("reloaded_helper", "def f(): return 2\ndef g(): return 3\n")
    folder.edit("reloaded_user", "from reloaded_helper import f, g\nX = f() + g()\n")
    reload(*[helper, user][::order])
    assert user.X == 5


def test_an_import_that_is_new_counts_for_the_order(folder: Folder) -> None:
    user = folder.make("reloaded_user", "X = 1\n")
    helper = folder.make("reloaded_helper", "")
    folder.edit("reloaded_helper", "def f(): return 2\n")
    folder.edit("reloaded_user", "import reloaded_helper\nX = reloaded_helper.f()\n")
    reload(user, helper)
    assert user.X == 2


def test_modules_that_import_each_other_change_together(folder: Folder) -> None:
    folder.edit("reloaded_two", "import reloaded_one\ndef f(): return 1\n")
    one = folder.make("reloaded_one", "import reloaded_two\nX = reloaded_two.f()\n", is_known=False)
    two = sys.modules["reloaded_two"]
    folder.names.append("reloaded_two")
    reload(one, two)
    folder.edit("reloaded_two", "import reloaded_one\ndef f(): return 2\n")
    folder.edit("reloaded_one", "import reloaded_two\nX = reloaded_two.f() * 10\n")
    reload(one, two)
    assert one.X == 20


def test_what_type_checkers_import_does_not_count_for_the_order(folder: Folder) -> None:
    errors = "if False: from reloaded_core import C\nclass One(Exception): pass\n"
    core = "from reloaded_errors import One\nclass C: pass\n"
    folder.edit("reloaded_errors", errors)
    one = folder.make("reloaded_core", core, is_known=False)
    folder.names.append("reloaded_errors")
    reload(folder.path)
    folder.edit("reloaded_errors", f"{errors}class Two(Exception): pass\n")
    folder.edit("reloaded_core", core.replace("One", "One, Two"))
    reload(folder.path)
    assert one.Two is sys.modules["reloaded_errors"].Two


def test_what_type_checkers_import_does_not_count_beside_a_module_that_stays(
    folder: Folder,
) -> None:
    folder.edit("reloaded_a", "if False: from reloaded_c import f\nX = 1\n")
    folder.edit("reloaded_b", "from reloaded_a import X\n")
    c = folder.make("reloaded_c", "from reloaded_b import X\n", is_known=False)
    folder.names += ["reloaded_a", "reloaded_b"]
    reload(folder.path)
    folder.edit("reloaded_a", "if False: from reloaded_c import f\nX = [2]\n")
    folder.edit("reloaded_c", "from reloaded_b import X\nY = 1\n")
    reload(folder.path)
    assert c.X == [2]


def test_a_package_need_not_be_done_where_a_module_of_it_is_imported(folder: Folder) -> None:
    (folder.path / "reloaded_p").mkdir()
    texts = {
        "__init__": "from . import low\nfrom . import top\n",
        "low": "from . import lowest\n",
        "lowest": "",
        "a": "X = 1\n",
        "b": "from .a import X\n",
        "top": "from .b import X\n",
    }
    for name, text in texts.items():
        folder.edit(f"reloaded_p/{name}", text)
    package = folder.load("reloaded_p")
    folder.names += [f"reloaded_p.{name}" for name in texts]
    reload(folder.path)
    for name in ("__init__", "low", "top"):
        folder.edit(f"reloaded_p/{name}", f"{texts[name]}Y = 1\n")
    folder.edit("reloaded_p/a", "X = [2]\n")
    reload(folder.path)
    assert package.top.X == [2]


def test_an_import_in_a_circle_that_is_new_counts_for_the_order(folder: Folder) -> None:
    helper = folder.make("reloaded_helper", "")
    user = folder.make("reloaded_user", "if False: import reloaded_helper\n")
    folder.edit("reloaded_helper", "from reloaded_user import f\n")
    folder.edit("reloaded_user", "if False: import reloaded_helper\ndef f(): pass\n")
    reload(helper, user)
    assert helper.f is user.f


def test_names_that_were_imported_follow(folder: Folder) -> None:
    a = folder.make("reloaded_a", "X = 1\nY = X + 1\nZ = [1]\nW = 'w'\n")
    b = folder.make(
        "reloaded_b",
        "if True:\n    from reloaded_a import X, Y as MY, Z\nfrom reloaded_a import *\n"
        "DOUBLE = MY * 2\nW = 'mine'\ndef f(x=X): return x\n",
    )
    c = folder.make("reloaded_c", "from reloaded_b import DOUBLE, X\nTOTAL = DOUBLE + 1\n")
    folder.edit("reloaded_a", "X = 10\nY = X + 1\nZ = [2]\nW = 'v'\n")
    report = reload(a)
    assert (b.X, b.MY, b.Y, b.DOUBLE, b.W, b.f()) == (10, 11, 11, 22, "mine", 10)
    assert b.Z is a.Z
    assert (c.X, c.DOUBLE, c.TOTAL) == (10, 22, 23)
    assert report.files == [a.__file__]
    assert ("reloaded_c.py", "TOTAL") in [
        (Path(it.file).name, it.qualname) for it in report.changes
    ]


def test_names_follow_through_a_module_that_did_not_change(folder: Folder) -> None:
    a = folder.make("reloaded_a", "X = [1]\n")
    folder.make("reloaded_b", "from reloaded_a import X as Y\n")
    c = folder.make("reloaded_c", "from reloaded_b import Y\n")
    folder.edit("reloaded_a", "X = [2]\n")
    folder.edit("reloaded_c", "from reloaded_b import Y\nZ = 1\n")
    reload(folder.path)
    assert c.Y is a.X


def test_what_a_star_stands_for_follows(folder: Folder) -> None:
    a = folder.make("reloaded_a", "__all__ = ['f', 'g']\ndef f(): pass\ndef g(): pass\nh = 1\n")
    folder.edit("reloaded_b", "def moved(): pass\ndef own(): pass\nlast = _private = 2\n")
    text = "from reloaded_a import *\nfrom reloaded_b import *\ndef own(): pass\n"
    c = folder.make("reloaded_c", text, is_known=False)
    folder.names.append("reloaded_b")
    d = folder.make("reloaded_d", "from reloaded_c import *\n")
    own = c.own
    reload(folder.path)
    folder.edit(
        "reloaded_a",
        "__all__ = ['f', 'h', 'moved', 'x']\ndef f(): return 1\nh = 1\ndef moved(): pass\nx = 1\n",
    )
    folder.edit("reloaded_b", "def own(): return 1\nfirst = _private = 2\n")
    report = reload(folder.path)
    for module in (c, d):
        names = {it for it in vars(module) if not it.startswith("_")}
        assert names == {"f", "h", "moved", "x", "own", "first"}
        assert (module.own, module.moved, module.f) == (own, a.moved, a.f)
    changes = {(it.kind, it.qualname) for it in report.changes if it.file == d.__file__}
    assert changes == {
        ("deleted", "g"),
        ("deleted", "last"),
        ("updated", "first"),
        ("updated", "h"),
        ("updated", "moved"),
        ("updated", "x"),
    }


def test_names_that_somebody_has_bound_again_do_not_follow(folder: Folder) -> None:
    a = folder.make("reloaded_a", "X = 1\n")
    b = folder.make("reloaded_b", "from reloaded_a import X\n")
    b.X = 5
    folder.edit("reloaded_a", "X = 2\n")
    reload(a)
    assert (a.X, b.X) == (2, 5)


def test_names_that_followed_go_back_if_it_fails(folder: Folder) -> None:
    a = folder.make("reloaded_a", "X = 1\n")
    b = folder.make("reloaded_b", "from reloaded_a import X\nY = X * 2\n")
    c = folder.make("reloaded_c", "import reloaded_b\n")
    folder.edit("reloaded_a", "X = 2\n")
    folder.edit("reloaded_c", "import reloaded_b\nassert False, reloaded_b.Y\n")
    with pytest.raises(ReloadError, match="AssertionError: 4"):
        reload(a, c)
    assert (a.X, b.X, b.Y) == (1, 1, 2)


def test_classes_that_were_replaced_are_back_if_it_fails(folder: Folder) -> None:
    text = (
        "class Base:\n    __slots__ = ({})\n    def f(self): return {}\n"
        "class Laid(Base):\n    __slots__ = ('z',)\n    def g(self): return super().f()\n"
        "class Root: pass\nclass Middle{}: pass\nclass Leaf(Middle): pass\n"
        "def of(*kinds): return lambda it: isinstance(it, kinds)\nis_laid = of(int, Laid)\n"
    )
    a = folder.make("reloaded_a", text.format("'x',", 1, "(Root)"))
    b = folder.make("reloaded_b", "from reloaded_a import Base, Laid\nclass Mine(Laid): pass\n")
    before = {**vars(a)}, {**vars(b)}
    laid, mine = a.Laid(), b.Mine()
    folder.edit("reloaded_a", text.format("'x', 'y'", 2, "") + "1 / 0\n")
    with pytest.raises(ReloadError, match="ZeroDivisionError"):
        reload(folder.path)
    assert ({**vars(a)}, {**vars(b)}) == before
    assert (laid.g(), mine.g(), a.is_laid(laid), a.Laid().g()) == (1, 1, True, 1)
    assert (a.Laid.__bases__, a.Leaf.__bases__, b.Mine.__bases__) == (
        (a.Base,),
        (a.Middle,),
        (a.Laid,),
    )
    folder.edit("reloaded_a", text.format("'x', 'y'", 2, ""))
    reload(folder.path)
    assert (laid.g(), a.Laid().g(), a.is_laid(a.Laid())) == (2, 2, True)
    assert issubclass(b.Mine, a.Laid)
    assert (b.Base, b.Laid) == (a.Base, a.Laid)


def test_functions_of_several_modules_change_in_one_step(folder: Folder) -> None:
    """No thread sees one of them new and another one old, in the order in which they change."""
    text = "def f(): return {}\n"
    one, two = (folder.make(name, text.format(0)) for name in ("reloaded_one", "reloaded_two"))
    seen, is_over = set[bool](), threading.Event()

    def look() -> None:
        while not is_over.is_set():
            first = two.f()
            seen.add(first <= one.f())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        for number in range(1, 60):
            folder.edit("reloaded_one", text.format(number))
            folder.edit("reloaded_two", text.format(number))
            reload(two, one)
    finally:
        is_over.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert seen == {True}


def test_what_other_threads_bind_meanwhile_is_not_taken_back(folder: Folder) -> None:
    text = "COUNT = 0\nX = 1\ndef add():\n    global COUNT\n    COUNT += 1\n"
    module = folder.make("reloaded_counted", text)
    more = "import threading\nY = 1\nthread = threading.Thread(target=add)\nthread.start()\n"
    tail = "thread.join(); globals()['Z'] = 1\n1 / 0\n"
    folder.edit("reloaded_counted", text.replace("X = 1", "X = 2") + more + tail)
    with pytest.raises(ReloadError, match="ZeroDivisionError"):
        reload(module)
    assert (module.COUNT, module.X) == (1, 1)
    assert not {"Y", "Z", "thread", "threading"} & vars(module).keys()


def test_a_reload_can_be_reverted(folder: Folder) -> None:
    text = "X = 1\nL = [0]\ndef f():\n    return 1 / 0\nclass A:\n    def g(self): return X\n"
    a = folder.make("reloaded_a", text)
    b = folder.make("reloaded_b", "from reloaded_a import X\nY = X + 1\n")
    f, one, kept = a.f, a.A(), a.L
    new = "import os\nX = 5\nL = [0]\nclass A:\n    def g(self): return -X\n"
    folder.edit("reloaded_a", new)
    folder.edit("reloaded_b", "from reloaded_a import X\nY = X + 2\nZ = 1\n")
    report = reload(a, b)
    assert (one.g(), hasattr(a, "f"), b.Y, b.Z) == (-5, False, 7, 1)
    back = report.revert()
    assert (a.X, a.f, one.g(), b.X, b.Y, hasattr(b, "Z")) == (1, f, 1, 1, 2, False)
    assert a.L is kept
    assert not hasattr(a, "os")
    with pytest.raises(ZeroDivisionError) as caught:
        f()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.lineno, last.line) == (4, "return 1 / 0")
    assert inspect.getsource(a.A.g) == "    def g(self): return X\n"
    # The files are as they were, and count when they are read again.
    assert (folder.path / "reloaded_a.py").read_text(encoding="utf-8") == new
    back.revert()
    assert (one.g(), b.Z) == (-5, 1)
    assert str(reload(a, b)) == "nothing changed"
    assert inspect.getsource(a.A.g) == "    def g(self): return -X\n"
    folder.edit("reloaded_a", new.replace("-X", "X"))
    assert reload(a).revert().revert() is not None
    assert one.g() == 5


def test_what_cannot_be_reverted(folder: Folder) -> None:
    module = folder.make("reloaded_late_again", "def f(): return 1\n", is_known=False)
    folder.edit("reloaded_late_again", "def f(): return 2\n")
    report = reload(module)
    with pytest.raises(ValueError, match="cannot revert reloaded_late_again: nobody knows"):
        report.revert()
    folder.edit("reloaded_late_again", "# coding: latin-1\nX = '\xe9'\n")
    (folder.path / "reloaded_late_again.py").write_bytes(b"# coding: latin-1\nX = '\xe9'\n")
    reload(module)
    folder.edit("reloaded_late_again", "X = 1\n")
    report = reload(module)
    report.revert()
    assert module.X == "\xe9"
    folder.edit("reloaded_late_again", "X = 2\n1 / 0\n")
    with pytest.raises(ReloadError) as caught:
        reload(module)
    assert str(caught.value.report.revert()) == "nothing changed"
    assert module.X == "\xe9"


def test_a_module_that_a_decorator_of_another_was_looked_at_in(folder: Folder) -> None:
    """What a decorator made says that it is of the module, with code of another file."""
    folder.make(
        "reloaded_one",
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 1\n",
    )


INTERRUPTED = """\
import importlib, signal, sys
from pathlib import Path
from hotpatch import reload

def text(number):
    lines = (f"def f{it}(a={number}): return a\\nX{it} = {number}\\n" for it in range(20))
    return "".join(lines)

def state():
    names = vars(module)
    return {it() if callable(it) else it for key, it in names.items() if key[:1] in ("f", "X")}

file = Path("interrupted.py")
file.write_text(text(0))
module = importlib.import_module("interrupted")
reload(module)
signal.signal(signal.SIGALRM, signal.default_int_handler)
came = 0
for number in range(1, 200):
    file.write_text(text(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, number % 60 / 2000 + 0.0005)
        try:
            reload(module)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        came += 1
    assert len(state()) == 1, (number, state())
    reload(module)
    assert state() == {number}
file.write_text(text(0) + "\\nwhile True: pass\\n")
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    reload(module)
except KeyboardInterrupt:
    print(state() == {number}, came > 0)
print(signal.getsignal(signal.SIGALRM) is signal.default_int_handler)
"""


def test_signals_wait_until_all_is_done_or_taken_back(tmp_path: Path) -> None:
    """But not those that come while statements run, which may never end.

    In a process of its own: what test tools hang into imports and the garbage collector is code of
    others as well.
    """
    (tmp_path / "main.py").write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, "-B", "main.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("True True\nTrue\n", "")


def test_a_process_that_is_forked_while_another_thread_reloads_can_reload(folder: Folder) -> None:
    module = folder.make("reloaded_slowly", "X = 1\n")
    other = folder.make("reloaded_in_a_child", "X = 1\n")
    folder.edit("reloaded_in_a_child", "X = 2\n")
    folder.edit(
        "reloaded_slowly",
        "import threading\nBEGUN, GO = threading.Event(), threading.Event()\n"
        "BEGUN.set()\nGO.wait(30)\nX = 2\n",
    )
    thread = threading.Thread(target=reload, args=(module,))
    thread.start()
    while not getattr(module, "BEGUN", None) or not module.BEGUN.is_set():
        time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        signal.alarm(20)
        reload(other)
        os._exit(other.X)
    _, status = os.waitpid(child, 0)
    module.GO.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 2
    assert (module.X, other.X) == (2, 1)


def test_a_module_that_another_thread_imports_is_waited_for(folder: Folder) -> None:
    text = "import builtins\nbuiltins.begun.set()\nbuiltins.go.wait(30)\ndef f(): return {}\n"
    builtins_: Any = builtins
    builtins_.begun, builtins_.go = threading.Event(), threading.Event()
    arguments = "reloaded_too_early", text.format(1)
    thread = threading.Thread(target=folder.make, args=arguments, kwargs={"is_known": False})
    thread.start()
    try:
        builtins_.begun.wait(30)
        folder.edit("reloaded_too_early", text.format(2))
        threading.Timer(0.1, builtins_.go.set).start()
        module = sys.modules["reloaded_too_early"]
        reload(module)
    finally:
        builtins_.go.set()
        thread.join()
        del builtins_.begun, builtins_.go
    assert module.f() == 2


def test_an_exit_in_a_statement_is_an_error_like_any_other(folder: Folder) -> None:
    module = folder.make("reloaded_exit", "X = 1\n")
    folder.edit("reloaded_exit", "X = 2\nraise SystemExit(3)\n")
    with pytest.raises(ReloadError, match="SystemExit: 3"):
        reload(module)
    assert module.X == 1
