"""`%load_ext hotpatch` in IPython, and in a kernel of Jupyter."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("IPython", reason="IPython is not installed")

# Runs cells, each a line of JSON, and answers with what they print or raise.
SHELL = """\
import contextlib, io, json, sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for line in sys.stdin:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        shell.run_cell(json.loads(line))
    print(json.dumps(output.getvalue()), flush=True)
"""


class Shell:
    """A process that runs cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "IPYTHONDIR": str(folder / ".ipython"), "NO_COLOR": "1"}
        environment["PYTHONDEVMODE"] = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", SHELL],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def save(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(text)

    def run(self, cell: str) -> str:
        """Run a cell, and return what it prints."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(textwrap.dedent(cell)), file=self.process.stdin, flush=True)
        printed: str = json.loads(self.process.stdout.readline())
        return printed.strip()


@pytest.fixture
def plain_shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.process.communicate(timeout=60)
    assert shell.process.returncode == 0


@pytest.fixture
def shell(plain_shell: Shell) -> Shell:
    assert plain_shell.run("%load_ext hotpatch") == ""
    return plain_shell


def test_an_edit_is_there_in_the_next_cell(shell: Shell) -> None:
    shell.save("helper", "X = 1\ndef f(): return 1\n")
    shell.run("from helper import X, f\nimport helper")
    shell.save("helper", "X = 22\ndef f(): return 2\n")
    said = shell.run("print(X, f(), helper.X)").splitlines()
    assert said[1:] == ["  ran      X  helper.py:1", "  updated  f  helper.py:2", "22 2 22"]
    assert shell.run("print(f())") == "2"


def test_an_edit_that_fails_is_said_once_and_the_next_counts(shell: Shell) -> None:
    shell.save("helper", "def f(): return 1\n")
    shell.save("other", "X = 1\n")
    shell.run("import helper, other")
    shell.save("helper", "def f(: return 2\n")
    said = shell.run("print(helper.f())")
    assert said.startswith("hotpatch: a reload failed, and nothing has changed\n")
    assert said.endswith("SyntaxError: invalid syntax\n1")
    assert shell.run("print(helper.f())") == "1"
    shell.save("helper", "def f(): return 3\n")
    assert shell.run("print(helper.f())").endswith("\n3")


def test_an_edit_before_the_extension_is_seen(plain_shell: Shell) -> None:
    shell = plain_shell
    shell.save("helper", "def f(): return 1\n")
    shell.run("from helper import f")
    shell.save("helper", "def f(): return 2\n")
    shell.run("%load_ext hotpatch")
    assert shell.run("print(f())").endswith("\n2")
    shell.run("%unload_ext hotpatch")
    shell.save("helper", "def f(): return 3\n")
    assert shell.run("print(f())") == "2"
    assert shell.run("import hotpatch; print(hotpatch.patches())") == "[]"
    shell.run("%load_ext hotpatch")
    assert shell.run("print(f())").endswith("\n3")


def test_what_a_cell_defines_anew_is_the_object_that_it_was(shell: Shell) -> None:
    shell.run(
        """
        def f(x, y=1): return x
        class A:
            def m(self): return 1
            gone = 1
        held, a, bound = [f, A], A(), A().m
        """
    )
    shell.run(
        """
        def f(x, z=2):
            "doc"
            return x * 10, z
        f.marked = True
        class A:
            new = 5
            def m(self): return super().__hash__() and 2
            def n(self): return 3
        """
    )
    cell = """
        print(held == [f, A], held[0](1), f.__doc__, f.marked, f.__name__)
        print(a.m(), bound(), a.n(), a.new, hasattr(a, "gone"), isinstance(a, A))
    """
    assert shell.run(cell) == "True (10, 2) doc True f\n2 2 3 5 False True"


def test_classes_that_are_made_anew_follow_each_other(shell: Shell) -> None:
    cell = """
        import enum
        from dataclasses import dataclass
        class Base:
            def f(self): return 1
        class Sub(Base):
            def f(self): return super().f()
        @dataclass
        class Point:
            x: int
        class Color(enum.Enum):
            RED = 1
    """
    shell.run(cell)
    shell.run("sub, point, red, classes = Sub(), Point(1), Color.RED, [Base, Sub, Point, Color]")
    cell = cell.replace("return 1", "return 2").replace("x: int", "x: int = 5; y: int = 6")
    assert shell.run(cell.replace("RED = 1", "RED = 1; BLUE = 2")) == ""
    check = "print(classes == [Base, Sub, Point, Color], sub.f(), Point(), red is Color.RED)"
    assert shell.run(check) == "True 2 Point(x=5, y=6) True"
    assert shell.run("print(Color.BLUE, Base.__subclasses__() == [Sub])") == "Color.BLUE True"


def test_a_class_that_is_laid_out_in_another_way_is_another_one(shell: Shell) -> None:
    shell.run("class A:\n    __slots__ = ['x']\na = A()")
    said = shell.run("class A:\n    __slots__ = ['x', 'y']")
    assert said.startswith("hotpatch: A is another class now, and what holds the old one: ")
    assert shell.run("print(isinstance(a, A), hasattr(A, 'y'))") == "False True"


@pytest.mark.parametrize(
    "cells",
    [
        ["g = f", "def f(x): return g(x) + 10"],
        ["f = wrapping(f)"],
        ["@wrapping\ndef f(x): return x", "f = wrapping(f)"],
        ["g = f\ndef f(x):\n    def inner(): return g(x) + 10\n    return inner()"],
    ],
)
def test_a_function_that_calls_what_was_there_is_another_one(
    cells: list[str], shell: Shell
) -> None:
    """If it became that, it would call itself for ever."""
    shell.run(
        """
        import functools
        def wrapping(f):
            @functools.wraps(f)
            def call(x): return f(x) + 10
            return call
        def f(x): return x
        """
    )
    for cell in cells:
        assert shell.run(cell) == ""
    assert shell.run("print(f(1))") in ("11", "21")


def test_what_a_cell_makes_anew_and_does_not_define_stays_another(shell: Shell) -> None:
    shell.run("def make():\n    def inner(): return 1\n    return inner\nf = make(); held = f")
    assert shell.run("f = make(); print(f is held)") == "False"
    shell.run("def f(): return 1\nheld = f")
    assert shell.run("f = print; f(held())") == "1"


def test_a_kernel_of_jupyter_changes(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager", reason="Jupyter is not installed")
    pytest.importorskip("ipykernel", reason="its kernel is not installed")
    environment = {**os.environ, "PYTHONDEVMODE": "", "IPYTHONDIR": str(tmp_path / ".ipython")}
    kernel, client = manager.start_new_kernel(cwd=str(tmp_path), env=environment)

    def run(cell: str) -> Any:
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = client.execute_interactive(cell, output_hook=take, timeout=60)
        assert reply["content"]["status"] == "ok"
        return "".join(printed).strip()

    try:
        (tmp_path / "helper.py").write_text("def f(): return 1\n")
        run("%load_ext hotpatch")
        run("import threading, time\nfrom helper import f\nstate, stop = [], threading.Event()")
        run("def step(): return 'old', f()")
        # Something runs on between the cells.
        run(
            "def work():\n    while not stop.is_set():\n        state.append(step())\n"
            "        time.sleep(0.001)\nthreading.Thread(target=work, daemon=True).start()"
        )
        (tmp_path / "helper.py").write_text("def f(): return 20\n")
        assert run("print(f())").endswith("20")
        run("def step(): return 'new', f()")
        run("count = len(state)\nwhile len(state) < count + 5: time.sleep(0.001)\nstop.set()")
        assert run("print(state[0], state[-1])") == "('old', 1) ('new', 20)"
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
