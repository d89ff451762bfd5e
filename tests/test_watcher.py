"""The file watcher of live reload: what it tells after each way of saving a file."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hotpatch._native import Watcher
from saves import FILE, SAVES, shell

OLD, NEW, NEXT = b"x = 1\n", b"x = 2\n", b"x = 33\n"
# Far more than any of it takes, and longer than anything is put off.
LONG, SHORT = 20.0, 0.2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src/package").mkdir(parents=True)
    (tmp_path / FILE).write_bytes(OLD)
    return tmp_path


@pytest.fixture(params=[None, 0.1], ids=["events", "poll"])
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    watcher = Watcher(poll=request.param)
    yield watcher
    watcher.close()


@pytest.mark.parametrize("name", SAVES)
def test_each_way_of_saving_is_told(name: str, folder: Path, watcher: Watcher) -> None:
    prepare, save = SAVES[name]
    shell(prepare)(folder)
    file = folder / FILE
    watcher.add(file, OLD, root=folder / "src")
    with ThreadPoolExecutor() as pool:
        saved = pool.submit(save, folder, NEW)
        assert watcher.wait(LONG) == [(str(file), NEW)]
        saved.result()
    assert watcher.wait(SHORT) == []
    file.write_bytes(NEXT)
    assert watcher.wait(LONG) == [(str(file), NEXT)]
    assert watcher.notice is None


@pytest.mark.parametrize(
    "script",
    [
        f"touch {FILE}",
        f"chmod 600 {FILE}",
        f"echo 'x = 1' > {FILE}",
        f"cp {FILE} new; mv new {FILE}",
        f"mv {FILE} new; mv new {FILE}",
        f"rm {FILE}",
        "rm -r src",
        "echo 'x = 2' > src/package/other.py",
        f"cat {FILE} > /dev/null",
    ],
)
def test_nothing_is_told(script: str, folder: Path, watcher: Watcher) -> None:
    watcher.add(folder / FILE)
    shell(script)(folder)
    assert watcher.wait(SHORT) == []


def test_what_happens_before_the_first_wait_is_told(folder: Path, watcher: Watcher) -> None:
    for number in range(20):
        file = folder / f"module{number}.py"
        file.write_bytes(OLD)
        watcher.add(str(file))
        file.write_bytes(NEW)
        assert watcher.wait(LONG) == [(str(file), NEW)]


def test_what_differs_is_told_at_once(folder: Path, watcher: Watcher) -> None:
    file = folder / FILE
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(watcher.wait, LONG)
        watcher.add(file, b"something else")
        assert waits.result() == [(str(file), OLD)]
        waits = pool.submit(watcher.wait, SHORT)
        watcher.add(file, OLD)
        assert waits.result() == []


def test_the_last_of_many_saves_is_told(folder: Path, watcher: Watcher) -> None:
    file = folder / FILE
    watcher.add(file)

    def save() -> None:
        for number in range(1000):
            new = file.with_name("new")
            new.write_text(f"x = {number:03}\n", encoding="utf-8")
            if number % 2:
                os.replace(new, file)
            else:
                file.write_bytes(new.read_bytes())

    with ThreadPoolExecutor() as pool:
        saved = pool.submit(save)
        while watcher.wait(LONG) != [(str(file), b"x = 999\n")]:
            pass
        saved.result()
    assert watcher.wait(SHORT) == []


def test_files_that_are_saved_together_are_told_together(folder: Path, watcher: Watcher) -> None:
    files = [folder / f"src/module{number}.py" for number in range(50)]
    for file in files:
        file.write_bytes(OLD)
        watcher.add(file)
    for file in files:
        file.write_bytes(NEW)
    assert sorted(watcher.wait(LONG) or []) == sorted((str(file), NEW) for file in files)


def test_names_that_are_no_text(folder: Path, watcher: Watcher) -> None:
    name = os.fsdecode(os.fsencode(folder) + b"/\xff.py")
    watcher.add(name)
    Path(name).write_bytes(OLD)
    assert watcher.wait(LONG) == [(name, OLD)]


def test_a_removed_file_is_not_told(folder: Path, watcher: Watcher) -> None:
    watcher.add(folder / FILE)
    watcher.remove(folder / FILE)
    watcher.remove(folder / "never added")
    (folder / FILE).write_bytes(NEW)
    assert watcher.wait(SHORT) == []


def test_a_closed_watcher_lets_go_who_waits(watcher: Watcher) -> None:
    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(watcher.wait) for _ in range(3)]
        watcher.close()
        assert [it.result() for it in waits] == [None] * 3
    watcher.close()
    assert watcher.wait() is None
    watcher.add("module.py")


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_times_must_be_numbers_of_seconds(value: float, watcher: Watcher) -> None:
    for name in ("debounce", "poll"):
        with pytest.raises(ValueError, match=f"{name}=.* is no number of seconds"):
            Watcher(**{name: value})
    with pytest.raises(ValueError, match=r"timeout=.* is no number of seconds"):
        watcher.wait(value)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals that come later")
def test_signals_interrupt_the_main_thread(watcher: Watcher) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            watcher.wait(LONG)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_closed_watcher_and_can_make_another(folder: Path) -> None:
    code = """
