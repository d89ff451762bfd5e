"""What it costs to apply the edit of a file to a module that runs, with hotpatch and its peers.

Each tool works in a process of its own, and all of them take turns. What those do is in
reload_worker.py.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benches.import_time import BARE, spent, succeeds
from benches.reload_worker import TOOLS
from benches.tables import Row, Table

WORKER = Path(__file__).with_name("reload_worker.py").resolve()
MILLISECOND = 1_000_000
SIZES = (200, 2_000, 20_000)
EDITS = ("body", "shift")
# For a body edit and for shifted lines, of so many lines.
GOALS = {200: 3 * MILLISECOND, 2_000: 8 * MILLISECOND, 20_000: 40 * MILLISECOND}
GOAL_PAUSE = 2 * MILLISECOND
MANY_OBJECTS = 10_000_000
# An update that takes longer is not waited for.
LIMIT_S = 60
WATCHERS = ("hotpatch", "jurigged", "reloadium")
START = {
    "`import hotpatch; hotpatch.reload`": "import hotpatch; hotpatch.reload",
    "`import jurigged`": "import jurigged",
    "`from IPython.extensions import autoreload`": "from IPython.extensions import autoreload",
}


class Worker:
    """A process in which one tool applies edits."""

    def __init__(self, mode: str, tool: str, lines: int, objects: int) -> None:
        self.note = ""
        runner = ["-m", "reloadium", "run"] if tool == "reloadium" else []
        self.folder = tempfile.TemporaryDirectory()
        # Tools may write to the other streams.
        reader, writer = os.pipe()
        self.answers = os.fdopen(reader, encoding="utf-8")
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *runner, WORKER, mode, tool, str(lines), str(objects), str(writer)],
            cwd=self.folder.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
            pass_fds=[writer],
            encoding="utf-8",
        )
        os.close(writer)
        self.answer()

    def ask(self, edit: str) -> dict[str, int] | None:
        """Let it apply an edit, and return what that took."""
        if self.note:
            return None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{edit}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, int] | None:
        if not select.select([self.answers], [], [], LIMIT_S)[0]:
            self.note = f"more than {LIMIT_S} s"
        elif line := self.answers.readline():
            found: dict[str, int] = json.loads(line)
            return found
        else:
            self.errors.seek(0)
            error = self.errors.read().strip().rpartition("\n")[2]
            is_missing = error.startswith("ModuleNotFoundError") or "No module named" in error
            self.note = "not installed" if is_missing else f"fails: {error}"[:80]
        self.process.kill()
        return None

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.answers.close()
        self.errors.close()
        self.folder.cleanup()


@contextmanager
def workers(
    mode: str, tools: list[str], lines: int, objects: int = 0
) -> Iterator[dict[str, Worker]]:
    """Start a process for each tool."""
    found: dict[str, Worker] = {}
    try:
        for tool in tools:
            found[tool] = Worker(mode, tool, lines, objects)
        yield found
    finally:
        for worker in found.values():
            worker.end()


class Figures:
    """What the tools took in each round, for one question."""

    def __init__(self) -> None:
        self.times = defaultdict[str, list[float]](list)
        self.ratios = defaultdict[str, list[float]](list)
        self.notes: dict[str, str] = {}

    def add(self, found: dict[str, dict[str, int] | None], figure: str) -> None:
        first = found.get("hotpatch")
        for tool, one in found.items():
            if one is not None:
                self.times[tool].append(one[figure])
                if first is not None:
                    self.ratios[tool].append(one[figure] / max(first[figure], 1))

    def rows(self, name: str, goal: float | None) -> Iterator[Row]:
        for tool, note in self.notes.items():
            title = f"{name}: {tool}"
            if note or not self.times[tool]:
                yield Row(title, note=note)
            else:
                ratio = median(self.ratios[tool]) if self.ratios[tool] else None
                is_ours = tool == "hotpatch"
                yield Row(title, median(self.times[tool]), ratio, goal=goal if is_ours else None)


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    # Many rounds of those that take seconds would take hours.
    rounds = max(rounds // 40, 1)
    return [*applying(rounds), heap(rounds), watching(rounds), *starting(rounds)]


def ask(
    mode: str, tools: list[str], lines: int, edit: str, objects: int, rounds: int
) -> dict[str, Figures]:
    """Let all tools apply an edit of one kind in turn."""
    figures = defaultdict[str, Figures](Figures)
    with workers(mode, tools, lines, objects) as there:
        for turn in range(rounds + 1):
            order = tools if turn % 2 else tools[::-1]
            found = {tool: there[tool].ask(edit) for tool in order}
            # The first one also looks at the module, and imports what it needs.
            if turn or rounds == 1:
                for figure in ("cpu", "pause") if mode == "apply" else ("latency",):
                    figures[figure].add(found, figure)
        for one in figures.values():
            one.notes = {tool: there[tool].note for tool in tools}
    return figures


def _sizes(rounds: int) -> tuple[int, ...]:
    # A single round is only to see that this works.
    return SIZES if rounds > 1 else SIZES[:1]


def applying(rounds: int) -> list[Table]:
    """Compare what an update takes, and for how long it stops the main thread."""
    times: list[Row] = []
    pauses: list[Row] = []
    for lines in _sizes(rounds):
        for edit in EDITS:
            found = ask("apply", [*TOOLS], lines, edit, 0, rounds)
            name = f"{lines:,} lines, {edit}"
            times += found["cpu"].rows(name, GOALS[lines])
            pauses += found["pause"].rows(name, GOAL_PAUSE if lines <= 2_000 else None)
    shift = "`body` is another constant in one function, and `shift` one more line above as well."
    return [
        Table(
            "Applying an edit",
            f"The processor time of one update. {shift} The goals are 3, 8 and 40 ms.",
            "hotpatch",
            "time",
            times,
        ),
        Table(
            "The longest pause of the main thread while an edit is applied",
            "An update runs in another thread, while the main thread looks at the clock. CPython "
            "lets threads take turns of 5 ms. The goal is at most 2 ms at 2,000 lines.",
            "hotpatch",
            "time",
            pauses,
        ),
    ]


def heap(rounds: int) -> Table:
    """Compare what an update takes where there are many objects."""
    rows: list[Row] = []
    # A single round is only to see that this works.
    objects = MANY_OBJECTS if rounds > 1 else MANY_OBJECTS // 1000
    for edit in EDITS:
        lines = 2_000 if rounds > 1 else 200
        found = ask("apply", [*TOOLS], lines, edit, objects, rounds)
        rows += found["cpu"].rows(f"{lines:,} lines, {edit}", GOALS[lines])
    return Table(
        "Applying an edit beside ten million objects",
        "The processor time of one update in a process that has ten million lists more, which take "
        "a gigabyte.",
        "hotpatch",
        "time",
        rows,
    )


def watching(rounds: int) -> Table:
    """Compare how long it takes until new code is called."""
    rows: list[Row] = []
    for lines in _sizes(rounds):
        found = ask("watch", [*WATCHERS], lines, "body", 0, rounds)
        rows += found["latency"].rows(f"{lines:,} lines", None)
    return Table(
        "From an edit to the first call of new code",
        "From closing the file to a call that gets the new value, looking each millisecond, with "
        "what each tool waits for more edits.",
        "hotpatch",
        "time",
        rows,
    )


def starting(rounds: int) -> list[Table]:
    """Compare what it costs to have a tool at hand."""
    environment = {**os.environ}
    with tempfile.TemporaryDirectory() as caches:
        environment["PYTHONPYCACHEPREFIX"] = caches
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = {name: [sys.executable, "-c", code] for name, code in START.items()}
        works = {name: succeeds(it, environment) for name, it in commands.items()}
        bare: list[float] = []
        extra, ratios = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for _ in range(rounds):
            bare.append(spent(BARE, environment))
            for name, command in commands.items():
                if works[name]:
                    time = spent(command, environment)
                    extra[name].append(time - bare[-1])
                    ratios[name].append(time / bare[-1])
        memory = {name: resident(code, environment) for name, code in START.items() if works[name]}
        least = resident("pass", environment)
    rows = [Row("a process that imports nothing", median(bare), 1.0)]
    for name in START:
        title = f"{name}, added to it"
        if works[name]:
            rows.append(Row(title, median(extra[name]), median(ratios[name])))
        else:
            rows.append(Row(title, note="not installed"))
    sizes = [Row("a process that imports nothing", note=f"{least / 1024:.1f} MiB")]
    sizes += [
        Row(f"{name}, added to it", note=f"{(size - least) / 1024:.1f} MiB")
        for name, size in memory.items()
    ]
    return [
        Table(
            "Having live reload at hand",
            "The first row is a whole process, the others are what the import adds to it.",
            "a process that imports nothing",
            "time",
            rows,
        ),
        Table("Memory for live reload", "The most that the process had.", "", "time", sizes),
    ]


def resident(code: str, environment: dict[str, str]) -> int:
    """Return how many KiB a process has at most that runs some code."""
    # What `getrusage` tells begins with what the parent had.
    code += (
        "\nfor line in open('/proc/self/status'):\n    if 'VmHWM' in line: print(line.split()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)
