"""`hotpatch run` runs a program as `python` does, and changes it when it is saved."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from running import HOTPATCH, Running, write

SHOW = """
import pickle, sys

def f(): pass

hidden = ["f", "hidden", "pickle", "sys", "__builtins__"]
names = {name: value for name, value in sorted(globals().items()) if name not in hidden}
print(sys.path[0], sys.argv, {**names, "__loader__": type(__loader__).__name__}, __builtins__)
print(sys.modules["__main__"].__dict__ is globals(), __loader__.name, sys.stdin.read())
print(pickle.loads(pickle.dumps(f)) is f)
"""
PROGRAMS = {
    "show.py": SHOW,
    "package/__init__.py": "",
    "package/__main__.py": SHOW,
    "package/inner.py": SHOW,
    "folder/__main__.py": SHOW,
    "error.py": "def f():\n    1 / 0\n\nf()\n",
    "imports_error.py": "import error\n",
    "chained.py": "try:\n    1 / 0\nexcept Exception:\n    raise KeyError('x')\n",
    "in_coroutine.py": "import asyncio\nasync def f(): raise OSError\nasyncio.run(f())\n",
    "in_thread.py": "import threading\nthreading.Thread(target=lambda: 1 / 0).start()\n",
    "no_python.py": "x = (\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "exits_with_text.py": "import sys\nsys.exit('text')\n",
    "interrupted.py": """
        import os, signal, time

        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(9)
    """,
    "terminated.py": """
        import os, signal, time

        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(9)
    """,
    "has_hook.py": """
        import sys

        def hook(kind, error, trace):
            print(kind, error.__traceback__ is trace, trace.tb_frame.f_code.co_filename)

        sys.excepthook = hook
        1 / 0
    """,
    "at_exit.py": """
        import atexit, threading, time

        def last():
            time.sleep(0.2)
            print("thread")

        atexit.register(print, "bye")
        threading.Thread(target=last).start()
        raise RuntimeError
    """,
    "forks.py": """
        import os

        child = os.fork()
        if not child:
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    """,
    "has_children.py": """
        import multiprocessing

        def double(x):
            return x * 2

        if __name__ == "__main__":
            for method in multiprocessing.get_all_start_methods():
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(method, pool.map(double, [1, 2]))
    """,
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name, text in PROGRAMS.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def outcome(command: list[str], folder: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONDEVMODE": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=folder, input="typed", capture_output=True, text=True, env=environment
    )
    # Addresses, and how many threads were made before.
    written = [re.sub(r"0x\w+|Thread-\d+", "", it) for it in (done.stdout, done.stderr)]
    return done.returncode, written[0], written[1]


@pytest.mark.parametrize(
    "arguments",
    [
        "show.py a -m -q --watch",
        "./show.py",
        "-m show a --b",
        "-m package",
        "-m package.inner -v",
        "folder 1",
        "package",
        "error.py",
        "-m error",
        "imports_error.py",
        "-m imports_error",
        "chained.py",
        "in_coroutine.py",
        "in_thread.py",
        "no_python.py",
        "exits.py",
        "exits_with_text.py",
        "interrupted.py",
        "-m interrupted",
        "terminated.py",
        "has_hook.py",
        "-m has_hook",
        "at_exit.py",
        "forks.py",
        "has_children.py",
        "-m has_children",
        "there_is_none.py",
        "-m there_is_none",
        "-m package.there_is_none",
    ],
)
def test_a_program_runs_as_it_does_without(arguments: str, programs: Path) -> None:
    """Output, traceback, exit code, signal, `sys.argv`, `sys.path[0]` and `__main__`."""
    expected = outcome([sys.executable, *arguments.split()], programs)
    assert outcome([*HOTPATCH, *arguments.split()], programs) == expected


def test_a_program_in_safe_mode_gets_no_folder(programs: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("there is no -P")
    plain = [sys.executable, "-P", "show.py"]
    safe = [sys.executable, "-P", "-m", "hotpatch", "run", "show.py"]
    assert outcome(safe, programs) == outcome(plain, programs)


LOOPING = """\
import sys
import helper

LIMIT = 1

def step(n):
    return "old", n, LIMIT, helper.HELP

if __name__ == "__main__":
    for n, _ in enumerate(sys.stdin):
        print(step(n), flush=True)