import os, sys, threading, warnings
from hotpatch._native import Watcher
warnings.simplefilter("ignore")
folder, file = sys.argv[1:]
watcher = Watcher()
watcher.add(file)
# A thread that waits, and another that takes the locks all the time.
threading.Thread(target=watcher.wait, daemon=True).start()
def add():
    while True:
        watcher.add(file)
threading.Thread(target=add, daemon=True).start()
children = []
for number in range(20):
    child = os.fork()
    if not child:
        watcher.add(file)
        watcher.remove(file)
        assert watcher.wait() is None and watcher.notice is None
        watcher.close()
        del watcher
        mine = os.path.join(folder, f"{number}.py")
        other = Watcher()
        other.add(mine)
        with open(mine, "w") as opened:
            opened.write("x = 1")
        assert other.wait(20) == [(mine, b"x = 1")]
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
with open(file, "w") as opened:
    opened.write("x = 5")
print("done")
"""
    command = [sys.executable, "-c", code, str(folder), str(folder / FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_an_end_of_the_process_while_somebody_waits(folder: Path) -> None:
    code = """
import atexit, sys, threading
from hotpatch._native import Watcher
watcher = Watcher()
watcher.add(sys.argv[1])
def waits():
    while watcher.wait() is not None: pass
threading.Thread(target=waits, daemon=True).start()
class Late:
    def __del__(self, open=open, path=sys.argv[1]):
        for number in range(200):
            with open(path, "w") as opened:
                opened.write(str(number))
sys.late = Late()
"""
    command = [sys.executable, "-c", code, str(folder / FILE)]
    for _ in range(5):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Set by the process itself, in a namespace of its own where these are limits of the system.
LIMITS = {
    "fs.inotify.max_user_instances": "limit('instances', 0)",
    "fs.inotify.max_user_watches": "limit('watches', 3)",
    "ulimit": "open_all_files()",
}
LIMITED = """
import os, resource, sys
from hotpatch._native import Watcher
folder, held = sys.argv[1], []

def limit(what, number):
    with open(f"/proc/sys/user/max_inotify_{what}", "w") as opened:
        opened.write(str(number))

def open_all_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
    try:
        while True:
            held.append(open(os.devnull))
    except OSError:
        pass

SET_LIMIT
watcher = Watcher()
while held:
    held.pop().close()
files = [f"{folder}/{number}/module.py" for number in range(3)]
for file in files:
    os.mkdir(os.path.dirname(file))
    watcher.add(file)
assert watcher.wait(20) == [], "the notice"
print(watcher.notice)
for file in files:
    with open(file, "w") as opened:
        opened.write("x = 2")
assert watcher.wait(20) == [(file, b"x = 2") for file in files]
assert watcher.wait(0.1) == [], "the notice comes once"
"""


def watched_directories() -> int:
    """How many there are in this process."""
    count = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            count += path.read_text(encoding="utf-8").count("inotify wd:")
    return count


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_nothing_is_watched_that_nobody_needs(folder: Path) -> None:
    # Other watchers of these tests may be closing.
    for _ in range(100):
        if not (before := watched_directories()):
            break
        time.sleep(0.02)
    watcher = Watcher()
    for _ in range(2):
        watcher.add(folder / FILE, root=folder / "src")
    watcher.add(folder / "src/other.py")
    assert watched_directories() - before == 3
    watcher.remove(folder / "src/other.py")
    shell("mv src old; mkdir -p src/package; touch src/package/module.py")(folder)
    assert watcher.wait(LONG) == [(str(folder / FILE), b"")]
    assert watched_directories() - before == 3
    watcher.remove(folder / FILE)
    assert watched_directories() - before == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
@pytest.mark.parametrize("limit", LIMITS)
def test_without_events_files_are_polled(limit: str, tmp_path: Path) -> None:
    code = LIMITED.replace("SET_LIMIT", LIMITS[limit])
    command = [sys.executable, "-c", code, str(tmp_path)]
    if limit != "ulimit":
        command = ["unshare", "--user", "--map-root-user", *command]
        if subprocess.run([*command[:3], "true"], capture_output=True, check=False).returncode:
            pytest.skip("no user namespaces here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("files are polled every 1 s, since there are too many ")
    assert limit in done.stdout


def test_a_watcher_that_waits_uses_no_time(folder: Path) -> None:
    watcher = Watcher()
    for number in range(100):
        watcher.add(folder / f"{number}.py")
    waits = threading.Thread(target=watcher.wait)
    waits.start()
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(2)
    used = time.process_time() - before
    watcher.close()
    waits.join()
    assert used < 0.01
