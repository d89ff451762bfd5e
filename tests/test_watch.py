"""`hotpatch.watch`: modules change when their files are saved."""

import gc
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hotpatch
import pytest
from hotpatch import Reload, Watch, patches, reload, watch
from reload_folder import Folder

pytestmark = pytest.mark.usefixtures("all_are_undone")


class Reports(queue.Queue[Reload]):
    """What was reported, in order."""

    def next(self) -> Reload:
        return self.get(timeout=30)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def watching(folder: Folder, reports: Reports) -> Iterator[Watch]:
    with watch(folder.path, on_reload=reports.put) as it:
        yield it


def qualnames(report: Reload) -> list[str]:
    return [it.qualname for it in report.changes]


@pytest.mark.parametrize("poll", [None, 0.01])
def test_a_save_changes_what_runs(folder: Folder, reports: Reports, poll: float | None) -> None:
    module = folder.make("watched_one", "def f(): return 1\n", is_known=False)
    f = module.f
    with watch(folder.path, on_reload=reports.put, poll=poll) as it:
        assert it.paths == [str(folder.path)]
        file = folder.edit("watched_one", "def f(): return 2\n")
        report = reports.next()
        assert (qualnames(report), report.files, f()) == (["f"], [str(file)], 2)
    folder.edit("watched_one", "def f(): return 3\n")
    with pytest.raises(queue.Empty):
        reports.get(timeout=0.2)
    assert f() == 2


@pytest.mark.usefixtures("watching")
def test_what_is_imported_later_is_watched_too(folder: Folder, reports: Reports) -> None:
    """And what it was made of is known: an edit of a constant is seen at the first save."""
    module = folder.make("watched_later", "X = [1]\ndef f(): return 1\n", is_known=False)
    folder.edit("watched_later", "X = [2]\ndef f(): return 1\n")
    report = reports.next()
    assert (qualnames(report), report.not_applied, module.X) == (["X"], [], [2])


@pytest.mark.usefixtures("watching")
def test_a_module_that_is_imported_again_is_what_it_is_now(
    folder: Folder, reports: Reports
) -> None:
    import importlib

    module = folder.make("watched_again", "X = 1\n", is_known=False)
    folder.edit("watched_again", "X = 2\nY = 1\n")
    assert qualnames(reports.next()) == ["X", "Y"]
    importlib.reload(module)
    folder.edit("watched_again", "X = 2\nY = 2\n")
    assert qualnames(reports.next()) == ["Y"]


def test_an_exit_ends_no_watch(folder: Folder) -> None:
    """In what is executed anew, or in what is called then."""
    module = folder.make("watched_exit", "X = 1\n", is_known=False)
    reports, errors = Reports(), list[BaseException | None]()

    def told(report: Reload) -> None:
        reports.put(report)
        if not report.errors:
            raise SystemExit(4)

    with watch(folder.path, on_reload=told), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda it: errors.append(it.exc_value))
        folder.edit("watched_exit", "X = 2\nraise SystemExit(3)\n")
        assert isinstance(reports.next().errors[0], SystemExit)
        folder.edit("watched_exit", "X = 3\n")
        reports.next()
        folder.edit("watched_exit", "X = 4\n")
        reports.next()
    assert module.X == 4
    assert {type(it) for it in errors} == {SystemExit}


@pytest.mark.usefixtures("watching")
def test_a_save_while_a_module_is_imported_counts_afterwards(
    folder: Folder, reports: Reports
) -> None:
    text = "import time\nX = {0}\ntime.sleep(0.5)\ndef f(): return {0}\n"
    arguments = "watched_early", text.format(1)
    thread = threading.Thread(target=folder.make, args=arguments, kwargs={"is_known": False})
    thread.start()
    while not hasattr(sys.modules.get("watched_early"), "X"):
        time.sleep(0.001)
    folder.edit("watched_early", text.format(2))
    assert "f" in qualnames(reports.next())
    thread.join()
    assert sys.modules["watched_early"].f() == 2


