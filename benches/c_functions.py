"""What it costs to call a patched C function, to patch one, and to stop the clock."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benches.tables import Row, Table
from benches.timing import Contestant, UnavailableError, compare

GOAL_NS = 2000

SETUP = """
from datetime import datetime
from functools import lru_cache, partial
from operator import add, sub
from random import random
from time import time
import random as random_module
from hotpatch import hotpatch

def second(a, b): return b
def upper(text): return text
def number(): return 0.5
text = "text"
def inner(a): return a
cache, part, wrapped = lru_cache(inner), partial(inner, 1), partial(second)
"""
# A name, a statement, and the patch that is in place.
CALLS = {
    "a builtin, called directly": ("sub(1, 2)", ""),
    "`operator.add`, patched with it": ("add(1, 2)", "hotpatch(sub, add)"),
    "a Python function, called directly": ("second(1, 2)", ""),
    "the same in a `functools.partial`, called directly": ("wrapped(1, 2)", ""),
    "`operator.add`, patched with the function": ("add(1, 2)", "hotpatch(second, add)"),
    "one of one argument, called directly": ("upper(text)", ""),
    "`str.upper`, patched with it": ("text.upper()", "hotpatch(upper, str.upper)"),
    "one of no argument, called directly": ("number()", ""),
    "`time.time`, patched with it": ("time()", "hotpatch(number, time)"),
    "`random.random`, patched with it": ("random()", "hotpatch(number, random)"),
}
PATCHES = {
    "`operator.add`, by a builtin": "hotpatch(sub, add).undo()",
    "`operator.add`, by a Python function": "hotpatch(second, add).undo()",
    "`time.time`, by a Python function": "hotpatch(number, time).undo()",
    "`str.upper`, by a Python function": "hotpatch(upper, str.upper).undo()",
    "`random.random`, by a Python function": "hotpatch(number, random).undo()",
    "`datetime.now`, by a Python function": "hotpatch(number, datetime.now).undo()",
    "a `functools.lru_cache` object": "hotpatch(inner, cache).undo()",
    "a `functools.partial` object": "hotpatch(inner, part).undo()",
}
# How to stop the clock: what must be imported, and how to begin and to end.
CLOCKS = {
    "hotpatch": (
        "noon = datetime(2020, 1, 2, 12)\n"
        "def fake_time(): return 1577966400.0\n"
        "def fake_now(tz=None): return noon",
        "patches = hotpatch(fake_time, time), hotpatch(fake_now, datetime.now)",
        "for patch in patches: patch.undo()",
    ),
    "time-machine": (
        "import time_machine",
        "travel = time_machine.travel(1577966400, tick=False); travel.start()",
        "travel.stop()",
    ),
    "freezegun": (
        "import freezegun",
        "freezer = freezegun.freeze_time('2020-01-02 12:00'); freezer.start()",
        "freezer.stop()",
    ),
}
# freezegun replaces names: those in this scope, which is no module, it does not find.
ASKED = {"time.time()": "clock.time()", "datetime.now()": "moment.datetime.now()"}


@dataclass
class WithPatch(Contestant):
    """A statement that is timed while something is patched, and only then."""

    begin: str = ""
    end: str = ""

    def prepare(self) -> Callable[[], float]:
        """Return a function that times one slice between the beginning and the end."""
        timed = super().prepare()  # before the beginning: some clocks stop that of the loop

        def slice_() -> float:
            exec(self.begin, self.namespace)
            try:
                return timed()
            finally:
                exec(self.end, self.namespace)

        return slice_


def scope(setup: str = "") -> dict[str, Any]:
    """Return what the statements need."""
    found: dict[str, Any] = {"__name__": "benches"}
    exec(SETUP, found)
    try:
        exec(setup, found)
    except ImportError:
        raise UnavailableError("not installed") from None
    return found


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    return [calls(rounds), patching(rounds), clocks(rounds), stopping(rounds)]


def calls(rounds: int) -> Table:
    """Compare calls that are led elsewhere with calls of what they are led to."""

    def contestant(statement: str, patch: str) -> Contestant:
        begin = f"patch = {patch or None}"
        return WithPatch(statement, scope(), begin=begin, end="patch and patch.undo()")

    contestants = {name: partial(contestant, *how) for name, how in CALLS.items()}
    return Table(
        "Calling a patched C function",
        "The goal is at most 12 ns more than a direct call of a builtin, and 20 ns more than one "
        "of a Python function. That C calls a Python function costs some time in itself: "
        "a `functools.partial` does nothing else.",
        "the first row",
        "time",
        compare(contestants, rounds),
    )


def patching(rounds: int) -> Table:
    """Compare what is written in C."""

    def contestant(statement: str) -> Contestant:
        return Contestant(statement, scope())

    rows = compare({name: partial(contestant, it) for name, it in PATCHES.items()}, rounds)
    return Table(
        "Patching what is written in C, and undoing it",
        f"Both together. The goal is at most {GOAL_NS // 1000} µs.",
        "the first row",
        "time",
        [replace(row, goal=GOAL_NS) for row in rows],
    )


def clocks(rounds: int) -> Table:
    """Compare how fast a stopped clock tells the time."""

    def contestant(statement: str, setup: str, begin: str, end: str) -> Contestant:
        setup += "\nimport time as clock, datetime as moment"
        return WithPatch(statement, scope(setup), begin=begin, end=end)

    rows: list[Row] = []
    for what, statement in ASKED.items():
        contestants = {
            f"`{what}`: {name}": partial(contestant, statement, *how)
            for name, how in CLOCKS.items()
        }
        rows += compare(contestants, max(rounds // 40, 1))
    return Table(
        "Asking a stopped clock",
        "The ratio is to hotpatch.",
        "hotpatch",
        "time",
        rows,
    )


def stopping(rounds: int) -> Table:
    """Compare what it costs to stop the clock and to let it go on."""

    def contestant(setup: str, begin: str, end: str) -> Contestant:
        return Contestant(f"{begin}\n{end}", scope(setup))

    contestants = {name: partial(contestant, *how) for name, how in CLOCKS.items()}
    return Table(
        "Stopping the clock and letting it go on",
        "hotpatch patches `time.time` and `datetime.now`, the others also what else tells it.",
        "hotpatch",
        "time",
        compare(contestants, max(rounds // 40, 1)),
    )
