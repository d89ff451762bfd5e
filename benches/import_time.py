"""What importing hotpatch costs, in processes of their own."""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from statistics import median
from time import perf_counter_ns

from benches.tables import Row, Table

GOAL_NS = 3_000_000
MODULES = ("hotpatch", "wrapt", "unittest.mock")
BARE = [sys.executable, "-c", "pass"]


def run(rounds: int) -> list[Table]:
    """Answer the question of this file."""
    with tempfile.TemporaryDirectory() as caches:
        # Modules come from bytecode caches, as after a first import, wherever they are installed.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": caches}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = {module: [sys.executable, "-c", f"import {module}"] for module in MODULES}
        works = {module: succeeds(command, environment) for module, command in commands.items()}
        if not works["hotpatch"]:
            raise ImportError("cannot import hotpatch in a new process")
        succeeds(BARE, environment)
        bare: list[float] = []
        extra, ratios = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        reported: list[float] = []
        for _ in range(max(rounds // 4, 1)):
            bare.append(spent(BARE, environment))
            for module, command in commands.items():
                if works[module]:
                    time = spent(command, environment)
                    extra[module].append(time - bare[-1])
                    ratios[module].append(time / bare[-1])
            reported.append(reported_by_python(environment))
    rows = [Row("a process that imports nothing", median(bare), 1.0)]
    for module in MODULES:
        name, goal = f"`import {module}`, added to it", GOAL_NS if module == "hotpatch" else None
        if works[module]:
            rows.append(Row(name, median(extra[module]), median(ratios[module]), goal=goal))
        else:
            rows.append(Row(name, note="not installed"))
    rows.append(Row("`import hotpatch`, by `-X importtime`", median(reported), goal=GOAL_NS))
    text = (
        "The first row is a whole process, the others are what the import adds to it. "
        "The goal is at most 3 ms."
    )
    return [Table("Importing", text, "a process that imports nothing", "time", rows)]


def succeeds(command: list[str], environment: dict[str, str]) -> bool:
    """Run the command once, which also fills the bytecode cache."""
    return subprocess.run(command, env=environment, capture_output=True).returncode == 0


def spent(command: list[str], environment: dict[str, str]) -> float:
    """Return how many ns the command takes, from its start to its end."""
    start = perf_counter_ns()
    subprocess.run(command, env=environment, check=True)
    return perf_counter_ns() - start


def reported_by_python(environment: dict[str, str]) -> float:
    """Return the ns that Python itself counts for hotpatch and all that it imports."""
    command = [sys.executable, "-X", "importtime", "-c", "import hotpatch"]
    lines = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stderr.splitlines()
    # import time:  self [us] |  cumulative | hotpatch
    _, cumulative, _ = next(line for line in lines if line.endswith(" hotpatch")).split("|")
    return float(cumulative) * 1_000
