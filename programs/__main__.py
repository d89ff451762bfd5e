"""Runs programs plainly and with hooks on all of their functions, and compares the results."""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import difflib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import programs
from programs.subjects import EXPECTED, PROGRAMS
from programs.suite import source

ROOT = Path(__file__).resolve().parent.parent
MODES = ("plain", "hooked", "undone")
COLUMNS = ("program", "results", "failing unhooked", "functions", "hooked", "called", "calls")
# So that what is hashed, drawn and compiled is the same each time.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "COLUMNS": "80",
    "DISABLE_SQLALCHEMY_CEXT_RUNTIME": "1",  # there is a Python form of everything
}


def run(mode: str, name: str) -> dict[str, Any]:
    """Run a program in a process of its own, and return what that wrote down."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "report.json")
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "programs.run",
            mode,
            name,
            str(file),
        ]
        done = subprocess.run(
            command,
            # click's tests write to a file of always the same name.
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path, "TMPDIR": directory},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-4000:]
            sys.exit(f"{name}, {mode}: the process ended with {done.returncode}\n{said}")
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return report


def differences(plain: dict[str, Any], other: dict[str, Any]) -> dict[str, str]:
    """Say for each result that is not the same what it is instead."""
    results, others = plain["results"], other["results"]
    found = {}
    for name in sorted(results.keys() | others.keys()):
        now, then = others.get(name, "absent"), results.get(name, "absent")
        if now != then:
            diff = difflib.unified_diff(then.splitlines(), now.splitlines(), n=0, lineterm="")
            trace = other["traces"].get(name) or plain["traces"].get(name, "")
            lines = [*list(diff)[2:14], *trace.splitlines()[-12:]]
            found[name] = "\n".join(f"      {line[:200]}" for line in lines)
    return found


@dataclasses.dataclass
class Finding:
    """What is wrong with one program, and the row of the table that says what was done."""

    row: list[str]
    wrong: list[str]
    expected: list[str]
    kinds: collections.Counter[str]


def examine(
    name: str, plain: dict[str, Any], hooked: dict[str, Any], undone: dict[str, Any]
) -> Finding:
    wrong = [f"after undo {text}" for text in hooked["not_put_back"] + undone["not_put_back"]]
    results = plain["results"]
    wrong += [
        f"{result} raises when nothing is hooked\n{text}"
        for result, text in results.items()
        if text.startswith("raised")
    ]
    found = differences(plain, hooked)
    wrong += [f"{it} differs\n{text}" for it, text in found.items() if it not in EXPECTED]
    after = differences(plain, undone)
    wrong += [f"{it} differs after undo\n{text}" for it, text in after.items()]
    summary = hooked["summary"]
    wrong += [f"refused: {text}" for text in summary["refused"]]
    counts = [len(results), sum(text.startswith("failed") for text in results.values())]
    counts += [summary["found"], sum(summary["hooked"].values())]
    counts += [summary["called"], summary["calls"]]
    row = [name, *[f"{count:,}" for count in counts]]
    expected = [result for result in found if result in EXPECTED]
    return Finding(row, wrong, expected, collections.Counter(summary["hooked"]))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m programs",
        description=programs.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}")
    options = parser.parse_args()
    if unknown := set(options.programs) - set(PROGRAMS):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    names = options.programs or list(PROGRAMS)
    for name in names:
        if PROGRAMS[name].tests:
            source(PROGRAMS[name])  # so that no two processes download it
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {name: [pool.submit(run, mode, name) for mode in MODES] for name in names}
        findings = [examine(name, *(it.result() for it in runs[name])) for name in names]
    rows = [list(COLUMNS), ["---", *["---:"] * (len(COLUMNS) - 1)]]
    rows += [finding.row for finding in findings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")
    wrong = [text for finding in findings for text in finding.wrong]
    expected = [name for finding in findings for name in finding.expected]
    for name in expected:
        print(f"differs, and has to: {name}: {EXPECTED[name]}")
    if not options.programs:
        wrong += [f"{name} has to differ, and does not" for name in EXPECTED.keys() - {*expected}]
    kinds = sum((finding.kinds for finding in findings), collections.Counter[str]())
    print("hooked:", ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common()))
    for text in wrong:
        print(f"WRONG: {text}")
    print(f"{sys.version.split()[0]}: {'all equal' if not wrong else f'{len(wrong)} WRONG'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
