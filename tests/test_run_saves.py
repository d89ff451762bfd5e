"""However a file is saved, the program that runs changes once, and to the new text only."""

import re
from pathlib import Path

import pytest
from running import HOTPATCH, Running
from saves import FILE, SAVES, shell

OLD = b"""\
def f():
    return [g(), 1]

def g():
    return 1
"""
NEW = OLD.replace(b"1", b"2")
MAIN = """\
import sys
sys.path.insert(0, "src/package")
import module
f = module.f

for _ in sys.stdin:
    print(f(), flush=True)
"""
# Saves that are no text in between.
BROKEN = {
    "broken": (shell(f"echo 'def f(:' > {FILE}; sleep 0.3; cat $NEW > {FILE}"), 1),
    "broken, then replaced": (
        shell(f"echo '1 / 0' >> {FILE}; sleep 0.3; cat $NEW > new; mv new {FILE}"),
        1,
    ),
    "empty": (shell(f": > {FILE}; sleep 0.3; cat $NEW > {FILE}"), 0),
    "gone for a while": (shell(f"rm {FILE}; sleep 0.3; cat $NEW > {FILE}"), 0),
}


def started(folder: Path, start: type[Running], prepare: str = "") -> Running:
    (folder / "src/package").mkdir(parents=True)
    (folder / FILE).write_bytes(OLD)
    (folder / "main.py").write_text(MAIN)
    shell(prepare)(folder)
    program = start([*HOTPATCH, "main.py"], folder)
    assert program.ask() == "[1, 1]"
    return program


def changes(program: Running) -> None:
    """Check that it is told of the new text, and of nothing else."""
    line = program.report()
    while not line.startswith("hotpatch: 2 changes in "):
        assert not re.search("updated|deleted|added|ran", line), line
        line = program.report()
    assert re.fullmatch(r"  updated  f  .*module\.py:1", program.report())
    assert re.fullmatch(r"  updated  g  .*module\.py:4", program.report())
    assert program.ask() == "[2, 2]"


@pytest.mark.parametrize("name", SAVES)
def test_each_way_of_saving_changes_the_program_once(
    name: str, starts: type[Running], tmp_path: Path
) -> None:
    prepare, save = SAVES[name]
    program = started(tmp_path, starts, prepare)
    save(tmp_path, NEW)
    changes(program)
    assert program.end() == (0, "")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_text_in_between_changes_nothing(
    name: str, starts: type[Running], tmp_path: Path
) -> None:
    save, failures = BROKEN[name]
    program = started(tmp_path, starts)
    save(tmp_path, NEW)
    if failures:
        assert program.report() == "hotpatch: a reload failed, and nothing has changed"
        assert program.ask() in ("[1, 1]", "[2, 2]")
    changes(program)
    assert program.end() == (0, "")
