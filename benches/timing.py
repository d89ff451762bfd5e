"""Times several statements in turn, so that their ratios hold on a machine that does other work.

Such a machine is slow for a while, then fast again. So each round times every contestant once, for
half a millisecond, right after one another: what slows one down slows all of them down, and the
ratio to the first contestant is taken within the round. The medians over all rounds are reported.

The contestants are made afresh many times, because a loop can be some percent faster or slower
for as long as it lives just by where its code lies in memory.
"""

import gc
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from textwrap import indent
from typing import Any

from benches.tables import Row

SLICE_NS = 500_000
BUILDS = 20

# Each contestant gets code of its own, since CPython specialises each call where it stands.
LOOP = """
def loop(times):
    iterations = repeat(None, times)
    start = perf_counter_ns()
    for _ in iterations:
        {statements}
    return perf_counter_ns() - start
"""


class UnavailableError(Exception):
    """A peer is not installed, or does not work on this Python: the table then says so."""


@dataclass
class Contestant:
    """A statement to time, and what to do before it is timed.

    The statement also runs for a while before each of the `stages`. So it is timed as in a program
    that was running when the patch came, with calls that had been specialised for the old body.
    """

    statement: str
    namespace: dict[str, Any]
    stages: Sequence[Callable[[], object]] = ()
    unrolled: int = 1

    def prepare(self) -> Callable[[], float]:
        """Go through the stages, then return a function that times one slice, in ns per run."""
        statements = indent("\n".join([self.statement] * self.unrolled), " " * 8).lstrip()
        exec("from itertools import repeat\nfrom time import perf_counter_ns", self.namespace)
        exec(LOOP.format(statements=statements), self.namespace)
        loop: Callable[[int], int] = self.namespace["loop"]
        for stage in self.stages:
            fit_slice(loop)
            stage()
        times = fit_slice(loop)
        return lambda: loop(times) / (times * self.unrolled)


def fit_slice(loop: Callable[[int], int]) -> int:
    """Return how many times the loop goes round in a slice, having run it for as long."""
    times = 1
    while (spent := loop(times)) < SLICE_NS:
        times = max(times + 1, min(times * 10, times * SLICE_NS // max(spent, 1)))
    return times


def compare(
    contestants: Mapping[str, Callable[[], Contestant]], rounds: int, builds: int = BUILDS
) -> list[Row]:
    """Time contestants in turn; one row each, its ratio being the one to the first contestant."""
    times, ratios = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    notes: dict[str, str] = dict.fromkeys(contestants, "")
    builds = min(builds, rounds)
    for build in range(builds):
        slices: dict[str, Callable[[], float]] = {}
        for name, make in contestants.items():
            try:
                slices[name] = make().prepare()
            except UnavailableError as error:
                notes[name] = str(error)
        names = list(slices)
        gc.collect()
        gc.disable()
        try:
            for turn in range(rounds // builds):
                # Nobody always runs right after the same contestant.
                order = names if (build + turn) % 2 else names[::-1]
                spent = {name: slices[name]() for name in order}
                for name in names:
                    times[name].append(spent[name])
                    ratios[name].append(spent[name] / spent[names[0]])
        finally:
            gc.enable()
    return [
        Row(name, median(times[name]), median(ratios[name]))
        if times[name]
        else Row(name, note=note)
        for name, note in notes.items()
    ]