def test_an_edit_before_watching_is_seen(folder: Folder, reports: Reports) -> None:
    known = folder.make("watched_known", "X = 1\n")
    late = folder.make("watched_late", "def f(): return 1\n", is_known=False)
    folder.edit("watched_known", "X = 2\n")
    folder.edit("watched_late", "def f(): return 2\n")
    with watch(folder.path, on_reload=reports.put):
        assert sorted(qualnames(reports.next())) == ["X", "f"]
    assert (known.X, late.f()) == (2, 2)


def test_one_that_fails_is_tried_again_with_the_next(
    folder: Folder, reports: Reports, watching: Watch
) -> None:
    one = folder.make("watched_one", "X = 1\n", is_known=False)
    two = folder.make("watched_two", "X = 1\n", is_known=False)
    folder.edit("watched_one", "X = 2\n1 / 0\n")
    assert [type(it) for it in reports.next().errors] == [ZeroDivisionError]
    folder.edit("watched_two", "X = 2\n")
    assert [type(it) for it in reports.next().errors] == [ZeroDivisionError]
    assert (one.X, two.X) == (1, 1)
    folder.edit("watched_one", "X = 3\n")
    assert sorted(qualnames(reports.next())) == ["X", "X"]
    assert (one.X, two.X) == (3, 2)
    assert repr(watching) == f"<Watch {folder.path}: watching>"


def test_a_pause_joins_what_is_saved(folder: Folder, reports: Reports, watching: Watch) -> None:
    modules = [folder.make(f"watched_{it}", "X = 1\n", is_known=False) for it in range(3)]
    with watching.pause() as it:
        assert it is watching
        assert repr(it) == f"<Watch {folder.path}: paused>"
        for module in modules:
            folder.edit(module.__name__, "X = 2\n")
        with pytest.raises(queue.Empty):
            reports.get(timeout=0.2)
    assert qualnames(reports.next()) == ["X"] * 3
    with pytest.raises(RuntimeError, match=r"resume\(\) without a pause\(\); call that first"):
        watching.resume()


def test_a_pause_and_apply_make_a_safe_point(
    folder: Folder, reports: Reports, watching: Watch
) -> None:
    """What was saved is applied in the thread that asks for it, and nowhere else."""
    module = folder.make("watched_safe", "import threading\nX = None\n", is_known=False)
    watching.pause()
    assert watching.apply() is None
    folder.edit("watched_safe", "import threading\nX = threading.get_ident()\n")
    while (report := watching.apply()) is None:
        pass
    assert (qualnames(report), reports.next()) == (["X"], report)
    assert threading.get_ident() == module.X
    folder.edit("watched_safe", "import threading\nX = (\n")
    while (report := watching.apply()) is None:
        pass
    assert [type(it) for it in report.errors] == [SyntaxError]
    # It is not tried again until it is saved again.
    assert watching.apply() is None
    folder.edit("watched_safe", "import threading\nX = 1\n")
    assert qualnames(reload()) == ["X"]
    assert module.X == 1


def test_files_can_be_left_out(folder: Folder, reports: Reports) -> None:
    (folder.path / ".hidden").mkdir()
    (folder.path / "site-packages").mkdir()
    (folder.path / "inner").mkdir()
    places = [".hidden", "site-packages", "inner"]
    modules = []
    for place in places:
        sys.path.insert(0, str(folder.path / place))
        modules.append(Folder(folder.path / place).make(f"watched_{place[1:4]}", "X = 1\n"))
    one = folder.make("watched_one", "X = 1\n")
    two = folder.make("watched_two", "X = 1\n")
    with watch(folder.path, on_reload=reports.put, exclude=["inner", "*_two.py"]):
        for module in (*modules, two, one):
            Path(module.__file__).write_text("X = 2\n")
        assert reports.next().files == [one.__file__]
    assert [it.X for it in (*modules, two)] == [1] * 4
    with watch(folder.path / ".hidden", one.__file__, on_reload=reports.put) as it:
        assert it.paths == [str(folder.path / ".hidden"), one.__file__]
        Path(modules[0].__file__).write_text("X = 3\n")
        report = reports.next()
        assert report.files == [modules[0].__file__]
    for module, place in zip(modules, places, strict=True):
        sys.path.remove(str(folder.path / place))
        del sys.modules[module.__name__]