"""


@pytest.mark.parametrize("target", [["main.py"], ["-m", "main"]])
def test_a_save_changes_a_program_that_runs(
    target: list[str], starts: type[Running], tmp_path: Path
) -> None:
    write(tmp_path, "main.py", LOOPING)
    write(tmp_path, "helper.py", "HELP = 1\n")
    program = starts([*HOTPATCH, *target], tmp_path)
    assert program.ask() == "('old', 0, 1, 1)"
    write(tmp_path, "main.py", LOOPING.replace("old", "new").replace("LIMIT = 1", "LIMIT = 2"))
    assert re.fullmatch(r"hotpatch: 2 changes in \d+ ms", program.report())
    assert program.report() == "  ran      LIMIT  main.py:4"
    assert program.report() == "  updated  step   main.py:6"
    assert program.ask() == "('new', 1, 2, 1)"
    write(tmp_path, "helper.py", "HELP = 2\n")
    assert re.fullmatch(r"hotpatch: 1 change in \d+ ms", program.report())
    assert program.report() == "  ran  HELP  helper.py:1"
    assert program.ask() == "('new', 2, 2, 2)"
    assert program.end() == (0, "")


def test_a_save_that_fails_is_reported_and_the_next_one_counts(
    starts: type[Running], tmp_path: Path
) -> None:
    write(tmp_path, "main.py", LOOPING)
    write(tmp_path, "helper.py", "HELP = 1\n")
    program = starts([*HOTPATCH, "-q", "main.py"], tmp_path)
    program.ask()
    write(tmp_path, "helper.py", "HELP = 2\nHELP += None\n")
    expected = ["hotpatch: a reload failed, and nothing has changed"]
    expected += ["Traceback (most recent call last):"]
    expected += [f'  File "{tmp_path}/helper.py", line 2, in <module>', "    HELP += None"]
    lines = [program.report() for _ in range(len(expected))]
    assert lines == expected
    while not (line := program.report()).startswith("TypeError: unsupported operand"):
        assert set(line) <= set(" ~^")
    assert program.ask() == "('old', 1, 1, 1)"
    write(tmp_path, "helper.py", "HELP = (\n")
    assert program.report() == expected[0]
    assert program.report() == f'  File "{tmp_path}/helper.py", line 1'
    assert [program.report() for _ in range(3)][-1].startswith("SyntaxError: ")
    write(tmp_path, "helper.py", "HELP = 3\n")
    while program.ask().endswith(", 1)"):  # it is quiet about what works
        pass
    assert program.end() == (0, "")


def test_what_is_watched_can_be_chosen(starts: type[Running], tmp_path: Path) -> None:
    write(tmp_path, "main.py", LOOPING)
    other = tmp_path / "other"
    other.mkdir()
    write(other, "helper.py", "HELP = 1\n")
    (tmp_path / "helper.py").symlink_to(other / "helper.py")
    options = ["-v", "--watch", ".", "--exclude", "helper*", "--poll", "0.01"]
    program = starts([*HOTPATCH, *options, "main.py"], tmp_path)
    assert program.report() == f"hotpatch: watching {tmp_path}"
    program.ask()
    write(other, "helper.py", "HELP = 2\n")
    write(tmp_path, "main.py", LOOPING.replace("LIMIT = 1", "LIMIT = 2"))
    program.report()
    assert program.report() == "  ran  LIMIT  main.py:4"
    assert program.ask() == "('old', 1, 2, 1)"
    assert program.end() == (0, "")


def test_children_change_too(starts: type[Running], tmp_path: Path) -> None:
    """Forked ones and those that are started anew."""
    text = """\
import multiprocessing, sys

LIMIT = 1

def step():
    return "old", LIMIT

def work(pipe):
    while pipe.recv():
        pipe.send(step())

if __name__ == "__main__":
    children = []
    for method in ("fork", "spawn", "forkserver"):
        pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context(method)
        context.Process(target=work, args=(other,), daemon=True).start()
        children.append(pipe)
    for _ in sys.stdin:
        for pipe in children:
            pipe.send(True)
        print([pipe.recv() for pipe in children], flush=True)
"""
    write(tmp_path, "main.py", text)
    program = starts([*HOTPATCH, "main.py"], tmp_path)
    assert program.ask() == str([("old", 1)] * 3)
    write(tmp_path, "main.py", text.replace("old", "new").replace("LIMIT = 1", "LIMIT = 2"))
    said = sorted(program.report() for _ in range(4 * 3))  # by each process
    assert said[:8] == ["  ran      LIMIT  main.py:3"] * 4 + ["  updated  step   main.py:5"] * 4
    said = [re.sub(r"\d+ ms", "", it) for it in said[8:]]
    assert said[3] == "hotpatch: 2 changes in "
    assert all(re.fullmatch(r"hotpatch \(\d+\): 2 changes in ", it) for it in said[:3])
    assert program.ask() == str([("new", 2)] * 3)


def test_a_process_that_refuses_patches_says_so(programs: Path) -> None:
    environment = {**os.environ, "HOTPATCH_DISABLE": "1"}
    done = subprocess.run(
        [*HOTPATCH, "show.py"], cwd=programs, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("hotpatch: cannot run show.py: cannot patch ")
    assert "HOTPATCH_DISABLE is set in the environment" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("run", "the following arguments are required: TARGET"),
        ("run --watch /no/such x.py", "argument --watch: nothing is at /no/such"),
        ("run --poll 0 x.py", "argument --poll: 0 is no number of seconds above 0"),
        ("run --loop step x.py", "argument --loop: step is not of the form MODULE:FUNCTION"),
        ("run -q -v x.py", "not allowed with argument"),
    ],
)
def test_wrong_arguments_are_refused(arguments: str, message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hotpatch", *arguments.split()]
    code, _, errors = outcome(command, tmp_path)
    assert code == 2
    assert message in errors