def test_nothing_is_left_when_it_is_closed(folder: Folder, watching: Watch) -> None:
    threads = threading.active_count()
    with watch(folder.path) as it:
        assert [patch.by for patch in patches()] == ["hotpatch"]
        assert threading.active_count() == threads + 1
        watching.close()
        assert len(patches()) == 1
    it.close()
    assert patches() == []
    assert threading.active_count() == threads - 1
    assert repr(it) == f"<Watch {folder.path}: closed>"


@pytest.mark.usefixtures("watching")
def test_imports_fail_as_they_do_otherwise(folder: Folder) -> None:
    """Also in their tracebacks, which leave out what importlib does."""
    import traceback

    def trace(name: str) -> str:
        try:
            __import__(name)
        except Exception:
            return traceback.format_exc().replace(str(folder.path), "")
        raise AssertionError

    folder.edit("watched_error", "1 / 0\n")
    folder.edit("watched_syntax", "x = (\n")
    folder.edit("watched_user", "import watched_error\n")
    names = ["watched_error", "watched_syntax", "watched_user", "watched_none"]
    seen = [trace(name) for name in names]
    hotpatch._watch._close_all()
    assert patches() == []
    assert seen == [trace(name) for name in names]


def test_what_on_reload_raises_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    module = folder.make("watched_one", "X = 1\n", is_known=False)
    said: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(sys, "unraisablehook", said.put)

    def fail(report: Reload) -> None:
        raise ValueError(report.files)

    with watch(folder.path, on_reload=fail):
        for number in (2, 3):
            file = folder.edit("watched_one", f"X = {number}\n")
            it = said.get(timeout=30)
            assert (type(it.exc_value), it.exc_value.args) == (ValueError, ([str(file)],))
            assert (it.err_msg, it.object) == ("Exception ignored in on_reload", fail)
            assert number == module.X
    del it
    gc.collect()


def test_by_default_a_report_is_written(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.chdir(folder.path)
    folder.make("watched_one", "X = 1\n", is_known=False)
    with watch(folder.path) as it:
        it.pause()
        file = folder.edit("watched_one", "X = 2\n")
        while it._contents[str(file)] != b"X = 2\n":
            pass
        it.resume()
    written = capsys.readouterr().err.splitlines()
    assert written[1] == "  \x1b[32mran\x1b[0m  X  watched_one.py:1"
    assert written[0].startswith("\x1b[1mhotpatch:\x1b[0m 1 change in ")


def test_a_thousand_rapid_saves_end_with_the_last(
    folder: Folder, reports: Reports, watching: Watch
) -> None:
    module = folder.make("watched_one", "def f(): return 0\n", is_known=False)
    text = "def f():\n    return {}\n" + "# a comment\n" * 200
    for number in range(1, 1001):
        folder.edit("watched_one", text.format(number))  # which empties the file first
    while module.f() != 1000:
        assert reports.next().errors == []
    watching.close()


def test_a_wrong_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot watch /no/such: nothing is there; pass a file or"):
        watch("/no/such")
    with pytest.raises(ValueError, match="poll must be more than 0 seconds, not 0"):
        watch(tmp_path, poll=0)
    with pytest.raises(TypeError, match="on_reload must be callable, not int"):
        watch(tmp_path, on_reload=1)  # type: ignore[arg-type]
    assert patches() == []


def run(text: str, folder: Path) -> str:
    (folder / "main.py").write_text(text)
    command = [sys.executable, "-W", "error", "main.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


START = """\
import hotpatch, os, queue, sys, threading
reports = queue.Queue()
"""


def test_the_folder_of_the_script_is_the_default(tmp_path: Path) -> None:
    text = f"{START}print(hotpatch.watch().paths == [os.path.dirname(__file__)])\n"
    assert run(text, tmp_path) == "True\n"


def test_a_locked_process_is_not_watched(tmp_path: Path) -> None:
    text = f"""{START}
hotpatch.lock()
try:
    hotpatch.watch()
except hotpatch.PatchError as error:
    print(error, threading.active_count())
try:
    hotpatch.reload(sys.modules["__main__"])
except hotpatch.ReloadError as error:
    print(error)
"""
    said = run(text + "X = 1\n", tmp_path).splitlines()
    assert said[0].startswith("cannot patch <function SourceLoader.get_code at ")
    assert ": lock() was called at " in said[0]
    assert said[0].endswith(" 1")
    assert said[1:] == []


def test_a_reload_after_the_lock_changes_nothing(tmp_path: Path) -> None:
    """Also one that would only run statements."""
    (tmp_path / "helper.py").write_text("X = 1\n")
    text = f"""{START}
import helper
hotpatch.reload(helper)
hotpatch.lock()
with open(helper.__file__, "w") as file:
    file.write("X = 2\\n")
try:
    hotpatch.reload(helper)
except hotpatch.ReloadError as error:
    print(error, helper.X)
"""
    assert "failed: PatchError: cannot patch" in run(text, tmp_path)


@pytest.mark.parametrize(
    "ends", ["", "os._exit(0)", "raise SystemExit", "threading.Thread(target=print).start()"]
)
def test_a_watch_that_is_open_at_the_end_does_no_harm(ends: str, tmp_path: Path) -> None:
    assert run(f"{START}hotpatch.watch()\n{ends}\n", tmp_path).strip() == ""


def test_an_exception_in_what_is_called_is_written_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("X = 1\n")
    text = f"""{START}
import helper
def fail(report):
    reports.put(report)
    raise LookupError("told")
sys.stderr = sys.stdout
with hotpatch.watch(on_reload=fail):
    for number in (2, 3):
        with open(helper.__file__, "w") as file:
            file.write(f"X = {{number}}\\n")
        while helper.X != number:
            reports.get(timeout=30)
"""
    written = run(text, tmp_path)
    assert written.startswith("Exception ignored in on_reload: <function fail at 0x")
    assert written.count("LookupError: told\n") >= 2


def test_a_process_that_forks_goes_on_and_so_does_the_child(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("X = 1\n")
    text = f"""{START}
import helper
with hotpatch.watch(on_reload=reports.put):
    child = os.fork()
    if child:
        with open(helper.__file__, "w") as file:
            file.write("X = 2\\n")
    while helper.X == 1:
        reports.get(timeout=30)
    if child:
        print(os.waitpid(child, 0)[1], helper.X)
    else:
        os._exit(helper.X)
"""
    assert run(text, tmp_path) == f"{2 << 8} 2\n"


def test_other_threads_are_still_warned_of(tmp_path: Path) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("it does not warn of threads in a process that forks")
    text = f"""{START}
import time, warnings
def fork():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if not os.fork():
            os._exit(0)
    print(len(caught))

with hotpatch.watch():
    fork()
    event = threading.Event()
    threading.Thread(target=event.wait, daemon=True).start()
    fork()
    event.set()
    time.sleep(0.1)
    fork()
"""
    assert run(text, tmp_path).split() == ["0", "1", "0"]


def test_an_import_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    """As that of a module that runs a server."""
    (tmp_path / "server.py").write_text(
        "import time\nX = 1\nwhile X == 1:\n    time.sleep(0.01)\nprint(X)\n"
    )
    text = f"""{START}
def save():
    with open(sys.modules["server"].__file__) as file:
        text = file.read()
    with open(sys.modules["server"].__file__, "w") as file:
        file.write(text.replace("X = 1", "X = 2", 1))

hotpatch.watch(on_reload=reports.put)
threading.Timer(0.5, save).start()
import server
"""
    assert run(text, tmp_path) == "2\n"
